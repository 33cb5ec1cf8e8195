//! The record of a baseline: what this program knows about a manifest beyond its content.
//!
//! It is a file beside the manifest, named by the digest of the manifest. A manifest without a record
//! is a valid baseline about which less is known.

use crate::dbt::profile::Identity;
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
    /// The inputs with which commands had nothing left to build, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// The commands that had nothing left to build, and the inputs with which that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The salted digests of everything that dbt reads, by kind (`files`, `environment`…).
    pub inputs: BTreeMap<String, String>,
    /// By the salted digest of a command line: the pending nodes that its selection leaves out.
    pub commands: BTreeMap<String, BTreeSet<String>>,
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
    /// Whether its first build was cut short and it has not been built with `--full-refresh` since.
    /// A build without that option could append to the partial relation and report success.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half_made: bool,
    /// What changed since its older rows were written, if a build appends to them. They stay as
    /// earlier code wrote them until the node is built with `--full-refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altered: Option<String>,
    /// What changed, if the node is still to be built and that build will keep rows of earlier code.
    /// Kept here so that a later failure does not replace the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated: Option<String>,
}

/// The nodes that still have to be built, with the reason. Tests are left out.
#[must_use]
pub fn pending(nodes: &BTreeMap<String, NodeRecord>) -> BTreeMap<String, String> {
    let waiting = nodes.iter().filter(|(id, _)| !is_test_id(id));
    waiting.filter_map(|(id, node)| Some((id.clone(), node.pending.clone()?))).into_tree()
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
