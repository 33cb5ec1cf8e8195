//! Budgets: a run that would build more than is allowed is refused with its plan.

use super::harness::Fake;
use super::project::{Project, chain, project};
use serde_json::json;

/// `a` changed in a project of four; it and two readers would be built.
fn three_of_four() -> Fake {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    fake.project.edit("a");
    fake
}

/// The hash that a refusal names.
fn hash(stderr: &str) -> String {
    let (_, rest) = stderr.split_once("--approve ").expect("a hash");
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn the_first_population_is_not_limited() {
    let fake = Fake::new(chain(&["a", "b"]));
    fake.run(&["--max-rebuild", "1", "run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn too_many_nodes_are_refused_while_dbt_waits() {
    let fake = three_of_four();
    let before = fake.manifest();
    let ran = fake.run(&["--max-rebuild", "2", "run"]);
    ran.ends_with(77).starts(&["run"]).builds(&[]).says(&["3", "~ b, c\n", "--approve"]);
    assert!(fake.manifest() == before);
    assert_eq!(fake.status()["last_run"]["exit"], 77);
    fake.run(&["--max-rebuild", "50%", "run"]).ends_with(77);
    fake.run(&["--max-rebuild", "3", "run"]).ends_with(0).starts(&["run"]).builds(&["a", "b", "c"]);
}

#[test]
fn too_long_a_rebuild_is_refused_by_the_time_that_it_would_take() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.dbt("seconds", json!({"a": 90.0, "b": 60.0}));
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("a");
    let refused = fake.run(&["--max-rebuild-time", "2m", "run", "--threads", "4"]);
    let why = "take about 150.0 s with 4 threads, but --max-rebuild-time allows 120 s";
    refused.ends_with(77).builds(&[]).says(&[why]);
    fake.run(&["--max-rebuild-time", "3m", "run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn what_is_built_at_the_same_time_counts_once_in_the_time_of_a_rebuild() {
    let mut fake = Fake::new(project().model("a").model("b").reads("a").model("c").reads("a"));
    fake.dbt("seconds", json!({"a": 10.0, "b": 60.0, "c": 60.0}));
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("a");
    let limited = ["--max-rebuild-time", "80", "run"];
    fake.run(&limited).ends_with(77).builds(&[]).says(&["take about 130.0 s with 1 thread, but"]);
    fake.run(&[&limited[..], &["--threads", "2"]].concat()).ends_with(0).builds(&["a", "b", "c"]);
    // So it does by the profile, unless the command line says otherwise.
    fake.project.edit("a");
    fake.project.set_target("threads: 2");
    fake.run(&[&limited[..], &["--threads", "1"]].concat()).ends_with(77);
    fake.run(&[&limited[..], &["--single-threaded"]].concat()).ends_with(77);
    fake.run(&limited).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn protected_nodes_are_refused_by_name_and_tag() {
    let mut fake = Fake::populated(chain(&["a", "b"]).config("tags", vec!["dear"]).model("c"));
    fake.project.edit("a");
    for protected in ["b", "tag:dear", "path:models/b.sql", "c,b"] {
        fake.run(&["--protect", protected, "run"]).ends_with(77).builds(&[]);
    }
    fake.run(&["--protect", "c", "run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn yes_and_the_hash_of_the_plan_let_it_be_built() {
    let mut fake = three_of_four();
    let refused = fake.run(&["--max-rebuild", "1", "run"]);
    let hash = hash(&refused.ends_with(77).stderr);
    let plan = fake.run(&["plan", "--json", "run"]).json();
    assert_eq!(plan["hash"], hash);
    let words = ["--max-rebuild", "1", "--approve", &hash, "run"];
    fake.run(&words).ends_with(0).builds(&["a", "b", "c"]);
    fake.project.edit("a");
    fake.run(&words).ends_with(77).builds(&[]);
    fake.run(&["--max-rebuild", "1", "--yes", "run"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn an_approval_does_not_cover_what_was_edited_since() {
    let mut fake = three_of_four();
    let hash = hash(&fake.run(&["--max-rebuild", "1", "run"]).ends_with(77).stderr);
    fake.project.edit("b");
    let words = ["--max-rebuild", "1", "--approve", &hash, "run"];
    fake.run(&words).ends_with(77).builds(&[]);
    fake.project.revert("b");
    fake.run(&words).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn an_approval_that_comes_too_late_is_told_what_changed_since() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.project.edit("b");
    let approved = hash(&fake.run(&["--max-rebuild", "0", "run"]).ends_with(77).stderr);
    let words = ["--max-rebuild", "0", "--approve", &approved, "run"];
    fake.project.edit("c");
    let since = "since then: also built now: model.shop.c\n";
    // A Job that tries again is told the same.
    for _ in 0..2 {
        fake.run(&words).ends_with(77).builds(&[]).says(&["is for another plan", since]);
    }
    fake.project.revert("b");
    let since = "since then: also built now: model.shop.c; not built any more: model.shop.b\n";
    fake.run(&words).ends_with(77).says(&[since]);
    fake.project.revert("c");
    fake.project.edit("b");
    fake.project.edit("b");
    let since = "the code or the values of a node in it have changed since\n";
    fake.run(&words).ends_with(77).says(&[since]);
    let other = ["--max-rebuild", "0", "--approve", "0123456789abcdef", "run"];
    let told = fake.run(&other);
    assert!(!told.ends_with(77).stderr.contains("since"), "{told:#?}");
}

#[test]
fn an_approval_covers_ephemeral_models_values_hooks_and_configuration() {
    let project = project().model("e").as_("ephemeral").model("f").as_("ephemeral").reads("e");
    let project = project.model("a").reads("f").says("{{ var('v') }}").calls("m").a_macro("m");
    let mut fake = Fake::populated(project.model("b").reads("a").var("v", "1"));
    fake.project.edit("a");
    let limited = ["--max-rebuild", "0", "run"];
    let approved = hash(&fake.run(&limited).ends_with(77).stderr);
    let changes: [fn(&mut Fake); 5] = [
        |fake| fake.project.edit("e"),
        |fake| fake.project.edit("f"),
        |fake| fake.project.set_var("v", "2"),
        |fake| fake.project.edit_macro("m"),
        |fake| fake.project.configure("b", "indexes", "c"),
    ];
    let mut seen = vec![approved.clone()];
    for change in changes {
        change(&mut fake);
        let refused = fake.run(&["--approve", &approved, "--max-rebuild", "0", "run"]);
        refused.ends_with(77).builds(&[]).says(&[&approved, "is for another plan"]);
        let (_, rest) = refused.stderr.rsplit_once("--approve ").expect("a hash");
        let now = rest.split_whitespace().next().unwrap_or_default().to_owned();
        assert!(!seen.contains(&now), "{now}: {refused:#?}");
        seen.push(now);
    }
    let last = seen.last().cloned().unwrap_or_default();
    fake.run(&["--approve", &last, "--max-rebuild", "0", "run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn protecting_nothing_is_refused_with_the_nearest_name() {
    let mut fake = Fake::populated(chain(&["orders", "b"]));
    fake.project.edit("b");
    for term in ["ordres", "tag:none", "path:nowhere", "config.materialized:cube", "b,nosuch"] {
        let words = ["--protect", term, "run"];
        fake.run(&words).ends_with(78).builds(&[]).says(&["matches no node"]);
    }
    fake.run(&["--protect", "ordres", "run"]).says(&["did you mean orders?"]);
    fake.run(&["--protect", "nosuch", "plan", "run"]).ends_with(78);
    fake.run(&["--protect", "orders", "run"]).ends_with(0).builds(&["b"]);
}

#[test]
fn the_rest_of_a_first_population_is_not_limited() {
    let mut fake = Fake::new(chain(&["a", "b", "c", "d"]));
    fake.dbt("fails", ["b"]);
    let limited = ["--max-rebuild", "1", "run"];
    fake.run(&limited).ends_with(1);
    fake.dbt_is_well();
    fake.killed_at("c", &limited);
    fake.run(&limited).ends_with(0).builds(&["c", "d"]);
    // It is complete now.
    fake.project.edit("b");
    fake.run(&limited).ends_with(77).builds(&[]);
}

#[test]
fn what_was_built_counts_even_while_the_first_population_is_not_complete() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c"));
    fake.dbt("fails", ["c"]);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    fake.project.edit("a");
    fake.run(&["--max-rebuild", "1", "run"]).ends_with(77).builds(&[]);
    fake.run(&["--max-rebuild", "2", "run"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn a_plan_is_shown_whatever_the_budget_is() {
    let fake = three_of_four();
    let plan = fake.run(&["--max-rebuild", "1", "plan", "--json", "run"]).ends_with(10).json();
    let refused = fake.run(&["--max-rebuild", "1", "run"]);
    assert_eq!(plan["hash"], hash(&refused.ends_with(77).stderr));
}

#[test]
fn an_approved_plan_of_several_runs_is_approved_as_a_whole() {
    let mut fake = Fake::populated(
        project().model("i").as_("incremental").model("c").reads("i").model("d").reads("c"),
    );
    fake.project.edit("i");
    let words = ["--refresh-changed", "incremental", "--max-rebuild", "1"];
    let refused = fake.run(&[&words[..], &["run"]].concat());
    let hash = hash(&refused.ends_with(77).builds(&[]).stderr);
    let ran = fake.run(&[&words[..], &["--approve", &hash, "run"]].concat());
    ran.ends_with(0).builds(&["i", "c", "d"]);
    assert!(ran.calls.iter().any(|call| call.refreshed == ["i"]), "{ran:#?}");
}

#[test]
fn full_and_selected_runs_are_held_against_the_budget_before_they_start() {
    let fake = Fake::populated(chain(&["a", "b"]).model("c"));
    let limited = |words: &[&str]| fake.run(&[&["--max-rebuild", "1"], words].concat());
    limited(&["--full", "run"]).ends_with(77).starts(&["parse", "ls"]);
    limited(&["run", "--select", "a+"]).ends_with(77).starts(&["parse", "ls"]);
    limited(&["run", "--select", "a"]).ends_with(0).starts(&["parse", "ls", "run"]).builds(&["a"]);
}

#[test]
fn a_narrowed_run_is_held_against_what_it_would_build() {
    let fake = three_of_four();
    let narrowed = ["--only-changed", "--max-rebuild", "1", "run", "--select"];
    fake.run(&[&narrowed[..], &["a b"]].concat()).ends_with(77).builds(&[]);
    fake.run(&[&narrowed[..], &["a d"]].concat()).ends_with(0).builds(&["a"]);
}

#[test]
fn nothing_to_build_is_within_any_budget() {
    let fake = Fake::populated(chain(&["a"]));
    fake.run(&["--max-rebuild", "0", "build"]).ends_with(0).starts(&[]);
    std::fs::write(fake.root().join("README.md"), "news").expect("a file");
    fake.run(&["--max-rebuild", "0", "build"]).ends_with(0).starts(&["build"]).builds(&[]);
}

#[test]
fn a_retry_is_not_limited() {
    let mut fake = three_of_four();
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    fake.run(&["--max-rebuild", "1", "retry"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn tests_and_ephemeral_models_do_not_count() {
    let ephemeral: Project = project().model("e").as_("ephemeral").model("a").reads("e");
    let mut fake = Fake::populated(ephemeral.test("t").reads("a"));
    fake.project.edit("e");
    fake.run(&["--max-rebuild", "1", "build"]).ends_with(0).builds(&["a", "t"]);
}
