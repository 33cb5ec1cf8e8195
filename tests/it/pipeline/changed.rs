//! A run over a baseline: dbt parses, waits for the comparison, and builds what changed.

use super::harness::Fake;
use super::project::{chain, project};

#[test]
fn one_edit_is_built_with_what_reads_it_by_one_dbt() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    fake.env("DBT_STATE", fake.state());
    fake.project.edit("b");
    let ran = fake.run(&["run", "--threads", "4"]);
    ran.ends_with(0).starts(&["run"]).builds(&["b", "c"]);
    ran.says(&["to build: 1 of 4 nodes, and everything downstream\n"]);
    let dbt = ran.last();
    assert_eq!(dbt.value("--select"), Some("result:skipped+"));
    assert_eq!(dbt.value("--threads"), Some("4"));
    assert!(dbt.value("--state").is_some_and(|state| state.starts_with('/')), "{ran:#?}");
    assert_eq!(dbt.value("--log-format-file"), Some("json"));
    // It names the volume, where dbt must not look for a state of its own.
    assert!(dbt.environment["DBT_STATE"].is_null(), "{ran:#?}");
    assert_eq!(fake.claims(), ["a", "b", "c", "d"]);
}

#[test]
fn several_edits_are_built_once_each_and_in_order() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d").model("e"));
    for name in ["a", "c", "d"] {
        fake.project.edit(name);
    }
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&["a", "b", "c", "d"]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn a_new_model_is_built_and_a_removed_one_is_forgotten() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.remove("b");
    fake.project.add("c", "a");
    fake.run(&["run"]).ends_with(0).builds(&["c"]);
    assert_eq!((fake.claims(), fake.pending()), (vec!["a".into(), "c".into()], vec![]));
}

#[test]
fn configuration_and_macros_change_a_model_as_its_code_does() {
    let mut fake = Fake::populated(project().a_macro("m").model("a").calls("m").model("b"));
    fake.project.edit_macro("m");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    fake.project.configure("b", "materialized", "view");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
}

#[test]
fn an_environment_variable_changes_whoever_reads_it() {
    let code = "{{ env_var('COUNTRY', '') }}";
    let mut fake = Fake::new(project().model("a").says(code).model("b").reads("a").model("c"));
    fake.env("COUNTRY", "de");
    fake.run(&["run"]).ends_with(0);
    fake.env("COUNTRY", "fr");
    fake.run(&["run"]).ends_with(0).says(&["COUNTRY"]).builds(&["a", "b"]);
    fake.env("ANOTHER", "x");
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn a_variable_changes_whoever_reads_it_through_a_macro() {
    let mut fake = Fake::new(project().a_macro("m").model("a").calls("m").model("b"));
    fake.project.set_macro("m", "{% macro m() %}{{ env_var('COUNTRY') }}{% endmacro %}");
    fake.env("COUNTRY", "de");
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    fake.env("COUNTRY", "fr");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn a_var_changes_whoever_reads_it_from_the_project_or_the_command_line() {
    let code = "{{ var('limit') }}";
    let mut fake = Fake::new(project().var("limit", "1").model("a").says(code).model("b"));
    fake.run(&["run"]).ends_with(0);
    fake.project.set_var("limit", "2");
    fake.run(&["run"]).ends_with(0).says(&["limit"]).builds(&["a"]);
    let ran = fake.run(&["run", "--vars", "{limit: 3}"]);
    ran.ends_with(0).builds(&["a"]);
    assert_eq!(ran.last().value("--vars"), Some("{limit: 3}"));
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn what_fails_is_built_by_the_next_run_with_what_reads_it() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("b");
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run"]).ends_with(1).builds(&[]);
    assert_eq!((fake.claims(), fake.pending()), (vec!["a".into(), "c".into()], vec!["b".into()]));
    fake.run(&["run"]).ends_with(1).starts(&["run"]).builds(&[]);
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).says(&["failed"]).builds(&["b", "c"]);
}

#[test]
fn what_failed_is_built_again_even_when_the_edit_is_taken_back() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    fake.project.revert("a");
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn what_was_never_touched_is_whole_again_when_the_edit_is_taken_back() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    fake.project.edit("c");
    fake.run(&["run", "--select", "c"]).ends_with(0).builds(&["c"]);
    assert_eq!(fake.pending(), ["a"]);
    fake.project.revert("a");
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
    // The next run that builds records it.
    fake.project.edit("c");
    fake.run(&["run"]).ends_with(0).builds(&["c"]);
    assert_eq!((fake.claims().len(), fake.pending()), (3, vec![]));
}

#[test]
fn a_reader_that_is_skipped_after_its_parent_was_built_is_built_later() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("a");
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run"]).ends_with(1).builds(&["a"]);
    assert_eq!(fake.pending(), ["b"]);
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn fail_fast_leaves_what_it_cut_off_to_the_next_run() {
    let mut fake = Fake::populated(project().model("a").model("b").model("c"));
    for name in ["a", "b", "c"] {
        fake.project.edit(name);
    }
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run", "--fail-fast"]).ends_with(1).builds(&["a"]);
    assert_eq!(fake.pending(), ["b", "c"]);
}

#[test]
fn a_seed_is_for_seed_or_build_and_a_run_says_so() {
    let mut fake = Fake::populated(project().seed("s").model("a").reads("s").model("b"));
    fake.project.edit("s");
    fake.project.edit("b");
    let id = "seed.shop.s";
    fake.run(&["run"]).ends_with(0).says(&[id, "dbt build"]).builds(&["b"]);
    assert_eq!(fake.pending(), ["s"]);
    // It is said again by a start that needs no dbt.
    fake.run(&["run"]).ends_with(0).says(&[id]).builds(&[]);
    fake.run(&["seed"]).ends_with(0).builds(&["s"]);
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_seed_that_changes_while_dbt_runs_counts_as_not_built() {
    let mut fake = Fake::new(project().seed("s").model("a").reads("s"));
    fake.dbt("edits", serde_json::json!({"selected": {"seeds/s.csv": "other"}}));
    fake.run(&["build"]).ends_with(0).builds(&["s", "a"]);
    fake.dbt_is_well();
    assert_eq!(fake.pending(), ["s"]);
    fake.run(&["build"]).ends_with(0).builds(&["s", "a"]);
}

#[test]
fn a_test_is_run_with_what_it_looks_at_and_never_marks_a_model() {
    let mut fake = Fake::populated(project().model("a").test("t").reads("a"));
    fake.project.edit("a");
    fake.dbt("fails", vec!["t"]);
    // One count: a test is no node.
    fake.run(&["build"]).ends_with(1).builds(&["a"]).says(&["to build: 1 of 1 node, and"]);
    fake.dbt_is_well();
    assert_eq!(fake.pending(), [""; 0]);
    fake.run(&["run"]).ends_with(0).builds(&[]);
    fake.run(&["build"]).ends_with(0).builds(&["t"]).says(&["to test: 1 test\n"]);
}

#[test]
fn a_found_partial_parse_file_is_not_trusted() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    let kept = fake.run(&["run"]);
    assert!(kept.ends_with(0).last().has("--no-partial-parse"), "{kept:#?}");
    std::fs::remove_dir_all(fake.root().join("target")).expect("dbt wrote there");
    fake.project.edit("a");
    let fresh = fake.run(&["run"]);
    assert!(!fresh.ends_with(0).last().has("--no-partial-parse"), "{fresh:#?}");
}

#[test]
fn a_dbt_that_does_not_wait_has_built_nothing_and_is_started_again() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.dbt("passes_gate", true);
    fake.project.edit("a");
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["run", "parse", "run"]).builds(&["a", "b"]);
    assert!(ran.calls[0].built.is_empty(), "{ran:#?}");
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn a_project_that_cannot_be_parsed_ends_with_dbts_code_and_changes_nothing() {
    let mut fake = Fake::populated(chain(&["a"]));
    let before = fake.manifest();
    fake.dbt("cannot_parse", true);
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(2).starts(&["run"]);
    assert_eq!(fake.manifest(), before);
    assert!(!fake.root().join("target/semantic_manifest.json").exists(), "the gate is gone");
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn an_upgrade_of_dbt_alone_builds_nothing_and_is_recorded() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.upgrade("1.12.0");
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
    assert_eq!(fake.status()["dbt_version"], "1.12.0");
    fake.run(&["run"]).ends_with(0).starts(&[]);
}
