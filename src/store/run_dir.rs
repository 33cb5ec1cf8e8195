//! `.dbt-entrypoint/run`: what is known of the run in progress, so that whoever finds it after a
//! kill can record what had finished.
//!
//! `intent.json` stands there from before dbt starts until its outcome is committed. Beside it are
//! dbt's own log as JSON lines, and a copy of the manifest with the fingerprints of what its nodes
//! read. The other files are only used by the run itself.

use super::Store;
use super::state_for_dbt::StateForDbt;
use super::turn::{self, Turn};
use crate::dbt::engine::LogForm;
use crate::dbt::results::{RunLog, tells_the_end};
use crate::decide::intent::{Intent, RunReach, Unsaved};
use crate::exit::Failure;
use crate::os::boot;
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

const INTENT: &str = "run/intent.json";
const LOG: &str = "run/log/dbt.log";
/// The log of a dbt 2, beside the `dbt.log` that it writes as well.
const SPANS: &str = "run/log/spans.jsonl";
const MANIFEST: &str = "run/manifest.json";
const INPUTS: &str = "run/inputs.json";
/// How long the log is known to have been, so that a log that lost its end is not believed.
const LENGTH: &str = "run/length";

/// The first line of the log, which is there before dbt starts: dbt has written nothing where it
/// stands alone, and a log without it is not the one that dbt wrote.
const FIRST_LINE: &[u8] = b"{\"info\": {\"name\": \"JournalOfDbtEntrypoint\"}}\n";

/// What a run left on the volume, to be read with or without the lock.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    store: Store,
}

impl Journal {
    pub(super) fn of(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    /// Whether a run has begun that was not recorded.
    pub(crate) fn is_there(&self) -> bool {
        self.store.has_file(INTENT)
    }

    /// What that run set out to do; `None` where there is none, or it was noted by a later version
    /// that we do not understand.
    pub(crate) fn notes(&self) -> Option<Intent> {
        self.store.read_json(INTENT)
    }

    /// What dbt's log of the run says; nothing where there is none.
    pub(crate) fn log(&self) -> RunLog {
        let mut log = RunLog::default();
        self.each_line(&mut |line| drop(log.add_line(&String::from_utf8_lossy(line))));
        log
    }

    fn each_line(&self, take: &mut dyn FnMut(&[u8])) -> bool {
        self.store.each_line(self.log_name(), take)
    }

    /// What the log has after so many bytes.
    pub(crate) fn log_after(&self, known: u64) -> Vec<u8> {
        self.store.read_file_after(self.log_name(), known).unwrap_or_default()
    }

    fn log_name(&self) -> &'static str {
        if self.store.has_file(SPANS) { SPANS } else { LOG }
    }

    /// Whether the log holds all that dbt wrote into it. `begun_on` is what [`Journal::medium`] was
    /// when the run began: after a reboot or on another file system, what had not reached the
    /// storage is gone. dbt 2 loses the last lines when it is killed, so that its log is whole only
    /// if it tells of dbt's end.
    pub(crate) fn is_whole(&self, begun_on: Option<&str>) -> bool {
        let length = self.store.read_file(LENGTH).and_then(|text| String::from_utf8(text).ok());
        let Some(length) = length.and_then(|text| text.parse::<usize>().ok()) else {
            return false;
        };
        let (mut is_ours, mut bytes, mut last) = (false, 0, Vec::new());
        let is_read = self.each_line(&mut |line| {
            is_ours |= bytes == 0 && line == FIRST_LINE;
            bytes += line.len();
            last.clear();
            last.extend_from_slice(line);
        });
        is_read
            && begun_on.is_some()
            && begun_on == self.medium().as_deref()
            && is_ours
            && last.ends_with(b"\n")
            && length <= bytes
            && (self.log_name() == LOG || tells_the_end(&String::from_utf8_lossy(&last)))
    }

    /// The boot of the kernel and the file system of the log; `None` where they cannot be told.
    fn medium(&self) -> Option<String> {
        let device = fs::metadata(self.store.path()).ok()?.dev();
        Some(format!("{} {device}", boot::id()?))
    }

    /// The manifest that the run builds by.
    pub(crate) fn manifest(&self) -> Option<String> {
        String::from_utf8(self.store.read_file(MANIFEST)?).ok()
    }

    /// What [`RunDir::keep`] was given with that manifest.
    pub(crate) fn inputs(&self) -> Option<Vec<u8>> {
        self.store.read_file(INPUTS)
    }
}

/// The directory of the run in progress, for whoever holds the lock. It does not hold the lock
/// itself, so that a thread of the run can have one of its own.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    journal: Journal,
    turn: Arc<Turn>,
}

impl Deref for RunDir {
    type Target = Journal;

    fn deref(&self) -> &Journal {
        &self.journal
    }
}

impl RunDir {
    pub(super) fn of(store: &Store, turn: Arc<Turn>) -> Self {
        Self { journal: Journal::of(store), turn }
    }

    fn store(&self) -> &Store {
        &self.journal.store
    }

    /// Note that a run begins, after removing what an earlier one left. `form` is that of dbt's log
    /// where it is the journal.
    ///
    /// # Errors
    /// 75 where another run has begun meanwhile, 73 where the volume gives out.
    pub(crate) fn begin(&self, notes: &Intent, form: Option<LogForm>) -> Result<(), Failure> {
        self.turn.take()?;
        self.clear(notes, form).map_err(Failure::unwritable)?;
        self.note(notes)
    }

    fn clear(&self, notes: &Intent, form: Option<LogForm>) -> Result<()> {
        self.turn.forget_doubts()?;
        for old in [LOG, SPANS, INPUTS, MANIFEST] {
            self.store().remove_file(old)?;
        }
        if let Some(form) = form.filter(|_| notes.journal.is_some()) {
            let log = match form {
                LogForm::Events => LOG,
                LogForm::Spans => SPANS,
            };
            self.store().write_file(log, FIRST_LINE)?;
            self.store().write_note(LENGTH, FIRST_LINE.len().to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Note what the run does from now on.
    ///
    /// # Errors
    /// As [`RunDir::begin`]; the earlier notes then stand.
    pub(crate) fn note(&self, notes: &Intent) -> Result<(), Failure> {
        self.turn.take()?;
        self.turn.remember(notes);
        self.write(notes).map_err(Failure::unwritable)
    }

    fn write(&self, notes: &Intent) -> Result<()> {
        self.store().write_file(INTENT, &turn::text(notes)?)
    }

    /// Note that the run ended without being recorded, for the next to take it up. `touched` is all
    /// that it may have built.
    ///
    /// # Errors
    /// With what to do.
    pub(crate) fn note_unsaved(
        &self,
        notes: &mut Intent,
        unsaved: Unsaved,
        touched: BTreeSet<String>,
    ) -> Result<()> {
        notes.unsaved = Some(unsaved);
        if self.turn.is_ours() {
            return self.write(notes);
        }
        notes.reach = Some(RunReach::Nodes(touched));
        self.turn.doubt(notes)
    }

    /// For [`Intent::journal`], where dbt's log is the journal.
    pub(crate) fn begun_on(&self) -> Option<String> {
        fs::create_dir_all(self.store().path()).ok()?;
        self.medium()
    }

    /// The length of the log now.
    pub(crate) fn length(&self) -> u64 {
        let log = self.store().path_of(self.journal.log_name());
        log.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Note how long the log is; that we are at work, where another run has begun.
    ///
    /// # Errors
    /// With what to do.
    pub(crate) fn note_length(&self) -> Result<()> {
        if !self.turn.is_ours() {
            return self.turn.doubt_ourselves();
        }
        self.store().write_note(LENGTH, self.length().to_string().as_bytes())
    }

    /// The run has been recorded, or came to nothing. The notes of another run stay.
    ///
    /// # Errors
    /// With what to do; the next start then takes the run for one that was killed.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.turn.is_ours() {
            self.store().remove_file(INTENT)?;
        }
        self.turn.withdraw_doubt()
    }

    /// A run that was killed has been taken up.
    ///
    /// # Errors
    /// 75 where another run has begun meanwhile, 73 where the volume gives out.
    pub(crate) fn forget_killed(&self) -> Result<(), Failure> {
        self.turn.take()?;
        self.store().remove_file(INTENT).map_err(Failure::unwritable)
    }

    /// Runs that overlapped with others have been taken up.
    ///
    /// # Errors
    /// As [`RunDir::forget_killed`].
    pub(crate) fn forget_overlapped(&self) -> Result<(), Failure> {
        self.turn.take()?;
        self.turn.forget_doubts().map_err(Failure::unwritable)
    }

    /// Where dbt has to write its log (`--log-path`) for [`Journal::log`] to find it.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.store().path_of("run/log")
    }

    /// Where a dbt 2 has to write its spans (`--otel-file-name`) for [`Journal::log`] to find them.
    pub(crate) fn spans(&self) -> PathBuf {
        self.store().path_of(SPANS)
    }

    /// Where the log of a `dbt parse` goes, which is not part of the journal.
    pub(crate) fn parse_log_dir(&self) -> PathBuf {
        self.store().path_of("run/parse")
    }

    /// Keep the manifest that the run builds by, and what its nodes read. `inputs` is written
    /// first, so that a manifest on the volume always has it.
    ///
    /// # Errors
    /// With what to do.
    pub(crate) fn keep(&self, manifest: &[u8], inputs: &[u8]) -> Result<()> {
        if !self.turn.is_ours() {
            return self.turn.doubt_ourselves();
        }
        self.store().write_file(INPUTS, inputs)?;
        self.store().write_file(MANIFEST, manifest)
    }

    /// A new name for a directory that dbt is given as `--state`.
    ///
    /// # Errors
    /// Where there are no random numbers: a container without `/dev`.
    pub(crate) fn state_for_dbt(&self) -> Result<StateForDbt> {
        StateForDbt::of(self.store())
    }

    /// An empty file of this name that nobody reads after the run, and its path.
    ///
    /// # Errors
    /// With what to do.
    pub(crate) fn scratch_file(&self, name: &str) -> Result<(File, PathBuf)> {
        let below = format!("run/{name}");
        Ok((self.store().empty_file(&below)?, self.store().path_of(&below)))
    }
}

#[cfg(test)]
mod tests;
