//! What a log says, line by line.

use super::*;

fn line(name: &str, id: &str, status: &str, seconds: f64) -> String {
    format!(
        r#"{{"data": {{"description": "sql \"view\" model", "execution_time": {seconds},
            "node_info": {{"node_status": "{status}", "unique_id": "{id}"}}}},
            "info": {{"invocation_id": "i", "level": "info", "msg": "…", "name": "{name}"}}}}"#
    )
    .replace('\n', " ")
}

fn read(lines: &[String]) -> RunLog {
    RunLog::read(lines.iter().map(String::as_str))
}

#[test]
fn started_and_finished_nodes_are_told_apart() {
    let run_log = read(&[
        line("LogStartLine", "model.p.a", "started", 0.0),
        line("LogStartLine", "model.p.b", "started", 0.0),
        line("LogModelResult", "model.p.a", "success", 1.5),
    ]);
    let expected = RunLog {
        started: BTreeSet::from(["model.p.a".into(), "model.p.b".into()]),
        outcome: Outcome::from([("model.p.a".into(), Fate::Built(1.5))]),
        invocation_id: Some("i".into()),
        ..RunLog::default()
    };
    assert_eq!(run_log, expected);
    assert_eq!(run_log.in_flight().collect::<Vec<_>>(), ["model.p.b"]);
}

#[test]
fn a_line_is_news_once() {
    let mut log = RunLog::default();
    let (a, built) = ("model.p.a".to_owned(), Fate::Built(1.5));
    for (line, news) in [
        (line("LogStartLine", &a, "started", 0.0), Some(NodeNews::Started(a.clone()))),
        (line("NodeStart", &a, "started", 0.0), None),
        (line("LogModelResult", &a, "success", 1.5), Some(NodeNews::Ended(a.clone(), built))),
        (line("NodeFinished", &a, "success", 1.5), None),
        (line("NodeFinished", "model.p.b", "skipped", 0.0), None),
    ] {
        assert_eq!(log.add_line(&line), news, "{line}");
    }
}

#[test]
fn truncated_lines_and_lines_of_other_programs_are_ignored() {
    let whole = line("LogModelResult", "model.p.a", "success", 1.5);
    for end in 0..whole.len() {
        if whole.is_char_boundary(end) {
            assert_eq!(RunLog::read([&whole[..end]].into_iter()), RunLog::default(), "{end}");
        }
    }
    assert_eq!(RunLog::read(["15:29:22  OK", "null", "[]", "{}"].into_iter()), RunLog::default());
}

#[test]
fn a_skipped_node_was_not_in_flight() {
    let run_log = read(&[
        line("NodeStart", "model.p.a", "started", 0.0),
        line("NodeFinished", "model.p.a", "skipped", 0.0),
    ]);
    assert_eq!(run_log.in_flight().count(), 0);
    assert_eq!(run_log.outcome, Outcome::new());
    assert_eq!(run_log.passed_over, BTreeSet::from(["model.p.a".into()]));
}

#[test]
fn an_ephemeral_model_is_compiled_and_not_built() {
    let ephemeral = |status| {
        line("NodeFinished", "model.p.e", status, 0.5)
            .replace("\"node_status\"", "\"materialized\": \"ephemeral\", \"node_status\"")
    };
    let run_log = read(&[ephemeral("started"), ephemeral("success")]);
    assert_eq!((run_log.started.len(), run_log.outcome.len()), (0, 0));
}

#[test]
fn hooks_and_intermediate_events_are_ignored() {
    let run_log = read(&[
        line("LogHookStartLine", "operation.p.p-on-run-start-0", "started", 0.0),
        line("NodeStart", "operation.p.p-on-run-start-0", "started", 0.0),
        line("SQLQuery", "model.p.a", "executing", 0.0),
    ]);
    assert_eq!(run_log, RunLog { invocation_id: Some("i".into()), ..RunLog::default() });
}

#[test]
fn the_status_of_a_unit_test_is_read_from_outside_the_node() {
    let result = line("LogTestResult", "unit_test.p.a.t", "None", 0.5)
        .replace("\"execution_time\"", "\"status\": \"pass\", \"execution_time\"");
    let built = Outcome::from([("unit_test.p.a.t".into(), Fate::Built(0.5))]);
    assert_eq!(read(&[result]).outcome, built);
}

/// The line that dbt 1.9 to 1.12 write for a node with a date in its `meta`.
fn note(event: &str, before: &str, status: &str) -> String {
    let words = format!(
        "[{event}]: Unable to parse logging event dictionary. Failed to parse node_info field: \
         Failed to parse meta field: Value 2024-01-02 has unexpected type. Dictionary: \
         {{{before}'node_info': {{'node_name': 'a', 'unique_id': 'model.p.a', \
         'materialized': 'view', 'node_status': '{status}', 'meta': {{'node_status': 'success', \
         'when': datetime.date(2024, 1, 2)}}}}, 'group': None}}"
    );
    serde_json::json!({
        "data": {"msg": words},
        "info": {"invocation_id": "i", "level": "warn", "msg": words, "name": "Note"}
    })
    .to_string()
}

#[test]
fn an_event_that_dbt_could_not_serialize_is_read_from_its_note() {
    let begin = note("LogStartLine", "", "started");
    assert_eq!(read(std::slice::from_ref(&begin)).in_flight().collect::<Vec<_>>(), ["model.p.a"]);
    let end = note("LogModelResult", "'total': 2, 'execution_time': 0.5, ", "success");
    let built = Outcome::from([("model.p.a".into(), Fate::Built(0.5))]);
    assert_eq!(read(&[begin.clone(), end]).outcome, built);
    let failed = Outcome::from([("model.p.a".into(), Fate::Touched("failed in the last run"))]);
    let end = note("NodeFinished", "", "error");
    assert_eq!(read(&[begin, end]).outcome, failed);
}

#[test]
fn events_of_an_earlier_command_in_the_same_file_are_dropped() {
    let earlier = line("LogModelResult", "model.p.a", "success", 1.5).replace("\"i\"", "\"h\"");
    let run_log = read(&[earlier, line("LogStartLine", "model.p.b", "started", 0.0)]);
    assert_eq!(run_log.outcome, Outcome::new());
    assert_eq!(run_log.in_flight().collect::<Vec<_>>(), ["model.p.b"]);
}
