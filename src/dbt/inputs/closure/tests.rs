//! What reaches a node, through macros that call one another in every way.

use super::*;
use crate::dbt::inputs::strings;

fn a_macro<'a>(id: &'a str, text: &'a str, macros: &[&'a str]) -> MacroText<'a> {
    let origin = if id.starts_with("macro.dbt.") { Origin::Internal } else { Origin::Project };
    let name = id.rsplit('.').next().unwrap();
    MacroText { id, name, text, macros: macros.to_vec(), origin }
}

fn a_node<'a>(code: &'a str, macros: &[&'a str]) -> NodeText<'a> {
    NodeText {
        code: Code::Sql(code),
        config: Vec::new(),
        macros: macros.to_vec(),
        materialized: None,
        strategy: None,
    }
}

fn env_names(node: NodeText<'_>, macros: &[MacroText<'_>]) -> Vec<String> {
    let names = Library::new(macros).of_node(&node);
    let env = |name: Name| match name {
        Name::Env(name) => name,
        Name::AnyEnv | Name::Var(_) | Name::AnyVar => panic!("{name:?}"),
    };
    names.0.into_iter().map(env).collect()
}

#[test]
fn macros_are_followed_through_macros_and_packages_in_circles_too() {
    let macros = [
        a_macro("macro.p.a", "{{ env_var('A') }}{{ q.b() }}", &["macro.q.b"]),
        a_macro("macro.q.b", "{{ env_var('B') }}{{ a() }}", &["macro.p.a"]),
        a_macro("macro.p.c", "{{ env_var('C') }}", &[]),
    ];
    assert_eq!(env_names(a_node("{{ a() }}", &["macro.p.a"]), &macros), ["A", "B"]);
    assert_eq!(env_names(a_node("select 1", &[]), &macros), [""; 0]);
}

#[test]
fn macros_that_are_only_named_are_followed() {
    let macros = [
        a_macro("macro.p.m", "{{ env_var('A') }}", &[]),
        a_macro("macro.p.duckdb__d", "{{ env_var('B') }}", &[]),
    ];
    assert_eq!(env_names(a_node("{{ apply(m) }}", &[]), &macros), ["A"]);
    assert_eq!(env_names(a_node("{{ context['m']() }}", &[]), &macros), ["A"]);
    assert_eq!(env_names(a_node("{{ adapter.dispatch('d')() }}", &[]), &macros), ["B"]);
    assert_eq!(env_names(a_node("{{ context[x]() }}", &[]), &macros), ["A", "B"]);
    assert_eq!(env_names(a_node("select m, d", &[]), &macros), [""; 0]);
}

#[test]
fn a_materialization_and_a_strategy_of_the_project_count_for_the_nodes_that_use_them() {
    let macros = [
        a_macro("macro.p.materialization_mine_default", "{{ env_var('A') }}", &[]),
        a_macro("macro.p.get_incremental_own_sql", "{{ env_var('B') }}", &[]),
    ];
    let node = NodeText { materialized: Some("mine"), ..a_node("", &[]) };
    assert_eq!(env_names(node, &macros), ["A"]);
    let node = NodeText { strategy: Some("own"), ..a_node("", &[]) };
    assert_eq!(env_names(node, &macros), ["B"]);
    let node = NodeText { materialized: Some("table"), ..a_node("", &[]) };
    assert_eq!(env_names(node, &macros), [""; 0]);
}

#[test]
fn an_override_of_dbts_own_macro_is_found_through_the_materialization() {
    let macros = [
        a_macro("macro.dbt.materialization_table_default", "", &["macro.dbt.create_it"]),
        a_macro("macro.dbt.create_it", "", &[]),
        a_macro("macro.p.duckdb__create_it", "{{ env_var('A') }}", &[]),
    ];
    let node = NodeText { materialized: Some("table"), ..a_node("", &[]) };
    assert_eq!(env_names(node, &macros), ["A"]);
}

#[test]
fn configuration_and_hooks_count() {
    let config = strings(
        r#"{"a": "env_var('A', 'x')", "n": 1.5, "l": [null, true, {"sql": "do {{ env_var('B') }}"}]}"#,
    );
    let config = config.into_iter().map(Cow::Owned).collect();
    let node = NodeText { config, ..a_node("", &[]) };
    assert_eq!(env_names(node, &[]), ["A", "B"]);
}

#[test]
fn a_name_that_a_macro_is_given_is_known_from_its_callers() {
    let wrapper = "{% macro get(name, fallback) %}{{ env_var(name, fallback) }}{% endmacro %}";
    let outer = "{% macro outer(n) %}{{ get(fallback='', name=n) }}{{ get('X') }}{% endmacro %}";
    let far = "{% macro far(n) %}{{ outer(n) }}{% endmacro %}";
    let macros = [
        a_macro("macro.p.far", far, &["macro.p.outer"]),
        a_macro("macro.p.outer", outer, &["macro.p.get"]),
        a_macro("macro.p.get", wrapper, &[]),
        a_macro(
            "macro.p.other",
            "{% macro other() %}{{ get('O') }}{% endmacro %}",
            &["macro.p.get"],
        ),
    ];
    let read = |code: &str, ids: &[&str]| env_names(a_node(code, ids), &macros);
    assert_eq!(read("{{ get('A') }}{{ p.get(name='B') }}", &["macro.p.get"]), ["A", "B"]);
    assert_eq!(read("{{ outer('A') }}", &["macro.p.outer"]), ["A", "X"]);
    assert_eq!(read("{{ far('A') }}", &["macro.p.far"]), ["A", "X"]);
    assert_eq!(read("{{ other() }}", &["macro.p.other"]), ["O"]);
    assert_eq!(read("{{ adapter.dispatch('get', 'p')('A') }}", &["macro.p.get"]), ["A"]);
    for code in ["{{ get(x) }}", "{{ apply(get) }}", "{{ get() }}", "{{ outer(x) }}", ""] {
        let names = Library::new(&macros).of_node(&a_node(code, &["macro.p.get"]));
        assert!(names.0.contains(&Name::AnyEnv), "{code}");
    }
}

#[test]
fn a_dispatched_wrapper_that_calls_itself_by_name_is_understood() {
    let macros = [
        a_macro(
            "macro.p.conf",
            "{% macro conf(name) %}{{ return(adapter.dispatch('conf', 'p')(name)) }}{% endmacro %}",
            &["macro.p.default__conf"],
        ),
        a_macro(
            "macro.p.default__conf",
            "{% macro default__conf(name) %}{{ env_var(name) }}{{ conf('SELF') }}{% endmacro %}",
            &["macro.p.conf"],
        ),
    ];
    let node = a_node("{{ p.conf('A') }}", &["macro.p.conf"]);
    assert_eq!(env_names(node, &macros), ["A", "SELF"]);
}
