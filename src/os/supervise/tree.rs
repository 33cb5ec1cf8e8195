//! Waits for, signals and lists the children of this process, including orphans that it adopted.

use super::{SignalTarget, Termination};
use crate::trees::IntoTree;
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitOptions, WaitStatus, wait, waitid};
use rustix_libc_wrappers::process::SignalExt;
use std::collections::BTreeSet;

/// A state change of a child (waitpid(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildEvent {
    /// It ended, and has been reaped.
    Ended(Pid, Termination),
    /// The signal with this number suspended it.
    Suspended(Pid, i32),
    /// It was continued.
    Continued(Pid),
}

/// The next state change of a child, without blocking; `None` if there is none at present, or no
/// child.
///
/// It uses rustix because nix has no value for a process killed by a real-time signal: that process
/// would be reaped, and its status lost.
pub(super) fn next_event() -> Option<ChildEvent> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    loop {
        match wait(options) {
            Ok(Some((pid, status))) => return Some(child_event(pid.as_raw_pid(), status)),
            Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn child_event(pid: i32, status: WaitStatus) -> ChildEvent {
    let pid = Pid::from_raw(pid);
    if let Some(code) = status.exit_status() {
        ChildEvent::Ended(pid, Termination::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)))
    } else if let Some(signal) = status.terminating_signal() {
        ChildEvent::Ended(pid, Termination::Signaled(signal))
    } else if let Some(signal) = status.stopping_signal() {
        ChildEvent::Suspended(pid, signal)
    } else {
        ChildEvent::Continued(pid)
    }
}

/// Send a signal, given by its number, to a process. If the process has just ended, nothing happens.
pub(super) fn send(pid: Pid, signal: i32) {
    send_by(pid, signal, rustix::process::kill_process);
}

/// Send a signal, given by its number, to a child, or to the process group that it leads. If its
/// processes have just ended, nothing happens.
pub(super) fn send_to(target: SignalTarget, pid: Pid, signal: i32) {
    match target {
        SignalTarget::Child => send(pid, signal),
        SignalTarget::Group => send_by(pid, signal, rustix::process::kill_process_group),
    }
}

type KillFn = fn(rustix::process::Pid, rustix::process::Signal) -> rustix::io::Result<()>;

fn send_by(pid: Pid, signal: i32, kill: KillFn) {
    let pid_and_signal = rustix::process::Pid::from_raw(pid.as_raw())
        .zip(<rustix::process::Signal as SignalExt>::from_raw(signal));
    let Some((pid, signal)) = pid_and_signal else {
        return log::warn!("signal {signal} is reserved by the C library and is not forwarded");
    };
    match kill(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => log::warn!("signal {} could not be sent: {errno}", signal.as_raw()),
    }
}

/// Whether this process has any child, including adopted ones.
pub(super) fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, look), Err(rustix::io::Errno::CHILD))
}

/// The children of this process: the child, orphans that it left behind, and children from before
/// execve(2), which keeps them. Empty if `/proc` is not mounted.
pub(super) fn children() -> BTreeSet<Pid> {
    match std::fs::read_to_string(format!("/proc/self/task/{}/children", Pid::this())) {
        Ok(list) => list.split_whitespace().filter_map(pid).into_tree(),
        Err(_) => children_of(Pid::this()),
    }
}

/// The children of any process, whichever of its threads started them. This also works with kernels
/// without `CONFIG_PROC_CHILDREN`.
pub(super) fn children_of(process: Pid) -> BTreeSet<Pid> {
    let process = process.to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_child = |entry: &std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        parent(&stat) == Some(process.as_str())
    };
    entries.filter(is_child).filter_map(|entry| pid(entry.file_name().to_str()?)).into_tree()
}

fn pid(word: &str) -> Option<Pid> {
    word.parse().ok().map(Pid::from_raw)
}

/// The pid of the parent in `/proc/PID/stat` (proc_pid_stat(5)): the second field after the name of
/// the program, which itself may contain `) `.
fn parent(stat: &str) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_after_any_program_name() {
        assert_eq!(parent("12 (a) R 9 (b) S 7 12 12"), Some("7"));
        assert_eq!(parent(""), None);
    }
}
