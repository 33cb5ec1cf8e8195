//! The fence: which run began last on the volume.
//!
//! Where a lock holds on one node only, two runs can be at work at once. So a run writes a number
//! of its own onto the volume before it changes anything, and looks again before it builds and
//! before it commits. One that finds another number leaves the baseline alone, and notes under
//! `doubts` what it may have built: the next run builds that again.

use super::{CONTROL, DOUBTS, NUMBER, ONE_AT_A_TIME, Store};
use crate::decide::intent::Intent;
use crate::exit::{Failure, Refusal};
use anyhow::{Result, ensure};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The turn of one holder of the lock.
#[derive(Debug)]
pub(super) struct Turn {
    store: Store,
    /// The number that stood on the volume when the lock was taken.
    before: Option<Vec<u8>>,
    /// The doubts that stood there then.
    doubts: Vec<String>,
    /// Counts up; the second word is random, so that no two runs have the same.
    own: String,
    /// Whether our number was written.
    taken: AtomicBool,
    /// What the run in progress may build, as it was noted last; empty where it is nothing.
    notes: Mutex<Vec<u8>>,
}

impl Turn {
    /// # Errors
    /// 73 where the number on the volume cannot be read.
    pub(super) fn of(store: &Store) -> Result<Self, Failure> {
        let before = store.try_read_file(NUMBER).map_err(Failure::unwritable)?;
        let number = before.as_deref().map_or("", |text| str::from_utf8(text).unwrap_or_default());
        let number: u64 = number.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let unique = RandomState::new().build_hasher().finish();
        Ok(Self {
            store: store.clone(),
            before,
            doubts: store.doubt_names(),
            own: format!("{} {unique:016x}", number.saturating_add(1)),
            taken: AtomicBool::new(false),
            notes: Mutex::new(Vec::new()),
        })
    }

    /// Whether no other run has begun since we did.
    #[inline(never)]
    pub(super) fn is_ours(&self) -> bool {
        self.taken.load(Ordering::Acquire) && self.is_free().unwrap_or(false)
    }

    /// Begin: from now on every other run finds our number.
    ///
    /// # Errors
    /// 75 where another run has begun since the lock was taken, 73 where the volume gives out.
    #[inline(never)]
    pub(super) fn take(&self) -> Result<(), Failure> {
        if !self.is_free().map_err(Failure::unwritable)? {
            return Err(Failure::try_again(self.overtaken("nothing was built")));
        }
        self.write_number().map_err(Failure::unwritable)
    }

    /// Refuse to replace a baseline beside another run.
    ///
    /// # Errors
    /// Another run has begun, or one that we did not see has ended without being recorded.
    #[inline(never)]
    pub(super) fn allows_commit(&self) -> Result<()> {
        let meaning = "its baseline stays; what this run may have built is built again by the next";
        let is_new = |name: &String| {
            let has_ended = || self.store.doubt(name).is_none_or(|notes| notes.unsaved.is_some());
            !self.doubts.contains(name) && has_ended()
        };
        let is_alone = self.is_free()? && !self.store.doubt_names().iter().any(is_new);
        ensure!(is_alone, self.overtaken(meaning));
        self.write_number()
    }

    /// Whether no other run has begun since the lock was taken.
    #[inline(never)]
    fn is_free(&self) -> Result<bool> {
        let number = self.store.try_read_file(NUMBER)?;
        Ok(match self.taken.load(Ordering::Acquire) {
            true => number.as_deref() == Some(self.own.as_bytes()),
            false => number == self.before,
        })
    }

    fn write_number(&self) -> Result<()> {
        if !self.taken.load(Ordering::Acquire) {
            self.store.write_file(NUMBER, self.own.as_bytes())?;
            self.taken.store(true, Ordering::Release);
        }
        Ok(())
    }

    #[inline(never)]
    fn overtaken(&self, meaning: &str) -> Refusal {
        Refusal::new(format!(
            "another run was at work on the state volume {} meanwhile",
            self.store
        ))
        .meaning(meaning)
        .remedy("start again, once the other run has ended")
        .remedy(ONE_AT_A_TIME)
    }

    /// Remember what the run may build from now on.
    pub(super) fn remember(&self, notes: &Intent) {
        *self.remembered() = if notes.is_harmless() {
            Vec::new()
        } else {
            serde_json::to_vec(notes).unwrap_or_default()
        };
    }

    fn remembered(&self) -> MutexGuard<'_, Vec<u8>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While dbt is at work, and another run has begun: note what we may build, for the next run.
    pub(super) fn doubt_ourselves(&self) -> Result<()> {
        let (below, notes) = (self.own_doubt(), self.remembered());
        if notes.is_empty() || self.store.has_file(&below) {
            return Ok(());
        }
        self.store.write_file(&below, &notes)
    }

    /// The same, when we have ended.
    pub(super) fn doubt(&self, notes: &Intent) -> Result<()> {
        if notes.is_harmless() {
            return self.withdraw_doubt();
        }
        self.store.write_file(&self.own_doubt(), &text(notes)?)
    }

    fn own_doubt(&self) -> String {
        format!("{DOUBTS}/{}.json", self.own.replace(' ', "-"))
    }

    /// Nothing that we did is in doubt.
    pub(super) fn withdraw_doubt(&self) -> Result<()> {
        self.store.remove_file(&self.own_doubt())
    }

    /// The doubts that stood there when the lock was taken were taken up, or are replaced by those
    /// of a run that takes nothing for built.
    pub(super) fn forget_doubts(&self) -> Result<()> {
        self.doubts.iter().try_for_each(|name| self.store.remove_file(&format!("{DOUBTS}/{name}")))
    }
}

/// Notes as they stand on the volume.
#[inline(never)]
pub(super) fn text(notes: &Intent) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(notes)?)
}

impl Store {
    /// What runs that overlapped with others may have built; `None` for one that cannot be read.
    pub(crate) fn doubts(&self) -> Vec<Option<Intent>> {
        self.doubt_names().iter().map(|name| self.doubt(name)).collect()
    }

    fn doubt(&self, name: &str) -> Option<Intent> {
        self.read_json(&format!("{DOUBTS}/{name}"))
    }

    fn doubt_names(&self) -> Vec<String> {
        let dir =
            super::dir::Dir::open(self.path()).and_then(|dir| dir.enter(CONTROL)?.enter(DOUBTS));
        let names = dir.and_then(|dir| dir.names()).unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        names.filter(|name| !name.starts_with('.')).collect()
    }
}
