//! What dbt leaves behind when something goes wrong with its files.

use super::harness::{Fake, results_of};
use super::project::chain;
use std::fs;

#[test]
fn results_of_an_earlier_command_are_not_this_ones() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    let results = fake.root().join("target/run_results.json");
    fs::write(&results, results_of("earlier", "model.shop.b", "error")).expect("a file");
    fake.project.edit("a");
    fake.dbt("leaves_out", vec!["run_results.json"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn results_of_an_earlier_command_do_not_vouch_for_what_was_not_built() {
    let mut fake = Fake::populated(chain(&["a"]));
    let results = fake.root().join("target/run_results.json");
    fs::write(&results, results_of("earlier", "model.shop.a", "success")).expect("a file");
    fake.project.edit("a");
    fake.dbt("leaves_out", vec!["run_results.json"]);
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    assert_eq!((fake.claims(), fake.pending()), (vec![], vec!["a".into()]));
}

#[test]
fn without_results_the_log_tells_what_was_built() {
    let mut fake = Fake::new(chain(&["a", "b", "c"]));
    fake.dbt("leaves_out", vec!["run_results.json"]);
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run"]).ends_with(1).builds(&["a"]);
    assert_eq!((fake.claims(), fake.pending().len()), (vec!["a".into()], 2));
}

#[test]
fn results_that_are_cut_off_are_not_read_in_part() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.dbt("cuts", vec!["run_results.json"]);
    fake.run(&["run"]).ends_with(137).builds(&["a", "b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_log_that_is_the_users_leaves_the_results_to_tell() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    let ran = fake.run(&["run", "--log-path", "elsewhere", "--log-format-file", "text"]);
    ran.ends_with(0).builds(&["a", "b"]);
    assert_eq!(ran.last().value("--log-path"), Some("elsewhere"));
    assert_eq!(ran.last().value("--log-format-file"), Some("text"));
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_first_manifest_that_is_cut_off_leaves_the_volume_as_it_was() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.dbt("cuts", vec!["manifest.json"]);
    fake.run(&["run"]).ends_with(137).builds(&[]);
    assert_eq!(fake.status()["holds"], "nothing");
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn a_later_manifest_that_is_cut_off_leaves_the_baseline_as_it_was() {
    let mut fake = Fake::populated(chain(&["a"]));
    let before = fake.manifest();
    fake.project.edit("a");
    fake.dbt("cuts", vec!["manifest.json"]);
    fake.run(&["run", "--full-refresh"]).ends_with(137).starts(&["parse"]);
    assert!(fake.manifest() == before);
    fake.dbt_is_well();
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
}

#[test]
fn json_is_written_though_the_user_does_not_want_it() {
    let fake = Fake::new(chain(&["a"]));
    let ran = fake.run(&["run", "--no-write-json"]);
    ran.ends_with(0).builds(&["a"]);
    assert!(ran.last().has("--write-json") && !ran.last().has("--no-write-json"), "{ran:#?}");
    assert_eq!(fake.claims(), ["a"]);
}

#[test]
fn artifacts_elsewhere_are_found_by_option_variable_and_project() {
    let mut fake = Fake::new(chain(&["a"]).setting("target-path: of_the_project"));
    let wrote = |fake: &Fake, name: &str| fake.root().join(name).join("manifest.json").exists();
    fake.dbt("target", "of_the_project");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert!(wrote(&fake, "of_the_project"));
    fake.env("DBT_TARGET_PATH", "of_the_variable");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert!(wrote(&fake, "of_the_variable"));
    fake.project.edit("a");
    fake.run(&["run", "--target-path", "of_the_option"]).ends_with(0).builds(&["a"]);
    assert!(wrote(&fake, "of_the_option"));
}
