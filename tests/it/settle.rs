//! `--settle` on real dbt: what compiles to the code that it was built from is not built; whatever
//! compiled code does not show is. And whatever was not built is as a build from scratch would make it
//! (`tests/settle`).
//!
//! By hand: `.cache/dbt-1.11/bin/python tests/settle/prove.py --program PATH --edits 2000`.

use crate::support::{Done, Shop, binary, dbt, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// A file of the project, with its text.
type File = (String, String);

/// A shop with nothing but these files, built once, as if each node had taken a minute.
fn built(files: &[File], words: &[&str]) -> Option<Shop> {
    let shop = Shop::warm()?;
    for folder in ["models", "seeds", "tests", "macros", "snapshots"] {
        let _ = fs::remove_dir_all(shop.project().join(folder));
    }
    for (file, text) in files {
        shop.write(file, text);
    }
    shop.run(words).expect_code(0);
    took_minutes(&shop);
    Some(shop)
}

/// Records that the last builds took a minute each: dbt is asked only where that may spare time.
fn took_minutes(shop: &Shop) {
    let directory = shop.state().join(".dbt-entrypoint/records");
    for entry in fs::read_dir(directory).expect("records") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a record");
        let mut record: Value = serde_json::from_str(&text).expect("a record");
        for node in record["nodes"].as_object_mut().expect("nodes").values_mut() {
            if !node["seconds"].is_null() {
                node["seconds"] = 60.0.into();
            }
        }
        fs::write(path, record.to_string()).expect("the volume is writable");
    }
}

#[track_caller]
fn settled(shop: &Shop) -> Done {
    shop.run(&["--settle", "changes", "build"])
}

/// Edits that compile to the same statement: before, after.
const EQUAL: [(&str, &str); 14] = [
    ("select 1 as a", "select 1 as a\n\n{# a comment #}"),
    ("{% set x = 1 %}select {{ x }} as a", "{% set y = 1 %}select {{ y }} as a"),
    ("{% set x = 1 %}select {{ x }} as a", "select 1 as a"),
    ("select {{ 1 + 1 }} as a", "select 2 as a"),
    (
        "select {% for n in [1, 2] %}{{ n }} as a{{ n }}{{ ', ' if not loop.last }}{% endfor %}",
        "select 1 as a1, 2 as a2",
    ),
    ("{% if true %}select 1 as a{% else %}select 2 as a{% endif %}", "select 1 as a"),
    ("select {{ one() }} as a", "select 1 as a"),
    ("select 1 as a", "select {{ one() }} as a"),
    ("select {{ var('n', 3) }} as a", "select 3 as a"),
    ("\n\n  select 1 as a", "select 1 as a"),
    (
        "{{ config(materialized='table') }}select 1 as a",
        "{{ config(materialized='table') }}{# a comment #}select 1 as a",
    ),
    (
        "{{ config(materialized='incremental') }}select 1 as a",
        "{{ config(materialized='incremental') }}{%- set unused = 1 -%}select 1 as a",
    ),
    ("select * from {{ ref('base') }}", "{% set base = ref('base') %}select * from {{ base }}"),
    ("select '{{ target.name }}' as a", "select '{{ target['name'] }}' as a"),
];

/// Pieces of code that compile to the same before and after, and build something else, or could.
const HIDDEN: [(&str, &str); 24] = [
    (
        "{{ '1' if flags.WHICH == 'compile' else '1' }}",
        "{{ '1' if flags.WHICH == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if context['flags'].WHICH == 'compile' else '1' }}",
        "{{ '1' if context['flags'].WHICH == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if builtins['fl' ~ 'ags'].WHICH == 'compile' else '1' }}",
        "{{ '1' if builtins['fl' ~ 'ags'].WHICH == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if invocation_args_dict.which == 'compile' else '1' }}",
        "{{ '1' if invocation_args_dict.which == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if builtins.get('fl' ~ 'ags').WHICH == 'compile' else '1' }}",
        "{{ '1' if builtins.get('fl' ~ 'ags').WHICH == 'compile' else '2' }}",
    ),
    (
        "{{ render('{{ 1 if fl' ~ 'ags.WHICH == \"compile\" else 1 }}') }}",
        "{{ render('{{ 1 if fl' ~ 'ags.WHICH == \"compile\" else 2 }}') }}",
    ),
    (
        "{{ '1' if ref.config.args.which == 'compile' else '1' }}",
        "{{ '1' if ref.config.args.which == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if source['con' ~ 'fig'].args.which == 'compile' else '1' }}",
        "{{ '1' if source['con' ~ 'fig'].args.which == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if one['con' ~ 'text']['fl' ~ 'ags'].WHICH == 'compile' else '1' }}",
        "{{ '1' if one['con' ~ 'text']['fl' ~ 'ags'].WHICH == 'compile' else '2' }}",
    ),
    (
        "{% set m = one %}{{ '1' if (m | attr('con' ~ 'text')).get('fl' ~ 'ags').WHICH == 'compile' else '1' }}",
        "{% set m = one %}{{ '1' if (m | attr('con' ~ 'text')).get('fl' ~ 'ags').WHICH == 'compile' else '2' }}",
    ),
    (
        "{{ '1' if shop.one['con' ~ 'text']['fl' ~ 'ags'].WHICH == 'compile' else '1' }}",
        "{{ '1' if shop.one['con' ~ 'text']['fl' ~ 'ags'].WHICH == 'compile' else '2' }}",
    ),
    ("1{{ '' if is_incremental() else '' }}", "1{{ ' + 1' if is_incremental() else '' }}"),
    (
        "1{{ '' if execute and run_query('select 1') is none else '' }}",
        "1{{ '' if execute and run_query('select 1') is none else '' }}{# 2 #}",
    ),
    (
        "1{{ '' if load_relation(this) is none else '' }}",
        "1{{ '' if load_relation(this) is none else ' + 1' }}",
    ),
    (
        "1{{ '' if adapter.get_relation(none, 'main', 'x') is none else '' }}",
        "1{{ '' if adapter.get_relation(none, 'main', 'x') is none else ' + 1' }}",
    ),
    ("1{{ '' if target.threads == 0 else '' }}", "1{{ ' + 1' if target.threads == 0 else '' }}"),
    ("1{{ '' if thread_id == 'x' else '' }}", "1{{ ' + 1' if thread_id == 'x' else '' }}"),
    ("1{{ '' if invocation_id == 'x' else '' }}", "1{{ ' + 1' if invocation_id == 'x' else '' }}"),
    (
        "1{{ '' if run_started_at is none else '' }}",
        "1{{ ' + 1' if run_started_at is none else '' }}",
    ),
    (
        "1{{ '' if selected_resources | length == 1000 else '' }}",
        "1{{ ' + 1' if selected_resources | length == 1000 else '' }}",
    ),
    (
        "1{{ '' if modules.datetime.datetime.now().year < 2000 else '' }}",
        "1{{ ' + 1' if modules.datetime.datetime.now().year < 2000 else '' }}",
    ),
    (
        "1{% call set_sql_header(config) %}select 1;{% endcall %}",
        "1{% call set_sql_header(config) %}select 2;{% endcall %}",
    ),
    (
        "1{% call statement('s') %}select 1{% endcall %}",
        "1{% call statement('s') %}select 2{% endcall %}",
    ),
    (
        "1{{ '' if should_full_refresh() else '' }}",
        "1{{ ' + 1' if should_full_refresh() else '' }}",
    ),
];

/// Edits that leave the code as it is and change the relation: before, after.
const AROUND: [(&str, &str); 16] = [
    (
        "{{ config(materialized='view') }}select 1 as a",
        "{{ config(materialized='table') }}select 1 as a",
    ),
    ("{{ config(alias='{name}_x') }}select 1 as a", "{{ config(alias='{name}_y') }}select 1 as a"),
    ("{{ config(schema='x') }}select 1 as a", "{{ config(schema='y') }}select 1 as a"),
    (
        "{{ config(post_hook='select 1') }}select 1 as a",
        "{{ config(post_hook='select 2') }}select 1 as a",
    ),
    (
        "{{ config(pre_hook='select 1') }}select 1 as a",
        "{{ config(pre_hook='select 2') }}select 1 as a",
    ),
    (
        "{{ config(post_hook='select {{ hooked() }}') }}select 1 as a",
        "{{ config(post_hook='select {{ hooked() }}') }}{# edited #}select 1 as a",
    ),
    (
        "{{ config(sql_header='select 1;') }}select 1 as a",
        "{{ config(sql_header='select 2;') }}select 1 as a",
    ),
    (
        "{{ config(materialized='incremental', unique_key='a') }}select 1 as a, 1 as b",
        "{{ config(materialized='incremental', unique_key='b') }}select 1 as a, 1 as b",
    ),
    (
        "{{ config(materialized='incremental', on_schema_change='ignore') }}select 1 as a",
        "{{ config(materialized='incremental', on_schema_change='append_new_columns') }}select 1 as a",
    ),
    (
        "{{ config(materialized='incremental', incremental_strategy='append') }}select 1 as a",
        "{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='a') }}select 1 as a",
    ),
    (
        "{{ config(materialized='table', indexes=[]) }}select 1 as a",
        "{{ config(materialized='table', indexes=[{'columns': ['a']}]) }}select 1 as a",
    ),
    ("{{ config(meta={'a': 1}) }}select 1 as a", "{{ config(meta={'a': 2}) }}select 1 as a"),
    ("select * from {{ ref('base') }}", "select * from \"shop\".\"main\".\"base\""),
    (
        "{{ config(materialized='odd') }}select 1 as a",
        "{{ config(materialized='odd') }}{# a #}select 1 as a",
    ),
    (
        "{{ config(materialized='table', full_refresh=true) }}select 1 as a",
        "{{ config(materialized='table', full_refresh=false) }}select 1 as a",
    ),
    (
        "{{ config(materialized='table', persist_docs={'relation': false}) }}select 1 as a",
        "{{ config(materialized='table', persist_docs={'relation': true}) }}select 1 as a",
    ),
];

/// Macros that are called for a model that does not change, and of which no code shows.
const CALLED_AROUND: [(&str, &str, &str, &str); 4] = [
    (
        "hook_of",
        "macros/hook_text.sql",
        "{% macro hook_text() %}select 1{% endmacro %}",
        "{{ config(post_hook='{{ hook_text() }}') }}select 1 as a",
    ),
    (
        "odd_of",
        "macros/odd_text.sql",
        "{% macro odd_text() %}1{% endmacro %}",
        "{{ config(materialized='calling') }}select 1 as a",
    ),
    (
        "strategy_of",
        "macros/get_incremental_own_sql.sql",
        "{% macro get_incremental_own_sql(arg_dict) %}insert into {{ arg_dict['target_relation'] }} select 1{% endmacro %}",
        "{{ config(materialized='incremental', incremental_strategy='own') }}select 1 as a",
    ),
    (
        "override_of",
        "macros/duckdb__create_view_as.sql",
        "{% macro duckdb__create_view_as(relation, sql) %}create view {{ relation.render() }} as ({{ sql }}){% endmacro %}",
        "{{ config(materialized='view') }}select 1 as a",
    ),
];

const ODD: &str = "{% materialization NAME, adapter='duckdb' %}\
    {%- set target_relation = this.incorporate(type='table') -%}\
    {{ drop_relation_if_exists(load_cached_relation(this)) }}\
    {% call statement('main') %}create or replace table {{ target_relation }} as ({{ sql }}){% endcall %}\
    TEXT{{ return({'relations': [target_relation]}) }}{% endmaterialization %}";

fn file(name: &str, text: &str) -> File {
    (name.to_owned(), text.to_owned())
}

fn model(name: &str, sql: &str) -> File {
    (format!("models/{name}.sql"), sql.replace("{name}", name))
}

/// What every project of these tests has.
fn common() -> Vec<File> {
    vec![
        file("macros/one.sql", "{% macro one() %}1{% endmacro %}"),
        file("macros/hooked.sql", "{% macro hooked() %}1{% endmacro %}"),
        file("macros/odd.sql", &ODD.replace("NAME", "odd").replace("TEXT", "")),
        model("base", "{{ config(materialized='table') }}select 1 as a"),
    ]
}

#[test]
fn what_compiles_to_the_same_statement_is_not_built() {
    let name = |at: usize| format!("equal_{at}");
    let mut files = common();
    files.extend(EQUAL.iter().enumerate().map(|(at, (before, _))| model(&name(at), before)));
    files.push(model("reader", "select * from {{ ref('equal_0') }}"));
    files.push(model("inlined", "{{ config(materialized='ephemeral') }}select 1 as a"));
    files.push(model("inlining", "select * from {{ ref('inlined') }}"));
    let Some(shop) = built(&files, &["build"]) else { return };
    for (at, (_, after)) in EQUAL.iter().enumerate() {
        let (path, text) = model(&name(at), after);
        shop.write(&path, &text);
    }
    shop.edit("models/inlined.sql", |sql| format!("{sql}{{# a comment #}}"));
    shop.edit("macros/one.sql", |sql| sql.replace("1{%", "1{# a comment #}{%"));
    let run = settled(&shop);
    run.expect_built(&[]);
    assert!(run.stderr.contains("compiles the same code as before"), "{run:#?}");
    // What was found out is the baseline of the next start.
    shop.run(&["build"]).expect_built(&[]);
    shop.edit("macros/one.sql", |sql| sql.replace("}1{", "}2{"));
    took_minutes(&shop);
    settled(&shop).expect_built(&["equal_7"]);
}

/// Each hidden piece of code in a model, in a macro, behind another macro, and in an ephemeral model.
fn hidden() -> (Vec<File>, Vec<File>, BTreeSet<String>) {
    let (mut before, mut after, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, (old, new)) in HIDDEN.iter().enumerate() {
        // Incremental, so that a second build differs from a first.
        let config = "{{ config(materialized='incremental') }}";
        let with = |code: &str| {
            let called = format!("{{% macro called_{at}() %}}{code}{{% endmacro %}}");
            let inlined = format!("{{{{ config(materialized='ephemeral') }}}}select {code} as a");
            let mut files = vec![
                model(&format!("plain_{at}"), &format!("{config}select {code} as a")),
                file(&format!("macros/called_{at}.sql"), &called),
            ];
            // The header of an ephemeral model's statement goes nowhere.
            if !code.contains("sql_header") {
                files.push(model(&format!("inlined_{at}"), &inlined));
            }
            files
        };
        before.extend(with(old));
        after.extend(with(new));
        let calling =
            format!("{{% macro calling_{at}() %}}{{{{ called_{at}() }}}}{{% endmacro %}}");
        before.push(file(&format!("macros/calling_{at}.sql"), &calling));
        let select = |code: &str| format!("{config}select {code} as a");
        before.push(model(&format!("macro_{at}"), &select(&format!("{{{{ called_{at}() }}}}"))));
        before.push(model(&format!("behind_{at}"), &select(&format!("{{{{ calling_{at}() }}}}"))));
        names.extend(["plain", "macro", "behind"].map(|kind| format!("{kind}_{at}")));
        if !old.contains("sql_header") {
            let reads = format!("select * from {{{{ ref('inlined_{at}') }}}}");
            before.push(model(&format!("reading_{at}"), &reads));
            names.insert(format!("reading_{at}"));
        }
    }
    (before, after, names)
}

#[test]
fn what_compiled_code_does_not_show_is_always_built() {
    let (mut files, edits, mut names) = hidden();
    files.extend(common());
    let around = |at: usize| format!("around_{at}");
    files.extend(AROUND.iter().enumerate().map(|(at, (before, _))| model(&around(at), before)));
    names.extend((0..AROUND.len()).map(around));
    let calling = ODD.replace("NAME", "calling").replace("TEXT", "{% set text = odd_text() %}");
    files.push(file("macros/calling.sql", &calling));
    for (name, path, text, sql) in CALLED_AROUND {
        files.extend([model(name, sql), file(path, text)]);
        names.insert(name.to_owned());
    }
    assert!(names.len() >= 60, "{}", names.len());
    let Some(shop) = built(&files, &["build"]) else { return };
    for (path, text) in edits {
        shop.write(&path, &text);
    }
    for (at, (_, after)) in AROUND.iter().enumerate() {
        let (path, text) = model(&around(at), after);
        shop.write(&path, &text);
    }
    for (_, path, _, _) in CALLED_AROUND {
        shop.edit(path, |text| text.replace("{% endmacro %}", "{# edited #}{% endmacro %}"));
    }
    let built = settled(&shop);
    let missing: Vec<&String> = names.difference(&built.built).collect();
    assert!(built.code == 0 && missing.is_empty(), "not built: {missing:?}\n{}", built.stderr);
}

#[test]
fn what_was_spared_is_what_a_build_from_scratch_puts_there() {
    let Some(dbt) = dbt("1.11") else { return };
    let mut command = Command::new(dbt.with_file_name("python"));
    command.args(["-W", "ignore"]).arg(root().join("tests/settle/prove.py"));
    command.arg("--program").arg(binary()).args(["--edits", "60", "--seed", "2000"]);
    let done = command.output().expect("Python starts");
    let words = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let is_sound = done.status.success() && words[0].contains("differing 0 of");
    assert!(is_sound && !words[0].contains("spared 0 times"), "{}", words.concat());
}
