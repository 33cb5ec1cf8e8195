//! What dbt says of a node that failed: the first lines of the warehouse's message.

use super::{Results, RunLog};
use std::collections::BTreeMap;

/// How many lines of a message are kept, and how many characters.
const LINES: usize = 4;
const CHARS: usize = 500;

/// What is known of the nodes and tests that failed, by `unique_id`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Failures {
    /// The first lines of what dbt says of each.
    pub messages: BTreeMap<String, String>,
    /// When dbt was done with those that ended with an error, in seconds since the epoch (UTC). A test
    /// that finds something has not ended with an error.
    pub errors_at: BTreeMap<String, f64>,
}

impl Failures {
    pub(super) fn say(&mut self, id: &str, message: &str) {
        if let Some(lines) = first_lines(message) {
            self.messages.insert(id.to_owned(), lines);
        }
    }

    pub(super) fn end(&mut self, id: &str, status: &str, at: Option<f64>) {
        if is_error(status) {
            at.map(|at| self.errors_at.insert(id.to_owned(), at));
        }
    }

    /// The same with what dbt's log says, which knows more: a dbt 2 says no more of a test than that it
    /// failed. A dbt 2 that is told to stop calls what it gave up failed; its log does not.
    #[must_use]
    pub fn corrected(mut self, log: &RunLog) -> Self {
        if log.ended {
            self.messages.retain(|id, _| log.outcome.contains_key(id));
            self.errors_at.clear();
        }
        for (id, message) in &log.failures.messages {
            self.messages.insert(id.clone(), message.clone());
        }
        for (id, at) in &log.failures.errors_at {
            self.errors_at.insert(id.clone(), *at);
        }
        self
    }
}

/// Whether a node with this status could not be built, or a test could not be run.
fn is_error(status: &str) -> bool {
    matches!(status, "error" | "runtime error")
}

impl Results {
    /// What it says of the nodes and tests that failed.
    #[must_use]
    pub fn failures(&self) -> Failures {
        let mut all = Failures::default();
        for node in self.nodes.iter().filter(|node| is_error(&node.status) || node.status == "fail")
        {
            all.say(&node.unique_id, node.message.as_deref().unwrap_or_default());
            all.end(&node.unique_id, &node.status, node.span.map(|(_, ended)| ended));
        }
        all
    }
}

/// The first lines that say something, without their margin; `None` if none does.
fn first_lines(message: &str) -> Option<String> {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.take(LINES).collect::<Vec<_>>().join("\n");
    let cut = text.char_indices().nth(CHARS).map_or(text.len(), |(at, _)| at);
    let rest = if cut < text.len() { "…" } else { "" };
    text.get(..cut).filter(|text| !text.is_empty()).map(|text| format!("{text}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_message_are_kept_without_blank_ones() {
        let message = "Runtime Error in model a (a.sql)\n  Binder Error: no x\n  \n  LINE 1: x\n\
                       \x20         ^\n  compiled code at target/a.sql\n";
        let kept = "Runtime Error in model a (a.sql)\nBinder Error: no x\nLINE 1: x\n^";
        assert_eq!(first_lines(message), Some(kept.into()));
        assert_eq!(first_lines(" \n"), None);
        let long = first_lines(&"ä".repeat(600)).expect("a text");
        assert_eq!(long, format!("{}…", "ä".repeat(CHARS)));
    }

    #[test]
    fn only_what_failed_has_a_message_and_only_an_error_has_a_time() {
        let entry = |id: &str, status: &str| {
            format!(
                r#"{{"unique_id": "{id}", "status": "{status}", "message": "says {id}", "timing":
                [{{"started_at": "1970-01-01T00:00:01Z", "completed_at": "1970-01-01T00:00:02Z"}}]}}"#
            )
        };
        let entries = [entry("a", "error"), entry("b", "success"), entry("t", "fail")].join(",");
        let text = format!(r#"{{"metadata": {{}}, "results": [{entries}]}}"#);
        let failures = Results::read(&text).expect("results").failures();
        let messages = [("a", "says a"), ("t", "says t")].map(|(k, v)| (k.into(), v.into()));
        let expected =
            Failures { messages: messages.into(), errors_at: [("a".to_owned(), 2.0)].into() };
        assert_eq!(failures, expected);
    }

    #[test]
    fn what_a_dbt_2_gave_up_has_not_failed_and_its_log_knows_better() {
        let failures = |id: &str, message: &str| {
            let mut all = Failures::default();
            all.say(id, message);
            all.end(id, "error", Some(9.0));
            all
        };
        let outcome = [("t".to_owned(), super::super::Fate::Touched(super::super::FAILED))].into();
        let mut log =
            RunLog { outcome, failures: failures("t", "Got 2 results"), ..RunLog::default() };
        let given_up = failures("a", "cancelled");
        assert_eq!(given_up.clone().corrected(&log).messages.len(), 2);
        log.ended = true;
        assert_eq!(given_up.corrected(&log), log.failures);
    }
}
