//! Macros that dbt does not see called while it parses, on real dbt: each edited alone builds
//! exactly the nodes that read it and what is downstream; and what dbt sees of them only at the
//! end of a run builds nothing.

use crate::support::Shop;
use dbt_entrypoint::dbt::compare::{Needs, compare, fingerprints};
use dbt_entrypoint::dbt::manifest::Manifest;
use std::collections::BTreeSet;
use std::fs;

/// A file of the project, with its text.
type File<'a> = (&'a str, &'a str);

/// Models that call a macro of their own when they are built and not before; `after_…` reads each.
const AT_EXECUTION: [(&str, &str); 9] = [
    ("executed", "select {% if execute %}{{ executed_text() }}{% else %}0{% endif %} as a"),
    (
        "incremental",
        "{{ config(materialized='incremental') }} select 1 as a\n\
         {% if is_incremental() %} where 1 = {{ incremental_text() }}{% endif %}",
    ),
    (
        "looped",
        "{% set rows = run_query('select 1') %}{% if execute %}{% for row in rows %}\n\
         select {{ looped_text() }} as a{% endfor %}{% else %}select 0 as a{% endif %}",
    ),
    ("enclosed", "select {% call around() %}{{ enclosed_text() }}{% endcall %} as a"),
    (
        "hooked",
        "{{ config(post_hook=\"{% if execute %}select {{ hooked_text() }}{% endif %}\") }} select 1 as a",
    ),
    ("named", "select {% if execute %}{{ context['named_text']() }}{% else %}0{% endif %} as a"),
    (
        "computed",
        "select {% if execute %}{{ context['computed_' ~ 'text']() }}{% else %}0{% endif %} as a",
    ),
    (
        "handed",
        "{% set text = handed_text %}select {% if execute %}{{ text() }}{% else %}0{% endif %} as a",
    ),
    ("packaged", "select {% if execute %}{{ helper.packaged() }}{% else %}0{% endif %} as a"),
];

const AROUND: &str =
    "{% macro around() %}{% if execute %}{{ caller() }}{% else %}0{% endif %}{% endmacro %}";

const HELPER: [File<'static>; 4] = [
    ("helper/macros/packaged_text.sql", "{% macro default__packaged_text() %}1{% endmacro %}"),
    ("packages.yml", "packages:\n  - local: helper\n"),
    ("helper/dbt_project.yml", "name: helper\nversion: '1.0'\n"),
    (
        "helper/macros/packaged.sql",
        "{% macro packaged() %}{{ return(adapter.dispatch('packaged_text', 'helper')()) }}{% endmacro %}",
    ),
];

/// Where the macro is that a model of [`AT_EXECUTION`] calls.
fn file_of(model: &str) -> String {
    match model {
        "packaged" => "helper/macros/packaged_text.sql".to_owned(),
        model => format!("macros/{model}_text.sql"),
    }
}

/// A shop with nothing but these files.
fn shop(files: &[File<'_>]) -> Option<Shop> {
    let shop = Shop::warm()?;
    for folder in ["models", "seeds", "tests"] {
        fs::remove_dir_all(shop.project().join(folder)).expect("the example has it");
    }
    for (file, text) in files {
        shop.write(file, text);
    }
    Some(shop)
}

/// A shop with these models of [`AT_EXECUTION`], and `beside`, which calls nothing.
fn shop_at_execution(models: &[File<'_>]) -> Option<Shop> {
    let shop = shop(&HELPER)?;
    shop.write("macros/around.sql", AROUND);
    shop.write("models/beside.sql", "select 1 as a");
    for (model, sql) in models {
        shop.write(&format!("models/{model}.sql"), sql);
        let after = format!("select * from {{{{ ref('{model}') }}}}");
        shop.write(&format!("models/after_{model}.sql"), &after);
        let prefix = if *model == "packaged" { "default__" } else { "" };
        let text = format!("{{% macro {prefix}{model}_text() %}}1{{% endmacro %}}");
        shop.write(&file_of(model), &text);
    }
    shop.run(&["deps"]).expect_code(0);
    Some(shop)
}

/// The models of such a shop.
fn all(models: &[File<'_>]) -> Vec<String> {
    let both = models.iter().flat_map(|(model, _)| [(*model).to_owned(), format!("after_{model}")]);
    both.chain(["beside".to_owned()]).collect()
}

/// The names that a run is to build.
#[track_caller]
fn builds(shop: &Shop, words: &[&str], names: &[String]) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    shop.run(words).expect_built(&names);
}

/// Edits a macro, and back to nothing left to build.
#[track_caller]
fn edited(shop: &Shop, file: &str, change: impl FnOnce(&str) -> String, names: &[&str]) {
    shop.edit(file, change);
    shop.run(&["build"]).expect_built(names);
    shop.run(&["build"]).expect_built(&[]);
}

/// Another comment in a macro.
fn comment(text: &str) -> String {
    text.replace("{% endmacro %}", "{# edited #}{% endmacro %}")
}

fn each_macro_builds_its_readers(models: &[File<'_>]) {
    let Some(shop) = shop_at_execution(models) else { return };
    builds(&shop, &["build"], &all(models));
    for (model, _) in models {
        let change = |text: &str| text.replace("%}1{%", "%}1 + 0{%");
        edited(&shop, &file_of(model), change, &[model, &format!("after_{model}")]);
    }
    shop.run(&["--always-start", "build"]).expect_built(&[]);
}

#[test]
fn a_macro_that_is_called_only_at_execution_builds_its_readers() {
    each_macro_builds_its_readers(&AT_EXECUTION[..5]);
}

#[test]
fn a_macro_that_is_called_by_another_name_at_execution_builds_its_readers() {
    each_macro_builds_its_readers(&AT_EXECUTION[5..]);
}

const STRATEGY: &str =
    "{% macro get_incremental_own_sql(arg_dict) %}{{ return(own_sql(arg_dict)) }}{% endmacro %}";

const TABLE: &str =
    "{{ config(materialized='table') }} select 1 as id, timestamp '2026-01-01' as changed_at";

fn snapshot(name: &str, config: &str) -> String {
    format!(
        "{{% snapshot {name} %}}{{{{ config(target_schema='main', unique_key='id', {config}) }}}}\n\
         select * from {{{{ ref('base') }}}}{{% endsnapshot %}}"
    )
}

/// Nodes whose statement a macro of the project makes, which only their configuration names.
fn shop_of_strategies() -> Option<Shop> {
    let shop = shop(&[
        ("models/base.sql", TABLE),
        (
            "models/own.sql",
            "{{ config(materialized='incremental', incremental_strategy='own') }} select 1 as a",
        ),
        ("models/default.sql", "{{ config(materialized='incremental') }} select 1 as a"),
        ("models/code.py", "def model(dbt, session):\n    return dbt.ref('own')\n"),
        ("models/after_own.sql", "select * from {{ ref('own') }}"),
        ("macros/own.sql", STRATEGY),
        (
            "macros/own_sql.sql",
            "{% macro own_sql(arg_dict) %}{{ return(get_incremental_append_sql(arg_dict)) }}{% endmacro %}",
        ),
        (
            "macros/default.sql",
            "{% macro get_incremental_default_sql(arg_dict) %}{{ return(get_incremental_append_sql(arg_dict)) }}{% endmacro %}",
        ),
        ("snapshots/kept.sql", &snapshot("kept", "strategy='own', updated_at='changed_at'")),
        ("snapshots/checked.sql", &snapshot("checked", "strategy='check', check_cols=['id']")),
        (
            "macros/kept.sql",
            "{% macro snapshot_own_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}\n\
             {{ return(snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists)) }}{% endmacro %}",
        ),
        (
            "macros/merge.sql",
            "{% macro snapshot_merge_sql(target, source, insert_cols) %}\n\
             {{ adapter.dispatch('snapshot_merge_sql', 'dbt')(target, source, insert_cols) }}{% endmacro %}",
        ),
        (
            "macros/postfix.sql",
            "{% macro py_script_postfix(model) %}{{ dbt.py_script_postfix(model) }}{% endmacro %}",
        ),
    ])?;
    shop.run(&["build"]).expect_built(&[
        "after_own",
        "base",
        "checked",
        "code",
        "default",
        "kept",
        "own",
    ]);
    shop.run(&["--always-start", "build"]).expect_built(&[]);
    Some(shop)
}

#[test]
fn a_strategy_of_the_project_builds_the_nodes_that_are_configured_for_it() {
    let Some(shop) = shop_of_strategies() else { return };
    edited(&shop, "macros/own.sql", comment, &["after_own", "code", "own"]);
    edited(&shop, "macros/own_sql.sql", comment, &["after_own", "code", "own"]);
    edited(&shop, "macros/default.sql", comment, &["default"]);
    edited(&shop, "macros/kept.sql", comment, &["kept"]);
    edited(&shop, "macros/merge.sql", comment, &["checked", "kept"]);
    edited(&shop, "macros/postfix.sql", comment, &["code"]);
    shop.run(&["--always-start", "build"]).expect_built(&[]);
}

/// The texts of macros of the adapter's or of dbt's, as a project copies them to change them.
fn dbts_own<'a, const N: usize>(shop: &Shop, names: [&'a str; N]) -> [(&'a str, String); N] {
    let text = manifest(shop, &["parse"]);
    let manifest = Manifest::read(&text).expect("dbt wrote it");
    names.map(|name| {
        let ids = ["dbt_duckdb", "dbt"].map(|package| format!("macro.{package}.{name}"));
        let found = ids.iter().find_map(|id| manifest.macro_by_id(id)).expect("dbt has it");
        (name, found.macro_sql().into_owned())
    })
}

#[test]
fn an_override_of_what_a_materialization_calls_builds_every_node_of_it() {
    let Some(shop) = shop(&[
        ("models/base.sql", TABLE),
        ("models/seen.sql", "{{ config(materialized='view') }} select 1 as a"),
        ("models/inner.sql", "{{ config(materialized='ephemeral') }} select 1 as a"),
        ("seeds/given.csv", "a\n1\n"),
    ]) else {
        return;
    };
    let names = ["run_hooks", "create_table_as", "drop_relation", "load_csv_rows"];
    for (name, text) in dbts_own(&shop, names) {
        shop.write(&format!("macros/{name}.sql"), &text);
    }
    shop.run(&["build"]).expect_built(&["base", "given", "seen"]);
    shop.run(&["--always-start", "build"]).expect_built(&[]);
    let edit = |name: &str, built: &[&str]| {
        let change = |text: &str| text.replacen("%}", "%}{# edited #}", 1);
        edited(&shop, &format!("macros/{name}.sql"), change, built);
    };
    edit("run_hooks", &["base", "given", "seen"]);
    edit("create_table_as", &["base"]);
    edit("load_csv_rows", &["given"]);
    // Called by dbt's code through the adapter: `adapter.drop_relation()`.
    edit("drop_relation", &["base", "given", "seen"]);
}

#[test]
fn names_and_functions_that_a_project_overrides_build_what_they_change() {
    let Some(shop) = shop(&[
        ("models/base.sql", TABLE),
        ("models/filed.sql", "{{ config(schema='files') }} select 1 as a"),
        ("models/after_filed.sql", "select * from {{ ref('filed') }}"),
        (
            "models/row.sql",
            "select row, rows.length from (select 1 as row, {'length': 1} as rows) -- row()",
        ),
        ("macros/row.sql", "{% macro row() %}1{% endmacro %}"),
        (
            "macros/generate_schema_name.sql",
            "{% macro generate_schema_name(custom_schema_name, node) %}\
             {% if custom_schema_name %}x_{{ custom_schema_name }}{% else %}{{ target.schema }}{% endif %}{% endmacro %}",
        ),
        (
            "macros/ref.sql",
            "{% macro ref() %}{{ return(builtins.ref(*varargs, **kwargs)) }}{% endmacro %}",
        ),
    ]) else {
        return;
    };
    shop.run(&["build"]).expect_built(&["after_filed", "base", "filed", "row"]);
    shop.run(&["--always-start", "build"]).expect_built(&[]);
    let renamed = |text: &str| text.replace("x_", "y_");
    edited(&shop, "macros/generate_schema_name.sql", renamed, &["after_filed", "filed"]);
    // The same names as before: nothing is elsewhere.
    edited(&shop, "macros/generate_schema_name.sql", comment, &[]);
    edited(&shop, "macros/ref.sql", comment, &["after_filed"]);
    // A column, and a comment of SQL.
    edited(&shop, "macros/row.sql", comment, &[]);
}

fn manifest(shop: &Shop, words: &[&str]) -> String {
    shop.bare_dbt(words).expect_code(0);
    fs::read_to_string(shop.project().join("target/manifest.json")).expect("dbt wrote it")
}

/// Neither has another node than the other, nor another digest.
#[track_caller]
fn are_alike(parsed: &str, built: &str) {
    assert_ne!(parsed, built);
    let [parsed, built] = [parsed, built].map(|text| Manifest::read(text).expect("dbt wrote it"));
    assert_eq!(compare(&built, &parsed), Needs::new());
    assert_eq!(compare(&parsed, &built), Needs::new());
    let ids: Vec<&str> = parsed.names().map(|(id, _)| id).collect();
    assert_eq!(fingerprints(&parsed, &ids), fingerprints(&built, &ids));
    let listed = |manifest: &Manifest<'_>| -> BTreeSet<String> {
        let calls = manifest.nodes().flat_map(|(_, node)| &node.depends_on.macros);
        calls.map(ToString::to_string).collect()
    };
    assert!(listed(&parsed).is_subset(&listed(&built)) && listed(&parsed) != listed(&built));
}

#[test]
fn the_manifest_of_a_run_says_the_same_as_that_of_a_parse() {
    for shop in [shop_at_execution(&AT_EXECUTION), shop_of_strategies()] {
        let Some(shop) = shop else { return };
        let parsed = manifest(&shop, &["parse", "--no-partial-parse"]);
        are_alike(&parsed, &manifest(&shop, &["build"]));
    }
}

#[test]
fn what_was_seen_only_at_the_end_of_a_run_builds_nothing() {
    let Some(shop) = shop_at_execution(&AT_EXECUTION) else { return };
    builds(&shop, &["build"], &all(&AT_EXECUTION));
    shop.run(&["--always-start", "build"]).expect_built(&[]);
    builds(&shop, &["--full", "build"], &all(&AT_EXECUTION));
    shop.touch("models/beside.sql");
    shop.run(&["build"]).expect_built(&["beside"]);
    shop.run(&["build", "-s", "executed"]).expect_built(&["executed"]);
    shop.touch("models/beside.sql");
    shop.run(&["build"]).expect_built(&["beside"]);
}

#[test]
fn a_refresh_of_what_changed_keeps_the_rows_of_what_did_not() {
    let Some(shop) = shop_at_execution(&AT_EXECUTION[1..2]) else { return };
    shop.run(&["run"]).expect_built(&["after_incremental", "beside", "incremental"]);
    for _ in 0..3 {
        shop.run(&["run", "-s", "incremental"]).expect_built(&["incremental"]);
    }
    shop.touch("models/beside.sql");
    let refresh = ["--refresh-changed", "incremental", "run"];
    shop.run(&refresh).expect_code(0);
    assert_eq!(shop.query("select count(*) from incremental"), "4\n");
}

/// Models that show a var's type, its order, and the columns of a contract.
const TYPED: [File<'static>; 6] = [
    ("models/dated.sql", "select '{{ var('day') is string }}' as a"),
    ("models/ordered.sql", "select '{% for key in var('codes') %}{{ key }}{% endfor %}' as a"),
    ("models/agreed.sql", "select 1 as a, 2 as b"),
    ("models/plain.sql", "select '{{ var('word') }}' as a"),
    ("models/agreed.yml", AGREED),
    ("macros/note.sql", "{% macro note() %}select 1{% endmacro %}"),
];

const AGREED: &str = "models:
  - name: agreed
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: a, data_type: integer}, {name: b, data_type: integer}]
";

#[test]
fn types_and_orders_build_whoever_shows_them_and_hooks_build_nothing() {
    let Some(shop) = shop(&TYPED) else { return };
    shop.edit("dbt_project.yml", |text| {
        format!("{text}\non-run-end: \"{{{{ note() }}}}\"\nvars: {{day: 2026-08-03, codes: {{x: u, y: v}}, word: w}}\n")
    });
    shop.run(&["build"]).expect_built(&["agreed", "dated", "ordered", "plain"]);
    let set = |from: &'static str, to: &'static str| move |text: &str| text.replace(from, to);
    edited(&shop, "dbt_project.yml", set("2026-08-03", "'2026-08-03'"), &["dated"]);
    assert_eq!(shop.query("select a from dated"), "True\n");
    edited(&shop, "dbt_project.yml", set("{x: u, y: v}", "{y: v, x: u}"), &["ordered"]);
    assert_eq!(shop.query("select a from ordered"), "yx\n");
    edited(&shop, "dbt_project.yml", set("word: w", "word: \"w\""), &[]);
    let (a, b) = ("{name: a, data_type: integer}", "{name: b, data_type: integer}");
    let swap = |text: &str| text.replace(&format!("{a}, {b}"), &format!("{b}, {a}"));
    edited(&shop, "models/agreed.yml", swap, &["agreed"]);
    assert_eq!(shop.query("select * from agreed"), "2|1\n");
    shop.run(&["build", "--vars", "{day: 2026-08-03}"]).expect_built(&["dated"]);
    shop.edit("macros/note.sql", comment);
    let ran = shop.run(&["build", "--vars", "{day: 2026-08-03}"]);
    ran.expect_built(&[]);
    let line = "on-run-end changed; nothing is rebuilt for it";
    assert_eq!(ran.stderr.matches(line).count(), 1, "{}", ran.stderr);
}
