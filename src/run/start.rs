//! What a run starts from.

use super::adopt;
use super::driver::Driver;
use super::open::Opened;
use super::probe;
use super::recover;
use super::stage::Stage;
use super::unchanged::Seen;
use crate::dbt::command::{Duty, Selection};
use crate::decide::baseline::Baseline;
use crate::decide::orphans::left_behind;
use crate::decide::record;
use crate::decide::start::{self, Approach, Found, Mode, Start};
use crate::decide::summary::Summary;
use crate::decide::warehouse::Verify;
use crate::exit::Failure;

use crate::os::{clock, random};
use crate::say;
use std::sync::Arc;

/// A run that has been admitted.
pub(crate) struct Started<'s> {
    pub(super) opened: Opened<'s>,
    /// How dbt is started.
    pub(super) approach: Approach,
    /// The inputs before anything was started.
    pub(super) seen: Seen,
    /// Whether dbt could not find anything to build.
    pub(crate) is_unchanged: bool,
    /// Whether this is the first population, which no budget limits.
    pub(super) is_first_population: bool,
}

impl Started<'_> {
    /// The text of the baseline that this run compares with.
    pub(crate) fn baseline_text(&self) -> Option<Arc<String>> {
        self.opened.baseline.manifest.clone()
    }
}

/// Take up a run that was killed, decide what to start from, and ask the operator's probe.
///
/// # Errors
/// 78 with the reason and the remedies where that is the operator's decision.
pub(crate) fn start<'s>(
    opened: Opened<'s>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<Started<'s>, Failure> {
    let stage = Stage::begin("start");
    let session = opened.session;
    let config = &session.config;
    // A part of the project cannot take the place of a baseline that is damaged or foreign.
    let mode = match session.command.selection() {
        Selection::None => config.mode,
        Selection::Terms(_) | Selection::Selector(_) | Selection::State => Mode::Auto,
    };
    let mut start = start::start(&opened.found, opened.identity(), mode, config.on_empty);
    let (mut opened, is_recovered) = recover::recover(opened, &start, driver, summary)?;
    if is_recovered {
        start = Start::Baseline;
    }
    match &start {
        Start::Refuse(refusal) => return Err(Failure::refused(refusal.clone())),
        Start::Afresh => {
            opened.baseline = Baseline::none(random::salt().map_err(Failure::internal)?);
        }
        Start::Adopt => adopt::adopt_project(&mut opened, driver, summary)?,
        Start::FirstPopulation | Start::Baseline => {}
    }
    let (duty, selection) = (session.command.duty(), session.command.selection());
    let approach = start::approach(&start, config.mode, config.only_changed, duty, selection);
    let is_first_population = opened.found == Found::Empty && !opened.baseline.exists();
    let seen = Seen::default();
    let mut started = Started { opened, approach, seen, is_unchanged: false, is_first_population };
    probe::probe(driver, approach)?;
    let asks = started.opened.access.held().is_some()
        && approach != Approach::Everything
        && duty != Duty::Bystander;
    let last = started.opened.baseline.verified_at;
    let is_due = asks && config.verify.is_due(last, clock::now());
    if is_due {
        started.opened.verify(driver, true)?;
    }
    started.seen = started.opened.seen(approach);
    summary.doubt.clone_from(&started.seen.doubt);
    started.is_unchanged = started.opened.is_unchanged(&started.seen, approach);
    if !started.is_unchanged {
        if asks && config.verify == Verify::Changed {
            started.opened.verify(driver, true)?;
        }
        started.opened.read_baseline()?;
        if let Some(state) = started.opened.access.held() {
            state.rehearse()?;
            started.opened.note_commit();
            say::start(&start, approach, started.opened.access.store());
        }
    }
    summary.mode = start::kind(&start, approach).to_owned();
    summary.pending = record::pending(&started.opened.baseline.nodes);
    summary.altered = record::altered(&started.opened.baseline.nodes);
    summary.orphans = left_behind(&started.opened.baseline.left);
    stage.done(match started.is_unchanged {
        true => "every input is unchanged, so dbt is not needed",
        false => start::kind(&start, approach),
    });
    Ok(started)
}
