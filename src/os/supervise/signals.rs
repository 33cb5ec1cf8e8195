//! Where signals arrive: all blocked, and read from a signalfd.
//!
//! No handler is installed (but CHLD's), so every disposition stays as it was inherited and the
//! child inherits it in turn; a signal that is blocked is queued even when it is ignored, and
//! even for PID 1, to which the kernel otherwise sends nothing that has no handler.

use crate::decide::stop::SignalOrigin;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::sys::time::TimeSpec;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Signals that a fault of ours raises: they keep their default action, and are not forwarded.
const FAULTS: [Signal; 7] = [
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGSEGV,
    Signal::SIGSYS,
];

/// `si_code` of a signal that the kernel made itself (sigaction(2)).
const SI_KERNEL: i32 = 128;

/// One arrived signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReceivedSignal {
    pub(super) signal: i32,
    pub(super) origin: SignalOrigin,
}

/// All signals of the process.
#[derive(Debug)]
pub(super) struct SignalQueue {
    signals: SignalFd,
    /// The mask that we were started with, for the child.
    pub(super) inherited_mask: SigSet,
}

impl SignalQueue {
    /// Block every signal that may be blocked; threads that start later inherit that.
    pub(super) fn open() -> Result<SignalQueue> {
        let inherited_mask = SigSet::thread_get_mask()?;
        // Real-time signals included, but for the two or three that the C library keeps.
        let mut all = SigSet::all();
        FAULTS.iter().for_each(|fault| all.remove(*fault));
        all.thread_set_mask()?;
        // Were CHLD ignored, the kernel would reap for us and lose the child's end.
        let unread = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::SIGCHLD as i32, unread).context("SIGCHLD")?;
        let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC)
            .context("a descriptor for signals")?;
        Ok(SignalQueue { signals, inherited_mask })
    }

    /// Wait for the next signal; `None` for one that is nobody's, or after a suspension of our
    /// own. One read(2), so that the child has its signal as soon as an init written in C
    /// would give it.
    pub(super) fn next(&mut self) -> Result<Option<ReceivedSignal>> {
        match self.signals.read_signal() {
            Ok(info) => Ok(info.as_ref().and_then(read)),
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno).context("reading signals"),
        }
    }

    /// Wait for signals at most this long and return what came.
    pub(super) fn collect(&mut self, at_most: Duration) -> Result<Vec<ReceivedSignal>> {
        let mut arrived = Vec::new();
        let mut wait = at_most;
        while self.has_any(wait)? {
            arrived.extend(self.next()?);
            wait = Duration::ZERO;
        }
        Ok(arrived)
    }

    /// As [`SignalQueue::collect`], and no longer than until `other` can be read; for ever, without a
    /// time.
    pub(super) fn collect_beside(
        &mut self,
        other: BorrowedFd<'_>,
        at_most: Option<Duration>,
    ) -> Result<Vec<ReceivedSignal>> {
        any(&[self.signals.as_fd(), other], at_most)?;
        self.collect(Duration::ZERO)
    }

    fn has_any(&self, within: Duration) -> Result<bool> {
        any(&[self.signals.as_fd()], Some(within))
    }
}

/// Whether one of them can be read, within a time or ever.
fn any(descriptors: &[BorrowedFd<'_>], within: Option<Duration>) -> Result<bool> {
    let mut fds: Vec<PollFd<'_>> =
        descriptors.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match ppoll(&mut fds, within.map(TimeSpec::from_duration), None) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno).context("waiting for signals"),
    }
}

/// The PIPE that a broken pipe raises at its writer comes from ourselves, and is ours alone.
fn read(info: &siginfo) -> Option<ReceivedSignal> {
    let signal = i32::try_from(info.ssi_signo).ok()?;
    let own = signal == Signal::SIGPIPE as i32 && info.ssi_pid == std::process::id();
    let origin =
        if info.ssi_code == SI_KERNEL { SignalOrigin::Kernel } else { SignalOrigin::Process };
    (!own).then_some(ReceivedSignal { signal, origin })
}
