//! The runs of dbt that a plan asks for, each with the commit of what it built.

use super::artifacts::{self, Artifacts};
use super::commit::Ran;
use super::driver::Driver;
use super::follow::Follower;
use super::open::Opened;
use super::parse::{Held, Parsed, parse_alone};
use super::plan::{Planned, plan};
use super::stage::Stage;
use super::start::Started;
use super::unchanged::Confirmed;
use super::values::Fingerprints;
use crate::dbt::command::Opt;
use crate::dbt::manifest::is_whole;
use crate::dbt::results::{self, Fate, Outcome, RunLog};
use crate::decide::comparison::Comparison;
use crate::decide::earlier_runs::EarlierRun;
use crate::decide::intent::Intent;
use crate::decide::needs::Scope;
use crate::decide::next;
use crate::decide::plan::LastRun;
use crate::decide::record::FORMAT;
use crate::decide::select_by::NodesByName;
use crate::decide::select_by::SelectBy;
use crate::decide::settle::Completion;
use crate::decide::start::Approach;
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::graph::RESOURCE_TYPES;
use crate::os::supervise::Stdout;
use crate::say;
use crate::session::Session;
use crate::store::{Reservation, RunDir, StateForDbt};
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

/// A run of dbt that the volume knows about.
pub(super) struct Attempt {
    reservation: Option<Reservation>,
    /// The invocation that wrote the manifest that was in the target path before.
    pub(super) before: Option<String>,
    journal: RunDir,
    follower: Option<Follower>,
    scope: Scope,
    refresh: bool,
}

/// Build as planned; dbt's own exit code.
///
/// # Errors
/// 73 or 74 where the volume gives out, 126 or 127 where dbt cannot be started.
pub(crate) fn carry_out(
    started: &mut Started<'_>,
    planned: Option<Planned>,
    mut parsed: Parsed,
    now: Option<Comparison<'_, '_>>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    if let Some(code) = parsed.ended {
        return Ok(code);
    }
    let (plan, now) = match (planned, now) {
        (Some(Err(code)), _) => return Ok(code),
        (Some(Ok(plan)), Some(now)) if plan.last_run != LastRun::AsGiven => (plan, now),
        _ => return build_as_given(started, driver, summary),
    };
    if plan.earlier_runs.is_empty()
        && matches!(plan.last_run, LastRun::Changed(SelectBy::Result(_), _))
        && let (Some(held), Some(text)) = (parsed.take_held(), parsed.text())
    {
        return let_build(started, held, &text, now, &plan.wanted, driver, summary);
    }
    parsed.release(driver)?;
    match (plan.earlier_runs.as_slice(), parsed.text()) {
        (ahead @ [_, ..], Some(text)) => build_ahead(started, ahead, &text, now, driver, summary),
        _ => build_last(started, plan.last_run, &plan.wanted, now, driver, summary),
    }
}

/// Run dbt as the user typed it. In a full run every node counts as not built until it has been
/// built, so that a full run that is cut short can be resumed.
fn build_as_given(
    started: &mut Started<'_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let session = driver.session();
    let command = &session.command;
    let exists = started.opened.baseline.exists();
    let is_full = started.approach == Approach::Everything;
    if is_full && exists && !session.config.refresh_changed.is_empty() {
        say::refreshes_nothing();
    }
    // Whoever leaves out a part of a full run leaves that part as it was built.
    let scope = match is_full && !(exists && command.excludes()) {
        true => {
            let types = RESOURCE_TYPES.into_iter().filter(|kind| command.builds(kind));
            Scope::Everything(types.map(str::to_owned).into_tree())
        }
        false => Scope::Changes,
    };
    run(started, command.with_write_json(), scope, command.refreshes(), driver, summary)
}

/// The runs ahead of the last one, up to the first that fails, and then the rest by another look
/// at what still has to be built.
fn build_ahead(
    started: &mut Started<'_>,
    ahead: &[EarlierRun],
    text: &Arc<String>,
    now: Comparison<'_, '_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let half_made = started.opened.baseline.half_made(&now.manifest);
    for earlier in ahead {
        say::earlier_run(earlier, &now.graph, &half_made);
        let named = NodesByName { manifest: &now.manifest, nodes: &earlier.nodes };
        let words =
            named.command_line_for_these_only(&driver.session().command, earlier.full_refresh);
        let code = run(started, words, Scope::Changes, earlier.full_refresh, driver, summary)?;
        if code != 0 {
            return Ok(code);
        }
    }
    drop(now);
    build_rest(started, text, driver, summary)
}

/// What of this project still has to be built.
fn build_rest(
    started: &mut Started<'_>,
    text: &Arc<String>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    started.opened.read_baseline()?;
    let old = started.opened.baseline.manifest.clone();
    let now = started.opened.compare(text, old.as_deref().map(String::as_str));
    let now = now.map_err(Failure::refused)?;
    let mut parsed = Parsed::project(Arc::clone(text));
    match plan(started, Some(&now), &mut parsed, driver, summary)? {
        Some(Ok(plan)) => build_last(started, plan.last_run, &plan.wanted, now, driver, summary),
        Some(Err(code)) => Ok(code),
        None => Ok(0),
    }
}

/// The last run, by a dbt that is started for it.
fn build_last(
    started: &mut Started<'_>,
    last: LastRun,
    wanted: &BTreeSet<String>,
    now: Comparison<'_, '_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let LastRun::Changed(select_by, nodes) = last else {
        let confirmed = started.opened.confirm(&started.seen);
        return started.opened.carry_over(now, confirmed, summary).map(|()| 0);
    };
    let command = &driver.session().command;
    let answer = state_for_dbt(&started.opened)?;
    let words = match select_by.command_line(command, &answer.path()) {
        Some(words) => {
            answer.put(&results::results_with_skipped(wanted)).map_err(Failure::unwritable)?;
            words
        }
        None => NodesByName { manifest: &now.manifest, nodes: &nodes }
            .command_line(command, started.approach),
    };
    drop(now);
    run(started, words, Scope::Changes, command.refreshes(), driver, summary)
}

/// Tell a dbt that waits what to build, and wait for its end.
fn let_build(
    started: &mut Started<'_>,
    held: Held,
    text: &Arc<String>,
    now: Comparison<'_, '_>,
    wanted: &BTreeSet<String>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    if let Err(error) = held.answer.put(&results::results_with_skipped(wanted)) {
        held.release(driver)?;
        return Err(Failure::unwritable(error));
    }
    let Held { gate, running, mut attempt, answer: _answer } = held;
    gate.open();
    let salt = &started.opened.baseline.salt;
    attempt.keep(text, Fingerprints::text(salt, &now.inputs));
    // dbt has parsed, and reads no more of the project but seeds.
    let confirmed = started.opened.confirm(&started.seen);
    let stage = Stage::begin("run");
    let ended = driver.finish(running)?;
    let code = ended.end.exit_code();
    stage.done(format!("the dbt that had waited ended with code {code}"));
    attempt.conclude_compared(started, now, code, confirmed, summary)?;
    // One that was told to stop may have ended before it came by.
    if gate.was_passed() || code == 0 || ended.stopped {
        return Ok(code);
    }
    say::dbt_did_not_wait();
    match parse_alone(&started.opened, driver)? {
        Ok(text) => build_rest(started, &Arc::new(text), driver, summary),
        Err(code) => Ok(code),
    }
}

/// Run dbt with these words and commit what it built; its exit code.
fn run(
    started: &mut Started<'_>,
    words: Vec<OsString>,
    scope: Scope,
    refresh: bool,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let mut attempt = Attempt::begin(&started.opened, &scope, refresh)?;
    attempt.follow(&started.opened);
    let words = attempt.journalled(driver.session(), &words);
    let stage = Stage::begin("run");
    let code = driver.run(words, Stdout::Inherit)?;
    stage.done(format!("dbt ended with code {code}"));
    attempt.conclude(started, code, summary)?;
    Ok(code)
}

impl Attempt {
    /// Reserve the room, and note on the volume that dbt is about to run.
    ///
    /// # Errors
    /// 73 where the volume cannot be written or is full, 78 where dbt's artifacts cannot be written.
    pub(super) fn begin(
        opened: &Opened<'_>,
        scope: &Scope,
        refresh: bool,
    ) -> Result<Self, Failure> {
        let session = opened.session;
        let target = session.target_path()?;
        let state = opened.access.held().ok_or_else(|| Failure::internal("a plan ran dbt"))?;
        let reservation = opened.reserve()?;
        let before = artifacts::invocation(target);
        let notes = Intent {
            format: FORMAT,
            scope: scope.clone(),
            unreal: session.command.unreal_option().map(str::to_owned),
            identity: opened.identity().clone(),
            full_refresh: refresh,
        };
        let journal = state.run();
        journal.begin(&notes).map_err(Failure::unwritable)?;
        Ok(Self { reservation, before, journal, follower: None, scope: scope.clone(), refresh })
    }

    /// Keep the manifest of the run on the volume once it builds something.
    fn follow(&mut self, opened: &Opened<'_>) {
        let manifest = opened.session.project.target_path.join("manifest.json");
        let values = opened.values();
        let describe = move |text: &str| values.describe(text);
        self.follower = Some(Follower::copy_once_begun(self.journal.clone(), &manifest, describe));
    }

    /// Keep this manifest, which has been compared.
    fn keep(&mut self, text: &Arc<String>, description: Vec<u8>) {
        let text = Arc::clone(text);
        self.follower = Some(Follower::copy(self.journal.clone(), text, description));
    }

    /// dbt's command line with its log as our journal: one file of JSON lines that is never rotated.
    /// Not where the user wants the log elsewhere or in another form, or where this dbt's log does
    /// not tell when a node begins and ends.
    pub(super) fn journalled(&self, session: &Session, words: &[OsString]) -> Vec<OsString> {
        const JOURNAL: [&str; 6] =
            ["--log-format-file", "json", "--log-level-file", "info", "--log-file-max-bytes", "0"];
        let own = [Opt::LogPath, Opt::LogFormatFile, Opt::LogLevelFile];
        if own.iter().any(|option| session.command.gives(*option)) || !session.engine.journal() {
            say::no_journal();
            return words.to_vec();
        }
        let mut extra: Vec<OsString> = JOURNAL.into_iter().map(OsString::from).collect();
        extra.extend(["--log-path".into(), self.journal.log_dir().into_os_string()]);
        session.command.with_options_in(words, &extra)
    }

    /// It came to nothing.
    ///
    /// # Errors
    /// 74 where the volume gives out.
    pub(super) fn undo(self) -> Result<(), Failure> {
        self.journal.finish().map_err(Failure::not_saved)
    }

    /// Commit what a dbt built that has ended, by the manifest that it left.
    ///
    /// # Errors
    /// 74 where dbt succeeded and that cannot be recorded.
    pub(super) fn conclude(
        mut self,
        started: &mut Started<'_>,
        code: u8,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        drop(self.follower.take());
        let log = artifacts::journal(self.journal.log());
        let target = started.opened.session.project.target_path.clone();
        let (before, logged) = (self.before.take(), log.invocation_id.clone());
        let journal = self.journal.clone();
        for text in artifacts::manifests(before, logged, &target, || journal.manifest()) {
            let old = started.opened.baseline.manifest.clone();
            let saved = match started.opened.compare(&text, old.as_deref().map(String::as_str)) {
                Ok(now) => {
                    let confirmed = started.opened.confirm(&started.seen);
                    return self.keep_outcome(started, now, log, code, confirmed, summary);
                }
                // dbt was killed while it wrote it.
                Err(_) if !is_whole(&text) => continue,
                Err(why) => Err(Failure::not_saved(why)),
            };
            report_after_dbt(saved, code)?;
            return self.undo();
        }
        say::nothing_begun(code);
        self.undo()
    }

    /// Commit what a dbt built that has ended, by the manifest that was compared before.
    fn conclude_compared(
        mut self,
        started: &mut Started<'_>,
        now: Comparison<'_, '_>,
        code: u8,
        confirmed: Confirmed,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        drop(self.follower.take());
        let log = artifacts::journal(self.journal.log());
        self.keep_outcome(started, now, log, code, confirmed, summary)
    }

    fn keep_outcome(
        mut self,
        started: &mut Started<'_>,
        now: Comparison<'_, '_>,
        log: RunLog,
        code: u8,
        confirmed: Confirmed,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let opened = &mut started.opened;
        let target = &opened.session.project.target_path;
        let left = Artifacts::of(now.manifest.invocation_id(), target, log);
        let mut outcome = left.outcome(&now.graph);
        if !self.refresh {
            next::distrust_half_made(&now, &opened.baseline, &mut outcome);
        }
        if let Some(flag) = opened.session.command.unreal_option() {
            outcome.values_mut().for_each(|fate| *fate = Fate::Touched(flag));
        }
        distrust_seeds(opened, &now, &mut outcome);
        let ending = if code == 0 { Completion::Succeeded } else { Completion::Incomplete };
        let (scope, refresh) = (self.scope.clone(), self.refresh);
        let ran = Ran { now, outcome, scope, refresh, ending, confirmed };
        report_after_dbt(opened.commit(self.reservation.take(), ran, summary), code)?;
        self.undo()
    }
}

/// A manifest holds the checksum of a seed as it was parsed, and dbt loads the file later.
fn distrust_seeds(opened: &Opened<'_>, now: &Comparison<'_, '_>, outcome: &mut Outcome) {
    let Ok(inputs) = &opened.inputs else { return };
    let changed = |id: &str| {
        let node = now.manifest.node(id).filter(|node| &*node.resource_type == "seed")?;
        let directory = opened.session.project.directory_of(&node.package_name)?;
        Some(!inputs.is_still(&directory.join(&*node.original_file_path))?)
    };
    for (_, fate) in outcome.iter_mut().filter(|(id, _)| changed(id) == Some(true)) {
        *fate = Fate::Touched("its file was changed while dbt ran");
    }
}

/// dbt's own failure is the news. That it could not be recorded comes second.
fn report_after_dbt(saved: Result<(), Failure>, code: u8) -> Result<(), Failure> {
    match saved {
        Err(failure) if code != 0 => {
            say::baseline_not_saved(&failure);
            Ok(())
        }
        saved => saved,
    }
}

fn state_for_dbt(opened: &Opened<'_>) -> Result<StateForDbt, Failure> {
    let state = opened.access.held().ok_or_else(|| Failure::internal("a plan ran dbt"))?;
    state.run().state_for_dbt().map_err(Failure::internal)
}
