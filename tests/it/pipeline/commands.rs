//! Commands that are not `run`, `build` or `seed`, and the modes.

use super::harness::Fake;
use super::project::{chain, project};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn bystanders_neither_read_nor_write_the_volume() {
    let fake = Fake::new(chain(&["a"]));
    for words in [
        &["ls", "--select", "a"][..],
        &["compile"],
        &["docs", "generate"],
        &["test"],
        &["parse"],
        &["run", "--help"],
        &["run-operation", "grant"],
    ] {
        let ran = fake.run(words);
        assert_eq!(ran.ends_with(0).last().words, words);
        assert_eq!(fake.volume(), BTreeMap::new(), "{words:?}");
    }
    assert_eq!(fs::read_dir(fake.state()).expect("a directory").count(), 0);
}

#[test]
fn bystanders_do_not_mind_a_damaged_volume_or_none() {
    let mut fake = Fake::new(chain(&["a"]));
    fs::write(fake.on_the_volume("manifest.json"), "{").expect("a file");
    fake.run(&["ls"]).ends_with(0).starts(&["ls"]);
    fake.env("DBT_ENTRYPOINT_STATE_DIR", "/nonexistent");
    let ran = fake.run(&["ls"]);
    assert!(ran.ends_with(0).stdout.contains("model.shop.a"), "{ran:#?}");
}

#[test]
fn the_gate_of_a_killed_run_holds_no_bystander() {
    let fake = Fake::new(chain(&["a"]));
    let gate = fake.root().join("target/semantic_manifest.json");
    fs::create_dir_all(gate.parent().expect("a directory")).expect("a directory");
    for words in [&["ls"][..], &["--no-state", "run"], &["run", "-s", "a"]] {
        let _ = fs::remove_file(&gate);
        mkfifo(&gate, Mode::S_IRWXU).expect("a FIFO");
        fake.run(words).ends_with(0);
    }
}

#[test]
fn no_state_is_dbt_alone() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.trust();
    let before = fake.volume();
    fake.project.edit("a");
    let ran = fake.run(&["--no-state", "run", "--fail-fast"]);
    ran.ends_with(0).builds(&["a", "b"]);
    assert_eq!(ran.last().words, ["run", "--fail-fast"]);
    assert_eq!(fake.volume(), before);
    fake.env("DBT_ENTRYPOINT_MODE", "off");
    assert_eq!(fake.run(&["build"]).ends_with(0).last().words, ["build"]);
    assert_eq!(fake.volume(), before);
}

#[test]
fn a_full_run_builds_everything_and_is_recorded() {
    let fake = Fake::populated(chain(&["a", "b"]));
    let ran = fake.run(&["--full", "run"]);
    ran.ends_with(0).starts(&["run"]).builds(&["a", "b"]);
    assert_eq!(ran.last().value("--select"), None);
    assert_eq!(fake.run(&["--mode", "full", "run"]).ends_with(0).last().built, ["a", "b"]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn what_a_full_run_does_not_come_to_is_built_later_though_it_did_not_change() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    fake.dbt("fails", vec!["b"]);
    fake.run(&["--full", "run"]).ends_with(1).builds(&["a", "d"]);
    assert_eq!((fake.claims(), fake.pending().len()), (vec!["a".into(), "d".into()], 2));
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn a_part_left_out_of_a_full_run_stays_as_it_was_built() {
    let fake = Fake::populated(chain(&["a", "b"]));
    fake.run(&["--full", "run", "--exclude", "b"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn a_retry_builds_what_failed_and_is_recorded() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    fake.env("DBT_STATE", fake.state());
    let ran = fake.run(&["retry"]);
    ran.ends_with(0).starts(&["retry"]).builds(&["a", "b"]);
    assert!(ran.last().environment["DBT_STATE"].is_null(), "{ran:#?}");
    assert_eq!(ran.last().value("--select"), None);
    assert_eq!(fake.pending(), [""; 0]);
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn a_retry_of_nothing_ends_with_dbts_code() {
    let fake = Fake::new(chain(&["a"]));
    fake.run(&["retry"]).ends_with(2).starts(&["retry"]);
    assert_eq!(fake.claims(), [""; 0]);
}

#[test]
fn snapshots_are_taken_each_time_and_recorded() {
    let mut fake = Fake::populated(project().model("a").snapshot("h").reads("a"));
    for _ in 0..2 {
        fake.run(&["snapshot"]).ends_with(0).starts(&["snapshot"]).builds(&["h"]);
    }
    fake.project.edit("h");
    fake.dbt("fails", vec!["h"]);
    fake.run(&["snapshot"]).ends_with(1).builds(&[]);
    assert_eq!(fake.pending(), ["h"]);
    fake.dbt_is_well();
    fake.run(&["snapshot"]).ends_with(0).builds(&["h"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_snapshot_does_not_forget_what_else_changed() {
    let mut fake = Fake::populated(project().model("a").snapshot("h"));
    fake.project.edit("a");
    fake.run(&["snapshot"]).ends_with(0).builds(&["h"]);
    assert_eq!(fake.pending(), ["a"]);
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn words_behind_two_dashes_are_dbts() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.project.edit("a");
    fake.run(&["--", "run"]).ends_with(0).starts(&["run"]).builds(&["a"]);
    let ran = fake.run(&["--", "plan"]);
    assert_eq!(ran.ends_with(0).last().words, ["plan"]);
}
