//! `--refresh-changed`: changed incremental models are made anew, in an order that keeps to
//! their dependencies, and the rest is built as always.

use crate::support::{Done, Shop};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const REFRESH: [&str; 2] = ["--refresh-changed", "materialized_view,incremental"];

/// A table, an incremental model on it, a table on that, and once more; `beside` is
/// incremental as well and never changes, but it reads a table that does.
const CHAIN: [(&str, &str); 6] = [
    ("first", "{{ config(materialized='table') }} select 1 as id, 'old' as word"),
    ("second", "{{ config(materialized='incremental') }} select id, word from {{ ref('first') }}"),
    ("beside", "{{ config(materialized='incremental') }} select id, word from {{ ref('first') }}"),
    (
        "third",
        "{{ config(materialized='table') }} select count(*) as n, max(word) as word from {{ ref('second') }}",
    ),
    ("fourth", "{{ config(materialized='incremental') }} select n, word from {{ ref('third') }}"),
    (
        "fifth",
        "{{ config(materialized='table') }} select count(*) as n, max(word) as word from {{ ref('fourth') }}",
    ),
];

/// A shop in which the chain has been built once, and nothing else.
fn chain() -> Option<Shop> {
    let shop = Shop::warm()?;
    for folder in ["models", "seeds"] {
        fs::remove_dir_all(shop.project().join(folder)).expect("the example has it");
        fs::create_dir(shop.project().join(folder)).expect("a directory");
    }
    for (name, sql) in CHAIN {
        shop.write(&format!("models/{name}.sql"), sql);
    }
    run(&shop, &["build"]).expect_built(&CHAIN.map(|(name, _)| name));
    Some(shop)
}

fn run(shop: &Shop, words: &[&str]) -> Done {
    shop.run(&[&REFRESH[..], words].concat())
}

/// Other values in the first table; other code in both incremental models of the chain.
fn upgrade(shop: &Shop) {
    shop.edit("models/first.sql", |sql| sql.replace("old", "new"));
    for name in ["second", "fourth"] {
        shop.edit(&format!("models/{name}.sql"), |sql| format!("{sql} where true"));
    }
}

/// The names in a plan or in a summary.
fn names<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    ids.into_iter().filter_map(|id| id.split('.').nth(2)).map(str::to_owned).collect()
}

/// What the whole of the last run built, in however many passes.
fn built(shop: &Shop) -> BTreeSet<String> {
    let path = shop.state().join(".dbt-entrypoint/last-run.json");
    let run: Value = serde_json::from_slice(&fs::read(path).expect("a last run")).expect("JSON");
    names(run["built"].as_object().expect("nodes").keys().map(String::as_str))
}

/// The steps of a plan as `name: action`, and its hash.
fn planned(shop: &Shop, words: &[&str]) -> (Vec<String>, String) {
    let done = shop.run(&[words, &["plan", "--json", "run"]].concat());
    let plan: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e} {done:?}"));
    let steps = plan["steps"].as_array().expect("steps").iter().map(|step| {
        let id = step["id"].as_str().and_then(|id| id.split('.').nth(2)).expect("a name");
        format!("{id}: {}", step["action"].as_str().expect("an action"))
    });
    (steps.collect(), plan["hash"].as_str().expect("a hash").to_owned())
}

#[test]
fn changed_incremental_models_are_made_anew_after_their_parents_and_before_their_children() {
    let Some(shop) = chain() else { return };
    upgrade(&shop);
    let (mut steps, hash) = planned(&shop, &REFRESH);
    steps.sort();
    assert_eq!(
        steps,
        [
            "beside: refreshed (dropped and rebuilt)",
            "fifth: table replaced",
            "first: table replaced",
            "fourth: refreshed (dropped and rebuilt)",
            "second: refreshed (dropped and rebuilt)",
            "third: table replaced",
        ]
    );
    // An approval is of a refresh, or of none.
    let (_, plain) = planned(&shop, &[]);
    assert_ne!(hash, plain);
    run(&shop, &["--max-rebuild", "1", "--approve", &plain, "run"]).expect_code(77);
    let done = run(&shop, &["--max-rebuild", "1", "--approve", &hash, "run"]);
    done.expect_code(0);
    assert_eq!(built(&shop), CHAIN.map(|(name, _)| name.to_owned()).into(), "{done:#?}");
    // What a build from scratch would hold.
    for table in ["second", "fourth", "fifth", "beside"] {
        assert_eq!(shop.query(&format!("select * from {table}")), "1|new\n", "{table} {done:#?}");
    }
    let status = shop.run(&["status"]);
    assert!(!status.stdout.contains("altered"), "{status:#?}");
    run(&shop, &["--always-start", "run"]).expect_built(&[]);
}

#[test]
fn a_refresh_that_failed_is_a_refresh_when_it_is_made_up_for() {
    let Some(shop) = chain() else { return };
    shop.edit("models/second.sql", |sql| format!("{sql} where no_such_column"));
    shop.edit("models/first.sql", |sql| sql.replace("old", "new"));
    let failed = run(&shop, &["run"]);
    failed.expect_code(1);
    assert_eq!(names(["model.shop.first", "model.shop.beside"]), built(&shop), "{failed:#?}");
    let status = shop.run(&["status"]);
    let failed = "failed     model.shop.second: Runtime Error in model second";
    assert!(status.stdout.contains(failed), "{status:#?}");
    shop.edit("models/second.sql", |sql| sql.replace("no_such_column", "true"));
    run(&shop, &["run"]).expect_code(0);
    assert_eq!(shop.query("select * from second"), "1|new\n");
    assert_eq!(shop.query("select * from beside"), "1|new\n");
}

#[test]
fn a_change_is_not_forgotten_while_it_waits_and_its_parents_are_built() {
    let Some(shop) = chain() else { return };
    upgrade(&shop);
    // As given: nothing is refreshed, and what waits is overtaken by its parent.
    run(&shop, &["run", "-s", "first"]).expect_built(&["first"]);
    run(&shop, &["--only-changed", "run", "-s", "second"]).expect_code(0);
    assert_eq!(shop.query("select * from second"), "1|new\n");
    // Without the option the change is named as one whose history was not rebuilt…
    let done = shop.run(&["run"]);
    let words = "model.shop.fourth: altered, history not rebuilt (body)";
    assert!(done.stderr.contains(words), "{done:#?}");
    assert!(shop.run(&["status"]).stdout.contains(words));
    // …and with it, whenever it is built again.
    let downstream =
        "model.shop.beside: altered, history not rebuilt (downstream of model.shop.first)";
    assert!(done.stderr.contains(downstream), "{done:#?}");
    shop.run(&["invalidate", "fourth", "beside"]).expect_code(0);
    run(&shop, &["run"]).expect_code(0);
    assert_eq!(shop.query("select * from fourth"), "1|new\n");
    assert!(!shop.run(&["status"]).stdout.contains("altered"));
}

#[test]
fn a_full_refresh_of_the_users_own_is_one_pass_and_a_sample_refreshes_nothing() {
    let Some(shop) = chain() else { return };
    upgrade(&shop);
    let sample = run(&shop, &["run", "--empty"]);
    assert!(!sample.stderr.contains("refreshed"), "{sample:#?}");
    let done = run(&shop, &["run", "--full-refresh"]);
    done.expect_built(&CHAIN.map(|(name, _)| name));
    assert!(!done.stderr.contains("refreshed"), "{done:#?}");
    assert_eq!(shop.query("select * from fourth"), "1|new\n");
}
