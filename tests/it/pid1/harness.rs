//! Start the program as PID 1 of a new namespace or as an ordinary process, and watch it.

use crate::support::{binary, skip, tool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Only a failure waits this long.
const DEADLINE: Duration = Duration::from_secs(60);

/// How the program is started.
#[derive(Debug, Clone, Copy)]
pub(super) enum As {
    Pid1,
    Ordinary,
}

pub(super) const BOTH: [As; 2] = [As::Pid1, As::Ordinary];

/// The program with these words, standard output ready to be read.
pub(super) fn command<S: AsRef<OsStr>>(as_what: As, words: &[S]) -> Option<Command> {
    wrapped(as_what, binary().as_os_str(), words)
}

/// Any program in that place.
pub(super) fn wrapped<S: AsRef<OsStr>>(
    as_what: As,
    program: &OsStr,
    words: &[S],
) -> Option<Command> {
    let mut command = match as_what {
        As::Ordinary => Command::new(program),
        As::Pid1 => {
            let mut unshare = namespace()?;
            unshare.arg(program);
            unshare
        }
    };
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    Some(command)
}

/// A command that runs its words as PID 1; a loud skip where the system forbids it.
pub(super) fn namespace() -> Option<Command> {
    let unshare = tool("unshare")?;
    let command = || {
        let mut command = Command::new(&unshare);
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
        command.arg("--kill-child");
        command
    };
    let allowed = command().arg("true").stderr(Stdio::null()).status();
    if allowed.is_ok_and(|status| status.success()) {
        return Some(command());
    }
    skip("no user and pid namespaces are allowed here");
    None
}

/// A started program. What is left of it is killed with this value.
pub(super) struct Running {
    child: Child,
    lines: Receiver<String>,
    pid1: bool,
}

impl Running {
    pub(super) fn start(as_what: As, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (told, lines) = channel();
        // Ends when nobody holds the pipe any more, the last grandchild included.
        std::thread::spawn(move || {
            for line in output.lines() {
                let _ = told.send(line.expect("text"));
            }
        });
        Self { child, lines, pid1: matches!(as_what, As::Pid1) }
    }

    /// Read until this line comes.
    #[track_caller]
    pub(super) fn expect(&self, wanted: &str) {
        self.until(wanted, |line| line == wanted);
    }

    /// Read until a line comes that contains this.
    #[track_caller]
    pub(super) fn expect_part(&self, wanted: &str) {
        self.until(wanted, |line| line.contains(wanted));
    }

    #[track_caller]
    fn until(&self, wanted: &str, found: impl Fn(&str) -> bool) {
        let mut seen: Vec<String> = Vec::new();
        while !seen.last().is_some_and(|line| found(line)) {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => seen.push(line),
                Err(why) => panic!("no line {wanted:?} ({why}), but {seen:?}"),
            }
        }
    }

    /// Whether no line came within this time.
    pub(super) fn silent_for(&self, time: Duration) -> bool {
        self.lines.recv_timeout(time).is_err()
    }

    /// All further output; ends only when no process holds the pipe any more.
    #[track_caller]
    pub(super) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => rest.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return rest,
                Err(why) => panic!("somebody still holds the output ({why}): {rest:?}"),
            }
        }
    }

    /// The program's pid as we see it.
    pub(super) fn pid(&self) -> Pid {
        let outer = self.child.id();
        let pid = if self.pid1 { only_child(outer) } else { outer };
        Pid::from_raw(i32::try_from(pid).expect("a pid"))
    }

    pub(super) fn kill(&self, signal: Signal) {
        // It may have ended meanwhile.
        let _ = kill(self.pid(), signal);
    }

    /// The exit code; 128+n when a signal ended the program itself.
    #[track_caller]
    pub(super) fn end(&mut self) -> i32 {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let signal = status.signal().map(|signal| 128 + signal);
                return status.code().or(signal).expect("an end");
            }
            assert!(Instant::now() < end, "still running");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn only_child(parent: u32) -> u32 {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().next().map_or(0, |pid| pid.parse().expect("a pid"))
}
