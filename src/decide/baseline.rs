//! The baseline: what was last built, node by node.

use crate::dbt::manifest::Manifest;
use crate::dbt::profile::Identity;
use crate::decide::origin::Origin;
use crate::decide::record::{FORMAT, LeftRelation, NodeRecord, Record, Settled};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was last built, as far as this start has read it from the volume and changed it since.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Baseline {
    /// The text of `manifest.json`. A node that still has to be built is absent from it. `None`
    /// before the first population, and if the text has not been read yet; then
    /// [`Baseline::digest`] identifies it.
    pub manifest: Option<Arc<String>>,
    /// The SHA-256 of that text in hexadecimal, if the volume holds it.
    pub digest: Option<String>,
    /// The nodes of the record; empty for a manifest without a record, which this program did not
    /// write.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// The relations that no node is built into any more.
    pub left: BTreeMap<String, LeftRelation>,
    /// [`Record::dropped`].
    pub dropped: BTreeMap<String, LeftRelation>,
    /// The salt of all fingerprints in the record, in hexadecimal.
    pub salt: String,
    /// The inputs with which commands had nothing left to build, if they are known.
    pub settled: Option<Settled>,
    /// Whether the manifest has a record.
    pub is_recorded: bool,
    /// Whether the first population of the volume is not complete yet.
    pub is_populating: bool,
    /// [`Record::verified_at`].
    pub verified_at: Option<u64>,
    /// [`Record::origin`].
    pub origin: Option<Origin>,
}

impl Baseline {
    /// The baseline of an empty volume.
    #[must_use]
    pub fn none(salt: String) -> Self {
        Self { salt, ..Self::default() }
    }

    /// The baseline of a volume that holds these parts. `salt` is used if there is no record, which
    /// would have one.
    #[must_use]
    pub fn from_parts(
        manifest: Option<String>,
        digest: Option<String>,
        record: Option<Record>,
        salt: String,
    ) -> Self {
        let manifest = manifest.map(Arc::new);
        match record {
            Some(Record {
                nodes,
                left,
                dropped,
                salt,
                settled,
                populating: is_populating,
                verified_at,
                origin,
                ..
            }) => Self {
                manifest,
                digest,
                nodes,
                left,
                dropped,
                salt,
                settled,
                is_recorded: true,
                is_populating,
                verified_at,
                origin,
            },
            None => Self { manifest, digest, ..Self::none(salt) },
        }
    }

    /// Whether there is a manifest.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.manifest.is_some() || self.digest.is_some()
    }

    /// The record of this baseline. `now` is in seconds since the epoch (UTC).
    #[must_use]
    pub fn record(&self, identity: &Identity, now: u64) -> Record {
        Record {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").into(),
            written_at: now,
            identity: identity.sealed(&self.salt),
            salt: self.salt.clone(),
            nodes: self.nodes.clone(),
            left: self.left.clone(),
            dropped: self.dropped.clone(),
            settled: self.settled.clone(),
            populating: self.is_populating,
            verified_at: self.verified_at,
            origin: self.origin.clone(),
        }
    }
}

/// The identity that a manifest itself contains: the project and the adapter.
#[must_use]
pub fn identity_in(manifest: &Manifest<'_>) -> Identity {
    Identity {
        project: manifest.project_name().map(str::to_owned),
        adapter: manifest.adapter_type().map(str::to_owned),
        ..Identity::default()
    }
}

/// A record for a manifest that has none. `now` is in seconds since the epoch (UTC).
#[must_use]
pub fn record_of_unrecorded(manifest: &Manifest<'_>, salt: String, now: u64) -> Record {
    Baseline::none(salt).record(&identity_in(manifest), now)
}
