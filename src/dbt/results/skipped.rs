//! Writes the `run_results.json` by which dbt selects nodes with its `result:` method.
//!
//! dbt-core 1.8 to 1.12 reads the file from the `--state` directory. A file that reports some
//! nodes as skipped lets `--select result:skipped+` select exactly those nodes and their
//! descendants, however many there are, without a long command line.

use serde::Serialize;
use std::collections::BTreeSet;

/// Schema version 6, which dbt-core 1.8 to 1.12 reads and writes. These versions refuse a newer one.
const SCHEMA: &str = "https://schemas.getdbt.com/dbt/run-results/v6.json";

#[derive(Serialize)]
struct SkippedFile<'a> {
    metadata: SkippedMetadata,
    results: Vec<SkippedEntry<'a>>,
    elapsed_time: f64,
    args: EmptyObject,
}

#[derive(Serialize)]
struct SkippedMetadata {
    dbt_schema_version: &'static str,
}

/// One entry of `results`. dbt refuses a file in which any of these fields is missing.
#[derive(Serialize)]
struct SkippedEntry<'a> {
    status: &'static str,
    unique_id: &'a str,
    timing: [EmptyObject; 0],
    thread_id: &'static str,
    execution_time: f64,
    adapter_response: EmptyObject,
    message: Option<&'static str>,
    failures: Option<u64>,
    compiled: Option<bool>,
    compiled_code: Option<&'static str>,
    relation_name: Option<&'static str>,
}

/// An empty JSON object, `{}`.
#[derive(Serialize)]
struct EmptyObject {}

/// The text of a `run_results.json` that reports these nodes as skipped, and no others.
#[must_use]
pub fn results_with_skipped(ids: &BTreeSet<String>) -> String {
    let results = ids.iter().map(|id| SkippedEntry {
        status: "skipped",
        unique_id: id,
        timing: [],
        thread_id: "",
        execution_time: 0.0,
        adapter_response: EmptyObject {},
        message: None,
        failures: None,
        compiled: None,
        compiled_code: None,
        relation_name: None,
    });
    let file = SkippedFile {
        metadata: SkippedMetadata { dbt_schema_version: SCHEMA },
        results: results.collect(),
        elapsed_time: 0.0,
        args: EmptyObject {},
    };
    // Strings and numbers can always be serialized.
    serde_json::to_string(&file).unwrap_or_default()
}

/// The text of the `run_results.json` that dbt writes when it has nothing to build: no results.
/// `which` is the subcommand, `invocation` 128 bits in hexadecimal, `at` the time as dbt writes it.
#[must_use]
pub fn results_of_nothing(
    which: &str,
    dbt_version: Option<&str>,
    invocation: &str,
    at: &str,
) -> String {
    serde_json::json!({
        "metadata": {
            "dbt_schema_version": SCHEMA,
            "dbt_version": dbt_version,
            "generated_at": at,
            "invocation_id": super::uuid(invocation),
            "env": {},
        },
        "results": [],
        "elapsed_time": 0.0,
        "args": { "which": which },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::results::Results;

    #[test]
    fn a_run_of_nothing_has_an_invocation_of_its_own_and_no_results() {
        let text = results_of_nothing("build", Some("1.11.16"), &"0123456789abcdef".repeat(2), "t");
        let read = Results::read(&text).unwrap();
        let expected = Results {
            invocation_id: Some("01234567-89ab-cdef-0123-456789abcdef".into()),
            which: Some("build".into()),
            unreal: None,
            nodes: vec![],
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn every_node_is_reported_as_skipped() {
        let ids = BTreeSet::from(["model.p.\"m\"".to_owned(), "seed.p.s".to_owned()]);
        let read = Results::read(&results_with_skipped(&ids)).unwrap();
        let nodes = read.nodes.iter().map(|node| (node.unique_id.as_str(), node.status.as_str()));
        assert_eq!(
            nodes.collect::<Vec<_>>(),
            [("model.p.\"m\"", "skipped"), ("seed.p.s", "skipped")]
        );
    }
}
