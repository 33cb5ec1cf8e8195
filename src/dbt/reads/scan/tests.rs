//! What counts as a call, and what as a value that is read.

use super::super::value::{Argument, unknown};
use super::*;

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

/// `m` and `n` are macros, and `p` is a package.
struct Few;

impl Vocabulary for Few {
    fn is_macro(&self, word: &str) -> bool {
        matches!(word, "m" | "n")
    }
    fn is_package(&self, word: &str) -> bool {
        word == "p"
    }
    fn hands_on(&self) -> bool {
        true
    }
}

fn named(text: &str) -> Vec<Named> {
    template(text, &Few).mentions.into_iter().map(|mention| mention.of).collect()
}

fn plain(name: &str) -> Named {
    Named::Plain(name.to_owned())
}

#[test]
fn a_macro_that_is_called_or_handed_on_counts() {
    for text in [
        "{{ m() }}",
        "{% if execute %}{{ m () }}{% endif %}",
        "{% call m(1) %}x{% endcall %}",
        "{% call(row) m(1) %}{{ row }}{% endcall %}",
        "{% call other() %}{{ m() }}{% endcall %}",
        "{% for row in run_query('q') %}{{ m(row) }}{% endfor %}",
        "{% do m() %}",
        "{% set m = m() %}",
        "{{ apply(m) }}",
        "{% set f = m %}{{ f() }}",
        "{% if not m() %}{% endif %}",
        "{{ config(post_hook=\"{{ m() }}\") }}",
        "{% macro x(f=m) %}{{ f() }}{% endmacro %}",
        "{{ context['m']() }}",
        "{{ context.m() }}",
        "{{ context.get('m')() }}",
        "{{ adapter.m(relation) }}",
        "-- a comment of SQL: {{ m() }}",
    ] {
        assert_eq!(named(text), [plain("m")], "{text}");
    }
}

#[test]
fn a_macro_of_a_package_is_named_with_it() {
    for text in [
        "{{ p.m() }}",
        "{{ apply(p.m) }}",
        "{{ p['m']() }}",
        "{{ p.get('m')() }}",
        "{{ context['p']['m']() }}",
        "{{ context['p'].m() }}",
        "{{ context.p.m() }}",
    ] {
        assert_eq!(named(text), [Named::Packaged("p".into(), "m".into())], "{text}");
    }
}

#[test]
fn a_word_with_the_name_of_a_macro_is_no_call() {
    for text in [
        "select m, n(1) from m -- m()",
        "{# {{ m() }} #}",
        "{% raw %}{{ m() }}{% endraw %}",
        "{{ ref('m') }}{{ source('n', 'm') }}{{ var('m') }}{{ f('m', ['n']) }}",
        "{{ config(m=1, meta={'m': 'n'}) }}",
        "{{ row.m }}{{ row.m() }}{{ row['m'] }}{{ adapter.m }}",
        "{% for m in all %}{{ m }}{% endfor %}",
        "{% set m = 1 %}{{ m }}",
        "{% macro m(n) %}{{ n }}{% endmacro %}",
        "{% test m(model) %}{% endtest %}",
        "{% materialization m, default %}{% endmaterialization %}",
        "{{ x | m }}{{ x is m }}{{ x is not m }}",
        "{% if m in x %}",
    ] {
        let found = named(text);
        assert!(found.is_empty() || text.contains(" in x"), "{text}: {found:?}");
    }
}

#[test]
fn dispatch_and_computed_names_are_noticed() {
    let computed = |package: Option<&str>, start: &str| {
        Named::Computed(package.map(str::to_owned), start.to_owned())
    };
    for (text, expected) in [
        ("{{ adapter.dispatch('m', 'p')(n) }}", Named::Dispatched("m".into())),
        (
            "{{ adapter.dispatch(macro_namespace='p', macro_name='m')(n) }}",
            Named::Dispatched("m".into()),
        ),
        ("{{ adapter.dispatch('m_' ~ x)(n) }}", Named::ComputedDispatch("m_".into())),
        ("{{ adapter.dispatch(x)(n) }}", Named::ComputedDispatch(String::new())),
        ("{{ context['m_' ~ x](n) }}", computed(None, "m_")),
        ("{{ context[x](n) }}", computed(None, "")),
        ("{{ context.get(x)(n) }}", computed(None, "")),
        ("{{ p[x](n) }}", computed(Some("p"), "")),
        ("{{ p['m_' ~ x](n) }}", computed(Some("p"), "m_")),
        ("{% set c = context %}{{ n }}", computed(None, "")),
        ("{% set q = p %}{{ n }}", computed(Some("p"), "")),
        ("{% set q = context['p'] %}{{ n }}", computed(Some("p"), "")),
    ] {
        assert_eq!(named(text), [expected, plain("n")], "{text}");
    }
    for text in [
        "{% if 'm' in context %}{% endif %}",
        "{% set f = adapter.get_incremental_strategy_macro(context, x) %}",
        "{% set p = 1 %}{{ p }}",
        "{{ model.context[x] }}",
    ] {
        assert_eq!(named(text), [], "{text}");
    }
}

#[test]
fn calls_carry_what_they_pass() {
    let scan = template("{{ p.m('a', b=c) }}{{ context['n']('d') }}{{ apply(m) }}", &Few);
    let literal = |text: &str| Argument::Literal(text.to_owned());
    let arguments: Vec<_> = scan.mentions.into_iter().map(|one| one.arguments).collect();
    let first = vec![(None, literal("a")), (Some("b".to_owned()), unknown())];
    assert_eq!(arguments, [Some(first), Some(vec![(None, literal("d"))]), None]);
}

#[test]
fn words_of_a_plain_configuration_are_no_macros() {
    assert_eq!(config_value("see m (and n)", &Few), Scan::default());
    assert_eq!(config_value("{{ m() }}", &Few).mentions.len(), 1);
}

#[test]
fn a_parameter_that_is_the_name_is_left_to_the_callers() {
    let text = "{%- macro x(a, b='x') -%}{{ env_var(b, a) }}{{ var(a) }}{{ context[a]() }}\
                {{ adapter.dispatch(b)() }}{% endmacro %}";
    let found = template(text, &Few);
    assert_eq!(found.parameters, ["a", "b"]);
    let passed = [
        (Reader::EnvVar, "b"),
        (Reader::Var, "a"),
        (Reader::Context, "a"),
        (Reader::Dispatch, "b"),
    ];
    let around = |name: &str| Around {
        before: String::new(),
        hole: Hole::Parameter(name.to_owned()),
        after: String::new(),
    };
    let passed = passed.map(|(reader, name)| (reader, around(name)));
    assert_eq!(found.passed, BTreeSet::from(passed));
    assert_eq!((found.facets, found.mentions), (Facets::new(), Vec::new()));
    for text in [
        "{% macro x(a) %}{% set a = a ~ 1 %}{{ var(a) }}{% endmacro %}",
        "{% macro x(a) %}{{ var(a.b) }}{% endmacro %}",
        "{% macro x(a) %}{{ f(\"{{ var(a) }}\") }}{% endmacro %}",
        "{% macro x(a) %}{{ f(\"{% macro y(a) %}{{ var(a) }}{% endmacro %}\") }}{% endmacro %}",
    ] {
        assert_eq!(template(text, &Few).facets, Facets::from([any_var()]), "{text}");
    }
}

/// Each of these took minutes where calls were read again for every call that they stand in.
#[test]
fn a_text_of_a_megabyte_is_read_at_once_however_it_is_nested() {
    let repeated =
        |start: &str, part: &str| format!("{start}{}", part.repeat((1 << 20) / part.len()));
    for text in [
        repeated("{{ ", "env_var( env_var( "),
        repeated("{{ ", "m([{ 'a': m( "),
        repeated("{{ ", "context['m']( "),
        repeated("{{ ", "context[x]( m ( "),
        repeated("", "{{ m( {% if x %} "),
        repeated("{{ f('", "{{ m( "),
        repeated("{{ ", "p.m(a).m(b) ~ "),
    ] {
        let scan = template(&text, &Few);
        assert!(!scan.facets.is_empty() || !scan.mentions.is_empty());
    }
    let _ = super::super::python::scan(&repeated("", "x = os.getenv( a + b\n"));
    let _ = super::super::python::scan(&repeated("", "xyz + "));
}
