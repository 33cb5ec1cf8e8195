//! Nodes that differ and compile to what they were built from.

use super::harness::Fake;
use super::project::{Project, chain, project};
use nix::sys::signal::Signal;
use serde_json::json;

const ALL: [&str; 3] = ["--settle", "changes", "run"];

/// A populated project whose nodes took ten seconds each.
fn slow(project: Project) -> Fake {
    let mut fake = Fake::new(project);
    fake.dbt("seconds", json!({"a": 10.0, "b": 10.0, "c": 10.0, "d": 10.0, "i": 10.0}));
    fake.run(&["build"]).ends_with(0);
    // The baseline has other text than what was built.
    fake.trust();
    fake
}

/// A chain of three whose head reads a variable with a computed name.
fn doubtful() -> Fake {
    let project = project().model("a").says("{{ env_var(name, '') }}");
    slow(project.model("b").reads("a").model("c").reads("b"))
}

#[test]
fn a_variable_that_a_node_might_read_is_settled_while_dbt_waits() {
    let mut fake = doubtful();
    fake.env("UNRELATED", "1");
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["run", "compile"]).builds(&[]).says(&["model.shop.a"]);
    let compile = ran.last();
    assert_eq!(compile.value("--select"), Some("fqn:shop.a"));
    for word in ["--no-populate-cache", "--no-introspect", "--indirect-selection=empty"] {
        assert!(compile.has(word), "{compile:#?}");
    }
    // A computed name does not prevent the start without dbt.
    fake.run(&["run"]).ends_with(0).starts(&[]);
    assert_eq!(fake.claims(), ["a", "b", "c"]);
}

/// In the record, such a node stays as it was last built: it does not wait to be built.
#[test]
fn a_doubt_that_a_run_leaves_open_is_settled_by_the_next_one() {
    let doubted = project().model("a").says("{{ env_var(name, '') }}");
    let mut fake = slow(doubted.model("b").reads("a").model("x"));
    fake.env("UNRELATED", "1");
    fake.project.edit("x");
    fake.run(&["run", "--select", "x"]).ends_with(0).starts(&["run"]).builds(&["x"]);
    assert_eq!(fake.claims(), ["a", "b", "x"]);
    fake.run(&["run"]).ends_with(0).starts(&["run", "compile"]).builds(&[]);
    // So is one about an ephemeral model, which has no result of its own.
    let inlined = project().model("e").as_("ephemeral").says("{{ env_var(name, '') }}");
    let mut fake = slow(inlined.model("b").reads("e").model("x"));
    fake.env("UNRELATED", "1");
    fake.project.edit("x");
    fake.run(&["run", "--select", "x"]).ends_with(0).starts(&["run"]).builds(&["x"]);
    fake.run(&["run"]).ends_with(0).starts(&["run", "compile"]).builds(&[]);
    fake.run(&["run"]).ends_with(0).starts(&[]);
    fake.env("UNRELATED", "2");
    fake.run(&["run", "--select", "b"]).ends_with(0).builds(&["b"]);
    fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&[]);
    let mut fake = doubtful();
    fake.env("UNRELATED", "1");
    fake.dbt("cannot_compile", true);
    fake.dbt("fails", json!(["a"]));
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    // It failed, so it is built whatever it compiles to.
    fake.run(&["run"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn a_long_rebuild_in_doubt_is_refused_after_a_run_of_a_part_too() {
    let mut fake = twelve();
    fake.project.edit("m10");
    fake.run(&["run", "--select", "m10"]).ends_with(0).builds(&["m10"]);
    fake.run(&["run"]).ends_with(77).builds(&[]).says(&["11 of 12"]);
}

#[test]
fn what_changed_beside_a_doubt_is_built_by_the_dbt_that_waited() {
    let mut fake = doubtful();
    fake.env("UNRELATED", "1");
    fake.project.edit("c");
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["run", "compile"]).builds(&["c"]);
}

#[test]
fn text_and_macros_are_settled_only_on_request() {
    let project = || chain(&["a", "b"]).a_macro("m").model("d").calls("m");
    let edited = |settle: &[&str]| {
        let mut fake = slow(project());
        fake.project.edit_macro("m");
        fake.project.comment("a");
        fake.run(settle)
    };
    edited(&["run"]).ends_with(0).starts(&["run"]).builds(&["a", "b", "d"]);
    edited(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&[]);
}

#[test]
fn what_is_settled_becomes_the_baseline() {
    let mut fake = slow(chain(&["a", "b"]));
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).builds(&[]);
    assert!(String::from_utf8_lossy(&fake.manifest()).contains("a comment"));
    fake.run(&["run"]).ends_with(0).starts(&[]);
    // Its digest stays, so that the next comment is settled too.
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&[]);
}

#[test]
fn only_what_compiles_to_something_else_is_built() {
    let mut fake = slow(chain(&["a", "b"]).model("c").model("d"));
    fake.project.comment("a");
    fake.project.edit("c");
    fake.project.comment("d");
    fake.run(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&["c"]);
    assert_eq!(fake.pending(), [""; 0]);
    fake.run(&ALL).ends_with(0).starts(&[]);
}

#[test]
fn a_plan_and_a_budget_know_what_is_settled() {
    let mut fake = slow(chain(&["a", "b"]));
    fake.project.comment("a");
    let plan = ["--settle", "changes", "plan", "run"];
    let shown = fake.run(&plan);
    shown.ends_with(0).starts(&["parse", "compile"]);
    let said = "compiles to what was built, and is not built: 1 node\n    model.shop.a\n";
    assert!(shown.stdout.contains(said), "{}", shown.stdout);
    let machine = fake.run(&["--settle", "changes", "plan", "--json", "run"]).json();
    assert_eq!((&machine["settled"], &machine["steps"]), (&json!(["model.shop.a"]), &json!([])));
    let limited = ["--settle", "changes", "--max-rebuild", "0", "run"];
    fake.run(&limited).ends_with(0).starts(&["run", "compile"]).builds(&[]);
}

/// What is edited, and how.
type Edit = (&'static str, fn(&mut Project));

#[test]
fn what_compiled_code_does_not_show_is_built() {
    let edits: [Edit; 4] = [
        ("configuration", |project| {
            project.configure("a", "grants", "everybody");
            project.comment("a");
        }),
        ("a macro of a materialization", |project| {
            project.set_macro(
                "default__create_table_as",
                "{% macro default__create_table_as() %}2{% endmacro %}",
            );
        }),
        ("a question to the warehouse", |project| {
            project.set_macro("m", "{% macro m() %}{% set a = run_query('') %}1{% endmacro %}");
        }),
        ("the header of the statement", |project| {
            project.set_macro(
                "m",
                "{% macro m() %}{% call set_sql_header(config) %}{% endcall %}1{% endmacro %}",
            );
        }),
    ];
    for (name, edit) in edits {
        let project = project().a_macro("m").a_macro("default__create_table_as");
        let mut fake = slow(project.model("a").calls("m").calls("default__create_table_as"));
        edit(&mut fake.project);
        let ran = fake.run(&ALL);
        assert_eq!(ran.calls.len(), 1, "{name}: {ran:#?}");
        ran.ends_with(0).builds(&["a"]);
    }
}

#[test]
fn seeds_snapshots_and_what_has_hooks_or_batches_are_built() {
    let hook = || project().model("a").config("post-hook", json!([{"sql": "{{ log(this) }}"}]));
    let batches =
        || project().model("a").as_("incremental").config("incremental_strategy", "microbatch");
    for project in [project().snapshot("a"), project().model("a").as_("odd"), hook(), batches()] {
        let mut fake = slow(project);
        fake.project.comment("a");
        fake.run(&["--settle", "changes", "build"]).ends_with(0).starts(&["build"]).builds(&["a"]);
    }
}

#[test]
fn an_ephemeral_model_is_settled_by_what_it_is_compiled_into() {
    let project = || {
        let project = project().model("a").as_("ephemeral").model("i").as_("ephemeral").reads("a");
        project.model("b").reads("i").model("c").reads("a")
    };
    let mut fake = slow(project());
    fake.project.comment("a");
    let ran = fake.run(&ALL);
    ran.ends_with(0).starts(&["run", "compile"]).builds(&[]);
    fake.project.edit("a");
    fake.run(&ALL).ends_with(0).builds(&["b", "c"]);
    // One of its readers asks the warehouse, so that compiling it proves nothing.
    let mut fake = slow(project().model("d").reads("a").says("{{ adapter.quote('a') }}"));
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run"]).builds(&["b", "c", "d"]);
}

#[test]
fn a_compile_that_fails_or_parses_anew_settles_nothing() {
    for (fault, says) in [("cannot_compile", "code 2"), ("parses_anew", "parsed the project anew")]
    {
        let mut fake = slow(chain(&["a", "b"]));
        fake.project.comment("a");
        fake.dbt(fault, true);
        let ran = fake.run(&ALL);
        ran.ends_with(0).starts(&["run", "compile"]).builds(&["a", "b"]).says(&[says]);
    }
}

#[test]
fn dbt_is_not_asked_where_a_build_takes_no_longer() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run"]).builds(&["a", "b"]);
}

/// A dbt that has come to its end has left its results, whatever happens then.
#[test]
fn what_a_killed_run_built_is_settled_by_the_results_of_its_dbt() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.dbt("seconds", json!({"a": 10.0, "b": 10.0}));
    fake.killed_at("end", &["build"]);
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.trust();
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&[]);
}

#[test]
fn dbt_is_not_asked_where_the_record_has_no_code() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.dbt("seconds", json!({"a": 10.0, "b": 10.0}));
    fake.killed_at("built", &["build"]);
    fake.run(&["build"]).ends_with(0).builds(&[]);
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run"]).builds(&["a", "b"]);
}

#[test]
fn what_was_adopted_is_settled_too() {
    let mut fake = Fake::new(chain(&["a", "b"]).seed("s"));
    fake.trust();
    fake.run(&["adopt"]).ends_with(0).starts(&["parse", "compile"]);
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&[]);
    fake.project.edit("a");
    fake.run(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&["a", "b"]);
}

#[test]
fn a_project_that_dbt_cannot_compile_is_adopted_without_its_code() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.trust();
    fake.dbt("cannot_compile", true);
    let adopted = fake.run(&["adopt"]);
    adopted.ends_with(0).starts(&["parse", "compile"]).says(&["could not compile the project"]);
    fake.dbt_is_well();
    fake.project.comment("a");
    fake.run(&ALL).ends_with(0).starts(&["run"]).builds(&["a", "b"]);
}

#[test]
fn what_is_to_be_refreshed_or_left_empty_is_not_settled() {
    for words in [["run", "--full-refresh"], ["run", "--empty"], ["run", "--defer"]] {
        let mut fake = slow(chain(&["a"]));
        fake.project.comment("a");
        let ran = fake.run(&[&["--settle", "changes"][..], &words].concat());
        ran.ends_with(0).starts(&["parse", "run"]).builds(&["a"]);
    }
}

#[test]
fn a_node_that_failed_is_built_whatever_it_compiles_to() {
    let mut fake = slow(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.dbt("fails", vec!["a"]);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    fake.project.revert("a");
    fake.run(&ALL).ends_with(0).starts(&["run"]).builds(&["a", "b"]);
}

#[test]
fn a_signal_while_dbt_compiles_ends_both() {
    let mut fake = slow(chain(&["a", "b"]));
    fake.project.comment("a");
    let running = fake.hang("selected", &ALL);
    running.signal(Signal::SIGTERM);
    fake.end(running).ends_with(143).builds(&[]);
    assert_eq!(fake.status()["interrupted"], false);
    fake.run(&ALL).ends_with(0).starts(&["run", "compile"]).builds(&[]);
}

/// A project of twelve tables, each of which reads a variable with a computed name.
fn twelve() -> Fake {
    let names: Vec<String> = (10..22).map(|at| format!("m{at}")).collect();
    let says = |project: Project, name: &String| {
        project.model(name).says("{{ env_var(name) }}{{ adapter.quote(1) }}")
    };
    let mut fake = Fake::populated(names.iter().fold(project(), says));
    fake.trust();
    fake.env("UNRELATED", "1");
    fake
}

#[test]
fn a_long_rebuild_in_doubt_is_refused_unless_somebody_wants_it() {
    let fake = twelve();
    let refused = fake.run(&["run"]);
    refused.ends_with(77).builds(&[]).says(&["12 of 12", "--yes", "--approve"]);
    // An approval of something else is called that here too.
    let stale = fake.run(&["--approve", "0123456789abcdef", "run"]);
    stale.ends_with(77).builds(&[]).says(&["--approve 0123456789abcdef is for another plan"]);
    let (_, hash) = refused.stderr.split_once("--approve ").expect("a hash");
    let hash = hash.split_whitespace().next().expect("a hash");
    let approved = fake.run(&["--approve", hash, "run"]);
    assert_eq!(approved.ends_with(0).calls[0].built.len(), 12);
    for wanted in [["--yes", "run"].as_slice(), &["--max-rebuild", "50", "run"]] {
        let fake = twelve();
        assert_eq!(fake.run(wanted).ends_with(0).calls[0].built.len(), 12);
    }
}

#[test]
fn a_short_rebuild_in_doubt_and_what_changed_for_certain_are_not_limited() {
    let mut fake = twelve();
    for at in [10, 11] {
        fake.project.edit(&format!("m{at}"));
    }
    assert_eq!(fake.run(&["run"]).ends_with(0).calls[0].built.len(), 12);
}
