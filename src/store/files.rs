//! The small files below `.dbt-entrypoint`: whole or not there, as the baseline itself.

use super::commit::Writer;
use super::dir::Dir;
use super::explained::explained;
use super::{CONTROL, LAST_RUN, Store};
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::PathBuf;

impl Store {
    /// Replace a file below `.dbt-entrypoint`, such as `run/intent.json`, making its directories.
    ///
    /// # Errors
    /// With the path and what to do; the old file is then still there.
    pub(super) fn write_file(&self, below: &str, bytes: &[u8]) -> Result<()> {
        self.write_file_by(below, &mut |out| out.write_all(bytes))
    }

    /// As [`Store::write_file`], for a content that is not held in one piece.
    ///
    /// # Errors
    /// As [`Store::write_file`].
    pub(super) fn write_file_by(&self, below: &str, content: Writer<'_>) -> Result<()> {
        self.replace(below, content, true)
    }

    /// As [`Store::write_file`], without waiting for the storage: after a power failure the file
    /// may be empty. For what nothing depends on.
    ///
    /// # Errors
    /// As [`Store::write_file`].
    pub(super) fn write_note(&self, below: &str, bytes: &[u8]) -> Result<()> {
        self.replace(below, &mut |out| out.write_all(bytes), false)
    }

    fn replace(&self, below: &str, content: Writer<'_>, synced: bool) -> Result<()> {
        let mut write = || {
            let (parent, name) = self.parent(below)?;
            let mut file = parent.temporary(name)?;
            file.fill(content, synced)?;
            if let Some(mode) = self.mode.filter(|_| below == LAST_RUN) {
                file.set_mode(mode.of_file());
            }
            file.put(name)?;
            if synced {
                parent.sync()?;
            }
            Ok(())
        };
        self.told(write(), "write", below)
    }

    /// A new file below `.dbt-entrypoint` for writing, in the place of one that is there.
    ///
    /// # Errors
    /// With the path and what to do.
    pub(super) fn empty_file(&self, below: &str) -> Result<File> {
        let create = || {
            let (parent, name) = self.parent(below)?;
            parent.remove(OsStr::new(name))?;
            parent.create(name)
        };
        self.told(create(), "create", below)
    }

    /// The directory of a file, made where it is missing, and the file's name.
    fn parent<'n>(&self, below: &'n str) -> io::Result<(Dir, &'n str)> {
        let (directories, name) = split(below);
        let mut parent = Dir::open(self.path())?.enter_or_create(CONTROL)?;
        for directory in directories {
            parent = parent.enter_or_create(directory)?;
        }
        Ok((parent, name))
    }

    /// The same, where it is there.
    fn existing_parent<'n>(&self, below: &'n str) -> io::Result<(Dir, &'n str)> {
        let (directories, name) = split(below);
        let mut parent = Dir::open(self.path())?.enter(CONTROL)?;
        for directory in directories {
            parent = parent.enter(directory)?;
        }
        Ok((parent, name))
    }

    /// The content of a file below `.dbt-entrypoint`; `None` where there is none that can be read.
    pub(super) fn read_file(&self, below: &str) -> Option<Vec<u8>> {
        self.read_file_after(below, 0)
    }

    /// The same without so many bytes at its beginning.
    pub(super) fn read_file_after(&self, below: &str, skipped: u64) -> Option<Vec<u8>> {
        let (parent, name) = self.existing_parent(below).ok()?;
        parent.content_after(name, skipped).ok()
    }

    /// Give each line of such a file, with the byte that ends it; false where it cannot be read.
    pub(super) fn each_line(&self, below: &str, take: &mut dyn FnMut(&[u8])) -> bool {
        let lines = |(parent, name): (Dir, &str)| parent.each_line(name, take);
        self.existing_parent(below).and_then(lines).is_ok()
    }

    /// What such a file holds as JSON; `None` also where that is not what it was to be.
    pub(super) fn read_json<T: DeserializeOwned>(&self, below: &str) -> Option<T> {
        // Reading bytes as JSON would put a second copy of the parser into the binary.
        serde_json::from_str(str::from_utf8(&self.read_file(below)?).ok()?).ok()
    }

    /// As [`Store::read_file`], where it matters why there is none.
    ///
    /// # Errors
    /// With the path and what to do.
    pub(super) fn try_read_file(&self, below: &str) -> Result<Option<Vec<u8>>> {
        let read = self.existing_parent(below).and_then(|(parent, name)| parent.content(name));
        let read = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        };
        self.told(read, "read", below)
    }

    /// Whether there is a file of this name below `.dbt-entrypoint`.
    pub(super) fn has_file(&self, below: &str) -> bool {
        self.existing_parent(below).and_then(|(parent, name)| parent.has(name)).unwrap_or(false)
    }

    /// Remove a file below `.dbt-entrypoint`, if it is there.
    ///
    /// # Errors
    /// With the path and what to do.
    pub(super) fn remove_file(&self, below: &str) -> Result<()> {
        let removed = match self.existing_parent(below) {
            Ok((parent, name)) => parent.remove(OsStr::new(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        self.told(removed, "remove", below)
    }

    /// The path of a file or directory below `.dbt-entrypoint`.
    pub(super) fn path_of(&self, below: &str) -> PathBuf {
        self.path().join(CONTROL).join(below)
    }

    fn told<T>(&self, outcome: io::Result<T>, what: &str, below: &str) -> Result<T> {
        outcome
            .with_context(|| format!("cannot {what} {}", self.path_of(below).display()))
            .map_err(|error| explained(error, self.path()).into())
    }
}

/// `a/b/c` as the directories `a` and `b`, and the name `c`.
fn split(below: &str) -> (impl Iterator<Item = &str>, &str) {
    let (directories, name) = below.rsplit_once('/').unwrap_or(("", below));
    (directories.split('/').filter(|directory| !directory.is_empty()), name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_small_file_is_replaced_whole_and_leaves_nothing_else() {
        let (_dir, store) = store();
        for text in ["first, and longer", "second"] {
            store.write_file("run/baseline/manifest.json", text.as_bytes()).unwrap();
            let path = store.path_of("run/baseline/manifest.json");
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }
        let names = |below: &str| fs::read_dir(store.path_of(below)).unwrap().count();
        assert_eq!((names("run/baseline"), names("run"), names("")), (1, 1, 1));
    }

    #[test]
    fn a_file_is_there_until_it_is_removed_and_that_twice_is_no_error() {
        let (_dir, store) = store();
        let state = || (store.has_file("run/a"), store.read_file("run/a"));
        assert_eq!(state(), (false, None));
        store.remove_file("run/a").unwrap();
        store.write_note("run/a", b"text").unwrap();
        assert_eq!(state(), (true, Some(b"text".to_vec())));
        store.remove_file("run/a").unwrap();
        store.remove_file("run/a").unwrap();
        assert_eq!(state(), (false, None));
    }

    #[test]
    fn nothing_is_read_or_removed_through_a_symbolic_link() {
        let ((_dir, store), outside) = (store(), tempfile::tempdir().unwrap());
        let theirs = outside.path().join("intent.json");
        fs::write(&theirs, "theirs").unwrap();
        fs::create_dir(store.path_of("")).unwrap();
        symlink(outside.path(), store.path_of("run")).unwrap();
        assert_eq!(store.read_file("run/intent.json"), None);
        let error = store.remove_file("run/intent.json").unwrap_err().to_string();
        assert!(error.contains("symbolic links are not followed"), "{error}");
        symlink(&theirs, store.path_of("linked")).unwrap();
        assert_eq!(store.read_file("linked"), None);
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    }

    #[test]
    fn files_and_directories_are_private_unless_the_volume_is_shared_with_its_group() {
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o7777;
        for (of_volume, of_file, of_directory) in
            [(0o755, 0o600, 0o700), (0o775, 0o660, 0o770), (0o2750, 0o640, 0o2750)]
        {
            let (_dir, store) = store();
            fs::set_permissions(store.path(), fs::Permissions::from_mode(of_volume)).unwrap();
            store.write_file("run/intent.json", b"{}").unwrap();
            assert_eq!(mode(store.path_of("run/intent.json")), of_file, "{of_volume:o}");
            assert_eq!(mode(store.path_of("run")), of_directory, "{of_volume:o}");
        }
    }
}
