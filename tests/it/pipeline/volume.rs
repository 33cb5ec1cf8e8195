//! Volumes that cannot be used as they are: nothing is run, and nothing is lost.

use super::harness::Fake;
use super::project::chain;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

/// Refuses to run with 78, starts no dbt, and leaves the baseline as it is.
#[track_caller]
fn refuses(fake: &Fake, words: &[&str]) {
    let before = fake.manifest();
    fake.run(&["run"]).ends_with(78).starts(&[]).says(words);
    assert!(fake.manifest() == before);
}

#[test]
fn a_damaged_baseline_is_refused_and_replaced_only_on_purpose() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    for damage in ["", "{", "[]", "\0\0\0", "{\"metadata\": {}}"] {
        fs::write(fake.on_the_volume("manifest.json"), damage).expect("a file");
        refuses(&fake, &["manifest.json", "rollback", "--full"]);
    }
    fake.project.edit("a");
    fake.run(&["run", "--select", "a"]).ends_with(78).starts(&[]);
    fake.run(&["--full", "run", "--select", "a"]).ends_with(78).starts(&[]);
    fake.run(&["--full", "run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn a_baseline_that_is_gone_is_not_an_empty_volume() {
    let fake = Fake::populated(chain(&["a"]));
    fs::remove_file(fake.on_the_volume("manifest.json")).expect("a baseline");
    refuses(&fake, &["manifest.json"]);
    assert_eq!(fake.status()["holds"], "damaged");
}

#[test]
fn files_of_somebody_else_are_not_an_empty_volume() {
    let fake = Fake::new(chain(&["a"]));
    fs::write(fake.on_the_volume("customers.csv"), "1").expect("a file");
    refuses(&fake, &["customers.csv"]);
}

#[test]
fn a_damaged_record_is_refused() {
    let fake = Fake::populated(chain(&["a"]));
    let records = fs::read_dir(fake.on_the_volume(".dbt-entrypoint/records")).expect("records");
    for record in records {
        fs::write(record.expect("an entry").path(), "{").expect("a file");
    }
    refuses(&fake, &["record"]);
}

#[test]
fn what_a_later_version_wrote_is_refused_even_for_a_full_run() {
    let fake = Fake::populated(chain(&["a"]));
    let records = fs::read_dir(fake.on_the_volume(".dbt-entrypoint/records")).expect("records");
    for record in records {
        let text = "{\"format\": 999, \"nodes\": []}";
        fs::write(record.expect("an entry").path(), text).expect("a file");
    }
    refuses(&fake, &["999"]);
    fake.run(&["--full", "run"]).ends_with(78).starts(&[]);
    assert_eq!(fake.status()["holds"], "newer");
}

#[test]
fn a_baseline_of_another_warehouse_is_refused_and_a_full_run_begins_anew() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.project.move_to("other.duckdb");
    refuses(&fake, &["other.duckdb"]);
    // What is another's is not written to either.
    assert_eq!(fake.status()["last_run"]["exit"], 0);
    fake.run(&["--full", "run"]).ends_with(0).builds(&["a"]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn a_manifest_of_dbts_own_is_a_baseline_of_which_less_is_known() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.trust();
    fake.run(&["--no-state", "run"]).ends_with(0);
    fs::copy(fake.root().join("target/manifest.json"), fake.on_the_volume("manifest.json"))
        .expect("a copy");
    fake.project.edit("b");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_state_directory_that_is_missing_or_no_directory_is_refused() {
    let mut fake = Fake::new(chain(&["a"]));
    for name in ["missing", "scenario.json"] {
        fake.env("DBT_ENTRYPOINT_STATE_DIR", fake.base().join(name));
        fake.run(&["run"]).ends_with(78).starts(&[]).says(&[name, "--state-dir"]);
    }
    assert!(!fake.base().join("missing").exists());
}

#[test]
fn a_state_directory_that_cannot_be_written_is_73() {
    let fake = Fake::new(chain(&["a"]));
    let mut command = fake.command(&["run"]);
    for (path, mode) in [(fake.base(), 0o755), (&fake.root(), 0o777), (&fake.state(), 0o555)] {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("our own directory");
    }
    if nix::unistd::geteuid().is_root() {
        // Nothing is read-only to root.
        command.uid(65534).gid(65534);
    }
    fake.run_command(command).ends_with(73).starts(&[]);
}

#[test]
fn a_state_directory_in_memory_is_refused_unless_that_is_wanted() {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        return crate::support::skip("/dev/shm cannot be written");
    };
    let mut fake = Fake::new(chain(&["a"]));
    fake.env("DBT_ENTRYPOINT_ALLOW_EPHEMERAL", "no");
    fake.env("DBT_ENTRYPOINT_STATE_DIR", memory.path());
    fake.run(&["run"]).ends_with(78).starts(&[]).says(&["memory", "--allow-ephemeral"]);
    assert_eq!(fs::read_dir(memory.path()).expect("a directory").count(), 0);
    fake.run(&["--allow-ephemeral", "run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn a_volume_in_use_is_waited_for_and_then_75() {
    let fake = Fake::populated(chain(&["a"]));
    let lock = File::open(fake.on_the_volume(".dbt-entrypoint/lock")).expect("a lock");
    lock.lock().expect("nobody has it");
    fake.run(&["--lock-timeout", "0", "run"]).ends_with(75).starts(&[]);
    for words in [&["status"][..], &["history"], &["ls"], &["--no-state", "parse"]] {
        fake.run(words).ends_with(0);
    }
    fake.run(&["plan", "build"]).ends_with(0).starts(&["parse"]);
    fake.run(&["--lock-timeout", "0", "invalidate", "a"]).ends_with(75);
    drop(lock);
    fake.run(&["--lock-timeout", "0", "build"]).ends_with(0).starts(&[]);
}

#[test]
fn a_project_that_is_not_there_is_refused() {
    let fake = Fake::new(chain(&["a"]));
    let mut command = fake.command(&["run"]);
    command.current_dir("/");
    fake.run_command(command).ends_with(78).starts(&[]).says(&["dbt_project.yml"]);
}
