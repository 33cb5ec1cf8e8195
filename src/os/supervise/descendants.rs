//! Kills the child when this process panics, and the processes that a child leaves behind.
//!
//! Leftover processes would keep a container alive, or go on writing to the warehouse.

use super::Termination;
use super::tree::{self, ChildEvent};
use anyhow::Result;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// How long to wait for leftover processes to end after SIGKILL.
const SWEEP: Duration = Duration::from_secs(1);

/// How often to look for leftover processes. The children of a killed process become children of
/// this process only after it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The child processes, shared with the panic hook.
#[derive(Debug)]
pub(super) struct Descendants {
    /// Children that this process already had when it was started by execve(2). They are left
    /// alone.
    pub(super) inherited: BTreeSet<Pid>,
    /// The pid of the running child; 0 if there is none.
    pub(super) child: AtomicI32,
    /// The pid of a child that waits beside it; 0 if there is none.
    waiting: AtomicI32,
}

impl Descendants {
    pub(super) fn new(inherited: BTreeSet<Pid>) -> Self {
        Self { inherited, child: AtomicI32::new(0), waiting: AtomicI32::new(0) }
    }

    /// Spare this child, which waits while another one runs.
    pub(super) fn wait_for(&self, waiting: Option<Pid>) {
        self.waiting.store(waiting.map_or(0, Pid::as_raw), Ordering::SeqCst);
    }

    /// Kill the processes that the child left behind, until none is left or [`SWEEP`] has passed.
    /// What waits beside the child is spared. `ended` is told of every process that has ended;
    /// `wait` waits at most the given time.
    pub(super) fn sweep(
        &self,
        mut ended: impl FnMut(Pid, Termination),
        mut wait: impl FnMut(Duration) -> Result<()>,
    ) {
        let end = Instant::now() + SWEEP;
        loop {
            while let Some(event) = tree::next_event() {
                if let ChildEvent::Ended(pid, how) = event {
                    ended(pid, how);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if !tree::has_children() || left.is_zero() {
                return;
            }
            let children = tree::children();
            let waiting = self.waiting.load(Ordering::SeqCst);
            let is_leftover = |pid: &&Pid| pid.as_raw() != waiting;
            let leftovers: Vec<&Pid> =
                children.difference(&self.inherited).filter(is_leftover).collect();
            leftovers.iter().for_each(|pid| tree::send(**pid, Signal::SIGKILL as i32));
            if leftovers.is_empty() || wait(left.min(LOOK_AGAIN)).is_err() {
                return;
            }
        }
    }

    /// Kill the children and all processes that they started.
    fn kill(&self) {
        let pids = [&self.child, &self.waiting].map(|pid| pid.swap(0, Ordering::SeqCst));
        for pid in pids.into_iter().filter(|pid| *pid != 0) {
            tree::send(Pid::from_raw(pid), Signal::SIGKILL as i32);
        }
        if pids != [0, 0] {
            let wait = |at_most| {
                poll(&mut [], PollTimeout::try_from(at_most)?)?;
                Ok(())
            };
            self.sweep(|_, _| {}, wait);
        }
    }
}

/// Set a panic hook that kills the child and then calls the previous hook.
pub(super) fn kill_on_panic(descendants: Arc<Descendants>) {
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |bug| {
        descendants.kill();
        next(bug);
    }));
}
