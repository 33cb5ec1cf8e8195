//! Selections of the user's own: as they stand, or narrowed to what changed.

use super::harness::Fake;
use super::project::{chain, project};
use serde_json::json;

#[test]
fn a_selection_stands_as_given_and_the_rest_stays_to_be_built() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    fake.project.edit("c");
    let ran = fake.run(&["run", "-s", "c"]);
    ran.ends_with(0).starts(&["run"]).builds(&["c"]);
    assert!(ran.last().has("-s") && ran.last().value("--state").is_none(), "{ran:#?}");
    assert_eq!((fake.claims(), fake.pending()), (vec!["b".into(), "c".into()], vec!["a".into()]));
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn a_selected_node_voids_its_readers_only_where_it_had_changed() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.run(&["run", "--select", "a"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
    fake.project.edit("a");
    fake.run(&["run", "--select", "a"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), ["b"]);
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn a_selector_stands_as_given() {
    let mut fake = Fake::populated(chain(&["a", "b"]).selector("two", &["a"]));
    fake.project.edit("b");
    let ran = fake.run(&["run", "--selector", "two"]);
    ran.ends_with(0).starts(&["run"]).builds(&["a"]);
    assert_eq!(ran.last().value("--select"), None);
    assert_eq!(fake.pending(), ["b"]);
}

#[test]
fn a_state_of_the_users_own_is_the_users_affair() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("b");
    fake.env("DBT_STATE", fake.state());
    let ran = fake.run(&["run", "--select", "state:modified"]);
    ran.ends_with(0).starts(&["run"]).builds(&["b"]);
    assert_eq!(ran.last().value("--select"), Some("state:modified"));
    assert_eq!(ran.last().environment["DBT_STATE"].as_str(), fake.state().to_str());
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_state_option_is_the_users_affair_too() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    let copy = fake.base().join("copy");
    std::fs::create_dir(&copy).expect("a directory");
    std::fs::copy(fake.on_the_volume("manifest.json"), copy.join("manifest.json")).expect("a copy");
    fake.project.edit("a");
    let own = copy.to_str().expect("UTF-8");
    let ran = fake.run(&["run", "--select", "state:modified+", "--state", own]);
    ran.ends_with(0).starts(&["run"]).builds(&["a", "b"]);
    assert_eq!(ran.last().value("--state"), Some(own));
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn only_changed_narrows_each_term_in_one_process() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c").model("d"));
    fake.project.edit("a");
    fake.project.edit("c");
    let ran = fake.run(&["--only-changed", "run", "--select", "b d", "c"]);
    ran.ends_with(0).starts(&["run"]).builds(&["b", "c"]);
    assert!(ran.last().has("b,result:skipped+ d,result:skipped+"), "{ran:#?}");
    assert_eq!(fake.pending(), ["a"]);
}

#[test]
fn only_changed_with_nothing_changed_needs_no_dbt_the_second_time() {
    let fake = Fake::populated(chain(&["a", "b"]));
    let words = ["--only-changed", "run", "--select", "a"];
    fake.run(&words).ends_with(0).starts(&["run"]).builds(&[]);
    fake.run(&words).ends_with(0).starts(&[]);
}

#[test]
fn only_changed_narrows_a_selector_where_dbt_can_intersect_one() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c").selector("two", &["b", "c"]));
    fake.upgrade("1.12.0");
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("a");
    let ran = fake.run(&["--only-changed", "run", "--selector", "two"]);
    ran.ends_with(0).starts(&["run"]).builds(&["b"]);
    assert_eq!(ran.last().value("--select"), Some("selector:two,result:skipped+"));
    assert_eq!(ran.last().value("--selector"), None);
}

#[test]
fn only_changed_narrows_a_selector_that_dbt_cannot_intersect_by_naming_what_it_lists() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c").selector("two", &["b", "c"]));
    fake.project.edit("a");
    let ran = fake.run(&["--only-changed", "run", "--selector", "two"]);
    ran.ends_with(0).starts(&["parse", "ls", "run"]).builds(&["b"]);
    assert!(ran.last().has("--select=fqn:shop.b") && !ran.last().has("--selector"), "{ran:#?}");
}

#[test]
fn exclusions_and_resource_types_combine_with_what_changed() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).seed("s"));
    for name in ["a", "s"] {
        fake.project.edit(name);
    }
    fake.run(&["build", "--exclude", "b"]).ends_with(0).starts(&["build"]).builds(&["a", "c", "s"]);
    assert_eq!(fake.pending(), ["b"]);
    fake.run(&["build", "--resource-type", "seed"]).ends_with(0).builds(&[]);
    fake.run(&["build", "--resource-type", "model"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn a_build_of_something_else_than_the_real_thing_is_not_claimed() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.run(&["run", "--empty", "--select", "a"]).ends_with(0).builds(&["a"]);
    assert_eq!((fake.claims(), fake.pending()), (vec!["b".into()], vec!["a".into()]));
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    fake.project.edit("b");
    fake.run(&["run", "--empty"]).ends_with(0).starts(&["parse", "run"]).builds(&["b"]);
    assert_eq!(fake.pending(), ["b"]);
}

#[test]
fn an_altered_incremental_is_named_until_it_is_refreshed() {
    let mut fake = Fake::populated(project().model("i").as_("incremental"));
    fake.project.edit("i");
    fake.run(&["run"]).ends_with(0).says(&["model.shop.i"]).builds(&["i"]);
    let altered = |fake: &Fake| fake.status()["altered"].as_object().map(serde_json::Map::len);
    assert_eq!(altered(&fake), Some(1));
    fake.run(&["run", "--full-refresh", "--select", "i"]).ends_with(0).builds(&["i"]);
    assert_eq!(fake.status()["altered"], json!({}));
}
