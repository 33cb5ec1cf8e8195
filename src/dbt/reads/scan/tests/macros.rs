//! Which macros code names, and what it gives them.

use super::*;

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
    let _ = super::super::super::python::scan(&repeated("", "x = os.getenv( a + b\n"));
    let _ = super::super::super::python::scan(&repeated("", "xyz + "));
}
