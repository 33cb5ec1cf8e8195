//! Runs that one dbt process cannot do: dbt parses first, and is started again to build.

use super::harness::Fake;
use super::project::{chain, project};
use std::fs;

#[test]
fn a_full_refresh_refreshes_what_changed() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("b");
    let ran = fake.run(&["run", "--full-refresh"]);
    ran.ends_with(0).starts(&["parse", "run"]).builds(&["b", "c"]);
    let [parse, run] = &ran.calls[..] else { unreachable!() };
    assert!(parse.has("--quiet") && !parse.has("--full-refresh"), "{ran:#?}");
    assert_eq!((run.value("--select"), &run.refreshed), (Some("result:skipped+"), &run.built));
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn a_full_refresh_of_nothing_builds_nothing_and_is_never_taken_for_done() {
    let fake = Fake::populated(chain(&["a"]));
    for _ in 0..2 {
        fake.run(&["build", "--full-refresh"]).ends_with(0).starts(&["parse"]);
    }
}

#[test]
fn dbt_is_given_the_nodes_that_have_to_be_built_and_nothing_to_compare_with() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("b");
    // Beside the manifest, dbt would read these.
    for name in ["run_results.json", "sources.json"] {
        fs::write(fake.on_the_volume(name), "{").expect("a file");
    }
    let ran = fake.run(&["run", "--full-refresh"]);
    ran.ends_with(0).starts(&["parse", "run"]).builds(&["b"]);
    let state = ran.last().value("--state").expect("a state");
    assert!(state.contains("/run/answer/"), "{state}");
    assert!(!fs::exists(state).expect("a look"), "{state} is gone after the run");
}

#[test]
fn a_warm_start_that_is_forbidden_changes_nothing_about_what_is_built() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    let ran = fake.run(&["run", "--full-refresh", "--no-partial-parse"]);
    ran.ends_with(0).starts(&["parse", "run"]).builds(&["a", "b"]);
    assert!(ran.last().has("--no-partial-parse"), "{ran:#?}");
}

#[test]
fn a_run_that_defers_to_nothing_is_given_no_state_and_the_nodes_by_name() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    let ran = fake.run(&["run", "--defer"]);
    ran.ends_with(0).starts(&["parse", "run"]).builds(&["a", "b"]);
    let run = ran.last();
    assert!(run.has("--select=fqn:shop.a") && run.has("--select=fqn:shop.b"), "{ran:#?}");
    assert_eq!(run.value("--indirect-selection"), Some("empty"));
    assert_eq!(run.value("--state"), None);
}

#[test]
fn a_default_selector_is_kept_by_naming_what_it_lists() {
    let project = chain(&["a", "b"]).model("c").default_selector("most", &["a", "c"]);
    let mut fake = Fake::new(project);
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&["a", "c"]);
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).starts(&["parse", "ls", "run"]).builds(&["a"]);
    assert_eq!(fake.pending(), ["b"]);
}

#[test]
fn a_default_selector_that_lists_nothing_that_changed_builds_nothing() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c").default_selector("one", &["c"]));
    fake.run(&["run"]).ends_with(0).builds(&["c"]);
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).starts(&["parse", "ls"]);
    assert_eq!(fake.claims(), ["c"]);
}

#[test]
fn a_default_selector_is_intersected_in_one_process_where_dbt_can() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c").default_selector("most", &["a", "c"]));
    fake.upgrade("1.12.0");
    fake.run(&["run"]).ends_with(0).builds(&["a", "c"]);
    fake.project.edit("a");
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["run"]).builds(&["a"]);
    assert_eq!(ran.last().value("--select"), Some("selector:most,result:skipped+"));
}

#[test]
fn an_exclusion_needs_a_list_only_where_it_is_more_than_names() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("a");
    let words = ["run", "--exclude", "c"];
    let within =
        |limit: &str, words: &[&str]| fake.run(&[&["--max-rebuild", limit], words].concat());
    within("1", &words).ends_with(77).starts(&["run"]).builds(&[]);
    let by_dbt = ["run", "--exclude", "c+"];
    within("1", &by_dbt).ends_with(77).starts(&["run", "ls"]).builds(&[]);
    within("2", &by_dbt).ends_with(0).starts(&["run", "ls", "run"]).builds(&["a", "b"]);
    assert_eq!(fake.pending(), ["c"]);
    fake.project.edit("a");
    fake.run(&words).ends_with(0).starts(&["run"]).builds(&["a", "b"]);
}

#[test]
fn deferring_is_not_told_to_wait() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("b");
    fake.run(&["run", "--defer"]).ends_with(0).starts(&["parse", "run"]).builds(&["b"]);
}

#[test]
fn a_parse_that_fails_is_the_end_with_dbts_code() {
    let mut fake = Fake::populated(chain(&["a"]));
    let before = fake.manifest();
    fake.dbt("cannot_parse", true);
    fake.run(&["run", "--full-refresh"]).ends_with(2).starts(&["parse"]);
    assert_eq!(fake.manifest(), before);
}

#[test]
fn a_parse_that_leaves_no_manifest_is_refused() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.dbt("leaves_out", vec!["manifest.json"]);
    fake.project.edit("a");
    let words = ["run", "--full-refresh"];
    fake.run(&words).ends_with(78).starts(&["parse"]).says(&["manifest.json", "--target-path"]);
    fs::remove_file(fake.root().join("target/manifest.json")).expect("dbt wrote it");
    fake.run(&words).ends_with(78).starts(&["parse"]).says(&["manifest.json"]);
    fake.dbt_is_well();
    fake.run(&words).ends_with(0).builds(&["a"]);
}

#[test]
fn a_manifest_of_an_earlier_command_is_not_compared() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.dbt("keeps_manifest", true);
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(78).starts(&["run", "parse"]).builds(&[]);
}

#[test]
fn changed_nodes_of_a_kind_are_refreshed_before_the_rest() {
    let mut fake = Fake::populated(
        project().model("a").model("i").as_("incremental").reads("a").model("c").reads("i"),
    );
    for name in ["a", "i"] {
        fake.project.edit(name);
    }
    let ran = fake.run(&["--refresh-changed", "incremental", "run"]);
    ran.ends_with(0).builds(&["a", "i", "c"]);
    let refreshed: Vec<&String> = ran.calls.iter().flat_map(|call| &call.refreshed).collect();
    assert_eq!(refreshed, ["i"]);
    assert_eq!(fake.status()["altered"], serde_json::json!({}));
    fake.run(&["--refresh-changed", "incremental", "run"]).ends_with(0).builds(&[]);
}

#[test]
fn a_refresh_that_fails_ends_the_run_before_the_rest() {
    let mut fake =
        Fake::populated(project().model("i").as_("incremental").model("c").reads("i").model("d"));
    fake.project.edit("i");
    fake.project.edit("d");
    fake.dbt("fails", vec!["i"]);
    let words = ["--refresh-changed", "incremental", "run"];
    fake.run(&words).ends_with(1).builds(&[]);
    assert_eq!(fake.pending(), ["d", "i"]);
    fake.dbt_is_well();
    let ran = fake.run(&words);
    ran.ends_with(0).builds(&["i", "c", "d"]);
    assert!(ran.calls.iter().any(|call| call.refreshed == ["i"]), "{ran:#?}");
}
