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

#[test]
fn seeds_and_models_may_come_in_two_commands() {
    let fake = Fake::new(project().seed("s").model("a").reads("s"));
    fake.run(&["seed"]).ends_with(0).starts(&["seed"]).builds(&["s"]);
    assert_eq!((fake.claims(), fake.pending()), (vec!["s".into()], vec!["a".into()]));
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_project_that_cannot_be_parsed_leaves_the_volume_empty() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.dbt("cannot_parse", true);
    fake.run(&["run"]).ends_with(2).starts(&["run"]);
    assert_eq!(fake.status()["holds"], "nothing");
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn a_selection_populates_no_more_than_what_it_builds() {
    let fake = Fake::new(chain(&["a", "b"]).model("c"));
    fake.run(&["run", "--select", "a"]).ends_with(0).builds(&["a"]);
    assert_eq!((fake.claims(), fake.pending()), (vec!["a".into()], vec!["b".into(), "c".into()]));
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn an_ephemeral_model_is_built_with_its_reader() {
    let mut fake = Fake::new(project().model("a").model("e").as_("ephemeral").reads("a"));
    fake.project.add("b", "e");
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    assert_eq!(fake.claims(), ["a", "b", "e"]);
    fake.project.edit("e");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn on_empty_refuse_keeps_a_lost_volume_from_being_populated_again() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.env("DBT_ENTRYPOINT_ON_EMPTY", "refuse");
    fake.run(&["run"]).ends_with(78).starts(&[]).says(&["empty", "--on-empty adopt", "--full"]);
    assert_eq!(fake.status()["holds"], "nothing");
    fake.run(&["--full", "run"]).ends_with(0).builds(&["a"]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn on_empty_adopt_takes_the_project_as_it_stands_for_built() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.trust();
    fake.env("DBT_ENTRYPOINT_ON_EMPTY", "adopt");
    let ran = fake.run(&["run"]);
    assert_eq!(ran.ends_with(0).builds(&[]).calls[0].words[0], "parse");
    assert_eq!(fake.claims(), ["a", "b"]);
    fake.project.edit("b");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
}
