//! Where the state directory is: a mounted volume that lasts and can be written, or not.

use super::MANIFEST;
use super::explained::{advice_on, is_gone};
use crate::os::access;
use crate::os::mount::{self, Lifetime, Surroundings};
use nix::unistd::AccessFlags;
use std::fs::File;
use std::io;
use std::path::Path;

/// A state directory before anything was locked or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// There is nothing of this name.
    Missing,
    /// It is on the container's root file system, and is lost with the container.
    NotMounted,
    /// In memory; the file system's name.
    Ephemeral(String),
    /// The mount is read-only.
    ReadOnly,
    /// This process may not write there, or it cannot be examined.
    Unwritable {
        /// What was found, in one sentence.
        why: String,
        /// What to do about it, the best first.
        remedies: Vec<String>,
        /// Whether the program that serves the mount has ended: another container gets another one.
        is_gone: bool,
    },
    /// It is a file or a device.
    NotADirectory,
    /// What is written there stays.
    Lasting {
        /// Why the next container may not find it: an anonymous volume, an emptyDir.
        warning: Option<String>,
    },
}

/// Examine a state directory without changing it.
pub(super) fn place(dir: &Path, surroundings: Surroundings) -> Place {
    let file = match File::open(dir) {
        Ok(file) => file,
        Err(error) => return unopened(dir, &error),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Place::NotADirectory;
    }
    let Some(mounts) = mount::mounts() else {
        let warning = "without /proc nothing shows whether it is a mounted volume".to_owned();
        return unwritable(dir).unwrap_or(Place::Lasting { warning: Some(warning) });
    };
    let path = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let lifetime = mount::containing(&mounts, &file, &path)
        .map_or(Lifetime::Lasting, |mount| mount::lifetime(mount, surroundings));
    match lifetime {
        Lifetime::Container => return Place::NotMounted,
        Lifetime::Memory(fs_type) => return Place::Ephemeral(fs_type),
        Lifetime::Lasting | Lifetime::Fragile(_) => {}
    }
    if mounts.iter().any(|mount| mount.point == path.join(MANIFEST)) {
        return Place::Unwritable {
            why: format!(
                "{} is a separate mount, which cannot be replaced",
                path.join(MANIFEST).display()
            ),
            remedies: vec![format!("mount the whole directory {}", dir.display())],
            is_gone: false,
        };
    }
    let warning = match lifetime {
        Lifetime::Fragile(why) => Some(why.to_owned()),
        Lifetime::Lasting | Lifetime::Container | Lifetime::Memory(_) => None,
    };
    unwritable(dir).unwrap_or(Place::Lasting { warning })
}

fn unopened(dir: &Path, error: &io::Error) -> Place {
    if error.kind() == io::ErrorKind::NotFound {
        return Place::Missing;
    }
    if error.kind() == io::ErrorKind::NotADirectory {
        return Place::NotADirectory;
    }
    refused(dir, error)
}

fn unwritable(dir: &Path) -> Option<Place> {
    match access::check(dir, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => None,
        Err(nix::Error::EROFS) => Some(Place::ReadOnly),
        Err(error) => Some(refused(dir, &error.into())),
    }
}

fn refused(dir: &Path, error: &io::Error) -> Place {
    let found = format!("cannot use {}: {error}", dir.display());
    match advice_on(error, dir) {
        Some(advice) => Place::Unwritable {
            why: format!("{found}: {}", advice.meaning),
            remedies: advice.remedies,
            is_gone: is_gone(error),
        },
        None => Place::Unwritable { why: found, remedies: Vec::new(), is_gone: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::look::look;
    use std::fs;

    #[test]
    fn a_state_directory_that_is_missing_or_a_file_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(place(&dir.path().join("none"), Surroundings::Host), Place::Missing);
        assert_eq!(place(&file, Surroundings::Host), Place::NotADirectory);
        assert_eq!(place(&file.join("below"), Surroundings::Host), Place::NotADirectory);
        assert!(matches!(place(dir.path(), Surroundings::Host), Place::Lasting { .. }));
        assert!(look(&file).is_err());
    }
}
