//! The unchanged start: dbt is not started, and whatever could make it select something
//! starts it.

mod layouts;
mod never_wrong;

use crate::support::{Done, Shop, shop::ALL};
use std::fs;
use std::path::Path;

const SPARED: &str = "so dbt is not started";

#[track_caller]
fn spares(done: &Done) {
    done.expect_built(&[]);
    assert!(done.stderr.contains(SPARED) && !started(done), "dbt was started: {done:#?}");
}

#[track_caller]
fn starts(done: &Done, why: &str) {
    done.expect_code(0);
    assert!(!done.stderr.contains(SPARED) && done.stderr.contains(why), "{why}: {done:#?}");
}

/// Our own lines tell whether the comparison took place; `dbt parse` itself is quiet.
fn started(done: &Done) -> bool {
    done.stdout.contains("Running with dbt") || done.stderr.contains("there is nothing to build")
}

/// A shop whose warehouse and baseline hold everything, with our reasons in the log.
fn populated() -> Option<Shop> {
    let mut shop = Shop::warm()?;
    shop.env("DBT_ENTRYPOINT_LOG_LEVEL", "debug");
    shop.run(&["build"]).expect_built(&ALL);
    Some(shop)
}

#[test]
fn the_same_command_after_a_complete_run_does_not_start_dbt() {
    let Some(shop) = populated() else { return };
    spares(&shop.run(&["build"]));
    spares(&shop.run(&["build"]));
    starts(&shop.run(&["run"]), "this command has not completed with these inputs yet");
    spares(&shop.run(&["run"]));
    spares(&shop.run(&["build"]));
    fs::remove_dir_all(shop.project().join("target")).expect("a fresh container has none");
    spares(&shop.run(&["build"]));
}

#[test]
fn an_edit_starts_dbt_until_it_is_built_and_so_does_its_revert() {
    let Some(shop) = populated() else { return };
    let model = shop.project().join("models/marts/payment_methods.sql");
    let original = fs::read(&model).expect("a model");
    shop.touch("models/marts/payment_methods.sql");
    let edited = shop.run(&["build"]);
    starts(&edited, "its files changed");
    edited.expect_built(&["payment_methods"]);
    spares(&shop.run(&["build"]));
    fs::write(&model, original).expect("the project is writable");
    shop.run(&["build"]).expect_built(&["payment_methods"]);
    spares(&shop.run(&["build"]));
}

#[test]
fn a_change_that_builds_nothing_is_looked_at_once() {
    let Some(shop) = populated() else { return };
    shop.touch("tests/revenue_is_never_negative.sql");
    starts(&shop.run(&["run"]), "its files changed");
    spares(&shop.run(&["run"]));
}

#[test]
fn variables_and_vars_and_targets_are_inputs_and_other_variables_are_not() {
    let Some(mut shop) = populated() else { return };
    shop.env("NOT_NAMED_ANYWHERE", "1");
    spares(&shop.run(&["build"]));
    shop.env("SHOP_LOYAL_ORDERS", "1");
    let env = shop.run(&["build"]);
    starts(&env, "its environment changed");
    env.expect_built(&["loyal_customers"]);
    spares(&shop.run(&["build"]));
    let vars = ["build", "--vars", "{minimum_order_cents: 500}"];
    starts(&shop.run(&vars), "its command changed");
    spares(&shop.run(&vars));
    starts(&shop.run(&["build"]), "its command changed");
}

#[test]
fn what_waits_starts_dbt() {
    let Some(mut shop) = populated() else { return };
    shop.edit("models/marts/customers.sql", |sql| {
        format!("{sql}{{% if execute and env_var('BROKEN', '') %}} having no_such {{% endif %}}")
    });
    shop.env("BROKEN", "yes");
    shop.run(&["run"]).expect_code(1);
    shop.run(&["run"]).expect_code(1);
    shop.env_remove("BROKEN");
    shop.run(&["run"]).expect_built(&["customers", "loyal_customers", "revenue_by_country"]);
    spares(&shop.run(&["run"]));
}

#[test]
fn what_the_operator_asks_for_is_not_spared() {
    let Some(shop) = populated() else { return };
    starts(&shop.run(&["--always-start", "build"]), "");
    shop.run(&["--full", "build"]).expect_built(&ALL);
    spares(&shop.run(&["build"]));
    shop.run(&["build", "--select", "orders"]).expect_built(&["orders"]);
    starts(
        &shop.run(&["build", "--full-refresh"]),
        "--full-refresh asks for a build whatever has changed",
    );
    let test = shop.run(&["test"]);
    assert!(test.code == 0 && started(&test), "{test:#?}");
}

#[test]
fn what_cannot_be_established_starts_dbt() {
    let Some(shop) = populated() else { return };
    let macros = shop.project().join("macros");
    std::os::unix::fs::symlink(Path::new(".."), macros.join("up")).expect("a link");
    assert!(!shop.run(&["build"]).stderr.contains(SPARED));
}

#[test]
fn a_probe_that_fails_refuses_before_anything_is_spared_or_run() {
    let Some(shop) = populated() else { return };
    let with = |probe: &str| shop.run(&["--probe", probe, "build"]);
    spares(&with("sh -c 'echo there; test -f shop.duckdb'"));
    assert_eq!(with("echo there").stdout, "");
    let gone = with("test -f 'no such.duckdb'");
    gone.expect_code(78);
    assert!(gone.stderr.contains("--full run") && !started(&gone), "{gone:#?}");
    with("no-such-program").expect_code(64);
    shop.touch("models/marts/orders.sql");
    with("false").expect_code(78);
    shop.run(&["--full", "--probe", "false", "build"]).expect_built(&ALL);
}
