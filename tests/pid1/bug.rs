//! A bug of ours must not strand the child: a panic in the middle of supervising kills it.
//!
//! The bug is a log that panics, so the program needs no hook for tests. Without a test
//! harness, because signals and children belong to the whole process: the test starts itself.

use dbt_entrypoint::environment::Environment;
use dbt_entrypoint::os::supervise::{Child, Policy, Stdout, Supervisor, Variables};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Only a failure waits this long.
const DEADLINE: Duration = Duration::from_secs(10);

/// Says `ready`, and never ends by itself or by INT; the sleeper is its tree.
const STUBBORN: &str = "trap '' INT; sleep 1000 & echo ready; while :; do wait; done";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("supervise") {
        return supervise();
    }
    let me = std::env::current_exe().expect("our own path");
    let mut command = Command::new(me);
    let mut running =
        command.arg("supervise").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it");
    let mut output = BufReader::new(running.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    let pid = Pid::from_raw(i32::try_from(running.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("a signal");
    // Ends only when child and sleeper are gone: they hold the pipe as well.
    let (told, rest) = channel();
    std::thread::spawn(move || told.send(output.lines().count()));
    let rest = rest.recv_timeout(DEADLINE).expect("a child or its tree was stranded");
    assert_eq!((rest, running.wait().expect("an end").code()), (0, Some(70)));
    ExitCode::SUCCESS
}

fn supervise() -> ExitCode {
    log::set_logger(&Buggy).expect("the first log");
    log::set_max_level(log::LevelFilter::Info);
    let ended = std::panic::catch_unwind(|| {
        let mut supervisor = Supervisor::register().expect("signals");
        let environment = Environment::from([("PATH".into(), "/usr/bin:/bin".into())]);
        let child = Child {
            program: "/bin/sh".into(),
            name: "sh".into(),
            args: vec!["-c".into(), STUBBORN.into()],
            environment: Variables::These(&environment),
            stdout: Stdout::Inherit,
            inherits: None,
            policy: Policy::dbt(Signal::SIGINT, Duration::ZERO),
        };
        supervisor.run(child).map(|outcome| outcome.end.exit_code())
    });
    ExitCode::from(if ended.is_err() { 70 } else { 0 })
}

/// Panics in the instant before the child would be killed.
struct Buggy;

impl log::Log for Buggy {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        assert!(!record.args().to_string().contains("killing"), "a bug");
    }

    fn flush(&self) {}
}
