//! What counts as a call, and what as a value that is read.

use super::super::value::{Argument, unknown};
use super::*;

mod macros;

fn env(name: &str) -> Facet {
    Facet::EnvVar(name.to_owned())
}

fn var(name: &str) -> Facet {
    Facet::Var(name.to_owned())
}

fn any_env() -> Facet {
    Facet::EnvVars(String::new())
}

fn any_var() -> Facet {
    Facet::Vars(String::new())
}

fn read(text: &str) -> Vec<Facet> {
    template(text, &NoMacros).facets.into_iter().collect()
}

#[test]
fn every_way_to_write_a_literal_name_is_read() {
    for text in [
        "{{ env_var('A') }}",
        "{{env_var(\"A\")}}",
        "{{ env_var(\n  'A' ,\n 'default') | as_bool }}",
        "{% if env_var ('A', '') == 'x' %}{% endif %}",
        "{%- set x = env_var(var='A') -%}",
        "{{ config(post_hook=\"{{ env_var('A') }}\") }}",
        "{{ config(post_hook='{{ env_var(\\'A\\') }}') }}",
        "{{ context['env_var']('A') }}",
        "{{ context.env_var('A') }}{{ builtins.get('env_var')('A') }}",
        "{% set c = context %}{{ c.env_var('A') }}",
        "-- a comment of SQL: {{ env_var('A') }}",
        "{{ f({'a': {'b': env_var('A')}}) }}",
        "{{ env_var('' 'A') }}",
    ] {
        assert_eq!(read(text), [env("A")], "{text}");
    }
}

#[test]
fn vars_are_read_through_their_methods_too() {
    for text in ["{{ var('a') }}", "{{ var('a', none) }}", "{% if var.has_var('a') %}"] {
        assert_eq!(read(text), [var("a")], "{text}");
    }
}

#[test]
fn a_name_that_is_computed_stands_for_every_name() {
    for text in ["env_var(a)", "env_var(b ~ 'A')", "env_var('A' | upper)", "env_var"] {
        assert_eq!(read(&format!("{{{{ {text} }}}}")), [any_env()], "{text}");
    }
    for text in ["{{ var(a) }}", "{% set v = var %}", "{{ m(var) }}", "{{ context['var'] }}"] {
        assert_eq!(read(text), [any_var()], "{text}");
    }
    assert_eq!(read("{{ env_var(var(a)) }}"), [any_env(), any_var()]);
}

#[test]
fn of_a_computed_name_the_beginning_is_known() {
    let begins = |start: &str| Facet::EnvVars(start.to_owned());
    for text in [
        "{{ env_var('A_' ~ x) }}",
        "{{ env_var('A_' + x ~ '_B', 'default') }}",
        "{{ env_var('A_%s' % x) }}",
        "{{ env_var('A_%s_%s' | format(x, 'B')) }}",
        "{{ env_var('A_{}'.format(x)) }}",
        "{{ env_var(('A_' ~ x)) }}",
        "{% set name = 'A_' ~ x %}{{ env_var(name) }}",
        "{% for x in xs %}{{ env_var('A_' ~ x) }}{% endfor %}",
    ] {
        assert_eq!(read(text), [begins("A_")], "{text}");
    }
    assert_eq!(read("{{ var('a_' ~ x) }}"), [Facet::Vars("a_".to_owned())]);
}

#[test]
fn names_that_are_chosen_from_literals_are_known() {
    for text in [
        "{% for k in ['A', 'B'] %}{{ env_var(k) }}{% endfor %}",
        "{%- for k in ('A', 'B') if k != x -%}{{ env_var(k) }}{% endfor %}",
        "{% set all = ['A'] %}{% for k in all + ['B'] %}{{ env_var(k) }}{% endfor %}",
        "{% set all = ['A', 'B'] %}{% for k in all | sort %}{{ env_var(k) }}{% endfor %}",
        "{% set k = 'A' %}{% if x %}{% set k = 'B' %}{% endif %}{{ env_var(k) }}",
        "{{ env_var('A' if x else 'B') }}",
        "{% set k = x and 'A' or 'B' %}{{ env_var('A') }}{{ env_var('B') }}",
        "{% for k in ['', 'x'] %}{{ env_var('A') }}{{ env_var('B') }}{% endfor %}",
    ] {
        assert_eq!(read(text), [env("A"), env("B")], "{text}");
    }
    let suffixed = "{% for k in ['X', 'Y'] %}{{ env_var('A_' ~ k ~ '_B') }}{% endfor %}";
    assert_eq!(read(suffixed), [env("A_X_B"), env("A_Y_B")]);
    assert_eq!(read("{% set k = 'a' %}{{ var(k) }}"), [var("a")]);
}

#[test]
fn names_that_may_be_others_are_computed() {
    for text in [
        "{% set all = ['A'] %}{% do all.append(x) %}{% for k in all %}{{ env_var(k) }}{% endfor %}",
        "{% for k in ['A'] + x %}{{ env_var(k) }}{% endfor %}",
        "{% for k in ['A', x] %}{{ env_var(k) }}{% endfor %}",
        "{% for k, v in x.items() %}{{ env_var(k) }}{% endfor %}",
        "{% for k in 'AB' %}{{ env_var(k) }}{% endfor %}",
        "{% for k in {'A': 1} %}{{ env_var(k) }}{% endfor %}",
        "{% set k %}A{% endset %}{{ env_var(k) }}",
        "{% set k = 'A' %}{% set k = k ~ x %}{{ env_var(k | upper) }}",
        "{% set k = 'A' %}{% call(k) m() %}{{ env_var(k) }}{% endcall %}",
        "{% with k = x %}{{ env_var(k) }}{% endwith %}",
        "{% set k = 'A' %}{{ f(\"{{ env_var(k) }}\") }}",
        "{% set ns = namespace(k='A') %}{{ env_var(ns.k) }}",
    ] {
        let found = read(text);
        assert!(found.contains(&any_env()), "{text}: {found:?}");
    }
}

#[test]
fn a_var_may_hold_the_names() {
    let of = |before: &str| NameOf { before: before.into(), var: "l".into(), after: String::new() };
    for (text, before) in [
        ("{% for k in var('l') %}{{ env_var(k) }}{% endfor %}", ""),
        ("{% set all = var('l') %}{% for k in all %}{{ env_var('A_' ~ k) }}{% endfor %}", "A_"),
        ("{{ env_var(var('l')) }}", ""),
    ] {
        assert_eq!(read(text), [Facet::EnvVarsOf(of(before)), var("l")], "{text}");
    }
    let text = "{% for k in var('l', ['A']) %}{{ env_var(k) }}{{ var(k) }}{% endfor %}";
    let all = [env("A"), Facet::EnvVarsOf(of("")), var("A"), var("l"), Facet::VarsOf(of(""))];
    assert_eq!(read(text), all);
}

#[test]
fn an_object_of_the_context_is_read_by_the_part_that_is_named() {
    let object = |path: &str| Facet::Object(path.to_owned());
    for (text, path) in [
        ("{{ target.name }}", "target.name"),
        ("{{ target['name'] }}", "target.name"),
        ("{{ target.get('name', 'x') }}", "target.name"),
        ("{{ context.target.name }}", "target.name"),
        ("{{ context['target']['name'] }}", "target.name"),
        ("{{ target }}", "target"),
        ("{{ target[key] }}", "target"),
        ("{% for k, v in target.items() %}{% endfor %}", "target"),
        ("{% set t = target %}{{ t.name }}", "target"),
        ("{{ m(target) }}", "target"),
        ("{% for n in graph.nodes.values() %}{% endfor %}", "graph.nodes"),
        ("{{ graph['sources'] | length }}", "graph.sources"),
        ("{% for n in graph.values() %}{% endfor %}", "graph"),
        ("{{ model.columns.keys() | list }}", "model.columns"),
        ("{{ model['meta']['owner'] }}", "model.meta"),
        ("{{ flags.WHICH }}", "flags.WHICH"),
        ("{{ dbt_metadata_envs }}", "dbt_metadata_envs"),
        ("{{ invocation_args_dict.vars }}", "invocation_args_dict.vars"),
        ("{% if 'x' in selected_resources %}{% endif %}", "selected_resources"),
        ("{{ config(post_hook=\"{{ target.name }}\") }}", "target.name"),
    ] {
        assert_eq!(read(text), [object(path)], "{text}");
    }
    for text in [
        "{% test t(model, c) %}select * from {{ model }}{% endtest %}",
        "{% macro m(target) %}{{ target.name }}{% endmacro %}",
        "{% for model in all %}{{ model.name }}{% endfor %}",
        "{{ m(model=1) }}{{ row.target }}{{ 'graph' }}",
        "select target.name from graph",
    ] {
        assert_eq!(read(text), [], "{text}");
    }
}

#[test]
fn a_source_is_read_by_its_name() {
    let source = |name: &str| Facet::Source(name.to_owned());
    assert_eq!(read("{{ source('s', 't') }}"), [source("s.t")]);
    assert_eq!(read("{{ source('s', t) }}"), [source("s.*")]);
    assert_eq!(read("{{ source(s, 't') }}"), [source("*")]);
    assert_eq!(read("{{ builtins.source(s, t) }}{{ x.source('s', 't') }}"), []);
}

#[test]
fn a_word_of_the_same_name_is_not_the_function() {
    for text in [
        "select var('a'), env_var('A')",
        "{# env_var('A') #}",
        "{% raw %}{{ env_var('A') }}{% endraw %}",
        "{% for var in names %}{{ var }}{% endfor %}",
        "{% macro m(a, var) %}{{ var }}{% endmacro %}",
        "{%- set var = 1 -%}{{ var }}",
        "{{ m(var=1) }}{{ row.var }}",
        "{{ variance('a') }}{{ my_env_var('A') }}",
    ] {
        assert_eq!(read(text), [], "{text}");
    }
}

#[test]
fn values_of_the_configuration_may_be_bare_expressions() {
    let names = |text| config_value(text, &NoMacros).facets.into_iter().collect::<Vec<_>>();
    assert_eq!(names("env_var('A', 'view')"), [env("A")]);
    assert_eq!(names("{{ env_var('A', 'view') }}"), [env("A")]);
    assert_eq!(names("['x', var('a')]"), [var("a")]);
    assert_eq!(names("a table"), []);
}

#[test]
fn lists_and_mappings_of_dbt_2_are_expressions_with_templates_in_their_strings() {
    let names = |text| config_value(text, &NoMacros).facets.into_iter().collect::<Vec<_>>();
    for text in [
        r#"["select '{{ var(\"a\", 1) }}'", "select 1"]"#,
        r#"['select \'{{ var("a") }}\'', "b"]"#,
        r#"{'k': "{{ var('a') }}", 'l': ['z']}"#,
        r#"[{'sql': "{{ var(\"a\") }}"}]"#,
        r#"[var('a'), "{{ var(\"a\") }}"]"#,
        "[{{ var('a') }}]",
        "[x] {{ var('a') }} [y]",
        "{% if var('a') %}[]{% endif %}",
        "{# {'k': 1} #}{{ var('a') }}",
    ] {
        assert_eq!(names(text), [var("a")], "{text}");
    }
    // Not whole: what stands there is not known.
    assert_eq!(names(r#"["{{ var(\"a\")"#), [any_var()]);
}
