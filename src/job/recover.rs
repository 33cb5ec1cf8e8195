//! A run that was killed together with us: what had finished by then is recorded first.
//!
//! `run/intent.json` stands on the volume from before dbt is started until its outcome has
//! been committed. Beside it dbt's own log, in JSON, is the journal; a copy of the manifest
//! and the fingerprints of the values that its nodes read say what the finished nodes were
//! built from.

use super::outside::Seen;
use super::{Job, artifacts};
use crate::dbt::command::{Command, Opt};
use crate::dbt::manifest::Manifest;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::needs::{Inputs, Scope};
use crate::decide::notes::Notes;
use crate::decide::plan::{self, Start};
use crate::decide::record::FORMAT;
use crate::decide::skip::Ending;
use crate::exit::Failure;
use crate::os::program;
use crate::report;
use crate::store::{Journal, RunDir};
use anyhow::anyhow;
use std::ffi::OsString;
use std::path::Path;

impl Job<'_> {
    /// Say on the volume that a run begins.
    pub(super) fn intend(&self, scope: &Scope, refresh: bool) -> Result<RunDir, Failure> {
        let run_dir = self.run_dir()?;
        let unreal = self.command.unreal().map(str::to_owned);
        let full_refresh = refresh;
        let identity = self.project.identity.clone();
        let notes = Notes { format: FORMAT, scope: scope.clone(), unreal, identity, full_refresh };
        run_dir.begin(&notes).map_err(Failure::unwritable)?;
        Ok(run_dir)
    }

    /// Take up a run that never came to its commit. True when the baseline has moved.
    pub(super) fn recover(&mut self, start: &Start) -> Result<bool, Failure> {
        let left = self.store().journal();
        let usable = matches!(start, Start::FirstPopulation | Start::Adopt | Start::Baseline);
        // What was built in another warehouse says nothing of this one.
        let here = |notes: &Notes| plan::foreign(&notes.identity, &self.project.identity).is_none();
        let Some(notes) = left.notes().filter(|notes| usable && here(notes)) else {
            return Ok(false);
        };
        self.read_baseline()?;
        let journal = artifacts::journal(left.log());
        if journal.started.is_empty() {
            self.forget()?;
            return Ok(false);
        }
        report::recovering(&journal, self.is_held());
        let copy = left.manifest().filter(|text| {
            Manifest::read(text)
                .is_ok_and(|copy| copy.invocation_id() == journal.invocation_id.as_deref())
        });
        let (text, seen) = match (copy, self.seen(&left)) {
            (Some(text), Some(seen)) => (text, Some(seen)),
            _ => (self.parse()?.map_err(no_manifest)?, None),
        };
        let manifest = Manifest::read(&text).map_err(Failure::internal)?;
        let known = seen.is_some();
        let inputs = match seen {
            Some(inputs) => inputs,
            None => self.outside().inputs(&manifest).map_err(Failure::not_saved)?,
        };
        let now = self.comparison(manifest, inputs);
        let mut outcome = artifacts::told(&journal, &now.graph);
        if !known || notes.unreal.is_some() {
            doubt(&mut outcome);
        }
        let reservation = self.reserve()?;
        let end = (&notes.scope, &Ending::Open);
        self.record(reservation, &now, &outcome, end, notes.full_refresh)?;
        self.forget()?;
        Ok(true)
    }

    /// The run has been taken up, if only for ourselves.
    fn forget(&self) -> Result<(), Failure> {
        let finished = self.held().map_or(Ok(()), |locked| locked.run().finish());
        finished.map_err(Failure::not_saved)
    }
}

impl Job<'_> {
    /// The fingerprints of what the nodes of the run read. The salt of a first population
    /// stands nowhere else yet.
    fn seen(&mut self, left: &Journal) -> Option<Inputs> {
        let seen: Seen<'_> = serde_json::from_slice(&left.inputs()?).ok()?;
        if !self.baseline.recorded {
            self.baseline.salt = seen.salt.clone().into_owned();
        }
        (self.baseline.salt == seen.salt).then(|| seen.inputs.into_owned())
    }
}

/// What was built, but from what is not known.
fn doubt(outcome: &mut Outcome) {
    for fate in outcome.values_mut().filter(|fate| matches!(fate, Fate::Built(_))) {
        *fate = Fate::Touched("built in a run that was killed");
    }
}

fn no_manifest(code: u8) -> Failure {
    Failure::refused(anyhow!(
        "the last run was killed, and the project cannot be parsed (dbt parse ended with {code}) to record what it left\n  \
         what to do:\n    mend the project so that dbt parse succeeds, and start again"
    ))
}

/// With dbt's log as our journal, unless the command line wants it elsewhere or dbt is a
/// native program (v2), whose log has another form.
pub(super) fn journalled(
    run_dir: &RunDir,
    command: &Command,
    dbt: &Path,
    words: &[OsString],
) -> Vec<OsString> {
    let own = [Opt::LogPath, Opt::LogFormatFile, Opt::LogLevelFile];
    if own.iter().any(|option| command.gives(*option)) || program::is_native(dbt) {
        log::debug!("no journal: dbt's log is not ours to shape");
        return words.to_vec();
    }
    let mut extra: Vec<OsString> = JOURNAL.into_iter().map(OsString::from).collect();
    extra.extend(["--log-path".into(), run_dir.log_dir().into_os_string()]);
    command.with_in(words, &extra)
}

/// One file, never rotated, of JSON lines that tell when a node begins and how it ends.
const JOURNAL: [&str; 6] =
    ["--log-format-file", "json", "--log-level-file", "info", "--log-file-max-bytes", "0"];
