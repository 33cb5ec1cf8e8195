//! `history` and `rollback`: the earlier baselines, and one of them again.

use super::Answer;
use crate::cli::{Config, OutputFormat};
use crate::dbt::manifest::Manifest;
use crate::decide::baseline;
use crate::decide::record::{self, Record};
use crate::decide::start::Found;
use crate::exit::Failure;
use crate::os::supervise::Supervisor;
use crate::os::{clock, random};
use crate::run;
use crate::store::{Commit, Entry, Store, Stored};
use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use std::io::Write;

/// An earlier baseline as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    /// What `rollback` takes.
    steps: usize,
    digest: String,
    bytes: u64,
    nodes: usize,
    pending: usize,
    dbt_version: Option<String>,
    written_at: Option<u64>,
    /// Why it cannot be used.
    damage: Option<String>,
}

pub(super) fn history(config: &Config, form: OutputFormat) -> Result<Answer, Failure> {
    let store = run::store(config)?;
    let entries = store.earlier().map_err(Failure::refused)?;
    let listed: Vec<Listed> =
        (1..).zip(&entries).map(|(steps, entry)| listed(&store, steps, entry)).collect();
    Ok(Answer::of(form, &listed, || words(&store, &listed)))
}

fn listed(store: &Store, steps: usize, entry: &Entry) -> Listed {
    let mut listed = Listed {
        steps,
        digest: entry.digest.clone(),
        bytes: entry.bytes,
        nodes: 0,
        pending: 0,
        dbt_version: None,
        written_at: None,
        damage: None,
    };
    match store.read_earlier(entry) {
        Ok((text, record)) => {
            if let Ok(manifest) = Manifest::read(&text) {
                listed.nodes = manifest.graph().count_built();
                listed.dbt_version = Some(manifest.dbt_version().to_owned());
            }
            listed.pending =
                record.as_ref().map_or(0, |record| record::pending(&record.nodes).len());
            listed.written_at = record.map(|record| record.written_at);
        }
        Err(error) => listed.damage = Some(format!("{error:#}")),
    }
    listed
}

fn words(store: &Store, listed: &[Listed]) -> String {
    if listed.is_empty() {
        return format!("there are no earlier baselines on {store}\n");
    }
    let line = |one: &Listed| {
        let when = one.written_at.map_or_else(|| "at an unknown time".to_owned(), clock::utc);
        let digest = one.digest.get(..12).unwrap_or_default();
        match &one.damage {
            Some(why) => format!("{:>3}  {digest}  cannot be used: {why}\n", one.steps),
            None => format!(
                "{:>3}  {digest}  {when}  {} nodes, {} to be built, dbt {}\n",
                one.steps,
                one.nodes,
                one.pending,
                one.dbt_version.as_deref().unwrap_or("?"),
            ),
        }
    };
    let lines: String = listed.iter().map(line).collect();
    format!(
        "earlier baselines, the newest first; `dbt-entrypoint rollback N` restores one:\n{lines}"
    )
}

pub(super) fn rollback(
    config: &Config,
    steps: usize,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let locked = run::hold(config, "dbt-entrypoint rollback", supervisor)?;
    if let Ok(Stored { found: Found::Newer(why), .. }) = locked.glance() {
        return Err(Failure::refused(anyhow!(
            "{why}\n  what to do:\n    roll back with the version that wrote it, or a later one"
        )));
    }
    let (text, record) = at(&locked, steps).map_err(Failure::refused)?;
    let room = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let next = Commit {
        manifest: &mut |out: &mut dyn Write| out.write_all(text.as_bytes()),
        record: &record,
        retention: config.history,
        replaces: None,
        owes_publish: config.publish.is_some(),
    };
    locked.commit(locked.reserve(room)?, next)?;
    Ok(Answer::new(format!(
        "the baseline of {} is the baseline again, and the warehouse is taken to hold what it says\n\
         what differs from it is built by the next run: dbt-entrypoint plan\n",
        clock::utc(record.written_at)
    )))
}

fn at(store: &Store, steps: usize) -> Result<(String, Record)> {
    let entries = store.earlier()?;
    let entry = entries.get(steps - 1).with_context(|| {
        format!(
            "there is no baseline {steps} steps back; there are {}\n  what to do:\n    dbt-entrypoint history     (lists them)",
            entries.len()
        )
    })?;
    let (text, record) = store.read_earlier(entry).with_context(|| {
        format!(
            "the baseline {steps} steps back cannot be used (`dbt-entrypoint history` lists others)"
        )
    })?;
    let record = match record {
        Some(record) => record,
        None => without_record(&text)?,
    };
    Ok((text, record))
}

/// An operator's own manifest had no record; it gets what it tells itself.
pub(super) fn without_record(text: &str) -> Result<Record> {
    let manifest = Manifest::read(text)?;
    Ok(baseline::record_of_unrecorded(&manifest, random::salt()?, clock::now()))
}
