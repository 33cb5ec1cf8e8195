//! What of the context counts, and what differs from run to run.

use super::*;
use serde_json::{Value, json};

const NOTHING: [&str; 0] = [];

fn manifest() -> Value {
    json!({
        "metadata": {"dbt_schema_version": "https://x/manifest/v12.json", "dbt_version": "1.11.16",
            "project_name": "p", "adapter_type": "duckdb"},
        "nodes": {
            "model.p.a": {"resource_type": "model", "name": "a", "package_name": "p",
                "original_file_path": "models/a.sql", "created_at": 1.0, "tags": ["x", "y"],
                "columns": {"b": {"name": "b"}, "a": {"name": "a"}}, "description": "d",
                "depends_on": {"nodes": ["source.p.s.listed"], "macros": []}},
            "model.p.b": {"resource_type": "model", "name": "b", "package_name": "p",
                "original_file_path": "models/b.sql", "created_at": 1.0, "meta": {"k": 1}},
        },
        "sources": {
            "source.p.s.listed": {"source_name": "s", "name": "listed", "relation_name": "l"},
            "source.p.s.other": {"source_name": "s", "name": "other", "relation_name": "o"},
        },
        "exposures": {"exposure.p.e": {"name": "e"}},
        "macros": {}
    })
}

struct Place {
    manifest: Value,
    target: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
    environment: Environment,
}

impl Place {
    fn new() -> Self {
        let pairs = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
            all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).into_tree()
        };
        Self {
            manifest: manifest(),
            target: pairs(&[("name", "dev"), ("schema", "main")]),
            flags: pairs(&[("STORE_FAILURES", "true")]),
            environment: Environment::new(),
        }
    }

    fn prints(&self, facets: &[Facet]) -> BTreeMap<String, String> {
        let text = self.manifest.to_string();
        let manifest = Manifest::read(&text).unwrap();
        let objects = Objects::new(&manifest, &self.target, &self.flags, &self.environment);
        objects.fingerprints("model.p.a", &facets.iter().cloned().into_tree(), "salt")
    }
}

/// Which of the objects are others after this change.
fn changed(objects: &[&str], change: impl FnOnce(&mut Place)) -> Vec<String> {
    let facets: Vec<Facet> = objects.iter().map(|path| Facet::Object((*path).to_owned())).collect();
    let mut place = Place::new();
    let before = place.prints(&facets);
    change(&mut place);
    let after = place.prints(&facets);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let differing = before.into_iter().filter(|(key, value)| after.get(key) != Some(value));
    differing.map(|(key, _)| key.strip_prefix("context:").unwrap().to_owned()).collect()
}

const GRAPH: [&str; 4] = ["graph", "graph.exposures", "graph.nodes", "graph.sources"];

#[test]
fn the_graph_is_what_the_project_says_and_no_parse_makes_anew() {
    let of = |pointer: &str, value: Value| {
        changed(&GRAPH, |place| *place.manifest.pointer_mut(pointer).unwrap() = value)
    };
    assert_eq!(of("/nodes/model.p.b/meta", json!({"k": 2})), ["graph.nodes@1.11", "graph@1.11"]);
    assert_eq!(of("/nodes/model.p.b/name", json!("c")), ["graph.nodes@1.11", "graph@1.11"]);
    let relation = of("/sources/source.p.s.other/relation_name", json!("p"));
    assert_eq!(relation, ["graph.sources@1.11", "graph@1.11"]);
    assert_eq!(
        of("/sources/source.p.s.other/name", json!("p")),
        ["graph.sources@1.11", "graph@1.11"]
    );
    assert_eq!(
        of("/exposures/exposure.p.e/name", json!("f")),
        ["graph.exposures@1.11", "graph@1.11"]
    );
    assert_eq!(of("/nodes/model.p.a/created_at", json!(2.0)), NOTHING);
    assert_eq!(of("/nodes/model.p.a/tags", json!(["y", "x"])), NOTHING);
    assert_eq!(of("/nodes/model.p.a/depends_on/macros", json!(["macro.p.m"])), NOTHING);
    let added = changed(&GRAPH, |place| {
        let all = place.manifest.as_object_mut().unwrap();
        all.insert("parent_map".into(), json!({"x": []}));
        let node = all["nodes"]["model.p.a"].as_object_mut().unwrap();
        node.insert("compiled_code".into(), json!("select 1"));
        node.insert("build_path".into(), json!("target/run/a.sql"));
        node.insert("generated_sql_file".into(), json!("target/generic_tests/a.sql"));
    });
    assert_eq!(added, NOTHING);
}

#[test]
fn a_part_of_the_model_changes_alone() {
    let parts = ["model", "model.columns", "model.description", "model.tags", "model.meta"];
    let of = |pointer: &str, value: Value| {
        changed(&parts, |place| *place.manifest.pointer_mut(pointer).unwrap() = value)
    };
    let columns = json!({"b": {"name": "b"}, "a": {"name": "a", "data_type": "int"}});
    assert_eq!(of("/nodes/model.p.a/columns", columns), ["model.columns@1.11", "model@1.11"]);
    assert_eq!(
        of("/nodes/model.p.a/description", json!("e")),
        ["model.description@1.11", "model@1.11"]
    );
    assert_eq!(of("/nodes/model.p.b/meta", json!({})), NOTHING);
    assert_eq!(of("/nodes/model.p.a/created_at", json!(2.0)), NOTHING);
    let none = [Facet::Object("model.compiled_code".into()), Facet::Object("flags.WHICH".into())];
    assert_eq!(Place::new().prints(&none), BTreeMap::new());
}

#[test]
fn the_target_and_the_variables_of_the_metadata_count_by_their_keys() {
    let objects = ["target", "target.name", "target.target_name", "target.schema"];
    let of =
        |key: &str| changed(&objects, |place| drop(place.target.insert(key.into(), "x".into())));
    assert_eq!(of("name"), ["target", "target.name", "target.target_name"]);
    assert_eq!(of("schema"), ["target", "target.schema"]);
    let objects = ["dbt_metadata_envs", "dbt_metadata_envs.A"];
    let of = |name: &str| {
        changed(&objects, |place| drop(place.environment.insert(name.into(), "x".into())))
    };
    assert_eq!(of("DBT_ENV_CUSTOM_ENV_A"), objects);
    assert_eq!(of("DBT_ENV_CUSTOM_ENV_B"), ["dbt_metadata_envs"]);
    assert_eq!(of("A"), NOTHING);
}

#[test]
fn of_the_command_what_differs_from_run_to_run_does_not_count() {
    let objects = ["flags", "flags.STORE_FAILURES", "invocation_args_dict.store_failures"];
    let of =
        |name: &str| changed(&objects, |place| drop(place.flags.insert(name.into(), "x".into())));
    assert_eq!(of("STORE_FAILURES"), objects);
    assert_eq!(of("INTROSPECT"), ["flags"]);
    for name in ["FULL_REFRESH", "THREADS", "SELECT", "LOG_LEVEL", "TARGET_PATH"] {
        assert_eq!(of(name), NOTHING, "{name}");
    }
}

#[test]
fn selected_resources_are_those_of_the_project() {
    let added = changed(&["selected_resources"], |place| {
        let mut node = place.manifest["nodes"]["model.p.a"].clone();
        node["name"] = json!("c");
        place.manifest["nodes"].as_object_mut().unwrap().insert("model.p.c".into(), node);
    });
    assert_eq!(added, ["selected_resources"]);
}

#[test]
fn a_source_that_dbt_did_not_list_counts_by_its_relation() {
    let keys = |name: &str| {
        let prints = Place::new().prints(&[Facet::Source(name.to_owned())]);
        prints.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(keys("s.other"), ["source:s.other"]);
    assert_eq!(keys("s.*"), ["source:s.other"]);
    assert_eq!(keys("*"), ["source:s.other"]);
    assert_eq!(keys("s.listed"), NOTHING);
    let mut place = Place::new();
    let before = place.prints(&[Facet::Source("s.other".into())]);
    place.manifest["sources"]["source.p.s.other"]["relation_name"] = json!("p");
    assert_ne!(place.prints(&[Facet::Source("s.other".into())]), before);
}
