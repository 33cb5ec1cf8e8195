//! What a selection leaves out stays to be built, and is no reason to build anything else.

use super::harness::Fake;
use super::project::{chain, project};

/// A populated chain with a default selector that leaves `b` out, for a dbt that can intersect it and
/// for one that cannot.
fn selected_by_default() -> Vec<Fake> {
    let project = || chain(&["a", "b", "c"]).model("d").default_selector("most", &["a", "c", "d"]);
    let populated = |version: &str| {
        let mut fake = Fake::new(project());
        fake.upgrade(version);
        fake.run(&["build", "--selector", "most"]).ends_with(0);
        fake.run(&["build", "--select", "b", "c"]).ends_with(0);
        assert_eq!(fake.pending(), [""; 0]);
        fake
    };
    ["1.12.0", "1.11.16"].map(populated).into()
}

#[test]
fn a_default_selector_that_leaves_out_a_change_builds_nothing_because_of_it() {
    for mut fake in selected_by_default() {
        fake.project.edit("b");
        fake.run(&["build"]).ends_with(0).says(&["model.shop.b", "leaves it out"]).builds(&[]);
        assert_eq!(fake.pending(), ["b"]);
        fake.run(&["build"]).ends_with(0).starts(&[]).says(&["model.shop.b", "leaves it out"]);
        // A reason of its own, once.
        fake.project.edit("c");
        fake.run(&["build"]).ends_with(0).builds(&["c"]);
        fake.run(&["build"]).ends_with(0).starts(&[]);
        fake.project.edit("d");
        fake.run(&["build"]).ends_with(0).builds(&["d"]);
        fake.run(&["build"]).ends_with(0).starts(&[]);
        // What reads it is built after it.
        fake.run(&["build", "--select", "b"]).ends_with(0).builds(&["b"]);
        assert_eq!(fake.pending(), ["c"]);
        fake.run(&["build"]).ends_with(0).builds(&["c"]);
        fake.run(&["build"]).ends_with(0).starts(&[]);
    }
}

#[test]
fn an_excluded_change_builds_nothing_and_is_built_with_its_readers_later() {
    for words in [
        &["build", "--exclude", "b"][..],
        &["build", "--exclude", "tag:later"],
        &["build", "--exclude", "tag:lat*"],
        &["run", "--exclude", "b"],
        &["--max-rebuild", "1", "build", "--exclude", "b"],
    ] {
        let project = chain(&["a", "b"]).config("tags", vec!["later"]).model("c").reads("b");
        let mut fake = Fake::populated(project.model("d"));
        fake.project.edit("b");
        fake.run(words).ends_with(0).builds(&[]);
        fake.run(words).ends_with(0).starts(&[]);
        fake.project.edit("d");
        fake.run(words).ends_with(0).builds(&["d"]);
        fake.run(words).ends_with(0).starts(&[]);
        assert_eq!(fake.pending(), ["b"]);
        fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
        fake.run(&["build"]).ends_with(0).starts(&[]);
    }
}

#[test]
fn a_pattern_in_an_exclusion_is_for_dbt_to_evaluate_and_a_name_is_not() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("b");
    fake.run(&["build", "--exclude", "b"]).ends_with(0).starts(&["build"]).builds(&[]);
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("b");
    fake.run(&["build", "--exclude", "b+"]).ends_with(0).starts(&["build", "ls"]).builds(&[]);
}

#[test]
fn an_empty_selection_is_no_error_with_warn_error() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("b");
    fake.run(&["build", "--exclude", "b+", "--warn-error"]).ends_with(0).builds(&[]);
    fake.env("DBT_WARN_ERROR", "true");
    for words in [&["build", "--exclude", "b+"][..], &["build", "--exclude", "b", "c"]] {
        fake.run(words).ends_with(0).builds(&[]);
        fake.run(words).ends_with(0).starts(&[]);
    }
    assert_eq!(fake.pending(), ["b"]);
}

#[test]
fn what_is_excluded_from_the_first_population_waits_without_dbt() {
    let fake = Fake::new(chain(&["a", "b"]).model("c"));
    let words = ["build", "--exclude", "b"];
    fake.run(&words).ends_with(0).builds(&["a", "c"]);
    fake.run(&words).ends_with(0).starts(&[]);
    assert_eq!(fake.pending(), ["b"]);
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
}

#[test]
fn a_resource_type_that_is_left_out_starts_dbt_once() {
    for words in [
        &["build", "--resource-type", "model"][..],
        &["build", "--exclude-resource-type", "seed"],
        &["run"],
    ] {
        let mut fake = Fake::populated(project().seed("s").model("a").reads("s").model("b"));
        fake.project.edit("s");
        fake.run(words).ends_with(0).says(&["seed.shop.s"]).builds(&[]);
        fake.run(words).ends_with(0).starts(&[]).says(&["seed.shop.s"]);
        assert_eq!(fake.pending(), ["s"]);
        fake.run(&["build"]).ends_with(0).builds(&["s", "a"]);
    }
}

#[test]
fn a_change_that_is_left_out_and_taken_back_leaves_nothing_to_build() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("b");
    fake.run(&["build", "--exclude", "b"]).ends_with(0).builds(&[]);
    fake.project.revert("b");
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

#[test]
fn what_is_between_a_change_and_its_readers_and_excluded_waits() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.project.edit("a");
    fake.run(&["build", "--exclude", "b"]).ends_with(0).builds(&["a", "c"]);
    fake.run(&["build", "--exclude", "b"]).ends_with(0).starts(&[]);
    assert_eq!(fake.pending(), ["b"]);
    fake.run(&["build"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn an_ephemeral_model_is_code_of_its_readers_even_where_it_is_excluded() {
    let project = project().model("e").as_("ephemeral").model("a").reads("e").model("b");
    let mut fake = Fake::populated(project.reads("a"));
    fake.project.edit("e");
    let words = ["build", "--exclude", "e"];
    fake.run(&words).ends_with(0).builds(&["a", "b"]);
    fake.run(&words).ends_with(0).starts(&[]);
    fake.run(&["build"]).ends_with(0).builds(&[]);
}

#[test]
fn an_ephemeral_model_without_a_reader_to_build_does_not_start_dbt() {
    let project = project().model("a").model("e").as_("ephemeral").reads("a");
    let project = project.model("f").as_("ephemeral").reads("e").model("b").reads("f");
    let project = project.model("unread").as_("ephemeral").reads("a").model("c").reads("a");
    let all = ["a", "c", "e", "f", "unread"];
    let mut fake = Fake::new(project.default_selector("most", &all));
    fake.run(&["build"]).ends_with(0);
    fake.run(&["build", "--select", "b"]).ends_with(0);
    assert_eq!(fake.pending(), [""; 0]);
    fake.project.edit("a");
    fake.run(&["build"]).ends_with(0).builds(&["a", "c"]);
    assert_eq!(fake.pending(), ["e"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.project.edit("unread");
    fake.run(&["build"]).ends_with(0).builds(&[]);
    assert_eq!(fake.pending(), ["e"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.project.edit("f");
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.run(&["build", "--select", "b"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_narrowed_selection_does_not_build_what_waits_outside_it_again_and_again() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("a");
    let words = ["--only-changed", "run", "--select", "b", "c"];
    fake.run(&words).ends_with(0).builds(&["b"]);
    fake.run(&words).ends_with(0).builds(&[]);
    fake.run(&words).ends_with(0).starts(&[]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn a_plan_shows_what_the_run_builds() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    fake.project.edit("b");
    fake.project.edit("d");
    let plan = fake.run(&["plan", "--json", "build", "--exclude", "b"]).ends_with(10).json();
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(1), "{plan}");
    fake.run(&["build", "--exclude", "b"]).ends_with(0).builds(&["d"]);
}
