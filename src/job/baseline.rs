//! What was last built, as it stands on the volume.

use super::Job;
use crate::dbt::manifest::Manifest;
use crate::dbt::profile::Identity;
use crate::decide::plan::Found;
use crate::decide::record::{NodeRecord, Record, Settled};
use crate::exit::Failure;
use crate::os::random;
use std::collections::BTreeMap;

pub(super) struct Baseline {
    /// The text of `manifest.json`; none before the first population, and where it was not read.
    pub(super) manifest: Option<String>,
    /// Its digest, where it stands on the volume.
    pub(super) digest: Option<String>,
    /// Its record's nodes; empty for a manifest that we did not write.
    pub(super) nodes: BTreeMap<String, NodeRecord>,
    /// The salt of the fingerprints.
    pub(super) salt: String,
    /// The inputs of the last complete run.
    pub(super) settled: Option<Settled>,
    /// Whether a record came with the manifest.
    pub(super) recorded: bool,
}

impl Baseline {
    pub(super) fn none() -> Result<Self, Failure> {
        Self::of(None, None, None)
    }

    pub(super) fn of(
        manifest: Option<String>,
        digest: Option<String>,
        record: Option<Record>,
    ) -> Result<Self, Failure> {
        let recorded = record.is_some();
        let (nodes, salt, settled) = match record {
            Some(Record { nodes, salt, settled, .. }) => (nodes, salt, settled),
            None => (BTreeMap::new(), random::salt().map_err(Failure::internal)?, None),
        };
        Ok(Self { manifest, digest, nodes, salt, settled, recorded })
    }
}

impl Job<'_> {
    /// The text of the baseline, which a run that is spared does not need.
    pub(super) fn read_baseline(&mut self) -> Result<(), Failure> {
        if let (None, Some(digest)) = (&self.baseline.manifest, &self.baseline.digest) {
            let text = self.store().manifest(digest).map_err(Failure::refused)?;
            self.baseline.manifest = Some(text);
        }
        Ok(())
    }

    /// A baseline without a record still says which project and adapter it was made for.
    pub(super) fn found(&self) -> Found {
        let said = |text: &String| {
            let manifest = Manifest::read(text).ok()?;
            Some(Identity {
                project: manifest.project_name().map(str::to_owned),
                adapter: manifest.adapter_type().map(str::to_owned),
                ..Identity::default()
            })
        };
        if self.found == Found::Baseline(None) {
            Found::Baseline(self.baseline.manifest.as_ref().and_then(said))
        } else {
            self.found.clone()
        }
    }
}
