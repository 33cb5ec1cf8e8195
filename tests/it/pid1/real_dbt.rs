//! A real dbt that is told to stop in the middle of a query that would run for minutes.

use super::harness::{As, Running, command};
use crate::support::dbt;
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;

const PROJECT: [(&str, &str); 4] = [
    ("dbt_project.yml", "{name: slow, version: 1.0.0, profile: slow}"),
    ("profiles.yml", "slow: {target: dev, outputs: {dev: {type: duckdb, path: slow.duckdb}}}"),
    ("models/quick.sql", "select 1 as id"),
    (
        "models/slow.sql",
        "{{ config(materialized='table') }} select count(*) as n from {{ ref('quick') }},
        range(3000000000) a(x), range(1000) b(y) where (x * y) % 7 = 3",
    ),
];

#[test]
fn term_cancels_a_long_query_and_the_finished_nodes_are_known() {
    let Some(dbt) = dbt("1.11") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("models")).expect("a directory");
    for (name, text) in PROJECT {
        fs::write(dir.path().join(name), text).expect("a file");
    }
    let dbt = format!("--dbt={}", dbt.display());
    let words = ["--no-state", "--stop-grace=60", &dbt, "--", "--log-level=debug"];
    let words = [&words[..], &["--no-use-colors", "run"]].concat();
    let Some(mut command) = command(As::Pid1, &words) else { return };
    command.current_dir(dir.path()).env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
    command.env("DBT_PROFILES_DIR", dir.path());
    let mut run = Running::start(As::Pid1, command);
    run.expect_part("range(3000000000)");
    // dbt logs a query just before it sends it; while it runs, dbt is silent.
    while !run.silent_for(Duration::from_secs(1)) {}
    run.kill(Signal::SIGTERM);
    let told = run.rest().join("\n");
    assert_eq!(run.end(), 2, "{told}");
    let results = fs::read(dir.path().join("target/run_results.json")).expect("results");
    let results: serde_json::Value = serde_json::from_slice(&results).expect("JSON");
    let nodes = results["results"].as_array().expect("a list");
    let node = |node: &serde_json::Value| (node["unique_id"].clone(), node["status"].clone());
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    assert_eq!(nodes, [("model.slow.quick".into(), "success".into())], "{told}");
}
