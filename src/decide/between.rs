//! What differs between two baselines of a volume, as far as the volume alone can tell.

use crate::dbt::compare::Reason;
use crate::dbt::manifest::Manifest;
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::needs::Inputs;
use crate::decide::record::{self, Record};
use crate::graph::is_test_id;
use crate::trees::IntoTree;
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A baseline: its manifest and, where it has one, its record.
#[derive(Debug, Clone, Copy)]
pub struct BaselineText<'a> {
    /// The text of the manifest.
    pub text: &'a str,
    /// What is known about it.
    pub record: Option<&'a Record>,
}

/// The nodes that differ, by `unique_id`. Tests are left out.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Between {
    /// Those that the second one has otherwise than the first one, with what changed.
    pub changed: BTreeMap<String, Vec<String>>,
    /// Those that only the second one has.
    pub added: BTreeSet<String>,
    /// Those that only the first one has, because they left the project.
    pub removed: BTreeSet<String>,
    /// Those that the second one lacks because they have to be built, with the reason.
    pub waiting: BTreeMap<String, String>,
    /// Those that are downstream of a node that changed or was added.
    #[serde(skip)]
    pub downstream: BTreeSet<String>,
}

impl Between {
    /// Compare two baselines, the second one with the first.
    ///
    /// # Errors
    /// One of them is not a manifest that we know.
    pub fn of(first: BaselineText<'_>, second: BaselineText<'_>) -> Result<Self> {
        let before = Manifest::read(first.text)?;
        let graph_before = before.graph();
        let baseline = Baseline::from_parts(None, None, first.record.cloned(), String::new());
        let inputs = comparable_inputs(first.record, second.record);
        let now = Comparison::of(&baseline, Some(before), Manifest::read(second.text)?, inputs);
        let waits = |side: BaselineText<'_>| {
            side.record.map_or_else(BTreeMap::new, |record| record::pending(&record.nodes))
        };
        let (waited, mut waiting) = (waits(first), waits(second));
        let mut between = Self::default();
        for (id, reasons) in now.needs.iter().filter(|(id, _)| !is_test_id(id)) {
            match reasons.as_slice() {
                [Reason::New] => drop(between.added.insert(id.clone())),
                _ => drop(between.changed.insert(id.clone(), words(reasons))),
            }
        }
        let gone = graph_before.keys().filter(|id| !now.graph.contains_key(*id));
        let is_removed = |id: &&String| !is_test_id(id) && !waiting.contains_key(*id);
        between.removed = gone.filter(is_removed).cloned().into_tree();
        waiting.retain(|id, _| !waited.contains_key(id));
        between.waiting = waiting;
        let roots: BTreeSet<String> =
            between.changed.keys().chain(&between.added).cloned().into_tree();
        let mut downstream = now.graph.with_descendants(&roots);
        downstream.retain(|id| now.graph.is_built(id) && !roots.contains(id));
        between.downstream = downstream;
        Ok(between)
    }

    /// Whether the two say the same.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn words(reasons: &[Reason]) -> Vec<String> {
    let word = |reason: &Reason| {
        let waited = matches!(reason, Reason::Pending(_));
        format!("{}{reason}", if waited { "was not built before: " } else { "" })
    };
    reasons.iter().map(word).collect()
}

/// What the nodes of the second one read. Fingerprints of another salt cannot be compared, so there
/// they are taken to be those of the first.
fn comparable_inputs(first: Option<&Record>, second: Option<&Record>) -> Inputs {
    let inputs = |record: &Record| -> Inputs {
        record.nodes.iter().map(|(id, node)| (id.clone(), node.inputs.clone())).into_tree()
    };
    let mut all = first.map(inputs).unwrap_or_default();
    if let (Some(first), Some(second)) = (first, second)
        && first.salt == second.salt
    {
        all.extend(inputs(second));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::record::{FORMAT, NodeRecord};
    use serde_json::{Value, json};

    /// A manifest of models with their code and what they read.
    fn manifest(models: &[(&str, &str, &[&str])]) -> String {
        let node = |(name, code, parents): &(&str, &str, &[&str])| {
            let id = format!("model.shop.{name}");
            let parents: Vec<String> =
                parents.iter().map(|name| format!("model.shop.{name}")).collect();
            let node = json!({
                "unique_id": id, "resource_type": "model", "name": name, "raw_code": code,
                "language": "sql", "package_name": "shop", "original_file_path": "m.sql",
                "config": {"materialized": "table"}, "relation_name": name,
                "checksum": {"name": "sha256", "checksum": code},
                "depends_on": {"nodes": parents, "macros": []},
            });
            (id, node)
        };
        let nodes: serde_json::Map<String, Value> = models.iter().map(node).collect();
        let schema = "https://schemas.getdbt.com/dbt/manifest/v12.json";
        json!({
            "metadata": {"dbt_schema_version": schema, "dbt_version": "1.11.0", "project_name": "shop"},
            "nodes": nodes, "sources": {}, "macros": {}, "docs": {}, "exposures": {}, "metrics": {},
        })
        .to_string()
    }

    fn record(salt: &str, nodes: &[(&str, NodeRecord)]) -> Record {
        let nodes = nodes.iter().map(|(name, node)| (format!("model.shop.{name}"), node.clone()));
        let manifest = manifest(&[]);
        let manifest = Manifest::read(&manifest).unwrap();
        let empty = crate::decide::baseline::record_of_unrecorded(&manifest, salt.into(), 5);
        assert_eq!(empty.format, FORMAT);
        Record { nodes: nodes.into_tree(), ..empty }
    }

    fn waits(why: &str) -> NodeRecord {
        NodeRecord { pending: Some(why.into()), ..NodeRecord::default() }
    }

    fn reads(value: &str) -> NodeRecord {
        let inputs = [("env_var:REGION".to_owned(), value.to_owned())].into();
        NodeRecord { inputs, ..NodeRecord::default() }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| format!("model.shop.{name}")).into_tree()
    }

    #[test]
    fn nodes_are_changed_added_removed_or_waiting_and_the_rest_is_downstream() {
        let first = manifest(&[
            ("a", "1", &[]),
            ("b", "1", &["a"]),
            ("gone", "1", &[]),
            ("fails", "1", &[]),
        ]);
        let second = manifest(&[
            ("a", "2", &[]),
            ("b", "1", &["a"]),
            ("c", "1", &["b"]),
            ("new", "1", &[]),
            ("late", "1", &[]),
        ]);
        let before = record("s", &[("late", waits("new")), ("both", waits("new"))]);
        let now =
            record("s", &[("fails", waits("failed in the last run")), ("both", waits("body"))]);
        let sides = (
            BaselineText { text: &first, record: Some(&before) },
            BaselineText { text: &second, record: Some(&now) },
        );
        let changed = |name: &str, why: &str| (format!("model.shop.{name}"), vec![why.to_owned()]);
        let expected = Between {
            changed: [changed("a", "body"), changed("late", "was not built before: new")].into(),
            added: set(&["c", "new"]),
            removed: set(&["gone"]),
            waiting: [("model.shop.fails".to_owned(), "failed in the last run".to_owned())].into(),
            downstream: set(&["b"]),
        };
        assert_eq!(Between::of(sides.0, sides.1).unwrap(), expected);
        assert!(Between::of(sides.0, sides.0).unwrap().is_nothing());
        assert!(Between::of(BaselineText { text: "{", record: None }, sides.1).is_err());
    }

    #[test]
    fn values_are_compared_where_their_fingerprints_have_one_salt() {
        let text = manifest(&[("a", "1", &[])]);
        let with = |salt: &str, value: &str| record(salt, &[("a", reads(value))]);
        let changed = |first: Option<&Record>, second: Option<&Record>| {
            let (first, second) = (
                BaselineText { text: &text, record: first },
                BaselineText { text: &text, record: second },
            );
            Between::of(first, second).unwrap().changed.into_values().flatten().collect::<Vec<_>>()
        };
        let one = with("s", "1");
        assert_eq!(changed(Some(&one), Some(&with("s", "2"))), ["env_var REGION"]);
        assert_eq!(changed(Some(&one), Some(&with("s", "1"))), [""; 0]);
        assert_eq!(changed(Some(&one), Some(&with("other", "2"))), [""; 0]);
        assert_eq!(changed(Some(&one), None), [""; 0]);
        assert_eq!(changed(None, Some(&one)), [""; 0]);
    }
}
