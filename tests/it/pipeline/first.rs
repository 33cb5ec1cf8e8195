//! The first population of an empty volume.

use super::harness::Fake;
use super::project::{chain, project};

#[test]
fn everything_is_built_by_one_dbt_and_recorded() {
    let fake = Fake::new(chain(&["a", "b"]));
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["run"]).builds(&["a", "b"]);
    assert_eq!(ran.last().value("--select"), None);
    assert!(ran.last().has("--write-json"), "{ran:#?}");
    assert_eq!(fake.claims(), ["a", "b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn what_failed_and_what_reads_it_stays_to_be_built() {
    let mut fake = Fake::new(chain(&["a", "b", "c"]).model("d"));
    fake.dbt("fails", vec!["b"]);
    fake.run(&["build"]).ends_with(1).starts(&["build"]).builds(&["a", "d"]);
    assert_eq!(fake.claims(), ["a", "d"]);
    assert_eq!(fake.pending(), ["b", "c"]);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["b", "c"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn an_empty_project_is_a_baseline_too() {
    let mut fake = Fake::new(project());
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&[]);
    assert_eq!(fake.status()["holds"], "baseline");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.project = chain(&["a"]);
    fake.run(&["build"]).ends_with(0).builds(&["a"]);
}
