//! Nothing changed: dbt is not started, or it finds nothing to build.

use super::harness::Fake;
use super::project::{chain, project};
use serde_json::{Value, json};
use std::fs;

#[test]
fn dbt_is_not_started_and_the_volume_keeps_its_baseline() {
    let fake = Fake::populated(chain(&["a", "b"]));
    let before = fake.manifest();
    let ran = fake.run(&["build"]);
    ran.ends_with(0).starts(&[]).says(&["not started", "--always-start"]);
    assert_eq!((ran.stdout.as_str(), fake.manifest()), ("", before));
    assert_eq!(fake.status()["last_run"]["exit"], 0);
}

#[test]
fn each_command_line_is_looked_at_once() {
    let fake = Fake::populated(chain(&["a"]));
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.run(&["run", "--exclude", "a"]).ends_with(0).starts(&["run"]);
    fake.run(&["run", "--exclude", "a"]).ends_with(0).starts(&[]);
}

#[test]
fn a_fresh_container_without_artifacts_needs_no_dbt_either() {
    let fake = Fake::populated(chain(&["a"]));
    fs::remove_dir_all(fake.root().join("target")).expect("dbt wrote there");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    let written = fs::read_dir(fake.root().join("target")).expect("a directory");
    let names: Vec<_> = written.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["run_results.json"]);
}

/// What the target path says of the last run: its id, its subcommand, and how many results.
fn results(fake: &Fake) -> (String, Value, Option<usize>) {
    let text = fs::read(fake.root().join("target/run_results.json")).expect("results");
    let results: Value = serde_json::from_slice(&text).expect("JSON");
    let id = results["metadata"]["invocation_id"].to_string();
    (id, results["args"]["which"].clone(), results["results"].as_array().map(Vec::len))
}

#[test]
fn a_run_that_builds_nothing_leaves_results_without_nodes() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    let first = results(&fake);
    assert_eq!(first.2, Some(2));
    fake.run(&["build"]).ends_with(0).starts(&[]);
    let unchanged = results(&fake);
    assert_eq!((&unchanged.1, unchanged.2), (&json!("build"), Some(0)));
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
    let held = results(&fake);
    assert_eq!((&held.1, held.2), (&json!("run"), Some(0)));
    assert!(first.0 != unchanged.0 && unchanged.0 != held.0);
    fake.project.edit("b");
    fake.run(&["build", "--exclude", "b"]).ends_with(0).builds(&[]);
    assert_eq!(results(&fake).2, Some(0));
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(results(&fake).2, Some(1));
}

#[test]
fn a_target_path_that_cannot_be_written_is_no_failure() {
    let fake = Fake::populated(chain(&["a"]));
    // Root may write anything, but to a directory nobody can.
    fs::create_dir(fake.root().join("target/.run_results.json")).expect("a directory");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    assert_eq!(results(&fake).2, Some(1));
}

#[test]
fn a_file_that_no_node_is_made_of_is_looked_at_once() {
    let fake = Fake::populated(chain(&["a", "b"]));
    fs::write(fake.root().join("README.md"), "news").expect("a file");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).says(&["nothing"]).builds(&[]);
    assert!(fs::metadata(fake.root().join("target/semantic_manifest.json")).unwrap().is_file());
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn always_start_starts_dbt_and_builds_nothing() {
    let fake = Fake::populated(chain(&["a"]));
    let ran = fake.run(&["--always-start", "build"]);
    ran.ends_with(0).starts(&["build"]).builds(&[]);
    assert_eq!(ran.last().value("--select"), Some("result:skipped+"));
    fake.run(&["build"]).ends_with(0).starts(&[]);
    // An empty selection would be an error of dbt's.
    fake.run(&["--always-start", "build", "--warn-error"]).ends_with(0).starts(&["build"]);
}

#[test]
fn what_is_edited_while_dbt_builds_is_found_by_the_next_start() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    let (file, before) = fake.project.file("b");
    fake.dbt("edits", json!({"built": {file: before + "-- edited\n"}}));
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
    fake.dbt_is_well();
    // As the file stands since then.
    fake.project.edit("b");
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
}

#[test]
fn an_edit_that_dbt_read_and_that_was_taken_back_since_is_found_by_the_next_start() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    let (file, before) = fake.project.file("b");
    for words in [&["build"][..], &["--always-start", "build"]] {
        fake.dbt("edits", json!({"start": {file.clone(): before.clone() + "-- edited\n"}}));
        assert!(fake.run(words).ends_with(0).last().built.contains(&"b".to_owned()));
        fake.dbt_is_well();
        // The file stands again as it did before dbt was started.
        fake.run(&["build"]).ends_with(0).builds(&["b"]);
    }
}

#[test]
fn what_moved_while_dbt_ran_vouches_for_nothing() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.dbt("edits", json!({"selected": {"README.md": "news"}}));
    fake.run(&["build"]).ends_with(0);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&[]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn what_is_still_to_be_built_starts_dbt() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.dbt("fails", vec!["b"]);
    fake.run(&["build"]).ends_with(1);
    fake.run(&["build"]).ends_with(1).starts(&["build"]);
    assert_eq!(fake.pending(), ["b"]);
}

#[test]
fn where_a_name_is_computed_another_variable_starts_dbt() {
    let mut fake = Fake::populated(project().model("a").says("{{ env_var(name) }}"));
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.env("AIRFLOW_CTX_DAG_RUN_ID", "1");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.env("ANOTHER", "x");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["a"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn of_a_computed_name_only_what_begins_so_counts() {
    let mut fake = Fake::populated(project().model("a").says("{{ env_var('MB_' ~ name) }}"));
    fake.env("ANOTHER", "x");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.env("MB_A", "x");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["a"]);
}

#[test]
fn of_a_loop_only_what_is_in_its_list_counts() {
    let code = "{% for k in ['A', 'B'] %}{{ env_var(k, '') }}{% endfor %}";
    let mut fake = Fake::populated(project().model("a").says(code));
    fake.env("C", "x");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.env("B", "x");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&["a"]);
}

#[test]
fn another_installation_of_dbt_is_looked_at_once() {
    let fake = Fake::populated(chain(&["a"]));
    let packages = fake.base().join("env/lib/python3/site-packages");
    fs::create_dir(packages.join("dbt_duckdb-1.10.0.dist-info")).expect("a directory");
    fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&[]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn an_installation_that_cannot_be_read_starts_dbt_each_time() {
    let fake = Fake::populated(chain(&["a"]));
    let packages = fake.base().join("env/lib/python3/site-packages");
    fs::write(packages.join("__editable__.dbt_core-1.11.16.pth"), "/src").expect("a file");
    for _ in 0..2 {
        fake.run(&["build"]).ends_with(0).starts(&["build"]).builds(&[]);
    }
}

#[test]
fn the_plan_of_an_unchanged_project_needs_no_dbt_and_is_the_same() {
    let mut fake = Fake::populated(chain(&["a", "b"]).seed("s"));
    let volume = fake.volume();
    let text = fake.run(&["plan", "build"]);
    text.ends_with(0).starts(&[]);
    assert_eq!(text.stdout, "there is nothing to build\n");
    let spared = fake.run(&["plan", "--json", "build"]);
    let parsed = fake.run(&["--always-start", "plan", "--json", "build"]);
    spared.ends_with(0).starts(&[]);
    parsed.ends_with(0).starts(&["parse"]);
    assert_eq!(spared.stdout, parsed.stdout);
    assert_eq!(fake.volume(), volume);
    fake.project.edit("b");
    fake.run(&["plan", "build"]).ends_with(10).starts(&["parse"]);
}

#[test]
fn a_plan_without_dbt_names_what_waits_for_another_command() {
    let mut fake = Fake::populated(chain(&["a", "b"]).seed("s"));
    fake.run(&["invalidate", "s"]).ends_with(0);
    fake.run(&["run"]).ends_with(0).builds(&[]);
    let plan = fake.run(&["plan", "run"]);
    plan.ends_with(0).starts(&[]);
    let waits =
        "waiting: they have to be built, but this command does not build them\n    seed.shop.s\n";
    assert!(plan.stdout.contains(waits), "{plan:#?}");
    fake.run(&["plan", "build"]).ends_with(10).starts(&["parse"]);
    fake.project.edit("a");
    fake.run(&["plan", "run"]).ends_with(10).starts(&["parse"]);
}

#[test]
fn what_was_adopted_is_settled_for_every_command() {
    let mut fake = Fake::new(chain(&["a", "b"]).seed("s"));
    fake.trust();
    fake.run(&["adopt"]).ends_with(0).starts(&["parse", "compile"]);
    for words in [&["run"][..], &["build"], &["build", "--exclude", "a"], &["plan", "run"]] {
        fake.run(words).ends_with(0).starts(&[]);
    }
    fake.run(&["run", "--full-refresh", "--select", "a"]).ends_with(0).builds(&["a"]);
    fake.run(&["invalidate", "b"]).ends_with(0);
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    fake.project.edit("a");
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn an_adoption_on_an_empty_volume_is_settled_too() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.trust();
    fake.env("DBT_ENTRYPOINT_ON_EMPTY", "adopt");
    fake.run(&["run"]).ends_with(0).builds(&[]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn what_asks_for_the_command_or_was_given_as_a_file_is_not_settled_by_adopting() {
    let mut fake = Fake::new(chain(&["a"]).model("b").says("{{ flags.WHICH }}"));
    fake.trust();
    fake.run(&["adopt"]).ends_with(0);
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
    let manifest = fake.base().join("old.json");
    fs::copy(fake.root().join("target/manifest.json"), &manifest).expect("a copy");
    let from = manifest.to_str().expect("UTF-8");
    fake.run(&["adopt", "--force", "--from", from]).ends_with(0).starts(&[]);
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
}
