//! What lasts from one parse to the next, and what does not.

use super::*;
use serde_json::json;

fn manifest(macros: &[(&str, &str)], code: &str, more: &Value) -> String {
    let entry = |(id, text): &(&str, &str)| {
        let parts: Vec<&str> = id.split('.').collect();
        let found = json!({"package_name": parts[1], "name": parts[2], "macro_sql": text,
            "depends_on": {"macros": []}});
        ((*id).to_owned(), found)
    };
    let mut node = json!({"resource_type": "model", "name": "n", "package_name": "p",
        "original_file_path": "models/n.sql", "raw_code": code});
    node.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    json!({
        "metadata": {"dbt_schema_version": "https://x/manifest/v12.json", "dbt_version": "1.11.16",
            "project_name": "p", "adapter_type": "duckdb"},
        "nodes": {"model.p.n": node}, "sources": {}, "disabled": {},
        "macros": macros.iter().map(entry).collect::<serde_json::Map<_, _>>()
    })
    .to_string()
}

fn lasts(macros: &[(&str, &str)], code: &str) -> bool {
    check_lasts(&Manifest::read(&manifest(macros, code, &json!({}))).unwrap()).is_ok()
}

#[test]
fn what_a_node_renders_to_is_thrown_away() {
    for code in [
        "select '{{ run_started_at }}', '{{ invocation_id }}', '{{ flags.WHICH }}'",
        "{{- run_started_at.strftime('%Y') -}}",
        "{{ run_started_at.astimezone(modules.pytz.timezone('UTC')) | string }}",
        "{{ modules.datetime.datetime.now() }} {% if x %}{{ ref('a') }}{% endif %}",
    ] {
        assert!(lasts(&[], code), "{code}");
    }
}

#[test]
fn what_a_node_hands_on_counts() {
    for code in [
        "{{ config(meta={'at': run_started_at}) }}",
        "{{ config(alias=\"{{ invocation_id }}\") }}",
        "{% if run_started_at.day == 1 %}{{ ref('a') }}{% endif %}",
        "{% set day = run_started_at.day %}",
        "{% set day %}{{ run_started_at.day }}{% endset %}{{ config(tags=day) }}",
        "{% call x() %}{{ run_started_at.day }}{% endcall %}",
        "{{ ref('a_' ~ run_started_at.day) }}",
        "{{ x(modules.datetime.datetime.now()) }}",
        "{{ x(modules.datetime.date(2020, 1, 1).today()) }}",
        "{{ x(modules.datetime) }}",
        "{{ x(modules.datetime.datetime) }}",
        "{{ x(modules.pytz.datetime.datetime) }}",
        "{% set m = modules %}",
        "{{ x(modules['datetime']) }}",
        "{{ x(context['run_started_at']) }}",
        "{{ x(context.invocation_id) }}",
        "{% if flags.WHICH == 'run' %}{{ ref('a') }}{% endif %}",
        "{% if flags %}{% endif %}",
        "{{ x(flags.FULL_REFRESH) }}",
        "{%- set x = not flags.FULL_REFRESH -%}",
        "{% if invocation_args_dict.which %}{% endif %}",
    ] {
        assert!(!lasts(&[], code), "{code}");
    }
    for code in [
        "{{ x(modules.re.match('a', 'b')) }}",
        "{% set m = modules.itertools %}",
        "{{ x(modules.datetime.timedelta(days=1)) }}",
        "{{ x(modules.datetime.datetime.strptime('2020', '%Y')) }}",
        "{{ x(modules.datetime.date(2020, 1, 1)) }}",
        "{% if flags.FULL_REFRESH %}{{ ref('a') }}{% endif %}",
        "{% if not flags.FULL_REFRESH and y %}{{ ref('a') }}{% endif %}",
        "{% if execute and run_started_at.day == 1 %}{{ x(flags.WHICH) }}{% endif %}",
        "{{ x(flags=1) }} run_started_at {# {{ x(flags) }} #}",
        "{{ x('run_started_at') }}",
    ] {
        assert!(lasts(&[], code), "{code}");
    }
}

#[test]
fn macros_count_where_code_reaches_them_while_dbt_parses() {
    let macros = [
        ("macro.q.stamp", "{% macro stamp() %}{{ modules.datetime.datetime.now() }}{% endmacro %}"),
        ("macro.q.through", "{% macro through() %}{{ q.stamp() }}{% endmacro %}"),
        (
            "macro.q.late",
            "{% macro late() %}{% if execute %}{{ q.stamp() }}{% endif %}{% endmacro %}",
        ),
        (
            "macro.q.later",
            "{% macro later() %}{% if not execute %}{{ return('') }}{% endif %}{{ stamp() }}{% endmacro %}",
        ),
        ("macro.q.plain", "{% macro plain() %}{{ modules.re.match('a', 'b') }}{% endmacro %}"),
        ("macro.q.now", "{% macro now() %}current_date{% endmacro %}"),
        ("macro.q.by", "{% macro by(name) %}{{ context[name]() }}{% endmacro %}"),
        ("macro.q.default__one", "{% macro default__one() %}{{ invocation_id }}{% endmacro %}"),
        ("macro.q.one", "{% macro one() %}{{ adapter.dispatch('one')() }}{% endmacro %}"),
        ("macro.dbt.refreshes", "{% macro refreshes() %}{{ flags.FULL_REFRESH }}{% endmacro %}"),
        ("macro.dbt.time", "{% macro time() %}{{ modules.datetime.datetime.now() }}{% endmacro %}"),
    ];
    for code in [
        "select 1",
        "{{ q.late() }}",
        "{{ q.later() }}",
        "{{ q.plain() }}",
        "{{ q.now() }}",
        "{{ refreshes() }}",
    ] {
        assert!(lasts(&macros, code), "{code}");
    }
    for code in [
        "{{ q.stamp() }}",
        "{{ q.through() }}",
        "{{ q.by('stamp') }}",
        "{{ q.one() }}",
        "{{ time() }}",
    ] {
        assert!(!lasts(&macros, code), "{code}");
    }
    let naming = "{% macro generate_alias_name(name, node) %}{{ X }}{% endmacro %}";
    for (asks, expected) in [("invocation_id", false), ("graph.nodes", false), ("node.name", true)]
    {
        let macros = [("macro.p.generate_alias_name", &*naming.replace('X', asks))];
        assert_eq!(lasts(&macros, "select 1"), expected, "{asks}");
    }
}

#[test]
fn the_arguments_of_a_test_and_what_is_disabled_count() {
    let macros = [("macro.p.stamp", "{% macro stamp() %}{{ invocation_id }}{% endmacro %}")];
    let check = |more: &Value| {
        check_lasts(&Manifest::read(&manifest(&macros, "select 1", more)).unwrap()).is_ok()
    };
    for (argument, expected) in
        [("{{ stamp() }}", false), ("{{ run_started_at }}", false), ("{{ x }}", true)]
    {
        let test = json!({"test_metadata": {"name": "x", "kwargs": {"a": argument}}});
        assert_eq!(check(&test), expected, "{argument}");
    }
    for (code, expected) in
        [("{{ stamp() }}", false), ("{{ config(enabled=flags.X) }}", false), ("", true)]
    {
        let mut whole: Value = serde_json::from_str(&manifest(&macros, "", &json!({}))).unwrap();
        let mut off = whole["nodes"]["model.p.n"].clone();
        off["raw_code"] = code.into();
        whole["disabled"] = json!({"model.p.off": [off]});
        let whole = whole.to_string();
        assert_eq!(check_lasts(&Manifest::read(&whole).unwrap()).is_ok(), expected, "{code}");
    }
    let python = json!({"language": "python", "raw_code": "flags.x"});
    assert!(check(&python));
}

#[test]
fn values_of_yaml_count_but_for_what_a_run_renders() {
    for (text, expected) in [
        ("a: '{{ run_started_at }}'", true),
        ("a: [{+meta: {b: '{{ modules.datetime.datetime.now() }}'}}]", true),
        ("a: '{{ modules.re }}'", false),
        ("a: run_started_at\n# {{ invocation_id }}", false),
        ("models: {+post-hook: \"insert '{{ invocation_id }}'\"}", false),
        ("on-run-end: ['{{ x(invocation_id) }}']\nquery-comment: '{{ invocation_id }}'", false),
        ("{{ invocation_id }}: [", true),
        ("a: [b, flags.", false),
    ] {
        assert_eq!(is_momentary_yaml(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn readers_of_the_graph_are_found() {
    let macros = [("macro.p.all", "{% macro all() %}{{ graph.nodes }}{% endmacro %}")];
    for (code, expected) in
        [("{{ all() }}", true), ("{{ graph['nodes'] }}", true), ("graph", false)]
    {
        let text = manifest(&macros, code, &json!({}));
        let manifest = Manifest::read(&text).unwrap();
        assert_eq!(reader_of_the_graph(&manifest, |_| true).is_some(), expected, "{code}");
        assert!(reader_of_the_graph(&manifest, |id| id != "model.p.n").is_none());
    }
}

#[test]
fn the_rules_are_those_that_were_proved() {
    let table = include_str!("../../../../tests/warm/constructs.json");
    let table: Vec<Value> = serde_json::from_str(table).unwrap();
    let text = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
    let sql: Vec<String> = table.iter().map(|case| text(case, "sql")).collect();
    let name = |sql: &str| sql.split(['(', ' ']).nth(2).map(|name| format!("macro.p.{name}"));
    let ids: Vec<Option<String>> = sql.iter().map(|sql| name(sql)).collect();
    let named = ids.iter().zip(&sql).filter_map(|(id, sql)| Some((id.as_deref()?, sql.as_str())));
    let macros: Vec<(&str, &str)> = named.collect();
    for case in &table {
        let code = text(case, "code");
        assert_eq!(lasts(&macros, &code), case["lasts"].as_bool().unwrap(), "{code}");
    }
}
