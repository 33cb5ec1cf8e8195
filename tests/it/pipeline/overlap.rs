//! Two runs that did not see each other's lock, as on a volume whose locks hold on one node only.

use super::harness::{Fake, Running};
use super::project::chain;
use nix::sys::signal::Signal;
use std::fs;

/// A run of an earlier release on a node of its own, which hangs at this point.
fn at_work(fake: &mut Fake, point: &str) -> Running {
    fake.project.edit("b");
    let running = fake.hang(point, &["build"]);
    fake.lock_on_another_node();
    // Another node has a target path of its own.
    fake.env("DBT_TARGET_PATH", "target-of-another-node");
    running
}

#[test]
fn the_second_to_commit_replaces_nothing_and_what_it_built_is_built_again() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    let first = at_work(&mut fake, "b");
    fake.project.edit("b");
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
    let committed = fake.manifest();
    let late = fake.finish(first);
    late.ends_with(74).says(&["another run was at work", "concurrencyPolicy: Forbid"]);
    assert!(fake.manifest() == committed);
    assert_eq!(fake.status()["interrupted"], true);
    fake.run(&["plan", "build"]).ends_with(10).says(&["two runs were at work"]);
    fake.run(&["build"]).ends_with(0).says(&["two runs were at work"]).builds(&["b", "c"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn where_the_earlier_run_ends_first_neither_claims_what_the_other_may_have_built() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    let committed = fake.manifest();
    let first = at_work(&mut fake, "b");
    fake.project.edit("b");
    let second = fake.hang("c", &["build"]);
    fake.finish(first).ends_with(74);
    fake.finish(second).ends_with(74);
    // The second had taken the first for one that was killed.
    assert_ne!(fake.manifest(), committed);
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn a_run_that_was_overtaken_before_it_built_anything_builds_nothing() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    let first = at_work(&mut fake, "start");
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
    let committed = fake.manifest();
    fake.finish(first).ends_with(75).says(&["another run was at work", "nothing was built"]);
    assert!(fake.manifest() == committed && !fake.leaves_doubt());
    fake.run(&["build"]).ends_with(0).builds(&[]);
}

#[test]
fn a_run_that_is_killed_after_it_was_overtaken_is_doubted_too() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    let first = at_work(&mut fake, "b");
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
    let log = fake.on_the_volume(".dbt-entrypoint/run/log/dbt.log");
    fs::write(log, "x".repeat(1 << 16)).expect("a log that grows");
    while !fake.leaves_doubt() {
        std::thread::yield_now();
    }
    fake.kill_all(first);
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn an_operator_who_changes_the_baseline_is_another_run() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    let first = at_work(&mut fake, "b");
    fake.run(&["invalidate", "d"]).ends_with(0);
    fake.finish(first).ends_with(74);
    fake.run(&["build"]).ends_with(0).builds(&["b", "c", "d"]);
}

#[test]
fn a_run_that_fails_and_was_overtaken_is_doubted_and_ends_with_the_code_of_dbt() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    let first = at_work(&mut fake, "b");
    fake.run(&["build"]).ends_with(0);
    first.signal(Signal::SIGTERM);
    fake.end(first).ends_with(2).says(&["another run was at work"]);
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
}
