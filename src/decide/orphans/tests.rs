//! Which relations are orphans, and which are somebody's.

use super::*;
use crate::decide::needs::Inputs;
use crate::decide::record::NodeRecord;
use std::sync::Arc;

/// A manifest with these models: name, relation; and a source of this relation.
fn manifest(nodes: &[(&str, &str)], source: &str) -> String {
    let node = |(name, relation): &(&str, &str)| {
        format!(
            r#""model.shop.{name}": {{"resource_type": "model", "name": "{name}",
            "package_name": "shop", "original_file_path": "models/{name}.sql",
            "relation_name": "{relation}", "config": {{"materialized": "view"}}}}"#
        )
    };
    let nodes: Vec<String> = nodes.iter().map(node).collect();
    format!(
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
        "dbt_version": "1.11.0", "adapter_type": "duckdb"}}, "nodes": {{{}}},
        "sources": {{"source.shop.s.s": {{"source_name": "s", "name": "s",
        "relation_name": "{source}"}}}}, "macros": {{}}}}"#,
        nodes.join(",")
    )
}

fn left(node: &str, built_at: Option<u64>) -> LeftRelation {
    let materialized = Some("view".to_owned());
    LeftRelation {
        node: format!("model.shop.{node}"),
        built_at,
        materialized,
        ..LeftRelation::default()
    }
}

#[test]
fn an_orphan_was_built_by_us_and_nothing_in_the_project_names_it() {
    let before = manifest(
        &[
            ("kept", "d.s.kept"),
            ("gone", "d.s.gone"),
            ("foreign", "d.s.foreign"),
            ("taken", "d.s.b"),
            ("moves", "d.s.moves"),
        ],
        "d.s.other",
    );
    let text = manifest(
        &[("kept", "d.s.kept"), ("b", "D.S.\\\"B\\\""), ("moves", "d.s.moved")],
        "d.s.source",
    );
    let built = |name: &str, built_at| {
        (format!("model.shop.{name}"), NodeRecord { built_at, ..NodeRecord::default() })
    };
    let baseline = Baseline {
        manifest: Some(Arc::new(before.clone())),
        nodes: [
            built("kept", Some(1)),
            built("gone", Some(2)),
            // Adopted, or built by an earlier version.
            built("foreign", None),
            built("taken", Some(1)),
            built("moves", Some(1)),
        ]
        .into(),
        left: [
            ("d.s.kept".to_owned(), left("older", Some(1))),
            ("d.s.moved_before".to_owned(), left("kept", Some(3))),
            ("d.s.source".to_owned(), left("older", Some(1))),
            // The node is not yet built where it belongs now.
            ("d.s.moves".to_owned(), left("older", Some(1))),
            ("d.s.unknown".to_owned(), left("older", None)),
            ("nowhere".to_owned(), left("older", Some(1))),
        ]
        .into(),
        ..Baseline::default()
    };
    let manifest = Manifest::read(&text).unwrap();
    let now = Comparison::of(&baseline, Manifest::read(&before).ok(), manifest, Inputs::new());
    let orphan = |name: &str, left: LeftRelation, is_removed| Orphan {
        relation: format!("d.s.{name}"),
        address: Address::of_name(&format!("d.s.{name}")).unwrap(),
        left,
        is_removed,
        is_earlier: false,
    };
    let expected = [
        orphan("gone", left("gone", Some(2)), true),
        orphan("moved_before", left("kept", Some(3)), false),
    ];
    assert_eq!(orphans(&now, &baseline, &Earlier::default()), expected);
    assert_eq!(left_behind(&baseline.left), 5);
}

#[test]
fn what_has_another_type_is_not_ours_any_more() {
    let orphan = Orphan {
        relation: "d.s.a".into(),
        address: Address::of_name("d.s.a").unwrap(),
        left: left("a", Some(1)),
        is_removed: true,
        is_earlier: false,
    };
    assert_eq!(orphan.whereabouts(None, None), Whereabouts::Gone);
    assert_eq!(orphan.whereabouts(None, Some("view")), Whereabouts::There("view".into()));
    assert_eq!(orphan.whereabouts(None, Some("table")), Whereabouts::Replaced("table".into()));
    let other = Orphan { left: left("b", Some(1)), ..orphan.clone() };
    let of = |orphan, found| hash([(orphan, found)].into_iter());
    assert_ne!(of(&orphan, "view"), of(&orphan, "table"));
    assert_ne!(of(&orphan, "view"), of(&other, "view"));
}

#[test]
fn only_on_clickhouse_views_write_into_a_materialized_view() {
    let mut orphan = Orphan {
        relation: "s.a".into(),
        address: Address::of_name("s.a").unwrap(),
        left: left("a", Some(1)),
        is_removed: true,
        is_earlier: false,
    };
    assert!(!orphan.is_written_to(Some("clickhouse")));
    orphan.left.materialized = Some("materialized_view".into());
    assert!(orphan.is_written_to(Some("clickhouse")) && !orphan.is_written_to(Some("postgres")));
}

#[test]
fn an_earlier_baseline_adds_what_the_present_one_does_not_know_and_was_not_dropped_since() {
    let text = manifest(&[("a", "d.s.a"), ("claimed", "d.s.claimed")], "d.s.source");
    let now = Manifest::read(&text).unwrap();
    let now = Comparison::of(&Baseline::default(), None, now, Inputs::new());
    let before = [
        ("old", "d.s.old"),
        ("b", "d.s.claimed"),
        ("dropped", "d.s.dropped"),
        ("again", "d.s.again"),
        ("adopted", "d.s.adopted"),
        ("known", "d.s.known"),
    ];
    let before = manifest(&before, "d.s.other");
    let at = |name: &str, built_at| {
        (format!("model.shop.{name}"), NodeRecord { built_at, ..NodeRecord::default() })
    };
    let nodes = [
        at("old", Some(3)),
        at("b", Some(3)),
        at("dropped", Some(3)),
        at("again", Some(5)),
        at("adopted", None),
        at("known", Some(3)),
    ];
    let dropped = |name: &str, since| {
        let since = Some(since);
        (format!("d.s.{name}"), LeftRelation { since, ..LeftRelation::default() })
    };
    let record = Baseline {
        nodes: nodes.into(),
        dropped: [dropped("again", 4)].into(),
        ..Baseline::default()
    };
    let mut earlier = Earlier::default();
    earlier.add(&Manifest::read(&before).unwrap(), record.record(&Default::default(), 9));
    earlier.forget(&[dropped("dropped", 3)].into());
    assert!(earlier.knows("D.S.\"Old\"") && !earlier.knows("d.s.a"));
    // The present record knows this one, and not that we have built it.
    let left = [("d.s.known".to_owned(), left("known", None))].into();
    let baseline = Baseline { left, ..Baseline::default() };
    let found = orphans(&now, &baseline, &earlier);
    let found: Vec<(&str, bool)> =
        found.iter().map(|orphan| (orphan.relation.as_str(), orphan.is_earlier)).collect();
    assert_eq!(found, [("d.s.again", true), ("d.s.old", true)]);
}
