//! `orphans` on real dbt: what we built and nobody claims is listed and, with its hash, dropped;
//! nothing else is.

use crate::support::shop::ALL;
use crate::support::{Done, Shop};
use serde_json::Value;
use std::fs;

fn answer(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:#?}"))
}

/// The orphans as `relation: now`.
#[track_caller]
fn listed(done: &Done) -> Vec<String> {
    let list = answer(done)["orphans"].as_array().expect("a list").clone();
    let word = |one: &Value, name: &str| one[name].as_str().unwrap_or("?").replace('"', "");
    list.iter().map(|one| format!("{}: {}", word(one, "relation"), word(one, "now"))).collect()
}

fn remove(shop: &Shop, file: &str) {
    fs::remove_file(shop.project().join(file)).expect("a file of the project");
}

/// A shop with two more models, one of which reads the other.
fn with_two_more(version: Option<&str>) -> Option<Shop> {
    let shop = version.map_or_else(Shop::warm, Shop::with_dbt)?;
    shop.write("models/old_table.sql", "{{ config(materialized='table') }} select 1 as one");
    shop.write(
        "models/old_view.sql",
        "{{ config(materialized='view') }} select * from {{ ref('old_table') }}",
    );
    shop.run(&["build"]).expect_code(0);
    Some(shop)
}

/// Removes both models, and drops what they left.
#[track_caller]
fn are_dropped(shop: &Shop, schema: &str) {
    shop.run(&["orphans"]).expect_code(0);
    remove(shop, "models/old_view.sql");
    remove(shop, "models/old_table.sql");
    let both = [format!("{schema}.old_view: there"), format!("{schema}.old_table: there")];
    // Before a run has noticed, and afterwards.
    assert_eq!(listed(shop.run(&["orphans", "--json"]).expect_code(10)), both);
    fs::write(shop.project().join("message"), "").expect("a file");
    let done = shop.run(&["--termination-log", "message", "build"]);
    assert!(done.expect_code(0).stderr.contains(", 2 orphans"), "{done:#?}");
    let message = fs::read_to_string(shop.project().join("message")).expect("a file");
    assert!(message.contains("\"orphans\":2"), "{message}");
    let plan = shop.run(&["plan"]);
    assert!(plan.stdout.contains("no node is built into 2 relations any more"), "{plan:#?}");
    assert!(shop.run(&["plan", "--json"]).stdout.contains("\"orphans\": 2"));
    let found = shop.run(&["orphans", "--json"]);
    assert_eq!(listed(found.expect_code(10)), both);
    assert!(shop.run(&["status"]).stdout.contains("2 relations that no node is built into"));
    let status = answer(&shop.run(&["status", "--json"]));
    let counts = [&status["orphans"], &status["last_run"]["orphans"]];
    assert_eq!(counts, [2, 2], "{status:#?}");
    let statements = shop.run(&["orphans", "--sql"]).expect_code(10).stdout.replace('"', "");
    let expected = format!(
        "drop view if exists {schema}.old_view;\ndrop table if exists {schema}.old_table;\n"
    );
    assert_eq!(statements, expected);
    shop.run(&["orphans", "--drop"]).expect_code(64);
    shop.run(&["orphans", "--drop", "--approve", "0123456789abcdef"]).expect_code(78);
    let hash = answer(&found)["hash"].as_str().expect("a hash").to_owned();
    let dropped = shop.run(&["orphans", "--drop", "--approve", &hash]);
    assert!(dropped.expect_code(0).stdout.contains("dropped 2 relations"), "{dropped:#?}");
    let left = "select count(*) from information_schema.tables where table_name like 'old%'";
    assert_eq!(shop.query(left).trim(), "0");
    shop.run(&["orphans"]).expect_code(0);
    shop.run(&["verify"]).expect_code(0);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn what_we_built_and_nobody_claims_is_dropped_with_its_hash() {
    let Some(shop) = with_two_more(None) else { return };
    are_dropped(&shop, "shop.main");
}

#[test]
fn dropping_works_on_postgresql_and_takes_nothing_along() {
    let Some(shop) = with_two_more(Some("postgres")) else { return };
    shop.query("create view public.dashboard as select * from public.old_table");
    remove(&shop, "models/old_view.sql");
    remove(&shop, "models/old_table.sql");
    let found = shop.run(&["orphans", "--json"]);
    let hash = answer(found.expect_code(10))["hash"].as_str().expect("a hash").to_owned();
    let refused = shop.run(&["orphans", "--drop", "--approve", &hash]);
    assert!(refused.expect_code(78).stderr.contains("dashboard"), "{refused:#?}");
    assert_eq!(listed(&shop.run(&["orphans", "--json"])).len(), 2, "nothing was dropped");
    shop.query("drop view public.dashboard");
    shop.write("models/old_table.sql", "{{ config(materialized='table') }} select 1 as one");
    shop.write(
        "models/old_view.sql",
        "{{ config(materialized='view') }} select * from {{ ref('old_table') }}",
    );
    are_dropped(&shop, "shop.public");
}

#[test]
fn what_somebody_else_built_or_took_over_is_no_orphan() {
    let Some(shop) = with_two_more(None) else { return };
    shop.query("create table theirs as select 1 as one; select 1");
    // Taken over by another node, and by a source.
    fs::rename(
        shop.project().join("models/old_table.sql"),
        shop.project().join("models/new_table.sql"),
    )
    .expect("a rename");
    shop.edit("models/new_table.sql", |sql| {
        sql.replace("materialized='table'", "materialized='table', alias='old_table'")
    });
    remove(&shop, "models/old_view.sql");
    shop.write(
        "models/taken.yml",
        "version: 2\nsources:\n  - name: taken\n    schema: main\n    tables:\n      - name: old_view\n",
    );
    assert_eq!(listed(shop.run(&["orphans", "--json"]).expect_code(0)), [""; 0]);
    shop.run(&["build"]).expect_code(0);
    assert_eq!(listed(shop.run(&["orphans", "--json"]).expect_code(0)), [""; 0]);
    // Moved, and its old relation replaced by something else.
    remove(&shop, "models/taken.yml");
    shop.edit("models/new_table.sql", |sql| {
        sql.replace("alias='old_table'", "alias='newer_table'")
    });
    shop.run(&["build"]).expect_code(0);
    shop.query("drop view old_view; create table old_view as select 2 as two; select 1");
    let found = shop.run(&["orphans", "--json"]);
    let mut expected = ["shop.main.old_table: there", "shop.main.old_view: replaced"];
    expected.sort_unstable();
    let mut names = listed(found.expect_code(10));
    names.sort_unstable();
    assert_eq!(names, expected);
    let hash = answer(&found)["hash"].as_str().expect("a hash").to_owned();
    shop.run(&["orphans", "--drop", "--approve", &hash]).expect_code(0);
    assert_eq!(shop.query("select two from old_view").trim(), "2");
    assert_eq!(shop.query("select one from theirs").trim(), "1");
}

#[test]
fn what_only_an_earlier_baseline_knows_is_found_and_once_it_was_dropped_it_is_forgotten() {
    let Some(shop) = Shop::warm() else { return };
    shop.run(&["build"]).expect_built(&ALL);
    shop.write("models/old_table.sql", "{{ config(materialized='table') }} select 1 as one");
    shop.write("models/adopted.sql", "{{ config(materialized='table') }} select 1 as one");
    shop.run(&["build", "--exclude", "adopted"]).expect_built(&["old_table"]);
    shop.run(&["rollback"]).expect_code(0);
    remove(&shop, "models/old_table.sql");
    shop.query("create table adopted as select 1 as one; select 1");
    let found = shop.run(&["orphans", "--json"]);
    assert_eq!(listed(found.expect_code(10)), ["shop.main.old_table: there"]);
    assert_eq!(answer(&found)["orphans"][0]["earlier"], true);
    let words = shop.run(&["orphans"]);
    assert!(words.stdout.contains("removed since an earlier baseline"), "{words:#?}");
    let hash = answer(&found)["hash"].as_str().expect("a hash").to_owned();
    shop.run(&["orphans", "--drop", "--approve", &hash]).expect_code(0);
    // A name that somebody else takes afterwards is theirs, whatever the history says.
    shop.query("create table old_table as select 2 as two; select 1");
    assert_eq!(listed(shop.run(&["orphans", "--json"]).expect_code(0)), [""; 0]);
    shop.touch("models/marts/loyal_customers.sql");
    shop.run(&["build", "--exclude", "adopted"]).expect_code(0);
    shop.run(&["rollback", "2"]).expect_code(0);
    assert_eq!(listed(shop.run(&["orphans", "--json"]).expect_code(0)), [""; 0]);
    // It is ours again once we have built it again.
    shop.write("models/old_table.sql", "{{ config(materialized='table') }} select 3 as three");
    let done = shop.run(&["build", "--exclude", "adopted"]);
    assert!(done.expect_code(0).built.contains("old_table"), "{done:#?}");
    remove(&shop, "models/old_table.sql");
    assert_eq!(
        listed(shop.run(&["orphans", "--json"]).expect_code(10)),
        ["shop.main.old_table: there"]
    );
}

#[test]
fn an_adopted_relation_was_not_built_by_us() {
    let Some(shop) = Shop::warm() else { return };
    shop.bare_dbt(&["build"]).expect_built(&ALL);
    shop.run(&["adopt"]).expect_code(0);
    shop.run(&["verify"]).expect_code(0);
    remove(&shop, "models/marts/loyal_customers.sql");
    shop.run(&["build"]).expect_built(&[]);
    assert_eq!(listed(shop.run(&["orphans", "--json"]).expect_code(0)), [""; 0]);
}

#[test]
fn dbt_v2_drops_as_well() {
    for version in ["v2", "v2rc"] {
        let Some(shop) = with_two_more(Some(version)) else { return };
        are_dropped(&shop, "shop.main");
    }
}
