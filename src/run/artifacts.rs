//! dbt's artifacts of one invocation: `manifest.json`, `run_results.json` and its log.
//!
//! A stale `run_results.json` of an earlier invocation may lie about, and dbt rewrites
//! `manifest.json` before it has built anything: only matching invocation ids count.

use crate::dbt::json;
use crate::dbt::manifest::invocation_id_of;
use crate::dbt::results::{Failures, Fate, Outcome, Results, RunLog, results_of_nothing};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::doubt;
use crate::graph::Graph;
use crate::os::{clock, random};
use crate::say;
use crate::session::Session;
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// What dbt did to each node.
const RESULTS: &str = "run_results.json";

/// More than dbt writes before the nodes; it begins a manifest with the metadata.
const HEAD: u64 = 1 << 16;

/// What an invocation tells of the nodes that it came to.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// `run_results.json`, when it is of the same invocation.
    results: Option<Results>,
    /// What its log says; `None` where the log is of another invocation.
    journal: Option<RunLog>,
}

/// The text of the manifest under `target`, if there is one.
pub(super) fn manifest(target: &Path) -> Option<String> {
    read(&target.join("manifest.json"))
}

/// The invocation that wrote the manifest under `target`, if there is one.
pub(super) fn invocation(target: &Path) -> Option<String> {
    let mut head = Vec::new();
    let file = File::open(target.join("manifest.json")).ok()?;
    file.take(HEAD).read_to_end(&mut head).ok()?;
    invocation_id_of(&String::from_utf8_lossy(&head))
        .or_else(|| invocation_id_of(&manifest(target)?))
}

/// The manifests that the invocation after `before` left, whole or not: first the one that it wrote
/// last, then `copy`, which was taken when its first node began and serves where dbt was killed
/// while it rewrote the other. `logged` is the invocation of its log: where there is a log, the
/// manifest of another dbt in the same directory does not count.
pub(super) fn manifests(
    before: Option<String>,
    logged: Option<String>,
    target: &Path,
    copy: impl FnOnce() -> Option<String>,
) -> impl Iterator<Item = String> {
    let last = target.join("manifest.json");
    let texts = std::iter::once_with(move || read(&last)).chain(std::iter::once_with(copy));
    texts.flatten().filter(move |text| {
        let id = invocation_id_of(text);
        id.is_some() && if logged.is_some() { id == logged } else { id != before }
    })
}

/// The invocation of the last dbt that logged JSON lines in this directory.
pub(super) fn logged_invocation(log_dir: &Path) -> Option<String> {
    let log = fs::read(log_dir.join("dbt.log")).unwrap_or_default();
    RunLog::read(String::from_utf8_lossy(&log).lines()).invocation_id
}

impl Artifacts {
    /// What this invocation left, besides a manifest.
    pub(super) fn of(id: Option<&str>, target: &Path, journal: RunLog) -> Self {
        let results = read(&target.join(RESULTS))
            .and_then(|text| Results::read(&text).ok())
            .filter(|results| results.invocation_id.as_deref() == id);
        let same = journal.invocation_id.is_none() || journal.invocation_id.as_deref() == id;
        Self { results, journal: same.then_some(journal) }
    }

    /// Whether dbt wrote its results.
    pub(super) fn has_results(&self) -> bool {
        self.results.is_some()
    }

    /// Whether the log is of this invocation, as far as it says.
    pub(super) fn has_log(&self) -> bool {
        self.journal.is_some()
    }

    /// The nodes in the results, whatever became of them.
    pub(super) fn reported(&self) -> BTreeSet<&str> {
        let nodes = self.results.iter().flat_map(|results| &results.nodes);
        nodes.map(|node| node.unique_id.as_str()).into_tree()
    }

    /// Those of these nodes that are neither in the results nor in the log.
    pub(super) fn without_news<'d>(
        &self,
        due: &'d BTreeSet<String>,
    ) -> impl Iterator<Item = &'d str> {
        let reported = self.reported();
        let logged = self.journal.iter().flat_map(|journal| &journal.started);
        let known: BTreeSet<&str> =
            reported.into_iter().chain(logged.map(String::as_str)).into_tree();
        let silent: Vec<&str> =
            due.iter().map(String::as_str).filter(|id| !known.contains(id)).collect();
        silent.into_iter()
    }

    /// What stands on the volume for the code that each node was built from, as far as dbt reported it.
    pub(super) fn code_digests(
        &self,
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
    ) -> BTreeMap<String, String> {
        let codes = self.results.iter().flat_map(Results::codes);
        let digest = |code| doubt::code_digest(now, baseline, code);
        codes.map(|(id, code)| (id.to_owned(), digest(code))).into_tree()
    }

    /// How long the builds took together, if dbt says so.
    pub(super) fn builds_took(&self, graph: &Graph) -> Option<f64> {
        self.results.as_ref().and_then(|results| results.builds_took(graph))
    }

    /// What dbt says of the nodes that failed.
    pub(super) fn failures(&self) -> Failures {
        let failures = self.results.as_ref().map(Results::failures).unwrap_or_default();
        match &self.journal {
            Some(log) => failures.corrected(log),
            None => failures,
        }
    }

    /// What happened to each node: the results, and whatever only the log knows.
    pub(super) fn outcome(&self, graph: &Graph) -> Outcome {
        let mut outcome =
            self.journal.as_ref().map(|journal| of_journal(journal, graph)).unwrap_or_default();
        match (&self.results, &self.journal) {
            (Some(results), Some(log)) if log.ended => {
                outcome.extend(results.outcome_corrected(graph, log));
            }
            (Some(results), _) => outcome.extend(results.outcome(graph)),
            (None, _) => {}
        }
        outcome
    }
}

/// What a log tells of the nodes of a graph.
pub(super) fn of_journal(journal: &RunLog, graph: &Graph) -> Outcome {
    let in_flight = journal.in_flight().map(|id| (id.to_owned(), Fate::CutShort));
    let finished = journal.outcome.iter().map(|(id, fate)| (id.clone(), fate.clone()));
    in_flight.chain(finished).filter(|(id, _)| graph.contains_key(id)).into_tree()
}

/// Leave the `run_results.json` of a run that built nothing, as dbt does, so that whoever reads it
/// does not take the one of an earlier run for that of this one. Without it, nothing else changes.
pub(super) fn leave_empty_results(session: &Session) {
    let target = &session.project.target_path;
    let which = session.command.subcommand().unwrap_or_default();
    let version = session.engine.version().map(|version| version.to_string());
    let write = || -> anyhow::Result<()> {
        let (id, at) = (random::salt()?, clock::iso(clock::now()));
        fs::create_dir_all(target)?;
        let fresh = target.join(".run_results.json");
        fs::write(&fresh, results_of_nothing(which, version.as_deref(), &id, &at))?;
        Ok(fs::rename(&fresh, target.join(RESULTS))?)
    };
    if let Err(why) = write() {
        say::no_empty_results(target, &why);
    }
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(json::standard)
}
