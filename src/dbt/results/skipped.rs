//! Nodes as a `run_results.json` for dbt's selection method `result:`.

use serde::Serialize;
use std::collections::BTreeSet;

/// Schema v6, which dbt-core 1.8 to 1.12 read and write; they refuse a later one.
const SCHEMA: &str = "https://schemas.getdbt.com/dbt/run-results/v6.json";

#[derive(Serialize)]
struct File<'a> {
    metadata: Metadata,
    results: Vec<Entry<'a>>,
    elapsed_time: f64,
    args: Nothing,
}

#[derive(Serialize)]
struct Metadata {
    dbt_schema_version: &'static str,
}

/// All of these are asked for.
#[derive(Serialize)]
struct Entry<'a> {
    status: &'static str,
    unique_id: &'a str,
    timing: [Nothing; 0],
    thread_id: &'static str,
    execution_time: f64,
    adapter_response: Nothing,
    message: Option<&'static str>,
    failures: Option<u64>,
    compiled: Option<bool>,
    compiled_code: Option<&'static str>,
    relation_name: Option<&'static str>,
}

/// An empty object.
#[derive(Serialize)]
struct Nothing {}

/// What a dbt command would have written that skipped these nodes and did nothing else.
#[must_use]
pub fn skipped(ids: &BTreeSet<String>) -> String {
    let results = ids.iter().map(|id| Entry {
        status: "skipped",
        unique_id: id,
        timing: [],
        thread_id: "",
        execution_time: 0.0,
        adapter_response: Nothing {},
        message: None,
        failures: None,
        compiled: None,
        compiled_code: None,
        relation_name: None,
    });
    let file = File {
        metadata: Metadata { dbt_schema_version: SCHEMA },
        results: results.collect(),
        elapsed_time: 0.0,
        args: Nothing {},
    };
    // Strings and numbers: there is nothing in it that could not be written.
    serde_json::to_string(&file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::results::read;

    #[test]
    fn each_node_is_told_as_skipped() {
        let ids = BTreeSet::from(["model.p.\"m\"".to_owned(), "seed.p.s".to_owned()]);
        let read = read(&skipped(&ids)).unwrap();
        let told = read.nodes.iter().map(|node| (node.unique_id.as_str(), node.status.as_str()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [("model.p.\"m\"", "skipped"), ("seed.p.s", "skipped")]
        );
    }
}
