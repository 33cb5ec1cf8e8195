//! dbt as a child process: how it is found and started, its exit codes, signals, and streams.

use super::harness::Fake;
use super::project::chain;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn dbts_exit_codes_pass_through() {
    let mut fake = Fake::new(chain(&["a"]));
    for code in [0, 1, 2] {
        fake.dbt("exits", code);
        fake.run(&["ls"]).ends_with(code);
        fake.run(&["--full", "run"]).ends_with(code).builds(&["a"]);
        assert_eq!(fake.claims(), ["a"]);
        assert_eq!(fake.status()["last_run"]["exit"], code);
    }
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(2).builds(&["a"]);
    // What it built it built, but a command that failed has not seen everything.
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
}

#[test]
fn a_dbt_that_is_not_there_is_127_and_one_that_cannot_be_executed_126() {
    let mut fake = Fake::new(chain(&["a"]));
    for name in ["no-such-dbt", "/no/such/dbt"] {
        for verb in ["run", "ls"] {
            fake.run(&["--dbt", name, verb]).ends_with(127).says(&[name]);
        }
    }
    fake.env("PATH", "/nonexistent");
    fake.run(&["run"]).ends_with(127).says(&["--dbt"]);
    fake.env("PATH", fake.base().join("env/bin"));
    let plain = PermissionsExt::from_mode(0o644);
    fs::set_permissions(fake.base().join("env/bin/dbt"), plain).expect("our own file");
    fake.run(&["run"]).ends_with(126);
    assert_eq!(fake.status()["holds"], "nothing");
}

#[test]
fn dbt_is_found_by_its_option_and_variable() {
    let mut fake = Fake::new(chain(&["a"]));
    let dbt = fake.base().join("env/bin/dbt");
    fake.env("PATH", "/usr/bin:/bin");
    fake.run(&[OsString::from("--dbt"), dbt.clone().into(), "run".into()]).ends_with(0);
    fake.env("DBT_ENTRYPOINT_DBT", dbt);
    fake.run(&["--full", "run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn arguments_that_are_no_utf_8_reach_dbt_as_they_are() {
    let fake = Fake::new(chain(&["a"]));
    let odd = OsString::from_vec(b"\xff\xfe *".to_vec());
    for verb in ["ls", "run"] {
        let words = [verb.into(), "--select".into(), odd.clone(), "--threads=1".into()];
        let ran = fake.run(&words);
        assert!(ran.ends_with(0).last().has("\u{ff}\u{fe} *"), "{ran:#?}");
    }
}

#[test]
fn dbt_gets_the_environment_that_we_got() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.env("DBT_OWN", "1");
    let ran = fake.run(&["run"]);
    assert_eq!(ran.ends_with(0).last().environment["DBT_OWN"], "1");
}

#[test]
fn dbts_standard_output_is_ours_alone_from_the_run_that_was_asked_for() {
    let mut fake = Fake::new(chain(&["a"]).default_selector("all", &["a"]));
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("a");
    // `parse` and `ls` are our own questions.
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["parse", "ls", "run"]);
    assert_eq!(ran.stdout, "");
    assert!(fake.run(&["ls"]).ends_with(0).stdout.contains("model.shop.a"));
}

#[test]
fn streams_that_nobody_reads_or_that_are_closed_change_nothing() {
    let mut fake = Fake::new(chain(&["a"]));
    let mut unread = fake.command(&["run"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    unread.stdout(writer.try_clone().expect("a descriptor")).stderr(writer);
    fake.run_command(unread).ends_with(0).builds(&["a"]);
    fake.project.edit("a");
    let program = crate::support::binary().to_owned();
    let mut closed = fake.command(&[""; 0]);
    let inner = format!("exec {} run <&- >&- 2>&-", program.display());
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", &inner]).current_dir(fake.root()).env_clear();
    shell.envs(closed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    closed = shell;
    closed.stdout(Stdio::null()).stderr(Stdio::null());
    fake.run_command(closed).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn told_to_stop_while_it_builds_dbt_is_interrupted_and_what_it_built_is_recorded() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("a");
    let running = fake.hang("b", &["run"]);
    running.signal(Signal::SIGTERM);
    let ended = fake.end(running);
    let words = ["run (changes) interrupted with 2 ", "1 interrupted, 1 still to be built"];
    ended.ends_with(2).builds(&["a"]).says(&words);
    assert_eq!(fake.pending(), ["b"]);
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn a_first_population_that_is_told_to_stop_goes_on_later() {
    let mut fake = Fake::new(chain(&["a", "b", "c"]));
    let running = fake.hang("b", &["build"]);
    running.signal(Signal::SIGINT);
    fake.end(running).ends_with(2).builds(&["a"]);
    assert_eq!(fake.claims(), ["a"]);
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn told_to_stop_before_it_has_parsed_dbt_builds_nothing() {
    let mut fake = Fake::populated(chain(&["a"]));
    let before = fake.manifest();
    fake.project.edit("a");
    let running = fake.hang("parse", &["run"]);
    running.signal(Signal::SIGTERM);
    fake.end(running).ends_with(2).starts(&["run"]);
    assert!(fake.manifest() == before);
    assert!(!fake.root().join("target/semantic_manifest.json").exists(), "the gate is gone");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn told_to_stop_while_it_waits_dbt_is_not_started_again() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    // The signal is there before the manifest is: wherever it finds us, dbt has parsed.
    fake.dbt("stops_parent_at", "parse");
    fake.dbt("hangs_at", "a");
    let ran = fake.run(&["run"]);
    ran.starts(&["run"]).builds(&[]);
    // dbt's own code, or that of a stop before dbt would be started again.
    assert!([2, 143].contains(&ran.code), "{ran:#?}");
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn a_stop_between_two_processes_starts_no_second_one() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.project.edit("a");
    let running = fake.hang("parse", &["run", "--full-refresh"]);
    running.signal(Signal::SIGTERM);
    fake.end(running).ends_with(2).starts(&["parse"]);
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn a_second_request_to_stop_kills_a_dbt_that_does_not_listen() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.dbt("deaf", true);
    let mut running = fake.hang("a", &["--stop-grace", "3600", "run"]);
    running.signal_until_it_ends(Signal::SIGTERM);
    fake.end(running).ends_with(137).builds(&[]);
    assert_eq!(fake.pending(), ["a"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn the_grace_time_ends_with_a_kill() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.project.edit("a");
    fake.dbt("deaf", true);
    let running = fake.hang("a", &["--stop-grace", "0", "run"]);
    running.signal(Signal::SIGTERM);
    fake.end(running).ends_with(137);
    assert_eq!(fake.pending(), ["a"]);
}

#[test]
fn usage_errors_start_nothing() {
    let mut fake = Fake::new(chain(&["a"]));
    for words in [
        &["--state-dirr", "x", "run"][..],
        &["--mode", "none", "run"],
        &["run", "--only-changed"],
        &[],
        &["--max-rebuild", "many", "run"],
    ] {
        fake.run(words).ends_with(64).starts(&[]);
    }
    fake.env("DBT_ENTRYPOINT_STATEDIR", "x");
    fake.run(&["run"]).ends_with(64).starts(&[]).says(&["DBT_ENTRYPOINT_STATE_DIR"]);
}
