//! The terminal of a child that has a process group of its own: lent to it while it runs.
//!
//! Only for `--group`. Otherwise the child stays in our group, and the terminal treats both
//! alike without our help.

use super::{SignalTarget, tree};
use nix::sys::signal::{Signal, raise};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};
use std::os::fd::{AsFd, BorrowedFd};

/// By which of our descriptors the terminal is reached.
#[derive(Debug, Clone, Copy)]
pub(super) enum Terminal {
    Input,
    Output,
    Error,
}

impl Terminal {
    fn with<R>(self, act: impl FnOnce(BorrowedFd<'_>) -> nix::Result<R>) -> nix::Result<R> {
        match self {
            Self::Input => act(std::io::stdin().as_fd()),
            Self::Output => act(std::io::stdout().as_fd()),
            Self::Error => act(std::io::stderr().as_fd()),
        }
    }

    fn foreground(self) -> Option<Pid> {
        self.with(|fd| tcgetpgrp(fd)).ok()
    }

    /// TTOU is blocked, so a background process may do this too: the callers look first.
    fn give_to(self, group: Pid) {
        if let Err(errno) = self.with(|fd| tcsetpgrp(fd, group)) {
            log::debug!("the terminal stays where it is: {errno}");
        }
    }
}

/// Lend our terminal to the child's group; never take one away from others.
pub(super) fn lend(target: SignalTarget, child: Pid) -> Option<Terminal> {
    if target == SignalTarget::Child {
        return None;
    }
    let all = [Terminal::Input, Terminal::Output, Terminal::Error];
    let terminal = all.into_iter().find(|terminal| terminal.foreground().is_some())?;
    if terminal.foreground() == Some(getpgrp()) {
        terminal.give_to(child);
    }
    Some(terminal)
}

/// The child touched the terminal from the background: it was quicker than [`lend`], or we are
/// in the background ourselves and are suspended as it is.
pub(super) fn lend_again(terminal: Option<Terminal>, child: Pid) {
    if terminal.and_then(Terminal::foreground) == Some(child) {
        tree::send_to_group(child, Signal::SIGCONT as i32);
    } else if nix::unistd::getpid().as_raw() != 1 {
        suspend(terminal, child);
    }
}

/// Be suspended until somebody continues us.
pub(super) fn suspend(terminal: Option<Terminal>, child: Pid) {
    take_back(terminal, child);
    if let Err(errno) = raise(Signal::SIGSTOP) {
        log::debug!("not suspended: {errno}");
    }
    if let Some(terminal) = terminal {
        if terminal.foreground() == Some(getpgrp()) {
            terminal.give_to(child);
        }
        tree::send_to_group(child, Signal::SIGCONT as i32);
    }
}

/// When the child has it.
pub(super) fn take_back(terminal: Option<Terminal>, child: Pid) {
    if let Some(terminal) = terminal.filter(|terminal| terminal.foreground() == Some(child)) {
        terminal.give_to(getpgrp());
    }
}
