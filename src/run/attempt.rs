//! A run of dbt that the volume knows about: begun before dbt starts, and concluded by the commit of
//! what it built.

use super::artifacts::{self, Artifacts};
use super::commit::Ran;
use super::follow::Follower;
use super::open::Opened;
use super::start::Started;
use super::unchanged::Confirmed;
use crate::dbt::command::Opt;
use crate::dbt::manifest::is_whole;
use crate::dbt::results::{Fate, Outcome, RunLog};
use crate::decide::comparison::Comparison;
use crate::decide::intent::Intent;
use crate::decide::needs::Scope;
use crate::decide::next;
use crate::decide::record::FORMAT;
use crate::decide::settle::Completion;
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::say;
use crate::session::Session;
use crate::store::{Reservation, RunDir};
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
    pub(super) fn follow(&mut self, opened: &Opened<'_>) {
        let manifest = opened.session.project.target_path.join("manifest.json");
        let values = opened.values();
        let describe = move |text: &str| values.describe(text);
        self.follower = Some(Follower::copy_once_begun(self.journal.clone(), &manifest, describe));
    }

    /// Keep this manifest, which has been compared.
    pub(super) fn keep(&mut self, text: &Arc<String>, description: Vec<u8>) {
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
    pub(super) fn conclude_compared(
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
