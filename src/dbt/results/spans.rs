//! The log of dbt v2: spans of OpenTelemetry, one JSON object a line (`--otel-file-name`).
//!
//! dbt 2 writes `SpanStart` when it takes up a node (`NodeProcessed`), and `SpanEnd` with the outcome
//! when it is done with it. Its last line is the end of the span of the process. A run that is told
//! to stop reports every node as failed in `run_results.json`; the spans tell them apart.

use crate::dbt::manifest::Text;
use serde::Deserialize;

/// The last part of the `event_type` of a node, and of the process.
const NODE: &str = ".NodeProcessed";
const PROCESS: &str = ".Process";

/// The phase in which the warehouse is asked to build or test a node.
const RUN: &str = "EXECUTION_PHASE_RUN";

/// One line of the log.
#[derive(Deserialize)]
pub(super) struct Span<'a> {
    #[serde(borrow)]
    record_type: Text<'a>,
    #[serde(borrow)]
    trace_id: Text<'a>,
    #[serde(borrow, default)]
    event_type: Text<'a>,
    /// A number in a string.
    #[serde(borrow, default)]
    start_time_unix_nano: Text<'a>,
    /// A number in a string.
    #[serde(borrow, default)]
    end_time_unix_nano: Text<'a>,
    /// Of a record of the log.
    #[serde(borrow, default)]
    severity_text: Text<'a>,
    /// What it says.
    #[serde(borrow, default)]
    body: Text<'a>,
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
}

#[derive(Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    unique_id: Text<'a>,
    #[serde(borrow, default)]
    materialization: Text<'a>,
    #[serde(borrow, default)]
    node_outcome: Text<'a>,
    #[serde(borrow, default)]
    last_phase: Text<'a>,
    #[serde(borrow, default)]
    node_skip_reason: Text<'a>,
    #[serde(borrow, default)]
    node_test_detail: TestDetail<'a>,
    /// A number in a string.
    #[serde(borrow, default)]
    duration_ms: Text<'a>,
}

#[derive(Default, Deserialize)]
struct TestDetail<'a> {
    #[serde(borrow, default)]
    test_outcome: Text<'a>,
    #[serde(default)]
    failing_rows: Option<f64>,
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum News<'a> {
    /// A node is taken up.
    Start(&'a str),
    /// A node is done, with a status as in `run_results.json` and its seconds.
    End(&'a str, &'static str, f64),
    /// What went wrong with a node.
    Said(&'a str, &'a str),
    /// A node was given up, and may have been running.
    GivenUp,
    /// dbt has come to its end.
    Ended,
    Nothing,
}

impl Span<'_> {
    /// The id of the command: that of the trace.
    pub(super) fn invocation_id(&self) -> Option<String> {
        super::uuid(&self.trace_id)
    }

    /// When it began, in seconds since the epoch (UTC).
    pub(super) fn seconds(&self) -> Option<f64> {
        seconds(&self.start_time_unix_nano)
    }

    /// When it ended, in seconds since the epoch (UTC).
    pub(super) fn ended(&self) -> Option<f64> {
        seconds(&self.end_time_unix_nano)
    }

    /// How many rows a test has found.
    pub(super) fn failing_rows(&self) -> Option<f64> {
        self.attributes.node_test_detail.failing_rows
    }

    pub(super) fn news(&self) -> News<'_> {
        let Attributes { unique_id: id, materialization, .. } = &self.attributes;
        // It is compiled into its readers, and never built.
        if &**materialization == "NODE_MATERIALIZATION_EPHEMERAL" {
            return News::Nothing;
        }
        let is_end = &*self.record_type == "SpanEnd";
        match &*self.record_type {
            "SpanStart" | "SpanEnd" if id.is_empty() => {
                let is_process = self.event_type.ends_with(PROCESS);
                if is_end && is_process { News::Ended } else { News::Nothing }
            }
            "SpanStart" if self.event_type.ends_with(NODE) => News::Start(id),
            "SpanEnd" if self.event_type.ends_with(NODE) => self.end(id),
            "LogRecord" if !id.is_empty() && &*self.severity_text == "ERROR" => {
                News::Said(id, &self.body)
            }
            _ => News::Nothing,
        }
    }

    fn end<'s>(&'s self, id: &'s str) -> News<'s> {
        let Attributes { node_outcome, node_skip_reason, node_test_detail, duration_ms, .. } =
            &self.attributes;
        // That a node was rendered is a success too: for its unit tests, and in a dbt that is told to
        // stop. Nothing was done to its relation.
        let was_run = matches!(&*self.attributes.last_phase, "" | RUN);
        let status = match (&**node_outcome, &**node_skip_reason) {
            ("NODE_OUTCOME_SUCCESS", _) if !was_run => "skipped",
            ("NODE_OUTCOME_SUCCESS", _) => match &*node_test_detail.test_outcome {
                "TEST_OUTCOME_FAILED" => "fail",
                "" | "TEST_OUTCOME_PASSED" | "TEST_OUTCOME_WARNED" => "success",
                _ => "unknown",
            },
            ("NODE_OUTCOME_ERROR", _) => "error",
            ("NODE_OUTCOME_CANCELED", _) => return News::GivenUp,
            ("NODE_OUTCOME_SKIPPED", "NODE_SKIP_REASON_CACHED") => "reused",
            ("NODE_OUTCOME_SKIPPED", "NODE_SKIP_REASON_NO_OP") => "no-op",
            ("NODE_OUTCOME_SKIPPED", "NODE_SKIP_REASON_UPSTREAM") => "skipped",
            _ => "unknown",
        };
        News::End(id, status, duration_ms.parse().map_or(0.0, |ms: f64| ms / 1000.0))
    }
}

fn seconds(nanoseconds: &str) -> Option<f64> {
    Some(nanoseconds.parse::<f64>().ok()? / 1e9)
}

/// Whether this log, if it is one of spans, tells of dbt's end; then it tells everything.
#[must_use]
pub fn tells_the_end(log: &str) -> bool {
    let last = log.lines().next_back().and_then(|line| serde_json::from_str::<Span<'_>>(line).ok());
    last.is_some_and(|span| span.news() == News::Ended)
}

#[cfg(test)]
mod tests {
    use super::super::{Fate, Outcome, RunLog};
    use super::*;

    const TRACE: &str = "01a22472c66e7463b879099c32c95903";

    fn line(record: &str, event: &str, attributes: &str) -> String {
        format!(
            r#"{{"record_type":"{record}","trace_id":"{TRACE}","span_id":"9f8f","start_time_unix_nano":"1795451045900000000","severity_number":9,"event_type":"v1.public.events.fusion.{event}","attributes":{{{attributes}}}}}"#
        )
    }

    fn start(id: &str) -> String {
        line("SpanStart", "node.NodeProcessed", &format!(r#""unique_id":"{id}""#))
    }

    fn end(id: &str, rest: &str) -> String {
        let attributes = format!(r#""unique_id":"{id}","duration_ms":"1500",{rest}"#);
        line("SpanEnd", "node.NodeProcessed", &attributes)
    }

    fn outcome(outcome: &str) -> String {
        format!(r#""node_outcome":"NODE_OUTCOME_{outcome}""#)
    }

    fn success_in(phase: &str) -> String {
        format!(r#"{},"last_phase":"EXECUTION_PHASE_{phase}""#, outcome("SUCCESS"))
    }

    fn skipped(reason: &str) -> String {
        format!(r#"{},"node_skip_reason":"NODE_SKIP_REASON_{reason}""#, outcome("SKIPPED"))
    }

    fn tested(found: &str) -> String {
        let found = format!(r#"{{"test_outcome":"TEST_OUTCOME_{found}"}}"#);
        format!(r#"{},"node_test_detail":{found}"#, outcome("SUCCESS"))
    }

    fn read(lines: &[String]) -> RunLog {
        RunLog::read(lines.iter().map(String::as_str))
    }

    #[test]
    fn the_end_of_each_node_has_its_fate() {
        let built = Some(Fate::Built(1.5));
        let failed = Some(Fate::Touched("failed in the last run"));
        let unknown = Some(Fate::Touched("ended with an unknown status in the last run"));
        for (rest, fate, in_flight) in [
            (outcome("SUCCESS"), built.clone(), 0),
            (success_in("RUN"), built.clone(), 0),
            (success_in("RENDER"), None, 0),
            (success_in("ANALYZE"), None, 0),
            (tested("WARNED"), built, 0),
            (tested("FAILED"), failed.clone(), 0),
            (outcome("ERROR"), failed, 0),
            (outcome("CANCELED"), None, 1),
            (skipped("UPSTREAM"), None, 0),
            (skipped("NO_OP"), None, 0),
            (skipped("PHASE_DISABLED"), unknown.clone(), 0),
            (outcome("WONDERFUL"), unknown, 0),
        ] {
            let log = read(&[start("model.p.a"), end("model.p.a", &rest)]);
            let expected = Outcome::from_iter(fate.map(|fate| ("model.p.a".to_owned(), fate)));
            assert_eq!((&log.outcome, log.in_flight().count()), (&expected, in_flight), "{rest}");
        }
    }

    #[test]
    fn a_node_that_was_only_taken_up_was_in_flight_and_the_trace_is_the_invocation() {
        let evaluated = start("model.p.b").replace("NodeProcessed", "NodeEvaluated");
        let kind = r#""materialization":"NODE_MATERIALIZATION_EPHEMERAL","unique_id""#;
        let inlined = start("model.p.e").replace("\"unique_id\"", kind);
        let log = read(&[start("model.p.a"), evaluated, inlined]);
        assert_eq!(log.in_flight().collect::<Vec<_>>(), ["model.p.a"]);
        assert_eq!(log.started_at, [("model.p.a".to_owned(), 1_795_451_045.9)].into());
        assert_eq!(log.invocation_id.as_deref(), Some("01a22472-c66e-7463-b879-099c32c95903"));
        assert!(!log.ended);
    }

    #[test]
    fn only_the_end_of_the_process_is_the_end_of_the_log() {
        let process = line("SpanEnd", "process.Process", r#""package":"dbt""#);
        assert!(read(&[start("model.p.a"), process.clone()]).ended);
        assert!(tells_the_end(&format!("{}\n{process}\n", start("model.p.a"))));
        for end in 1..process.len() {
            assert!(!tells_the_end(&process[..end]), "{end}");
        }
        for other in [
            process.replace("SpanEnd", "SpanStart"),
            line("SpanEnd", "invocation.Invocation", ""),
            end("model.p.a", &outcome("SUCCESS")),
        ] {
            assert!(!tells_the_end(&other), "{other}");
        }
        assert!(!tells_the_end(""));
    }
}
