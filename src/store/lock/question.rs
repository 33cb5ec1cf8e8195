//! Asks flock(2) without waiting for it.

use super::super::explained::errno_of;
use crate::os::threads;
use nix::Error as Errno;
use std::fs::{File, TryLockError};
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What flock(2) says.
pub(super) enum LockAnswer {
    Ours,
    /// Also EACCES, with which SMB answers.
    Held,
    Failed(io::Error),
}

impl From<Result<(), TryLockError>> for LockAnswer {
    fn from(outcome: Result<(), TryLockError>) -> Self {
        match outcome {
            Ok(()) => Self::Ours,
            Err(TryLockError::WouldBlock) => Self::Held,
            Err(TryLockError::Error(error)) => match errno_of(&error) {
                Some(Errno::EACCES | Errno::EAGAIN) => Self::Held,
                _ => Self::Failed(error),
            },
        }
    }
}

/// A question that flock(2) has not answered yet, asked in a thread of its own: over a network, a
/// call that never waits for a holder can wait for its server for ever, and then no signal ends it
/// (NFS 3).
pub(super) struct LockQuestion {
    answer: Arc<Mutex<Option<LockAnswer>>>,
    asked: Receiver<()>,
}

impl LockQuestion {
    pub(super) fn ask(file: &File, how: fn(&File) -> Result<(), TryLockError>) -> io::Result<Self> {
        let (ends, asked) = mpsc::channel();
        let (theirs, answer) = (file.try_clone()?, Arc::new(Mutex::new(None)));
        let to = Arc::clone(&answer);
        let work = move || {
            let outcome = how(&theirs);
            // Before the answer: a lock lasts as long as any descriptor of its file is open, and
            // whoever has the answer may release it at once.
            drop(theirs);
            note(&to, outcome);
            drop(ends);
        };
        // A sandbox may forbid threads.
        if threads::start("lock", Box::new(work)).is_err() {
            note(&answer, how(file));
        }
        Ok(Self { answer, asked })
    }

    /// The answer, if it comes within this time.
    pub(super) fn answer(&self, within: Duration) -> Option<LockAnswer> {
        let _ = self.asked.recv_timeout(within);
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn note(answer: &Mutex<Option<LockAnswer>>, outcome: Result<(), TryLockError>) {
    *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome.into());
}
