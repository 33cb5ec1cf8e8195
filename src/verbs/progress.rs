//! `status` beside a run: how far its dbt has come, and what it is at work on.

use crate::dbt::manifest::Manifest;
use crate::dbt::results::RunLog;
use crate::decide::progress::{Outlook, Progress};
use crate::decide::record;
use crate::os::clock;
use crate::say;
use crate::store::{Holder, Store};
use serde::Serialize;

/// How far a run has come that is at work now.
#[derive(Debug, Serialize)]
pub(super) struct RunningProgress {
    #[serde(flatten)]
    counts: Progress,
    /// What dbt is at work on, tests included, the longest first.
    now: Vec<NodeAtWork>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct NodeAtWork {
    /// In seconds since the epoch (UTC), if dbt's log says so.
    since: Option<u64>,
    node: String,
}

/// How far the run has come that holds the lock; `None` where it has no journal yet.
pub(super) fn of_run(store: &Store, holder: Option<&Holder>) -> Option<RunningProgress> {
    let (journal, holder) = (store.journal(), holder?);
    let notes = journal.notes().filter(|notes| notes.unsaved.is_none())?;
    let log = String::from_utf8(journal.log()?).ok()?;
    let log = RunLog::read(log.lines());
    // It may still be the journal of a run that was killed before.
    if log.started_at.values().any(|at| *at < holder.since) {
        return None;
    }
    let text = journal.manifest();
    let graph = text.and_then(|text| Some(Manifest::read(&text).ok()?.graph()));
    let record = store.glance().ok().and_then(|stored| stored.record);
    let seconds = record.map(|record| record::seconds(&record.nodes)).unwrap_or_default();
    let counts = Progress::of(&Outlook::of(graph, &notes.todo, seconds), &log, clock::now());
    let at_work = |id: &str| {
        let since = log.started_at.get(id).copied();
        NodeAtWork { since, node: id.to_owned() }
    };
    let mut now: Vec<NodeAtWork> = log.in_flight().map(at_work).collect();
    now.sort();
    Some(RunningProgress { counts, now })
}

impl RunningProgress {
    /// In words: the counts, and a line for each of the first nodes that dbt is at work on.
    pub(super) fn lines(&self, most: usize) -> Vec<(&'static str, String)> {
        let now = clock::now();
        let one = |one: &NodeAtWork| {
            let NodeAtWork { since, node } = one;
            since.map_or_else(
                || node.clone(),
                |since| format!("{node} for {}", say::duration(now.saturating_sub(since))),
            )
        };
        let mut lines = vec![("progress", say::progress_words(&self.counts))];
        lines.extend(self.now.iter().take(most).map(|node| ("running", one(node))));
        if self.now.len() > most {
            lines.push(("running", format!("and {} more", self.now.len() - most)));
        }
        lines
    }
}
