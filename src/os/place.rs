//! Where the state directory is: a mounted volume that lasts and can be written, or not.

use crate::os::mount::{self, Lifetime, Surroundings};
use crate::os::volume::MANIFEST;
use nix::unistd::AccessFlags;
use std::fs::File;
use std::io;
use std::path::Path;

/// A state directory before anything was locked or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// There is nothing of this name.
    Missing,
    /// It is on the container's root file system and goes with it.
    NotMounted,
    /// In memory; the file system's name.
    Ephemeral(String),
    /// Nothing can be written on this mount.
    ReadOnly,
    /// This process may not write there, or it cannot be examined; why and what to do.
    Unwritable(String),
    /// It is something else.
    NotADirectory,
    /// What is written there stays.
    Lasting {
        /// A reason to look twice: an anonymous volume, an emptyDir.
        warning: Option<String>,
    },
}

/// Examine a state directory without changing it.
#[must_use]
pub fn place(dir: &Path, surroundings: Surroundings) -> Place {
    let file = match File::open(dir) {
        Ok(file) => file,
        Err(error) => return unopened(dir, &error),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Place::NotADirectory;
    }
    let Some(mounts) = mount::mounts() else {
        let warning = "there is no /proc to tell whether it is a mounted volume".to_owned();
        return unwritable(dir).unwrap_or(Place::Lasting { warning: Some(warning) });
    };
    let path = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let lifetime = mount::of(&mounts, &file, &path)
        .map_or(Lifetime::Lasting, |mount| mount::lifetime(mount, surroundings));
    match lifetime {
        Lifetime::Container => return Place::NotMounted,
        Lifetime::Memory(fs_type) => return Place::Ephemeral(fs_type),
        Lifetime::Lasting | Lifetime::Fragile(_) => {}
    }
    if mounts.iter().any(|mount| mount.point == path.join(MANIFEST)) {
        return Place::Unwritable(format!(
            "{} is a mount of its own and cannot be replaced: mount the directory instead",
            path.join(MANIFEST).display()
        ));
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
    Place::Unwritable(explained(dir, error))
}

fn unwritable(dir: &Path) -> Option<Place> {
    match nix::unistd::eaccess(dir, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => None,
        Err(nix::Error::EROFS) => Some(Place::ReadOnly),
        Err(error) => Some(Place::Unwritable(explained(dir, &error.into()))),
    }
}

/// Whether something can be made at this path, or in it, as far as permissions and mounts tell.
#[must_use]
pub fn is_writable(path: &Path) -> bool {
    let there = path.ancestors().find(|path| path.exists());
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    there.is_some_and(|there| there.is_dir() && nix::unistd::eaccess(there, flags).is_ok())
}

/// With owner and mode, which the person who has to mend it needs.
fn explained(dir: &Path, error: &io::Error) -> String {
    use std::os::unix::fs::MetadataExt;
    let owner = dir.metadata().map_or_else(
        |_| String::new(),
        |of| {
            format!(
                ", which belongs to {}:{} with mode {:o}",
                of.uid(),
                of.gid(),
                of.mode() & 0o7777
            )
        },
    );
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    format!(
        "{error}: we are {uid}:{gid} and need to write in {}{owner}: give the volume to this user (chown, or fsGroup in Kubernetes) or run as its owner",
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::volume::look;
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
