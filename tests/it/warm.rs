//! A fresh container starts from the parse of an earlier one, with real dbt; and what dbt makes of that
//! is what it makes of a full parse (`tests/warm`).
//!
//! By hand: `.cache/dbt-1.11/bin/python tests/warm/prove.py --edits 2000`.

use crate::support::{Shop, dbt, root, shop::ALL};
use std::fs;
use std::process::Command;

const AFTER_ORDERS: [&str; 5] =
    ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];

/// The versions of dbt that may start from an earlier parse.
const VERSIONS: [&str; 5] = ["1.9", "1.10", "1.11", "1.12", "1.13"];

/// A container begins without artifacts.
fn fresh(shop: &Shop) {
    let _ = fs::remove_dir_all(shop.project().join("target"));
}

#[test]
fn the_next_container_parses_what_was_edited_and_builds_what_depends_on_it() {
    for version in VERSIONS {
        let Some(mut shop) = Shop::with_dbt(version) else { return };
        shop.env("DBT_ENTRYPOINT_LOG_LEVEL", "debug");
        shop.env("DBT_ENTRYPOINT_WARM", "on");
        shop.run(&["build"]).expect_built(&ALL);
        for _ in 0..2 {
            fresh(&shop);
            shop.edit("models/marts/orders.sql", |text| text.replace("select", "select /* */"));
            let ran = shop.run(&["run"]);
            ran.expect_built(&AFTER_ORDERS);
            let said = "edited since: 1 model";
            assert!(ran.stderr.contains(said), "{version}: {ran:#?}");
            let is_full = |text: &str| text.contains("in full") || text.contains("to do partial");
            assert!(!is_full(&ran.stderr) && !is_full(&ran.stdout), "{version}: {ran:#?}");
        }
        fresh(&shop);
        shop.run(&["run"]).expect_built(&[]);
    }
}

#[test]
fn a_warm_parse_gives_the_manifest_of_a_full_parse() {
    for version in ["1.9", "1.12"] {
        let Some(dbt) = dbt(version) else { return };
        let mut command = Command::new(dbt.with_file_name("python"));
        command.args(["-W", "ignore"]).arg(root().join("tests/warm/prove.py"));
        let done = command.args(["--edits", "40", "--steps", "1"]).output().expect("Python starts");
        let words =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(done.status.success() && words[0].contains("differing 0 of"), "{}", words.concat());
    }
}
