//! Unit tests: `dbt build` runs one only before it builds its model.

use super::harness::Fake;
use super::project::{Project, project};

/// A unit test `u` of `a`, and a model that reads `a`.
fn tested() -> Project {
    project().model("a").unit_test("u").reads("a").model("b").reads("a")
}

#[test]
fn a_unit_test_that_changed_alone_is_run_once() {
    let mut fake = Fake::populated(tested());
    fake.project.edit("u");
    let ran = fake.run(&["build", "--threads", "4"]);
    ran.ends_with(0).starts(&["build", "test"]).says(&["unit_test.shop.u"]).builds(&["u"]);
    assert!(ran.last().has("--select=fqn:shop.u"), "{ran:#?}");
    assert_eq!(ran.last().value("--threads"), Some("4"));
    fake.run(&["build", "--threads", "4"]).ends_with(0).starts(&[]);
}

#[test]
fn one_that_fails_ends_with_1_until_it_passes_and_builds_nothing() {
    let mut fake = Fake::populated(tested());
    let entries = fake.history();
    fake.project.edit("u");
    fake.dbt("fails", vec!["u"]);
    for _ in 0..3 {
        fake.run(&["build"]).ends_with(1).starts(&["build", "test"]).builds(&[]);
    }
    assert_eq!(fake.history(), entries);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).builds(&["u"]);
    assert_eq!(fake.history(), entries);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn one_whose_model_is_built_is_run_with_it() {
    let mut fake = Fake::populated(tested().model("c"));
    fake.project.edit("u");
    fake.project.edit("a");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["u", "a", "b"]);
    fake.project.edit("u");
    fake.project.edit("c");
    fake.run(&["build"]).ends_with(0).starts(&["build", "test"]).builds(&["c", "u"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn a_build_that_fails_leaves_it_for_the_next_run() {
    let mut fake = Fake::populated(tested().model("c"));
    fake.project.edit("u");
    fake.project.edit("c");
    fake.dbt("fails", vec!["c"]);
    fake.run(&["build"]).ends_with(1).starts(&["build"]).builds(&[]);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).builds(&["c", "u"]);
}

#[test]
fn a_new_one_is_run_and_a_run_waits_for_none() {
    let mut fake = Fake::populated(project().model("a").model("b"));
    fake.project = tested();
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
    fake.run(&["build"]).ends_with(0).starts(&["build", "test"]).builds(&["u"]);
    fake.project.edit("u");
    let kept = ["build", "--exclude-resource-type", "unit_test"];
    fake.run(&kept).ends_with(0).builds(&[]);
    fake.run(&kept).ends_with(0).starts(&[]);
    fake.run(&["run"]).ends_with(0).builds(&[]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
    fake.run(&["build"]).ends_with(0).builds(&["u"]);
}

#[test]
fn one_that_is_excluded_with_its_model_waits() {
    let mut fake = Fake::populated(tested());
    fake.env("DBT_WARN_ERROR", "1");
    fake.project.edit("u");
    let words = ["build", "--exclude", "a"];
    fake.run(&words).ends_with(0).builds(&[]);
    fake.run(&words).ends_with(0).starts(&[]);
    fake.run(&["build"]).ends_with(0).builds(&["u"]);
}

#[test]
fn data_tests_are_run_by_the_build_itself() {
    let mut fake = Fake::populated(project().model("a").test("t").reads("a"));
    fake.project.edit("t");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["t"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn a_run_that_changes_nothing_takes_no_place_in_the_history() {
    let mut fake = Fake::populated(project().model("a").model("b"));
    fake.project.edit("a");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    let entries = fake.history();
    for _ in 0..3 {
        fake.run(&["run"]).ends_with(1);
    }
    fake.run(&["run", "--select", "b"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.history(), entries);
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.history(), entries + 1);
}
