//! What operators see and steer: summaries, history, status, plans, budgets.

use crate::support::{Done, Shop, shop::ALL};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A shop whose warehouse and baseline hold everything.
fn populated() -> Option<Shop> {
    let shop = Shop::warm()?;
    shop.run(&["build"]).expect_built(&ALL);
    Some(shop)
}

#[track_caller]
fn says(done: &Done, words: &str) {
    let said = done.stderr.contains(words) || done.stdout.contains(words);
    assert!(said, "{words:?} is not said: {done:#?}");
}

fn last_run(shop: &Shop) -> Value {
    let path = shop.state().join(".dbt-entrypoint/last-run.json");
    serde_json::from_slice(&fs::read(path).expect("a last run")).expect("JSON")
}

/// A file as a container's runtime makes it.
fn termination_log(shop: &mut Shop) -> PathBuf {
    let path = shop.state().with_file_name("termination-log");
    fs::write(&path, "of an earlier start, and longer than nothing").expect("a file");
    shop.env("DBT_ENTRYPOINT_TERMINATION_LOG", &path);
    path
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_run_ends_with_one_summary_for_people_the_volume_kubernetes_and_prometheus() {
    let Some(mut shop) = Shop::warm() else { return };
    let termination = termination_log(&mut shop);
    let metrics = shop.project().join("dbt.prom");
    shop.env("DBT_ENTRYPOINT_METRICS_FILE", &metrics);
    shop.edit("models/marts/orders.sql", |sql| format!("{sql}\nand no_such_column = 1"));
    let failed = shop.run(&["build"]);
    failed.expect_code(1);
    says(&failed, "build (first population) failed with 1 after");
    says(
        &failed,
        "failed: model.shop.orders: Runtime Error in model orders (models/marts/orders.sql)\n    Binder Error: ",
    );
    assert!(!failed.stderr.contains("model.shop.orders: failed in the last run"), "{failed:#?}");
    assert_eq!(failed.stderr.matches("still to be built").count(), 2, "{failed:#?}");

    let run = last_run(&shop);
    assert_eq!((run["exit"].as_u64(), run["command"].as_str()), (Some(1), Some("build")));
    assert!(run["built"]["model.shop.stg_orders"].as_f64().is_some(), "{run}");
    let message = run["failed"]["model.shop.orders"].as_str().expect("a message").to_owned();
    assert!(message.contains("no_such_column"), "{message}");
    assert_eq!(run["pending"].as_object().map(|nodes| nodes.len()), Some(5), "{run}");
    assert!(run["started_at"].as_u64() <= run["ended_at"].as_u64(), "{run}");

    let verdict = json(&fs::read_to_string(&termination).expect("a verdict"));
    assert_eq!(
        (verdict["verdict"].as_str(), verdict["failed"].as_u64()),
        (Some("failed"), Some(1))
    );
    assert_eq!(verdict["messages"]["model.shop.orders"], message);
    let metrics = fs::read_to_string(metrics).expect("metrics");
    let failed =
        "\ndbt_entrypoint_last_run_exit_code{command=\"build\",project=\"shop\",target=\"dev\"";
    assert!(metrics.contains(failed), "{metrics}");
    let pending = metrics.lines().find(|line| line.starts_with("dbt_entrypoint_nodes_pending{"));
    assert!(pending.is_some_and(|line| line.ends_with("} 5")), "{metrics}");
    assert!(!metrics.contains("success"), "{metrics}");
}

#[test]
fn a_run_with_nothing_to_do_has_a_summary_too_and_json_is_one_line() {
    let Some(shop) = populated() else { return };
    let done = shop.run(&["--log", "json", "run"]);
    done.expect_built(&[]);
    let lines: Vec<Value> =
        done.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let stamps = |line: &Value| line["time"].is_string() && line["run_id"] == lines[0]["run_id"];
    assert!(lines.len() > 1 && lines.iter().all(stamps), "{lines:#?}");
    let summaries: Vec<&Value> = lines.iter().filter_map(|line| line.get("summary")).collect();
    let [summary] = summaries[..] else { panic!("not one summary: {done:#?}") };
    assert_eq!((summary["exit"].as_u64(), summary["mode"].as_str()), (Some(0), Some("changes")));
    assert_eq!(*summary, last_run(&shop));
}

#[test]
fn a_refusal_leaves_its_reason_as_the_termination_message() {
    let Some(mut shop) = Shop::warm() else { return };
    let message = termination_log(&mut shop);
    shop.run(&["--on-empty", "refuse", "build"]).expect_code(78);
    let text = fs::read_to_string(&message).expect("a verdict");
    let verdict = json(&text);
    assert_eq!(
        (verdict["verdict"].as_str(), verdict["exit"].as_u64()),
        (Some("refused"), Some(78))
    );
    assert!(text.contains("--on-empty adopt"), "{text}");
    shop.env("DBT_ENTRYPOINT_TERMINATION_LOG", "/nonexistent/log");
    let again = shop.run(&["--on-empty", "refuse", "build"]);
    // What is kept of a refusal does not make an empty volume another thing.
    says(again.expect_code(78), "the state volume is empty");
    says(&shop.run(&["status"]), "build refused with 78");
}

#[test]
fn a_refusal_stands_on_the_volume_for_status_unless_the_volume_is_not_ours() {
    let Some(mut shop) = populated() else { return };
    shop.touch("models/marts/orders.sql");
    shop.run(&["--max-rebuild", "1", "run"]).expect_code(77);
    assert_eq!(last_run(&shop)["exit"], 77);
    says(&shop.run(&["status"]), "run (changes) refused with 77");
    says(&shop.run(&["status"]), "5 nodes would be built, but --max-rebuild allows 1");
    // A plan is no run.
    let before = shop.files_of_the_volume();
    shop.run(&["--max-rebuild", "1", "plan", "run"]).expect_code(10);
    // Another warehouse is refused, and leaves no trace either.
    shop.env("SHOP_DATABASE", "other.duckdb");
    shop.run(&["run"]).expect_code(78);
    assert!(before == shop.files_of_the_volume());
    shop.env_remove("SHOP_DATABASE");
    let manifest = shop.state().join("manifest.json");
    fs::write(&manifest, "{").expect("a writable volume");
    let metrics = shop.project().join("dbt.prom");
    shop.env("DBT_ENTRYPOINT_METRICS_FILE", &metrics);
    shop.run(&["run"]).expect_code(78);
    assert_eq!(last_run(&shop)["exit"], 78);
    let metrics = fs::read_to_string(metrics).expect("metrics");
    assert!(
        metrics.contains("exit_code{command=\"run\",")
            && metrics.contains("} 78\n")
            && !metrics.contains("nodes_pending"),
        "{metrics}"
    );
    assert_eq!(fs::read(manifest).expect("the damaged baseline"), b"{");
}

#[test]
fn rollback_restores_an_earlier_baseline_also_over_a_damaged_one() {
    let Some(shop) = populated() else { return };
    let manifest = shop.state().join("manifest.json");
    let first = fs::read(&manifest).expect("a baseline");
    shop.touch("models/marts/orders.sql");
    shop.run(&["run", "-s", "orders+"]).expect_code(0);
    let second = fs::read(&manifest).expect("a baseline");
    assert!(first != second);

    let listed = shop.run(&["history", "--json"]);
    assert_eq!(json(&listed.stdout).as_array().map(Vec::len), Some(2), "{listed:#?}");
    fs::write(&manifest, "{").expect("a writable volume");
    let refused = shop.run(&["run"]);
    refused.expect_code(78);
    says(&refused, "dbt-entrypoint rollback");
    shop.run(&["rollback"]).expect_code(0);
    assert!(fs::read(&manifest).expect("a baseline") == first, "not the baseline before");
    let rebuilt = shop.run(&["run"]);
    assert!(rebuilt.built.contains("orders") && rebuilt.built.len() == 5, "{rebuilt:#?}");

    let listed = shop.run(&["history"]);
    says(&listed, "to be built, dbt 1.11");
    shop.run(&["rollback", "7"]).expect_code(78);
    shop.run(&["rollback", "0"]).expect_code(64);
    let third = fs::read(&manifest).expect("a baseline");
    for expected in [&first, &third] {
        shop.run(&["rollback"]).expect_code(0);
        assert!(fs::read(&manifest).expect("a baseline") == *expected);
    }
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn status_tells_what_the_volume_holds_whatever_is_wrong_with_it() {
    let Some(mut shop) = Shop::warm() else { return };
    let status = |shop: &Shop| {
        let done = shop.run(&["status", "--json"]);
        done.expect_code(0);
        says(&shop.run(&["status"]), "last run");
        json(&done.stdout)
    };
    assert_eq!(status(&shop)["holds"], "nothing");
    shop.edit("models/marts/orders.sql", |sql| format!("{sql}\nand no_such_column = 1"));
    shop.run(&["build"]).expect_code(1);
    // Neither dbt nor the project is needed.
    shop.env("DBT_ENTRYPOINT_DBT", "no-such-dbt");
    let found = status(&shop);
    assert_eq!(
        (found["holds"].as_str(), found["complete"].as_bool()),
        (Some("baseline"), Some(false))
    );
    assert_eq!(found["pending"]["model.shop.orders"], "failed in the last run");
    assert_eq!(found["identity"]["project"], "shop");
    assert_eq!(found["last_run"]["exit"], 1);
    assert_eq!(found["at_work"], Value::Null);
    says(&shop.run(&["status"]), "failed     model.shop.orders: Runtime Error in model orders");

    let manifest = shop.state().join("manifest.json");
    for damage in [&b"{"[..], b"", b"\xff", b"[]"] {
        fs::write(&manifest, damage).expect("a writable volume");
        assert_eq!(status(&shop)["holds"], "damaged", "{damage:?}");
    }
    fs::remove_dir_all(shop.state()).expect("a writable volume");
    says(&shop.run(&["status"]), "there is no such directory");
}

/// The names of what `plan` says that the run will build, and the plan.
fn planned(shop: &Shop, words: &[&str]) -> (BTreeSet<String>, Value) {
    let before = shop.files_of_the_volume();
    let done = shop.run(&[&["plan", "--json"], words].concat());
    assert!(before == shop.files_of_the_volume(), "plan wrote on the volume: {done:#?}");
    let plan = json(&done.stdout);
    let steps = plan["steps"].as_array().expect("steps");
    done.expect_code(if steps.is_empty() { 0 } else { 10 });
    let name =
        |step: &Value| step["id"].as_str().and_then(|id| id.split('.').nth(2)).map(str::to_owned);
    (steps.iter().filter_map(name).collect(), plan)
}

fn step<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let steps = plan["steps"].as_array().expect("steps");
    let is_it =
        |step: &&Value| step["id"].as_str().is_some_and(|id| id.ends_with(&format!(".{name}")));
    steps.iter().find(is_it).unwrap_or_else(|| panic!("{name} is not in {plan}"))
}

/// Plan, run, and compare.
#[track_caller]
fn plan_is_what_is_built(shop: &Shop, words: &[&str]) -> Value {
    let (planned, plan) = planned(shop, words);
    let run = shop.run(words);
    assert_eq!(run.built, planned, "{words:?}: {plan} {run:#?}");
    plan
}

const INCREMENTAL: &str = "{{ config(materialized='incremental') }}\n\
    select * from {{ ref('stg_orders') }}\n";

#[test]
fn a_plan_names_what_the_run_then_builds_over_several_changes() {
    let Some(mut shop) = Shop::warm() else { return };
    let first = plan_is_what_is_built(&shop, &["build"]);
    assert_eq!(step(&first, "orders")["reason"], "new");
    assert_eq!(step(&first, "orders")["action"], "created");
    assert_eq!(planned(&shop, &["build"]).0, BTreeSet::new());

    shop.touch("models/staging/stg_customers.sql");
    shop.env("SHOP_LOYAL_ORDERS", "1");
    let plan = plan_is_what_is_built(&shop, &["run"]);
    assert_eq!(step(&plan, "stg_customers")["action"], "view replaced");
    assert_eq!(step(&plan, "customers")["reason"], "downstream of model.shop.stg_customers (body)");
    assert_eq!(step(&plan, "loyal_customers")["reason"], "env_var SHOP_LOYAL_ORDERS");
    assert!(step(&plan, "customers")["seconds"].as_f64().is_some(), "{plan}");
}

#[test]
fn a_plan_knows_exclusions_selections_and_what_they_leave_to_be_built() {
    let Some(shop) = populated() else { return };
    shop.touch("models/marts/orders.sql");
    plan_is_what_is_built(&shop, &["run", "--exclude", "customers+"]);
    plan_is_what_is_built(&shop, &["run", "-s", "payment_methods"]);
    let rest = plan_is_what_is_built(&shop, &["run"]);
    assert_eq!(step(&rest, "customers")["reason"], "not rebuilt after model.shop.orders");
}

#[test]
fn a_changed_incremental_model_is_named_until_it_is_refreshed() {
    let Some(shop) = Shop::warm() else { return };
    shop.write("models/marts/ledger.sql", INCREMENTAL);
    shop.run(&["build"]).expect_code(0);
    shop.touch("models/marts/ledger.sql");
    let (_, plan) = planned(&shop, &["run"]);
    assert_eq!(step(&plan, "ledger")["action"], "altered, history not rebuilt");
    let (_, refreshing) = planned(&shop, &["run", "--full-refresh"]);
    assert_eq!(step(&refreshing, "ledger")["action"], "refreshed (dropped and rebuilt)");

    let words = "model.shop.ledger: altered, history not rebuilt (body)";
    let run = shop.run(&["run"]);
    run.expect_built(&["ledger"]);
    says(&run, words);
    says(&shop.run(&["run"]), words);
    says(&shop.run(&["status"]), words);
    shop.run(&["run", "--full-refresh", "-s", "ledger"]).expect_built(&["ledger"]);
    assert!(!shop.run(&["status"]).stdout.contains("altered"));
}

#[test]
fn over_the_budget_nothing_is_built() {
    let Some(shop) = Shop::warm() else { return };
    // The first population is what an empty volume is for.
    shop.run(&["--max-rebuild", "1", "build"]).expect_built(&ALL);
    shop.touch("models/marts/orders.sql");
    let refused = shop.run(&["--max-rebuild", "10%", "run"]);
    refused.expect_code(77);
    assert_eq!(refused.built, BTreeSet::new());
    says(&refused, "5 of 12 nodes (42 %) would be built");
    says(&refused, "model.shop.orders");
    shop.run(&["--protect", "customers,revenue_by_country", "run"]).expect_code(77);
    // A protection that protects nothing is a mistake.
    shop.run(&["--protect", "tag:none,revenue_by_country", "run"]).expect_code(78);
    shop.run(&["--max-rebuild-time", "0", "--full", "run"]).expect_code(77);
    shop.run(&["--max-rebuild", "many", "run"]).expect_code(64);
}

#[test]
fn an_approved_plan_is_built_and_another_one_is_not() {
    let Some(shop) = populated() else { return };
    shop.touch("models/marts/orders.sql");
    let hash = planned(&shop, &["run"]).1["hash"].as_str().expect("a hash").to_owned();
    shop.touch("models/marts/orders.sql");
    let other = shop.run(&["--max-rebuild", "1", "--approve", &hash, "run"]);
    other.expect_code(77);
    says(&other, &format!("--approve {hash} is for another plan"));
    let (_, hash) = other.stderr.split_once("dbt-entrypoint --approve ").expect("the other hash");
    let hash = hash.split(' ').next().unwrap_or_default().to_owned();
    let run = shop.run(&["--max-rebuild", "1", "--approve", &hash, "run"]);
    assert_eq!((run.code, run.built.len()), (0, 5), "{run:#?}");
    shop.touch("models/marts/orders.sql");
    assert_eq!(shop.run(&["--max-rebuild", "1", "--yes", "run"]).code, 0);
}

#[test]
fn adopting_asserts_what_the_warehouse_holds_and_needs_force_over_a_baseline() {
    let Some(shop) = Shop::warm() else { return };
    shop.run(&["--no-state", "build"]).expect_built(&ALL);
    let manifest = shop.project().join("old-manifest.json");
    fs::copy(shop.project().join("target/manifest.json"), &manifest).expect("a copy");
    shop.touch("models/marts/orders.sql");
    shop.run(&["adopt"]).expect_code(0);
    shop.run(&["build"]).expect_built(&[]);

    let refused = shop.run(&["adopt", "--from", "old-manifest.json"]);
    refused.expect_code(78);
    says(&refused, "adopt --force");
    shop.run(&["adopt", "--from", "no-such.json", "--force"]).expect_code(78);
    shop.run(&["adopt", "--from", "old-manifest.json", "--force"]).expect_code(0);
    let built = shop.run(&["build"]);
    assert!(built.built.contains("orders") && built.built.len() == 5, "{built:#?}");
}

#[test]
fn invalidated_nodes_are_built_again_and_nothing_else() {
    let Some(shop) = populated() else { return };
    shop.run(&["invalidate", "no_such_model"]).expect_code(78);
    shop.run(&["invalidate", "--force"]).expect_code(64);
    shop.run(&["invalidate", "payment_methods", "path:models/marts/loyal_customers.sql"])
        .expect_code(0);
    let (_, plan) = planned(&shop, &["run"]);
    assert_eq!(step(&plan, "payment_methods")["reason"], "invalidated by hand");
    let waits =
        "2 nodes: invalidated by hand: model.shop.loyal_customers, model.shop.payment_methods\n";
    says(&shop.run(&["status"]), waits);
    shop.run(&["run"]).expect_built(&["loyal_customers", "payment_methods"]);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn a_changed_baseline_is_published_and_a_failed_hook_is_run_again_by_the_next_run() {
    let Some(mut shop) = Shop::warm() else { return };
    shop.env(
        "DBT_ENTRYPOINT_PUBLISH",
        "sh -c 'cp \"$DBT_ENTRYPOINT_MANIFEST\" outbox/manifest.json'",
    );
    let failed = shop.run(&["build"]);
    failed.expect_built(&ALL);
    says(&failed, "the next run publishes again");
    fs::create_dir(shop.project().join("outbox")).expect("a directory");
    says(&shop.run(&["build"]), "published");
    let published = fs::read(shop.project().join("outbox/manifest.json")).expect("a copy");
    assert!(published == fs::read(shop.state().join("manifest.json")).expect("a baseline"));
    let unchanged = shop.run(&["build"]);
    assert!(!unchanged.stderr.contains("published"), "{unchanged:#?}");
}
