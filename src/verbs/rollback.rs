//! `rollback`: an earlier baseline again.

use super::Answer;
use super::kept::{self, KeptBaseline};
use crate::cli::Config;
use crate::decide::between::Between;
use crate::decide::origin::Origin;
use crate::decide::record::{self, Record};
use crate::decide::start::Found;
use crate::exit::Failure;
use crate::os::clock;
use crate::os::supervise::Supervisor;
use crate::run;
use crate::say;
use crate::store::{Commit, Stored};
use anyhow::{Result, anyhow};
use std::io::Write;

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
    let restored = kept::nth(&locked, steps).map_err(Failure::refused)?;
    let replaced = kept::present(&locked).ok().flatten();
    let record = with_note(&restored).map_err(Failure::refused)?;
    let room = u64::try_from(restored.text.len()).unwrap_or(u64::MAX);
    let next = Commit {
        manifest: &mut |out: &mut dyn Write| out.write_all(restored.text.as_bytes()),
        record: &record,
        retention: config.history,
        replaces: None,
        is_change: true,
        owes_publish: config.publish.is_some(),
    };
    locked.commit(locked.reserve(room)?, next)?;
    let at = record.origin.as_ref().map(|origin| origin.at);
    Ok(Answer::new(format!(
        "the baseline of {} is the baseline again, and the warehouse is taken to hold what it says\n\
         {}{}the project itself was not looked at: dbt-entrypoint plan     (gives the exact answer)\n",
        clock::utc(at.unwrap_or(record.written_at)),
        replaced.map_or_else(String::new, |replaced| forecast(&restored, &replaced)),
        match record::pending(&record.nodes).len() {
            0 => String::new(),
            waiting => format!("nodes that it says have to be built anyway: {waiting}\n"),
        },
    )))
}

/// Its record, with the note that it was restored.
fn with_note(restored: &KeptBaseline) -> Result<Record> {
    let record = match &restored.record {
        Some(record) => record.clone(),
        None => kept::without_record(&restored.text)?,
    };
    let unknown = || Origin::of_verb("", record.written_at);
    let origin = record.origin.clone().unwrap_or_else(unknown);
    let origin = Origin { restored_at: Some(clock::now()), ..origin };
    Ok(Record { origin: Some(origin), ..record })
}

/// What the next run builds, if the project is still what the replaced baseline was built from.
fn forecast(restored: &KeptBaseline, replaced: &KeptBaseline) -> String {
    match Between::of(restored.side(), replaced.side()) {
        Ok(between) => say::after_rollback(&between),
        Err(_) => String::new(),
    }
}
