//! Kills the child when this process panics, and the processes that a child leaves behind.
//!
//! Leftover processes would keep a container alive, or go on writing to the warehouse.

use super::tree;
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
}

impl Descendants {
    /// Kill the processes that the child left behind, until none is left or [`SWEEP`] has passed.
    /// `wait` waits at most the given time.
    pub(super) fn sweep(&self, mut wait: impl FnMut(Duration) -> Result<()>) {
        let end = Instant::now() + SWEEP;
        loop {
            while tree::next_event().is_some() {}
            let left = end.saturating_duration_since(Instant::now());
            if !tree::has_children() || left.is_zero() {
                return;
            }
            let children = tree::children();
            let leftovers: Vec<&Pid> = children.difference(&self.inherited).collect();
            leftovers.iter().for_each(|pid| tree::send(**pid, Signal::SIGKILL as i32));
            if leftovers.is_empty() || wait(left.min(LOOK_AGAIN)).is_err() {
                return;
            }
        }
    }

    /// Kill the child and all processes that it started.
    fn kill(&self) {
        let pid = self.child.swap(0, Ordering::SeqCst);
        if pid != 0 {
            tree::send(Pid::from_raw(pid), Signal::SIGKILL as i32);
            self.sweep(|at_most| {
                poll(&mut [], PollTimeout::try_from(at_most)?)?;
                Ok(())
            });
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
