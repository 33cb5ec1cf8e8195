//! Ends of processes: ours, those we adopted, and those that outlive the child.

use super::Termination;
use crate::trees::IntoTree;
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitOptions, WaitStatus, wait, waitid};
use rustix_libc_wrappers::process::SignalExt;
use std::collections::BTreeSet;

/// ChildEvent of one child of ours, adopted ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildEvent {
    Ended(Pid, Termination),
    Suspended(Pid, i32),
    Continued(Pid),
}

/// The next piece of news; `None` when there is none now, or no child left.
///
/// rustix, because nix cannot say that a process died of a real-time signal: it would have been
/// reaped, and its status lost.
pub(super) fn next_event() -> Option<ChildEvent> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    loop {
        match wait(options) {
            Ok(Some((pid, status))) => return Some(read(pid.as_raw_pid(), status)),
            Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn read(pid: i32, status: WaitStatus) -> ChildEvent {
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

/// Send a signal by number; a target that has just ended is no error.
pub(super) fn send(pid: Pid, signal: i32) {
    with(pid, signal, rustix::process::kill_process);
}

/// The same to a process group.
pub(super) fn send_to_group(group: Pid, signal: i32) {
    with(group, signal, rustix::process::kill_process_group);
}

type Kill = fn(rustix::process::Pid, rustix::process::Signal) -> rustix::io::Result<()>;

fn with(pid: Pid, signal: i32, kill: Kill) {
    let pid_and_signal = rustix::process::Pid::from_raw(pid.as_raw())
        .zip(<rustix::process::Signal as SignalExt>::from_raw(signal));
    let Some((pid, signal)) = pid_and_signal else {
        return log::warn!("signal {signal} is the C library's own and cannot be sent on");
    };
    match kill(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => log::warn!("signal {} was not delivered: {errno}", signal.as_raw()),
    }
}

/// Is there any child of ours, adopted ones included?
pub(super) fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, look), Err(rustix::io::Errno::CHILD))
}

/// Our present children: the child, what it left behind, what was ours before (exec keeps them).
/// Empty without /proc.
pub(super) fn children() -> BTreeSet<Pid> {
    match std::fs::read_to_string(format!("/proc/self/task/{}/children", Pid::this())) {
        Ok(list) => list.split_whitespace().filter_map(pid).into_tree(),
        Err(_) => scan(),
    }
}

/// For kernels without `CONFIG_PROC_CHILDREN`.
fn scan() -> BTreeSet<Pid> {
    let me = Pid::this().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_ours = |entry: &std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        parent(&stat) == Some(me.as_str())
    };
    entries.filter(is_ours).filter_map(|entry| pid(entry.file_name().to_str()?)).into_tree()
}

fn pid(word: &str) -> Option<Pid> {
    word.parse().ok().map(Pid::from_raw)
}

/// The second field behind the name, which may itself contain `) `.
fn parent(stat: &str) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_whatever_name() {
        assert_eq!(parent("12 (a) R 9 (b) S 7 12 12"), Some("7"));
        assert_eq!(parent(""), None);
    }
}
