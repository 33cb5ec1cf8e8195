//! One process at a time on a volume: the second waits, and answers signals meanwhile.

use crate::support::{binary, tool};
use crate::volume_tool::{volume_tool, words};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Instant;

const LOCK: &str = ".dbt-entrypoint/lock";

/// A process that wants the lock; it ends when its standard input does.
struct Contender {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Contender {
    fn start(dir: &Path, timeout: &str) -> Self {
        let mut child = Command::new(volume_tool())
            .arg("lock")
            .args([dir, Path::new(timeout)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    fn holding(dir: &Path) -> Self {
        let mut contender = Self::start(dir, "60");
        contender.assert_locked();
        contender
    }

    fn assert_locked(&mut self) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
    }

    /// Its first words: for whom it waits.
    fn first_words(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Lets it go on: it releases the lock and ends.
    fn end_input(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        self.end()
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

#[test]
fn the_second_waits_says_for_whom_and_gets_the_lock_when_the_first_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Contender::holding(dir.path());
    let mut second = Contender::start(dir.path(), "60");
    let words = second.first_words();
    let pid = format!("(pid {}", first.child.id());
    assert!(words.contains("waiting") && words.contains(&pid), "{words}");
    drop(first.child.stdin.take());
    second.assert_locked();
    assert_eq!(first.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_holder_that_was_killed_leaves_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Contender::holding(dir.path());
    first.send(Signal::SIGKILL);
    first.child.wait().unwrap();
    let started = Instant::now();
    let mut second = Contender::start(dir.path(), "60");
    second.assert_locked();
    assert!(started.elapsed().as_secs() < 10);
    assert_eq!(second.end_input(), (Some(0), String::new()));
}

#[test]
fn waiting_in_vain_ends_with_75_and_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let first = Contender::holding(dir.path());
    let (code, said) = Contender::start(dir.path(), "0.2").end();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains(&format!("(pid {}", first.child.id())), "{said}");
    assert!(said.contains("for the whole --lock-timeout of 0.2 s"), "{said}");
}

#[test]
fn a_signal_ends_the_wait_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Contender::holding(dir.path());
    let mut second = Contender::start(dir.path(), "3600");
    second.first_words();
    let sent = Instant::now();
    second.send(Signal::SIGTERM);
    let (code, said) = second.end();
    assert_eq!(code, Some(143), "{said}");
    assert!(sent.elapsed().as_secs() < 5, "{:?}", sent.elapsed());
}

#[test]
fn a_lock_file_that_was_removed_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Contender::holding(dir.path());
    let mut second = Contender::start(dir.path(), "60");
    second.first_words();
    std::fs::remove_file(dir.path().join(LOCK)).unwrap();
    second.assert_locked();
    let (code, said) = Contender::start(dir.path(), "0").end();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains(&format!("(pid {}", second.child.id())), "{said}");
}

/// Somebody replaces the lock file just between our open(2) and our flock(2).
#[test]
fn a_lock_on_a_file_that_is_no_longer_there_does_not_count() {
    let Some(strace) = tool("strace") else { return };
    let dir = tempfile::tempdir().unwrap();
    drop(Contender::holding(dir.path()).end_input());
    let turn = opens_before_lock(&strace, dir.path());
    let mut traced = Command::new(strace)
        .args(["-q", "-f", "-e", &format!("inject=openat:signal=STOP:when={turn}")])
        .arg(volume_tool())
        .arg("lock")
        .args([dir.path(), Path::new("60")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(traced.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("stopped by SIGSTOP")));
    std::fs::remove_file(dir.path().join(LOCK)).unwrap();
    let other = Contender::holding(dir.path());
    kill(child_of(traced.id()), Signal::SIGCONT).unwrap();
    let waits = lines.any(|line| line.contains("waiting up to"));
    assert!(waits, "two processes hold the lock");
    other.end_input();
    assert!(traced.wait().unwrap().success());
}

/// The number of the openat(2) that opens the lock file.
fn opens_before_lock(strace: &Path, dir: &Path) -> usize {
    let traced = Command::new(strace)
        .args(["-qq", "-f", "-e", "trace=openat"])
        .arg(volume_tool())
        .arg("lock")
        .args([dir, Path::new("0")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let trace = String::from_utf8(traced.stderr).unwrap();
    1 + trace.lines().position(|line| line.contains("\"lock\"")).unwrap()
}

fn child_of(pid: u32) -> Pid {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn a_file_system_without_locks_is_named_as_such() {
    let Some(strace) = tool("strace") else { return };
    for errno in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(&strace)
            .args(["-qq", "-f", "-o", "/dev/null", "-e", &format!("inject=flock:error={errno}")])
            .arg(volume_tool())
            .arg("lock")
            .args([dir.path(), Path::new("60")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(73), "{errno}: {}", words(&output));
        assert!(words(&output).contains("cannot lock files"), "{errno}: {}", words(&output));
    }
}

/// The tool, whose flock(2) does this (strace(1), `inject=`).
fn with_flock(strace: &Path, fault: &str, dir: &Path, timeout: &str) -> Command {
    let mut command = Command::new(strace);
    command.args(["-qq", "-f", "-o", "/dev/null", "-e", &format!("inject=flock:{fault}")]);
    command.arg(volume_tool()).arg("lock").args([dir, Path::new(timeout)]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Longer than the test needs; strace ends only after it.
const SLOW: &str = "delay_enter=4s";

/// SMB answers so where another client has the lock.
#[test]
fn a_lock_that_is_refused_is_held() {
    let Some(strace) = tool("strace") else { return };
    for errno in ["EACCES", "EAGAIN"] {
        let dir = tempfile::tempdir().unwrap();
        let fault = format!("error={errno}");
        let output = with_flock(&strace, &fault, dir.path(), "0.1").output().unwrap();
        let said = words(&output);
        assert_eq!(output.status.code(), Some(75), "{errno}: {said}");
        assert!(said.contains("a process whose name cannot be read"), "{errno}: {said}");
        let mut status = Command::new(&strace);
        status.args(["-qq", "-f", "-o", "/dev/null", "-e", &format!("inject=flock:{fault}")]);
        status.arg(binary()).args(["--state-dir"]).arg(dir.path()).args(["status", "--json"]);
        let said = words(&status.output().unwrap());
        assert!(said.contains("\"at_work\": {"), "{errno}: {said}");
    }
}

/// NFS 3 does so where its lock service is down.
#[test]
fn a_lock_service_that_does_not_answer_is_named_and_waited_for_no_longer_than_allowed() {
    let Some(strace) = tool("strace") else { return };
    let dir = tempfile::tempdir().unwrap();
    let output = with_flock(&strace, SLOW, dir.path(), "1").output().unwrap();
    let said = words(&output);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("did not answer whether the lock is free"), "{said}");
}

#[test]
fn a_signal_ends_the_wait_for_a_lock_service_that_does_not_answer() {
    let Some(strace) = tool("strace") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut traced = with_flock(&strace, SLOW, dir.path(), "3600").spawn().unwrap();
    let mut stderr = BufReader::new(traced.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("does not answer whether the lock is free"), "{said}");
    kill(child_of(traced.id()), Signal::SIGTERM).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    // The lock would have been taken after that.
    assert_eq!(traced.wait().unwrap().code(), Some(143), "{said}");
}

#[test]
fn the_words_of_a_dead_holder_lock_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".dbt-entrypoint")).unwrap();
    let stale = r#"{"host": "gone", "pid": 1, "since": 1, "command": "dbt run"}"#;
    std::fs::write(dir.path().join(LOCK), stale).unwrap();
    assert_eq!(Contender::holding(dir.path()).end_input(), (Some(0), String::new()));
}
