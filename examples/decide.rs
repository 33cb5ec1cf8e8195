//! The whole comparison of two manifests, with its time and the memory it took:
//!
//! ```text
//! cargo run --release --example decide -- generate 8000 0 > before.json      (50 MB)
//! cargo run --release --example decide -- generate 8000 5 > now.json         (5 % edited)
//! cargo run --release --example decide -- before.json now.json
//! cargo run --release --example decide -- promote now.json  (a twentieth of the nodes left out)
//! ```

use anyhow::{Context as _, Result};
use dbt_entrypoint::dbt::compare::{compare, fingerprints};
use dbt_entrypoint::dbt::manifest::Manifest;
use dbt_entrypoint::dbt::reads::facets_of_nodes;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::time::Instant;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", models, edited] => generate(models.parse()?, edited.parse()?),
        ["promote", now] => promote(now),
        [before, now] => decide(before, now),
        _ => anyhow::bail!("generate MODELS PERCENT, promote MANIFEST, or two manifests"),
    }
}

/// What happens between two dbt commands, files included.
fn decide(before: &str, now: &str) -> Result<()> {
    let start = Instant::now();
    let (before, now) = (std::fs::read_to_string(before)?, std::fs::read_to_string(now)?);
    let (before, now) = (Manifest::read(&before)?, Manifest::read(&now)?);
    let needs = compare(&before, &now);
    let changed: Vec<&str> = needs.keys().map(String::as_str).collect();
    let fingerprints = fingerprints(&before, &changed).len();
    let (nodes, read) = (now.graph().len(), facets_of_nodes(&now).len());
    let absent: BTreeSet<String> = needs.keys().cloned().collect();
    now.write_without(&absent, &mut io::sink())?;
    let took = start.elapsed();
    let mut out = BufWriter::new(io::stdout().lock());
    for (id, reasons) in &needs {
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        writeln!(out, "{id}\t{}", reasons.join(", "))?;
    }
    let (found, peak) = (needs.len(), peak()?);
    writeln!(
        out,
        "{found} of {nodes} nodes ({fingerprints} fingerprints, the variables of {read}) in {took:?}; {peak}"
    )?;
    Ok(())
}

/// What a manifest goes through to become the next baseline, written to nowhere.
fn promote(now: &str) -> Result<()> {
    let text = std::fs::read_to_string(now)?;
    let manifest = Manifest::read(&text)?;
    let absent = manifest.graph().keys().step_by(20).cloned().collect();
    let read = facets_of_nodes(&manifest).len();
    manifest.write_without(&absent, &mut io::sink())?;
    let peak = peak()?;
    writeln!(io::stdout(), "{} nodes left out, the variables of {read}; {peak}", absent.len())?;
    Ok(())
}

/// The line of proc(5) that tells the most memory that this program has held. The kernel's
/// `ru_maxrss` counts what the process held as another program, before exec.
fn peak() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status").context("the memory used")?;
    Ok(status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned())
}

/// A manifest as dbt 1.11 writes it, on standard output: models of twelve columns, each
/// with a test, in chains of ten; of every hundred the first `edited` have another body.
fn generate(models: usize, edited: usize) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write!(
        out,
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.16", "invocation_id": "i", "project_name": "big", "adapter_type": "duckdb"}}, "nodes": {{"#
    )?;
    for at in 0..models {
        let comma = if at == 0 { "" } else { ", " };
        write!(out, "{comma}{}, {}", model(at, at % 100 < edited), test(at))?;
    }
    write!(out, r#"}}, "sources": {{}}, "macros": {{"#)?;
    for at in 0..MACROS {
        let comma = if at == 0 { "" } else { ", " };
        let next = if at % 5 == 4 { at } else { at + 1 };
        let (id, next, package) = (macro_id(at), macro_id(next), package(at));
        let body = "{%- set x = 1 -%}\\n select {{ x }} ".repeat(25);
        write!(
            out,
            r#"{comma}"{id}": {{"name": "m{at}", "resource_type": "macro", "package_name": "{package}", "path": "macros/m{at}.sql", "original_file_path": "macros/m{at}.sql", "unique_id": "{id}", "macro_sql": "{{% macro m{at}() %}}{body}{{% endmacro %}}", "depends_on": {{"macros": ["{next}"]}}, "description": "", "meta": {{}}, "arguments": [], "created_at": 1.0}}"#
        )?;
    }
    write!(out, r#"}}, "parent_map": {{}}, "child_map": {{}}, "unit_tests": {{}}}}"#)?;
    Ok(())
}

/// dbt and an adapter bring some 510 macros (dbt-core 1.11 with DuckDB), a package like dbt_utils a
/// hundred.
const MACROS: usize = 600;

fn package(at: usize) -> &'static str {
    if at < 500 { "dbt" } else { "big" }
}

fn macro_id(at: usize) -> String {
    format!("macro.{}.m{at}", package(at))
}

const CONFIG: &str = r#""enabled": true, "alias": null, "schema": null, "database": null, "tags": ["t"], "meta": {"owner": "me"}, "group": null, "materialized": "table", "incremental_strategy": null, "batch_size": null, "lookback": 1, "begin": null, "persist_docs": {"relation": true, "columns": true}, "post-hook": [], "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": null, "unique_key": null, "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [], "docs": {"show": true, "node_color": null}, "contract": {"enforced": false, "alias_types": true}, "event_time": null, "concurrent_batches": null, "access": "protected", "freshness": null"#;

fn model(at: usize, edited: bool) -> String {
    let mut columns = String::new();
    for column in 0..12 {
        let comma = if column == 0 { "" } else { ", " };
        let _ = write!(
            columns,
            r#"{comma}"c{column}": {{"name": "c{column}", "description": "Column \"{column}\" of the model.", "meta": {{}}, "data_type": null, "constraints": [], "quote": null, "config": {{"meta": {{}}, "tags": []}}, "tags": [], "granularity": null, "doc_blocks": []}}"#
        );
    }
    let parent =
        if at.is_multiple_of(10) { String::new() } else { format!(r#""model.big.m{}""#, at - 1) };
    let code =
        "select a.c1, a.c2, a.c3 \\n from a where a.c4 > 10 and a.c5 is not null\\n".repeat(8);
    let code = if edited { code + "-- edited" } else { code };
    format!(
        r#""model.big.m{at}": {{"database": "big", "schema": "main", "name": "m{at}", "resource_type": "model", "package_name": "big", "path": "f/m{at}.sql", "original_file_path": "models/f/m{at}.sql", "unique_id": "model.big.m{at}", "fqn": ["big", "f", "m{at}"], "alias": "m{at}", "checksum": {{"name": "sha256", "checksum": "{at:064}"}}, "config": {{{CONFIG}}}, "tags": ["t"], "description": "A model of \"many\".", "columns": {{{columns}}}, "meta": {{}}, "docs": {{"show": true, "node_color": null}}, "patch_path": "big://models/f/s.yml", "build_path": null, "unrendered_config": {{"materialized": "{{{{ env_var('MAT', 'table') }}}}", "meta": {{"owner": "me"}}, "persist_docs": {{"relation": true, "columns": true}}, "tags": ["t"]}}, "created_at": 1795447034.1, "relation_name": "\"big\".\"main\".\"m{at}\"", "raw_code": "{code}", "language": "sql", "refs": [], "sources": [], "metrics": [], "depends_on": {{"macros": ["{}"], "nodes": [{parent}]}}, "compiled_path": null, "contract": {{"enforced": false, "alias_types": true, "checksum": null}}, "access": "protected", "constraints": [], "version": null, "latest_version": null, "deprecation_date": null, "primary_key": []}}"#,
        macro_id(at % MACROS)
    )
}

fn test(at: usize) -> String {
    format!(
        r#""test.big.not_null_m{at}_c1.0": {{"test_metadata": {{"name": "not_null", "kwargs": {{"column_name": "c1", "model": "{{{{ get_where_subquery(ref('m{at}')) }}}}"}}, "namespace": null}}, "database": "big", "schema": "main_dbt_test__audit", "name": "not_null_m{at}_c1", "resource_type": "test", "package_name": "big", "path": "not_null_m{at}_c1.sql", "original_file_path": "models/f/s.yml", "unique_id": "test.big.not_null_m{at}_c1.0", "fqn": ["big", "f", "not_null_m{at}_c1"], "alias": "not_null_m{at}_c1", "checksum": {{"name": "none", "checksum": ""}}, "config": {{"enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null, "tags": [], "meta": {{}}, "group": null, "materialized": "test", "severity": "ERROR", "store_failures": null, "store_failures_as": null, "where": null, "limit": null, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0"}}, "tags": [], "description": "", "columns": {{}}, "meta": {{}}, "docs": {{"show": true, "node_color": null}}, "patch_path": null, "build_path": null, "unrendered_config": {{}}, "created_at": 1795447034.1, "relation_name": null, "raw_code": "{{{{ test_not_null(**_dbt_generic_test_kwargs) }}}}", "language": "sql", "refs": [{{"name": "m{at}", "package": null, "version": null}}], "sources": [], "metrics": [], "depends_on": {{"macros": ["macro.dbt.test_not_null"], "nodes": ["model.big.m{at}"]}}, "compiled_path": null, "contract": {{"enforced": false, "alias_types": true, "checksum": null}}, "column_name": "c1", "file_key_name": "models.m{at}", "attached_node": "model.big.m{at}"}}"#
    )
}
