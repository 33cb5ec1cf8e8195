//! Selections that leave out what changed, unit tests and models of other projects, with real dbt.

use crate::support::{Done, Shop};
use std::fs;

const SPARED: &str = "so dbt is not started";

#[track_caller]
fn spares(done: &Done) {
    assert!(done.code == 0 && done.stderr.contains(SPARED), "{done:#?}");
}

#[test]
fn what_the_default_selector_leaves_out_rebuilds_nothing_in_two_processes() {
    what_the_default_selector_leaves_out_rebuilds_nothing("1.11");
}

#[test]
fn what_the_default_selector_leaves_out_rebuilds_nothing_in_one_process() {
    what_the_default_selector_leaves_out_rebuilds_nothing("1.12");
}

fn what_the_default_selector_leaves_out_rebuilds_nothing(version: &str) {
    let selectors = "selectors:\n  - name: most\n    default: true\n    definition:\n      \
        union:\n        - {method: fqn, value: '*'}\n        \
        - exclude: [{method: path, value: models/marts/orders.sql}]\n";
    let Some(shop) = Shop::with_warm_dbt(version) else { return };
    shop.run(&["build"]).expect_code(0);
    shop.write("selectors.yml", selectors);
    shop.touch("models/marts/orders.sql");
    let left = shop.run(&["build"]);
    left.expect_built(&[]);
    assert!(left.stderr.contains("leaves it out"), "{version}: {left:#?}");
    spares(&shop.run(&["build"]));
    shop.touch("models/marts/loyal_customers.sql");
    shop.run(&["build"]).expect_built(&["loyal_customers"]);
    spares(&shop.run(&["build"]));
    shop.run(&["build", "--select", "orders"]).expect_built(&["orders"]);
    let readers = ["customers", "daily_revenue", "loyal_customers", "revenue_by_country"];
    shop.run(&["build"]).expect_built(&readers);
    spares(&shop.run(&["build"]));
}

#[test]
fn what_is_excluded_rebuilds_nothing_and_an_empty_selection_is_no_error() {
    let Some(mut shop) = Shop::with_warm_dbt("1.9") else { return };
    shop.run(&["build"]).expect_code(0);
    shop.env("DBT_WARN_ERROR", "true");
    shop.touch("models/marts/orders.sql");
    for words in [["build", "--exclude", "orders+"], ["build", "--exclude", "orders"]] {
        let left = shop.run(&words);
        left.expect_built(&[]);
        assert!(left.stderr.contains("model.shop.orders has to be built"), "{left:#?}");
        spares(&shop.run(&words));
    }
    shop.env_remove("DBT_WARN_ERROR");
    let all = ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];
    shop.run(&["build"]).expect_built(&all);
}

#[test]
fn a_unit_test_that_changed_alone_is_run_until_it_passes() {
    let unit = |given: u8, expected: u8| {
        format!(
            "unit_tests:\n  - name: counts\n    model: doubled\n    given:\n      \
             - {{input: ref('single'), rows: [{{n: {given}}}]}}\n    expect: {{rows: [{{n: {expected}}}]}}\n"
        )
    };
    let Some(shop) = Shop::with_warm_dbt("1.12") else { return };
    shop.write("models/single.sql", "{{ config(materialized='table') }} select 1 as n");
    shop.write("models/doubled.sql", "select n * 2 as n from {{ ref('single') }}");
    shop.write("models/doubled.yml", &unit(2, 4));
    shop.run(&["build"]).expect_code(0);
    spares(&shop.run(&["build"]));
    shop.write("models/doubled.yml", &unit(2, 5));
    for _ in 0..2 {
        let failed = shop.run(&["build"]);
        failed.expect_code(1);
        assert!(failed.stdout.contains("FAIL 1"), "{failed:#?}");
    }
    spares(&{
        shop.run(&["run"]).expect_built(&[]);
        shop.run(&["run"])
    });
    shop.write("models/doubled.yml", &unit(3, 6));
    let passed = shop.run(&["build"]);
    passed.expect_built(&[]);
    spares(&shop.run(&["build"]));
}

/// A plugin as dbt-loom is one: it adds a model of another project.
const PLUGIN: &str = "\
import os
from dbt.plugins.manager import dbt_hook, dbtPlugin
from dbt.plugins.manifest import ModelNodeArgs, PluginNodes


class Across(dbtPlugin):
    @dbt_hook
    def get_nodes(self):
        nodes = PluginNodes()
        nodes.add_model(ModelNodeArgs(
            name='abroad', package_name='other', identifier=os.environ['ABROAD'],
            schema='main', database='shop', access='public'))
        return nodes


plugins = [Across]
";

#[test]
fn a_model_of_another_project_is_never_built_and_never_waits() {
    let Some(mut shop) = Shop::new() else { return };
    let modules = shop.project().with_file_name("modules");
    fs::create_dir(&modules).expect("a directory");
    fs::write(modules.join("dbt_across.py"), PLUGIN).expect("a file");
    shop.env("PYTHONPATH", &modules);
    shop.env("ABROAD", "here");
    let model = "{{ config(materialized='table') }} select * from {{ ref('other', 'abroad') }}";
    shop.write("models/home.sql", model);
    for (name, n) in [("here", 1), ("there", 2)] {
        shop.query(&format!("create table {name} as select {n} as n; select 1"));
    }
    let all = shop.run(&["build"]);
    all.expect_code(0);
    assert!(all.built.contains("home"), "{all:#?}");
    for _ in 0..2 {
        let nothing = shop.run(&["build"]);
        nothing.expect_built(&[]);
        assert!(!nothing.stderr.contains("abroad"), "{nothing:#?}");
    }
    shop.env("ABROAD", "there");
    shop.run(&["build"]).expect_built(&["home"]);
    shop.run(&["build"]).expect_built(&[]);
}
