//! The small files below `.dbt-entrypoint`: whole or not there, as the baseline itself.

use crate::os::commit::Writer;
use crate::os::dir::Dir;
use crate::os::fault::explained;
use crate::os::volume::CONTROL;
use anyhow::{Context, Result};
use std::path::Path;

/// Replace a file below `.dbt-entrypoint` with the same care, making its directories:
/// `run/intent.json`.
///
/// # Errors
/// With the path and the step that failed; the old file is then what it was.
pub fn write_file(dir: &Path, below: &str, bytes: &[u8]) -> Result<()> {
    write_file_by(dir, below, &mut |out| out.write_all(bytes))
}

/// As [`write_file`], for a content that is not held in one piece.
///
/// # Errors
/// As [`write_file`].
pub fn write_file_by(dir: &Path, below: &str, content: Writer<'_>) -> Result<()> {
    write(dir, below, content, true)
}

/// As [`write_file`], without waiting for the storage: after a power cut the file may be empty.
/// For what nothing depends on.
///
/// # Errors
/// As [`write_file`].
pub fn write_note(dir: &Path, below: &str, bytes: &[u8]) -> Result<()> {
    write(dir, below, &mut |out| out.write_all(bytes), false)
}

fn write(dir: &Path, below: &str, content: Writer<'_>, synced: bool) -> Result<()> {
    try_write(dir, below, content, synced)
        .with_context(|| format!("cannot write {}", dir.join(CONTROL).join(below).display()))
        .map_err(|error| explained(&error, dir))
}

fn try_write(dir: &Path, below: &str, content: Writer<'_>, synced: bool) -> Result<()> {
    let mut parent = Dir::open(dir)?.enter_or_create(CONTROL)?;
    let mut names = below.split('/').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_some() {
            parent = parent.enter_or_create(name).with_context(|| name.to_owned())?;
            continue;
        }
        let mut file = parent.temporary(name)?;
        file.fill(content)?;
        if synced {
            file.sync()?;
        }
        file.put(name)?;
        if synced {
            parent.sync()?;
        }
    }
    Ok(())
}
