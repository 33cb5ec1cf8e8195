//! The stream of `--events`: what happens, line by line.

use super::harness::Fake;
use super::project::{Project, chain, project};
use serde_json::Value;
use std::fs;
use std::process::Command;

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

/// A wide project: some hundred events.
fn wide() -> Project {
    (0..120).fold(project(), |project, number| project.model(&format!("model_{number}")))
}

#[test]
fn among_dbts_lines_each_event_is_a_line_of_its_own() {
    let mut fake = Fake::new(wide());
    fake.env("DBT_ENTRYPOINT_EVENTS", "-");
    fake.dbt("chatters", 60);
    let ran = fake.run(&["build"]);
    let is_dbts = |line: &&str| line.bytes().all(|byte| byte == b'x') && line.len() == 2000;
    let (dbts, ours): (Vec<&str>, Vec<&str>) = ran.ends_with(0).stdout.lines().partition(is_dbts);
    let events = ours.iter().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    assert_eq!((dbts.len(), events.count()), (120 * 60, 2 * 120 + 3), "{ours:#?}");
}

#[test]
fn a_reader_that_does_not_read_or_has_gone_holds_up_nobody() {
    let mut fake = Fake::new(wide());
    fake.env("DBT_ENTRYPOINT_EVENTS", "-");
    let (unread, writer) = std::io::pipe().expect("a pipe");
    // The pipe is full but for a page.
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(8192)).expect("a pipe");
    let mut command = fake.command(&["build"]);
    command.stdout(writer.try_clone().expect("a descriptor"));
    let ran = fake.run_command(command);
    ran.ends_with(0)
        .says(&["no more events are written: nobody read them for a second", "120 built"]);
    drop(unread);
    let mut command = fake.command(&["--full", "build"]);
    command.stdout(writer);
    let ran = fake.run_command(command);
    ran.ends_with(0).says(&["no more events are written: Broken pipe", "120 built"]);
}

#[test]
fn without_a_standard_output_nothing_is_told() {
    let mut fake = Fake::new(chain(&["a"]));
    fake.env("DBT_ENTRYPOINT_EVENTS", "-");
    let inner = fake.command(&["build"]);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" build >&-"]).arg(inner.get_program()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = fake.run_command({
        command.current_dir(fake.root());
        command
    });
    ran.ends_with(0).builds(&["a"]);
}

#[test]
fn a_stream_that_cannot_be_written_is_no_reason_to_build_nothing() {
    let fake = Fake::new(chain(&["a"]));
    let events = fake.base().join("missing/events.jsonl").display().to_string();
    let ran = fake.run(&["--events", &events, "build"]);
    ran.ends_with(0).builds(&["a"]).says(&["no events are written to", "No such file"]);
}
