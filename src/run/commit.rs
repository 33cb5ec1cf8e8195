//! From what a run did to the next baseline on the volume.

use super::open::{Access, Opened};
use super::stage::Stage;
use super::unchanged::Confirmed;
use crate::count::counted;
use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::dbt::results::{Failures, Fate, Outcome};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::event::RunEvent;
use crate::decide::needs::Scope;
use crate::decide::next::Next;
use crate::decide::origin::Origin;
use crate::decide::orphans::left_behind;
use crate::decide::record::{self, NodeRecord};
use crate::decide::relations::Relations;
use crate::decide::settle::Completion;
use crate::decide::start::Found;
use crate::decide::summary::Summary;
use crate::decide::warehouse::SeenAfter;
use crate::exit::Failure;
use crate::graph::{Graph, Role};
use crate::os::clock;
use crate::say;
use crate::store::{Commit, Reservation};
use crate::trees::IntoTree;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

/// Bytes to reserve where nothing tells the size of the next manifest.
const FIRST_MANIFEST: u64 = 24 << 20;

/// Room for the next baseline's manifest, in bytes, where dbt's is of so many. It can be larger by
/// the nodes that left the project and come back, or wait in their old form.
pub(super) fn room_for(manifest: usize) -> u64 {
    let bytes = u64::try_from(manifest).unwrap_or(u64::MAX / 4);
    bytes + bytes / 16
}

/// What a run of dbt was and what it did.
pub(super) struct Ran<'m, 'b> {
    /// The project that it built, compared with the baseline before it.
    pub(super) now: Comparison<'m, 'b>,
    /// What it did to each node.
    pub(super) outcome: Outcome,
    /// What dbt said of the nodes that failed.
    pub(super) failures: Failures,
    /// What stands for the code that it built nodes from.
    pub(super) codes: BTreeMap<String, String>,
    /// What counts as not built.
    pub(super) scope: Scope,
    /// Whether it ran with `--full-refresh`.
    pub(super) refresh: bool,
    /// How the command ended, as far as it may be answered without dbt the next time.
    pub(super) ending: Completion,
    /// The inputs, if nothing moved while dbt read them.
    pub(super) confirmed: Confirmed,
    /// What made it, without what it built.
    pub(super) origin: Origin,
    /// What the warehouse said afterwards, if it was asked.
    pub(super) asked: Option<SeenAfter>,
}

impl<'m, 'b> Ran<'m, 'b> {
    /// A run that built nothing.
    pub(super) fn of_nothing(
        now: Comparison<'m, 'b>,
        ending: Completion,
        confirmed: Confirmed,
        origin: Origin,
    ) -> Self {
        let (outcome, scope, refresh) = (Outcome::new(), Scope::Changes, false);
        let (failures, codes, asked) = (Failures::default(), BTreeMap::new(), None);
        Self { now, outcome, failures, codes, scope, refresh, ending, confirmed, origin, asked }
    }
}

impl Ran<'_, '_> {
    /// The baseline that follows, if the warehouse has said this.
    pub(super) fn next(&self, baseline: &Baseline, asked: Option<&SeenAfter>) -> Next {
        let Self { now, outcome, codes, scope, refresh, .. } = self;
        Next::of(now, baseline, outcome, codes, scope, *refresh, asked)
    }
}

impl Opened<'_> {
    /// Room for the next baseline; none where it will not be written. Its manifest has so many
    /// `bytes`; where that is not known yet, it is taken to be as large as the present one.
    ///
    /// # Errors
    /// 73 where there is no room, or the volume cannot be written.
    pub(super) fn reserve(&self, bytes: Option<usize>) -> Result<Option<Reservation>, Failure> {
        let present = || self.baseline.manifest.as_ref().map(|text| text.len());
        let room = bytes.or_else(present).map_or_else(|| self.first_room(), room_for);
        self.access.held().map(|state| state.reserve(room)).transpose()
    }

    /// The same in bytes for a first population, by what dbt left in the target path.
    fn first_room(&self) -> u64 {
        let parsed = self.session.project.target_path.join("manifest.json").metadata();
        parsed.map_or(FIRST_MANIFEST, |metadata| metadata.len().max(FIRST_MANIFEST))
    }

    /// Commit the baseline that follows from a run, and go on from it.
    ///
    /// # Errors
    /// 74 where it cannot be saved. The old baseline then stands.
    pub(super) fn commit(
        &mut self,
        reservation: Option<Reservation>,
        ran: Ran<'_, '_>,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let stage = Stage::begin("commit");
        let mut next = ran.next(&self.baseline, ran.asked.as_ref());
        let Ran { now, outcome, failures, refresh, ending, confirmed, origin, .. } = ran;
        next.date(&outcome, clock::now());
        let is_as_it_was = self.is_as_it_was(&now, &next);
        // What is adopted was compared with itself.
        let is_change = origin.is_adoption()
            || now.claims_otherwise(|id| next.absent.contains_key(id))
            || record::altered(&self.baseline.nodes) != record::altered(&next.nodes);
        let origin = is_change.then(|| origin.with_built(&outcome));
        let torn = now.torn(&self.baseline, &outcome, refresh);
        let torn = torn.into_iter().map(str::to_owned).into_tree();
        if self.access.held().is_some() {
            say::removed(&Relations::of(&now, &self.baseline));
            now.completed(&self.baseline, &outcome).for_each(|id| say::completed(id));
        }
        let Comparison { manifest, graph, before, .. } = now;
        drop(before);
        let reloaded = match refresh {
            true => BTreeSet::new(),
            false => failed_seeds(&graph, &self.baseline, &outcome),
        };
        let is_first = self.found == Found::Empty && !self.baseline.exists();
        let is_left = next.absent.keys().any(|id| !graph.is_test(id));
        self.baseline.is_populating = (is_first || self.baseline.is_populating) && is_left;
        self.baseline.nodes = next.nodes;
        self.baseline.left = next.left;
        self.settle(&confirmed, &ending);
        match is_as_it_was {
            true => self.write_record(),
            false => {
                let absent = next.absent.keys().cloned().into_tree();
                self.save(reservation, &manifest, absent, origin)?;
            }
        }
        if self.access.held().is_some() {
            say::baseline_saved(&graph, &outcome, &next.absent);
            say_torn(&manifest, torn);
            reloaded.iter().for_each(|id| say::seed_not_reloaded(id));
            say::event(&RunEvent::of_commit(&graph, &outcome, next.absent.keys()));
        }
        stage.done(format!("{} absent", counted(next.absent.len(), "nodes")));
        summary.add(&graph, &outcome, failures, &next.absent);
        summary.altered = record::altered(&self.baseline.nodes);
        summary.orphans = left_behind(&self.baseline.left);
        Ok(())
    }

    /// Whether the next baseline has the same nodes as this one, with the same records. How long a
    /// build took is not compared.
    fn is_as_it_was(&self, now: &Comparison<'_, '_>, next: &Next) -> bool {
        let Some(before) = now.before.as_ref().filter(|_| self.baseline.is_recorded) else {
            return false;
        };
        let is_kept = |id: &String| before.node(id).is_some() != next.absent.contains_key(id);
        let timeless = |nodes: &BTreeMap<String, NodeRecord>| -> Vec<(String, NodeRecord)> {
            let timeless =
                |node: &NodeRecord| NodeRecord { seconds: None, built_at: None, ..node.clone() };
            nodes.iter().map(|(id, node)| (id.clone(), timeless(node))).collect()
        };
        is_by_the_same_dbt(now)
            && now.settled.is_empty()
            && now.needs.keys().all(|id| next.absent.contains_key(id))
            && now.graph.keys().all(is_kept)
            && before.names().all(|(id, _)| now.graph.contains_key(id))
            && timeless(&self.baseline.nodes) == timeless(&next.nodes)
    }

    /// Replace the record of a baseline that stays. If that fails, nothing is lost: the next start looks
    /// as this one did.
    pub(super) fn write_record(&self) {
        if let Err(error) = self.put_record() {
            say::will_start_again(&error);
        }
    }

    /// The same where something would be lost.
    ///
    /// # Errors
    /// With what to do; the old record is then still there.
    pub(super) fn put_record(&self) -> Result<()> {
        let (Some(state), Some(digest)) = (self.access.held(), &self.baseline.digest) else {
            return Ok(());
        };
        state.write_record(digest, &self.baseline.record(self.identity(), clock::now()))
    }

    /// Make this manifest less some nodes the baseline, with the record as we hold it. `origin` is what
    /// made it, where it says something else of the warehouse than the present one.
    pub(super) fn save(
        &mut self,
        reservation: Option<Reservation>,
        manifest: &Manifest<'_>,
        absent: BTreeSet<String>,
        origin: Option<Origin>,
    ) -> Result<(), Failure> {
        let is_change = origin.is_some();
        self.baseline.origin = origin.or_else(|| self.baseline.origin.take());
        let record = self.baseline.record(self.identity(), clock::now());
        let replaces = self.baseline.digest.take();
        let mut write = |out: &mut dyn Write| manifest.write_without(&absent, out);
        match (self.access, reservation) {
            (Access::Held(state, _), Some(reservation)) => {
                let commit = Commit {
                    manifest: &mut write,
                    record: &record,
                    retention: self.session.config.history,
                    replaces: replaces.as_deref(),
                    is_change,
                    owes_publish: self.session.config.publish.is_some(),
                };
                let saved = state.commit(reservation, commit)?;
                self.baseline.digest = Some(saved.digest);
                self.baseline.manifest = Some(Arc::new(saved.text));
            }
            _ => {
                let mut bytes = Vec::new();
                let written = write(&mut bytes).map_err(anyhow::Error::from);
                let text = written.and_then(|()| Ok(String::from_utf8(bytes)?));
                self.baseline.manifest = Some(Arc::new(text.map_err(Failure::not_saved)?));
            }
        }
        self.baseline.is_recorded = true;
        Ok(())
    }

    /// Nothing was built. The baseline stays, and its record learns that this command found nothing.
    /// A baseline of another dbt version, or without a record, is replaced by the same nodes as dbt
    /// writes them now, so that later comparisons are exact. So is one with nodes that left the
    /// project: they are forgotten in the manifest and in the record, and built again if they come
    /// back. A change that was found for the first time, and that this command does not build, is
    /// recorded.
    ///
    /// # Errors
    /// 73 or 74 where the volume gives out.
    pub(super) fn carry_over(
        &mut self,
        now: Comparison<'_, '_>,
        confirmed: Confirmed,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let same = is_by_the_same_dbt(&now);
        let ending = Completion::NothingToBuild;
        let moved = !now.settled.is_empty() || now.has_lost_nodes(&self.baseline);
        if !same
            || !self.baseline.is_recorded
            || moved
            || now.leaves_unrecorded_changes(&self.baseline)
        {
            let reservation = self.reserve(None)?;
            let origin = self.origin(&summary.command);
            let ran = Ran::of_nothing(now, ending, confirmed, origin);
            return self.commit(reservation, ran, summary);
        }
        self.settle_in_place(&confirmed, &ending);
        Ok(())
    }

    fn settle_in_place(&mut self, confirmed: &Confirmed, ending: &Completion) {
        let settled = self.baseline.settled.clone();
        self.settle(confirmed, ending);
        if self.baseline.settled.is_some() && self.baseline.settled != settled {
            self.write_record();
        }
    }
}

/// Seeds that failed and were loaded before: perhaps their columns changed.
fn failed_seeds(graph: &Graph, baseline: &Baseline, outcome: &Outcome) -> BTreeSet<String> {
    let was_loaded = |id: &str| baseline.nodes.get(id).is_some_and(|node| node.seconds.is_some());
    let is_meant = |id: &str, fate: &Fate| {
        matches!(fate, Fate::Touched(_)) && graph.role(id) == Some(Role::Seed) && was_loaded(id)
    };
    outcome.iter().filter(|(id, fate)| is_meant(id, fate)).map(|(id, _)| id.clone()).into_tree()
}

/// Whether the baseline was written by the dbt that parsed the project now.
fn is_by_the_same_dbt(now: &Comparison<'_, '_>) -> bool {
    let before = now.before.as_ref().map(|before| Engine::that_wrote(before.dbt_version()));
    before.is_some_and(|before| before.wrote(now.manifest.dbt_version()))
}

/// Nodes that were complete, and were cut short while a build was adding rows to them.
fn say_torn(manifest: &Manifest<'_>, torn: BTreeSet<String>) {
    for id in torn {
        let term = manifest.selection_terms(&BTreeSet::from([id.clone()])).concat();
        say::may_be_incomplete(&id, &term);
    }
}
