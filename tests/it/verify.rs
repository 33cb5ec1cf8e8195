//! `verify` and `--verify` on real dbt: what was dropped or replaced behind our back is found, and
//! built again; what cannot be seen is not taken for gone.

use crate::support::shop::ALL;
use crate::support::{Done, Shop};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs statements in the warehouse.
fn execute(shop: &Shop, statements: &str) {
    shop.query(&format!("{statements}; select 1"));
}

/// The JSON that a verb wrote.
fn answer(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:#?}"))
}

/// A shop that was built.
fn built() -> Option<Shop> {
    let shop = Shop::warm()?;
    shop.run(&["build"]).expect_built(&ALL);
    Some(shop)
}

/// Drops a table with one reader, and puts a table in the place of a view.
fn tamper(shop: &Shop) {
    execute(shop, "drop table daily_revenue");
    execute(shop, "drop view stg_customers; create table stg_customers as select 1 as customer_id");
}

const WRONG: [(&str, &str); 2] = [
    ("model.shop.daily_revenue", "not in the warehouse"),
    ("model.shop.stg_customers", "in the warehouse as a table, but built as a view"),
];

#[test]
fn what_is_missing_is_found_recorded_and_built() {
    let Some(shop) = built() else { return };
    let sound = shop.run(&["verify", "--json"]);
    let all =
        json!({"claimed": 12, "there": 12, "missing": 0, "wrong": {}, "unseen": [], "lost": []});
    assert_eq!(answer(sound.expect_code(0)), all);
    tamper(&shop);
    let before = shop.files_of_the_volume();
    let found = shop.run(&["verify", "--json"]);
    let wrong: serde_json::Map<String, Value> =
        WRONG.iter().map(|(id, why)| ((*id).to_owned(), json!(why))).collect();
    let expected =
        json!({"claimed": 12, "there": 10, "missing": 1, "wrong": wrong, "unseen": [], "lost": []});
    assert_eq!(answer(found.expect_code(10)), expected);
    assert!(before == shop.files_of_the_volume(), "a look changed the volume");
    // Nobody has told the next run.
    shop.run(&["build"]).expect_built(&[]);
    let message = shop.project().join("../home/message");
    std::fs::write(&message, "").expect("a file");
    let recorded = shop.run(&["--termination-log", "../home/message", "verify", "--record"]);
    recorded.expect_code(10);
    let message: Value =
        serde_json::from_slice(&std::fs::read(&message).expect("a file")).expect("JSON");
    assert_eq!((&message["command"], &message["exit"]), (&json!("verify"), &json!(10)));
    assert_eq!(message["pending"], 2);
    assert!(
        recorded.stdout.contains("model.shop.daily_revenue  not in the warehouse"),
        "{recorded:#?}"
    );
    assert!(
        shop.run(&["status"]).stdout.contains("model.shop.daily_revenue: not in the warehouse")
    );
    let limited = shop.run(&["--max-rebuild", "0", "build"]);
    assert!(limited.expect_code(77).stderr.contains("not in the warehouse"), "{limited:#?}");
    let done = shop.run(&["build"]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert!(
        done.built.contains("daily_revenue") && done.built.contains("stg_customers"),
        "{done:#?}"
    );
    shop.run(&["verify", "--record"]).expect_code(0);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_warehouse_that_lacks_much_or_a_whole_schema_is_not_believed() {
    let Some(shop) = built() else { return };
    let before = shop.files_of_the_volume();
    for name in ["customers", "orders", "daily_revenue", "loyal_customers", "payment_methods"] {
        execute(&shop, &format!("drop table {name}"));
    }
    for name in ["stg_customers", "stg_orders"] {
        execute(&shop, &format!("drop view {name}"));
    }
    let refused = shop.run(&["verify", "--record"]);
    let reason = "not in the warehouse: 7 of 12 relations, but --max-missing allows 50 %";
    assert!(refused.expect_code(78).stderr.contains(reason), "{refused:#?}");
    shop.run(&["--max-missing", "6", "verify", "--record"]).expect_code(78);
    shop.run(&["--verify", "always", "build"]).expect_code(78);
    let kept = |(path, _): &(&std::path::PathBuf, &Vec<u8>)| path.ends_with("manifest.json");
    assert!(before.iter().filter(kept).eq(shop.files_of_the_volume().iter().filter(kept)));
    shop.run(&["--max-missing", "7", "verify", "--record"]).expect_code(10);
    shop.run(&["build"]).expect_code(0);
    shop.run(&["verify"]).expect_code(0);
}

#[test]
fn a_dbt_that_cannot_ask_is_refused_with_its_words() {
    let Some(shop) = built() else { return };
    shop.write(
        "macros/denied.sql",
        "{% macro duckdb__list_relations_without_caching(schema_relation) %}\
         {{ exceptions.raise_compiler_error('permission denied for schema') }}{% endmacro %}",
    );
    let refused = shop.run(&["verify", "--record"]);
    assert!(
        refused.expect_code(78).stderr.contains("permission denied for schema"),
        "{refused:#?}"
    );
}

#[test]
fn a_run_asks_when_it_is_told_to() {
    let Some(shop) = built() else { return };
    let asked = |done: &Done| done.stderr.contains("asking the warehouse");
    tamper(&shop);
    // Unchanged starts: neither `never` nor `changed` asks.
    for when in ["never", "changed"] {
        let done = shop.run(&["--verify", when, "build"]);
        done.expect_built(&[]);
        assert!(!asked(&done), "{done:#?}");
    }
    let plan = shop.run(&["--verify", "always", "plan"]);
    assert!(plan.code == 0 && !asked(&plan), "{plan:#?}");
    // No look is known, so the last one is too old.
    let done = shop.run(&["--verify", "24h", "build"]);
    assert!(asked(&done) && done.code == 0 && done.built.contains("daily_revenue"), "{done:#?}");
    execute(&shop, "drop table daily_revenue");
    let done = shop.run(&["--verify", "24h", "build"]);
    done.expect_built(&[]);
    assert!(!asked(&done), "the last look is new: {done:#?}");
    shop.run(&["--verify", "0", "build"]).expect_built(&["daily_revenue"]);
    execute(&shop, "drop table daily_revenue");
    shop.touch("models/marts/loyal_customers.sql");
    let done = shop.run(&["--verify", "changed", "build"]);
    done.expect_built(&["daily_revenue", "loyal_customers"]);
    execute(&shop, "drop table daily_revenue");
    shop.run(&["--verify", "always", "build"]).expect_built(&["daily_revenue"]);
    let done = shop.run(&["--verify", "always", "build"]);
    done.expect_built(&[]);
    assert!(asked(&done), "{done:#?}");
}

/// Asks with these versions, and builds what is missing.
fn is_found_by(version: &str) {
    let Some(shop) = Shop::with_dbt(version) else { return };
    shop.run(&["build"]).expect_code(0);
    shop.run(&["verify"]).expect_code(0);
    tamper(&shop);
    let found = shop.run(&["verify", "--record", "--json"]);
    let found = answer(found.expect_code(10));
    let wrong: BTreeSet<&str> =
        found["wrong"].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(wrong, WRONG.map(|(id, _)| id).into(), "{version}");
    shop.run(&["build"]).expect_code(0);
    shop.run(&["verify"]).expect_code(0);
}

#[test]
fn older_and_newer_versions_of_dbt_answer_alike() {
    for version in ["1.8", "1.9", "1.12", "1.13"] {
        is_found_by(version);
    }
}

#[test]
fn postgresql_answers_alike() {
    is_found_by("postgres");
}

#[test]
fn on_postgresql_a_view_that_went_with_a_table_is_asked_for_and_one_that_stayed_is_left_alone() {
    let Some(shop) = Shop::with_dbt("postgres") else { return };
    let view = "{{ config(materialized='view') }} select * from {{ ref('orders') }}";
    shop.write("models/order_view.sql", view);
    shop.run(&["build"]).expect_code(0);
    let part = ["--verify", "24h", "run", "--select", "orders"];
    shop.run(&part).expect_built(&["orders"]);
    let status = || answer(&shop.run(&["status", "--json"]))["pending"].clone();
    let said = "dropped when model.shop.orders was rebuilt";
    assert_eq!(status(), json!({"model.shop.order_view": said}));
    shop.run(&["run"]).expect_built(&["order_view"]);
    // A build that fails drops nothing, which would be a guess without a look.
    shop.edit("models/marts/orders.sql", |sql| sql.replacen("select", "select no_such_column,", 1));
    shop.run(&part).expect_code(1);
    let said = status();
    assert_eq!(said.as_object().map(serde_json::Map::len), Some(1), "{said:#}");
    assert!(said["model.shop.orders"].is_string(), "{said:#}");
}

#[test]
fn dbt_v2_answers_alike() {
    for version in ["v2", "v2rc"] {
        is_found_by(version);
    }
}
