//! `status` beside a run: how far its dbt has come, and what it is at work on.

use crate::dbt::manifest::Manifest;
use crate::dbt::results::RunLog;
use crate::decide::progress::{Outlook, Progress};
use crate::decide::record;
use crate::os::clock;
use crate::say;
use crate::store::{Holder, Store};

/// How far the run has come that holds the lock; `None` where it has no journal yet.
pub(super) fn of_run(store: &Store, holder: Option<&Holder>) -> Option<Progress> {
    let (journal, holder) = (store.journal(), holder?);
    let notes = journal.notes().filter(|notes| notes.unsaved.is_none())?;
    let log = RunLog::read(String::from_utf8_lossy(&journal.log()?).lines());
    // It may still be the journal of a run that was killed before.
    #[expect(clippy::cast_precision_loss, reason = "a time")]
    if log.started_at.values().any(|at| *at < holder.since as f64) {
        return None;
    }
    let text = journal.manifest();
    let graph = text.and_then(|text| Some(Manifest::read(&text).ok()?.graph()));
    let record = store.glance().ok().and_then(|stored| stored.record);
    let seconds = record.map(|record| record::seconds(&record.nodes)).unwrap_or_default();
    Some(Progress::of(&Outlook::of(graph, &notes.todo, seconds), &log, clock::precisely_now()))
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
