//! A run that was killed is recorded by the next start before anything else.

use super::harness::Fake;
use super::project::{chain, project};
use std::fs;

/// The volume has a run to recover.
fn is_interrupted(fake: &Fake) -> bool {
    fake.status()["interrupted"] == true
}

#[test]
fn a_first_population_that_is_killed_goes_on_with_what_it_had_not_finished() {
    let mut fake = Fake::new(chain(&["a", "b", "c"]));
    fake.killed_at("b", &["build"]);
    assert!(is_interrupted(&fake));
    assert_eq!(fake.claims(), [""; 0]);
    // A fresh container has none of dbt's files.
    fs::remove_dir_all(fake.root().join("target")).expect("dbt wrote there");
    let ran = fake.run(&["build"]);
    ran.ends_with(0).starts(&["build"]).says(&["killed"]).builds(&["b", "c"]);
    assert!(!is_interrupted(&fake));
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn a_changed_run_that_is_killed_keeps_what_it_built_and_what_stood_before() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    fake.project.edit("a");
    let before = fake.manifest();
    fake.killed_at("b", &["build"]);
    assert!(fake.manifest() == before);
    fake.run(&["build"]).ends_with(0).says(&["killed"]).builds(&["b", "c"]);
    assert_eq!(fake.claims(), ["a", "b", "c", "d"]);
}

#[test]
fn killed_before_the_first_node_nothing_has_happened() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("b");
    let before = fake.manifest();
    let running = fake.hang("selected", &["build"]);
    fake.kill_all(running);
    assert!(is_interrupted(&fake));
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["b"]);
    assert_ne!(fake.manifest(), before);
    let running = fake.hang("start", &["--always-start", "build"]);
    fake.kill_all(running);
    fake.run(&["build"]).ends_with(0).builds(&[]);
    assert!(!is_interrupted(&fake));
}

#[test]
fn killed_after_the_last_node_everything_is_recorded_without_building_it_again() {
    for point in ["built", "end"] {
        let mut fake = Fake::populated(chain(&["a", "b"]));
        fake.project.edit("a");
        fake.killed_at(point, &["build"]);
        fake.run(&["build"]).ends_with(0).builds(&[]);
        assert_eq!((fake.claims().len(), fake.pending()), (2, vec![]), "{point}");
    }
}

#[test]
fn a_first_population_that_is_killed_after_its_last_node_is_complete() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.killed_at("end", &["build"]);
    fake.run(&["build"]).ends_with(0).builds(&[]);
    assert_eq!((fake.claims().len(), fake.pending()), (2, vec![]));
}

#[test]
fn without_a_copy_of_its_manifest_what_a_killed_run_touched_is_built_again() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    fake.killed_at("b", &["build"]);
    for name in ["manifest.json", "inputs.json"] {
        fs::remove_file(fake.on_the_volume(&format!(".dbt-entrypoint/run/{name}"))).expect(name);
    }
    let ran = fake.run(&["build"]);
    ran.ends_with(0).builds(&["a", "b"]);
    assert_eq!(ran.calls[0].words[0], "parse");
}

#[test]
fn a_project_that_cannot_be_parsed_cannot_be_recovered_without_a_copy() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.killed_at("b", &["build"]);
    fs::remove_file(fake.on_the_volume(".dbt-entrypoint/run/manifest.json")).expect("a copy");
    fake.dbt("cannot_parse", true);
    fake.run(&["build"]).ends_with(78).starts(&["parse"]);
    assert!(is_interrupted(&fake));
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn an_edit_after_the_kill_is_a_change_of_what_was_finished() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.killed_at("b", &["build"]);
    fake.project.edit("a");
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn a_variable_that_changes_after_the_kill_is_a_change_of_what_was_finished() {
    let code = "{{ env_var('COUNTRY') }}";
    let mut fake = Fake::new(project().model("a").says(code).model("b").model("c"));
    fake.env("COUNTRY", "de");
    fake.killed_at("b", &["build"]);
    fake.env("COUNTRY", "fr");
    fake.run(&["build"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn an_incremental_killed_in_its_first_build_is_refreshed_by_itself() {
    let incremental = project().model("a").model("i").as_("incremental").reads("a").model("c");
    let mut fake = Fake::new(incremental.reads("i"));
    fake.killed_at("i", &["build"]);
    let plan = fake.run(&["plan", "--json", "build"]).ends_with(10).json();
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(2), "{plan}");
    let ran = fake.run(&["build"]);
    ran.ends_with(0).builds(&["i", "c"]);
    let refreshed: Vec<&String> = ran.calls.iter().flat_map(|call| &call.refreshed).collect();
    assert_eq!(refreshed, ["i"]);
    fake.run(&["build"]).ends_with(0).builds(&[]);
}

#[test]
fn a_plain_build_of_what_is_half_made_is_not_trusted() {
    let mut fake = Fake::new(project().model("i").as_("incremental"));
    fake.killed_at("i", &["build"]);
    fake.run(&["run", "--select", "i"]).ends_with(0).builds(&["i"]);
    assert_eq!(fake.pending(), ["i"]);
    let ran = fake.run(&["run"]);
    ran.ends_with(0).builds(&["i"]);
    assert_eq!(ran.last().refreshed, ["i"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn an_incremental_killed_in_a_later_build_is_built_and_named_with_its_repair() {
    let mut fake = Fake::populated(project().model("i").as_("incremental"));
    fake.project.edit("i");
    fake.killed_at("i", &["build"]);
    let ran = fake.run(&["build"]);
    ran.ends_with(0).says(&["--full-refresh --select fqn:shop.i"]).builds(&["i"]);
    assert!(ran.last().refreshed.is_empty(), "{ran:#?}");
}

#[test]
fn a_full_run_that_is_killed_is_finished_by_the_next_plain_one() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("z"));
    fake.killed_at("b", &["--full", "run"]);
    fake.run(&["run"]).ends_with(0).builds(&["b", "c", "z"]);
}

#[test]
fn what_is_new_stays_new_after_a_full_run_that_was_killed() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.add("n", "b");
    fake.killed_at("b", &["--full", "run"]);
    let plan = fake.run(&["plan", "--json", "run"]).ends_with(10).json();
    let reason = |index: usize| plan["steps"][index]["reason"].as_str().unwrap_or_default();
    assert_eq!((plan["steps"].as_array().map(Vec::len), reason(1)), (Some(2), "new"), "{plan:#}");
    fake.run(&["run"]).ends_with(0).builds(&["b", "n"]);
}

#[test]
fn a_plan_knows_of_the_kill_and_leaves_it_to_the_run() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.killed_at("b", &["build"]);
    let before = fake.volume();
    let plan = fake.run(&["plan", "--json", "build"]).ends_with(10).json();
    assert_eq!(plan["steps"][0]["id"], "model.shop.b");
    assert!(fake.volume() == before);
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
}

#[test]
fn dbt_that_is_killed_alone_is_recorded_at_once() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("a");
    fake.dbt("dies_at", "b");
    fake.run(&["build"]).ends_with(137).builds(&["a"]);
    assert!(!is_interrupted(&fake));
    assert_eq!(fake.pending(), ["b"]);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn a_run_that_was_killed_in_another_warehouse_says_nothing_of_this_one() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.killed_at("b", &["build"]);
    fake.project.move_to("other.duckdb");
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
}
