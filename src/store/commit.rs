//! The next baseline becomes the baseline, or nothing changes at all.
//!
//! The order is what makes it so: the new manifest is written beside the old one and synced;
//! its record is written under its digest and synced; then one rename(2) replaces
//! `manifest.json`, and the directory is synced. A record without its manifest is nobody's,
//! so that whoever dies on the way leaves the old baseline with the old record, or the new
//! with the new.

use super::dir::Dir;
use super::explained::{explained, unusable};
use super::temporary::{Temporary, Way};
use super::turn::Turn;
use super::{CONTROL, MANIFEST, POPULATED, RECORDS, Store, UNPUBLISHED, history, leftovers, shown};
use crate::dbt::manifest;
use crate::decide::record::Record;
use crate::decide::retention::Retention;
use crate::digest::hex_of;
use crate::exit::{Failure, Refusal};
use anyhow::{Context, Result, bail};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The record's room, as a part of the manifest's: 1/8 (a node has some 8 kB there and some
/// hundred bytes of fingerprints here).
const RECORD_SHARE: u64 = 8;

/// Writes the text of a manifest.
pub type Writer<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Room on the volume for the next baseline; given back when dropped.
#[derive(Debug)]
#[must_use = "the room is given back when this is dropped"]
pub struct Reservation {
    path: PathBuf,
    state: Dir,
    ours: Dir,
    records: Dir,
    manifest: Temporary,
    record: Temporary,
    way: Way,
}

impl Reservation {
    /// Make room for a manifest of so many bytes and its record, where less was reserved.
    ///
    /// # Errors
    /// 73, with what to do. What was reserved before stays.
    pub fn extend(&mut self, bytes: u64) -> Result<(), Failure> {
        self.try_extend(bytes)
            .with_context(|| {
                let path = self.path.display();
                format!("cannot reserve {bytes} bytes for the next baseline in {path}")
            })
            .map_err(|error| unusable(error, &self.path))
    }

    fn try_extend(&mut self, bytes: u64) -> Result<()> {
        self.manifest.reserve(bytes, self.way)?;
        Ok(self.record.reserve(bytes / RECORD_SHARE, self.way)?)
    }
}

/// The next baseline.
pub struct Commit<'a> {
    /// Its manifest.
    pub manifest: Writer<'a>,
    /// What is known about that.
    pub record: &'a Record,
    /// How much of the history is kept.
    pub retention: Retention,
    /// The digest of the present baseline, where that was found sound; where it is `None`, the
    /// present manifest is checked before it is kept in the history.
    pub replaces: Option<&'a str>,
    /// Whether it says something else of the warehouse than the present baseline, which then goes to
    /// the history.
    pub is_change: bool,
    /// Whether a publish hook has to see the baseline.
    pub owes_publish: bool,
}

/// A baseline that stands on the volume.
#[derive(Debug)]
pub struct Saved {
    /// The SHA-256 of its text, in hexadecimal.
    pub(crate) digest: String,
    /// Its text, as it was read back.
    pub(crate) text: String,
}

/// See [`Locked::reserve`](super::Locked::reserve).
pub(super) fn reserve(dir: &Path, bytes: u64, way: Way) -> Result<Reservation, Failure> {
    let mut reservation = begin(dir, way)
        .with_context(|| format!("cannot write the next baseline in {}", dir.display()))
        .map_err(|error| unusable(error, dir))?;
    reservation.extend(bytes)?;
    Ok(reservation)
}

fn begin(dir: &Path, way: Way) -> Result<Reservation> {
    let state = Dir::open(dir)?;
    is_replaceable(&state, dir)?;
    let ours = state.enter_or_create(CONTROL).context(CONTROL)?;
    let records = ours.enter_or_create(RECORDS).context(RECORDS)?;
    let manifest = state.temporary(MANIFEST)?;
    let record = records.temporary("record.json")?;
    Ok(Reservation { path: dir.to_owned(), state, ours, records, manifest, record, way })
}

/// What would make the last rename fail, after all the work.
fn is_replaceable(state: &Dir, path: &Path) -> Result<(), anyhow::Error> {
    let (name, path) = (path.join(MANIFEST), path.display());
    let name = name.display();
    if state.enter(MANIFEST).is_ok() {
        bail!(
            Refusal::new(format!("{name} is a directory"))
                .meaning("Docker creates a directory where a file to be mounted does not exist")
                .remedy(format!("mount the whole directory {path}, not manifest.json"))
                .remedy(format!("rmdir {name}"))
        );
    }
    if state.guards(MANIFEST)? {
        bail!(
            Refusal::new(format!("{name} belongs to another user"))
                .meaning(format!("{path} has the sticky bit, so only that user may replace it"))
                .remedy(format!("chown {} {name}", nix::unistd::geteuid()))
                .remedy(format!("chmod -t {path}"))
        );
    }
    Ok(())
}

/// See [`Locked::commit`](super::Locked::commit).
pub(super) fn commit(
    store: &Store,
    turn: &Turn,
    reservation: Reservation,
    commit: Commit<'_>,
) -> Result<Saved, Failure> {
    let told = |error| Failure::not_saved(explained(error, store.path()));
    is_still_there(&reservation.state, store.path()).map_err(told)?;
    turn.allows_commit().map_err(Failure::not_saved)?;
    // From before the change, so that a hook that a kill kept from running is made up for.
    if commit.owes_publish {
        store.write_file(UNPUBLISHED, b"").map_err(Failure::not_saved)?;
    }
    let saved = replace(store, turn, reservation, commit)
        .context("the new baseline could not be saved (the next run builds the same nodes again)")
        .map_err(told)?;
    leftovers::prune(store.path(), &saved.digest);
    shown::show(store.path(), store.mode);
    Ok(saved)
}

fn replace(
    store: &Store,
    turn: &Turn,
    reservation: Reservation,
    commit: Commit<'_>,
) -> Result<Saved> {
    let Reservation { path, state, ours, records, manifest: mut next, record: mut beside, .. } =
        reservation;
    let name = path.join(MANIFEST);
    next.fill(commit.manifest, true)
        .with_context(|| format!("cannot write beside {}", name.display()))?;
    if let Some(mode) = store.mode {
        next.set_mode(mode.of_file());
    }
    let saved = checked(&next)?;
    beside
        .fill(&mut |out| Ok(serde_json::to_writer(out, commit.record)?), true)
        .context("cannot write the record")?;
    beside.put(&format!("{}.json", saved.digest)).context("cannot rename the record")?;
    records.sync().context("cannot sync the directory of records")?;
    if commit.is_change
        && let Err(error) = history::keep(&state, &ours, commit.retention, commit.replaces)
    {
        let error = error.context("the present baseline is not kept in the history");
        log::warn!("{}", explained(error, &path));
    }
    is_still_there(&state, &path)?;
    turn.allows_commit()?;
    next.put(MANIFEST).with_context(|| format!("cannot replace {}", name.display()))?;
    state.sync().with_context(|| {
        format!("{} was replaced, but the storage did not confirm it", name.display())
    })?;
    if let Err(error) = mark(&ours) {
        let error = anyhow::Error::from(error).context(format!("cannot create {POPULATED}"));
        log::warn!("{}", explained(error, &path));
    }
    Ok(saved)
}

/// A volume that was unmounted or deleted while dbt ran, and is now something else.
fn is_still_there(state: &Dir, path: &Path) -> Result<()> {
    let shown = path.display();
    if !state.is_still_at(path).with_context(|| shown.to_string())? {
        bail!(
            Refusal::new(format!("{shown} is not the directory that it was when the run began"))
                .meaning("the volume was unmounted or replaced meanwhile")
                .remedy("mount the volume again")
        );
    }
    Ok(())
}

fn checked(next: &Temporary) -> Result<Saved> {
    let bytes = next.read_back().context("cannot read the new baseline back")?;
    let text = String::from_utf8(bytes).context("the new baseline is not UTF-8 text")?;
    manifest::check(&text).context("the new baseline is not valid")?;
    Ok(Saved { digest: hex_of(text.as_bytes()), text })
}

/// From now on a missing manifest.json is a loss.
pub(super) fn mark(ours: &Dir) -> io::Result<()> {
    if ours.has(POPULATED)? {
        return Ok(());
    }
    ours.open_or_create(POPULATED)?;
    ours.sync()
}

#[cfg(test)]
mod tests;
