//! What we know about the manifest with a given digest, beyond what dbt wrote into it.
//!
//! A manifest without a record is a valid baseline of which we merely know less.

use crate::dbt::profile::Identity;
use crate::graph::is_test_id;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format that this version writes; a larger number on the volume is refused by name.
pub const FORMAT: u32 = 1;

/// `.dbt-entrypoint/records/<sha256 of the manifest>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// See [`FORMAT`].
    pub format: u32,
    /// Our own version, for messages.
    pub tool: String,
    /// Seconds since the epoch (UTC) of the commit.
    pub written_at: u64,
    /// The project, adapter and warehouse location the baseline speaks of.
    pub identity: Identity,
    /// Random hexadecimal salt of every fingerprint in this record.
    pub salt: String,
    /// By `unique_id`, also for nodes that are absent from the manifest.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// The inputs of the last complete run; none where nothing vouches for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// With which inputs which commands had nothing left to build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Salted digests of everything that dbt reads, by kind (`files`, `environment`…).
    pub inputs: BTreeMap<String, String>,
    /// By the salted digest of a command line: the pending nodes that it leaves out on purpose.
    pub commands: BTreeMap<String, BTreeSet<String>>,
}

/// What we know of one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// `env_var:NAME` and `var:NAME` that the node read, each with its salted fingerprint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// Wall seconds of its last successful build (`execution_time` in `run_results.json`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Digest of everything that was compared when it was last built; set for nodes that are
    /// absent from the manifest only because they changed, so that a revert is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<String>,
    /// Why it is absent from the manifest, for people: `failed in the last run`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// Its first build was cut short, and since then it was not built with `--full-refresh`:
    /// a plain build could call what is half made a success.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half_made: bool,
    /// What changed since its rows were made, where a build appends to them: its history is
    /// that of former code until it is built with `--full-refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altered: Option<String>,
    /// What changed, where it waits to be built and a plain build will leave its rows to former
    /// code: whatever else befalls it meanwhile, this is not forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated: Option<String>,
}

/// What waits to be built and why, tests left out.
#[must_use]
pub fn pending(nodes: &BTreeMap<String, NodeRecord>) -> BTreeMap<String, String> {
    let waiting = nodes.iter().filter(|(id, _)| !is_test_id(id));
    waiting.filter_map(|(id, node)| Some((id.clone(), node.pending.clone()?))).into_tree()
}

/// What was built for new rows only, and why that is not the whole of it.
#[must_use]
pub fn altered(nodes: &BTreeMap<String, NodeRecord>) -> BTreeMap<String, String> {
    let words = |why: &String| format!("altered, history not rebuilt ({why})");
    nodes
        .iter()
        .filter_map(|(id, node)| Some((id.clone(), node.altered.as_ref().map(words)?)))
        .into_tree()
}
