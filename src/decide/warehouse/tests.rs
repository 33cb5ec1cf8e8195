//! What a baseline claims, and what a look at the warehouse comes to.

use super::*;
use std::collections::BTreeMap;

fn claim(name: &str, schema: &str, expected: Expected) -> Claim {
    let address =
        Address { database: Some("shop".into()), schema: schema.into(), identifier: name.into() };
    Claim { id: format!("model.shop.{name}"), address, expected }
}

fn look(of: &[(&str, &str, Expected, Option<&str>)]) -> Look {
    let claims: Vec<Claim> =
        of.iter().map(|(name, schema, expected, _)| claim(name, schema, *expected)).collect();
    let types: Vec<Option<String>> =
        of.iter().map(|(.., found)| found.map(str::to_owned)).collect();
    Look::of(&claims, &[], &types)
}

/// A manifest with these nodes: resource type, name, materialization, other members.
fn manifest(nodes: &[(&str, &str, &str, &str)], macros: &str) -> String {
    let node = |(kind, name, materialized, more): &(&str, &str, &str, &str)| {
        format!(
            r#""{kind}.shop.{name}": {{"resource_type": "{kind}", "name": "{name}",
            "package_name": "shop", "original_file_path": "models/{name}.sql", "schema": "main",
            "alias": "{name}", "relation_name": "\"main\".\"{name}\"",
            "config": {{"materialized": "{materialized}"}}{more}}}"#
        )
    };
    let nodes: Vec<String> = nodes.iter().map(node).collect();
    format!(
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
        "dbt_version": "1.11.0", "adapter_type": "duckdb"}}, "nodes": {{{}}}, "sources": {{}},
        "macros": {{{macros}}}}}"#,
        nodes.join(",")
    )
}

#[test]
fn each_kind_of_node_claims_what_its_build_leaves() {
    let own = |name: &str, package: &str| {
        format!(
            r#""macro.{package}.{name}": {{"name": "{name}", "package_name": "{package}", "macro_sql": ""}}"#
        )
    };
    let macros = [
        own("materialization_table_default", "dbt"),
        own("materialization_view_duckdb", "dbt_duckdb"),
        own("materialization_audit_default", "shop"),
        own("materialization_dynamic_table_duckdb", "shop"),
    ];
    let nodes = [
        ("model", "v", "view", r#", "database": "shop""#),
        ("model", "t", "table", ""),
        ("model", "i", "incremental", ""),
        ("model", "e", "ephemeral", ""),
        ("model", "mv", "materialized_view", ""),
        ("model", "own", "audit", ""),
        ("model", "over", "dynamic_table", ""),
        ("model", "unknown", "whatever", ""),
        ("model", "external", "table", r#", "original_file_path": """#),
        ("model", "python", "table", r#", "language": "python", "alias": "Py""#),
        ("model", "nowhere", "table", r#", "relation_name": null"#),
        ("seed", "s", "seed", ""),
        ("snapshot", "h", "snapshot", ""),
        ("test", "stored", "test", ""),
        ("function", "f", "function", ""),
        ("analysis", "a", "view", ""),
    ];
    // Of a member that is there twice, the second one is meant.
    let text = manifest(&nodes, &macros.join(","));
    let text = serde_json::from_str::<serde_json::Value>(&text).unwrap().to_string();
    let found = claims(&Manifest::read(&text).unwrap());
    let found: BTreeMap<&str, Expected> =
        found.iter().map(|claim| (claim.address.identifier.as_str(), claim.expected)).collect();
    let expected = [
        ("Py", Expected::Table),
        ("h", Expected::Table),
        ("i", Expected::Table),
        ("mv", Expected::Something),
        ("over", Expected::Unknown),
        ("own", Expected::Unknown),
        ("s", Expected::Table),
        ("t", Expected::Table),
        ("unknown", Expected::Unknown),
        ("v", Expected::View),
    ];
    assert_eq!(found, expected.into());
}

#[test]
fn a_look_says_what_is_missing_and_what_has_taken_its_place() {
    use Expected::{Something, Table, Unknown, View};
    let found = look(&[
        ("there", "main", Table, Some("table")),
        ("gone", "main", Table, None),
        ("replaced", "main", Table, Some("view")),
        ("filled", "main", View, Some("table")),
        ("alike", "main", View, Some("materialized_view")),
        ("mv", "main", Something, Some("table")),
        ("own", "main", Unknown, None),
        ("seen", "main", Unknown, Some("table")),
        ("blind", "marts", View, None),
    ]);
    let wrong = [
        ("model.shop.gone", Wrong::Missing),
        ("model.shop.replaced", Wrong::OtherType("view".into(), Table)),
        ("model.shop.filled", Wrong::OtherType("table".into(), View)),
        ("model.shop.blind", Wrong::Missing),
    ];
    let expected = Look {
        claimed: 8,
        wrong: wrong.map(|(id, wrong)| (id.to_owned(), wrong)).into(),
        unseen: vec!["model.shop.own".into()],
        lost: Vec::new(),
        blind: [("shop.marts".to_owned(), 1)].into(),
    };
    assert_eq!(found, expected);
    let words: Vec<String> = found.wrong.iter().map(|(_, wrong)| wrong.to_string()).collect();
    assert_eq!(words[2], "in the warehouse as a table, but built as a view");
    assert_eq!(words[0], "not in the warehouse");
}

#[test]
fn a_warehouse_that_lacks_too_much_is_not_believed() {
    use Expected::View;
    let of = |missing: usize, there: usize, most: Option<Limit>| {
        let mut all = vec![("a", "main", View, None); missing];
        all.extend(vec![("b", "main", View, Some("view")); there]);
        // Each claim needs a name of its own.
        let claims: Vec<Claim> = all
            .iter()
            .enumerate()
            .map(|(n, (_, schema, expected, _))| claim(&format!("n{n}"), schema, *expected))
            .collect();
        let types: Vec<_> = all.iter().map(|(.., found)| found.map(str::to_owned)).collect();
        Look::of(&claims, &[], &types).not_believed(most)
    };
    assert_eq!(of(2, 2, None), [""; 0]);
    let reason = "not in the warehouse: 3 of 5 relations, but --max-missing allows 50 %";
    assert_eq!(of(3, 2, None), [reason]);
    assert_eq!(of(1, 0, None).len(), 2, "the share, and the schema");
    assert_eq!(of(3, 0, Some(Limit::Percent(100.0))), [""; 0]);
    assert_eq!(of(2, 9, Some(Limit::Nodes(1))).len(), 1);
    assert_eq!(of(1, 9, Some(Limit::Percent(0.0))).len(), 1);
    assert_eq!(of(0, 9, Some(Limit::Nodes(0))), [""; 0]);
    let blind = look(&[("a", "main", View, Some("view")), ("b", "marts", View, None)]);
    let reason = "nothing can be seen of the schema shop.marts, where the baseline has 1";
    assert_eq!(blind.not_believed(None), [reason]);
}

#[test]
fn a_node_that_is_not_there_starts_anew() {
    let old = NodeRecord {
        inputs: [("var:a".to_owned(), "f".to_owned())].into(),
        seconds: Some(2.0),
        code: Some("c".into()),
        altered: Some("code".into()),
        half_made: true,
        ..NodeRecord::default()
    };
    let expected = NodeRecord {
        inputs: old.inputs.clone(),
        seconds: Some(2.0),
        pending: Some("not in the warehouse".into()),
        unbuilt: true,
        ..NodeRecord::default()
    };
    assert_eq!(Wrong::Missing.record(old), expected);
}

#[test]
fn a_look_is_due_when_the_last_one_is_old_enough() {
    let due = |verify: Verify, last| verify.is_due(last, 1_000);
    assert!(
        !due(Verify::Never, None)
            && !due(Verify::Changed, None)
            && due(Verify::Always, Some(1_000))
    );
    let old = Verify::Older(100);
    assert!(due(old, None) && due(old, Some(900)) && due(old, Some(1_001)));
    assert!(!due(old, Some(901)));
}

#[test]
fn what_an_adapter_lists_tells_apart_what_others_leave_open() {
    let wrong = |adapter, kind, found| Expected::on(Some(adapter), kind).contradicts(found);
    for (adapter, kind, found) in [
        ("clickhouse", "dictionary", "table"),
        ("clickhouse", "dictionary", "view"),
        ("clickhouse", "materialized_view", "view"),
        ("clickhouse", "distributed_incremental", "dictionary"),
        ("clickhouse", "table", "dictionary"),
        ("postgres", "materialized_view", "view"),
        ("duckdb", "incremental", "view"),
    ] {
        assert!(wrong(adapter, kind, found), "{adapter} {kind} {found}");
    }
    for (adapter, kind, found) in [
        ("clickhouse", "dictionary", "dictionary"),
        ("clickhouse", "materialized_view", "table"),
        ("postgres", "materialized_view", "materialized_view"),
        ("snowflake", "dynamic_table", "table"),
        ("databricks", "materialized_view", "view"),
        ("duckdb", "mine", "view"),
    ] {
        assert!(!wrong(adapter, kind, found), "{adapter} {kind} {found}");
    }
}

#[test]
fn the_old_relations_of_waiting_nodes_are_asked_for_as_what_they_were() {
    let waiting_for = |kind: Option<&str>, relation: Option<&str>| NodeRecord {
        pending: Some("body".into()),
        relation: relation.map(str::to_owned),
        materialized: kind.map(str::to_owned),
        ..NodeRecord::default()
    };
    let there = Some("\"main\".\"x\"");
    let nodes: BTreeMap<String, NodeRecord> = [
        ("view".to_owned(), waiting_for(Some("view"), there)),
        ("older".to_owned(), waiting_for(None, there)),
        ("own".to_owned(), waiting_for(Some("audit"), there)),
        ("never_built".to_owned(), waiting_for(None, None)),
        ("built".to_owned(), NodeRecord { pending: None, ..waiting_for(None, there) }),
    ]
    .into();
    let text = manifest(&[], "");
    let waits = waiting(&Manifest::read(&text).unwrap(), &nodes);
    let found: Vec<(&str, Expected)> =
        waits.iter().map(|claim| (claim.id.as_str(), claim.expected)).collect();
    let expected =
        [("older", Expected::Something), ("own", Expected::Unknown), ("view", Expected::View)];
    assert_eq!(found, expected);
    // Where nothing can be seen, nothing is known to be gone.
    let nothing = [None, None, None];
    assert_eq!(Look::of(&[], &waits, &nothing).lost, []);
    let seen = claim("other", "main", Expected::View);
    let seen = Claim { address: Address { database: None, ..seen.address }, ..seen };
    let types = [Some("view".to_owned()), None, None, None];
    let look = Look::of(std::slice::from_ref(&seen), &waits, &types);
    let lost = ["older", "view"].map(|id| (id.to_owned(), Wrong::Missing));
    assert_eq!((look.lost.as_slice(), look.wrong.as_slice()), (&lost[..], &[][..]));
    let asked = look.asked(&[seen], &waits, &types);
    assert_eq!(asked.there, ["model.shop.other".to_owned()].into());
    let words = lost.map(|(id, _)| (id, "not in the warehouse".to_owned()));
    assert_eq!(asked.lacking, words.into());
}
