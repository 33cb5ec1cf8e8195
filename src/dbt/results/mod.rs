//! What a dbt command did to each node.
//!
//! dbt reports it in `run_results.json`. A command that was killed did not write that file; what
//! it had done by then is read from its structured log ([`RunLog`]).

mod fate;
mod listed;
mod messages;
mod run_log;
mod skipped;
mod spans;
mod took;

pub use fate::{Fate, Outcome};
pub use listed::listed_ids;
pub use messages::Failures;
pub use run_log::{NodeNews, RunLog};
pub use skipped::{results_of_nothing, results_with_skipped};
pub use spans::tells_the_end;

use crate::dbt::manifest::Text;
use crate::digest;
use crate::graph::{Graph, Role};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use took::Timing;

/// The content of a `run_results.json` (schema versions 4 to 6: dbt 1.8 to 2.0 alpha).
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The id of the command that wrote the file; the manifest of the same command has the same
    /// id. A command that fails before it runs any node leaves the file of an earlier command
    /// in place.
    pub invocation_id: Option<String>,
    /// `args.which`: the subcommand, such as `run` or `build`. `dbt retry` writes the subcommand
    /// that it repeats.
    pub which: Option<String>,
    /// Set if dbt ran with `--empty`, `--sample` (dbt 1.10 and later) or a range of event time, so
    /// that the relations do not hold their real rows. The text is the reason to record for each
    /// node.
    pub unreal: Option<&'static str>,
    /// In the order of the file. Hooks are included; their `unique_id` begins with `operation.`.
    pub nodes: Vec<NodeResult>,
}

/// One entry of `results` in `run_results.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeResult {
    /// The `unique_id` of the node or hook.
    pub unique_id: String,
    /// dbt's status, such as `success` or `partial success`.
    pub status: String,
    /// dbt's message, such as `INSERT 2` or an error of several lines.
    pub message: Option<String>,
    /// `execution_time`, in wall-clock seconds; 0 if dbt wrote none.
    pub seconds: f64,
    /// From when to when dbt was at work on it, in seconds since some day.
    pub span: Option<(f64, f64)>,
    /// What stands for `compiled_code`: the SHA-256 of the code without white space around it, in
    /// hexadecimal. `None` for nodes without code, such as seeds.
    pub code: Option<String>,
}

#[derive(Deserialize)]
struct RunResultsFile<'a> {
    #[serde(borrow)]
    metadata: RunResultsMetadata<'a>,
    #[serde(borrow, default)]
    args: RunResultsArgs<'a>,
    #[serde(borrow)]
    results: Vec<RunResultsEntry<'a>>,
}

#[derive(Deserialize)]
struct RunResultsMetadata<'a> {
    #[serde(borrow, default)]
    invocation_id: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct RunResultsArgs<'a> {
    #[serde(borrow, default)]
    which: Option<Text<'a>>,
    #[serde(borrow, default)]
    empty: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sample: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_time_start: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_time_end: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RunResultsEntry<'a> {
    #[serde(borrow)]
    unique_id: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(default)]
    execution_time: Option<f64>,
    #[serde(borrow, default)]
    timing: Option<Vec<Timing<'a>>>,
    #[serde(borrow, default)]
    compiled_code: Option<Text<'a>>,
}

impl Results {
    /// Parse the text of a `run_results.json`.
    ///
    /// # Errors
    /// The text is not JSON, or does not have the fields that dbt writes. A truncated file is an
    /// error too.
    pub fn read(text: &str) -> Result<Self> {
        let file: RunResultsFile<'_> =
            serde_json::from_str(text).context("this is not a run_results.json that dbt wrote")?;
        let owned = |text: Text<'_>| text.0.into_owned();
        let node = |entry: RunResultsEntry<'_>| NodeResult {
            unique_id: owned(entry.unique_id),
            status: owned(entry.status),
            message: entry.message.map(owned),
            seconds: entry.execution_time.unwrap_or_default(),
            span: took::span(&entry.timing.unwrap_or_default()),
            code: entry.compiled_code.map(|code| digest::hex_of(code.trim().as_bytes())),
        };
        Ok(Self {
            invocation_id: file.metadata.invocation_id.map(owned),
            unreal: unreal(&file.args),
            which: file.args.which.map(owned),
            nodes: file.results.into_iter().map(node).collect(),
        })
    }

    /// What stands for the code of each node that succeeded ([`NodeResult::code`]), by `unique_id`.
    pub fn codes(&self) -> impl Iterator<Item = (&str, &str)> {
        let succeeded = self.nodes.iter().filter(|node| node.status == "success");
        succeeded.filter_map(|node| Some((node.unique_id.as_str(), node.code.as_deref()?)))
    }

    /// The same, where the log knows better: a dbt 2 that is told to stop reports every node as
    /// failed, those that it had built and those that it had not come to. `log` is of the same
    /// invocation, and tells everything.
    #[must_use]
    pub fn outcome_corrected(&self, graph: &Graph, log: &RunLog) -> Outcome {
        let mut outcome = self.outcome(graph);
        outcome.retain(|id, fate| {
            let is_failed = *fate == Fate::Touched(FAILED);
            let is_wrong =
                matches!(log.outcome.get(id), Some(Fate::Built(_))) || !log.started.contains(id);
            !(is_failed && is_wrong)
        });
        outcome
    }

    /// What the command did to the nodes of `graph`. Entries that are not in the graph, such as
    /// hooks, are left out, and so is everything that a command like `compile` reports, which
    /// builds nothing.
    #[must_use]
    pub fn outcome(&self, graph: &Graph) -> Outcome {
        if !builds(self.which.as_deref()) {
            return Outcome::new();
        }
        let mut outcome = Outcome::new();
        for node in &self.nodes {
            let Some(member) = graph.get(&node.unique_id) else { continue };
            let fate = match fate(&node.status, node.message.as_deref(), node.seconds) {
                Some(Fate::Built(_)) if member.role != Role::Test && self.unreal.is_some() => {
                    self.unreal.map(Fate::Touched)
                }
                fate => fate,
            };
            outcome.extend(fate.map(|fate| (node.unique_id.clone(), fate)));
        }
        outcome
    }
}

/// The reason why `args` say that the relations do not hold their real rows, if they do.
fn unreal(args: &RunResultsArgs<'_>) -> Option<&'static str> {
    let given = |value: Option<&RawValue>| value.is_some_and(|value| value.get() != "false");
    let options = [
        (args.empty, "built with --empty"),
        (args.sample, "built with --sample"),
        (args.event_time_start, "built with --event-time-start"),
        (args.event_time_end, "built with --event-time-end"),
    ];
    options.into_iter().find(|(value, _)| given(*value)).map(|(_, why)| why)
}

/// A UUID from its 32 hexadecimal digits.
fn uuid(digits: &str) -> Option<String> {
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part));
    let parts: Option<Vec<&str>> = parts.into_iter().collect();
    Some(parts.filter(|_| digits.len() == 32)?.join("-"))
}

/// A status says that the node failed.
pub const FAILED: &str = "failed in the last run";

/// Some batches of a microbatch model failed.
pub const PARTLY: &str = "only partly built in the last run";

/// Whether a `success` of this subcommand means that the warehouse holds the node: `compile`
/// reports `success` as well, and builds nothing. An unknown subcommand is assumed to build, so
/// that its statuses decide.
fn builds(which: Option<&str>) -> bool {
    let harmless =
        ["compile", "generate", "list", "parse", "run-operation", "show", "freshness", "docs"];
    !which.is_some_and(|which| harmless.contains(&which))
}

/// What each status of dbt means: `NodeStatus` in dbt-core, and the `node_status` of its log
/// events. `None` if the run did not touch the node. `seconds` are wall-clock seconds.
///
/// | status | dbt versions | fate |
/// |---|---|---|
/// | success | all | built |
/// | pass, warn | all, for tests | built: the baseline holds tests like any other node |
/// | reused | 1.12, 2.0 | built: the relation already is what dbt would build |
/// | error, fail, runtime error | all | touched |
/// | partial success | 1.9, for microbatch models | touched: some batches are missing |
/// | skipped | all | not touched, except by `--fail-fast` |
/// | no-op | 1.10 | not touched: dbt has nothing to do for such a node |
/// | anything else | | touched |
fn fate(status: &str, message: Option<&str>, seconds: f64) -> Option<Fate> {
    match status {
        "success" | "pass" | "warn" | "reused" => Some(Fate::Built(seconds)),
        "error" | "fail" | "runtime error" => Some(Fate::Touched(FAILED)),
        "partial success" => Some(Fate::Touched(PARTLY)),
        // dbt also reports nodes that were running when it cancelled their queries as skipped.
        "skipped" if message.is_some_and(|message| message.contains("fail_fast")) => {
            Some(Fate::Touched("cancelled by --fail-fast in the last run"))
        }
        "skipped" | "no-op" => None,
        _ => Some(Fate::Touched("ended with an unknown status in the last run")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Member;

    fn graph(ids: &[(&str, Role)]) -> Graph {
        ids.iter()
            .map(|(id, role)| ((*id).to_owned(), Member { role: *role, parents: vec![] }))
            .collect()
    }

    fn file(args: &str, results: &[(&str, &str, &str)]) -> Results {
        let entry = |(id, status, message): &(&str, &str, &str)| {
            format!(
                r#"{{"status": "{status}", "unique_id": "{id}", "message": "{message}",
                    "execution_time": 2.5, "timing": [], "adapter_response": {{}}}}"#
            )
        };
        let results: Vec<String> = results.iter().map(entry).collect();
        Results::read(&format!(
            r#"{{"metadata": {{"invocation_id": "i"}}, "args": {args}, "elapsed_time": 1.0,
                "results": [{}]}}"#,
            results.join(",")
        ))
        .unwrap()
    }

    fn outcome_of(status: &str, message: &str) -> Option<Fate> {
        let results = file(r#"{"which": "run"}"#, &[("m", status, message)]);
        results.outcome(&graph(&[("m", Role::Model)])).remove("m")
    }

    #[test]
    fn all_fields_of_run_results_are_read() {
        let results =
            file(r#"{"which": "run", "empty": false, "sample": null}"#, &[("m", "success", "OK")]);
        let node = NodeResult {
            unique_id: "m".into(),
            status: "success".into(),
            message: Some("OK".into()),
            seconds: 2.5,
            span: None,
            code: None,
        };
        let whole = Results {
            invocation_id: Some("i".into()),
            which: Some("run".into()),
            unreal: None,
            nodes: vec![node],
        };
        assert_eq!(results, whole);
    }

    #[test]
    fn every_status_of_dbt_has_a_fate_and_an_unknown_status_counts_as_touched() {
        let built = Some(Fate::Built(2.5));
        for status in ["success", "pass", "warn", "reused"] {
            assert_eq!(outcome_of(status, ""), built, "{status}");
        }
        for status in ["error", "fail", "runtime error", "partial success", "wonderful"] {
            assert!(matches!(outcome_of(status, ""), Some(Fate::Touched(_))), "{status}");
        }
        for status in ["skipped", "no-op"] {
            assert_eq!(outcome_of(status, ""), None, "{status}");
        }
    }

    #[test]
    fn a_node_skipped_by_fail_fast_may_have_been_running() {
        let cancelled = Some(Fate::Touched("cancelled by --fail-fast in the last run"));
        assert_eq!(outcome_of("skipped", "Skipping due to fail_fast"), cancelled);
    }

    #[test]
    fn compiling_a_model_does_not_build_it() {
        let compiled = file(r#"{"which": "compile"}"#, &[("m", "success", "")]);
        assert_eq!(compiled.outcome(&graph(&[("m", Role::Model)])), Outcome::new());
    }

    #[test]
    fn a_build_with_empty_or_sample_touches_models_and_runs_tests() {
        let graph = graph(&[("m", Role::Model), ("t", Role::Test)]);
        for (args, why) in [
            (r#"{"which": "build", "empty": true}"#, "built with --empty"),
            (r#"{"which": "build", "sample": "3 days"}"#, "built with --sample"),
            (
                r#"{"which": "run", "event_time_start": "2026-01-01"}"#,
                "built with --event-time-start",
            ),
        ] {
            let results = file(args, &[("m", "success", ""), ("t", "pass", "")]);
            let expected =
                [("m".to_owned(), Fate::Touched(why)), ("t".to_owned(), Fate::Built(2.5))];
            assert_eq!(results.outcome(&graph), Outcome::from(expected));
        }
    }

    #[test]
    fn hooks_and_nodes_outside_the_graph_have_no_fate() {
        let results = file(r#"{"which": "run"}"#, &[("operation.p.p-on-run-start-0", "error", "")]);
        assert_eq!(results.outcome(&graph(&[("m", Role::Model)])), Outcome::new());
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let whole = r#"{"metadata": {}, "results": [{"unique_id": "m", "status": "success"}]}"#;
        assert!(Results::read(whole).is_ok());
        for end in 0..whole.len() {
            assert!(Results::read(&whole[..end]).is_err(), "{end}");
        }
    }
}
