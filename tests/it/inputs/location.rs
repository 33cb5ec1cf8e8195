//! Where dbt finds and leaves its files, and what it adds to the environment.

use crate::support::{dbt, variable};
use dbt_entrypoint::dbt::reads::dotenv::effective_environment;
use dbt_entrypoint::environment::Environment;
use dbt_entrypoint::os::project::{Asked, find_dotenv, locate_from};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("in the tree")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    dir
}

fn run(dbt: &Path, here: &Path, environment: &Environment, words: &[&str]) {
    let output = Command::new(dbt)
        .args(words)
        .current_dir(here)
        .env_clear()
        .envs(environment)
        .output()
        .expect("dbt starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "dbt {words:?}: {said}");
}

fn environment(home: &Path, others: &[(&str, &str)]) -> Environment {
    let base = [("PATH", variable("PATH")), ("HOME", Some(home.into()))];
    let base = base.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
    base.chain(others.iter().map(|(name, value)| ((*name).into(), (*value).into()))).collect()
}

const PROJECT: &str = "name: shop\nprofile: shop\nversion: '1.0'\nconfig-version: 2\n\
    flags: {send_anonymous_usage_stats: false}\nlog-path: l\n\
    target-path: \"{{ env_var('T', 't') }}/{{ target.name }}\"\n";

const PROFILES: &str = "shop: {target: \"{{ env_var('WHERE', 'dev') }}\", outputs: \
    {dev: {type: duckdb, path: w.duckdb, schema: \"{{ var('s', 'main') }}\"}}}\n";

#[test]
fn files_are_where_dbt_leaves_them() {
    let Some(dbt) = dbt("1.11") else { return };
    let tree = tree(&[
        ("a/dbt_project.yml", PROJECT),
        ("a/models/m.sql", "select 1 as a"),
        ("home/.dbt/profiles.yml", PROFILES),
    ]);
    let (here, home) = (tree.path().join("a/models"), tree.path().join("home"));
    let environment = environment(&home, &[("T", "x")]);
    run(&dbt, &here, &environment, &["run", "--vars", "{s: other}"]);
    let asked = Asked { vars: Some(OsStr::new("{s: other}")), ..Asked::default() };
    let found = locate_from(&here, &asked, &environment).expect("a project");
    assert!(found.target_path.join("manifest.json").is_file(), "{found:#?}");
    assert!(found.log_path.join("dbt.log").is_file(), "{found:#?}");
    assert!(Path::new(&found.identity.location["path"]).is_file(), "{found:#?}");
    let manifest = fs::read_to_string(found.target_path.join("manifest.json")).expect("text");
    let relation = format!("\\\"{}\\\".\\\"m\\\"", found.identity.location["schema"]);
    assert!(manifest.contains(&relation), "no {relation}");

    let asked =
        Asked { target_path: Some(OsStr::new("tt")), log_path: Some(OsStr::new("ll")), ..asked };
    let words = ["--log-path", "ll", "parse", "--target-path", "tt", "--vars", "{s: other}"];
    run(&dbt, &here, &environment, &words);
    let found = locate_from(&here, &asked, &environment).expect("a project");
    assert!(found.target_path.join("manifest.json").is_file(), "{found:#?}");
    assert!(found.log_path.join("dbt.log").is_file(), "{found:#?}");
}

#[test]
fn since_1_12_dbt_adds_a_dotenv_from_above_to_the_environment() {
    let Some(dbt) = dbt("1.12") else { return };
    let names = ["A", "B", "C", "D"];
    let model = names.map(|name| format!("{{{{ env_var('{name}', 'unset') }}}}")).join("/");
    let tree = tree(&[
        (".env", "A=file\nexport B=\"of ${A} and ${C:-none}\" # comment\nD=\n"),
        ("a/dbt_project.yml", PROJECT),
        ("a/models/m.sql", &model),
        ("home/.dbt/profiles.yml", PROFILES),
    ]);
    let (here, home) = (tree.path().join("a"), tree.path().join("home"));
    let environment = environment(&home, &[("A", "outer")]);
    run(&dbt, &here, &environment, &["compile"]);
    let compiled = fs::read_to_string(here.join("t/dev/compiled/shop/models/m.sql")).expect("SQL");
    let text = find_dotenv(&here).expect("readable").map(|(_, text)| text);
    let seen = effective_environment(&environment, text.as_deref());
    let value = |name: &str| match seen.get(OsStr::new(name)) {
        Some(value) => value.to_string_lossy().into_owned(),
        None => "unset".to_owned(),
    };
    assert_eq!(compiled, names.map(value).join("/"));
    assert_eq!(compiled, "outer/of outer and none/unset/");
}
