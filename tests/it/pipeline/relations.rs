//! State is kept by node, the warehouse by relation: what a build does to the relations of others.

use super::harness::Fake;
use super::project::{Project, chain, project};

/// What `status` says of a node that keeps rows of earlier code; empty if it keeps none.
fn altered(fake: &Fake, name: &str) -> String {
    let id = fake.project.id(name);
    fake.status()["altered"][id].as_str().unwrap_or_default().to_owned()
}

/// Why a node is still to be built; empty if it is not.
fn why(fake: &Fake, name: &str) -> String {
    let id = fake.project.id(name);
    fake.status()["pending"][id].as_str().unwrap_or_default().to_owned()
}

/// Two tables, built into the relations `x` and `y`.
fn two() -> Fake {
    let two = project().model("a").config("alias", "x").model("b").config("alias", "y");
    Fake::populated(two)
}

fn name(fake: &mut Fake, aliases: [&str; 2]) {
    for (node, alias) in ["a", "b"].into_iter().zip(aliases) {
        fake.project.configure(node, "alias", alias);
    }
}

#[test]
fn a_node_that_is_built_into_the_relation_of_another_one_overwrites_it() {
    let mut fake = two();
    name(&mut fake, ["y", "x"]);
    fake.run(&["run", "--select", "b"]).ends_with(0).builds(&["b"]);
    assert_eq!(why(&fake, "a"), "its relation was overwritten by model.shop.b");
    name(&mut fake, ["x", "y"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn a_build_that_failed_may_have_overwritten_a_relation() {
    let mut fake = two();
    name(&mut fake, ["y", "x"]);
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run", "--select", "b"]).ends_with(1);
    fake.dbt_is_well();
    name(&mut fake, ["x", "y"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn what_was_built_from_a_relation_that_a_parent_has_yet_to_be_built_into_is_built_again() {
    let two = project().model("a").config("alias", "x").model("b").config("alias", "y");
    let two = two.model("e").as_("ephemeral").reads("a").model("c").reads("e");
    let mut fake = Fake::populated(two.test("t").reads("b").model("d").reads("c"));
    // Through an ephemeral model, and by a test; of two names that are swapped, and of a new one.
    for names in [["y", "x"], ["z", "x"]] {
        name(&mut fake, names);
        fake.run(&["build", "--select", "c", "t"]).ends_with(0).builds(&["c", "t"]);
        let words = "built from the relation that model.shop.a still has to be built into";
        assert_eq!(why(&fake, "c"), words);
        name(&mut fake, ["x", "y"]);
        fake.run(&["build"]).ends_with(0).builds(&["c", "d", "t"]);
        fake.run(&["build"]).ends_with(0).starts(&[]);
    }
    // The parent is built first, and its readers after it.
    name(&mut fake, ["z", "y"]);
    fake.run(&["build", "--select", "c"]).ends_with(0).builds(&["c"]);
    fake.run(&["build"]).ends_with(0).builds(&["a", "c", "d"]);
    // In one run, nothing is left.
    name(&mut fake, ["x", "y"]);
    fake.run(&["build", "--select", "a", "e", "c", "d"]).ends_with(0).builds(&["a", "c", "d"]);
    fake.run(&["build"]).ends_with(0).builds(&[]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn rows_that_were_read_elsewhere_are_named() {
    let parent = project().model("a").config("alias", "x");
    let mut fake = Fake::populated(parent.model("c").as_("incremental").reads("a"));
    fake.project.configure("a", "alias", "z");
    fake.run(&["build", "--select", "c"]).ends_with(0).builds(&["c"]);
    fake.project.configure("a", "alias", "x");
    fake.run(&["build"]).ends_with(0).builds(&["c"]);
    assert!(altered(&fake, "c").contains("built from the relation"), "{}", altered(&fake, "c"));
}

#[test]
fn names_that_differ_only_in_case_may_mean_one_relation() {
    let mut fake = two();
    name(&mut fake, ["z", "X"]);
    fake.run(&["run", "--select", "b"]).ends_with(0).builds(&["b"]);
    name(&mut fake, ["x", "y"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn relations_side_by_side_whose_names_differ_only_in_case_do_not_overwrite_each_other() {
    let both = project().model("a").config("alias", "x").model("b").config("alias", "X");
    let mut fake = Fake::populated(both);
    fake.project.edit("b");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn a_seed_that_takes_the_relation_of_a_waiting_model_overwrites_it() {
    let mut fake = Fake::populated(project().model("a").config("alias", "x").seed("s"));
    fake.project.configure("a", "alias", "z");
    fake.project.configure("s", "alias", "x");
    fake.run(&["seed"]).ends_with(0).builds(&["s"]);
    fake.project.configure("a", "alias", "x");
    fake.project.configure("s", "alias", "s");
    fake.run(&["build"]).ends_with(0).builds(&["a", "s"]);
}

#[test]
fn an_incremental_model_in_the_relation_of_another_node_is_called_altered() {
    let mut fake = two();
    fake.project.configure("b", "materialized", "incremental");
    name(&mut fake, ["y", "x"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    let words = "altered, history not rebuilt (its relation has rows of model.shop.a)";
    assert_eq!((altered(&fake, "a"), altered(&fake, "b")), (String::new(), words.into()));
    fake.run(&["run", "--full-refresh", "--select", "b"]).ends_with(0);
    assert_eq!(altered(&fake, "b"), "");
}

#[test]
fn an_incremental_model_in_the_relation_of_a_node_that_is_gone_is_called_altered() {
    let mut fake = Fake::populated(chain(&["a"]).model("b").as_("incremental"));
    fake.project.remove("b");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    for new in ["c", "b"] {
        let other = std::mem::take(&mut fake.project);
        fake.project = other.model(new).as_("incremental").config("alias", "b");
        let ran = fake.run(&["run", "--select", new]);
        ran.ends_with(0).builds(&[new]).says(&["its relation has rows of"]);
        fake.project.remove(new);
        fake.run(&["--always-start", "run"]).ends_with(0);
    }
}

#[test]
fn an_incremental_model_that_moves_to_a_new_relation_keeps_nothing() {
    let mut fake = Fake::populated(chain(&["a"]).as_("incremental"));
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0);
    assert_eq!(altered(&fake, "a"), "altered, history not rebuilt (body)");
    fake.project.configure("a", "alias", "elsewhere");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(altered(&fake, "a"), "");
}

/// An incremental model with a table in front of it and one behind it.
fn with_an_incremental() -> Project {
    chain(&["a"]).model("inc").as_("incremental").reads("a").model("c").reads("inc")
}

#[test]
fn a_refresh_gives_an_unchanged_node_new_content_for_its_readers() {
    let mut fake = Fake::populated(with_an_incremental());
    fake.project.edit("inc");
    fake.run(&["run"]).ends_with(0).builds(&["inc", "c"]);
    fake.run(&["run", "--full-refresh", "--select", "inc"]).ends_with(0).builds(&["inc"]);
    assert_eq!(why(&fake, "c"), "not rebuilt after model.shop.inc");
    fake.run(&["run"]).ends_with(0).builds(&["c"]);
    // A table is the same whether it is refreshed or built.
    fake.run(&["run", "--full-refresh", "--select", "a"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn an_incremental_model_below_a_changed_parent_keeps_rows_of_the_old_parent() {
    let mut fake = Fake::populated(with_an_incremental());
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a", "inc", "c"]);
    let words = "altered, history not rebuilt (downstream of model.shop.a)";
    assert_eq!(altered(&fake, "inc"), words);
    fake.project.edit("a");
    let ran = fake.run(&["--refresh-changed", "incremental", "run"]);
    ran.ends_with(0).builds(&["a", "inc", "c"]);
    assert_eq!(ran.calls.iter().flat_map(|call| &call.refreshed).collect::<Vec<_>>(), ["inc"]);
    assert_eq!(altered(&fake, "inc"), "");
}

#[test]
fn a_change_upstream_is_not_forgotten_by_a_failure_or_a_run_in_between() {
    for between in [&["run", "--select", "a"][..], &["run"]] {
        let mut fake = Fake::populated(with_an_incremental());
        fake.project.edit("a");
        fake.dbt("fails", vec!["inc"]);
        fake.run(between);
        fake.dbt_is_well();
        fake.run(&["run"]).ends_with(0).builds(&["inc", "c"]);
        let words = "altered, history not rebuilt (downstream of model.shop.a)";
        assert_eq!(altered(&fake, "inc"), words, "{between:?}");
    }
}

#[test]
fn a_parent_that_only_failed_alters_nothing() {
    let mut fake = Fake::populated(with_an_incremental());
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run", "--select", "a"]).ends_with(1);
    fake.dbt_is_well();
    let ran = fake.run(&["--refresh-changed", "incremental", "run"]);
    ran.ends_with(0).starts(&["run"]).builds(&["a", "inc", "c"]);
    assert_eq!(altered(&fake, "inc"), "");
}

#[test]
fn a_change_that_is_taken_back_leaves_what_was_altered_before() {
    let mut fake = Fake::populated(with_an_incremental());
    fake.project.edit("inc");
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("inc");
    fake.run(&["run", "--select", "a"]).ends_with(0);
    fake.project.revert("inc");
    fake.run(&["run", "--select", "a"]).ends_with(0);
    assert_eq!(fake.pending(), [""; 0]);
    assert_eq!(altered(&fake, "inc"), "altered, history not rebuilt (body)");
}

/// A seed, a table, and views on them: `v` on the table, `w` on `v`, `u` on the seed.
fn views() -> Project {
    project()
        .seed("s")
        .table_under_views()
        .model("t")
        .reads("v")
        .model("u")
        .as_("view")
        .reads("s")
        .model("inc")
        .as_("incremental")
        .model("i")
        .as_("view")
        .reads("inc")
}

fn on(adapter: &str) -> Fake {
    let mut fake = Fake::new(views());
    fake.dbt("adapter", adapter);
    fake.run(&["build"]).ends_with(0);
    fake
}

#[test]
fn a_table_that_is_created_again_takes_its_views_along_where_drops_cascade() {
    let fake = on("postgres");
    fake.run(&["run", "--select", "a"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), ["v", "w"]);
    assert_eq!(why(&fake, "v"), "dropped when model.shop.a was rebuilt");
    fake.run(&["run"]).ends_with(0).builds(&["v", "t", "w"]);
    // So does a view that is replaced.
    fake.run(&["run", "--select", "v"]).ends_with(0).builds(&["v"]);
    assert_eq!(fake.pending(), ["w"]);
    fake.run(&["run"]).ends_with(0).builds(&["w"]);
    // A seed that is loaded, and an incremental model that is built, stay where they are.
    fake.run(&["seed", "--select", "s"]).ends_with(0);
    fake.run(&["run", "--select", "inc"]).ends_with(0);
    assert_eq!(fake.pending(), [""; 0]);
    fake.run(&["seed", "--full-refresh", "--select", "s"]).ends_with(0);
    fake.run(&["run", "--full-refresh", "--select", "inc"]).ends_with(0);
    assert_eq!(fake.pending(), ["i", "u"]);
}

#[test]
fn a_failed_build_may_have_dropped_views() {
    let mut fake = on("redshift");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run", "--select", "a"]).ends_with(1);
    assert_eq!(fake.pending(), ["a", "v", "w"]);
    assert_eq!(why(&fake, "w"), "may have been dropped when model.shop.a failed");
}

#[test]
fn elsewhere_views_stay() {
    for adapter in ["duckdb", "snowflake", "clickhouse"] {
        let fake = on(adapter);
        fake.run(&["run", "--full-refresh", "--select", "a"]).ends_with(0);
        assert_eq!(fake.pending(), [""; 0], "{adapter}");
    }
}

#[test]
fn a_view_that_became_a_table_and_was_not_built_so_is_gone_all_the_same() {
    let mut fake = on("postgres");
    fake.project.configure("u", "materialized", "table");
    fake.run(&["run", "--select", "inc"]).ends_with(0);
    assert_eq!(why(&fake, "u"), "config materialized");
    fake.run(&["seed", "--full-refresh", "--select", "s"]).ends_with(0);
    fake.project.configure("u", "materialized", "view");
    fake.run(&["run"]).ends_with(0).builds(&["u"]);
}

#[test]
fn a_node_that_left_the_project_is_forgotten_by_a_run_that_builds_nothing_and_is_new_when_back() {
    for variable in ["de", "fr"] {
        let code = "{{ env_var('COUNTRY') }}";
        let with_b = || chain(&["a"]).model("b").says(code);
        let mut fake = Fake::new(with_b());
        fake.env("COUNTRY", "de");
        fake.run(&["build"]).ends_with(0);
        fake.project.remove("b");
        let words = "model.shop.b was removed from the project; its relation stays: \"main\".\"b\"";
        fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]).says(&[words]);
        assert_eq!(fake.claims(), ["a"]);
        let again = fake.run(&["--always-start", "run"]);
        assert!(!again.ends_with(0).stderr.contains("removed"), "{again:#?}");
        fake.env("COUNTRY", variable);
        fake.project = with_b();
        fake.run(&["run"]).ends_with(0).builds(&["b"]);
        assert_eq!((fake.claims().len(), fake.pending()), (2, vec![]));
    }
}

#[test]
fn a_node_that_was_still_to_be_built_is_forgotten_too() {
    let mut fake = Fake::populated(chain(&["a"]).model("b"));
    fake.project.edit("b");
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    fake.project.remove("b");
    fake.run(&["run"]).ends_with(0).builds(&[]).says(&["its relation stays"]);
    assert_eq!((fake.claims(), fake.pending()), (vec!["a".to_owned()], vec![]));
    fake.run(&["run"]).ends_with(0).starts(&[]);
}

#[test]
fn a_node_that_was_renamed_and_keeps_its_relation_is_said_to_have_given_it_away() {
    let mut fake = Fake::populated(chain(&["a"]).model("b"));
    fake.project.remove("b");
    let other = std::mem::take(&mut fake.project);
    fake.project = other.model("c").config("alias", "b");
    let words = "model.shop.b was removed from the project; model.shop.c has its relation";
    fake.run(&["run"]).ends_with(0).builds(&["c"]).says(&[words]);
}
