//! `status` beside a run: how far its dbt has come, and what it is at work on.

use crate::dbt::manifest::Manifest;
use crate::dbt::results::RunLog;
use crate::decide::progress::{Outlook, Progress};
use crate::decide::record;
use crate::os::clock;
use crate::say;
use crate::store::{Holder, Store};

/// The log of a run that is not recorded: it holds the lock, or was killed. `None` where there is no
/// such run, or the one at work has no journal yet.
pub(super) fn log(store: &Store, holder: Option<&Holder>) -> Option<RunLog> {
    let journal = store.journal();
    journal.notes().filter(|notes| notes.unsaved.is_none() && notes.journal.is_some())?;
    let log = journal.log();
    // It may still be the journal of a run that was killed before.
    #[expect(clippy::cast_precision_loss, reason = "a time")]
    let is_older = |holder: &Holder| log.started_at.values().any(|at| *at < holder.since as f64);
    (!holder.is_some_and(is_older)).then_some(log)
}

/// How far the run has come that has this log.
pub(super) fn of_run(store: &Store, log: &RunLog) -> Option<Progress> {
    let journal = store.journal();
    let notes = journal.notes()?;
    let text = journal.manifest();
    let graph = text.and_then(|text| Some(Manifest::read(&text).ok()?.graph()));
    let record = store.glance().ok().and_then(|stored| stored.record);
    let seconds = record.map(|record| record::seconds(&record.nodes)).unwrap_or_default();
    Some(Progress::of(&Outlook::of(graph, &notes.todo, seconds), log, clock::precisely_now()))
}

/// In words: the counts, and a line for each of the first nodes that dbt is at work on.
pub(super) fn lines(progress: &Progress, most: usize) -> Vec<(&'static str, String)> {
    let now = &progress.now;
    let mut lines = vec![("progress", say::progress_words(progress))];
    lines.extend(now.iter().take(most).map(|one| ("running", say::node_at_work(one))));
    if now.len() > most {
        lines.push(("running", format!("and {} more", now.len() - most)));
    }
    lines
}
