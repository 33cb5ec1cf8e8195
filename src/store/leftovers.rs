//! Removes what killed processes and earlier baselines leave on the volume.

use super::commit::mark;
use super::dir::{Dir, OpenedFile, is_temporary};
use super::explained::explained;
use super::{CONTROL, MANIFEST, RECORDS, history};
use crate::os::{locks, mount};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::time::Duration;

/// On a volume whose lock says nothing of other nodes, a file of this age is no longer needed.
const LONGEST_RUN: Duration = Duration::from_hours(24);

/// Remove what killed processes left behind; to be called while holding the lock. What cannot be
/// removed only takes room, so a failure is a warning.
pub(super) fn clean(dir: &Path) {
    if let Err(error) = try_clean(dir) {
        let refusal = explained(error.context("what a killed run left behind stays"), dir);
        log::warn!("{refusal}");
    }
}

fn try_clean(dir: &Path) -> Result<()> {
    let state = Dir::open(dir)?;
    let is_sure = mount::of(dir).is_some_and(|mount| locks::local_because(&mount).is_none());
    remove_temporaries(&state, is_sure)?;
    let ours = match state.enter(CONTROL) {
        Ok(ours) => ours,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(CONTROL),
    };
    remove_temporaries_below(&ours, 3, is_sure)?;
    // Killed between the rename of the first baseline and the mark.
    if state.has(MANIFEST)? && ours.has(RECORDS)? {
        mark(&ours)?;
    }
    Ok(())
}

fn remove_temporaries(dir: &Dir, is_sure: bool) -> Result<()> {
    for name in dir.names()?.iter().filter(|name| is_temporary(name)) {
        if is_in_use(dir, name, is_sure) {
            continue;
        }
        log::debug!("removing the leftover {}", dir.path().join(name).display());
        dir.remove(name)?;
    }
    Ok(())
}

/// Whether a run that lives may need the file, although we have the lock: it holds a lock on the
/// file itself, or it is on another node, where our lock says nothing (not `is_sure`).
fn is_in_use(dir: &Dir, name: &OsStr, is_sure: bool) -> bool {
    let opened = name.to_str().map(|name| dir.read(name));
    let Some(Ok(OpenedFile::File(file))) = opened else { return false };
    let age = file.metadata().and_then(|file| file.modified()).ok().map(|time| time.elapsed());
    let is_young = !matches!(age, Some(Ok(age)) if age > LONGEST_RUN);
    !is_sure && is_young || matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn remove_temporaries_below(dir: &Dir, depth: u8, is_sure: bool) -> Result<()> {
    remove_temporaries(dir, is_sure)?;
    if depth == 0 {
        return Ok(());
    }
    for name in dir.names()? {
        let below = name.to_str().and_then(|name| dir.enter(name).ok());
        below.map_or(Ok(()), |below| remove_temporaries_below(&below, depth - 1, is_sure))?;
    }
    Ok(())
}

/// Remove the records of all manifests but that of `present` and those of the history; to be called
/// while holding the lock. What cannot be removed only takes room, so a failure is a warning.
pub(super) fn prune(dir: &Path, present: &str) {
    if let Err(error) = try_prune(dir, present) {
        let refusal = explained(error.context("records of earlier baselines stay"), dir);
        log::warn!("{refusal}");
    }
}

fn try_prune(dir: &Path, present: &str) -> Result<()> {
    let records = Dir::open(dir)?.enter(CONTROL)?.enter(RECORDS)?;
    let earlier = history::entries(dir)?;
    let earlier = earlier.iter().map(|entry| entry.digest.as_str());
    let kept: Vec<String> =
        std::iter::once(present).chain(earlier).map(|digest| format!("{digest}.json")).collect();
    for name in records.names()? {
        if !kept.iter().any(|kept| OsStr::new(kept) == name) && !is_temporary(&name) {
            records
                .remove(&name)
                .with_context(|| records.path().join(&name).display().to_string())?;
        }
    }
    Ok(())
}
