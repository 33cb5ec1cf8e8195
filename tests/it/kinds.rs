//! Every kind of node and of change on real dbt: versions, snapshots, packages, upgrades.

use crate::support::{Shop, dbt, shop::ALL};
use std::fs;

fn with<'a>(names: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [names, more].concat()
}

#[test]
fn an_upgrade_of_dbt_and_back_builds_nothing() {
    let Some(mut shop) = Shop::with_dbt("1.9") else { return };
    shop.write(
        "models/marts/rich.sql",
        "{{ config(materialized=env_var('RICH', 'table'), post_hook=\"select '{{ env_var('HOOK', 'h') }}'\",\n\
         meta={'fields': [('a', 'Int32')]}) }}\nselect * from {{ ref('customers') }}\n",
    );
    shop.run(&["build"]).expect_built(&with(&ALL, &["rich"]));
    for version in ["1.11", "1.12", "1.9"] {
        let Some(other) = dbt(version) else { return };
        shop.env("DBT_ENTRYPOINT_DBT", other);
        fs::remove_dir_all(shop.project().join("target")).expect("dbt wrote there");
        shop.run(&["build"]).expect_built(&[]);
    }
    shop.touch("models/marts/rich.sql");
    shop.run(&["build"]).expect_built(&["rich"]);
}

#[test]
fn a_tuple_or_a_date_in_a_config_selects_nothing_in_a_fresh_container() {
    let Some(shop) = Shop::warm() else { return };
    shop.write(
        "models/marts/tuples.sql",
        "{{ config(meta={'fields': [('a', 'Int32'), ('b', 'String')], 'since': modules.datetime.date(2026, 1, 2) | string,\n\
         'set': set(['x', 'y', 'z']) | list}) }}\nselect 1 as a\n",
    );
    shop.write("models/marts/after_tuples.sql", "select * from {{ ref('tuples') }}\n");
    shop.run(&["build"]).expect_built(&with(&ALL, &["after_tuples", "tuples"]));
    for _ in 0..2 {
        fs::remove_dir_all(shop.project().join("target")).expect("dbt wrote there");
        // dbt itself is asked too: it finds nothing to select.
        shop.run(&["--always-start", "build"]).expect_built(&[]);
    }
}

/// A versioned model with an enforced contract of one column.
fn contract(data_type: &str) -> String {
    format!(
        "models:\n  - name: dim\n    latest_version: 1\n    config:\n      contract: {{enforced: true}}\n    \
         columns:\n      - name: a\n        data_type: {data_type}\n    versions:\n      - v: 1\n"
    )
}

#[test]
fn a_broken_contract_of_a_versioned_model_does_not_lock_the_operator_out() {
    let Some(shop) = Shop::warm() else { return };
    shop.write(
        "models/marts/dim_v1.sql",
        "{{ config(materialized='table') }} select 1::integer as a\n",
    );
    shop.write("models/marts/dim.yml", &contract("integer"));
    shop.run(&["build"]).expect_built(&with(&ALL, &["dim.v1"]));
    shop.write(
        "models/marts/dim_v1.sql",
        "{{ config(materialized='table') }} select 'x'::varchar as a\n",
    );
    shop.write("models/marts/dim.yml", &contract("varchar"));
    shop.run(&["build"]).expect_built(&["dim.v1"]);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn renamed_deleted_and_disabled_nodes_are_built_when_they_are_there_again() {
    let Some(shop) = Shop::warm() else { return };
    shop.run(&["build"]).expect_built(&ALL);
    let marts = shop.project().join("models/marts");
    fs::rename(marts.join("payment_methods.sql"), marts.join("methods.sql")).expect("a rename");
    shop.run(&["build"]).expect_built(&["methods"]);

    fs::rename(marts.join("methods.sql"), shop.project().join("aside")).expect("a deletion");
    shop.run(&["build"]).expect_built(&[]);
    shop.run(&["build", "-s", "loyal_customers"]).expect_built(&["loyal_customers"]);
    fs::rename(shop.project().join("aside"), marts.join("methods.sql")).expect("it is back");
    shop.run(&["build"]).expect_built(&["methods"]);

    let enabled = fs::read_to_string(marts.join("methods.sql")).expect("a model");
    shop.edit("models/marts/methods.sql", |sql| format!("{{{{ config(enabled=false) }}}}\n{sql}"));
    shop.run(&["build"]).expect_built(&[]);
    shop.run(&["build", "-s", "loyal_customers"]).expect_built(&["loyal_customers"]);
    fs::write(marts.join("methods.sql"), enabled).expect("the project is writable");
    shop.run(&["build"]).expect_built(&["methods"]);
}

#[test]
fn ephemeral_python_snapshot_and_packaged_nodes_count_by_the_same_rules() {
    let Some(shop) = Shop::warm() else { return };
    shop.write("models/marts/inner.sql", "{{ config(materialized='ephemeral') }} select 1 as a\n");
    shop.write(
        "models/marts/outer.sql",
        "select *, {{ helper.one() }} as one from {{ ref('inner') }}\n",
    );
    shop.write("models/marts/python.py", "def model(dbt, session):\n    return dbt.ref('outer')\n");
    shop.write(
        "snapshots/taken.sql",
        "{% snapshot taken %}{{ config(target_schema='main', unique_key='a', strategy='check', check_cols='all') }}\n\
         select * from {{ ref('outer') }}\n{% endsnapshot %}\n",
    );
    shop.write("packages.yml", "packages:\n  - local: helper\n");
    shop.write("helper/dbt_project.yml", "name: helper\nversion: '1.0'\n");
    shop.write("helper/macros/one.sql", "{% macro one() %}1{% endmacro %}\n");
    shop.run(&["deps"]).expect_code(0);
    shop.run(&["build"]).expect_built(&with(&ALL, &["outer", "python", "taken"]));
    shop.run(&["build"]).expect_built(&[]);

    shop.touch("models/marts/inner.sql");
    shop.run(&["build"]).expect_built(&["outer", "python", "taken"]);
    shop.edit("helper/macros/one.sql", |sql| sql.replace('1', "2"));
    shop.run(&["build"]).expect_built(&["outer", "python", "taken"]);
    shop.edit("models/marts/python.py", |code| format!("{code}\n# edited\n"));
    shop.run(&["build"]).expect_built(&["python"]);
    shop.run(&["snapshot"]).expect_built(&["taken"]);
    shop.run(&["build"]).expect_built(&[]);
}

/// dbt takes the checksum of a seed when it parses, and loads the file when it builds.
#[test]
fn a_seed_whose_file_changes_between_parse_and_load_is_loaded_again() {
    let Some(shop) = Shop::warm() else { return };
    let parsed = "id\n1\n";
    let project = fs::read_to_string(shop.project().join("dbt_project.yml")).expect("a project");
    let hook = "on-run-start: \"copy (select 2 as id) to 'seeds/moving.csv' (header)\"\n";
    shop.write("dbt_project.yml", &format!("{project}\n{hook}"));
    shop.write("seeds/moving.csv", parsed);
    shop.run(&["seed"]).expect_built(&["moving", "raw_customers", "raw_orders", "raw_payments"]);
    assert_eq!(shop.query("select id from main.moving").trim(), "2");
    shop.write("seeds/moving.csv", parsed);
    let again = shop.run(&["seed"]);
    again.expect_built(&["moving"]);
    assert!(again.stderr.contains("failed: seed.shop.moving: its file was changed"), "{again:#?}");
    shop.write("dbt_project.yml", &project);
    shop.write("seeds/moving.csv", parsed);
    shop.run(&["seed"]).expect_built(&["moving"]);
    assert_eq!(shop.query("select id from main.moving").trim(), "1");
    shop.run(&["seed"]).expect_built(&[]);
}

#[test]
fn a_changed_seed_of_more_than_a_mebibyte_is_seen() {
    let Some(shop) = Shop::warm() else { return };
    let rows = |last: &str| {
        let many: String = (0..130_000).map(|row| format!("{row},abc\n")).collect();
        format!("id,name\n{many}130000,{last}\n")
    };
    shop.write("seeds/large.csv", &rows("abc"));
    shop.run(&["seed"]).expect_built(&["large", "raw_customers", "raw_orders", "raw_payments"]);
    shop.run(&["seed"]).expect_built(&[]);
    shop.write("seeds/large.csv", &rows("abd"));
    shop.run(&["seed"]).expect_built(&["large"]);
    shop.run(&["seed"]).expect_built(&[]);
}
