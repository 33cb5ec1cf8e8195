//! What a node reads beyond text and macros, on real dbt: objects of the Jinja context, and variables
//! whose names are computed. Each changed alone builds exactly the nodes that read it.

use crate::support::Shop;
use std::fs;

/// A shop with nothing but these files, built.
fn built(files: &[(&str, &str)], names: &[&str]) -> Option<Shop> {
    let shop = Shop::warm()?;
    for folder in ["models", "seeds", "tests"] {
        fs::remove_dir_all(shop.project().join(folder)).expect("the example has it");
    }
    files.iter().for_each(|(file, text)| shop.write(file, text));
    shop.run(&["run"]).expect_built(names);
    shop.run(&["--always-start", "run"]).expect_built(&[]);
    Some(shop)
}

/// Builds these nodes, and then nothing.
#[track_caller]
fn builds(shop: &Shop, words: &[&str], names: &[&str]) {
    let words: Vec<&str> = ["run"].iter().chain(words).copied().collect();
    shop.run(&words).expect_built(names);
    shop.run(&words).expect_built(&[]);
}

const PROFILES: &str = "shop:\n  target: dev\n  outputs:\n    \
    dev: {type: duckdb, path: shop.duckdb, threads: 1}\n    \
    ci: {type: duckdb, path: shop.duckdb, threads: 2}\n";

#[test]
fn an_object_of_the_context_builds_its_readers() {
    let files = [
        ("profiles.yml", PROFILES),
        ("models/beside.sql", "select 1 as a"),
        (
            "models/graph.sql",
            "select {% if execute %}{{ graph.nodes.values() | map(attribute='description') | list | length }}{% else %}0{% endif %} as n",
        ),
        ("models/columns.sql", "select {{ count_columns() }} as n"),
        (
            "macros/count_columns.sql",
            "{% macro count_columns() %}{% if execute %}{{ model.columns | length }}{% else %}0{% endif %}{% endmacro %}",
        ),
        ("models/target.sql", "select '{{ target.name }}' as t"),
        ("models/schema_of_target.sql", "select '{{ target.schema }}' as t"),
        ("models/envs.sql", "select '{{ dbt_metadata_envs.get('TEAM', '') }}' as t"),
        ("models/flagged.sql", "select '{{ flags.FULL_REFRESH }}' as t"),
    ];
    let names = ["beside", "columns", "envs", "flagged", "graph", "schema_of_target", "target"];
    let Some(mut shop) = built(&files, &names) else { return };
    shop.write("models/a.yml", "models: [{name: beside, description: d}]\n");
    builds(&shop, &[], &["graph"]);
    shop.write("models/b.yml", "models: [{name: columns, columns: [{name: n}]}]\n");
    builds(&shop, &[], &["columns", "graph"]);
    shop.env("DBT_ENV_CUSTOM_ENV_TEAM", "x");
    builds(&shop, &[], &["envs"]);
    shop.env("DBT_ENV_CUSTOM_ENV_OTHER", "x");
    builds(&shop, &[], &[]);
    builds(&shop, &["--target", "ci"], &["target"]);
    shop.run(&["run", "--target", "ci", "--full-refresh"]).expect_built(&[]);
    builds(&shop, &["--target", "ci", "--threads", "3"], &[]);
}

#[test]
fn of_a_computed_variable_only_what_may_be_meant_builds_its_readers() {
    let files = [
        ("models/any.sql", "select '{{ env_var(this.name | upper, '') }}' as s"),
        ("models/begins.sql", "select '{{ env_var('MB_' ~ this.name | upper, '') }}' as s"),
        (
            "models/looped.sql",
            "select '{% for k in ['LA', 'LB'] %}{{ env_var(k, '') }}{% endfor %}' as s",
        ),
        ("dbt_project.yml", "name: shop\nprofile: shop\nconfig-version: 2\nvars:\n  list: [VA]\n"),
        (
            "models/listed.sql",
            "select '{% for k in var('list') %}{{ env_var(k, '') }}{% endfor %}' as s",
        ),
        ("models/given.sql", "select '{{ first(['GA', 'GB']) }}' as s"),
        (
            "macros/first.sql",
            "{% macro first(names) %}{% for name in names %}{{ env_var(name, '') }}{% endfor %}{% endmacro %}",
        ),
    ];
    let Some(mut shop) = built(&files, &["any", "begins", "given", "listed", "looped"]) else {
        return;
    };
    shop.env("AIRFLOW_CTX_DAG_RUN_ID", "1");
    shop.env("HOSTNAME", "h");
    builds(&shop, &[], &[]);
    shop.env("UNRELATED", "x");
    builds(&shop, &[], &["any"]);
    for (name, model) in
        [("MB_BEGINS", "begins"), ("LB", "looped"), ("GA", "given"), ("VA", "listed")]
    {
        shop.env(name, "x");
        builds(&shop, &[], &["any", model]);
    }
}
