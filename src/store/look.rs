//! What is on the state volume: facts, damage included.
//!
//! Only a volume that really holds nothing is [`Found::Empty`], because only that leads to
//! a full run that nobody asked for.

use super::dir::{Dir, OpenedFile};
use super::explained::explained;
use super::{CONTROL, HISTORY, MANIFEST, POPULATED, RECORDS};
use crate::dbt::json;
use crate::dbt::manifest::{self, Fault};
use crate::decide::record::{FORMAT, Record};
use crate::decide::start::Found;
use crate::digest::{self, hex, hex_of};
use crate::exit::Refusal;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// In bytes: more than any manifest, so that a sparse file of petabytes is not read.
const LARGEST: u64 = 2 << 30;

/// What is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What can be started from it.
    pub found: Found,
    /// The text of a sound manifest.json, where it was read.
    pub manifest: Option<String>,
    /// What we know about it; a manifest that an operator put there has none.
    pub record: Option<Record>,
    /// SHA-256 of the text, in hexadecimal.
    pub(crate) digest: Option<String>,
}

impl Stored {
    fn without_baseline(found: Found) -> Self {
        Self { found, manifest: None, record: None, digest: None }
    }
}

/// Why a file on the volume cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The system did not let us read it: nothing is known of its content.
    Unread(anyhow::Error),
    /// It is not what it should be.
    Damaged(String),
    /// A later version wrote it.
    Newer(String),
}

impl From<anyhow::Error> for Unusable {
    fn from(error: anyhow::Error) -> Self {
        Self::Unread(error)
    }
}

impl From<Fault> for Unusable {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(why) => Self::Damaged(why),
            Fault::Newer(why) => Self::Newer(why),
        }
    }
}

impl From<Unusable> for anyhow::Error {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Unread(error) => error,
            Unusable::Damaged(why) | Unusable::Newer(why) => Self::msg(why),
        }
    }
}

/// See [`Store::look`](super::Store::look).
pub(super) fn look(dir: &Path) -> Result<Stored> {
    let mut stored = glance(dir)?;
    if let (None, Some(digest)) = (&stored.manifest, &stored.digest) {
        stored.manifest = Some(manifest(dir, digest)?);
    }
    Ok(stored)
}

/// See [`Store::glance`](super::Store::glance).
pub(super) fn glance(dir: &Path) -> Result<Stored> {
    match try_glance(dir) {
        Ok(stored) => Ok(stored),
        Err(Unusable::Damaged(why)) => Ok(Stored::without_baseline(Found::Damaged(why))),
        Err(Unusable::Newer(why)) => Ok(Stored::without_baseline(Found::Newer(why))),
        Err(Unusable::Unread(error)) => Err(explained(error, dir).into()),
    }
}

fn try_glance(dir: &Path) -> Result<Stored, Unusable> {
    let state = open(dir)?;
    let Some(mut file) = file(&state, MANIFEST)? else {
        return Ok(Stored::without_baseline(without_manifest(&state)?));
    };
    let digest = hex(&digest::of_reader(&mut file).with_context(|| cannot_read(MANIFEST))?);
    let Some(record) = record(&state, &digest)? else { return unrecorded(&state) };
    // The manifest was checked, byte for byte, before it was committed.
    Ok(Stored {
        found: Found::Baseline(Some(record.identity.clone())),
        manifest: None,
        record: Some(record),
        digest: Some(digest),
    })
}

/// A manifest without a record, such as one that an operator put there.
fn unrecorded(state: &Dir) -> Result<Stored, Unusable> {
    let text = text(state, MANIFEST)?.unwrap_or_default();
    let digest = Some(hex_of(text.as_bytes()));
    let text = json::standard(text);
    manifest::check(&text)?;
    Ok(Stored { found: Found::Baseline(None), manifest: Some(text), record: None, digest })
}

/// See [`Store::manifest`](super::Store::manifest).
pub(super) fn manifest(dir: &Path, expected: &str) -> Result<String> {
    let read = || -> Result<String> { Ok(text(&open(dir)?, MANIFEST)?.unwrap_or_default()) };
    let text = read().map_err(|error| explained(error, dir))?;
    if hex_of(text.as_bytes()) != expected {
        let name = dir.join(MANIFEST);
        bail!(
            Refusal::new(format!("{} changed while it was read", name.display()))
                .meaning("another program writes to it without taking the lock; nothing was run")
                .remedy("stop whatever else writes to the volume, and start again")
        );
    }
    Ok(text)
}

fn open(dir: &Path) -> Result<Dir> {
    Dir::open(dir).with_context(|| format!("cannot open {}", dir.display()))
}

fn cannot_read(name: &str) -> String {
    format!("cannot read {name}")
}

/// A regular file of a size that a manifest may have; `None` where there is nothing of this name.
fn file(dir: &Dir, name: &str) -> Result<Option<File>, Unusable> {
    let file = match dir.read(name).with_context(|| cannot_read(name))? {
        OpenedFile::File(file) => file,
        OpenedFile::Missing => return Ok(None),
        OpenedFile::Other(what) => {
            return Err(Unusable::Damaged(format!("{name} is {what}, not a file")));
        }
    };
    let length = file.metadata().with_context(|| cannot_read(name))?.len();
    if length > LARGEST {
        return Err(Unusable::Damaged(format!(
            "{name} has {length} bytes, more than any manifest"
        )));
    }
    Ok(Some(file))
}

/// The text of such a file.
pub(super) fn text(dir: &Dir, name: &str) -> Result<Option<String>, Unusable> {
    let Some(mut file) = file(dir, name)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(|| cannot_read(name))?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unusable::Damaged(format!("{name} is not UTF-8 text (byte {at})"))
    })
}

/// The record of the manifest with this digest; `None` where there is none.
pub(super) fn record(state: &Dir, digest: &str) -> Result<Option<Record>, Unusable> {
    let name = format!("{digest}.json");
    let records = match state.enter(CONTROL).and_then(|ours| ours.enter(RECORDS)) {
        Ok(records) => records,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let context = format!("cannot open {CONTROL}/{RECORDS}");
            return Err(anyhow::Error::from(error).context(context).into());
        }
    };
    match text(&records, &name) {
        Ok(text) => text.map(|text| parsed(&text, &name)).transpose(),
        Err(Unusable::Damaged(why)) => Err(damaged_record(&why)),
        Err(unusable) => Err(unusable),
    }
}

fn parsed(text: &str, name: &str) -> Result<Record, Unusable> {
    let record = serde_json::from_str::<Record>(text);
    // Its format says what its shape does not, if it is later than this program.
    let format = match &record {
        Ok(record) => record.format,
        Err(_) => serde_json::from_str::<RecordVersion>(text).map_or(0, |version| version.format),
    };
    if format > FORMAT {
        return Err(Unusable::Newer(format!(
            "the record of manifest.json has format {format}; this version of dbt-entrypoint reads formats up to {FORMAT}"
        )));
    }
    record.map_err(|error| damaged_record(&format!("{name}: {error}")))
}

fn damaged_record(why: &str) -> Unusable {
    Unusable::Damaged(format!("the record of manifest.json is damaged: {why}"))
}

/// The part of a record that every later format keeps.
#[derive(serde::Deserialize)]
struct RecordVersion {
    format: u32,
}

/// A volume without a manifest is empty only if there never was one.
fn without_manifest(state: &Dir) -> Result<Found> {
    let path = state.path().display();
    match state.enter(CONTROL) {
        Ok(ours) if had_baseline(&ours)? => {
            return Ok(Found::Damaged(format!(
                "{MANIFEST} is gone from {path}, but {CONTROL} shows that there was one"
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot open {CONTROL}")),
    }
    let strangers = strangers(state)?;
    Ok(match strangers.is_empty() {
        true => Found::Empty,
        false => Found::Damaged(format!(
            "{path} contains {}, but no {MANIFEST}: it may not be the state volume, which is an empty directory at first",
            strangers.join(", ")
        )),
    })
}

fn had_baseline(ours: &Dir) -> Result<bool> {
    let history = match ours.enter(HISTORY) {
        Ok(history) => !history.names()?.is_empty(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot open {CONTROL}/{HISTORY}"));
        }
    };
    Ok(history || ours.has(POPULATED)?)
}

/// Names that neither we nor a file system put there. Hidden ones do not count: storage
/// has its own (`.snapshot`, `.nfs…`, `.Trash-0`), and so have images (`.gitkeep`).
fn strangers(state: &Dir) -> Result<Vec<String>> {
    let names = state.names().with_context(|| format!("cannot list {}", state.path().display()))?;
    let mut strangers: Vec<String> = names
        .iter()
        .map(|name| name.to_string_lossy())
        .filter(|name| !name.starts_with('.') && name != "lost+found")
        .map(|name| format!("{name:?}"))
        .collect();
    if strangers.len() > 4 {
        strangers.truncate(3);
        strangers.push("others".to_owned());
    }
    Ok(strangers)
}

#[cfg(test)]
mod tests;
