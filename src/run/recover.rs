//! A run that was killed together with us: what had finished by then is recorded first.
//!
//! The journal of that run stands on the volume from before dbt was started until its outcome was
//! committed: dbt's log says what finished, and a copy of the manifest with the fingerprints of
//! the values that its nodes read says what the finished nodes were built from.

use super::artifacts::Artifacts;
use super::commit::Ran;
use super::driver::Driver;
use super::open::Opened;
use super::overlap;
use super::parse::parse_alone;
use super::unchanged::Confirmed;
use super::values::Fingerprints;
use crate::dbt::command::Selection;
use crate::dbt::manifest::Manifest;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::intent::{Intent, Unsaved};
use crate::decide::needs::Inputs;
use crate::decide::next;
use crate::decide::origin::Origin;
use crate::decide::settle::Completion;
use crate::decide::start::{self, Mode, Start};
use crate::decide::summary::Summary;
use crate::exit::{Failure, Refusal};
use crate::os::clock;
use crate::say;
use crate::session::Session;
use std::collections::BTreeMap;

/// Take up a run that never came to its commit. True where the baseline has moved by that.
///
/// # Errors
/// 78 where the project has to be parsed for it and cannot be, 73 and 74 where the volume gives out.
pub(super) fn recover<'s>(
    opened: Opened<'s>,
    start: &Start,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<(Opened<'s>, bool), Failure> {
    let (mut opened, is_recovered) = recover_killed(opened, start, driver, summary)?;
    let is_doubted = overlap::take_up(&mut opened, start, driver, summary)?;
    Ok((opened, is_recovered || is_doubted))
}

/// Whether what a run left can be recorded from where this run starts.
pub(super) fn is_usable(start: &Start) -> bool {
    matches!(start, Start::FirstPopulation | Start::Adopt | Start::Baseline)
}

fn recover_killed<'s>(
    mut opened: Opened<'s>,
    start: &Start,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<(Opened<'s>, bool), Failure> {
    let usable = is_usable(start);
    // What was built in another warehouse says nothing about this one.
    let here = |notes: &Intent| start::foreign(&notes.identity, opened.identity()).is_none();
    let journal = opened.access.store().journal();
    let unreadable = || journal.is_there().then(|| Intent::unknown(opened.identity().clone()));
    let notes = journal.notes().or_else(unreadable);
    let Some(notes) = notes.filter(|notes| usable && here(notes)) else {
        return Ok((opened, false));
    };
    if let Some(Unsaved { why, is_lost: true }) = &notes.unsaved {
        // A run that takes nothing for built replaces these notes by its own.
        let session = opened.session;
        return match session.config.mode == Mode::Full && is_whole_project(session) {
            true => Ok((opened, false)),
            false => Err(Failure::refused(lost(why))),
        };
    }
    opened.read_baseline()?;
    let log = journal.log();
    // What the log does not tell, where it does not tell everything.
    let silent = notes
        .reach
        .filter(|reach| !reach.is_nothing() && !journal.is_whole(notes.journal.as_deref()));
    if log.started.is_empty() && silent.is_none() {
        opened.forget_journal()?;
        return Ok((opened, false));
    }
    say::recovering(&log, notes.unsaved.as_ref(), silent.is_some(), opened.access.held().is_some());
    let described = opened.fingerprints_of(journal.inputs());
    let parsed_from = described.as_ref().and_then(|(_, parsed_from)| parsed_from.as_ref());
    let is_of_that_run = |copy: Manifest<'_>| match parsed_from {
        Some(then) => opened.still_reads(then),
        None => log.invocation_id.is_none() || copy.invocation_id() == log.invocation_id.as_deref(),
    };
    let copy = journal.manifest().filter(|text| Manifest::read(text).is_ok_and(is_of_that_run));
    let (text, inputs) = match (copy, described.map(|(inputs, _)| inputs)) {
        (Some(text), Some(inputs)) => (text, Some(inputs)),
        _ => (parse_alone(&opened, driver)?.map_err(unparsable)?, None),
    };
    let manifest = Manifest::read(&text).map_err(Failure::refused)?;
    let is_known = inputs.is_some() && notes.unreal.is_none();
    let inputs = match inputs {
        Some(inputs) => inputs,
        None => opened.values().fingerprints(&manifest).map_err(Failure::not_saved)?,
    };
    let old = opened.baseline.manifest.clone();
    let now = opened.compare_values(manifest, inputs, old.as_deref().map(String::as_str));
    let target = &opened.session.project.target_path;
    // A manifest that was parsed just now is of another invocation.
    let id = log.invocation_id.clone();
    let left = Artifacts::of(id.as_deref().or_else(|| now.manifest.invocation_id()), target, log);
    let (mut outcome, failures) = (left.outcome(&now.graph), left.failures());
    if !is_known {
        distrust(&mut outcome);
    }
    if let Some(reach) = silent {
        reach.distrust_silence(&now.graph, &left.reported(), &mut outcome);
    }
    if !notes.full_refresh {
        next::distrust_half_made(&now, &opened.baseline, &mut outcome);
    }
    let codes = left.code_digests(&now, &opened.baseline);
    let reservation = opened.reserve(None)?;
    let (scope, refresh) = (notes.scope, notes.full_refresh);
    // Of the run that built it, and not of the one that takes it up.
    let origin = notes.origin.clone().unwrap_or_else(|| Origin::of_verb("", clock::now()));
    let ran = Ran::of_nothing(now, Completion::Incomplete, Confirmed::default(), origin);
    let mut ran = Ran { outcome, failures, codes, scope, refresh, ..ran };
    opened.ask_after(&mut ran, driver);
    opened.commit(reservation, ran, summary)?;
    opened.forget_journal()?;
    Ok((opened, true))
}

/// What a run built is not known, and cannot be found out.
pub(super) fn lost(why: &str) -> Refusal {
    Refusal::new(format!("what the last run of dbt built could not be recorded: {why}"))
        .meaning("the baseline says less than the warehouse holds, or something else; until you decide, runs are refused")
        .remedy("dbt-entrypoint adopt --force     (once `dbt parse` leaves a sound manifest.json: the warehouse holds the project as it is now)")
        .remedy("dbt-entrypoint --full build     (rebuild everything, on purpose)")
        .remedy("dbt-entrypoint --no-state …     (run dbt alone, without state)")
}

fn is_whole_project(session: &Session) -> bool {
    *session.command.selection() == Selection::None && !session.command.excludes()
}

impl Opened<'_> {
    /// The run has been taken up; by a plan, for itself alone.
    pub(super) fn forget_journal(&self) -> Result<(), Failure> {
        self.access.held().map_or(Ok(()), |state| state.run().forget_killed())
    }

    /// The same for runs that overlapped with others.
    pub(super) fn forget_doubts(&self) -> Result<(), Failure> {
        self.access.held().map_or(Ok(()), |state| state.run().forget_overlapped())
    }

    /// The fingerprints of what the nodes of that run read, and what the manifest beside them was
    /// parsed from if that was ahead of the run. The salt of a first population stands nowhere else
    /// yet.
    fn fingerprints_of(
        &mut self,
        text: Option<Vec<u8>>,
    ) -> Option<(Inputs, Option<BTreeMap<String, String>>)> {
        let text = text?;
        let all: Fingerprints<'_> = serde_json::from_str(str::from_utf8(&text).ok()?).ok()?;
        if !self.baseline.is_recorded {
            self.baseline.salt = all.salt.clone().into_owned();
        }
        (self.baseline.salt == all.salt).then(|| (all.inputs.into_owned(), all.parsed_from))
    }
}

/// The nodes were built, but from what is not known.
fn distrust(outcome: &mut Outcome) {
    for fate in outcome.values_mut().filter(|fate| matches!(fate, Fate::Built(_))) {
        *fate = Fate::Touched("built in a run that was killed");
    }
}

pub(super) fn unparsable(code: u8) -> Failure {
    Failure::refused(
        Refusal::new(format!(
            "the last run was killed, and the project cannot be parsed to record what it built: dbt parse ended with {code}"
        ))
        .meaning("what the warehouse holds is not known until then, so nothing was run")
        .remedy("correct the project until `dbt parse` succeeds, and start again"),
    )
}
