//! Processes whose end is ours to see to: the child, and what it leaves behind.

use super::tree;
use anyhow::Result;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// How long the leftovers of a child may take to vanish after KILL.
const SWEEP: Duration = Duration::from_secs(1);

/// A killed process's own children become ours a moment later.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Whose end is ours to see to; the panic hook knows it too.
#[derive(Debug)]
pub(super) struct Descendants {
    /// Children that the process had before it became us; they are nobody's leftovers.
    pub(super) inherited: BTreeSet<Pid>,
    /// The pid of the child that runs, else 0.
    pub(super) child: AtomicI32,
}

impl Descendants {
    /// Kill what the child left behind: it would keep a container alive, or go on writing.
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

pub(super) fn kill_on_panic(descendants: Arc<Descendants>) {
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |bug| {
        descendants.kill();
        next(bug);
    }));
}
