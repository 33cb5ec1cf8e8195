//! Finds the nodes that have to be built themselves, and why. Their descendants are not included;
//! they follow from the graph.

use crate::dbt::compare::Needs;
use crate::dbt::compare::{self, Reason};
use crate::dbt::manifest::Manifest;
use crate::decide::next;
use crate::decide::record::NodeRecord;
use crate::graph::Graph;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// By `unique_id`: the salted fingerprints of the values that the node reads, by `env_var:NAME`,
/// `var:NAME` and the like.
pub type Inputs = BTreeMap<String, BTreeMap<String, String>>;

/// The baseline. Before the first population, both parts are empty.
#[derive(Debug, Clone, Copy)]
pub struct LastBuild<'a> {
    /// The manifest of the baseline.
    pub manifest: Option<&'a Manifest<'a>>,
    /// The nodes of its record; empty for a baseline without a record.
    pub nodes: &'a BTreeMap<String, NodeRecord>,
}

/// The project as it is now.
#[derive(Debug, Clone, Copy)]
pub struct CurrentProject<'a> {
    /// The manifest that dbt has just written.
    pub manifest: &'a Manifest<'a>,
    /// The nodes that dbt can build or test.
    pub graph: &'a Graph,
    /// The fingerprints of the values that they read.
    pub inputs: &'a Inputs,
}

/// Which nodes count as not built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Those that differ from the baseline.
    Changes,
    /// All nodes of these resource types as well, as in a full run.
    Everything(BTreeSet<String>),
}

/// The nodes that were never built or differ from what was last built, with all reasons.
#[must_use]
pub fn needs(before: LastBuild<'_>, now: CurrentProject<'_>) -> Needs {
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

/// The nodes that read other values than when they were last built.
fn values_changed(before: LastBuild<'_>, now: CurrentProject<'_>) -> Needs {
    let empty = BTreeMap::new();
    let recorded = before.nodes.iter().filter(|(_, record)| record.pending.is_none());
    let differing = recorded.filter(|(id, _)| now.graph.contains_key(*id)).map(|(id, record)| {
        let values = now.inputs.get(id).unwrap_or(&empty);
        (id.clone(), compare::differing(&record.inputs, values))
    });
    differing.filter(|(_, reasons)| !reasons.is_empty()).into_tree()
}

/// Those of the nodes `pending` whose change was reverted: they are again as they were last built.
fn reverted<'a>(
    pending: impl Iterator<Item = (&'a String, &'a NodeRecord)>,
    now: CurrentProject<'_>,
) -> BTreeSet<&'a str> {
    let built: BTreeMap<&str, &str> =
        pending.filter_map(|(id, record)| Some((&**id, record.built.as_deref()?))).into_tree();
    let ids: Vec<&str> = built.keys().copied().collect();
    let current = fingerprints(now.manifest, now.inputs, &ids);
    let is_as_built =
        |(id, built): &(&str, &str)| current.get(*id).is_some_and(|current| current == built);
    built.into_iter().filter(is_as_built).map(|(id, _)| id).into_tree()
}

/// For each of these nodes: the digest of everything from which it would be built now.
#[must_use]
pub fn fingerprints(
    manifest: &Manifest<'_>,
    inputs: &Inputs,
    ids: &[&str],
) -> BTreeMap<String, String> {
    let empty = BTreeMap::new();
    let digest = |(id, compared): (String, String)| {
        let digest = next::fingerprint(&compared, inputs.get(&id).unwrap_or(&empty));
        (id, digest)
    };
    compare::fingerprints(manifest, ids).into_iter().map(digest).into_tree()
}

/// For each of these nodes that the baseline has: the digest of what it was built from, by which a
/// later revert is recognized. A node without a record is assumed to have been built with the
/// current values.
#[must_use]
pub fn last_built_digests(
    before: LastBuild<'_>,
    inputs: &Inputs,
    ids: &[&str],
) -> BTreeMap<String, String> {
    let Some(manifest) = before.manifest else { return BTreeMap::new() };
    let empty = BTreeMap::new();
    let digest = |(id, compared): (String, String)| {
        let recorded = before.nodes.get(&id).map(|record| &record.inputs);
        let values = recorded.filter(|values| !values.is_empty()).or_else(|| inputs.get(&id));
        let digest = next::fingerprint(&compared, values.unwrap_or(&empty));
        (id, digest)
    };
    compare::fingerprints(manifest, ids).into_iter().map(digest).into_tree()
}

/// What changed in a node itself since it was last built, for messages. Any change counts, also one
/// that is pending since an earlier run, but for another name of its relation, which changes no row.
/// `None` if the node did not change or is new.
fn own_change(reasons: &[Reason], before: Option<&NodeRecord>) -> Option<String> {
    if let Some(outdated) = before.and_then(|node| node.outdated.clone()) {
        return (!reasons.is_empty()).then_some(outdated);
    }
    let waited = before.is_some_and(|node| node.pending.is_some() && node.built.is_some());
    let counts = |reason: &&Reason| {
        !matches!(reason, Reason::New | Reason::Relation)
            && (waited || !matches!(reason, Reason::Pending(_)))
    };
    let words: Vec<String> = reasons.iter().filter(counts).map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// What changed in each node or upstream of it, for messages, and the nodes that are refreshed.
///
/// A change reaches the nodes downstream through those that are built (`is_built`). `refreshes` says
/// whether a node that is built, with that change if there is one, is refreshed; that gives it other
/// rows, which is a change for its readers.
pub fn changes<'g>(
    graph: &'g Graph,
    needs: &Needs,
    records: &BTreeMap<String, NodeRecord>,
    is_built: impl Fn(&str) -> bool,
    refreshes: impl Fn(&str, Option<&str>) -> bool,
) -> (BTreeMap<&'g str, String>, BTreeSet<&'g str>) {
    let (mut changes, mut refreshed) = (BTreeMap::new(), BTreeSet::new());
    for id in graph.in_order(&graph.keys().map(String::as_str).into_tree()) {
        let reasons = needs.get(id).map_or(&[][..], Vec::as_slice);
        let reaches = |parent: &&str| {
            is_built(parent) && (changes.contains_key(parent) || refreshed.contains(parent))
        };
        let change = own_change(reasons, records.get(id))
            .or_else(|| Some(format!("downstream of {}", graph.parents(id).find(reaches)?)));
        if is_built(id) && refreshes(id, change.as_deref()) {
            refreshed.insert(id);
        }
        changes.extend(change.map(|change| (id, change)));
    }
    (changes, refreshed)
}
