//! Which changes of a target are another warehouse, with real dbt.

use crate::support::{Shop, shop::ALL};
use std::fs;

/// Rewrites the `dev` target of the shop with these keys after its type.
fn target(shop: &Shop, keys: &str) {
    let text = format!(
        "shop:\n  target: dev\n  outputs:\n    dev: {{type: duckdb, path: shop.duckdb, {keys}}}\n"
    );
    fs::write(shop.project().join("profiles.yml"), text).expect("the project is writable");
}

#[test]
fn an_attached_database_and_a_schema_are_a_part_of_the_place() {
    let Some(mut shop) = Shop::warm() else { return };
    shop.env("EXTERNAL", "out");
    target(&shop, "attach: [{path: other.duckdb, alias: other}]");
    shop.run(&["build"]).expect_built(&ALL);
    for keys in [
        "attach: [{path: moved.duckdb, alias: other}]",
        "attach: [{path: other.duckdb, alias: other}], schema: another",
        "attach: [{path: other.duckdb, alias: other}], external_root: out",
        "attach: [{path: other.duckdb, alias: other}], external_root: \"{{ env_var('EXTERNAL') }}\"",
    ] {
        target(&shop, keys);
        let refused = shop.run(&["build"]);
        refused.expect_code(78);
        assert!(refused.stderr.contains("profiles.yml"), "{refused:#?}");
    }
    target(&shop, "attach: [{path: ./other.duckdb, alias: other}], schema: main, threads: 3");
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_warehouse_in_memory_is_refused_and_dbt_alone_builds_it() {
    let Some(shop) = Shop::warm() else { return };
    shop.edit("profiles.yml", |text| text.replace("'shop.duckdb'", "':memory:'"));
    let refused = shop.run(&["build"]);
    refused.expect_code(78);
    assert!(refused.stderr.contains("in memory"), "{refused:#?}");
    shop.run(&["--no-state", "build"]).expect_built(&ALL);
}

#[test]
fn a_variable_of_the_dotenv_of_dbt_1_12_moves_the_warehouse() {
    let Some(shop) = Shop::with_dbt("1.12") else { return };
    let dotenv = |text: &str| fs::write(shop.project().join(".env"), text).expect("a file");
    dotenv("SHOP_DATABASE=one.duckdb\n");
    shop.run(&["build"]).expect_built(&ALL);
    shop.run(&["build"]).expect_built(&[]);
    dotenv("SHOP_DATABASE=two.duckdb\n");
    let refused = shop.run(&["build"]);
    refused.expect_code(78);
    assert!(refused.stderr.contains("two.duckdb"), "{refused:#?}");
}
