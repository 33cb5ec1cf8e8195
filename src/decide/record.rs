//! The record of a baseline: what this program knows about a manifest beyond its content.
//!
//! It is a file beside the manifest, named by the digest of the manifest. A manifest without a record
//! is a valid baseline about which less is known.

use crate::dbt::profile::Identity;
use crate::decide::origin::Origin;
use crate::graph::is_test_id;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format that this version writes. It reads older formats and refuses newer ones.
pub const FORMAT: u32 = 1;

/// The content of `.dbt-entrypoint/records/<sha256 of the manifest>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// The version of that program, for messages.
    pub tool: String,
    /// When it was written, in seconds since the epoch (UTC).
    pub written_at: u64,
    /// The project and the place in the warehouse for which the baseline is valid.
    pub identity: Identity,
    /// The random salt of all fingerprints in this record, in hexadecimal.
    pub salt: String,
    /// By `unique_id`; nodes that are absent from the manifest are included.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// The relations that stay in the warehouse although no node of the project is built into them
    /// any more: of nodes that were removed, and of nodes that moved. By their full names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<String, LeftRelation>,
    /// The orphans that were dropped or found gone, and since when. What an earlier baseline says of them
    /// does not count any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, LeftRelation>,
    /// The inputs with which commands had nothing left to build, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// Whether the first population of the volume is not complete yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub populating: bool,
    /// When the warehouse was last asked for everything that the baseline claims, in seconds since the
    /// epoch (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<u64>,
    /// How the baseline came about. `None` from older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The commands that had nothing left to build, and the inputs with which that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The salted digests of everything that dbt reads, by kind (`files`, `environment`…).
    pub inputs: BTreeMap<String, String>,
    /// By the salted digest of a command line: the pending nodes that its selection leaves out.
    pub commands: BTreeMap<String, BTreeSet<String>>,
}

/// What is known about a relation that no node is built into any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftRelation {
    /// The `unique_id` of the node that was built into it last.
    pub node: String,
    /// As [`NodeRecord::half_made`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half_made: bool,
    /// As [`NodeRecord::built_at`]. Without it, it is not known that this program built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<u64>,
    /// The materialization of that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub materialized: Option<String>,
    /// When the node was found to be built elsewhere or gone, in seconds since the epoch (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// What is known about one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The values that the node read, as `env_var:NAME` and `var:NAME` with salted fingerprints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// How long its last successful build took, in wall-clock seconds (`execution_time` in
    /// `run_results.json`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// When its last successful build was recorded, in seconds since the epoch (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<u64>,
    /// The salted digest of the code that it was last built from (`compiled_code` in
    /// `run_results.json`), if dbt reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The digest of everything that is compared, as it was when the node was last built. It is set
    /// only for nodes that are absent from the manifest because they changed. If the change is
    /// reverted, the digests agree, and the node does not have to be built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<String>,
    /// Why the node is absent from the manifest, for messages: `failed in the last run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// The full name of the relation that it was last built into, or that an incomplete build worked
    /// on. It is set only for nodes that are absent from the manifest, which has it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// The materialization that this relation is known to be of. Set as [`NodeRecord::relation`] is, and
    /// for ephemeral models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub materialized: Option<String>,
    /// Whether it is known to have no relation: it has never been built, or its relation was
    /// overwritten or dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unbuilt: bool,
    /// Whether the build that made its relation did not succeed as a whole, and it has not been built
    /// with `--full-refresh` since. A build without that option could append to the partial relation
    /// and report success.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half_made: bool,
    /// What changed since its older rows were written, if a build appends to them. They stay as
    /// earlier code wrote them until the node is built with `--full-refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altered: Option<String>,
    /// What changed in the node or upstream of it since it was last built, if it is still to be built.
    /// Rows that its build keeps, or that the build of a reader keeps, will then be those of earlier
    /// code. Kept here so that a later failure does not replace the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated: Option<String>,
}

/// The nodes that still have to be built, with the reason. Tests are left out.
#[must_use]
pub fn pending(nodes: &BTreeMap<String, NodeRecord>) -> BTreeMap<String, String> {
    let waiting = nodes.iter().filter(|(id, _)| !is_test_id(id));
    waiting.filter_map(|(id, node)| Some((id.clone(), node.pending.clone()?))).into_tree()
}

/// How long the last build of each node took, as far as that is known.
#[must_use]
pub fn seconds(nodes: &BTreeMap<String, NodeRecord>) -> BTreeMap<String, f64> {
    nodes.iter().filter_map(|(id, node)| Some((id.clone(), node.seconds?))).into_tree()
}

/// The nodes that keep rows of earlier code, with what changed, for messages.
#[must_use]
pub fn altered(nodes: &BTreeMap<String, NodeRecord>) -> BTreeMap<String, String> {
    let words = |why: &String| format!("altered, history not rebuilt ({why})");
    nodes
        .iter()
        .filter_map(|(id, node)| Some((id.clone(), node.altered.as_ref().map(words)?)))
        .into_tree()
}
