//! The main job on real dbt: what is built first, what later, and what is remembered.

use crate::support::{Done, Shop, shop::ALL};
use std::fs;

const AFTER_ORDERS: [&str; 5] =
    ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];

/// A shop whose warehouse and baseline hold everything.
fn populated() -> Option<Shop> {
    let shop = Shop::warm()?;
    shop.run(&["build"]).expect_built(&ALL);
    Some(shop)
}

fn says(done: &Done, words: &str) {
    assert!(done.stderr.contains(words), "{words:?} is not said: {done:#?}");
}

#[test]
fn the_first_run_builds_everything_a_later_one_nothing_and_an_edit_its_downstream() {
    let Some(shop) = Shop::warm() else { return };
    let first = shop.run(&["build"]);
    first.expect_built(&ALL);
    says(&first, "first population");

    let unchanged = shop.run(&["build"]);
    unchanged.expect_built(&[]);
    says(&unchanged, "nothing changed");
    assert!(!unchanged.stdout.contains("Running with dbt"), "dbt was started: {unchanged:#?}");

    shop.touch("models/marts/orders.sql");
    let edited = shop.run(&["build"]);
    edited.expect_built(&AFTER_ORDERS);
    says(&edited, "model.shop.orders: body");
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_changed_macro_env_var_or_var_builds_exactly_what_reads_it_and_its_downstream() {
    let Some(mut shop) = populated() else { return };
    shop.edit("macros/cents_to_amount.sql", |sql| sql.replace("2)", "3)"));
    let mut reached = AFTER_ORDERS.to_vec();
    reached.push("payment_methods");
    shop.run(&["run"]).expect_built(&reached);
    shop.run(&["run"]).expect_built(&[]);

    shop.env("SHOP_LOYAL_ORDERS", "1");
    let env = shop.run(&["run"]);
    env.expect_built(&["loyal_customers"]);
    says(&env, "env_var SHOP_LOYAL_ORDERS");
    shop.run(&["run"]).expect_built(&[]);

    let vars = ["run", "--vars", "{minimum_order_cents: 500}"];
    let var = shop.run(&vars);
    var.expect_built(&AFTER_ORDERS);
    says(&var, "var minimum_order_cents");
    shop.run(&vars).expect_built(&[]);
    shop.edit("dbt_project.yml", |yaml| yaml.replace("cents: 100", "cents: 500"));
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn a_changed_value_in_an_ephemeral_model_builds_its_readers_once() {
    let Some(mut shop) = populated() else { return };
    shop.write(
        "models/marts/who.sql",
        "{{ config(materialized='ephemeral') }} select '{{ env_var(\"WHO\", \"-\") }}' as who",
    );
    shop.write("models/marts/reader.sql", "select * from {{ ref('who') }}");
    shop.run(&["run"]).expect_built(&["reader"]);
    shop.env("WHO", "somebody");
    shop.run(&["run"]).expect_built(&["reader"]);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn a_changed_config_builds_the_node_and_a_changed_test_builds_nothing() {
    let Some(shop) = populated() else { return };
    shop.edit("dbt_project.yml", |yaml| {
        yaml.replace(
            "    staging:\n      +materialized: view",
            "    staging:\n      +materialized: table",
        )
    });
    let done = shop.run(&["run"]);
    assert!(done.built.contains("stg_orders") && done.built.contains("payment_methods"));
    says(&done, "config materialized");

    shop.edit("models/schema.yml", |yaml| yaml.replacen("[unique, not_null]", "[unique]", 1));
    shop.touch("tests/revenue_is_never_negative.sql");
    shop.run(&["run"]).expect_built(&[]);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn commands_that_build_nothing_never_advance_the_baseline() {
    let Some(shop) = populated() else { return };
    let baseline = fs::read(shop.state().join("manifest.json")).expect("a baseline");
    shop.touch("models/marts/orders.sql");
    for words in [
        &["test"][..],
        &["compile"],
        &["ls"],
        &["parse"],
        &["docs", "generate"],
        &["run", "--help"],
        &["show", "--inline", "select 1"],
    ] {
        shop.run(words).expect_code(0);
        let now = fs::read(shop.state().join("manifest.json")).expect("a baseline");
        assert!(now == baseline, "{words:?} changed the baseline");
    }
    shop.run(&["run"]).expect_built(&AFTER_ORDERS);
}

#[test]
fn a_first_population_that_fails_is_resumed_where_it_failed() {
    let Some(shop) = Shop::warm() else { return };
    shop.edit("models/marts/orders.sql", |sql| format!("{sql}\nand no_such_column = 1"));
    let failed = shop.run(&["build"]);
    failed.expect_code(1);
    says(&failed, "model.shop.orders");
    let again = shop.run(&["build"]);
    again.expect_code(1);
    assert_eq!(again.built, [].into(), "nothing that was built is built again: {again:#?}");
    shop.edit("models/marts/orders.sql", |sql| sql.replace("\nand no_such_column = 1", ""));
    shop.run(&["build"]).expect_built(&AFTER_ORDERS);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_failed_node_is_built_again_though_nothing_that_it_reads_changes() {
    let Some(shop) = populated() else { return };
    shop.edit("models/marts/customers.sql", |sql| {
        sql.replace("as c\n", "as c\ncross join (select 1 from outside) as other\n")
    });
    shop.run(&["run"]).expect_code(1);
    // Mended in the warehouse, where no comparison of the project can see it.
    shop.query("create table outside as select 1 as one; select 1");
    shop.run(&["run"]).expect_built(&["customers", "loyal_customers", "revenue_by_country"]);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn a_subset_run_advances_what_it_built_and_leaves_the_rest_to_be_built() {
    let Some(shop) = populated() else { return };
    shop.touch("models/marts/orders.sql");
    shop.touch("models/staging/stg_customers.sql");
    shop.run(&["run", "--select", "orders"]).expect_built(&["orders"]);
    let mut rest = AFTER_ORDERS.to_vec();
    rest.retain(|name| *name != "orders");
    rest.push("stg_customers");
    shop.run(&["run"]).expect_built(&rest);
    shop.run(&["run", "-s", "orders"]).expect_built(&["orders"]);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn only_changed_narrows_the_users_selection_to_what_changed() {
    let Some(shop) = populated() else { return };
    shop.touch("models/marts/payment_methods.sql");
    shop.touch("models/marts/orders.sql");
    let words = ["--only-changed", "run", "--select", "payment_methods stg_orders", "customers"];
    shop.run(&words).expect_built(&["customers", "payment_methods"]);
}

#[test]
fn a_changed_seed_that_run_cannot_load_is_told_and_not_forgotten() {
    let Some(shop) = populated() else { return };
    shop.edit("seeds/raw_customers.csv", |csv| {
        csv.replacen("Germany", "Norway", 1).replacen("DE", "NO", 1)
    });
    for _ in 0..2 {
        let run = shop.run(&["run"]);
        run.expect_built(&[]);
        says(&run, "seed.shop.raw_customers has to be built (seed content)");
    }
    let expected =
        ["customers", "loyal_customers", "raw_customers", "revenue_by_country", "stg_customers"];
    shop.run(&["build"]).expect_built(&expected);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_revert_before_it_was_built_builds_nothing() {
    let Some(shop) = populated() else { return };
    let file = shop.project().join("models/marts/orders.sql");
    let original = fs::read_to_string(&file).expect("a model");
    shop.touch("models/marts/orders.sql");
    shop.run(&["run", "-s", "payment_methods"]).expect_built(&["payment_methods"]);
    fs::write(&file, original).expect("the project is writable");
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn full_and_no_state_are_the_operators_choice() {
    let Some(shop) = populated() else { return };
    shop.run(&["--full", "build"]).expect_built(&ALL);
    let baseline = fs::read(shop.state().join("manifest.json")).expect("a baseline");
    shop.touch("models/marts/orders.sql");
    shop.run(&["--no-state", "run", "-s", "orders"]).expect_built(&["orders"]);
    assert!(baseline == fs::read(shop.state().join("manifest.json")).expect("a baseline"));
    shop.run(&["run"]).expect_built(&AFTER_ORDERS);
}

#[test]
fn an_empty_volume_can_be_refused_or_adopted() {
    let Some(shop) = Shop::warm() else { return };
    let refused = shop.run(&["--on-empty", "refuse", "build"]);
    refused.expect_code(78);
    says(&refused, "--on-empty adopt");
    shop.run(&["--no-state", "build"]).expect_built(&ALL);
    shop.run(&["--on-empty", "adopt", "build"]).expect_built(&[]);
    shop.touch("models/marts/orders.sql");
    shop.run(&["--on-empty", "refuse", "build"]).expect_built(&AFTER_ORDERS);
}

#[test]
fn damage_is_refused_with_the_remedy_and_never_becomes_a_full_run() {
    let Some(shop) = populated() else { return };
    let manifest = shop.state().join("manifest.json");
    let sound = fs::read(&manifest).expect("a baseline");
    for damage in [&sound[..sound.len() / 2], b"", b"{}", b"[]", b"null", b"\xff\xfe"] {
        fs::write(&manifest, damage).expect("a writable volume");
        let done = shop.run(&["build"]);
        done.expect_code(78);
        says(&done, "--full");
        assert_eq!(done.built, [].into());
        assert_eq!(fs::read(&manifest).expect("the damage is kept"), damage);
    }
    fs::remove_file(&manifest).expect("a writable volume");
    shop.run(&["build"]).expect_code(78);
    fs::write(&manifest, &sound).expect("a writable volume");
    shop.run(&["build"]).expect_built(&[]);
    fs::write(&manifest, b"{").expect("a writable volume");
    shop.run(&["--full", "build", "--select", "orders"]).expect_code(78);
    shop.run(&["--full", "build"]).expect_built(&ALL);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn the_same_volume_under_another_warehouse_is_foreign() {
    let Some(mut shop) = populated() else { return };
    shop.move_to("other.duckdb");
    let done = shop.run(&["build"]);
    done.expect_code(78);
    says(&done, "other.duckdb");
    shop.run(&["--full", "build"]).expect_built(&ALL);
}

#[test]
fn a_baseline_of_an_operators_own_is_a_baseline() {
    let Some(shop) = Shop::warm() else { return };
    shop.bare_dbt(&["build"]).expect_built(&ALL);
    fs::copy(shop.project().join("target/manifest.json"), shop.state().join("manifest.json"))
        .expect("a copy");
    shop.run(&["build"]).expect_built(&[]);
    shop.touch("models/marts/orders.sql");
    shop.run(&["build"]).expect_built(&AFTER_ORDERS);
}

#[test]
fn an_empty_run_does_not_count_as_built() {
    let Some(shop) = populated() else { return };
    // PostgreSQL refuses what dbt makes of an aliased `ref` here.
    shop.run(&["run", "--empty", "-s", "payment_methods"]).expect_code(0);
    shop.run(&["run"]).expect_built(&["payment_methods"]);
}

#[test]
fn a_project_that_cannot_be_parsed_ends_with_dbts_code_and_its_words() {
    let Some(shop) = populated() else { return };
    shop.edit("models/marts/orders.sql", |sql| format!("{sql}{{{{ ref('no_such_model') }}}}"));
    let own = shop.bare_dbt(&["build"]).code;
    assert_ne!(own, 0);
    let done = shop.run(&["build"]);
    done.expect_code(own);
    assert!([&*done.stdout, &done.stderr].concat().contains("no_such_model"), "{done:#?}");
    shop.edit("models/marts/orders.sql", |sql| sql.replace("{{ ref('no_such_model') }}", ""));
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_failed_node_that_is_taken_out_of_the_project_is_no_longer_waited_for() {
    let Some(shop) = populated() else { return };
    shop.write("models/marts/broken.sql", "select no_such_column from {{ ref('orders') }}\n");
    shop.run(&["build"]).expect_code(1);
    fs::remove_file(shop.project().join("models/marts/broken.sql")).expect("it was written");
    for _ in 0..2 {
        let done = shop.run(&["build"]);
        done.expect_built(&[]);
        says(&done, "0 still to be built");
    }
    assert!(!shop.run(&["status"]).stdout.contains("broken"), "it is forgotten");
}

#[test]
fn without_partial_parsing_the_nodes_are_named_one_by_one() {
    let Some(shop) = populated() else { return };
    shop.touch("models/marts/orders.sql");
    shop.run(&["--no-partial-parse", "run"]).expect_built(&AFTER_ORDERS);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn a_default_selector_is_not_widened() {
    let Some(shop) = Shop::warm() else { return };
    shop.write(
        "selectors.yml",
        "selectors:\n  - name: some\n    default: true\n    definition:\n      union:\n        - method: fqn\n          value: '*'\n        - exclude:\n            - method: fqn\n              value: loyal_customers\n",
    );
    let mut some = ALL.to_vec();
    some.retain(|name| *name != "loyal_customers");
    shop.run(&["build"]).expect_built(&some);
    shop.run(&["build"]).expect_built(&[]);
    shop.touch("models/marts/customers.sql");
    shop.run(&["build"]).expect_built(&["customers", "revenue_by_country"]);
    shop.run(&["build"]).expect_built(&[]);
}
