//! The stream of `--events`: what happens, line by line.

use super::harness::Fake;
use super::project::chain;
use serde_json::Value;
use std::fs;

/// What happened since the last look: the name of each event, and its node where it has one.
fn seen(fake: &Fake) -> Vec<String> {
    let path = fake.base().join("events.jsonl");
    let text = fs::read_to_string(&path).expect("a stream");
    fs::remove_file(path).expect("our own file");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    let lines: Vec<Value> = lines.collect();
    let first = &lines[0]["run_id"];
    assert!(first.is_string() && lines.iter().all(|line| line["run_id"] == *first), "{text}");
    let name = |line: &Value| {
        let name = line["event"].as_str().expect("a name");
        let node = line["node"].as_str().and_then(|node| node.rsplit('.').next());
        node.map_or_else(|| name.to_owned(), |node| format!("{name} {node}"))
    };
    lines.iter().map(name).collect()
}

#[test]
fn a_run_tells_of_its_plan_its_nodes_its_commit_and_its_end() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.env("DBT_ENTRYPOINT_EVENTS", fake.base().join("events.jsonl"));
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
    let nodes =
        ["node_started a", "node_succeeded a", "node_started b", "node_succeeded b", "committed"];
    let all = |first: &[&'static str]| [&["run_started"], first, &nodes, &["run_ended"]].concat();
    assert_eq!(seen(&fake), all(&[]));
    fake.project.edit("a");
    fake.run(&["build"]).ends_with(0).builds(&["a", "b"]);
    assert_eq!(seen(&fake), all(&["planned"]));
    fake.run(&["build"]).ends_with(0).starts(&[]);
    assert_eq!(seen(&fake), ["run_started", "run_ended"]);
}

#[test]
fn a_failure_and_a_refusal_are_told() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.env("DBT_ENTRYPOINT_EVENTS", fake.base().join("events.jsonl"));
    fake.project.edit("a");
    fake.dbt("fails", Value::from(vec!["a"]));
    fake.run(&["build"]).ends_with(1);
    let failed =
        ["run_started", "planned", "node_started a", "node_failed a", "committed", "run_ended"];
    assert_eq!(seen(&fake), failed);
    fake.run(&["--max-rebuild", "1", "build"]).ends_with(77);
    // What is refused was never about to be carried out.
    assert_eq!(seen(&fake), ["run_started", "refused", "run_ended"]);
    fake.run(&["status"]).ends_with(0);
    assert!(!fake.base().join("events.jsonl").exists(), "a verb is no run");
}

#[test]
fn without_a_journal_the_nodes_are_told_at_the_end() {
    let mut fake = Fake::populated(chain(&["a"]));
    fake.env("DBT_ENTRYPOINT_EVENTS", "-");
    fake.project.edit("a");
    let logs = fake.base().join("logs").display().to_string();
    let ran = fake.run(&["build", "--log-path", &logs]);
    let told = &ran.ends_with(0).stdout;
    let at = |event: &str| told.find(&format!("\"event\":\"{event}\"")).expect(event);
    assert!(at("node_succeeded") < at("committed") && !told.contains("node_started"), "{told}");
}

#[test]
fn a_stream_that_cannot_be_written_is_no_reason_to_build_nothing() {
    let fake = Fake::new(chain(&["a"]));
    let events = fake.base().join("missing/events.jsonl").display().to_string();
    let ran = fake.run(&["--events", &events, "build"]);
    ran.ends_with(0).builds(&["a"]).says(&["no events are written to", "No such file"]);
}
