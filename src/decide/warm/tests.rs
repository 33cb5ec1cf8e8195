//! Which edits dbt may parse from an earlier parse, and what it may then make of them.

use super::*;
use serde_json::{Value, json};

/// A manifest of a model `a` with this code, a test of it, and a macro.
fn manifest(code: &str) -> Value {
    let node = |kind: &str, name: &str, file: &str, code: &str| {
        json!({
            "resource_type": kind, "package_name": "shop", "name": name, "raw_code": code,
            "original_file_path": file, "created_at": 1.5, "config": {"enabled": true},
            "depends_on": {"nodes": [], "macros": []}, "alias": name, "compiled": true,
        })
    };
    json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                     "dbt_version": "1.11.0", "project_name": "shop"},
        "nodes": {"model.shop.a": node("model", "a", "models/a.sql", code),
                  "test.shop.t": node("test", "t", "models/schema.yml", "{{ test() }}")},
        "macros": {"macro.shop.m": {"package_name": "shop", "name": "m", "macro_sql": "",
                                     "original_file_path": "macros/m.sql"}},
        "disabled": {}, "sources": {}, "parent_map": {"model.shop.a": []},
    })
}

fn inputs(code: &str) -> InputsApart {
    let models = BTreeMap::from([("models/a.sql".to_owned(), hex_of(code.as_bytes()))]);
    InputsApart { key: "key".into(), models }
}

fn notes(code: &str, spaces_count: bool) -> ParseNotes {
    let parts = ParsedProject::of(&manifest(trimmed(code)).to_string()).expect("a manifest");
    assert_eq!(editable(&parts), BTreeSet::from(["models/a.sql".to_owned()]));
    ParseNotes::of(parts, inputs(code), b"file", 7, spaces_count)
}

#[test]
fn the_rules_are_those_that_were_proved() {
    let table = include_str!("../../../tests/warm/eligible.json");
    for case in serde_json::from_str::<Vec<Value>>(table).expect("JSON") {
        let [old, new] = ["old", "new"].map(|key| case[key].as_str().expect("a text"));
        for spaces_count in [true, false] {
            let expected = case["warm"].as_bool().unwrap_or(spaces_count);
            let allowed =
                notes(old, spaces_count).allow("models/a.sql", new, &inputs(new), spaces_count);
            assert_eq!(allowed.is_ok(), expected, "{old:?} -> {new:?}: {allowed:?}");
        }
    }
}

#[test]
fn a_model_with_a_unit_test_or_beside_another_in_its_file_is_parsed_in_full() {
    let editable_after = |change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest("select 1");
        change(&mut manifest);
        editable(&ParsedProject::of(&manifest.to_string()).expect("a manifest"))
    };
    assert_eq!(editable_after(&|_| {}).len(), 1);
    let unit_test = json!({"u": {"depends_on": {"nodes": ["model.shop.a"]}}});
    assert!(editable_after(&|of| of["unit_tests"] = unit_test.clone()).is_empty());
    let of_another = json!({"u": {"depends_on": {"nodes": ["model.shop.b"]}}});
    assert_eq!(editable_after(&|of| of["unit_tests"] = of_another.clone()).len(), 1);
    let shared = json!({"t": {"original_file_path": "models/a.sql"}});
    assert!(editable_after(&|of| of["exposures"] = shared.clone()).is_empty());
}

#[test]
fn the_file_fits_where_only_models_were_edited() {
    let (notes, now) = (notes("select 1", true), inputs("select 2"));
    assert!(notes.is_of(&inputs("select 1")) && !notes.is_of(&now));
    assert_eq!(notes.edited(&now, 7).expect("it fits"), ["models/a.sql"]);
    assert!(notes.edited(&inputs("select 1"), 8).expect("it fits").is_empty());
    assert!(notes.edited(&now, 6).is_err(), "from the future");
    assert!(notes.edited(&InputsApart { key: "other".into(), ..now.clone() }, 7).is_err());
    assert!(notes.edited(&InputsApart { models: BTreeMap::new(), ..now.clone() }, 7).is_err());
    assert!(ParseNotes { format: FORMAT + 1, ..notes.clone() }.edited(&now, 7).is_err());
    let other = inputs("select 3");
    assert!(notes.allow("models/a.sql", "select 2", &other, true).is_err(), "it changes now");
}

#[test]
fn a_manifest_agrees_that_has_the_new_body_and_nothing_else() {
    let notes = notes("select 1", true);
    let edited = BTreeMap::from([("models/a.sql".to_owned(), "select 2\n".to_owned())]);
    let agrees = |change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest("select 2");
        manifest["nodes"]["model.shop.a"]["checksum"] = "2".into();
        manifest["nodes"]["model.shop.a"]["depends_on"] = json!({"nodes": ["x"], "macros": []});
        manifest["nodes"]["test.shop.t"]["created_at"] = 9.into();
        manifest["parent_map"] = json!({});
        change(&mut manifest);
        notes.agree(&manifest.to_string(), &edited).is_ok()
    };
    assert!(agrees(&|_| {}));
    // A test that ran calls more macros than a parse finds.
    assert!(agrees(&|of| of["nodes"]["test.shop.t"]["depends_on"]["macros"] = json!(["m"])));
    for (path, value) in [
        ("/nodes/model.shop.a/raw_code", json!("select 1")),
        ("/nodes/model.shop.a/alias", json!("b")),
        ("/nodes/model.shop.a/config", json!({"enabled": true, "tags": []})),
        ("/nodes/model.shop.a/original_file_path", json!("models/b.sql")),
        ("/nodes/model.shop.a/original_file_path", json!("macros/m.sql")),
        ("/nodes/test.shop.t/raw_code", json!("")),
        ("/nodes/test.shop.t/depends_on/nodes", json!(["y"])),
        ("/nodes/test.shop.t", json!({})),
        ("/nodes", json!({})),
        ("/macros/macro.shop.m/macro_sql", json!("x")),
        ("/macros", json!({})),
        ("/disabled", json!({"model.shop.z": [{"name": "z"}]})),
        ("/metadata", json!({})),
    ] {
        let change = |of: &mut Value| *of.pointer_mut(path).expect("it is there") = value.clone();
        assert!(!agrees(&change), "{path} {value}");
    }
    assert!(!agrees(&|of| of["nodes"]["model.shop.new"] = of["nodes"]["model.shop.a"].clone()));
    assert!(!agrees(&|of| of["exposures"] = json!({"e": {}})));
    assert!(notes.agree("{", &edited).is_err());
}

#[test]
fn a_test_of_something_disabled_may_move_unless_somebody_reads_the_graph() {
    let off = json!({"resource_type": "test", "package_name": "shop", "name": "off", "raw_code": "x",
        "original_file_path": "models/schema.yml", "config": {"enabled": false}});
    for (code, in_full, moved) in [
        ("select 1", true, true),
        ("{{ config(tags=graph.nodes) }}", false, false),
        ("{% if execute %}{{ graph.nodes }}{% endif %}", false, false),
    ] {
        let (mut before, mut after) = (manifest(code), manifest(code));
        before["nodes"]["test.shop.off"] = off.clone();
        after["disabled"] = json!({"test.shop.off": [off.clone()]});
        let before = before.to_string();
        let parts = || ParsedProject::of(&before).expect("a manifest");
        assert_eq!(check_kept(&before, &parts()).is_ok(), in_full, "{code}");
        let notes = ParseNotes::of(parts(), inputs(code), b"file", 7, true);
        assert_eq!(notes.agree(&after.to_string(), &BTreeMap::new()).is_ok(), moved, "{code}");
        after["disabled"]["test.shop.off"][0]["raw_code"] = "y".into();
        assert!(notes.agree(&after.to_string(), &BTreeMap::new()).is_err(), "{code}");
    }
}

#[test]
fn an_edited_model_that_reads_the_graph_is_parsed_in_full() {
    let notes = notes("select 1", true);
    for (code, agrees) in [("select 2", true), ("{{ m() }}", false)] {
        let edited = BTreeMap::from([("models/a.sql".to_owned(), code.to_owned())]);
        let mut after = manifest(code);
        after["macros"]["macro.shop.m"]["macro_sql"] = "{{ graph.nodes }}".into();
        let mut before = manifest("select 1");
        before["macros"] = after["macros"].clone();
        let parts = ParsedProject::of(&before.to_string()).expect("a manifest");
        let notes = ParseNotes { rest: parts.rest, ..notes.clone() };
        assert_eq!(notes.agree(&after.to_string(), &edited).is_ok(), agrees, "{code}");
    }
}
