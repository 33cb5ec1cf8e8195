//! Which nodes have to be built now, and why: their own needs, descendants not included.

use crate::dbt::compare::Needs;
use crate::dbt::compare::{self, Reason};
use crate::dbt::manifest::Manifest;
use crate::decide::baseline;
use crate::decide::record::NodeRecord;
use crate::graph::Graph;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// For each node, the fingerprints of the values that it reads now, by `env_var:NAME`…
pub type Inputs = BTreeMap<String, BTreeMap<String, String>>;

/// What is known of the last build: nothing before the first population.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The baseline.
    pub manifest: Option<&'a Manifest<'a>>,
    /// Its record's nodes; empty for a baseline that we did not write.
    pub nodes: &'a BTreeMap<String, NodeRecord>,
}

/// The project as it now stands.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// As dbt parsed it.
    pub manifest: &'a Manifest<'a>,
    /// The nodes that dbt can build or test.
    pub graph: &'a Graph,
    /// The values that they read.
    pub inputs: &'a Inputs,
}

/// How much counts as unbuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// What differs from the baseline.
    Changes,
    /// Every node of these resource types, until it is built.
    Everything(BTreeSet<String>),
}

/// The nodes that differ from what was last built, or never were.
#[must_use]
pub fn needs(before: Before<'_>, now: Now<'_>) -> Needs {
    let mut needs = match before.manifest {
        Some(manifest) => compare::compare(manifest, now.manifest),
        None => now.graph.keys().map(|id| (id.clone(), vec![Reason::New])).into_tree(),
    };
    needs.retain(|id, _| now.graph.contains_key(id));
    for (id, reasons) in values_changed(before, now) {
        needs.entry(id).or_default().extend(reasons);
    }
    let pending = || before.nodes.iter().filter(|(_, record)| record.pending.is_some());
    let reverted = reverted(pending(), now);
    for (id, record) in pending() {
        if reverted.contains(&**id) {
            needs.remove(id);
        } else if let Some(reasons) = needs.get_mut(id) {
            *reasons = record.pending.iter().cloned().map(Reason::Pending).collect();
        }
    }
    needs
}

fn values_changed(before: Before<'_>, now: Now<'_>) -> Needs {
    let empty = BTreeMap::new();
    let recorded = before.nodes.iter().filter(|(_, record)| record.pending.is_none());
    let differing = recorded.filter(|(id, _)| now.graph.contains_key(*id)).map(|(id, record)| {
        let values = now.inputs.get(id).unwrap_or(&empty);
        (id.clone(), compare::differing(&record.inputs, values))
    });
    differing.filter(|(_, reasons)| !reasons.is_empty()).into_tree()
}

/// Of these nodes those that stand again as they were built.
fn reverted<'a>(
    pending: impl Iterator<Item = (&'a String, &'a NodeRecord)>,
    now: Now<'_>,
) -> BTreeSet<&'a str> {
    let built: BTreeMap<&str, &str> =
        pending.filter_map(|(id, record)| Some((&**id, record.built.as_deref()?))).into_tree();
    let ids: Vec<&str> = built.keys().copied().collect();
    let (compared, empty) = (compare::fingerprints(now.manifest, &ids), BTreeMap::new());
    let stands_again = |(id, built): &(&str, &str)| {
        let values = now.inputs.get(*id).unwrap_or(&empty);
        compared.get(*id).is_some_and(|now| baseline::fingerprint(now, values) == *built)
    };
    built.into_iter().filter(stands_again).map(|(id, _)| id).into_tree()
}

/// For each of these nodes that the baseline has, the digest of what it was built from, so that
/// a revert is recognised. A node without a record is taken to have been built with today's
/// values.
#[must_use]
pub fn built_before(before: Before<'_>, inputs: &Inputs, ids: &[&str]) -> BTreeMap<String, String> {
    let Some(manifest) = before.manifest else { return BTreeMap::new() };
    let empty = BTreeMap::new();
    let digest = |(id, compared): (String, String)| {
        let recorded = before.nodes.get(&id).map(|record| &record.inputs);
        let values = recorded.filter(|values| !values.is_empty()).or_else(|| inputs.get(&id));
        let digest = baseline::fingerprint(&compared, values.unwrap_or(&empty));
        (id, digest)
    };
    compare::fingerprints(manifest, ids).into_iter().map(digest).into_tree()
}

/// What of these needs makes the rows that a node already has those of former code: any
/// change of its own, also one that has waited since an earlier run. `None` where it is new, or
/// gets a relation of another name.
#[must_use]
pub fn outdates_rows(reasons: &[Reason], before: Option<&NodeRecord>) -> Option<String> {
    if let Some(outdated) = before.and_then(|node| node.outdated.clone()) {
        return (!reasons.is_empty()).then_some(outdated);
    }
    let waited = before.is_some_and(|node| node.pending.is_some() && node.built.is_some());
    let counts = |reason: &&Reason| {
        **reason != Reason::New && (waited || !matches!(reason, Reason::Pending(_)))
    };
    if reasons.contains(&Reason::Relation) {
        return None;
    }
    let words: Vec<String> = reasons.iter().filter(counts).map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// What is built with `--full-refresh` where the operator wishes that for changed nodes of
/// these materializations: those whose rows are of former code, or that a run altered before.
#[must_use]
pub fn to_refresh(
    manifest: &Manifest<'_>,
    needs: &Needs,
    records: &BTreeMap<String, NodeRecord>,
    kinds: &[String],
) -> BTreeSet<String> {
    if kinds.is_empty() {
        return BTreeSet::new();
    }
    let refreshes = |(id, reasons): &(&String, &Vec<Reason>)| {
        let Some(node) = manifest.node(id) else { return false };
        let wished = node.materialized().is_some_and(|kind| kinds.iter().any(|own| *own == *kind));
        let record = records.get(*id);
        let altered = record.is_some_and(|record| record.altered.is_some());
        wished
            && node.keeps_rows(false)
            && !node.keeps_rows(true)
            && (altered || outdates_rows(reasons, record).is_some())
    };
    needs.iter().filter(refreshes).map(|(id, _)| id.clone()).into_tree()
}
