//! Tests of the comparison over one small project, edited.

use super::*;
use serde_json::{Value, json};

fn called(name: &str, calls: &[&str]) -> Value {
    let package = name.split('.').next().unwrap();
    let short = name.rsplit('.').next().unwrap();
    let calls: Vec<String> = calls.iter().map(|name| format!("macro.{name}")).collect();
    json!({"name": short, "package_name": package, "macro_sql": format!("{{% macro {short} %}}"),
        "depends_on": {"macros": calls}})
}

pub(super) fn shop() -> Value {
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.16", "project_name": "shop", "adapter_type": "redshift"
        },
        "nodes": {
            "model.shop.m": {
                "resource_type": "model", "name": "m", "package_name": "shop",
                "original_file_path": "models/m.sql", "fqn": ["shop", "m"], "language": "sql",
                "relation_name": "\"d\".\"s\".\"m\"", "raw_code": "select 1 -- offset(1)",
                "config": {
                    "enabled": true, "materialized": "table", "tags": ["a"], "alias": null,
                    "meta": {"share": 1, "level": [1, 2]}, "post-hook": [], "lookback": 1,
                    "contract": {"enforced": false}, "persist_docs": {}
                },
                "unrendered_config": {
                    "materialized": "{{ x }}", "meta": {}, "tags": [], "post_hook": "[]"
                },
                "description": "A model.", "access": "protected", "latest_version": null,
                "columns": {"id": {"name": "id", "description": "It.", "data_type": "int",
                    "constraints": [{"type": "not_null", "warn_unsupported": true}]}},
                "constraints": [], "created_at": 1.0,
                "depends_on": {
                    "nodes": ["source.shop.raw.t", "seed.shop.s"],
                    "macros": ["macro.shop.outer", "macro.dbt.create"]
                }
            },
            "seed.shop.s": {
                "resource_type": "seed", "name": "s", "package_name": "shop",
                "original_file_path": "seeds/s.csv", "config": {"materialized": "seed"},
                "unrendered_config": {}, "checksum": {"name": "sha256", "checksum": "12"}
            },
            "test.shop.t": {
                "resource_type": "test", "name": "t", "package_name": "shop",
                "original_file_path": "models/m.yml", "fqn": ["shop", "t"],
                "test_metadata": {"name": "not_null"}, "raw_code": "{{ test_not_null() }}",
                "config": {"severity": "ERROR", "where": null, "tags": []},
                "unrendered_config": {}, "depends_on": {"nodes": ["model.shop.m"]}
            }
        },
        "unit_tests": {"unit_test.shop.u": {
            "resource_type": "unit_test", "name": "u", "package_name": "shop",
            "original_file_path": "models/m.yml", "checksum": "ab", "config": {}
        }},
        "sources": {
            "source.shop.raw.t": {"source_name": "raw", "name": "t", "relation_name": "raw.t",
                "quoting": {}, "meta": {}},
            "source.shop.raw.unread": {"source_name": "raw", "name": "unread"}
        },
        "macros": {
            "macro.shop.outer": called("shop.outer", &["dbt_utils.inner", "shop.outer"]),
            "macro.dbt_utils.inner": called("dbt_utils.inner", &[]),
            "macro.shop.unused": called("shop.unused", &[]),
            "macro.dbt.create": called("dbt.create", &["shop.redshift__create"]),
            "macro.shop.redshift__create": called("shop.redshift__create", &[]),
            "macro.dbt_postgres.pg": called("dbt_postgres.pg", &[]),
            "macro.dbt.materialization_table_default":
                called("dbt.materialization_table_default", &[]),
        }
    })
}

const MODEL: &str = "/nodes/model.shop.m";

/// Every need between two states, as `node: reason, reason`; digests agree with it.
pub(super) fn between(old: &Value, new: &Value) -> Vec<String> {
    let (old, new) = (old.to_string(), new.to_string());
    let (old, new) = (Manifest::read(&old).unwrap(), Manifest::read(&new).unwrap());
    let needs = compare(&old, &new);
    if old.generation() == new.generation() {
        let ids: Vec<&str> = new.names().map(|(id, _)| id).collect();
        let (before, now) = (fingerprints(&old, &ids), fingerprints(&new, &ids));
        let other = now.iter().filter(|(id, digest)| before.get(*id) != Some(*digest));
        let other: Vec<&String> = other.map(|(id, _)| id).collect();
        assert_eq!(other, needs.keys().collect::<Vec<_>>());
    }
    let line = |(id, reasons): (&String, &Vec<Reason>)| {
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        format!("{}: {}", id.rsplit('.').next().unwrap(), reasons.join(", "))
    };
    needs.iter().map(line).collect()
}

/// What is needed after these values were set, by their JSON pointers.
fn after(edits: &[(&str, Value)]) -> Vec<String> {
    between(&shop(), &edited(&shop(), edits))
}

fn edited(manifest: &Value, edits: &[(&str, Value)]) -> Value {
    let mut new = manifest.clone();
    for (pointer, value) in edits {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    new
}

fn model(edits: &[(&str, Value)]) -> Vec<String> {
    let pointers: Vec<String> = edits.iter().map(|(key, _)| format!("{MODEL}/{key}")).collect();
    let edits: Vec<(&str, Value)> = pointers
        .iter()
        .zip(edits)
        .map(|(pointer, (_, value))| (&**pointer, value.clone()))
        .collect();
    after(&edits)
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_dbt_writes_anew_in_every_parse_is_no_change() {
    let edits = [
        ("created_at", json!(2.0)),
        ("compiled_code", json!("select 1")),
        ("build_path", json!("x")),
    ];
    assert_eq!(model(&edits), NOTHING);
    assert_eq!(
        after(&[
            ("/metadata/invocation_id", json!("another")),
            ("/metadata/dbt_version", json!("1.11.17"))
        ]),
        NOTHING
    );
}

#[test]
fn a_node_that_was_not_there_is_new_and_one_that_is_gone_is_silent() {
    let mut fewer = shop();
    fewer["nodes"].as_object_mut().unwrap().remove("model.shop.m");
    assert_eq!(between(&fewer, &shop()), ["m: new"]);
    assert_eq!(between(&shop(), &fewer), NOTHING);
}

#[test]
fn each_part_of_a_model_is_a_reason_of_its_own() {
    for (key, value, reason) in [
        ("raw_code", json!("select  1 -- offset(1)"), "body"),
        ("fqn", json!(["shop", "folder", "m"]), "path"),
        ("relation_name", json!("\"d\".\"other\".\"m\""), "relation"),
        ("relation_name", Value::Null, "relation"),
        ("access", json!("public"), "version"),
        ("latest_version", json!(2), "version"),
        ("deprecation_date", json!("2030-01-01"), "version"),
        ("config/meta", json!({"share": 2, "level": [1, 2]}), "config meta"),
        ("config/post-hook", json!([{"sql": "grant"}]), "config post_hook"),
        ("config/materialized", json!("view"), "config materialized"),
        ("depends_on/nodes", json!(["source.shop.raw.t"]), "parents"),
    ] {
        assert_eq!(model(&[(key, value)]), [format!("m: {reason}")], "{key}");
    }
}

#[test]
fn spelling_is_no_change() {
    for (key, value) in [
        ("raw_code", json!("\n select 1 -- offset(1)\n\n")),
        ("raw_code", json!(" select 1 -- offset(1) ")),
        ("config/meta", json!({"level": [1, 2], "share": 1.0})),
        ("depends_on/nodes", json!(["seed.shop.s", "source.shop.raw.t"])),
    ] {
        assert_eq!(model(&[(key, value)]), NOTHING, "{key}");
    }
}

#[test]
fn what_dbt_does_not_compare_is_no_change() {
    for (key, value) in [
        ("config/tags", json!(["b"])),
        ("config/group", json!("g")),
        ("config/alias", json!("m")),
        ("description", json!("Another model.")),
        ("columns", json!({"id": {"name": "id", "data_type": "text"}})),
        ("meta", json!({"owner": "me"})),
    ] {
        assert_eq!(model(&[(key, value)]), NOTHING, "{key}");
    }
}

#[test]
fn a_default_of_another_patch_release_is_no_change() {
    let other = edited(
        &shop(),
        &[
            (&format!("{MODEL}/config/lookback"), json!(2)),
            (&format!("{MODEL}/config/extra"), json!([])),
        ],
    );
    let (old, new) = (shop().to_string(), other.to_string());
    let (old, new) = (Manifest::read(&old).unwrap(), Manifest::read(&new).unwrap());
    assert_eq!(compare(&old, &new), Needs::new());
}

#[test]
fn the_order_of_a_list_counts_unless_the_code_makes_it_of_a_set() {
    let reordered = json!({"share": 1, "level": [2, 1]});
    assert_eq!(model(&[("config/meta", reordered.clone())]), ["m: config meta"]);
    let code = json!("{{ config(meta={'level': set([1, 2])|list}) }}");
    let random = edited(&shop(), &[(&format!("{MODEL}/raw_code"), code)]);
    let other = edited(&random, &[(&format!("{MODEL}/config/meta"), reordered)]);
    assert_eq!(between(&random, &other), NOTHING);
}

#[test]
fn a_value_that_is_another_in_every_run_is_compared_as_it_is_written() {
    let run = |written: &str, at: &str| {
        edited(
            &shop(),
            &[
                (&format!("{MODEL}/unrendered_config/meta"), json!({"at": written})),
                (&format!("{MODEL}/config/meta"), json!({"at": at})),
            ],
        )
    };
    let first = run("{{ run_started_at }}", "10:00");
    assert_eq!(between(&first, &run("{{ run_started_at }}", "11:00")), NOTHING);
    assert_eq!(between(&first, &run("{{ invocation_id }}", "10:00")), ["m: config meta"]);
    let plain = run("{{ env_var('AT') }}", "10:00");
    assert_eq!(between(&plain, &run("{{ env_var('AT') }}", "11:00")), ["m: config meta"]);
}

#[test]
fn a_description_counts_where_it_is_persisted() {
    for (switch, edit) in [
        (json!({"relation": true}), ("description", json!("Another."))),
        (json!({"columns": true}), ("columns/id/description", json!("Another."))),
    ] {
        let persisted = edited(&shop(), &[(&format!("{MODEL}/config/persist_docs"), switch)]);
        let other = edited(&persisted, &[(&format!("{MODEL}/{}", edit.0), edit.1)]);
        assert_eq!(between(&persisted, &other), ["m: persisted description"]);
    }
}

#[test]
fn columns_count_where_a_contract_is_enforced() {
    let enforced =
        edited(&shop(), &[(&format!("{MODEL}/config/contract"), json!({"enforced": true}))]);
    let after = |key: &str, value| {
        between(&enforced, &edited(&enforced, &[(&format!("{MODEL}/{key}"), value)]))
    };
    assert_eq!(after("columns/id/data_type", json!("text")), ["m: contract"]);
    assert_eq!(after("columns/id/constraints", json!([])), ["m: contract"]);
    assert_eq!(after("columns/more", json!({"name": "more"})), ["m: contract"]);
    assert_eq!(after("columns/id/description", json!("Another.")), NOTHING);
    let silent = json!([{"type": "not_null", "warn_unsupported": false}]);
    assert_eq!(after("columns/id/constraints", silent), NOTHING);
    assert_eq!(between(&enforced, &shop()), ["m: contract"]);
}

#[test]
fn a_source_is_its_readers_affair() {
    let source = "/sources/source.shop.raw.t";
    let of_read = |key: &str, value| after(&[(&format!("{source}/{key}"), value)]);
    assert_eq!(of_read("relation_name", json!("raw.other")), ["m: source raw.t"]);
    assert_eq!(of_read("quoting", json!({"identifier": true})), ["m: source raw.t"]);
    assert_eq!(of_read("freshness", json!({"warn_after": 1})), NOTHING);
    assert_eq!(of_read("meta", json!({"owner": "me"})), NOTHING);
    assert_eq!(after(&[("/sources/source.shop.raw.unread/relation_name", json!("x"))]), NOTHING);
}

#[test]
fn meta_of_a_source_is_in_the_sql_on_duckdb_only() {
    let duckdb = edited(&shop(), &[("/metadata/adapter_type", json!("duckdb"))]);
    let meta = json!({"external_location": "x.parquet"});
    let other = edited(&duckdb, &[("/sources/source.shop.raw.t/meta", meta)]);
    assert_eq!(between(&duckdb, &other), ["m: source raw.t"]);
}

#[test]
fn a_seed_is_its_content_unless_its_checksum_is_a_path() {
    let checksum = "/nodes/seed.shop.s/checksum";
    let after = |value| after(&[(checksum, value)]);
    assert_eq!(after(json!({"name": "sha256", "checksum": "13"})), ["s: seed content"]);
    let by_path = json!({"name": "path", "checksum": "seeds/s.csv"});
    assert_eq!(after(by_path.clone()), ["s: seed content"]);
    let moved = json!({"name": "path", "checksum": "seeds/t.csv"});
    let large = edited(&shop(), &[(checksum, by_path)]);
    assert_eq!(between(&large, &edited(&large, &[(checksum, moved)])), NOTHING);
}

#[test]
fn macros_count_as_far_as_they_reach() {
    let after =
        |id: &str| after(&[(&format!("/macros/macro.{id}/macro_sql"), json!("{% macro x %}"))]);
    assert_eq!(after("shop.outer"), ["m: macro outer"]);
    assert_eq!(after("dbt_utils.inner"), ["m: macro dbt_utils.inner (through outer)"]);
    assert_eq!(after("shop.redshift__create"), ["m: macro redshift__create (through dbt.create)"]);
    assert_eq!(after("shop.unused"), NOTHING);
}

#[test]
fn macros_of_dbt_the_adapter_and_its_base_never_count() {
    let calls = json!(["macro.dbt.create", "macro.dbt_postgres.pg"]);
    let calling = edited(&shop(), &[(&format!("{MODEL}/depends_on/macros"), calls)]);
    for id in ["dbt.create", "dbt_postgres.pg"] {
        let other = edited(&calling, &[(&format!("/macros/macro.{id}/macro_sql"), json!("new"))]);
        assert_eq!(between(&calling, &other), NOTHING, "{id}");
    }
}

#[test]
fn an_override_that_comes_or_goes_is_a_change_of_its_callers() {
    let gone = edited(&shop(), &[("/macros/macro.dbt.create/depends_on/macros", json!([]))]);
    assert_eq!(between(&shop(), &gone), ["m: macro redshift__create (through dbt.create)"]);
    assert_eq!(between(&gone, &shop()), ["m: macro redshift__create (through dbt.create)"]);
}

#[test]
fn the_materialization_is_found_as_dbt_finds_it() {
    let with = |manifest: &Value, name: &str| {
        edited(manifest, &[(&format!("/macros/macro.{name}"), called(name, &[]))])
    };
    let own = with(&shop(), "shop.materialization_table_default");
    assert_eq!(between(&shop(), &own), ["m: macro materialization_table_default"]);
    let special = with(&own, "dbt_postgres.materialization_table_postgres");
    assert_eq!(between(&special, &with(&special, "shop.materialization_table_snowflake")), NOTHING);
    let text = json!("{% materialization %}");
    let edit = [("/macros/macro.shop.materialization_table_default/macro_sql", text)];
    assert_eq!(between(&own, &edited(&own, &edit)), ["m: macro materialization_table_default"]);
    assert_eq!(between(&special, &edited(&special, &edit)), NOTHING);
}

#[test]
fn tests_are_changed_by_their_own_settings_and_change_no_model() {
    assert_eq!(
        after(&[("/nodes/test.shop.t/config/severity", json!("WARN"))]),
        ["t: config severity"]
    );
    assert_eq!(after(&[("/nodes/test.shop.t/config/tags", json!(["x"]))]), NOTHING);
    assert_eq!(after(&[("/unit_tests/unit_test.shop.u/checksum", json!("cd"))]), ["u: body"]);
}

#[test]
fn another_version_of_dbt_may_write_more_less_and_differently() {
    let other = edited(
        &shop(),
        &[
            ("/metadata/dbt_version", json!("1.12.6")),
            (&format!("{MODEL}/config/lookback"), json!(5)),
            (&format!("{MODEL}/config/on_error"), Value::Null),
            (&format!("{MODEL}/config/meta"), json!({"share": 1, "level": [1, 2], "more": null})),
            (&format!("{MODEL}/access"), Value::Null),
            (
                &format!("{MODEL}/unrendered_config"),
                json!({"materialized": "", "meta": {}, "post-hook": []}),
            ),
            ("/macros/macro.dbt.create/depends_on/macros", json!([])),
            ("/nodes/test.shop.t/config/severity", json!("error")),
        ],
    );
    assert_eq!(between(&shop(), &other), NOTHING);
    assert_eq!(between(&other, &shop()), NOTHING);
}

#[test]
fn an_edit_is_found_across_versions_of_dbt() {
    let upgraded = edited(&shop(), &[("/metadata/dbt_version", json!("1.12.6"))]);
    let mut without_meta = upgraded.clone();
    without_meta
        .pointer_mut(&format!("{MODEL}/config"))
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("meta");
    assert_eq!(between(&shop(), &without_meta), ["m: config meta"]);
    let edit = [("/macros/macro.dbt_utils.inner/macro_sql", json!("new"))];
    let expected = ["m: macro dbt_utils.inner (through outer)"];
    assert_eq!(between(&shop(), &edited(&upgraded, &edit)), expected);
}

#[test]
fn the_order_of_columns_counts_where_a_contract_is_enforced() {
    let columns = |enforced: bool, columns: &str| {
        let mut now = shop();
        now["nodes"]["model.shop.m"]["config"]["contract"] = json!({"enforced": enforced});
        let text = now.to_string();
        let (start, rest) = text.split_once("\"columns\":").unwrap();
        format!("{start}\"columns\":{columns},\"was\":{rest}")
    };
    let [one, other] = [
        r#"{"b": {"name": "b"}, "a": {"name": "a"}}"#,
        r#"{"a": {"name": "a"}, "b": {"name": "b"}}"#,
    ];
    let texts = |before: &str, now: &str| {
        let [before, now] = [before, now].map(|text| Manifest::read(text).unwrap());
        let ids = ["model.shop.m"];
        let alike = fingerprints(&before, &ids) == fingerprints(&now, &ids);
        (compare(&before, &now).remove("model.shop.m").unwrap_or_default(), alike)
    };
    let (enforced, reordered) = (columns(true, one), columns(true, other));
    assert_eq!(texts(&enforced, &reordered), (vec![Reason::Contract], false));
    assert_eq!(texts(&enforced, &enforced), (vec![], true));
    assert_eq!(texts(&columns(false, one), &columns(false, other)), (vec![], true));
    // Another generation of dbt may sort them.
    let upgraded = reordered.replace("\"1.11.16\"", "\"1.12.6\"");
    assert_eq!(texts(&enforced, &upgraded).0, []);
}
