//! The names and values that we find for each node, against what a real dbt reads.

mod location;
mod places;

use crate::support::{dbt, root, variable};
use dbt_entrypoint::dbt::compare::{compare, differing};
use dbt_entrypoint::dbt::engine::Engine;
use dbt_entrypoint::dbt::manifest::Manifest;
use dbt_entrypoint::dbt::reads::{self, fingerprints};
use dbt_entrypoint::environment::Environment;
use dbt_entrypoint::os::project::{Asked, locate_from};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The project of [`places`] with the dbt that is asked about it.
struct Project {
    dir: TempDir,
    dbt: PathBuf,
}

/// By `unique_id`: `env_var:NAME` and the like.
type Keys = BTreeMap<String, BTreeSet<String>>;

impl Project {
    fn new(version: &str) -> Option<Self> {
        let project = Self { dbt: dbt(version)?, dir: tempfile::tempdir().expect("a directory") };
        for (name, text) in places::FILES {
            let path = project.path().join(name);
            fs::create_dir_all(path.parent().expect("in the project")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        fs::write(project.path().join("packages.yml"), "packages: [{local: dbt_packages/parts}]")
            .expect("a file");
        Some(project)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The manifest that dbt writes with these values.
    fn manifest(&self, subcommand: &str, environment: &Environment, vars: &str) -> String {
        let output = Command::new(&self.dbt)
            .args(["--no-partial-parse", subcommand, "--vars", vars])
            .current_dir(self.path())
            .env_clear()
            .envs(environment)
            .output()
            .expect("dbt starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "dbt {subcommand}: {said}");
        fs::read_to_string(self.path().join("target/manifest.json")).expect("a manifest")
    }

    fn prints(
        &self,
        manifest: &Manifest<'_>,
        environment: &Environment,
        vars: &str,
    ) -> BTreeMap<String, BTreeMap<String, String>> {
        let asked = Asked { vars: Some(OsStr::new(vars)), ..Asked::default() };
        let project = locate_from(self.path(), &asked, environment).expect("a project");
        let vars = project.vars(&Engine::that_wrote(manifest.dbt_version())).expect("vars");
        for (name, value) in [("v_scoped", "scoped"), ("v_own", "own"), ("v_global", "root")] {
            let here = vars.value("parts", name).expect("it is set");
            let given = asked.vars.is_some_and(|vars| vars.to_string_lossy().contains(name));
            assert!(given || here == format!("{value:?}"), "{name} is {here}");
        }
        let of = |(id, facets): (String, reads::Facets)| {
            let package = manifest.node(&id).map_or("", |node| &*node.package_name);
            let prints = fingerprints(&facets, package, "salt", &vars, environment);
            (id, prints)
        };
        reads::facets_of_nodes(manifest).into_iter().map(of).collect()
    }

    /// What dbt itself noted while it parsed (`target/partial_parse.msgpack`): the variables
    /// that were read for a file, by `unique_id`.
    fn noted_by_dbt(&self) -> Keys {
        let output = Command::new(self.dbt.with_file_name("python"))
            .arg(root().join("tests/it/inputs/noted.py"))
            .arg(self.path().join("target/partial_parse.msgpack"))
            .output()
            .expect("python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn environment(others: &[&str]) -> Environment {
    let base = [("PATH", variable("PATH")), ("HOME", Some("/nonexistent".into()))];
    let base = base.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
    base.chain(others.iter().map(|name| ((*name).into(), "other".into()))).collect()
}

fn keys(prints: &BTreeMap<String, BTreeMap<String, String>>) -> Keys {
    let built =
        |id: &&String| ["model.", "seed.", "snapshot."].iter().any(|kind| id.starts_with(kind));
    let ids = prints.keys().filter(built);
    ids.map(|id| (id.clone(), prints[id].keys().cloned().collect())).collect()
}

fn expected() -> Keys {
    let of = |(id, read): &(&str, &[&str])| {
        ((*id).to_owned(), read.iter().map(|key| (*key).to_owned()).collect())
    };
    places::READ.iter().map(of).collect()
}

/// dbt before 1.12 writes what it rendered, instead of what is written, of `config:` in
/// `schema.yml`: there the comparison of the rendered configuration is the one that sees it.
fn rendered_beforehand(version: &str, id: &str) -> bool {
    version != "1.12" && id == "model.shop.yaml_config"
}

/// What of a node dbt's rendering may change; hooks and materializations are rendered only
/// when they run.
fn rendered(manifest: &str) -> BTreeMap<String, String> {
    let manifest: Value = serde_json::from_str(manifest).expect("a manifest");
    let nodes = manifest["nodes"].as_object().expect("nodes");
    let of = |(id, node): (&String, &Value)| {
        let parts = ["compiled_code", "config", "depends_on"].map(|part| node[part].to_string());
        (id.clone(), parts.concat())
    };
    nodes.iter().map(of).collect()
}

fn every_place_is_known_and_dbt_reads_nothing_else(version: &str) {
    let Some(project) = Project::new(version) else { return };
    let (before, after) = (environment(&[]), environment(places::OTHER_ENVIRONMENT));
    let first = project.manifest("compile", &before, "{}");
    let old = Manifest::read(&first).expect("a manifest");
    let prints = project.prints(&old, &before, "{}");
    let known = keys(&prints);
    for (id, read) in expected() {
        let seen = !rendered_beforehand(version, &id);
        assert_eq!(known[&id], if seen { read } else { BTreeSet::new() }, "{id}");
    }
    assert_eq!(known.len(), expected().len());

    // By the same precedence as ours, which `prints` looks at.
    assert!(first.contains("select 'scoped/own/root' as a"));

    let noted_by_dbt = project.noted_by_dbt();
    assert!(noted_by_dbt.values().filter(|names| !names.is_empty()).count() >= 15);
    for (id, noted) in noted_by_dbt {
        let all = known[&id].contains("env_var:*") || rendered_beforehand(version, &id);
        let missed: Vec<_> = noted.difference(&known[&id]).collect();
        assert!(missed.is_empty() || all, "{id} reads {missed:?}");
    }

    let second = project.manifest("compile", &after, places::OTHER_VARS);
    let new = Manifest::read(&second).expect("a manifest");
    let now = project.prints(&new, &after, places::OTHER_VARS);
    let compared = compare(&old, &new);
    let (first, second) = (rendered(&first), rendered(&second));
    for (id, read) in expected() {
        let mut reasons = differing(&prints[&id], &now[&id]);
        assert_eq!(reasons.is_empty(), known[&id].is_empty(), "{id}: {reasons:?}");
        reasons.extend(compared.get(&id).cloned().unwrap_or_default());
        assert_eq!(reasons.is_empty(), read.is_empty(), "{id}: {reasons:?}");
        // A reader of an ephemeral model holds its code; the ephemeral model has the reason.
        let same = first[&id] == second[&id] || id == "model.shop.reader";
        assert!(same || !reasons.is_empty(), "dbt renders {id} differently");
    }
    let differ = expected().keys().filter(|id| first[*id] != second[*id]).count();
    assert!(differ >= 20, "dbt rendered {differ} nodes differently: that proves little");
}

#[test]
fn every_place_is_known_and_dbt_1_9_reads_nothing_else() {
    every_place_is_known_and_dbt_reads_nothing_else("1.9");
}

#[test]
fn every_place_is_known_and_dbt_1_11_reads_nothing_else() {
    every_place_is_known_and_dbt_reads_nothing_else("1.11");
}

#[test]
fn every_place_is_known_and_dbt_1_12_reads_nothing_else() {
    every_place_is_known_and_dbt_reads_nothing_else("1.12");
}
