//! The state on the volume. The only code that knows its files.
//!
//! [`Store`] names a state directory and reads it. [`Store::lock`] gives a [`Locked`], which alone
//! can change it. The files are:
//!
//! ```text
//! manifest.json                              the baseline; any dbt can read it through --state
//! .dbt-entrypoint/records/<sha256>.json      what we know about the manifest with that digest
//! .dbt-entrypoint/history/<n>-<sha256>.json  earlier baselines
//! .dbt-entrypoint/populated                  there was a baseline: a missing one is a loss
//! .dbt-entrypoint/lock                       flock(2), and who holds it
//! .dbt-entrypoint/unpublished                the publish hook has not seen this baseline yet
//! .dbt-entrypoint/last-run.json              the summary of the last run
//! .dbt-entrypoint/run/                       the run in progress
//! .dbt-entrypoint/number                     the number of the run that began last
//! .dbt-entrypoint/warm/                      dbt's parse of the project, and what it is of
//! .dbt-entrypoint/doubts/<number>.json       what a run built while another was at work
//! ```

mod admit;
mod commit;
mod dir;
mod explained;
mod files;
mod history;
mod leftovers;
mod lock;
mod look;
mod place;
mod rehearsal;
mod run_dir;
mod shown;
mod state_for_dbt;
mod temporary;
mod turn;
mod usage;
mod warm;

pub use commit::{Commit, Reservation, Saved, Writer};
pub(crate) use history::Entry;
pub(crate) use lock::Holder;
pub use look::Stored;
pub use place::Place;
pub(crate) use run_dir::{Journal, RunDir};
pub(crate) use state_for_dbt::StateForDbt;

use crate::decide::record::Record;
use crate::decide::refused_plan::RefusedPlan;
use crate::decide::state_mode::StateMode;
use crate::decide::summary::Summary;
use crate::environment::Environment;
use crate::exit::Failure;
use crate::os::mount::{self, Mount};
use anyhow::{Context as _, Result};
use explained::explained;
use lock::Lock;
use nix::sys::signal::Signal;
use nix::sys::statvfs::statvfs;
use rehearsal::Abilities;
use std::cell::OnceCell;
use std::fmt;
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use turn::Turn;

/// The baseline.
const MANIFEST: &str = "manifest.json";
/// Our own directory on the volume.
const CONTROL: &str = ".dbt-entrypoint";
/// In [`CONTROL`]: what we know about a manifest, by its digest.
const RECORDS: &str = "records";
/// In [`CONTROL`]: there was a baseline once. A record alone does not say that: a first
/// commit that was killed leaves one behind.
const POPULATED: &str = "populated";
/// In [`CONTROL`]: earlier baselines.
const HISTORY: &str = "history";
/// In [`CONTROL`]: the publish hook has not seen the present baseline yet.
const UNPUBLISHED: &str = "unpublished";
/// In [`CONTROL`]: the number of the run that began last.
const NUMBER: &str = "number";
/// In [`CONTROL`]: what runs built that overlapped with others.
const DOUBTS: &str = "doubts";
/// What to do where the lock holds on one node only.
const ONE_AT_A_TIME: &str =
    "let one run at a time use it: in Kubernetes `concurrencyPolicy: Forbid` and `parallelism: 1`";
/// In [`CONTROL`]: the summary of the last run.
const LAST_RUN: &str = "last-run.json";
/// In [`CONTROL`]: the plan that was refused last.
const REFUSED_PLAN: &str = "refused-plan.json";

/// A state directory, which may be missing or hold anything. Its methods read it, and none of
/// them waits for the lock. `Display` is the path.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    mode: Option<StateMode>,
}

impl Store {
    /// The store in this directory. Nothing is opened.
    ///
    /// # Errors
    /// When a relative path cannot be made absolute: it is empty, or there is no working directory.
    pub fn at(state_dir: &Path) -> Result<Self> {
        let path = std::path::absolute(state_dir)
            .with_context(|| format!("the state directory {}", state_dir.display()))?;
        Ok(Self { path, mode: None })
    }

    /// The same store, whose baselines others may read.
    #[must_use]
    pub fn with_mode(self, mode: Option<StateMode>) -> Self {
        Self { mode, ..self }
    }

    /// Where the directory is and whether it can be written, without changing anything.
    #[must_use]
    pub fn place(&self, environment: &Environment) -> Place {
        place::place(&self.path, mount::surroundings(environment))
    }

    /// Take the lock, waiting up to `timeout` for another holder, and remove what killed processes
    /// left behind. `what` is shown to whoever has to wait, such as `dbt run`.
    ///
    /// `wait` waits for the given time or less, and returns the signal that asks us to stop.
    ///
    /// # Errors
    /// 75 after `timeout`, 128+n on a signal, 73 where the volume cannot be written or locked.
    pub fn lock(
        self,
        what: &str,
        timeout: Duration,
        wait: &mut dyn FnMut(Duration) -> Option<Signal>,
    ) -> Result<Locked, Failure> {
        let lock = lock::acquire(&self.path, what, timeout, wait)?;
        leftovers::clean(&self.path);
        shown::show(&self.path, self.mode);
        let turn = Arc::new(Turn::of(&self)?);
        let locked = Locked { store: self, lock, turn, abilities: OnceCell::new() };
        locked.make_room();
        Ok(locked)
    }

    /// Who holds the lock now.
    pub(crate) fn holder(&self) -> Option<Holder> {
        lock::holder_of(&self.path)
    }

    /// Read what is stored.
    ///
    /// # Errors
    /// When the directory or a file in it cannot be read, with what to do. A file that can be read
    /// and is not what it should be is [`Found::Damaged`](crate::decide::start::Found::Damaged).
    pub fn look(&self) -> Result<Stored> {
        look::look(&self.path)
    }

    /// As [`Store::look`], but without the text of a manifest that has a record, which was checked
    /// before it was committed: for a run that finds nothing to do. [`Store::manifest`] reads it.
    ///
    /// # Errors
    /// As [`Store::look`].
    pub(crate) fn glance(&self) -> Result<Stored> {
        look::glance(&self.path)
    }

    /// The text of the manifest that has this digest.
    ///
    /// # Errors
    /// When it cannot be read, or has changed since its digest was taken.
    pub(crate) fn manifest(&self, digest: &str) -> Result<String> {
        look::manifest(&self.path, digest)
    }

    /// The digest of the present baseline, if that is known to be one.
    pub(crate) fn present_digest(&self) -> Option<String> {
        self.glance().ok()?.digest
    }

    /// The history without the present baseline, the newest first.
    ///
    /// # Errors
    /// When the history is there and cannot be read.
    pub(crate) fn earlier(&self) -> Result<Vec<Entry>> {
        let present = self.present_digest();
        let mut entries = history::entries(&self.path)?;
        entries.retain(|entry| Some(&entry.digest) != present.as_ref());
        Ok(entries)
    }

    /// The manifest of an earlier baseline, and its record if it has one.
    ///
    /// # Errors
    /// When either cannot be read, or is not what it was.
    pub(crate) fn read_earlier(&self, entry: &Entry) -> Result<(String, Option<Record>)> {
        history::read(&self.path, entry)
    }

    /// What the last run did, if a summary is there and can be read.
    pub(crate) fn last_run(&self) -> Option<Summary> {
        self.read_json(LAST_RUN)
    }

    /// The plan that was refused last, if there was one.
    pub(crate) fn refused_plan(&self) -> Option<RefusedPlan> {
        self.read_json(REFUSED_PLAN)
    }

    /// The room that all files of the volume take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        usage::bytes(&self.path)
    }

    /// Whether a run began that has not been recorded: it is in progress, or it was killed, or
    /// another one was at work at the same time.
    pub(crate) fn has_unfinished_run(&self) -> bool {
        self.journal().is_there() || !self.doubts().is_empty()
    }

    /// Whether there is plenty of room for all that dbt can log of a run. `manifest` are the bytes of
    /// the project's manifest, if it is known: such a log is five times as long, or longer if the
    /// statements are.
    pub(crate) fn has_room_for_long_logs(&self, manifest: Option<usize>) -> bool {
        let needed = match manifest {
            Some(bytes) => bytes.saturating_mul(16).saturating_add(64 << 20),
            None => 512 << 20,
        };
        let room = statvfs(&self.path).map(|room| room.blocks_available() * room.fragment_size());
        room.is_ok_and(|room| room >= u64::try_from(needed).unwrap_or(u64::MAX))
    }

    /// What the run in progress, or one that was killed, left on the volume.
    pub(crate) fn journal(&self) -> Journal {
        Journal::of(self)
    }

    /// The path of the manifest, for the publish hook.
    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.path.join(MANIFEST)
    }

    /// The state directory, to leave it out where the files of a project are listed.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// A store whose lock we hold, until this is dropped or we die: nobody else changes it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Locked {
    store: Store,
    lock: Lock,
    turn: Arc<Turn>,
    abilities: OnceCell<Abilities>,
}

impl Deref for Locked {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Locked {
    /// A descriptor for dbt to inherit: where only this process is killed, the state stays locked
    /// until dbt has ended too.
    ///
    /// # Errors
    /// 73 where there are no more descriptors.
    pub(crate) fn for_dbt(&self) -> Result<File, Failure> {
        self.lock.descriptor().map_err(|error| Failure::unwritable(anyhow::Error::from(error)))
    }

    /// Do once with a small file what a commit does, so that a volume that cannot take a baseline is
    /// found before dbt starts.
    ///
    /// # Errors
    /// 73, with what to do.
    pub(crate) fn rehearse(&self) -> Result<(), Failure> {
        self.rehearsed().map(|_| ())
    }

    fn rehearsed(&self) -> Result<Abilities, Failure> {
        if let Some(abilities) = self.abilities.get() {
            return Ok(*abilities);
        }
        let abilities = rehearsal::rehearse(&self.path)?;
        Ok(*self.abilities.get_or_init(|| abilities))
    }

    /// Whether dbt can write its log here. On buckets a file that is there cannot grow.
    pub(crate) fn takes_logs(&self) -> bool {
        let in_user_space = |mount: Mount| mount.fs_type.starts_with("fuse");
        !mount::of(&self.path).is_some_and(in_user_space)
            || self.rehearsed().is_ok_and(|abilities| abilities.appends)
    }

    /// Reserve room for a manifest of so many bytes and its record, so that a full volume is found
    /// before dbt starts rather than after hours of work.
    ///
    /// # Errors
    /// 73, with what to do.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, Failure> {
        let way = self.rehearsed()?.way;
        let reserved = commit::reserve(&self.path, bytes, way);
        // The partial-parse file is never what a baseline finds no room for.
        match reserved.is_err() && self.has_parse() {
            true => {
                self.forget_parse();
                commit::reserve(&self.path, bytes, way)
            }
            false => reserved,
        }
    }

    /// Make a manifest the baseline, with its record, and keep the present one in the history.
    ///
    /// # Errors
    /// 74, with what to do. The old baseline is then still there, unless the message says that
    /// only the storage's confirmation is missing.
    pub fn commit(&self, reservation: Reservation, commit: Commit<'_>) -> Result<Saved, Failure> {
        commit::commit(&self.store, &self.turn, reservation, commit)
    }

    /// Replace the record of the manifest that has this digest; the baseline stays as it is.
    ///
    /// # Errors
    /// With what to do; the old record is then still there.
    pub(crate) fn write_record(&self, digest: &str, record: &Record) -> Result<()> {
        self.write_file(&format!("{RECORDS}/{digest}.json"), &serde_json::to_vec(record)?)
    }

    /// Keep the summary of a run for `status`. Nothing depends on it, so a failure is a warning.
    pub(crate) fn keep_summary(&self, summary: &Summary) {
        let text = serde_json::to_vec_pretty(summary).unwrap_or_default();
        if let Err(error) = self.write_note(LAST_RUN, &text) {
            log::warn!("`dbt-entrypoint status` will not show this run: {error:#}");
        }
    }

    /// Keep a plan that is refused, for an approval of it. Nothing depends on it.
    pub(crate) fn keep_refused_plan(&self, plan: &RefusedPlan) {
        let text = serde_json::to_vec(plan).unwrap_or_default();
        if let Err(error) = self.write_note(REFUSED_PLAN, &text) {
            log::debug!("{error:#}");
        }
    }

    /// The directory of the run in progress.
    pub(crate) fn run(&self) -> RunDir {
        RunDir::of(&self.store, Arc::clone(&self.turn))
    }

    /// Whether the publish hook has not seen the present baseline yet.
    pub(crate) fn is_publish_owed(&self) -> bool {
        self.has_file(UNPUBLISHED)
    }

    /// The publish hook has seen the present baseline.
    ///
    /// # Errors
    /// When that cannot be noted: the hook then runs once more.
    pub(crate) fn published(&self) -> Result<()> {
        self.remove_file(UNPUBLISHED)
    }
}

#[cfg(test)]
mod tests;
