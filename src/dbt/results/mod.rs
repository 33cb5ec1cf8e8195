//! What a dbt command did to each node: `run_results.json`, and [`journal()`] for a command that
//! did not live to write it.

mod fate;
mod journal;
mod listed;
mod skipped;

pub use fate::{Fate, Outcome};
pub use journal::{Journal, journal};
pub use listed::listed;
pub use skipped::skipped;

use crate::dbt::manifest::Text;
use crate::graph::{Graph, Role};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// `run_results.json` (schemas v4 to v6: dbt 1.8 to 2.0 alpha).
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Equal to that of the manifest that the same command wrote. dbt leaves a stale file in
    /// place when it fails before it runs anything.
    pub invocation_id: Option<String>,
    /// The subcommand: `run`, `build`… A `retry` says which command it repeated.
    pub which: Option<String>,
    /// `--empty` or `--sample` (dbt 1.10+): what was built is not the real thing.
    pub unreal: Option<&'static str>,
    /// In the order of the file; hooks are among them, as `operation.…`.
    pub nodes: Vec<NodeResult>,
}

/// What happened to one node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeResult {
    /// Of the node.
    pub unique_id: String,
    /// In dbt's word, e.g. `success` or `partial success`.
    pub status: String,
    /// dbt's words on it, e.g. `INSERT 2` or an error in several lines.
    pub message: Option<String>,
    /// `execution_time`: wall seconds.
    pub seconds: f64,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    args: Args<'a>,
    #[serde(borrow)]
    results: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    invocation_id: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct Args<'a> {
    #[serde(borrow, default)]
    which: Option<Text<'a>>,
    #[serde(borrow, default)]
    empty: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sample: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    unique_id: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(default)]
    execution_time: Option<f64>,
}

/// Read `run_results.json`.
///
/// # Errors
/// When it is not JSON or not of that shape; a torn file is not read in part.
pub fn read(text: &str) -> Result<Results> {
    let file: File<'_> =
        serde_json::from_str(text).context("this is not a run_results.json that dbt wrote")?;
    let owned = |text: Text<'_>| text.0.into_owned();
    let node = |entry: Entry<'_>| NodeResult {
        unique_id: owned(entry.unique_id),
        status: owned(entry.status),
        message: entry.message.map(owned),
        seconds: entry.execution_time.unwrap_or_default(),
    };
    Ok(Results {
        invocation_id: file.metadata.invocation_id.map(owned),
        unreal: unreal(&file.args),
        which: file.args.which.map(owned),
        nodes: file.results.into_iter().map(node).collect(),
    })
}

fn unreal(args: &Args<'_>) -> Option<&'static str> {
    let given = |value: Option<&RawValue>| value.is_some_and(|value| value.get() != "false");
    match (given(args.empty), given(args.sample)) {
        (true, _) => Some("built with --empty"),
        (false, true) => Some("built with --sample"),
        (false, false) => None,
    }
}

/// What the command did to the nodes of `graph`.
#[must_use]
pub fn outcome(results: &Results, graph: &Graph) -> Outcome {
    if !builds(results.which.as_deref()) {
        return Outcome::new();
    }
    let mut outcome = Outcome::new();
    for node in &results.nodes {
        let Some(member) = graph.get(&node.unique_id) else { continue };
        let fate = match fate(&node.status, node.message.as_deref(), node.seconds) {
            Some(Fate::Built(_)) if member.role != Role::Test && results.unreal.is_some() => {
                results.unreal.map(Fate::Touched)
            }
            fate => fate,
        };
        outcome.extend(fate.map(|fate| (node.unique_id.clone(), fate)));
    }
    outcome
}

/// Whether a `success` of this subcommand means that something stands in the warehouse: a
/// compiled model is a `success` as well. A command that we do not know is taken to build; its
/// statuses then decide.
fn builds(which: Option<&str>) -> bool {
    let harmless =
        ["compile", "generate", "list", "parse", "run-operation", "show", "freshness", "docs"];
    !which.is_some_and(|which| harmless.contains(&which))
}

/// The one table of dbt's statuses (`NodeStatus` in dbt, and what its log events say).
///
/// | status | dbt | fate |
/// |---|---|---|
/// | success | all | built |
/// | pass, warn | all, tests | built: tests stand in the baseline like anything else |
/// | reused | 1.12, 2.0 | built: dbt found that what stands there is what it would build |
/// | error, fail, runtime error | all | touched |
/// | partial success | 1.9, microbatch | touched: some batches are missing |
/// | skipped | all | untouched, unless by `--fail-fast` |
/// | no-op | 1.10 | untouched: dbt has nothing to do for such a node |
/// | anything else | | touched |
fn fate(status: &str, message: Option<&str>, seconds: f64) -> Option<Fate> {
    match status {
        "success" | "pass" | "warn" | "reused" => Some(Fate::Built(seconds)),
        "error" | "fail" | "runtime error" => Some(Fate::Touched("failed in the last run")),
        "partial success" => Some(Fate::Touched("built only in part in the last run")),
        // dbt says this of the nodes in flight as well, whose queries it cancelled.
        "skipped" if message.is_some_and(|said| said.contains("fail_fast")) => {
            Some(Fate::Touched("cut off when the last run failed fast"))
        }
        "skipped" | "no-op" => None,
        _ => Some(Fate::Touched("ended in a way that this program does not know")),
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
        read(&format!(
            r#"{{"metadata": {{"invocation_id": "i"}}, "args": {args}, "elapsed_time": 1.0,
                "results": [{}]}}"#,
            results.join(",")
        ))
        .unwrap()
    }

    fn outcome_of(status: &str, message: &str) -> Option<Fate> {
        let results = file(r#"{"which": "run"}"#, &[("m", status, message)]);
        outcome(&results, &graph(&[("m", Role::Model)])).remove("m")
    }

    #[test]
    fn a_file_of_results_is_read_whole() {
        let results =
            file(r#"{"which": "run", "empty": false, "sample": null}"#, &[("m", "success", "OK")]);
        let node = NodeResult {
            unique_id: "m".into(),
            status: "success".into(),
            message: Some("OK".into()),
            seconds: 2.5,
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
    fn every_status_of_dbt_has_a_fate_and_an_unknown_one_is_not_trusted() {
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
    fn a_node_skipped_by_fail_fast_may_have_been_in_flight() {
        let cut = Some(Fate::Touched("cut off when the last run failed fast"));
        assert_eq!(outcome_of("skipped", "Skipping due to fail_fast"), cut);
    }

    #[test]
    fn a_compiled_model_is_not_a_built_one() {
        let compiled = file(r#"{"which": "compile"}"#, &[("m", "success", "")]);
        assert_eq!(outcome(&compiled, &graph(&[("m", Role::Model)])), Outcome::new());
    }

    #[test]
    fn an_empty_or_sampled_build_touches_models_and_runs_tests() {
        let graph = graph(&[("m", Role::Model), ("t", Role::Test)]);
        for (args, why) in [
            (r#"{"which": "build", "empty": true}"#, "built with --empty"),
            (r#"{"which": "build", "sample": "3 days"}"#, "built with --sample"),
        ] {
            let results = file(args, &[("m", "success", ""), ("t", "pass", "")]);
            let expected =
                [("m".to_owned(), Fate::Touched(why)), ("t".to_owned(), Fate::Built(2.5))];
            assert_eq!(outcome(&results, &graph), Outcome::from(expected));
        }
    }

    #[test]
    fn hooks_and_strangers_have_no_fate() {
        let results = file(r#"{"which": "run"}"#, &[("operation.p.p-on-run-start-0", "error", "")]);
        assert_eq!(outcome(&results, &graph(&[("m", Role::Model)])), Outcome::new());
    }

    #[test]
    fn a_torn_file_is_refused() {
        let whole = r#"{"metadata": {}, "results": [{"unique_id": "m", "status": "success"}]}"#;
        assert!(read(whole).is_ok());
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}
