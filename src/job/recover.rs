//! A run that was killed together with us: what had finished by then is recorded first.
//!
//! `run/intent.json` stands on the volume from before dbt is started until its outcome has
//! been committed. Beside it dbt's own log, in JSON, is the journal; a copy of the manifest
//! and the fingerprints of the values that its nodes read say what the finished nodes were
//! built from.

use super::outside::Seen;
use super::{Job, artifacts};
use crate::dbt::command::{Command, Opt};
use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::dbt::profile::Identity;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::needs::{Inputs, Scope};
use crate::decide::plan::{self, Start};
use crate::decide::record::FORMAT;
use crate::decide::skip::Ending;
use crate::exit::Failure;
use crate::os::{commit, volume};
use crate::report;
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The journal of the run in progress.
pub(super) fn scratch(state: &Path) -> PathBuf {
    state.join(volume::CONTROL).join("run")
}

/// A run that has begun and is not yet recorded.
#[derive(Debug)]
pub(super) struct Intent {
    state: PathBuf,
    scratch: PathBuf,
}

impl Intent {
    fn on(state: &Path) -> Self {
        Self { state: state.to_owned(), scratch: scratch(state) }
    }
}

/// What `intent.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    format: u32,
    scope: Scope,
    /// The flag that makes the run build something other than the real thing.
    unreal: Option<String>,
    /// Where it builds.
    identity: Identity,
    /// It was run with `--full-refresh`.
    #[serde(default)]
    full_refresh: bool,
}

impl Notes {
    fn refresh(&self) -> bool {
        self.full_refresh
    }
}

impl Job<'_> {
    /// Say on the volume that a run begins.
    pub(super) fn intend(&self, scope: &Scope, refresh: bool) -> Result<Intent, Failure> {
        let intent = Intent::on(&self.state);
        let unreal = self.command.unreal().map(str::to_owned);
        let full_refresh = refresh;
        let identity = self.project.identity.clone();
        let notes = Notes { format: FORMAT, scope: scope.clone(), unreal, identity, full_refresh };
        intent.begin(&notes).map_err(Failure::unwritable)?;
        Ok(intent)
    }

    /// Take up a run that never came to its commit. True when the baseline has moved.
    pub(super) fn recover(&mut self, start: &Start) -> Result<bool, Failure> {
        let intent = Intent::on(&self.state);
        let usable = matches!(start, Start::FirstPopulation | Start::Adopt | Start::Baseline);
        // What was built in another warehouse says nothing of this one.
        let here = |notes: &Notes| plan::foreign(&notes.identity, &self.project.identity).is_none();
        let Some(notes) = intent.notes().filter(|notes| usable && here(notes)) else {
            return Ok(false);
        };
        self.read_baseline()?;
        let journal = artifacts::journal(&intent.log());
        if journal.started.is_empty() {
            self.forget(&intent)?;
            return Ok(false);
        }
        report::recovering(&journal, self.is_held());
        let copy = std::fs::read_to_string(intent.manifest()).ok().filter(|text| {
            Manifest::read(text)
                .is_ok_and(|copy| copy.invocation_id() == journal.invocation_id.as_deref())
        });
        let (text, seen) = match (copy, self.seen(&intent)) {
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
        self.record(reservation, &now, &outcome, end, notes.refresh())?;
        self.forget(&intent)?;
        Ok(true)
    }

    /// The run has been taken up, if only for ourselves.
    fn forget(&self, intent: &Intent) -> Result<(), Failure> {
        if self.is_held() { intent.done() } else { Ok(()) }
    }
}

impl Job<'_> {
    /// The fingerprints of what the nodes of the run read. The salt of a first population
    /// stands nowhere else yet.
    fn seen(&mut self, intent: &Intent) -> Option<Inputs> {
        let seen: Seen<'_> = serde_json::from_slice(&std::fs::read(intent.inputs()).ok()?).ok()?;
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

impl Intent {
    /// The state directory.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// dbt's log of the run.
    pub(super) fn log(&self) -> PathBuf {
        self.scratch.join("log/dbt.log")
    }

    /// The manifest of the run.
    pub(super) fn manifest(&self) -> PathBuf {
        self.scratch.join("manifest.json")
    }

    /// What the nodes of the run read.
    fn inputs(&self) -> PathBuf {
        self.scratch.join("inputs.json")
    }

    fn file(&self) -> PathBuf {
        self.scratch.join("intent.json")
    }

    fn begin(&self, notes: &Notes) -> Result<()> {
        for old in [self.log(), self.inputs(), self.manifest()] {
            remove(&old)?;
        }
        commit::write_file(&self.state, "run/intent.json", &serde_json::to_vec(notes)?)
    }

    fn notes(&self) -> Option<Notes> {
        serde_json::from_slice(&std::fs::read(self.file()).ok()?).ok()
    }

    /// The run has been recorded.
    pub(super) fn done(&self) -> Result<(), Failure> {
        remove(&self.file()).map_err(Failure::not_saved)
    }

    /// With dbt's log as our journal, unless the command line wants it elsewhere or
    /// this dbt's log has a form that we do not read.
    pub(super) fn journalled(
        &self,
        command: &Command,
        engine: &Engine,
        words: &[OsString],
    ) -> Vec<OsString> {
        let own = [Opt::LogPath, Opt::LogFormatFile, Opt::LogLevelFile];
        if own.iter().any(|option| command.gives(*option)) || !engine.journal() {
            log::debug!("no journal: dbt's log is not ours to shape");
            return words.to_vec();
        }
        let mut extra: Vec<OsString> = JOURNAL.into_iter().map(OsString::from).collect();
        extra.extend(["--log-path".into(), self.scratch.join("log").into_os_string()]);
        command.with_in(words, &extra)
    }
}

/// One file, never rotated, of JSON lines that tell when a node begins and how it ends.
const JOURNAL: [&str; 6] =
    ["--log-format-file", "json", "--log-level-file", "info", "--log-file-max-bytes", "0"];

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
