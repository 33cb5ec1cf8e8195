//! A run of dbt that the volume knows about: begun before dbt starts, and concluded by the commit of
//! what it built.

use super::artifacts::{self, Artifacts};
use super::commit::{Ran, room_for};
use super::driver::Driver;
use super::follow::Follower;
use super::journal::{journal_form, log_options, span_options};
use super::open::Opened;
use super::progress::Reporter;
use super::recover;
use super::start::Started;
use super::unchanged::Confirmed;
use crate::count::counted;
use crate::dbt::engine::LogForm;
use crate::dbt::manifest::is_whole;
use crate::dbt::results::{Fate, Outcome, RunLog};
use crate::decide::comparison::Comparison;
use crate::decide::event::RunEvent;
use crate::decide::intent::{Intent, RunReach, Todo, Unsaved};
use crate::decide::needs::Scope;
use crate::decide::next;
use crate::decide::record::FORMAT;
use crate::decide::settle::Completion;
use crate::decide::summary::Summary;
use crate::exit::{Failure, Refusal};
use crate::say;
use crate::session::Session;
use crate::store::{Reservation, RunDir};
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
    /// That of dbt's log, where it is the journal.
    form: Option<LogForm>,
    /// Its level, where it has one: `debug` tells what the warehouse says of a node that fails.
    level: &'static str,
    follower: Option<Follower>,
    /// The manifest of a parse ahead of the run, where dbt writes its own only when it ends.
    kept: Option<Arc<String>>,
    notes: Intent,
    /// The nodes of which dbt has to give an account if it succeeds.
    due: BTreeSet<String>,
    /// The nodes that the selection of the command leaves out.
    pub(super) left_out: BTreeSet<String>,
}

/// What a run of dbt is about to do.
pub(super) struct Task {
    /// Which nodes count as not built until it has built them.
    pub(super) scope: Scope,
    /// Whether it has `--full-refresh`.
    pub(super) refresh: bool,
    /// What it may build.
    pub(super) reach: RunReach,
    /// The nodes that it has to build, skip or fail to build.
    pub(super) due: BTreeSet<String>,
    /// What it is expected to build, for those who wait.
    pub(super) todo: Todo,
    /// The nodes that the selection of the command leaves out.
    pub(super) left_out: BTreeSet<String>,
    /// The bytes of the manifest that it builds by, where that is known.
    pub(super) bytes: Option<usize>,
}

/// How a dbt ended.
struct Ended {
    /// What its log tells.
    log: RunLog,
    code: u8,
    /// The inputs, if nothing moved while dbt read them.
    confirmed: Confirmed,
}

impl Attempt {
    /// Reserve the room, and note on the volume that dbt is about to run.
    ///
    /// # Errors
    /// 73 where the volume cannot be written or is full, 75 where another run has begun meanwhile,
    /// 78 where dbt's artifacts cannot be written.
    pub(super) fn begin(opened: &Opened<'_>, task: Task) -> Result<Self, Failure> {
        let Task { scope, refresh, reach, due, todo, left_out, bytes } = task;
        let session = opened.session;
        let target = session.target_path()?;
        let state = opened.access.held().ok_or_else(|| Failure::internal("a plan ran dbt"))?;
        let reservation = opened.reserve(bytes)?;
        let before = artifacts::invocation(target);
        let journal = state.run();
        let form = journal_form(session, opened.access);
        let notes = Intent {
            format: FORMAT,
            scope,
            unreal: session.command.unreal_option().map(str::to_owned),
            identity: opened.identity().sealed(&opened.baseline.salt),
            full_refresh: refresh,
            reach: Some(reach),
            journal: form.and_then(|_| journal.begun_on()),
            todo,
            origin: Some(opened.origin(session.command.subcommand().unwrap_or_default())),
            unsaved: None,
        };
        journal.begin(&notes, form)?;
        let known = bytes.or_else(|| opened.baseline.manifest.as_ref().map(|text| text.len()));
        let level = if state.has_room_for_long_logs(known) { "debug" } else { "info" };
        let (follower, kept) = (None, None);
        Ok(Self { reservation, before, journal, form, level, follower, kept, notes, due, left_out })
    }

    /// Note what dbt may build from now on, before it is told so, and reserve what is still missing
    /// of the room for its manifest of so many `bytes`. `due` are the nodes that it then has to
    /// build, skip or fail to build.
    ///
    /// # Errors
    /// 73 where the volume is full or cannot be written, 75 where another run has begun meanwhile.
    /// dbt must then not be told.
    pub(super) fn reach(
        &mut self,
        reach: RunReach,
        due: &BTreeSet<String>,
        todo: Todo,
        bytes: usize,
    ) -> Result<(), Failure> {
        if let Some(reservation) = &mut self.reservation {
            reservation.extend(room_for(bytes))?;
        }
        (self.notes.reach, self.notes.todo) = (Some(reach), todo);
        self.due.clone_from(due);
        self.journal.note(&self.notes)
    }

    /// The invocation that dbt's log is of, as far as it has come.
    pub(super) fn logged_invocation(&self) -> Option<String> {
        self.journal.log().invocation_id
    }

    /// Keep the manifest of the run on the volume once it builds something.
    pub(super) fn follow(&mut self, opened: &Opened<'_>) {
        let manifest = opened.session.project.target_path.join("manifest.json");
        let values = opened.values();
        let describe = move |text: &str| values.describe(text);
        let (run, progress) = (self.journal.clone(), Reporter::of(opened, &self.notes));
        self.follower = Some(Follower::copy_once_begun(run, progress, &manifest, describe));
    }

    /// Keep the manifest of a parse ahead of the run. It counts as that of the run only as long as
    /// nothing that dbt reads has changed since.
    pub(super) fn keep_parsed(
        &mut self,
        opened: &Opened<'_>,
        text: &Arc<String>,
        description: Vec<u8>,
    ) {
        self.keep(opened, text, description);
        self.kept = Some(Arc::clone(text));
    }

    /// Keep this manifest, which has been compared.
    pub(super) fn keep(&mut self, opened: &Opened<'_>, text: &Arc<String>, description: Vec<u8>) {
        let (run, progress) = (self.journal.clone(), Reporter::of(opened, &self.notes));
        self.follower = Some(Follower::copy(run, progress, Arc::clone(text), description));
    }

    /// dbt's command line with its log as our journal, if it can be.
    pub(super) fn journalled(&self, session: &Session, words: &[OsString]) -> Vec<OsString> {
        let options = match self.form {
            None => {
                say::no_journal();
                return words.to_vec();
            }
            Some(LogForm::Events) => log_options(self.level, "0", &self.journal.log_dir()),
            Some(LogForm::Spans) => span_options(session, &self.journal.spans()),
        };
        session.command.with_options_in(words, &options)
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
        driver: &mut Driver<'_>,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        drop(self.follower.take());
        let log = self.journal.log();
        let target = started.opened.session.project.target_path.clone();
        let (before, logged) = (self.before.take(), log.invocation_id.clone());
        let journal = self.journal.clone();
        let mut is_cut = false;
        let mut why = format!("dbt left no manifest.json of this run in {}", target.display());
        let kept = self.kept.take().filter(|_| started.opened.confirm(&started.seen).is_given());
        let kept = kept.iter().map(|text| text.to_string());
        let left = artifacts::manifests(before, logged, &target, || journal.manifest());
        for text in left.chain(kept) {
            let old = started.opened.baseline.manifest.clone();
            match started.opened.compare(&text, old.as_deref().map(String::as_str)) {
                Ok(now) => {
                    let confirmed = started.opened.confirm(&started.seen);
                    let ended = Ended { log, code, confirmed };
                    return self.keep_outcome(started, now, ended, driver, summary);
                }
                // dbt was killed while it wrote it.
                Err(_) if !is_whole(&text) && code != 0 => is_cut = true,
                Err(error) if code == 0 => {
                    why = format!("dbt's manifest.json cannot be used: {error:#}");
                }
                // The notes of the run stay, for the next start to take it up.
                Err(why) => return report_after_dbt(Err(Failure::not_saved(why)), code),
            }
        }
        if code == 0 {
            let refusal = recover::lost(&why);
            self.note_unsaved(why, true, BTreeSet::new());
            return Err(Failure::not_saved(refusal));
        }
        let is_silent = is_cut && !self.journal.is_whole(self.notes.journal.as_deref());
        if is_silent || !log.started.is_empty() {
            say::outcome_unknown(code);
            return Ok(());
        }
        say::nothing_begun(code);
        self.undo()
    }

    /// The run ended, and nobody is to take it for one that was killed.
    fn note_unsaved(&mut self, why: String, is_lost: bool, touched: BTreeSet<String>) {
        let unsaved = Unsaved { why, is_lost };
        if let Err(error) = self.journal.note_unsaved(&mut self.notes, unsaved, touched) {
            say::baseline_not_saved(&Failure::not_saved(error));
        }
    }

    /// Commit what a dbt built that has ended, by the manifest that was compared before.
    pub(super) fn conclude_compared(
        mut self,
        started: &mut Started<'_>,
        now: Comparison<'_, '_>,
        code: u8,
        confirmed: Confirmed,
        driver: &mut Driver<'_>,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        drop(self.follower.take());
        let log = self.journal.log();
        self.keep_outcome(started, now, Ended { log, code, confirmed }, driver, summary)
    }

    fn keep_outcome(
        mut self,
        started: &mut Started<'_>,
        now: Comparison<'_, '_>,
        ended: Ended,
        driver: &mut Driver<'_>,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let Ended { log, code, confirmed } = ended;
        let opened = &mut started.opened;
        let target = &opened.session.project.target_path;
        // A manifest that was parsed ahead is of another invocation.
        let id = log.invocation_id.clone();
        let id = id.as_deref().or_else(|| now.manifest.invocation_id());
        let told: BTreeSet<String> = log.outcome.keys().cloned().into_tree();
        let left = Artifacts::of(id, target, log);
        let mut outcome = left.outcome(&now.graph);
        let missing: Vec<String> = match code {
            0 => left.without_news(&self.due).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let is_complete = (left.has_results() && matches!(code, 0 | 1))
            || (left.has_log() && self.journal.is_whole(self.notes.journal.as_deref()));
        if let Some(reach) = self.notes.reach.as_ref().filter(|_| !is_complete) {
            reach.distrust_silence(&now.graph, &left.reported(), &mut outcome);
        }
        let codes = left.code_digests(&now, &opened.baseline);
        if !self.notes.full_refresh {
            next::distrust_half_made(&now, &opened.baseline, &mut outcome);
        }
        if let Some(flag) = opened.session.command.unreal_option() {
            outcome.values_mut().for_each(|fate| *fate = Fate::Touched(flag));
        }
        distrust_seeds(opened, &now, &mut outcome);
        let left_out = match self.notes.scope {
            // The user's own command: what it did not report, it did not select.
            Scope::Everything(_) if left.has_results() => unreported(&now, &outcome),
            Scope::Everything(_) | Scope::Changes => std::mem::take(&mut self.left_out),
        };
        let ending = match code {
            0 if missing.is_empty() => Completion::Succeeded(left_out),
            _ => Completion::Incomplete,
        };
        summary.builds_took(left.builds_took(&now.graph));
        let (scope, refresh) = (self.notes.scope.clone(), self.notes.full_refresh);
        let failures = left.failures();
        for (id, fate) in outcome.iter().filter(|(id, _)| !told.contains(*id)) {
            let message = failures.messages.get(id).map(String::as_str);
            say::event(&RunEvent::of_fate(id, fate, message));
        }
        let origin = opened.origin(&summary.command);
        let ran = Ran::of_nothing(now, ending, confirmed, origin);
        let mut ran = Ran { outcome, failures, codes, scope, refresh, ..ran };
        opened.ask_after(&mut ran, driver);
        let touched = ran.outcome.keys().cloned().into_tree();
        let saved = opened.commit(self.reservation.take(), ran, summary);
        if let Err(failure) = &saved {
            // The notes of the run stay, for the next start to take it up.
            let why = failure.to_string();
            self.note_unsaved(why.lines().next().unwrap_or_default().to_owned(), false, touched);
            return report_after_dbt(saved, code);
        }
        self.undo()?;
        if missing.is_empty() { Ok(()) } else { Err(Failure::not_saved(not_selected(&missing))) }
    }
}

/// dbt succeeded without a word on nodes that it was told to build.
fn not_selected(missing: &[String]) -> Refusal {
    let first = missing.first().map_or("", String::as_str);
    let count = missing.len();
    Refusal::new(format!(
        "dbt ended with code 0, but did not report {} that it was told to build: {first}{}",
        counted(count, "nodes"),
        if count > 1 { ", …" } else { "" }
    ))
    .meaning("whether they were built is not known; they count as still to be built")
    .remedy("start again; give each dbt that runs at the same time its own --target-path")
    .remedy("dbt-entrypoint --full …     (build everything without a selection)")
}

/// The nodes of which a dbt said nothing that reports everything that it selected.
fn unreported(now: &Comparison<'_, '_>, outcome: &Outcome) -> BTreeSet<String> {
    now.graph.keys().filter(|id| !outcome.contains_key(*id)).cloned().into_tree()
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
