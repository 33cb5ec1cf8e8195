//! Models of other projects, which a plugin adds: they have no file, and nobody here builds them.

use super::harness::Fake;
use super::project::{Project, project};

fn across() -> Project {
    project().external("x").says("\"db\".\"x\"").model("a").reads("x").model("b").reads("a")
}

#[test]
fn one_is_never_built_and_never_waits() {
    let mut fake = Fake::new(across());
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
    assert_eq!(fake.pending(), [""; 0]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.project.edit("b");
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
    fake.run(&["--full", "build"]).ends_with(0).builds(&["a", "b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn its_configuration_is_nobodys_reason_and_its_relation_is_one_for_its_readers() {
    let mut fake = Fake::populated(across());
    fake.project.configure("x", "meta", "news");
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.project.edit("x");
    fake.run(&["build"]).ends_with(0).says(&["other.x"]).builds(&["a", "b"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn one_that_comes_or_goes_rebuilds_whoever_reads_it() {
    let mut fake = Fake::populated(across());
    fake.project = across().external("y");
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.project = across();
    fake.run(&["build"]).ends_with(0).builds(&[]);
}
