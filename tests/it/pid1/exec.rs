//! `exec` as plain PID 1 service, and the search for the program.

use super::harness::{As, BOTH, Running, command, wrapped};
use crate::support::binary;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const SAYS: &str = "
for s in HUP INT TERM USR1; do trap \"echo $s\" $s; done
trap 'exit 5' USR2
echo ready
sleep 1000 & while :; do wait; done";

fn exec(as_what: As, options: &[&str], script: &str) -> Option<Running> {
    let words = [&["exec"], options, &["--", "sh", "-c", script]].concat();
    let running = Running::start(as_what, command(as_what, &words)?);
    running.expect("ready");
    Some(running)
}

#[test]
fn signals_are_rewritten_or_dropped_as_told() {
    for as_what in BOTH {
        let options = ["--rewrite", "TERM:INT", "--rewrite=SIGHUP:0", "--rewrite", "36:USR1"];
        let Some(mut run) = exec(as_what, &options, SAYS) else { return };
        run.kill(Signal::SIGTERM);
        run.expect("INT");
        run.kill(Signal::SIGHUP);
        run.kill(Signal::SIGUSR1);
        run.expect("USR1");
        run.kill(Signal::SIGUSR2);
        assert_eq!(run.rest(), Vec::<String>::new(), "HUP was dropped");
        assert_eq!(run.end(), 5, "{as_what:?}");
    }
}

#[test]
fn exec_never_kills_unless_it_is_given_a_grace_time() {
    for as_what in BOTH {
        let Some(mut run) = exec(as_what, &[], SAYS) else { return };
        for _ in 0..3 {
            run.kill(Signal::SIGTERM);
            run.expect("TERM");
        }
        run.kill(Signal::SIGUSR2);
        assert_eq!(run.end(), 5, "{as_what:?}");
        let Some(mut run) = exec(as_what, &["--stop-grace", "0.2"], SAYS) else { return };
        run.kill(Signal::SIGTERM);
        assert_eq!(run.end(), 137, "{as_what:?}");
    }
}

#[test]
fn with_group_the_childs_whole_process_group_is_told() {
    let script = "trap : TERM
        sh -c 'trap \"echo inner; exit 0\" TERM; echo inside; sleep 1000 & wait' & wait $!
        wait; echo ready; exit 6";
    for as_what in BOTH {
        let words = ["exec", "--group", "--", "sh", "-c", script];
        let Some(command) = command(as_what, &words) else { return };
        let mut run = Running::start(as_what, command);
        run.expect("inside");
        run.kill(Signal::SIGTERM);
        run.expect("inner");
        run.expect("ready");
        assert_eq!(run.end(), 6, "{as_what:?}");
    }
}

/// Put a program there, or a copy of ours.
fn install(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, script).expect("a file");
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a mode");
}

fn run_installed(program: &Path, path: &str) -> (i32, String, String) {
    let mut command = Command::new(program);
    command.args(["--no-state", "run"]).env("PATH", path).env_remove("DBT_ENTRYPOINT_DBT");
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn installed_under_the_name_dbt_it_runs_the_next_one_and_never_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    for name in ["a", "b", "c"] {
        fs::create_dir(at(name)).expect("a directory");
    }
    fs::copy(binary(), at("a/dbt")).expect("a copy");
    fs::hard_link(at("a/dbt"), at("b/dbt")).expect("a link");
    fs::copy(binary(), at("c/dbt")).expect("another copy");
    install(&at("d/dbt"), "#!/bin/sh\necho real $1\n");
    let path = |names: &str| {
        let join = |name| at(name).display().to_string();
        names.split(' ').map(join).collect::<Vec<_>>().join(":")
    };
    let found = run_installed(&at("a/dbt"), &path("a b c d"));
    assert_eq!((found.0, found.1.as_str()), (0, "real run\n"), "{found:?}");
    let (code, _, told) = run_installed(&at("a/dbt"), &path("a b c"));
    assert_eq!(code, 127, "{told}");
    assert!(told.contains("--dbt PATH"), "{told}");
}

#[test]
fn a_symlink_and_an_odd_argv_0_change_nothing() {
    use std::os::unix::process::CommandExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let link = dir.path().join("init");
    std::os::unix::fs::symlink(binary(), &link).expect("a link");
    for name in ["", "-sh", "dbt", "/no/such"] {
        let mut command = Command::new(&link);
        let output = command.arg0(name).args(["exec", "sh", "-c", "exit 4"]).output();
        assert_eq!(output.expect("it starts").status.code(), Some(4), "argv[0] {name:?}");
    }
}

#[test]
fn argv_0_of_the_child_is_the_word_by_which_it_was_asked_for() {
    let words = ["exec", "--", "sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline; echo"];
    let Some(command) = command(As::Ordinary, &words) else { return };
    let run = Running::start(As::Ordinary, command);
    assert!(run.rest()[0].starts_with("sh -c"));
}

#[test]
fn a_request_to_stop_that_came_first_starts_nothing() {
    // TERM is blocked and pending when the program begins.
    let script = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {15})
os.kill(os.getpid(), 15)
os.execv(sys.argv[1], sys.argv[1:])";
    let python = "/usr/bin/env".as_ref();
    let ours = binary().to_str().expect("text");
    let words = ["python3", "-c", script, ours, "exec", "--", "echo", "started"];
    for as_what in BOTH {
        let Some(command) = wrapped(as_what, python, &words) else { return };
        let mut run = Running::start(as_what, command);
        assert_eq!((run.rest(), run.end()), (Vec::new(), 143), "{as_what:?}");
    }
}
