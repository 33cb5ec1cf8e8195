//! The baseline as it stands on the volume: what was last built, node by node.

use crate::dbt::manifest::Manifest;
use crate::dbt::profile::Identity;
use crate::decide::record::{FORMAT, NodeRecord, Record, Settled};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was last built. A node that still has to be built is absent from the manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Baseline {
    /// The text of `manifest.json`; none before the first population, and where nobody has read
    /// it yet although [`Baseline::digest`] names it.
    pub manifest: Option<Arc<String>>,
    /// SHA-256 of that text in hexadecimal, where it stands on the volume.
    pub digest: Option<String>,
    /// The nodes of its record; empty for a manifest that we did not write.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// The salt of every fingerprint in the record.
    pub salt: String,
    /// The inputs of the last complete run.
    pub settled: Option<Settled>,
    /// Whether the manifest came with a record.
    pub is_recorded: bool,
}

impl Baseline {
    /// The baseline of a volume that holds nothing.
    #[must_use]
    pub fn none(salt: String) -> Self {
        Self { salt, ..Self::default() }
    }

    /// What a volume holds; `salt` is used where no record brings one.
    #[must_use]
    pub fn from_parts(
        manifest: Option<String>,
        digest: Option<String>,
        record: Option<Record>,
        salt: String,
    ) -> Self {
        let manifest = manifest.map(Arc::new);
        match record {
            Some(Record { nodes, salt, settled, .. }) => {
                Self { manifest, digest, nodes, salt, settled, is_recorded: true }
            }
            None => Self { manifest, digest, ..Self::none(salt) },
        }
    }

    /// Whether there is a baseline at all.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.manifest.is_some() || self.digest.is_some()
    }

    /// The record that belongs to it; `now` is in seconds since the epoch (UTC).
    #[must_use]
    pub fn record(&self, identity: &Identity, now: u64) -> Record {
        Record {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").into(),
            written_at: now,
            identity: identity.clone(),
            salt: self.salt.clone(),
            nodes: self.nodes.clone(),
            settled: self.settled.clone(),
        }
    }

    /// The nodes whose first build was cut short and that a plain build would append to.
    #[must_use]
    pub fn half_made(&self, manifest: &Manifest<'_>) -> BTreeSet<String> {
        let half = self.nodes.iter().filter(|(id, node)| node.half_made && manifest.appends(id));
        half.map(|(id, _)| id.clone()).into_tree()
    }
}

/// What a manifest without a record says about where it was built: project and adapter.
#[must_use]
pub fn identity_in(manifest: &Manifest<'_>) -> Identity {
    Identity {
        project: manifest.project_name().map(str::to_owned),
        adapter: manifest.adapter_type().map(str::to_owned),
        ..Identity::default()
    }
}

/// The record of a manifest that came without one.
#[must_use]
pub fn record_of_unrecorded(manifest: &Manifest<'_>, salt: String, now: u64) -> Record {
    Baseline::none(salt).record(&identity_in(manifest), now)
}
