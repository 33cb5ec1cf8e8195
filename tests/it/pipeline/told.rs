//! What dbt is told by the run that it retries, and manifests that are no JSON.

use super::harness::Fake;
use super::project::{chain, project};

#[test]
fn a_retry_records_the_vars_of_the_run_that_it_retries() {
    let project = project().model("a").says("{{ var('v') }}").model("b").says("{{ var('v') }}");
    let mut fake = Fake::populated(project.var("v", "1"));
    fake.dbt("fails", ["b"]);
    fake.run(&["build", "--vars", "{v: 2}"]).ends_with(1);
    fake.dbt_is_well();
    fake.run(&["retry"]).ends_with(0).builds(&["b"]);
    fake.run(&["build", "--vars", "{v: 2}"]).ends_with(0).builds(&[]);
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn a_retry_in_another_target_is_a_run_in_that_target() {
    let mut fake = Fake::populated(chain(&["a"]));
    let profile = fake.root().join("profiles.yml");
    fake.project.edit("a");
    fake.dbt("fails", ["a"]);
    fake.run(&["build"]).ends_with(1);
    fake.dbt_is_well();
    let other = "shop: {target: dev, outputs: {dev: {type: duckdb, path: other.duckdb}}}";
    let mut command = fake.command(&["retry"]);
    std::fs::write(&profile, other).expect("a profile");
    fake.run_command(command).ends_with(78).starts(&[]).says(&["other.duckdb"]);
    let both = "shop: {target: new, outputs: {new: {type: duckdb, path: other.duckdb}, \
                dev: {type: duckdb, path: shop.duckdb, schema: main}}}";
    command = fake.command(&["build", "--target", "dev"]);
    std::fs::write(&profile, both).expect("a profile");
    fake.run_command(command).ends_with(0).builds(&["a"]);
    fake.project.edit("a");
    fake.dbt("fails", ["a"]);
    command = fake.command(&["build", "--target", "dev"]);
    std::fs::write(&profile, both).expect("a profile");
    fake.run_command(command).ends_with(1);
    fake.dbt_is_well();
    // Without it, `retry` would run in the target `new`.
    command = fake.command(&["retry"]);
    std::fs::write(&profile, both).expect("a profile");
    fake.run_command(command).ends_with(0).builds(&["a"]);
}

#[test]
fn a_retry_of_an_empty_run_is_no_build_and_one_of_a_test_has_no_part_in_the_state() {
    let mut fake = Fake::populated(chain(&["a"]).test("t").reads("a"));
    fake.trust();
    fake.project.edit("a");
    fake.dbt("fails", ["a"]);
    fake.run(&["run", "--empty"]).ends_with(1);
    fake.dbt_is_well();
    fake.run(&["retry"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), ["a"]);
    fake.run(&["build"]).ends_with(0).builds(&["a", "t"]);
    fake.dbt("fails", ["t"]);
    fake.run(&["test"]).ends_with(1);
    let before = fake.manifest();
    fake.run(&["retry"]).ends_with(1);
    assert!(fake.manifest() == before);
}

#[test]
fn a_number_that_is_none_is_read_as_python_reads_it() {
    for number in ["NaN", "-Infinity", &"9".repeat(400), "\"\\ud800\"", &deep()] {
        let project = chain(&["a", "b"]);
        let mut fake = Fake::new(project.config("meta", "@NUMBER@"));
        fake.dbt("says", serde_json::json!({"\"@NUMBER@\"": number}));
        fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
        fake.run(&["build"]).ends_with(0).starts(&[]);
        fake.project.edit("a");
        fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
        fake.run(&["build"]).ends_with(0).builds(&[]);
    }
}

fn deep() -> String {
    format!("{}1{}", "[".repeat(500), "]".repeat(500))
}

#[test]
fn a_dbt_that_succeeds_without_a_manifest_is_74_and_is_not_forgotten() {
    for (key, value) in [
        ("leaves_out", serde_json::json!(["manifest.json"])),
        ("says", serde_json::json!({"\"nodes\"": "'nodes'"})),
    ] {
        let mut fake = Fake::new(chain(&["a", "b"]));
        fake.trust();
        fake.dbt(key, value.clone());
        fake.run(&["build"]).ends_with(74).says(&["manifest.json", "adopt --force", "--full"]);
        assert!(fake.status()["unsaved"].is_string());
        let status = fake.run(&["status"]).ends_with(0).stdout.clone();
        assert!(status.contains("could not be recorded") && !status.contains("killed"), "{status}");
        for command in [&["build"][..], &["run", "--select", "a"], &["--full", "run", "-s", "a"]] {
            fake.run(command).ends_with(78).starts(&[]).says(&["adopt --force", "--full"]);
        }
        fake.dbt_is_well();
        fake.run(&["build"]).ends_with(78).starts(&[]);
        fake.run(&["adopt", "--force"]).ends_with(0);
        fake.run(&["build"]).ends_with(0).builds(&[]);
        fake.dbt(key, value);
        fake.run(&["--full", "build"]).ends_with(74).builds(&["a", "b"]);
        fake.dbt_is_well();
        fake.run(&["--full", "build"]).ends_with(0).builds(&["a", "b"]);
        fake.run(&["build"]).ends_with(0).builds(&[]);
    }
}

#[test]
fn a_dbt_that_fails_before_its_first_node_leaves_nothing_behind() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.dbt("cannot_parse", true);
    fake.run(&["build"]).ends_with(2);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).builds(&["a"]);
}

#[test]
fn a_seed_that_was_loaded_before_and_fails_has_a_hint() {
    let mut fake = Fake::new(project().seed("s").model("a").reads("s"));
    fake.dbt("fails", ["s"]);
    let first = fake.run(&["build"]);
    assert!(!first.ends_with(1).stderr.contains("--full-refresh"), "{first:#?}");
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0);
    fake.project.edit("s");
    fake.dbt("fails", ["s"]);
    for _ in 0..2 {
        fake.run(&["build"]).ends_with(1).says(&["build --full-refresh --select s"]);
    }
}
