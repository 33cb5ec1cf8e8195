//! What reaches a node, through macros that call one another in every way.

use super::super::Facet;
use super::*;
use serde_json::{Value, json};

/// `macro.package.name` with its code and `depends_on.macros`.
type Code<'a> = (&'a str, &'a str, &'a [&'a str]);

fn manifest(macros: &[Code<'_>], node: &Value) -> String {
    let entry = |(id, text, calls): &Code<'_>| {
        let parts: Vec<&str> = id.split('.').collect();
        let found = json!({"package_name": parts[1], "name": parts[2], "macro_sql": text,
            "depends_on": {"macros": calls}});
        ((*id).to_owned(), found)
    };
    let mut full = json!({"resource_type": "model", "name": "n", "package_name": "p",
        "original_file_path": "models/n.sql"});
    full.as_object_mut().unwrap().extend(node.as_object().unwrap().clone());
    json!({
        "metadata": {"dbt_schema_version": "https://x/manifest/v12.json", "dbt_version": "1.11.16",
            "project_name": "p", "adapter_type": "duckdb"},
        "nodes": {"model.p.n": full}, "sources": {},
        "macros": macros.iter().map(entry).collect::<serde_json::Map<_, _>>()
    })
    .to_string()
}

/// What the node reads: macros as `name` or `name (through name)`, and values.
fn read(node: &Value, macros: &[Code<'_>]) -> (Vec<String>, Facets) {
    let text = manifest(macros, node);
    let manifest = Manifest::read(&text).unwrap();
    let library = Library::new(&manifest);
    let reads = library.reads("model.p.n", manifest.node("model.p.n").unwrap());
    let short = |id: &str| id.strip_prefix("macro.").unwrap().to_owned();
    let line = |(id, through): (&str, Option<&str>)| match through {
        None => short(id),
        Some(through) => format!("{} (through {})", short(id), short(through)),
    };
    (reads.macros.into_iter().map(line).collect(), reads.facets)
}

fn code(text: &str) -> Value {
    json!({ "raw_code": text })
}

fn macros_of(node: &Value, macros: &[Code<'_>]) -> Vec<String> {
    read(node, macros).0
}

fn env_names(text: &str, listed: &[&str], macros: &[Code<'_>]) -> Vec<String> {
    let node = json!({"raw_code": text, "depends_on": {"macros": listed}});
    let env = |facet: Facet| {
        if let Facet::EnvVars(start) = facet {
            return start + "*";
        }
        let Facet::EnvVar(name) = facet else { panic!("{facet:?}") };
        name
    };
    read(&node, macros).1.into_iter().map(env).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn macros_are_followed_through_macros_and_packages_in_circles_too() {
    let macros: [Code<'_>; 3] = [
        ("macro.p.a", "{{ env_var('A') }}{{ q.b() }}", &["macro.q.b"]),
        ("macro.p.c", "{{ env_var('C') }}", &[]),
        ("macro.q.b", "{{ env_var('B') }}{{ a() }}", &["macro.p.a"]),
    ];
    assert_eq!(env_names("{{ a() }}", &["macro.p.a"], &macros), ["A", "B"]);
    assert_eq!(macros_of(&code("{{ a() }}"), &macros), ["p.a", "q.b (through p.a)"]);
    assert_eq!(env_names("select 1", &[], &macros), NOTHING);
    assert_eq!(macros_of(&code("select 1"), &macros), NOTHING);
}

#[test]
fn a_name_means_what_it_means_to_dbt() {
    let macros: [Code<'_>; 6] = [
        ("macro.dbt.m", "{{ inner() }}", &["macro.dbt.inner"]),
        ("macro.dbt.inner", "", &[]),
        ("macro.p.inner", "", &[]),
        ("macro.q.m", "{{ env_var('Q') }}", &[]),
        ("macro.q.only", "", &[]),
        ("macro.r.only", "", &[]),
    ];
    let of = |text: &str| macros_of(&code(text), &macros);
    // The package's is not seen from the project, and dbt's own calls the project's override.
    assert_eq!(of("{{ m() }}"), ["p.inner (through dbt.m)"]);
    assert_eq!(of("{{ q.m() }}"), ["q.m"]);
    assert_eq!(of("{{ dbt.m() }}"), ["p.inner (through dbt.m)"]);
    assert_eq!(of("{{ r.m() }}"), NOTHING);
    // In no place where dbt looks: whatever it is.
    assert_eq!(of("{{ only() }}"), ["q.only", "r.only"]);
    let packaged = |package: &str| {
        macros_of(&json!({"raw_code": "{{ m() }}", "package_name": package}), &macros)
    };
    assert_eq!(packaged("q"), ["q.m"]);
    assert_eq!(packaged("r"), ["p.inner (through dbt.m)"]);
}

#[test]
fn dbts_own_code_calls_what_the_package_of_the_node_has() {
    let macros: [Code<'_>; 4] = [
        (
            "macro.dbt.materialization_table_default",
            "{{ create() }}{{ word }}",
            &["macro.dbt.create"],
        ),
        ("macro.dbt.create", "", &[]),
        ("macro.p.word", "", &[]),
        ("macro.q.create", "", &[]),
    ];
    let table = |package: &str| {
        macros_of(&json!({"config": {"materialized": "table"}, "package_name": package}), &macros)
    };
    assert_eq!(table("q"), ["q.create (through dbt.materialization_table_default)"]);
    // A variable in dbt's code is no macro of the project that has its name.
    assert_eq!(table("p"), NOTHING);
}

#[test]
fn what_is_only_called_when_the_node_is_built_counts() {
    let macros: [Code<'_>; 3] =
        [("macro.p.m", "", &[]), ("macro.p.default__d", "", &[]), ("macro.p.duckdb__d", "", &[])];
    for text in [
        "{% if execute %}{{ m() }}{% endif %}",
        "{% if is_incremental() %}{{ m() }}{% endif %}",
        "{% for row in run_query('q') %}{{ m() }}{% endfor %}",
        "{% call statement() %}{{ m() }}{% endcall %}",
        "{{ apply(m) }}",
        "{{ context['m']() }}",
        "{{ context['m' ~ x]() }}",
    ] {
        assert_eq!(macros_of(&code(text), &macros), ["p.m"], "{text}");
    }
    assert_eq!(macros_of(&code("{{ adapter.dispatch('d')() }}"), &macros), ["p.duckdb__d"]);
    let all = ["p.default__d", "p.duckdb__d", "p.m"];
    assert_eq!(macros_of(&code("{{ context[x]() }}"), &macros), all);
    assert_eq!(macros_of(&code("select m, d -- m()"), &macros), NOTHING);
}

#[test]
fn hooks_and_configuration_count() {
    let macros: [Code<'_>; 1] = [("macro.p.m", "{{ env_var('A') }}", &[])];
    for node in [
        json!({"config": {"post-hook": [{"sql": "{{ m() }}", "transaction": true}]}}),
        json!({"config": {"pre-hook": [{"sql": "{{ m() }}"}], "incremental_strategy": null}}),
        json!({"config": {"strategy": {"a": 1}, "post-hook": [{"sql": "{{ m() }}"}]}}),
        json!({"unrendered_config": {"post-hook": "{{ m() }}"}}),
        json!({"unrendered_config": {"meta": {"a": ["{{ m() }}"]}}}),
        json!({"test_metadata": {"kwargs": {"model": "{{ m(ref('n')) }}"}}}),
    ] {
        let (macros, facets) = read(&node, &macros);
        assert_eq!(macros, ["p.m"], "{node}");
        assert_eq!(facets, Facets::from([Facet::EnvVar("A".to_owned())]), "{node}");
    }
    assert_eq!(macros_of(&json!({"unrendered_config": {"meta": "see m ()"}}), &macros), NOTHING);
    let bare =
        json!({"unrendered_config": {"a": "env_var('B', 'x')", "n": 1.5, "l": [null, true]}});
    assert_eq!(read(&bare, &macros).1, Facets::from([Facet::EnvVar("B".to_owned())]));
}

#[test]
fn a_materialization_and_what_it_calls_count_for_the_nodes_that_use_it() {
    let macros: [Code<'_>; 6] = [
        (
            "macro.dbt.create",
            "{{ adapter.dispatch('create', 'dbt')() }}",
            &["macro.dbt.default__create"],
        ),
        ("macro.dbt.default__create", "", &[]),
        (
            "macro.dbt.materialization_table_default",
            "{{ create() }}{{ adapter.drop() }}",
            &["macro.dbt.create"],
        ),
        ("macro.p.create", "{{ env_var('A') }}", &[]),
        ("macro.p.drop", "", &[]),
        ("macro.p.materialization_mine_default", "{{ env_var('B') }}", &[]),
    ];
    let of = |kind: &str| json!({"config": {"materialized": kind}});
    let through = "(through dbt.materialization_table_default)";
    let expected = [format!("p.create {through}"), format!("p.drop {through}")];
    assert_eq!(macros_of(&of("table"), &macros), expected);
    assert_eq!(macros_of(&of("mine"), &macros), ["p.materialization_mine_default"]);
    assert_eq!(macros_of(&of("view"), &macros), NOTHING);
}

/// A test's own statement is around it as well, but no row of a table depends on it.
#[test]
fn the_materialization_of_a_test_counts_for_its_values_only() {
    let macros: [Code<'_>; 1] =
        [("macro.p.materialization_test_default", "{{ env_var('A') }}", &[])];
    let text = manifest(&macros, &json!({"config": {"materialized": "test"}}));
    let manifest = Manifest::read(&text).unwrap();
    let library = Library::new(&manifest);
    let reads = library.reads("test.p.t", manifest.node("model.p.n").unwrap());
    assert_eq!(reads.macros, Reached::new());
    assert_eq!(reads.facets, Facets::from([Facet::EnvVar("A".to_owned())]));
}

#[test]
fn strategies_are_found_by_their_names() {
    let macros: [Code<'_>; 9] = [
        (
            "macro.dbt.materialization_incremental_default",
            "{{ adapter.get_incremental_strategy_macro(context, x) }}",
            &[],
        ),
        (
            "macro.dbt.materialization_snapshot_default",
            "{{ strategy_dispatch(x) }}",
            &["macro.dbt.strategy_dispatch"],
        ),
        ("macro.dbt.strategy_dispatch", "{{ context['snapshot_' ~ x] }}", &[]),
        ("macro.p.get_incremental_a_b_sql", "{{ helper() }}", &["macro.p.helper"]),
        ("macro.p.get_incremental_default_sql", "", &[]),
        ("macro.p.get_incremental_other_sql", "", &[]),
        ("macro.p.helper", "", &[]),
        ("macro.p.snapshot_own_strategy", "", &[]),
        ("macro.q.snapshot_own_strategy", "", &[]),
    ];
    let of = |kind: &str, key: &str, strategy: Option<&str>| {
        macros_of(&json!({"config": {"materialized": kind, key: strategy}}), &macros)
    };
    let incremental = |strategy| of("incremental", "incremental_strategy", strategy);
    let with_helper = ["p.get_incremental_a_b_sql", "p.helper (through p.get_incremental_a_b_sql)"];
    assert_eq!(incremental(Some("a+b")), with_helper);
    assert_eq!(incremental(None), ["p.get_incremental_default_sql"]);
    assert_eq!(of("snapshot", "strategy", Some("own")), ["p.snapshot_own_strategy"]);
    assert_eq!(of("snapshot", "strategy", Some("q.own")), ["q.snapshot_own_strategy"]);
    assert_eq!(of("snapshot", "strategy", Some("check")), NOTHING);
    assert_eq!(of("table", "strategy", Some("own")), NOTHING);
}

#[test]
fn a_python_model_reads_what_dbt_adds_to_its_code() {
    let macros: [Code<'_>; 2] = [("macro.p.m", "", &[]), ("macro.p.py_script_postfix", "", &[])];
    let node = json!({"language": "python", "raw_code": "def model(dbt, s): return m(1)"});
    assert_eq!(macros_of(&node, &macros), ["p.py_script_postfix"]);
}

/// Of those in several packages the first that dbt searches, as far as it lists it.
#[test]
fn dispatch_finds_the_most_special_macro_of_a_package() {
    let macros: [Code<'_>; 5] = [
        ("macro.p.default__d", "", &[]),
        ("macro.p.m", "{{ adapter.dispatch('d', 'q')() }}", &["macro.q.duckdb__d"]),
        ("macro.p.postgres__d", "", &[]),
        ("macro.q.default__d", "", &[]),
        ("macro.q.duckdb__d", "", &[]),
    ];
    let direct = "{{ adapter.dispatch('d', 'q')() }}";
    assert_eq!(macros_of(&code(direct), &macros), ["p.default__d", "q.duckdb__d"]);
    let through_m = macros_of(&code("{{ q.m() }}{{ m() }}"), &macros);
    assert_eq!(through_m, ["p.default__d (through p.m)", "p.m", "q.duckdb__d (through p.m)"]);
}

/// dbt 1.x lists a node's calls as far as it has made them when the manifest is written.
#[test]
fn the_end_of_a_run_lists_more_than_a_parse_and_nothing_else_is_read() {
    let macros: [Code<'_>; 4] = [
        ("macro.dbt.materialization_table_default", "{{ create() }}", &["macro.dbt.create"]),
        ("macro.dbt.create", "", &[]),
        ("macro.p.create", "", &[]),
        ("macro.p.m", "", &[]),
    ];
    let node = |listed: &[&str]| {
        json!({"raw_code": "{% if execute %}{{ m() }}{% endif %}",
            "config": {"materialized": "table"}, "depends_on": {"macros": listed}})
    };
    let reads = |listed: &[&str]| {
        let text = manifest(&macros, &node(listed));
        let manifest = Manifest::read(&text).unwrap();
        let library = Library::new(&manifest);
        let reads = library.reads("model.p.n", manifest.node("model.p.n").unwrap());
        format!("{reads:?}")
    };
    let at_the_end = ["macro.p.m", "macro.dbt.materialization_table_default"];
    assert_eq!(reads(&[]), reads(&at_the_end));
}

#[test]
fn what_only_dbt_lists_counts_apart() {
    let macros: [Code<'_>; 2] =
        [("macro.p.a", "{{ b() }}", &["macro.p.b"]), ("macro.p.b", "", &[])];
    let text = manifest(&macros, &json!({"depends_on": {"macros": ["macro.p.a"]}}));
    let manifest = Manifest::read(&text).unwrap();
    let reads = Library::new(&manifest).reads("model.p.n", manifest.node("model.p.n").unwrap());
    assert_eq!(reads.macros, Reached::new());
    let both = BTreeSet::from(["macro.p.a", "macro.p.b"]);
    assert_eq!(reads.listed, BTreeMap::from([("macro.p.a", both)]));
}

#[test]
fn a_name_that_a_macro_is_given_is_known_from_its_callers() {
    let wrapper = "{% macro get(name, fallback) %}{{ env_var(name, fallback) }}{% endmacro %}";
    let outer = "{% macro outer(n) %}{{ get(fallback='', name=n) }}{{ get('X') }}{% endmacro %}";
    let far = "{% macro far(n) %}{{ outer(n) }}{% endmacro %}";
    let other = "{% macro other() %}{{ get('O') }}{% endmacro %}";
    let macros: [Code<'_>; 4] = [
        ("macro.p.far", far, &["macro.p.outer"]),
        ("macro.p.get", wrapper, &[]),
        ("macro.p.other", other, &["macro.p.get"]),
        ("macro.p.outer", outer, &["macro.p.get"]),
    ];
    let read = |code: &str, ids: &[&str]| env_names(code, ids, &macros);
    assert_eq!(read("{{ get('A') }}{{ p.get(name='B') }}", &["macro.p.get"]), ["A", "B"]);
    assert_eq!(read("{{ outer('A') }}", &["macro.p.outer"]), ["A", "X"]);
    assert_eq!(read("{{ far('A') }}", &["macro.p.far"]), ["A", "X"]);
    assert_eq!(read("{{ other() }}", &["macro.p.other"]), ["O"]);
    assert_eq!(read("{{ adapter.dispatch('get', 'p')('A') }}", &["macro.p.get"]), ["A"]);
    for code in ["{{ get(x) }}", "{{ apply(get) }}", "{{ get() }}", "{{ outer(x) }}", ""] {
        assert!(read(code, &["macro.p.get"]).contains(&"*".to_owned()), "{code}");
    }
}

#[test]
fn a_name_is_made_of_what_a_macro_is_given() {
    let first =
        "{% macro first(names) %}{% for n in names %}{{ env_var(n) }}{% endfor %}{% endmacro %}";
    let affixed = "{% macro affixed(n, end='_Z') %}{{ env_var('MB_' ~ n ~ '_X') }}\
                   {{ env_var('E' ~ end) }}{% endmacro %}";
    let through = "{% macro through(n) %}{{ affixed('T_' ~ n, end='') }}{% endmacro %}";
    let growing =
        "{% macro grow(n) %}{{ env_var(n) }}{{ grow('G' ~ n) }}{{ grow('H' ~ n) }}{% endmacro %}";
    let macros: [Code<'_>; 4] = [
        ("macro.p.affixed", affixed, &[]),
        ("macro.p.first", first, &[]),
        ("macro.p.grow", growing, &["macro.p.grow"]),
        ("macro.p.through", through, &["macro.p.affixed"]),
    ];
    let read = |code: &str, id: &str| env_names(code, &[id], &macros);
    assert_eq!(read("{{ first(['A', 'B']) }}", "macro.p.first"), ["A", "B"]);
    let set = "{% set all = ['A', 'B'] %}{{ first(all) }}";
    assert_eq!(read(set, "macro.p.first"), ["A", "B"]);
    assert_eq!(read("{{ first(x) }}", "macro.p.first"), ["*"]);
    assert_eq!(read("{{ affixed('A') }}", "macro.p.affixed"), ["E_Z", "MB_A_X"]);
    assert_eq!(read("{{ affixed(x, end=y) }}", "macro.p.affixed"), ["E*", "MB_*"]);
    assert_eq!(read("{{ through('A') }}", "macro.p.through"), ["E", "MB_T_A_X"]);
    let looped = "{% for k in ['A', 'B'] %}{{ affixed(k) }}{% endfor %}";
    assert_eq!(read(looped, "macro.p.affixed"), ["E_Z", "MB_A_X", "MB_B_X"]);
    assert!(read("{{ grow('A') }}", "macro.p.grow").contains(&"A".to_owned()));
}

#[test]
fn a_dispatched_wrapper_that_calls_itself_by_name_is_understood() {
    let macros: [Code<'_>; 2] = [
        (
            "macro.p.conf",
            "{% macro conf(name) %}{{ return(adapter.dispatch('conf', 'p')(name)) }}{% endmacro %}",
            &["macro.p.default__conf"],
        ),
        (
            "macro.p.default__conf",
            "{% macro default__conf(name) %}{{ env_var(name) }}{{ conf('SELF') }}{% endmacro %}",
            &["macro.p.conf"],
        ),
    ];
    assert_eq!(env_names("{{ p.conf('A') }}", &["macro.p.conf"], &macros), ["A", "SELF"]);
}

#[test]
fn a_macro_whose_name_is_given_to_another_is_known_from_the_caller() {
    let macros: [Code<'_>; 4] = [
        ("macro.p.a", "", &[]),
        ("macro.p.invoke", "{% macro invoke(name) %}{{ context[name]() }}{% endmacro %}", &[]),
        ("macro.p.b", "", &[]),
        ("macro.p.twice", "{% macro twice(n) %}{{ invoke(n) }}{% endmacro %}", &["macro.p.invoke"]),
    ];
    let of = |text: &str| macros_of(&code(text), &macros);
    assert_eq!(of("{{ invoke('a') }}"), ["p.a", "p.invoke"]);
    assert_eq!(of("{{ twice('b') }}"), ["p.b", "p.invoke (through p.twice)", "p.twice"]);
    assert_eq!(of("{{ invoke('a' ~ x) }}"), ["p.a", "p.invoke"]);
    assert_eq!(of("{{ invoke(x) }}"), ["p.a", "p.b", "p.invoke", "p.twice"]);
}
