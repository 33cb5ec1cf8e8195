//! The parse that we put before a run, in real projects.

use super::pythons;
use dbt_entrypoint::dbt::command::Command;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command as Process, Output};

const PROFILES: &str = "
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: dev.duckdb}
    prod: {type: duckdb, path: prod.duckdb}
";

/// A project whose only model depends on a variable.
fn shop() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(project.path().join(name), text).unwrap();
    std::fs::create_dir(project.path().join("models")).unwrap();
    write("dbt_project.yml", "name: shop\nversion: '1.0'\nprofile: shop\n");
    write("profiles.yml", PROFILES);
    write("models/a.sql", "select {{ var('x') }} as x");
    project
}

fn dbt(python: &Path, project: &Path, words: &[OsString]) -> Output {
    Process::new(python.with_file_name("dbt"))
        .args(words)
        .current_dir(project)
        .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        .output()
        .unwrap()
}

#[test]
fn a_run_starts_warm_from_the_parse_before_it() {
    let line = ["--no-use-colors", "run", "-tprod", "--vars", "{x: 2}", "--threads=2", "-s", "a b"];
    let command = Command::parse(line.map(OsString::from).into(), &Default::default());
    for (version, python) in pythons() {
        let project = shop();
        let parse = dbt(&python, project.path(), &command.as_parse());
        assert_eq!((parse.status.code(), parse.stdout.len()), (Some(0), 0), "{version}: {parse:?}");
        let run = dbt(&python, project.path(), &command.with_write_json());
        assert_eq!(run.status.code(), Some(0), "{version}: {run:?}");
        let log = std::fs::read_to_string(project.path().join("logs/dbt.log")).unwrap();
        assert!(log.contains("no changes found, skipping parsing"), "{version}: {log}");
    }
}
