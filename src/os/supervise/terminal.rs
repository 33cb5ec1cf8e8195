//! Makes a child with its own process group the foreground job of the terminal while it runs.
//!
//! This is only needed for `exec --group`. Otherwise the child is in the process group of this
//! process, and the terminal treats both in the same way.

use super::{SignalTarget, tree};
use nix::sys::signal::{Signal, raise};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};
use std::os::fd::{AsFd, BorrowedFd};

/// The descriptor of this process that refers to the terminal.
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

    /// The foreground process group; `None` if the descriptor is not the controlling terminal.
    fn foreground(self) -> Option<Pid> {
        self.with(|fd| tcgetpgrp(fd)).ok()
    }

    /// Make `group` the foreground process group. Since TTOU is blocked, this also works from the
    /// background, so the callers first check who has the terminal.
    fn give_to(self, group: Pid) {
        if let Err(errno) = self.with(|fd| tcsetpgrp(fd, group)) {
            log::debug!("the foreground process group of the terminal was not changed: {errno}");
        }
    }
}

/// Give the terminal to the process group of the child, but only if this process has it. `None` if
/// the child has no group of its own or there is no terminal.
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

/// Handle a child that was suspended because it used the terminal from the background (TTIN, TTOU).
/// If it has the terminal by now, it was only faster than [`lend`] and is continued. Otherwise this
/// process is in the background too, and suspends itself as well.
pub(super) fn lend_again(terminal: Option<Terminal>, child: Pid) {
    if terminal.and_then(Terminal::foreground) == Some(child) {
        tree::send_to(SignalTarget::Group, child, Signal::SIGCONT as i32);
    } else if nix::unistd::getpid().as_raw() != 1 {
        suspend(terminal, child);
    }
}

/// Suspend this process, and continue the child when somebody continues this process. The terminal
/// is taken back before and lent again afterwards.
pub(super) fn suspend(terminal: Option<Terminal>, child: Pid) {
    take_back(terminal, child);
    if let Err(errno) = raise(Signal::SIGSTOP) {
        log::debug!("this process could not suspend itself: {errno}");
    }
    if let Some(terminal) = terminal {
        if terminal.foreground() == Some(getpgrp()) {
            terminal.give_to(child);
        }
        tree::send_to(SignalTarget::Group, child, Signal::SIGCONT as i32);
    }
}

/// Take the terminal back if the child has it.
pub(super) fn take_back(terminal: Option<Terminal>, child: Pid) {
    if let Some(terminal) = terminal.filter(|terminal| terminal.foreground() == Some(child)) {
        terminal.give_to(getpgrp());
    }
}
