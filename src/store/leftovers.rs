//! Removes what killed processes and earlier baselines leave on the volume.

use super::commit::mark;
use super::dir::{Dir, is_temporary};
use super::explained::explained;
use super::{CONTROL, MANIFEST, RECORDS, history};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

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
    remove_temporaries(&state)?;
    let ours = match state.enter(CONTROL) {
        Ok(ours) => ours,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(CONTROL),
    };
    remove_temporaries_below(&ours, 3)?;
    // Killed between the rename of the first baseline and the mark.
    if state.has(MANIFEST)? && ours.has(RECORDS)? {
        mark(&ours)?;
    }
    Ok(())
}

fn remove_temporaries(dir: &Dir) -> Result<()> {
    for name in dir.names()?.iter().filter(|name| is_temporary(name)) {
        log::debug!("removing the leftover {}", dir.path().join(name).display());
        dir.remove(name)?;
    }
    Ok(())
}

fn remove_temporaries_below(dir: &Dir, depth: u8) -> Result<()> {
    remove_temporaries(dir)?;
    if depth == 0 {
        return Ok(());
    }
    for name in dir.names()? {
        let below = name.to_str().and_then(|name| dir.enter(name).ok());
        below.map_or(Ok(()), |below| remove_temporaries_below(&below, depth - 1))?;
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
