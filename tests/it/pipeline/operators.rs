//! What operators ask and order: `plan`, `status`, `history`, `rollback`, `adopt`, `invalidate`.

use super::harness::Fake;
use super::project::{chain, project};
use super::ran::Ran;
use serde_json::{Value, json};
use std::fs;

/// The names of the nodes that a plan says would be built, in order.
fn steps(plan: &Ran) -> Vec<String> {
    let plan = plan.json();
    let steps = plan["steps"].as_array().expect("steps");
    let names = steps.iter().filter_map(|step| step["id"].as_str()?.rsplit('.').next());
    names.map(str::to_owned).collect()
}

/// Plans these words, runs them, and compares; what was built.
#[track_caller]
fn builds_what_was_planned(fake: &Fake, words: &[&str]) -> Vec<String> {
    let artifact = || fs::read(fake.root().join("target/manifest.json")).ok();
    let before = (fake.volume(), artifact());
    let plan = fake.run(&[&["plan", "--json"], words].concat());
    assert!(before == (fake.volume(), artifact()), "a plan wrote something: {plan:#?}");
    let planned = steps(&plan);
    plan.ends_with(if planned.is_empty() { 0 } else { 10 });
    let ran = fake.run(words);
    let built: Vec<String> = ran.calls.iter().flat_map(|call| call.built.clone()).collect();
    assert_eq!(built, planned, "{plan:#?} {ran:#?}");
    built
}

#[test]
fn a_plan_is_what_the_run_builds() {
    let mut fake = Fake::new(chain(&["a", "b", "c"]).seed("s").model("d").reads("s"));
    assert_eq!(builds_what_was_planned(&fake, &["build"]).len(), 5);
    assert_eq!(builds_what_was_planned(&fake, &["build"]), [""; 0]);
    fake.project.edit("b");
    fake.project.edit("s");
    assert_eq!(builds_what_was_planned(&fake, &["run", "--exclude", "c"]), ["b"]);
    assert_eq!(builds_what_was_planned(&fake, &["run", "--select", "d"]), ["d"]);
    assert_eq!(builds_what_was_planned(&fake, &["seed"]), ["s"]);
    assert_eq!(builds_what_was_planned(&fake, &["run"]), ["c", "d"]);
    assert_eq!(steps(&fake.run(&["--full", "plan", "--json", "run"])), ["a", "b", "c", "d"]);
}

#[test]
fn a_plan_knows_the_default_selector() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c").default_selector("most", &["a", "c"]));
    assert_eq!(builds_what_was_planned(&fake, &["run"]), ["a", "c"]);
    fake.project.edit("a");
    assert_eq!(builds_what_was_planned(&fake, &["run"]), ["a"]);
}

#[test]
fn a_plan_gives_reasons_and_seconds_and_a_hash_of_the_code() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.dbt("seconds", json!({"a": 20.0, "b": 300.0}));
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("a");
    let plan = fake.run(&["plan", "--json", "run"]).ends_with(10).json();
    assert_eq!(plan["steps"][0]["seconds"], 20.0);
    assert!(plan["steps"][1]["reason"].as_str().is_some_and(|why| why.contains("model.shop.a")));
    let same = fake.run(&["plan", "--json", "run"]).json();
    assert_eq!(plan["hash"], same["hash"]);
    fake.project.edit("a");
    assert_ne!(plan["hash"], fake.run(&["plan", "--json", "run"]).json()["hash"]);
    let words = fake.run(&["plan"]);
    assert!(words.ends_with(10).stdout.contains("downstream of a (1)\n  ~ b\n"), "{words:#?}");
}

/// `a` is read by `b` and `c`, and `d` reads an ephemeral model between it and `c`.
fn branches() -> Fake {
    let project = project().model("a").model("b").reads("a").model("c").reads("a");
    let project = project.model("e").as_("ephemeral").reads("c").model("d").reads("e");
    let mut fake = Fake::new(project);
    fake.dbt("seconds", json!({"a": 10.0, "b": 40.0, "c": 20.0, "d": 30.0}));
    fake.run(&["run"]).ends_with(0);
    fake.project.edit("a");
    fake
}

#[test]
fn a_plan_estimates_the_time_by_the_wall_clock_and_names_the_longest_chain() {
    let mut fake = branches();
    let estimate = |fake: &Fake, words: &[&str]| {
        fake.run(&[&["plan", "--json", "run"], words].concat()).ends_with(10).json()["estimate"]
            .clone()
    };
    let chain = json!({"seconds": 60.0, "nodes": ["model.shop.a", "model.shop.c", "model.shop.d"]});
    let expected = |wall: f64, threads: u64| json!({"wall_seconds": wall, "threads": threads, "work_seconds": 100.0, "chain": chain});
    assert_eq!(estimate(&fake, &[]), expected(100.0, 1));
    assert_eq!(estimate(&fake, &["--threads", "2"]), expected(60.0, 2));
    fake.project.set_target("threads: 3");
    assert_eq!(estimate(&fake, &[]), expected(60.0, 3));
    let words = fake.run(&["plan", "run"]);
    let said = "about 60 s with 3 threads\nlongest chain 60 s over 3 nodes: a … d\n";
    assert!(words.ends_with(10).stdout.contains(said), "{words:#?}");
}

#[test]
fn runs_of_dbt_that_follow_each_other_are_estimated_one_after_the_other() {
    let project = project().model("a").model("i").as_("incremental").reads("a");
    let mut fake = Fake::new(project.model("c"));
    fake.dbt("seconds", json!({"a": 1.0, "i": 2.0, "c": 4.0}));
    fake.run(&["run"]).ends_with(0);
    ["a", "i", "c"].iter().for_each(|name| fake.project.edit(name));
    let wall = |words: &[&str]| {
        let words = [words, &["plan", "--json", "run", "--threads", "4"]].concat();
        fake.run(&words).ends_with(10).json()["estimate"]["wall_seconds"].clone()
    };
    assert_eq!(wall(&[]), 4.0);
    assert_eq!(wall(&["--refresh-changed", "incremental"]), 7.0);
    let ran = fake.run(&["--refresh-changed", "incremental", "run", "--threads", "4"]);
    ran.ends_with(0).says(&["; the builds took 7.0 s, 7.0 s were expected"]);
}

#[test]
fn a_run_tells_how_long_the_builds_took_and_how_long_they_were_expected_to_take() {
    let fake = branches();
    let ran = fake.run(&["run", "--threads", "2"]);
    ran.ends_with(0).says(&["0 still to be built; the builds took 100 s, 60 s were expected"]);
    let last = &fake.status()["last_run"];
    assert_eq!((&last["builds_took"], &last["builds_expected"]), (&json!(100.0), &json!(60.0)));
}

#[test]
fn nothing_is_expected_of_nodes_that_were_never_built() {
    let mut fake = branches();
    fake.project.add("new", "a");
    let plan = fake.run(&["plan", "run"]);
    let said = "about 2 min with 1 thread, not counting 1 that was never built\n";
    assert!(plan.ends_with(10).stdout.contains(said), "{plan:#?}");
    fake.run(&["run"]).ends_with(0);
    let last = &fake.status()["last_run"];
    assert_eq!((&last["builds_took"], &last["builds_expected"]), (&json!(101.0), &json!(null)));
}

#[test]
fn a_plan_takes_only_what_builds_over_the_volume() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.run(&["plan", "ls"]).ends_with(64).starts(&[]);
    fake.run(&["--no-state", "plan", "run"]).ends_with(64).starts(&[]);
    fake.dbt("cannot_parse", true);
    fake.run(&["plan", "run"]).ends_with(2).starts(&["parse"]);
}

#[test]
fn status_describes_an_empty_a_complete_and_an_incomplete_volume() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    let of = |status: &Value| {
        [status["holds"].clone(), status["complete"].clone(), status["nodes"].clone()]
    };
    assert_eq!(of(&fake.status()), [json!("nothing"), json!(false), json!(0)]);
    fake.run(&["run"]).ends_with(0);
    assert_eq!(of(&fake.status()), [json!("baseline"), json!(true), json!(2)]);
    fake.project.edit("b");
    fake.dbt("fails", vec!["b"]);
    fake.run(&["run"]).ends_with(1);
    let status = fake.status();
    assert_eq!(of(&status), [json!("baseline"), json!(false), json!(1)]);
    assert!(status["pending"]["model.shop.b"].as_str().is_some_and(|why| why.contains("failed")));
    assert_eq!(status["identity"]["project"], "shop");
    assert_eq!((&status["last_run"]["exit"], &status["earlier_baselines"]), (&json!(1), &json!(1)));
    let words = fake.run(&["status"]);
    assert!(words.ends_with(0).stdout.contains("model.shop.b"), "{words:#?}");
}

#[test]
fn status_describes_a_volume_that_cannot_be_used() {
    let mut fake = Fake::populated(chain(&["a"]));
    let manifest = fake.on_the_volume("manifest.json");
    for damage in ["", "{", "[]", "\0\0"] {
        fs::write(&manifest, damage).expect("a file");
        assert_eq!(fake.status()["holds"], "damaged", "{damage:?}");
    }
    fs::write(&manifest, later_manifest()).expect("a file");
    assert_eq!(fake.status()["holds"], "newer");
    fake.env("DBT_ENTRYPOINT_STATE_DIR", "/nonexistent");
    let missing = fake.status();
    assert_eq!((&missing["holds"], &missing["lasting"]), (&json!("nothing"), &json!(false)));
    fake.env("DBT_ENTRYPOINT_STATE_DIR", fake.root().join("nodes.json"));
    assert_eq!(fake.status()["holds"], "unreadable");
}

/// A manifest of a schema that is not known yet.
fn later_manifest() -> String {
    let schema = "https://schemas.getdbt.com/dbt/manifest/v99.json";
    json!({"metadata": {"dbt_schema_version": schema, "dbt_version": "9.0.0"}}).to_string()
}

#[test]
fn status_needs_neither_project_nor_dbt_and_writes_nothing() {
    let mut fake = Fake::populated(chain(&["a"]));
    let before = fake.volume();
    fake.env("DBT_ENTRYPOINT_DBT", "no-such-dbt");
    let mut elsewhere = fake.command(&["status", "--json"]);
    elsewhere.current_dir("/");
    assert_eq!(fake.run_command(elsewhere).ends_with(0).json()["holds"], "baseline");
    assert_eq!(fake.volume(), before);
}

#[test]
fn history_lists_the_earlier_baselines_and_keeps_as_many_as_it_is_told() {
    let mut fake = Fake::populated(chain(&["a"]));
    let listed = |fake: &Fake| {
        let listed = fake.run(&["history", "--json"]).ends_with(0).json();
        // The first one is the present one.
        listed.as_array().expect("a list").len() - 1
    };
    assert_eq!(listed(&fake), 0);
    for _ in 0..4 {
        fake.project.edit("a");
        fake.run(&["--history", "2", "run"]).ends_with(0);
    }
    assert_eq!(listed(&fake), 2);
    let words = fake.run(&["history"]);
    assert!(words.ends_with(0).stdout.contains("rollback"), "{words:#?}");
}

#[test]
fn a_rollback_restores_an_earlier_baseline_byte_for_byte() {
    let mut fake = Fake::populated(chain(&["a", "b"]).model("c"));
    fake.trust();
    let first = fake.manifest();
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0);
    let second = fake.manifest();
    fake.project.edit("c");
    fake.run(&["run"]).ends_with(0);
    fake.run(&["rollback", "2"]).ends_with(0).starts(&[]);
    assert!(fake.manifest() == first);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b", "c"]);
    fake.run(&["rollback", "9"]).ends_with(78);
    fake.run(&["rollback", "x"]).ends_with(64);
    fake.run(&["rollback", "3"]).ends_with(0).starts(&[]);
    assert!(fake.manifest() == second);
}

#[test]
fn a_rollback_repairs_a_damaged_baseline() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.trust();
    let before = fake.manifest();
    fake.project.edit("b");
    fake.run(&["run"]).ends_with(0);
    fs::write(fake.on_the_volume("manifest.json"), "{").expect("a file");
    fake.run(&["run"]).ends_with(78).starts(&[]).says(&["rollback"]);
    fake.run(&["rollback"]).ends_with(0);
    assert!(fake.manifest() == before);
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn adopt_takes_the_project_as_it_stands_for_built() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.trust();
    fake.run(&["adopt"]).ends_with(0).starts(&["parse", "compile"]);
    assert_eq!(fake.claims(), ["a", "b"]);
    fake.run(&["run"]).ends_with(0).builds(&[]);
    fake.project.edit("b");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    fake.run(&["adopt"]).ends_with(78).starts(&[]).says(&["--force"]);
    fake.project.edit("a");
    fake.run(&["adopt", "--force"]).ends_with(0);
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn adopt_takes_a_manifest_of_dbts_without_starting_it() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.trust();
    fake.run(&["--no-state", "run"]).ends_with(0);
    let manifest = fake.base().join("old.json");
    fs::copy(fake.root().join("target/manifest.json"), &manifest).expect("a copy");
    let from = manifest.to_str().expect("UTF-8");
    fake.run(&["adopt", "--from", from]).ends_with(0).starts(&[]);
    fake.project.edit("b");
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    fs::write(&manifest, "{").expect("a file");
    let before = fake.manifest();
    fake.run(&["adopt", "--force", "--from", from]).ends_with(78);
    fake.run(&["adopt", "--from", "no-such.json", "--force"]).ends_with(78);
    assert!(fake.manifest() == before);
}

#[test]
fn adopt_reads_a_manifest_from_standard_input() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.trust();
    fake.run(&["--no-state", "run"]).ends_with(0);
    let mut adopt = fake.command(&["adopt", "--from", "-"]);
    adopt.stdin(fs::File::open(fake.root().join("target/manifest.json")).expect("a manifest"));
    fake.run_command(adopt).ends_with(0).starts(&[]);
    assert_eq!(fake.claims(), ["a"]);
}

#[test]
fn an_adoption_whose_parse_fails_changes_nothing() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.dbt("cannot_parse", true);
    fake.run(&["adopt"]).ends_with(78).starts(&["parse"]);
    assert_eq!(fake.status()["holds"], "nothing");
}

#[test]
fn invalidated_nodes_are_built_again_with_what_reads_them() {
    let fake = Fake::populated(chain(&["a", "b", "c"]).model("d").config("tags", vec!["slow"]));
    fake.run(&["invalidate", "b", "tag:slow"]).ends_with(0).starts(&[]);
    assert_eq!((fake.claims(), fake.pending()), (names(&["a", "c"]), names(&["b", "d"])));
    fake.run(&["run"]).ends_with(0).builds(&["b", "c", "d"]);
    fake.run(&["invalidate", "a+"]).ends_with(0);
    assert_eq!(fake.pending(), ["a", "b", "c"]);
    fake.run(&["invalidate", "path:models/d.sql"]).ends_with(0);
    assert_eq!(fake.pending().len(), 4);
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn what_cannot_be_invalidated_is_refused_and_changes_nothing() {
    let fake = Fake::new(chain(&["a"]));
    fake.run(&["invalidate", "a"]).ends_with(78);
    fake.run(&["run"]).ends_with(0);
    let before = fake.volume();
    fake.run(&["invalidate", "a", "no_such_node"]).ends_with(78).says(&["no_such_node"]);
    fake.run(&["invalidate"]).ends_with(64);
    fake.run(&["invalidate", "--all"]).ends_with(64);
    assert_eq!(fake.volume(), before);
}

#[test]
fn an_invalidated_node_of_another_command_waits_for_that() {
    let fake = Fake::populated(project().seed("s").model("a").reads("s"));
    fake.run(&["invalidate", "s"]).ends_with(0);
    fake.run(&["run"]).ends_with(0).says(&["seed.shop.s"]).builds(&[]);
    fake.run(&["build"]).ends_with(0).builds(&["s", "a"]);
}

#[test]
fn tests_that_failed_have_an_exit_code_of_their_own_in_a_plan() {
    let mut fake = Fake::new(chain(&["a"]).test("t").reads("a"));
    fake.dbt("fails", json!(["t"]));
    fake.run(&["build"]).ends_with(1);
    let plan = fake.run(&["plan", "build"]);
    assert_eq!(plan.ends_with(11).stdout, "there is nothing to build, 1 test would be run\n");
    fake.run(&["plan", "run"]).ends_with(0);
}

#[test]
fn a_plan_asks_the_probe_as_a_run_does() {
    let fake = Fake::populated(chain(&["a"]));
    fake.run(&["--probe", "false", "plan", "build"]).ends_with(78).says(&["probe", "--full"]);
    fake.run(&["--probe", "true", "plan", "build"]).ends_with(0);
    fake.run(&["--full", "--probe", "false", "plan", "build"]).ends_with(10);
}
