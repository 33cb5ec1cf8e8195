//! Programs of the operator's: the publish hook after a change, the probe before a run.

use super::harness::Fake;
use super::project::chain;
use std::fs;

/// A hook that copies the baseline to where a test looks for it.
const COPY: &str = "cp \"$DBT_ENTRYPOINT_MANIFEST\" outbox/manifest.json";

/// A volume that is empty, and the hook.
fn publishing() -> Fake {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.env("DBT_ENTRYPOINT_PUBLISH", format!("sh -c '{COPY}'"));
    fake
}

fn published(fake: &Fake) -> Option<Vec<u8>> {
    fs::read(fake.root().join("outbox/manifest.json")).ok()
}

#[test]
fn a_changed_baseline_is_published_once() {
    let fake = publishing();
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    let ran = fake.run(&["build"]);
    assert_eq!(ran.ends_with(0).stdout, "");
    assert_eq!(published(&fake), Some(fake.manifest()));
    fs::remove_file(fake.root().join("outbox/manifest.json")).expect("it was published");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.run(&["run"]).ends_with(0).starts(&["run"]);
    assert_eq!(published(&fake), None);
}

#[test]
fn a_hook_that_fails_fails_nothing_and_is_made_up_for() {
    let fake = publishing();
    fake.run(&["build"]).ends_with(0).says(&["--publish"]);
    assert_eq!((published(&fake), fake.claims().len()), (None, 2));
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    assert_eq!(published(&fake), Some(fake.manifest()));
}

#[test]
fn a_run_that_fails_publishes_what_it_built() {
    let mut fake = publishing();
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    fake.dbt("fails", vec!["b"]);
    fake.run(&["build"]).ends_with(1);
    assert_eq!(published(&fake), Some(fake.manifest()));
}

#[test]
fn an_adoption_is_published_at_once_and_other_orders_by_the_next_run() {
    let mut fake = publishing();
    fake.trust();
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    fake.run(&["adopt"]).ends_with(0);
    assert_eq!(published(&fake), Some(fake.manifest()));
    fake.run(&["invalidate", "b"]).ends_with(0);
    assert_ne!(published(&fake), Some(fake.manifest()));
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(published(&fake), Some(fake.manifest()));
}

#[test]
fn a_probe_that_fails_refuses_before_anything_is_spared_or_run() {
    let mut fake = Fake::populated(chain(&["a"]));
    let with = |fake: &Fake, probe: &str| fake.run(&["--probe", probe, "build"]);
    let spared = with(&fake, "echo there");
    assert_eq!(spared.ends_with(0).starts(&[]).stdout, "");
    with(&fake, "test -f 'no such file'").ends_with(78).starts(&[]).says(&["probe", "--full"]);
    fake.project.edit("a");
    with(&fake, "false").ends_with(78).starts(&[]);
    with(&fake, "no-such-program").ends_with(64).starts(&[]);
    with(&fake, "true").ends_with(0).builds(&["a"]);
}

#[test]
fn a_probe_has_no_say_where_everything_or_a_selection_is_built() {
    let fake = Fake::new(chain(&["a"]));
    for words in [&["build"][..], &["--full", "build"], &["build", "--select", "a"]] {
        fake.run(&[&["--probe", "false"], words].concat()).ends_with(0).builds(&["a"]);
    }
}

/// A last command that notes the exit code that it is told.
fn noting(fake: &Fake) -> (std::path::PathBuf, String) {
    let noted = fake.base().join("exit-code");
    let command = format!("sh -c 'echo $DBT_ENTRYPOINT_EXIT_CODE >>{}; exit 3'", noted.display());
    (noted, command)
}

#[test]
fn the_last_command_is_told_every_exit_code_and_changes_none() {
    let mut fake = Fake::new(chain(&["a"]));
    let (noted, command) = noting(&fake);
    fake.env("DBT_ENTRYPOINT_ON_EXIT", command);
    fake.run(&["build"]).ends_with(0).says(&["--on-exit ended with 3"]);
    fake.project.edit("a");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["build"]).ends_with(1);
    fake.dbt_is_well();
    fake.run(&["--state-dir", "/nowhere", "build"]).ends_with(78);
    fake.run(&["plan", "build"]).ends_with(10);
    fake.run(&["exec", "--", "sh", "-c", "exit 5"]).ends_with(5);
    fake.run(&["--help"]).ends_with(0);
    let codes = fs::read_to_string(noted).expect("the command ran");
    assert_eq!(codes, "0\n1\n78\n10\n5\n");
}

#[test]
fn the_last_command_runs_after_a_request_to_stop_too() {
    let mut fake = Fake::new(chain(&["a"]));
    let (noted, command) = noting(&fake);
    fake.env("DBT_ENTRYPOINT_ON_EXIT", command);
    let running = fake.hang("a", &["build"]);
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let code = fake.end(running).code;
    assert_eq!(fs::read_to_string(noted).expect("the command ran"), format!("{code}\n"));
}

#[test]
fn a_last_command_that_does_not_end_is_killed_after_the_grace() {
    let fake = Fake::new(chain(&["a"]));
    let words = ["--stop-grace", "100ms", "--on-exit", "sleep 1000", "build"];
    fake.run(&words).ends_with(0).says(&["--on-exit ended with 137"]);
    let words = ["--on-exit", "/nowhere/program", "build"];
    fake.run(&words).ends_with(0).says(&["--on-exit did not run"]);
}
