//! From the first request to the last process: INT, the grace time, KILL, the child's tree.

use super::harness::{As, BOTH, Running, command};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A dbt that says what it gets. `$1` is what it does on INT; the sleeper is its tree.
const FAKE: &str = "#!/bin/sh
trap 'echo int; $1' INT
trap 'echo term' TERM
trap 'echo hup; exit 3' HUP
sleep 1000 &
echo ready
while :; do wait; done
";

struct Fake {
    dir: TempDir,
}

impl Fake {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("dbt");
        std::fs::write(&path, script).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("dbt")
    }

    /// Start it below the program, state switched off, and wait until it is ready.
    fn start(&self, as_what: As, options: &[&str], on_int: &str) -> Option<Running> {
        let dbt = format!("--dbt={}", self.path().display());
        let words = [&["--no-state", &dbt], options, &["--", on_int]].concat();
        let running = Running::start(as_what, command(as_what, &words)?);
        running.expect("ready");
        Some(running)
    }
}

#[test]
fn term_reaches_dbt_as_int_and_its_own_exit_code_is_kept() {
    for as_what in BOTH {
        let Some(mut run) = Fake::new(FAKE).start(as_what, &[], "exit 2") else { return };
        run.kill(Signal::SIGTERM);
        run.expect("int");
        assert_eq!(run.end(), 2, "{as_what:?}");
        assert_eq!(run.rest(), Vec::<String>::new(), "the sleeper has ended as well");
    }
}

#[test]
fn the_stop_signal_is_a_setting_and_hup_is_passed_on_as_it_is() {
    for as_what in BOTH {
        let fake = Fake::new(FAKE);
        let options = ["--stop-signal=TERM", "--stop-grace=0.2"];
        let Some(mut run) = fake.start(as_what, &options, "exit 2") else { return };
        run.kill(Signal::SIGTERM);
        run.expect("term");
        assert_eq!(run.end(), 137, "{as_what:?}");
        let Some(mut run) = fake.start(as_what, &[], "exit 2") else { return };
        run.kill(Signal::SIGHUP);
        run.expect("hup");
        assert_eq!(run.end(), 3, "{as_what:?}");
    }
}

#[test]
fn a_dbt_that_does_not_stop_is_killed_with_its_tree_after_the_grace_time() {
    for as_what in BOTH {
        let fake = Fake::new(FAKE);
        let Some(mut run) = fake.start(as_what, &["--stop-grace=0.4"], ":") else { return };
        let start = Instant::now();
        run.kill(Signal::SIGTERM);
        run.expect("int");
        assert_eq!(run.end(), 137, "{as_what:?}");
        assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_eq!(run.rest(), Vec::<String>::new(), "the sleeper was killed as well");
    }
}

#[test]
fn a_second_term_hastens_and_an_echo_of_the_first_does_not() {
    for as_what in BOTH {
        let fake = Fake::new(FAKE);
        let Some(mut run) = fake.start(as_what, &["--stop-grace=1000"], ":") else { return };
        run.kill(Signal::SIGTERM);
        run.kill(Signal::SIGTERM);
        run.expect("int");
        // Longer than the time in which a second TERM counts as an echo.
        assert!(run.silent_for(Duration::from_millis(300)), "killed, or told twice");
        run.kill(Signal::SIGTERM);
        assert_eq!(run.end(), 137, "{as_what:?}");
        run.rest();
    }
}

#[test]
fn a_suspended_dbt_is_ended_as_well() {
    for as_what in BOTH {
        let script = "#!/bin/sh\necho ready\nkill -STOP $$\n";
        let fake = Fake::new(script);
        let Some(mut run) = fake.start(as_what, &["--stop-grace=0.2"], ":") else { return };
        run.kill(Signal::SIGTERM);
        assert!([130, 137].contains(&run.end()), "{as_what:?}");
    }
}

#[test]
fn dbt_hears_int_even_when_the_program_was_started_deaf_to_it() {
    // A shell without job control starts its background jobs with INT and QUIT ignored.
    let fake = Fake::new("#!/bin/sh\ngrep SigIgn /proc/self/status\n");
    let dbt = fake.path();
    let script = "trap '' INT USR1; \"$@\"; exit $?";
    let words = ["-c", script, "sh"].map(std::ffi::OsString::from);
    let ours = crate::support::binary().as_os_str().to_owned();
    let rest = ["--no-state", "--dbt", dbt.to_str().expect("text"), "run"].map(Into::into);
    let all = [words.as_slice(), &[ours], rest.as_slice()].concat();
    let shell = super::harness::wrapped(As::Ordinary, "/bin/sh".as_ref(), &all).expect("a shell");
    let mut run = Running::start(As::Ordinary, shell);
    let lines = run.rest();
    assert_eq!(run.end(), 0);
    let mask = lines[0].trim_start_matches("SigIgn:").trim();
    let ignored = u64::from_str_radix(mask, 16).expect("a mask");
    let is = |signal: Signal| ignored >> (signal as i32 - 1) & 1;
    assert_eq!((is(Signal::SIGINT), is(Signal::SIGUSR1)), (0, 1), "{lines:?}");
}
