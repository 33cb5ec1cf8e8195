//! What a commit does, done with a small file before dbt starts: a volume that cannot do it is found
//! before hours of work, not after.

use super::CONTROL;
use super::dir::Dir;
use super::explained::{errno_of, unusable};
use super::temporary::Way;
use crate::exit::{Failure, Refusal};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "rehearsal";
const TEXTS: [&[u8]; 2] = [b"the old file, which is longer\n", b"the new file\n"];
const MORE: &[u8] = b"and more\n";

/// What a volume can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities {
    /// How room for the next baseline can be reserved.
    pub(super) way: Way,
    /// Whether a file can grow that is there, as dbt's log does.
    pub(super) appends: bool,
}

/// What this volume can do.
///
/// # Errors
/// 73 where a file cannot be replaced by another one, with what to do.
pub(super) fn rehearse(dir: &Path) -> Result<Abilities, Failure> {
    let control = Dir::open(dir).and_then(|state| state.enter_or_create(CONTROL));
    let tried = control.context(CONTROL).and_then(|control| {
        let outcome = match replace(&control, Way::Allocated) {
            Ok(()) => Ok(Way::Allocated),
            Err(error) => {
                log::debug!("the rehearsal of a commit: {error:#}");
                replace(&control, Way::Ballast).map(|()| Way::Ballast)
            }
        };
        let appends = outcome.is_ok() && control.append(NAME, MORE).is_ok() && {
            let content = control.content(NAME).unwrap_or_default();
            content == [TEXTS[1], MORE].concat()
        };
        control.remove(OsStr::new(NAME))?;
        outcome.map(|way| Abilities { way, appends })
    });
    tried.map_err(|error| unusable(error.context("a baseline cannot be saved on this volume"), dir))
}

/// Write a file in the place of another one.
fn replace(control: &Dir, way: Way) -> Result<()> {
    for text in TEXTS {
        let mut file = control.temporary(NAME)?;
        file.reserve(4096, way).context("cannot reserve room")?;
        let is_last = text == TEXTS[1];
        file.fill(&mut |out: &mut dyn Write| out.write_all(text), is_last)
            .context("cannot write a file")?;
        is_read_back(file.read_back(), text)?;
        file.put(NAME).map_err(|error| cannot_rename(error, control.path()))?;
    }
    is_read_back(control.content(NAME), TEXTS[1])?;
    control.sync().context("cannot sync a directory")
}

fn is_read_back(read: io::Result<Vec<u8>>, written: &[u8]) -> Result<()> {
    if read.context("cannot read a file back")? != written {
        bail!(
            Refusal::new(
                "a file that was written and closed does not have the content that was written"
            )
            .meaning("this file system keeps no baseline; nothing was run")
            .remedy(ANOTHER)
        );
    }
    Ok(())
}

/// The remedy for a file system that is not one.
pub(super) const ANOTHER: &str = "use a volume of another kind (docs/volumes.md lists them); with rclone: `--vfs-cache-mode writes`";

/// What it means that a file cannot be renamed over another one.
fn cannot_rename(error: io::Error, at: &Path) -> anyhow::Error {
    use nix::Error as Errno;
    match errno_of(&error) {
        Some(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM | Errno::EINVAL) => {
            let at = at.display();
            Refusal::new(format!(
                "the file system of {at} cannot rename a file over another one: {error}"
            ))
            .meaning("a new baseline could not take the place of the old one; nothing was run")
            .remedy(ANOTHER)
            .into()
        }
        _ => anyhow::Error::from(error).context("cannot rename a file over another one"),
    }
}
