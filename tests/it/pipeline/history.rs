//! The baselines that the volume keeps: what takes a place, how each came about, and what differs.

use super::harness::Fake;
use super::project::{chain, project};
use serde_json::{Value, json};
use std::fs;

const COMMIT: &str = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d";

/// Checks the project out at a commit.
fn at_commit(fake: &Fake, commit: &str) {
    let git = fake.root().join(".git");
    fs::create_dir_all(git.join("refs/heads")).expect("a directory");
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("a file");
    fs::write(git.join("refs/heads/main"), format!("{commit}\n")).expect("a file");
}

/// What `history --json` says of how the baselines came about, less the times.
#[track_caller]
fn origins(fake: &Fake) -> Vec<Value> {
    let listed = fake.run(&["history", "--json"]).ends_with(0).starts(&[]).json();
    let mut origins: Vec<Value> =
        listed.as_array().expect("a list").iter().map(|one| one["origin"].clone()).collect();
    for origin in &mut origins {
        let at = origin.as_object_mut().and_then(|origin| origin.remove("at"));
        assert!(at.as_ref().and_then(Value::as_u64) > Some(1_600_000_000), "{at:?}");
    }
    origins
}

#[test]
fn only_what_the_warehouse_is_said_to_hold_takes_a_place() {
    let tested = project().model("a").unit_test("u").reads("a").test("t").reads("a").model("b");
    let mut fake = Fake::populated(tested);
    fake.project.edit("b");
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.history(), 1);
    let before = origins(&fake);
    for name in ["t", "u"] {
        fake.project.edit(name);
        fake.dbt("fails", vec![name]);
        fake.run(&["build"]).ends_with(1);
        fake.dbt_is_well();
        fake.run(&["build"]).ends_with(0).builds(&[name]);
    }
    fake.run(&["run", "--select", "a"]).ends_with(0).builds(&["a"]);
    fake.run(&["--full", "build"]).ends_with(0).builds(&["u", "a", "b", "t"]);
    assert_eq!((fake.history(), origins(&fake)), (1, before));
    fake.run(&["invalidate", "b"]).ends_with(0);
    fake.run(&["invalidate", "b"]).ends_with(0);
    assert_eq!(fake.history(), 2);
}

#[test]
fn every_baseline_tells_what_was_built_by_which_command_and_at_which_commit() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c"));
    fake.env("GITHUB_SHA", "2".repeat(40));
    fake.run(&["run", "--vars", "secret: 1"]).ends_with(0);
    at_commit(&fake, COMMIT);
    fake.project.edit("c");
    fake.run(&["build", "--vars", "secret: 1"]).ends_with(0).builds(&["c"]);
    fake.run(&["invalidate", "a"]).ends_with(0);
    let expected = [
        json!({"command": "invalidate", "built": 0}),
        json!({"command": "build", "built": 1, "names": ["model.shop.c"], "commit": COMMIT}),
        json!({"command": "run", "built": 3, "commit": "2".repeat(40),
               "names": ["model.shop.a", "model.shop.b", "model.shop.c"]}),
    ];
    assert_eq!(origins(&fake), expected);
    let words = fake.run(&["history"]);
    let lines: Vec<&str> = words.stdout.lines().collect();
    assert!(lines[1].starts_with("  0  ") && lines[1].ends_with("UTC  invalidate"), "{lines:#?}");
    assert!(lines[3].ends_with("UTC  build, 1 built, commit 1a2b3c4d5e6f"), "{lines:#?}");
    assert_eq!(lines[4..6], ["     c", "     3 nodes, 0 to be built, dbt 1.11.16"], "{lines:#?}");
    assert!(lines.iter().all(|line| line.len() <= 80 && !line.contains("secret")), "{lines:#?}");
}

#[test]
fn a_commit_decides_nothing_and_a_later_build_of_the_same_keeps_the_first_one() {
    let fake = Fake::populated(chain(&["a"]));
    at_commit(&fake, COMMIT);
    fake.run(&["run"]).ends_with(0).builds(&[]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
    at_commit(&fake, &"3".repeat(40));
    fake.run(&["run"]).ends_with(0).starts(&[]);
    assert_eq!(origins(&fake).len(), 1);
    assert_eq!(origins(&fake)[0]["commit"], Value::Null);
}

#[test]
fn what_a_killed_run_built_is_of_its_command_and_commit_and_not_of_the_next_ones() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    at_commit(&fake, COMMIT);
    fake.killed_at("b", &["run"]);
    at_commit(&fake, "ffffffffffffffffffffffffffffffffffffffff");
    fake.run(&["build"]).ends_with(0).says(&["killed"]).builds(&["b"]);
    let told: Vec<Value> = origins(&fake);
    assert_eq!((&told[1]["command"], &told[1]["commit"]), (&json!("run"), &json!(COMMIT)));
    assert_eq!(
        (&told[1]["names"], &told[0]["command"]),
        (&json!(["model.shop.a"]), &json!("build"))
    );
}

#[test]
fn a_record_of_an_earlier_version_has_no_origin_and_is_listed() {
    let mut fake = Fake::populated(chain(&["a"]));
    let records = fs::read_dir(fake.on_the_volume(".dbt-entrypoint/records")).expect("records");
    for path in records.map(|entry| entry.expect("an entry").path()) {
        let mut record: Value =
            serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
        assert!(record.as_object_mut().expect("an object").remove("origin").is_some());
        fs::write(&path, record.to_string()).expect("a file");
    }
    let words = fake.run(&["history"]).ends_with(0).stdout.clone();
    assert!(words.contains("UTC  by an earlier version\n     1 node,"), "{words}");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    fake.trust();
    fake.run(&["diff", "1"]).ends_with(0);
    fake.run(&["rollback"]).ends_with(0);
    let status = fake.run(&["status"]).ends_with(0).stdout.clone();
    let made = status.lines().find(|line| line.starts_with("made")).expect("an origin");
    assert!(
        made.contains("by an earlier version, restored 20") && !made.contains("1970"),
        "{made}"
    );
}

#[test]
fn a_diff_names_what_changed_and_why() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("gone").test("t").test("past"));
    fake.project = chain(&["a", "b"]).model("new").model("fails").test("t").test("more");
    // Tests are no nodes of a baseline.
    fake.project.edit("a");
    fake.project.edit("t");
    fake.dbt("fails", vec!["fails"]);
    fake.run(&["build"]).ends_with(1);
    let diff = fake.run(&["diff", "1", "--json"]).ends_with(0).starts(&[]).json();
    let expected = json!({
        "changed": {"model.shop.a": ["body"]}, "added": ["model.shop.new"],
        "removed": ["model.shop.gone"], "waiting": {"model.shop.fails": "failed in the last run"},
    });
    for part in ["changed", "added", "removed", "waiting"] {
        assert_eq!(diff[part], expected[part], "{part}");
    }
    assert_eq!((&diff["from"]["steps"], &diff["to"]["steps"]), (&json!(1), &json!(0)));
    let history = fake.run(&["history", "--json"]).ends_with(0).json();
    assert_eq!(json!([diff["to"], diff["from"]]), history);
    let words = fake.run(&["diff", "1"]).ends_with(0).stdout.clone();
    let list = "changed: 1\n  model.shop.a: body\nadded: 1\n  model.shop.new\nremoved: 1\n  \
                model.shop.gone\nto be built: 1\n  model.shop.fails: failed in the last run\n";
    assert!(words.ends_with(list) && words.starts_with("from   1  20"), "{words}");
    let same = fake.run(&["diff", "0"]).ends_with(0).stdout.clone();
    assert!(same.ends_with("nothing differs\n"), "{same}");
}

#[test]
fn a_diff_works_beside_a_damaged_baseline_and_refuses_what_is_not_there() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.run(&["diff", "0"]).ends_with(78).says(&["there is no baseline", "history"]);
    fake.run(&["run"]).ends_with(0);
    for _ in 0..2 {
        fake.project.edit("a");
        fake.run(&["run"]).ends_with(0);
    }
    fake.run(&["diff", "7"]).ends_with(78).says(&["there is no baseline 7 steps back", "history"]);
    fs::write(fake.on_the_volume("manifest.json"), "{").expect("a file");
    fake.run(&["diff", "1"]).ends_with(78).says(&["0 steps back cannot be used", "history"]);
    let words = fake.run(&["history"]).ends_with(0).stdout.clone();
    assert!(words.contains("  0  cannot be used: manifest.json"), "{words}");
    let words = fake.run(&["diff", "2", "1"]).ends_with(0).stdout.clone();
    assert!(words.contains("model.shop.a: body"), "{words}");
}

#[test]
fn a_rollback_says_what_the_next_run_builds_and_the_run_builds_it() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).test("t").reads("c").model("d"));
    fake.trust();
    fake.project.edit("a");
    fake.project.edit("d");
    fake.run(&["build"]).ends_with(0);
    let words = fake.run(&["rollback"]).ends_with(0).starts(&[]).stdout.clone();
    let expected = "the next run builds 2 nodes and 2 downstream:\n  model.shop.a: body\n  model.shop.d: body\n";
    assert!(words.contains(expected) && words.contains("dbt-entrypoint plan"), "{words}");
    assert!(
        fake.run(&["history"])
            .stdout
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains("restored 20"))
    );
    fake.run(&["run"]).ends_with(0).builds(&["a", "b", "c", "d"]);
    fs::write(fake.on_the_volume("manifest.json"), "{").expect("a file");
    let words = fake.run(&["rollback"]).ends_with(0).stdout.clone();
    assert!(!words.contains("compared") && words.contains("dbt-entrypoint plan"), "{words}");
}

#[test]
fn a_rollback_does_not_hide_what_had_to_be_built_then_and_has_to_be_built_now() {
    let mut fake = Fake::populated(chain(&["a"]).model("c"));
    fake.trust();
    fake.run(&["invalidate", "c"]).ends_with(0);
    fake.project.edit("a");
    fake.run(&["run", "--select", "a"]).ends_with(0).builds(&["a"]);
    let told = fake.run(&["rollback", "1"]).ends_with(0).stdout.clone();
    assert!(told.contains("nodes that it says have to be built anyway: 1\n"), "{told}");
    fake.run(&["run"]).ends_with(0).builds(&["a", "c"]);
}

#[test]
fn status_says_that_a_baseline_was_adopted_until_a_run_replaces_it() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.trust();
    fake.run(&["adopt"]).ends_with(0);
    fake.run(&["run"]).ends_with(0).builds(&[]);
    let made = |fake: &Fake| {
        let words = fake.run(&["status"]).ends_with(0).stdout.clone();
        let line = words.lines().find(|line| line.starts_with("made ")).expect("a line");
        line.split_once(" UTC, ").expect("a time").1.to_owned()
    };
    assert_eq!(made(&fake), "adopted from the project");
    assert_eq!(fake.status()["origin"]["command"], "adopt");
    let manifest = fake.root().join("target/manifest.json");
    let from = manifest.to_str().expect("a path");
    fake.run(&["adopt", "--force", "--from", from]).ends_with(0);
    assert_eq!(made(&fake), format!("adopted from {from}"));
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(made(&fake), "run, 1 built");
}
