//! What a run leaves for those who watch it: metrics, and files that others may read.

use super::harness::Fake;
use super::project::chain;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The value of a metric, with its labels.
fn metric(fake: &Fake, name: &str) -> Option<(String, String)> {
    let text = fs::read_to_string(fake.base().join("dbt.prom")).expect("metrics");
    let line = text.lines().find(|line| line.starts_with(&format!("dbt_entrypoint_{name}")))?;
    let (labels, value) = line.rsplit_once(' ').expect("a value");
    let labels = labels.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    Some((labels.to_owned(), value.to_owned()))
}

#[test]
fn the_time_of_the_last_success_outlives_failures_and_refusals() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.env("DBT_ENTRYPOINT_METRICS_FILE", fake.base().join("dbt.prom"));
    let success = |fake: &Fake| metric(fake, "last_success_timestamp_seconds");
    let failed = |fake: &Fake| metric(fake, "last_run_exit_code").map(|(_, value)| value != "0");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    assert_eq!((success(&fake), failed(&fake)), (None, Some(true)));
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0);
    let good = success(&fake);
    assert!(
        good.as_ref().is_some_and(|(labels, _)| labels.starts_with("project=\"shop\",target="))
    );
    let of_run = metric(&fake, "last_run_exit_code").expect("a metric").0;
    assert!(of_run.starts_with("command=\"run\",project=\"shop\""), "{of_run}");
    fake.project.edit("a");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["build"]).ends_with(1);
    assert_eq!((success(&fake), failed(&fake)), (good.clone(), Some(true)));
    // One that does not come to know its project.
    let mut elsewhere = fake.command(&["run"]);
    elsewhere.current_dir("/");
    fake.run_command(elsewhere).ends_with(78);
    assert_eq!((success(&fake), failed(&fake)), (good.clone(), Some(true)));
    let last = fake.status()["last_run"].clone();
    assert_eq!(last["succeeded_at"].as_u64().map(|at| at.to_string()), good.map(|(_, at)| at));
    assert!(last["ended_at"].as_u64() >= last["succeeded_at"].as_u64());
}

#[test]
fn the_group_may_read_what_holds_no_salt_if_the_operator_says_so() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.env("DBT_ENTRYPOINT_STATE_MODE", "0640");
    for _ in 0..2 {
        fake.project.edit("a");
        fake.run(&["run"]).ends_with(0);
    }
    let (mut open, mut shown) = (vec![fake.on_the_volume("")], Vec::new());
    let mode = |path: &PathBuf| path.metadata().expect("it is there").permissions().mode() & 0o777;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if mode(&path) == 0o640 {
            shown.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
    shown.sort_by_key(|name| (name.len(), name.clone()));
    assert_eq!(shown[..2], ["last-run.json", "manifest.json"]);
    assert!(shown.len() == 3 && shown[2].starts_with("1-"), "{shown:?}");
    for (directory, expected) in [(".dbt-entrypoint", 0o750), (".dbt-entrypoint/records", 0o700)] {
        assert_eq!(mode(&fake.on_the_volume(directory)), expected, "{directory}");
    }
    for wrong in ["0666", "0440", "rw"] {
        fake.run(&["--state-mode", wrong, "run"]).ends_with(64).says(&["--state-mode"]);
    }
}
