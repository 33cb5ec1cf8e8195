//! dbt's artifacts of one invocation: `manifest.json`, `run_results.json` and its log.
//!
//! A stale `run_results.json` of an earlier invocation may lie about, and dbt rewrites
//! `manifest.json` before it has built anything: only matching invocation ids count.

use crate::dbt::manifest::{begun_by, invocation_of};
use crate::dbt::results::{self, Journal};
use crate::decide::baseline::{Fate, Graph, Outcome};
use crate::trees::IntoTree;
use std::path::Path;

/// What an invocation left behind.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// The text of the manifest that it wrote.
    pub(super) manifest: String,
    /// `run_results.json`, when it is of the same invocation.
    pub(super) results: Option<results::Results>,
    /// What its log says; empty where it kept none.
    pub(super) journal: Journal,
}

/// The text of the manifest under `target`, if there is one.
pub(super) fn manifest(target: &Path) -> Option<String> {
    read(&target.join("manifest.json"))
}

/// The invocation that wrote the manifest under `target`, if there is one.
pub(super) fn invocation(target: &Path) -> Option<String> {
    begun_by(&manifest(target)?)
}

/// What the invocation after `before` left; `copy` is the manifest as its first node began,
/// for a dbt that was killed while it rewrote the original. `None`: nothing was begun.
pub(super) fn since(
    before: Option<&str>,
    target: &Path,
    log: &Path,
    copy: &Path,
) -> Option<Artifacts> {
    let journal = journal(log);
    let manifest = [target.join("manifest.json"), copy.to_owned()].iter().find_map(|path| {
        let text = read(path)?;
        let id = invocation_of(&text)?;
        let ours = Some(&*id) != before || journal.invocation_id.as_ref() == Some(&id);
        ours.then_some((text, id))
    })?;
    let (manifest, id) = (manifest.0, Some(manifest.1));
    let results = read(&target.join("run_results.json"))
        .and_then(|text| results::read(&text).ok())
        .filter(|results| results.invocation_id == id);
    let journal = if journal.invocation_id == id { journal } else { Journal::default() };
    Some(Artifacts { manifest, results, journal })
}

/// What a log of dbt's says; an empty journal where there is none.
pub(super) fn journal(log: &Path) -> Journal {
    let bytes = std::fs::read(log).unwrap_or_default();
    results::journal(String::from_utf8_lossy(&bytes).lines())
}

impl Artifacts {
    /// What happened to each node: the results, and whatever only the log knows.
    pub(super) fn outcome(&self, graph: &Graph) -> Outcome {
        let mut outcome = told(&self.journal, graph);
        if let Some(results) = &self.results {
            outcome.extend(results::outcome(results, graph));
        }
        outcome
    }
}

/// What a log tells of the nodes of a graph.
pub(super) fn told(journal: &Journal, graph: &Graph) -> Outcome {
    let in_flight = journal.in_flight().map(|id| (id.to_owned(), Fate::CutShort));
    let finished = journal.outcome.iter().map(|(id, fate)| (id.clone(), fate.clone()));
    in_flight.chain(finished).filter(|(id, _)| graph.contains_key(id)).into_tree()
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
