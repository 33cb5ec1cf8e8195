//! What failed is named with what the warehouse said, however the run ended.

use super::harness::Fake;
use super::project::{Project, chain};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;

const SAID: &str = "Runtime Error in model bad (bad.sql)\n  Binder Error: no column x";
const LINES: &str = "Runtime Error in model bad (bad.sql)\nBinder Error: no column x";

/// `bad` and its test `t` fail, and then the test `u` begins.
fn project() -> Project {
    chain(&["bad", "below"]).model("other").test("t").test("u")
}

fn fails(fake: &mut Fake) {
    fake.dbt("fails", vec!["bad", "t"]);
    fake.dbt("warehouse", json!({"bad": SAID, "t": "Got 3 results, configured to fail if != 0"}));
}

#[test]
fn status_names_what_has_failed_in_a_run_that_is_at_work_or_was_killed() {
    let mut fake = Fake::new(project());
    fails(&mut fake);
    let running = fake.hang("u", &["build"]);
    fake.wait_for(".dbt-entrypoint/run", "manifest.json");
    let expected = json!({
        "model.shop.bad": LINES,
        "test.shop.t": "Got 3 results, configured to fail if != 0",
    });
    assert_eq!(fake.status()["failed"], expected);
    fake.kill_all(running);
    let status = fake.status();
    assert_eq!((&status["failed"], &status["last_run"]), (&expected, &Value::Null));
    let words = fake.run(&["status"]).ends_with(0).stdout.clone();
    let named = format!("failed     model.shop.bad: {}\n", LINES.replace('\n', "\n    "));
    assert!(words.contains(&named) && words.contains("interrupted the last run was"), "{words}");
    // The next run takes it up. What it does not come to itself stays named.
    let ran = fake.run(&["run", "--select", "other"]);
    ran.ends_with(0).says(&["after it had started 2 nodes;", "failed: test.shop.t: Got 3 results"]);
    assert_eq!(fake.status()["failed"], json!({}));
    assert_eq!(fake.status()["last_run"]["failed"]["model.shop.bad"], LINES);
}

#[test]
fn a_dbt_that_is_killed_leaves_the_words_of_the_warehouse_in_its_log() {
    let mut fake = Fake::new(project());
    let termination = fake.base().join("termination");
    fs::write(&termination, "").expect("a file");
    fake.env("DBT_ENTRYPOINT_TERMINATION_LOG", &termination);
    fails(&mut fake);
    fake.dbt("dies_at", "u");
    let ran = fake.run(&["build"]);
    let said = format!("failed: model.shop.bad: {}\n", LINES.replace('\n', "\n    "));
    ran.ends_with(137).says(&[&said, "2 failed, 1 interrupted", "  interrupted: test.shop.u\n"]);
    let message: Value =
        serde_json::from_slice(&fs::read(&termination).expect("a file")).expect("JSON");
    assert_eq!(message["messages"]["model.shop.bad"], LINES);
    assert_eq!(message["failed_nodes"], json!(["model.shop.bad", "test.shop.t", "test.shop.u"]));
}

#[test]
fn results_that_are_lost_leave_the_words_of_the_warehouse_in_its_log() {
    let mut fake = Fake::new(project());
    fails(&mut fake);
    fake.dbt("leaves_out", vec!["run_results.json"]);
    fake.run(&["build"]).ends_with(1).says(&["Binder Error: no column x", "Got 3 results"]);
}

#[test]
fn what_had_failed_when_the_run_was_told_to_stop_has_failed() {
    let mut fake = Fake::new(project());
    fails(&mut fake);
    let running = fake.hang("u", &["build"]);
    running.signal(Signal::SIGTERM);
    let ran = fake.end(running);
    ran.ends_with(2).says(&[
        "build (first population) interrupted with 2 after",
        " 2 failed, 1 interrupted, ",
        "Binder Error: no column x",
        "  interrupted: test.shop.u\n",
    ]);
    let words = fake.run(&["status"]).ends_with(0).stdout.clone();
    assert!(words.contains("\ninterrupted test.shop.u\n"), "{words}");
}

#[test]
fn the_events_say_at_once_what_the_warehouse_said() {
    let mut fake = Fake::new(project());
    let events = fake.base().join("events.jsonl");
    fake.env("DBT_ENTRYPOINT_EVENTS", &events);
    fails(&mut fake);
    fake.run(&["build"]).ends_with(1);
    let text = fs::read_to_string(events).expect("a stream");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let bad = lines.into_iter().find(|line| line["event"] == "node_failed").expect("a failure");
    assert_eq!((&bad["node"], &bad["why"]), (&json!("model.shop.bad"), &json!(LINES)));
}
