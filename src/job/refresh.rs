//! Nodes whose first build was cut short are built again with `--full-refresh`, they alone.
//!
//! A materialized view that was killed between its CREATE and its backfill is there, without
//! rows; the next plain build finds it there and calls that a success.

use super::Job;
use crate::cli::Switch;
use crate::dbt::command::Flag;
use crate::dbt::manifest::Manifest;
use crate::decide::baseline::{Fate, Outcome};
use crate::decide::needs::Scope;
use crate::exit::Failure;
use crate::report;
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Materializations that every build replaces as a whole.
const REPLACED: [&str; 5] = ["table", "view", "seed", "ephemeral", "test"];

impl Job<'_> {
    /// The pass of their own, where there are such nodes: dbt's code.
    pub(super) fn refresh_half_made(
        &mut self,
        manifest: &Manifest<'_>,
        wanted: &BTreeSet<String>,
    ) -> Result<Option<u8>, Failure> {
        let half_made = self.half_made(manifest);
        let ids: BTreeSet<String> = wanted.intersection(&half_made).cloned().into_tree();
        if ids.is_empty() || self.refreshes() == Switch::On {
            return Ok(None);
        }
        report::half_made(&ids);
        let terms: Vec<OsString> =
            manifest.selection_terms(&ids).into_iter().map(Into::into).collect();
        let words = self.command.selecting(&terms, None);
        let alone = ["--full-refresh", "--indirect-selection", "empty"].map(OsString::from);
        let words = self.command.with_in(&words, &alone);
        self.pass(words, &Scope::Changes, Switch::On).map(Some)
    }

    /// Whether the user's own command line refreshes.
    pub(super) fn refreshes(&self) -> Switch {
        match self.command.flag(Flag::FullRefresh) {
            Some(true) => Switch::On,
            _ => Switch::Off,
        }
    }

    /// A plain build over what is half made is no build, where it would append to it.
    pub(super) fn distrust(&self, manifest: &Manifest<'_>, outcome: &mut Outcome) {
        for id in self.half_made(manifest) {
            if let Some(fate @ Fate::Built(_)) = outcome.get_mut(&id) {
                *fate = Fate::CutShort;
            }
        }
    }

    pub(super) fn half_made(&self, manifest: &Manifest<'_>) -> BTreeSet<String> {
        let recorded = self.baseline.nodes.iter().filter(|(_, record)| record.half_made);
        recorded.map(|(id, _)| id.clone()).filter(|id| appends(manifest, id)).into_tree()
    }

    /// Nodes that had been built before and were cut short while they were built again: what
    /// they hold now only their operator can judge.
    pub(super) fn tell_torn(&self, manifest: &Manifest<'_>, outcome: &Outcome) {
        let half_made = self.half_made(manifest);
        let cut = outcome.iter().filter(|(_, fate)| **fate == Fate::CutShort).map(|(id, _)| id);
        for id in cut.filter(|id| appends(manifest, id) && !half_made.contains(*id)) {
            let alone = std::iter::once(id.clone()).into_tree();
            report::may_be_torn(id, &manifest.selection_terms(&alone).concat());
        }
    }
}

/// Whether a build leaves rows of an earlier one in place.
fn appends(manifest: &Manifest<'_>, id: &str) -> bool {
    let materialized = manifest.materialized(id);
    materialized.is_some_and(|materialized| !REPLACED.contains(&&*materialized))
}
