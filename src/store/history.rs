//! Earlier baselines: kept by every commit that says something else of the warehouse, bounded, each of
//! them checked before it is used.
//!
//! `.dbt-entrypoint/history/<n>-<sha256>.json`, with its record under `records`. An entry is
//! the old file itself under another name (a hard link), so that it costs nothing to make.

use super::dir::{Dir, OpenedFile};
use super::explained::explained;
use super::{CONTROL, HISTORY, MANIFEST, look};
use crate::dbt::manifest;
use crate::decide::record::Record;
use crate::decide::retention::Retention;
use crate::digest;
use anyhow::{Context, Result, bail};
use nix::Error as Errno;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

/// One earlier baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Counts up: the newest entry has the largest number.
    pub(super) number: u64,
    /// SHA-256 of the manifest, in hexadecimal.
    pub(crate) digest: String,
    /// Size of the manifest.
    pub(crate) bytes: u64,
}

impl Entry {
    fn of(name: &OsStr, history: &Dir) -> Option<Self> {
        let (number, digest) = name.to_str()?.strip_suffix(".json")?.split_once('-')?;
        let Ok(OpenedFile::File(file)) = history.read(name.to_str()?) else { return None };
        let bytes = file.metadata().ok()?.len();
        Some(Self { number: number.parse().ok()?, digest: digest.to_owned(), bytes })
    }

    fn name(&self) -> String {
        format!("{}-{}.json", self.number, self.digest)
    }
}

/// All entries, the newest first; none where there is no history yet.
///
/// # Errors
/// When the history is there and cannot be read, with what to do.
pub(super) fn entries(dir: &Path) -> Result<Vec<Entry>> {
    let history = Dir::open(dir).and_then(|state| state.enter(CONTROL)?.enter(HISTORY));
    match history {
        Ok(history) => Ok(listed(&history)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => {
            let error = anyhow::Error::from(error).context("cannot read the history");
            Err(explained(error, dir).into())
        }
    }
}

fn listed(history: &Dir) -> io::Result<Vec<Entry>> {
    let names = history.names()?;
    let mut entries: Vec<Entry> =
        names.iter().filter_map(|name| Entry::of(name, history)).collect();
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.number));
    Ok(entries)
}

/// The manifest of an entry, and its record where there is one.
///
/// # Errors
/// When either cannot be read, or is not what it was.
pub(super) fn read(dir: &Path, entry: &Entry) -> Result<(String, Option<Record>)> {
    try_read(dir, entry).map_err(|error| explained(error, dir).into())
}

fn try_read(dir: &Path, entry: &Entry) -> Result<(String, Option<Record>)> {
    let state = Dir::open(dir)?;
    let history = state.enter(CONTROL)?.enter(HISTORY)?;
    let text = look::text(&history, &entry.name())?;
    let text = text.with_context(|| format!("{} does not exist", entry.name()))?;
    if digest::hex_of(text.as_bytes()) != entry.digest {
        bail!("{} was changed: its digest is not the one in its name", entry.name());
    }
    Ok((text, look::record(&state, &entry.digest)?))
}

/// Keep the present baseline, which is about to be replaced, unless it is damaged.
///
/// `known` is its digest where it has been checked already. If a program that does not take the
/// lock has replaced it since, [`read`] finds that the digest is wrong.
pub(super) fn keep(state: &Dir, ours: &Dir, bounds: Retention, known: Option<&str>) -> Result<()> {
    let Some(digest) = known.map(str::to_owned).or_else(|| sound(state)) else { return Ok(()) };
    let history = ours.enter_or_create(HISTORY).context(HISTORY)?;
    let newest = listed(&history)?.into_iter().next();
    // A commit that was killed after this step has kept it already.
    if newest.as_ref().is_some_and(|newest| newest.digest == digest) {
        return Ok(());
    }
    let number = newest.map_or(1, |newest| newest.number + 1);
    link(state, &history, &format!("{number}-{digest}.json"))?;
    history.sync()?;
    Ok(bound(&history, bounds)?)
}

/// The digest of the present baseline, if that is sound.
fn sound(state: &Dir) -> Option<String> {
    let text = look::text(state, MANIFEST).ok()??;
    manifest::check(&text).is_ok().then(|| digest::hex_of(text.as_bytes()))
}

/// A copy where the file system has no hard links (CIFS, some FUSE).
fn link(state: &Dir, history: &Dir, name: &str) -> Result<()> {
    match state.link(MANIFEST, history, name) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => {
            log::debug!("copied to the history, since a hard link is not possible: {error}");
            let text = look::text(state, MANIFEST)?.unwrap_or_default();
            let mut copy = history.temporary(name)?;
            copy.fill(&mut |out: &mut dyn Write| out.write_all(text.as_bytes()), true)?;
            Ok(copy.put(name)?)
        }
    }
}

fn bound(history: &Dir, bounds: Retention) -> io::Result<()> {
    let mut bytes = 0;
    for (at, entry) in listed(history)?.iter().enumerate() {
        bytes += entry.bytes;
        if at > 0 && (at >= bounds.number || bytes > bounds.bytes) {
            history.remove(OsStr::new(&entry.name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::look::look;
    use super::*;
    use std::fs;

    fn manifest(node: usize) -> String {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}},
               "nodes": {{"{node}": {{}}}}, "sources": {{}}, "macros": {{}}, "docs": {{}},
               "exposures": {{}}, "metrics": {{}}}}"#
        )
    }

    /// A state directory that held these one after the other, the last one still in place.
    fn after(nodes: impl Iterator<Item = usize>, bounds: Retention) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for node in nodes {
            let state = Dir::open(dir.path()).unwrap();
            keep(&state, &state.enter_or_create(CONTROL).unwrap(), bounds, None).unwrap();
            fs::write(dir.path().join("next"), manifest(node)).unwrap();
            fs::rename(dir.path().join("next"), dir.path().join(MANIFEST)).unwrap();
        }
        dir
    }

    #[test]
    fn the_newest_ten_are_kept_and_read_back_whole() {
        let dir = after(0..15, Retention::default());
        let entries = entries(dir.path()).unwrap();
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (5..=14).rev().collect::<Vec<u64>>());
        assert_eq!(read(dir.path(), &entries[0]).unwrap(), (manifest(13), None));
    }

    #[test]
    fn both_bounds_hold_and_the_newest_is_kept_whatever_its_size() {
        let kept = |number, bytes| {
            let dir = after(0..5, Retention { number, bytes });
            entries(dir.path()).unwrap().iter().map(|entry| entry.number).collect::<Vec<_>>()
        };
        let one = u64::try_from(manifest(0).len()).unwrap();
        assert_eq!(kept(3, u64::MAX), [4, 3, 2]);
        assert_eq!(kept(10, 2 * one), [4, 3]);
        assert_eq!(kept(1, 0), [4]);
    }

    #[test]
    fn what_is_kept_twice_is_kept_once_and_damage_is_not_kept() {
        let dir = after(0..2, Retention::default());
        let state = Dir::open(dir.path()).unwrap();
        let ours = state.enter(CONTROL).unwrap();
        for _ in 0..2 {
            keep(&state, &ours, Retention::default(), None).unwrap();
        }
        fs::remove_file(dir.path().join(MANIFEST)).unwrap();
        fs::write(dir.path().join(MANIFEST), "{").unwrap();
        keep(&state, &ours, Retention::default(), None).unwrap();
        assert_eq!(entries(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn an_entry_that_was_changed_is_not_used() {
        let dir = after(0..2, Retention::default());
        let entry = entries(dir.path()).unwrap().remove(0);
        let path = dir.path().join(CONTROL).join(HISTORY).join(entry.name());
        fs::write(path, manifest(7)).unwrap();
        assert!(read(dir.path(), &entry).unwrap_err().to_string().contains("was changed"));
        assert!(look(dir.path()).is_ok());
    }
}
