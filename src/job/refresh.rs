//! Passes ahead of the rest: nodes that are built with `--full-refresh`, while dbt's flag is for
//! a whole command line.
//!
//! They are changed nodes of the materializations that `--refresh-changed` names, and those
//! whose first build was cut short. A materialized view that was killed between its CREATE and its backfill is there, without
//! rows; the next plain build finds it there and calls that a success.

use super::Job;
use super::comparison::Comparison;
use crate::dbt::command::Flag;
use crate::dbt::manifest::Manifest;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::needs::{self, Scope};
use crate::decide::passes::{self, Pass};
use crate::decide::start::Approach;
use crate::exit::Failure;
use crate::report;
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Materializations that every build replaces as a whole.
const REPLACED: [&str; 5] = ["table", "view", "seed", "ephemeral", "test"];

impl Job<'_> {
    /// The passes ahead, where there are such nodes, up to the first that fails: dbt's code.
    pub(super) fn refresh_first(
        &mut self,
        now: &Comparison<'_>,
        wanted: &BTreeSet<String>,
        approach: &Approach,
    ) -> Result<Option<u8>, Failure> {
        let mut refreshed = self.refreshed(now);
        refreshed.retain(|id| wanted.contains(id));
        if refreshed.is_empty() {
            return Ok(None);
        }
        let Comparison { manifest, graph, .. } = now;
        let mut chosen = match self.chosen(graph, approach, wanted)? {
            Ok(chosen) => chosen,
            Err(code) => return Ok(Some(code)),
        };
        chosen.retain(|id| self.can_build(graph, id));
        let half_made = self.half_made(manifest);
        for pass in passes::ahead(graph, &chosen, &refreshed) {
            report::ahead(&pass, graph, &half_made);
            let code = self.ahead(manifest, &pass)?;
            if code != 0 {
                return Ok(Some(code));
            }
        }
        Ok(Some(0))
    }

    fn ahead(&mut self, manifest: &Manifest<'_>, pass: &Pass) -> Result<u8, Failure> {
        let terms: Vec<OsString> =
            manifest.selection_terms(&pass.nodes).into_iter().map(Into::into).collect();
        let words = self.command.naming(&terms);
        let alone: &[&str] = match pass.refresh {
            true => &["--full-refresh", "--indirect-selection", "empty"],
            false => &["--indirect-selection", "empty"],
        };
        let alone: Vec<OsString> = alone.iter().map(OsString::from).collect();
        let words = self.command.with_in(&words, &alone);
        self.pass(words, &Scope::Changes, pass.refresh)
    }

    /// The nodes that are built with `--full-refresh` while the rest is not, whether or not
    /// this run builds them.
    pub(super) fn refreshed(&self, now: &Comparison<'_>) -> BTreeSet<String> {
        if self.refreshes() {
            return BTreeSet::new();
        }
        let Comparison { manifest, needs, .. } = now;
        let mut refreshed = self.half_made(manifest);
        // `--empty` and samples would leave next to nothing of what was there.
        if self.command.unreal().is_none() {
            let kinds = &self.config.refresh_changed;
            refreshed.extend(needs::to_refresh(manifest, needs, &self.baseline.nodes, kinds));
        }
        refreshed
    }

    /// Whether the user's own command line refreshes.
    pub(super) fn refreshes(&self) -> bool {
        self.command.flag(Flag::FullRefresh) == Some(true)
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
