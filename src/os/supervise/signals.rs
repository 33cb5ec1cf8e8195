//! Receives the signals of this process: all are blocked, and read from a descriptor (signalfd(2)).
//!
//! No handler is installed except for CHLD, so every disposition stays as this process inherited it,
//! and the child inherits the same. A blocked signal is queued even if it is ignored, and even for
//! PID 1, to which the kernel otherwise delivers only signals that have a handler.

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

/// Signals that a fault of this program raises. They keep their default action and are not
/// forwarded.
const FAULTS: [Signal; 7] = [
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGSEGV,
    Signal::SIGSYS,
];

/// `si_code` of a signal that the kernel itself sent (sigaction(2)).
const SI_KERNEL: i32 = 128;

/// A signal that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReceivedSignal {
    /// The number of the signal.
    pub(super) signal: i32,
    pub(super) origin: SignalOrigin,
}

/// The kernel's queue of signals for this process.
#[derive(Debug)]
pub(super) struct SignalQueue {
    signals: SignalFd,
    /// The signal mask with which this process was started, for the child.
    pub(super) inherited_mask: SigSet,
}

impl SignalQueue {
    /// Block every signal that may be blocked, and open the descriptor. Threads that are started
    /// later inherit the mask.
    pub(super) fn open() -> Result<SignalQueue> {
        let inherited_mask = SigSet::thread_get_mask()?;
        // This includes the real-time signals, except the two or three that the C library uses.
        let mut all = SigSet::all();
        FAULTS.iter().for_each(|fault| all.remove(*fault));
        all.thread_set_mask()?;
        // If CHLD were ignored, the kernel would reap the children and discard how they ended.
        let unread = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::SIGCHLD as i32, unread).context("SIGCHLD")?;
        let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC)
            .context("cannot open a descriptor for signals")?;
        Ok(SignalQueue { signals, inherited_mask })
    }

    /// Wait for the next signal. `None` for a signal that concerns nobody else, or if the call was
    /// interrupted by a suspension of this process. It is a single read(2), so that the child gets
    /// its signal as early as from an init written in C.
    pub(super) fn next(&mut self) -> Result<Option<ReceivedSignal>> {
        match self.signals.read_signal() {
            Ok(info) => Ok(info.as_ref().and_then(received)),
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno).context("cannot read signals"),
        }
    }

    /// Wait at most this long for a signal, and return all that have been received by then.
    pub(super) fn collect(&mut self, at_most: Duration) -> Result<Vec<ReceivedSignal>> {
        let mut received = Vec::new();
        let mut wait = at_most;
        while self.has_any(wait)? {
            received.extend(self.next()?);
            wait = Duration::ZERO;
        }
        Ok(received)
    }

    /// Wait for a signal or until `other` can be read, but at most this long (without a time, for
    /// ever), and return the signals that have been received by then.
    pub(super) fn collect_beside(
        &mut self,
        other: BorrowedFd<'_>,
        at_most: Option<Duration>,
    ) -> Result<Vec<ReceivedSignal>> {
        wait_readable(&[self.signals.as_fd(), other], at_most)?;
        self.collect(Duration::ZERO)
    }

    fn has_any(&self, within: Duration) -> Result<bool> {
        wait_readable(&[self.signals.as_fd()], Some(within))
    }
}

/// Wait until one of the descriptors can be read, but at most this long (without a time, for ever).
/// `false` if none can be read.
fn wait_readable(descriptors: &[BorrowedFd<'_>], within: Option<Duration>) -> Result<bool> {
    let mut fds: Vec<PollFd<'_>> =
        descriptors.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match ppoll(&mut fds, within.map(TimeSpec::from_duration), None) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno).context("cannot wait for signals"),
    }
}

/// The signal that the kernel reports. `None` for the PIPE that this process itself caused by
/// writing to a broken pipe; it is not forwarded.
fn received(info: &siginfo) -> Option<ReceivedSignal> {
    let signal = i32::try_from(info.ssi_signo).ok()?;
    let is_own = signal == Signal::SIGPIPE as i32 && info.ssi_pid == std::process::id();
    let origin =
        if info.ssi_code == SI_KERNEL { SignalOrigin::Kernel } else { SignalOrigin::Process };
    (!is_own).then_some(ReceivedSignal { signal, origin })
}
