//! The fence: which run began last on the volume.
//!
//! Where a lock holds on one node only, two runs can be at work at once. So a run writes a number
//! of its own onto the volume before it changes anything, and looks again before it builds and
//! before it commits. One that finds another number leaves the baseline alone, and notes under
//! `doubts` what it may have built: the next run builds that again.

use super::{CONTROL, DOUBTS, NUMBER, Store};
use crate::decide::intent::Intent;
use crate::exit::{Failure, Refusal};
use anyhow::Result;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The turn of one holder of the lock.
#[derive(Debug)]
pub(super) struct Turn {
    store: Store,
    /// The number that stood on the volume when the lock was taken.
    before: Option<Vec<u8>>,
    /// The doubts that stood there then.
    doubts: BTreeSet<String>,
    /// Counts up; the second word is random, so that no two runs have the same.
    own: String,
    /// Whether our number was written.
    taken: AtomicBool,
    /// What the run in progress may build, as it was noted last.
    notes: Mutex<Option<Intent>>,
}

impl Turn {
    pub(super) fn of(store: &Store) -> Self {
        let before = store.read_file(NUMBER);
        let number = before.as_deref().map_or("", |text| str::from_utf8(text).unwrap_or_default());
        let number: u64 = number.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let unique = RandomState::new().build_hasher().finish();
        Self {
            store: store.clone(),
            before,
            doubts: store.doubt_names(),
            own: format!("{} {unique:016x}", number.saturating_add(1)),
            taken: AtomicBool::new(false),
            notes: Mutex::new(None),
        }
    }

    /// Whether no other run has begun since we did.
    pub(super) fn is_ours(&self) -> bool {
        self.taken.load(Ordering::Acquire)
            && self.store.read_file(NUMBER).as_deref() == Some(self.own.as_bytes())
    }

    /// Begin: from now on every other run finds our number.
    ///
    /// # Errors
    /// 75 where another run has begun since the lock was taken, 73 where the volume gives out.
    pub(super) fn take(&self) -> Result<(), Failure> {
        let is_free = match self.taken.load(Ordering::Acquire) {
            true => self.is_ours(),
            false => self.store.read_file(NUMBER) == self.before,
        };
        if !is_free {
            return Err(Failure::lock_timeout(self.overtaken("nothing was built")));
        }
        if !self.taken.load(Ordering::Acquire) {
            let number = self.store.write_file(NUMBER, self.own.as_bytes());
            number.map_err(Failure::unwritable)?;
            self.taken.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Refuse to replace a baseline beside another run.
    ///
    /// # Errors
    /// Another run has begun, or one that we did not see has ended without being recorded.
    pub(super) fn allows_commit(&self) -> Result<(), Refusal> {
        let meaning = "its baseline stays; what this run may have built is built again by the next";
        match self.take() {
            Err(Failure::Own(_, refusal)) => return Err(refusal.meaning(meaning)),
            Err(Failure::Stopped(_)) | Ok(()) => {}
        }
        let is_new = |name: &String| {
            let notes = || self.store.doubt(name).is_none_or(|notes| notes.unsaved.is_some());
            !self.doubts.contains(name) && notes()
        };
        match self.store.doubt_names().iter().any(is_new) {
            true => Err(self.overtaken(meaning)),
            false => Ok(()),
        }
    }

    fn overtaken(&self, meaning: &str) -> Refusal {
        Refusal::new(format!("another run was at work on the state volume {} meanwhile", self.store))
            .meaning(meaning)
            .remedy("start again, once the other run has ended")
            .remedy("let one run at a time use the volume: in Kubernetes `concurrencyPolicy: Forbid` and `parallelism: 1`")
    }

    /// Remember what the run may build from now on.
    pub(super) fn remember(&self, notes: &Intent) {
        if let Ok(mut remembered) = self.notes.lock() {
            *remembered = Some(notes.clone());
        }
    }

    /// Note what we may have built for the next run, where another one has begun. `None` stands for
    /// what was remembered, while dbt is still at work.
    pub(super) fn doubt(&self, notes: Option<&Intent>) -> Result<()> {
        let remembered = self.notes.lock().ok().and_then(|notes| notes.clone());
        let Some(notes) = notes.or(remembered.as_ref()) else { return Ok(()) };
        let below = format!("{DOUBTS}/{}.json", self.own.replace(' ', "-"));
        if notes.is_harmless() || (notes.unsaved.is_none() && self.store.has_file(&below)) {
            return Ok(());
        }
        self.store.write_file(&below, &serde_json::to_vec(notes)?)
    }

    /// Nothing that we did is in doubt.
    pub(super) fn withdraw_doubt(&self) -> Result<()> {
        self.store.remove_file(&format!("{DOUBTS}/{}.json", self.own.replace(' ', "-")))
    }

    /// The doubts that stood there when the lock was taken were taken up, or are replaced by those
    /// of a run that takes nothing for built.
    pub(super) fn forget_doubts(&self) -> Result<()> {
        self.doubts.iter().try_for_each(|name| self.store.remove_file(&format!("{DOUBTS}/{name}")))
    }
}

impl Store {
    /// What runs that overlapped with others may have built; `None` for one that cannot be read.
    pub(crate) fn doubts(&self) -> Vec<Option<Intent>> {
        self.doubt_names().iter().map(|name| self.doubt(name)).collect()
    }

    fn doubt(&self, name: &str) -> Option<Intent> {
        serde_json::from_slice(&self.read_file(&format!("{DOUBTS}/{name}"))?).ok()
    }

    fn doubt_names(&self) -> BTreeSet<String> {
        let dir =
            super::dir::Dir::open(self.path()).and_then(|dir| dir.enter(CONTROL)?.enter(DOUBTS));
        let names = dir.and_then(|dir| dir.names()).unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        names.filter(|name| !name.starts_with('.')).collect()
    }
}
