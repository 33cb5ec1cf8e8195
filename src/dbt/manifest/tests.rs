//! Tests with small manifests.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn node(resource_type: &str, materialized: &str, parents: &[&str]) -> Value {
    json!({
        "resource_type": resource_type, "name": "n", "package_name": "shop",
        "original_file_path": "n.sql", "raw_code": "select \"x\"\n",
        "config": {"materialized": materialized, "enabled": true},
        "depends_on": {"nodes": parents, "macros": ["macro.shop.m"]}, "created_at": 1.5
    })
}

fn shop() -> Value {
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16", "invocation_id": "i", "project_name": "shop",
            "adapter_type": "duckdb", "generated_at": "now"
        },
        "nodes": {
            "model.shop.a": node("model", "table", &["source.shop.raw.t", "seed.shop.s"]),
            "model.shop.e": node("model", "ephemeral", &["model.shop.a"]),
            "seed.shop.s": node("seed", "seed", &[]),
            "snapshot.shop.h": node("snapshot", "snapshot", &["model.shop.e"]),
            "test.shop.t": node("test", "test", &["model.shop.a"]),
            "analysis.shop.n": node("analysis", "view", &[]),
            "operation.shop.o": node("operation", "view", &[])
        },
        "functions": {"function.shop.f": node("function", "function", &[])},
        "unit_tests": {"unit_test.shop.u": node("unit_test", "unit", &["model.shop.a"])},
        "sources": {"source.shop.raw.t": {"source_name": "raw", "name": "t"}},
        "macros": {"macro.shop.m": {
            "name": "m", "package_name": "shop", "macro_sql": "{% macro m() %}\"{% endmacro %}",
            "depends_on": {"macros": []}
        }},
        "parent_map": {"model.shop.a": []}
    })
}

#[test]
fn the_graph_has_every_node_that_dbt_builds_or_tests_with_its_parents() {
    let text = shop().to_string();
    let member = |role, parents: &[&str]| Member {
        role,
        parents: parents.iter().map(ToString::to_string).collect(),
    };
    let expected = [
        ("model.shop.a", member(Role::Model, &["seed.shop.s"])),
        ("model.shop.e", member(Role::Ephemeral, &["model.shop.a"])),
        ("seed.shop.s", member(Role::Seed, &[])),
        ("snapshot.shop.h", member(Role::Snapshot, &["model.shop.e"])),
        ("test.shop.t", member(Role::Test, &["model.shop.a"])),
        ("function.shop.f", member(Role::Function, &[])),
        ("unit_test.shop.u", member(Role::Test, &["model.shop.a"])),
    ];
    let expected: Graph = expected.into_iter().map(|(id, member)| (id.into(), member)).collect();
    assert_eq!(Manifest::read(&text).unwrap().graph(), expected);
}

#[test]
fn strings_with_escapes_are_decoded_and_all_others_are_borrowed() {
    let text = shop().to_string();
    let manifest = Manifest::read(&text).unwrap();
    let node = manifest.node("model.shop.a").unwrap();
    assert_eq!(node.raw_code(), "select \"x\"\n");
    assert!(matches!(node.name.0, std::borrow::Cow::Borrowed("n")));
    assert_eq!(
        manifest.macro_by_id("macro.shop.m").unwrap().macro_sql(),
        "{% macro m() %}\"{% endmacro %}"
    );
    assert_eq!(manifest.generation(), (12, "1.11"));
}

#[test]
fn a_truncated_manifest_is_refused_wherever_it_ends() {
    let text = shop().to_string();
    for end in 0..text.len() {
        assert!(Manifest::read(&text[..end]).is_err(), "{end}");
    }
}

#[test]
fn the_refusal_of_another_file_says_what_is_wrong_with_it() {
    let refusal = |text: &str| format!("{:#}", Manifest::read(text).unwrap_err());
    let of_schema = |url: &str| {
        let mut manifest = shop();
        manifest["metadata"]["dbt_schema_version"] = json!(url);
        refusal(&manifest.to_string())
    };
    assert!(refusal("{}").contains("missing field `metadata`"), "{}", refusal("{}"));
    let newer = of_schema("https://schemas.getdbt.com/dbt/manifest/v13.json");
    assert!(newer.contains("schema version 13"), "{newer}");
    let older = of_schema("https://schemas.getdbt.com/dbt/manifest/v3.json");
    assert!(older.contains("before 1.0"), "{older}");
    let twice = shop().to_string().replace("analysis.shop.n", "operation.shop.o");
    assert!(refusal(&twice).contains("\"operation.shop.o\" occurs twice"));
    let other = of_schema("https://schemas.getdbt.com/dbt/catalog/v1.json");
    assert!(other.contains("is not a dbt manifest"), "{other}");
}

fn without(manifest: &Manifest<'_>, absent: &BTreeSet<String>) -> String {
    let mut out = Vec::new();
    manifest.write_without(absent, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_manifest_without_absent_nodes_is_written_byte_for_byte() {
    let text = format!("  {}\n", serde_json::to_string_pretty(&shop()).unwrap());
    assert_eq!(without(&Manifest::read(&text).unwrap(), &BTreeSet::new()), text);
}

#[test]
fn the_remaining_nodes_keep_their_text() {
    let text = r#"{ "metadata" : {"dbt_schema_version": "/manifest/v12.json", "dbt_version": "1"},
        "nodes" : { "a" : N , "b\"c": N,"d" :  N  }, "sources": {}, "macros": {}, "x": 1.50 }"#
        .replace('N', &node("model", "table", &[]).to_string());
    let manifest = Manifest::read(&text).unwrap();
    let n = node("model", "table", &[]).to_string();
    for (absent, nodes) in [
        (&["a"][..], r#"{  "b\"c": N,"d" :  N  }"#),
        (&["b\"c"], r#"{ "a" : N,"d" :  N  }"#),
        (&["d"], r#"{ "a" : N , "b\"c": N  }"#),
        (&["a", "b\"c"], r#"{"d" :  N  }"#),
        (&["a", "b\"c", "d"], r#"{  }"#),
        (&["x", "nodes"], r#"{ "a" : N , "b\"c": N,"d" :  N  }"#),
    ] {
        let absent_ids = absent.iter().map(ToString::to_string).collect();
        let written = without(&manifest, &absent_ids);
        let whole = r#"{ "a" : N , "b\"c": N,"d" :  N  }"#.replace('N', &n);
        assert_eq!(written, text.replace(&whole, &nodes.replace('N', &n)), "{absent:?}");
    }
}

proptest! {
    #[test]
    fn whatever_nodes_are_left_out_the_others_remain(taken in proptest::collection::btree_set(0..9_usize, 0..9), pretty: bool) {
        let whole = shop();
        let text = if pretty { serde_json::to_string_pretty(&whole).unwrap() } else { whole.to_string() };
        let manifest = Manifest::read(&text).unwrap();
        let ids: Vec<String> = manifest.nodes().map(|(id, _)| id.to_owned()).collect();
        let absent: BTreeSet<String> = taken.iter().map(|at| ids[*at].clone()).collect();
        let mut expected = whole.clone();
        for section in ["nodes", "functions", "unit_tests"] {
            expected[section].as_object_mut().unwrap().retain(|id, _| !absent.contains(id));
        }
        let written: Value = serde_json::from_str(&without(&manifest, &absent)).unwrap();
        prop_assert_eq!(written, expected);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = Manifest::read(&text);
    }
}

#[test]
fn the_invocation_is_read_from_a_truncated_manifest_and_from_metadata_anywhere() {
    let metadata = r#"{"dbt_schema_version": "s", "dbt_version": "1.11.16", "invocation_id": "i"}"#;
    for text in [
        format!(r#" {{ "metadata" : {metadata}, "nodes": {{"cut sho"#),
        format!(r#"{{"nodes": {{}}, "metadata": {metadata}}}"#),
    ] {
        assert_eq!(invocation_id_of(&text).as_deref(), Some("i"), "{text}");
        assert_eq!(dbt_version_of(&text).as_deref(), Some("1.11.16"), "{text}");
    }
    for text in ["", "{", r#"{"metadata": {"#, r#"{"nodes": {}}"#, "[]"] {
        assert_eq!((invocation_id_of(text), dbt_version_of(text)), (None, None), "{text}");
    }
    let begun = format!(r#"{{"metadata": {metadata}, "nodes": {{"#);
    assert_eq!((is_whole(&begun), is_whole(&(begun.clone() + "}}"))), (false, true));
}
