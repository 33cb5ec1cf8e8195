//! Volumes that cannot be used as they are: nothing is run, and nothing is lost.

use super::harness::Fake;
use super::project::chain;
use crate::support::{binary, skip, tool};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

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

/// The target as it was when the baseline was built, and as it is now; whether that is a move.
const MOVES: [(&str, &str, bool); 8] = [
    ("attach: [{path: a.duckdb}]", "attach: [{path: b.duckdb}]", true),
    ("", "attach: [{path: b.duckdb}]", true),
    ("external_root: out", "external_root: out2", true),
    ("of_another_adapter: 1", "of_another_adapter: 2", true),
    ("database: \"{{ env_var('DBT_ENV_SECRET_A') }}\", attach: [{path: x, alias: a}]", "", true),
    ("threads: 1", "threads: 2, retries: {connect_attempts: 2}", false),
    ("external_root: out", "external_root: ../project/out", false),
    ("secrets: [{type: s3, key_id: a}]", "secrets: [{type: s3, key_id: b, secret: c}]", false),
];

#[test]
fn a_target_is_the_same_place_only_if_every_key_that_tells_it_is() {
    for (before, after, moves) in MOVES {
        let mut fake = Fake::new(chain(&["a"]));
        fake.env("DBT_ENV_SECRET_A", "a");
        fake.project.set_target(before);
        fake.run(&["build"]).ends_with(0).builds(&["a"]);
        fake.project.set_target(after);
        if !moves {
            fake.run(&["build"]).ends_with(0).builds(&[]);
            continue;
        }
        refuses(&fake, &["profiles.yml", "adopt --force --from", "--full"]);
        // It is the same place after all: nothing is forgotten, and nothing is built.
        fake.trust();
        let manifest = fake.on_the_volume("manifest.json").display().to_string();
        fake.run(&["adopt", "--force", "--from", &manifest]).ends_with(0);
        fake.run(&["build"]).ends_with(0).builds(&[]);
    }
}

#[test]
fn a_secret_variable_tells_the_place_too_and_is_not_on_the_volume() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.project.set_target("host: \"{{ env_var('DBT_ENV_SECRET_HOST') | sha1 }}\"");
    fake.env("DBT_ENV_SECRET_HOST", "first.example");
    fake.run(&["build"]).ends_with(0).builds(&["a"]);
    let holds = |text: &Vec<u8>| String::from_utf8_lossy(text).contains("first.example");
    assert!(!fake.volume().values().any(holds));
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.env("DBT_ENV_SECRET_HOST", "second.example");
    refuses(&fake, &["`host`"]);
}

#[test]
fn a_record_that_does_not_know_the_place_is_taken_and_learns_it() {
    let mut fake = Fake::populated(chain(&["a"]));
    let records = fake.on_the_volume(".dbt-entrypoint/records");
    for record in fs::read_dir(records).expect("records") {
        let path = record.expect("an entry").path();
        let text = fs::read(&path).expect("a record");
        let mut record: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let place = record["identity"].as_object_mut().expect("an object").remove("place");
        assert!(place.is_some());
        fs::write(path, record.to_string()).expect("a file");
    }
    fake.project.set_target("external_root: out");
    fake.project.edit("a");
    fake.run(&["build"]).ends_with(0).builds(&["a"]);
    fake.project.set_target("external_root: other");
    refuses(&fake, &["external_root"]);
}

#[test]
fn a_warehouse_in_memory_has_no_baseline() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.project.move_to("':memory:'");
    for words in [&["build"][..], &["--full", "build"], &["plan", "build"], &["adopt"]] {
        fake.run(words).ends_with(78).starts(&[]).says(&["memory", "--no-state"]);
    }
    fake.run(&["--no-state", "build"]).ends_with(0).builds(&["a"]);
}

#[test]
fn dbts_target_path_and_the_state_directory_are_apart() {
    let mut fake = Fake::new(chain(&["a"]));
    let (state, above) = (fake.state(), fake.base().to_path_buf());
    fs::create_dir(state.join("below")).expect("a directory");
    std::os::unix::fs::symlink(&state, fake.root().join("link")).expect("a link");
    for target in [state.clone(), above, state.join("below"), "link/below/new".into()] {
        fake.env("DBT_TARGET_PATH", target);
        for words in [&["build"][..], &["plan", "build"]] {
            fake.run(words).ends_with(78).starts(&[]).says(&["--target-path", "--state-dir"]);
        }
    }
    fake.env("DBT_TARGET_PATH", fake.base().join("state2"));
    fs::remove_dir(state.join("below")).expect("it is empty");
    fake.run(&["build"]).ends_with(0).builds(&["a"]);
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
        return skip("/dev/shm cannot be written");
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
    fake.run(&["plan", "build"]).ends_with(0).starts(&[]);
    fake.run(&["plan", "run"]).ends_with(0).starts(&["parse"]);
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

/// As root of a container without `CAP_FOWNER`, which the restricted profile of Kubernetes drops.
#[test]
fn a_sticky_directory_with_a_baseline_of_another_user_is_refused_before_dbt_starts() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can give a file to another user");
    }
    let Some(setpriv) = tool("setpriv") else { return };
    let mut fake = Fake::populated(chain(&["a"]));
    fake.project.edit("a");
    for path in [fake.state(), fake.on_the_volume("manifest.json")] {
        nix::unistd::chown(&path, Some(65534.into()), None).expect("we are root");
    }
    fs::set_permissions(fake.state(), fs::Permissions::from_mode(0o1777)).expect("a directory");
    let ours = fake.command(&["build"]);
    let mut without = Command::new(setpriv);
    without.args(["--bounding-set=-fowner", "--inh-caps=-fowner"]).arg(binary()).arg("build");
    without.current_dir(fake.root()).env_clear();
    without.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let refused = fake.run_command(without);
    refused.ends_with(73).starts(&[]).says(&["belongs to another user", "sticky bit", "chown 0 "]);
    assert!(!refused.stderr.contains("--full") && !refused.stderr.contains("rollback"));
    fake.run(&["build"]).ends_with(0).builds(&["a"]);
}
