//! What there is to be read below some paths: each directory listed once, its names in order.

use crate::digest::Sum;
use crate::trees::IntoTree;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Beyond these a look would cost more than it spares.
const MOST_FILES: usize = 200_000;
/// So much of either end of a program is read.
const PROGRAM_END: u64 = 1 << 20;

/// What names a file or directory, whatever path leads there.
pub(super) type Inode = (u64, u64);

/// What counts at a path.
#[derive(Debug)]
pub(super) enum Item {
    /// This, whatever is there.
    Known(Sum),
    /// The content of the file there, unless that is one of the excluded.
    Content(ReadBy),
}

/// Who reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadBy {
    /// dbt, whatever kind of file it is.
    Dbt,
    /// dbt, if it is one of those that it looks for in the directory of a project.
    DbtAtTheTop,
    /// Nobody, or Python code that imports it.
    Others,
}

/// The directories in which dbt reads files. Everything, where there are none.
#[derive(Debug, Default)]
pub(super) struct ReadPlaces {
    /// With all that is below them.
    pub(super) listed: BTreeSet<Inode>,
    /// The directories of projects.
    pub(super) tops: BTreeSet<Inode>,
}

impl ReadPlaces {
    pub(super) fn new(listed: &[PathBuf], tops: &[&Path]) -> Self {
        let inode_of = |path: &Path| path.metadata().ok().map(|metadata| inode(&metadata));
        Self {
            listed: listed.iter().filter_map(|path| inode_of(path)).into_tree(),
            tops: tops.iter().filter_map(|path| inode_of(path)).into_tree(),
        }
    }

    fn reader(&self, above: &[Inode]) -> ReadBy {
        let is_listed = |at: &Inode| self.listed.contains(at);
        match above.last() {
            Some(last) if !above.iter().any(is_listed) => match self.tops.contains(last) {
                true => ReadBy::DbtAtTheTop,
                false => ReadBy::Others,
            },
            _ => ReadBy::Dbt,
        }
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct FileWalk {
    pub(super) excluded: BTreeSet<Inode>,
    pub(super) items: Vec<(PathBuf, Item)>,
    directories: BTreeSet<Inode>,
    /// Who reads what is found from now on, where the places do not say.
    pub(super) read_by: ReadBy,
    places: Option<ReadPlaces>,
}

impl FileWalk {
    /// Where dbt reads files in these places alone.
    pub(super) fn within(self, places: ReadPlaces) -> Self {
        Self { places: Some(places), ..self }
    }

    pub(super) fn leaving_out(excluded: &[PathBuf]) -> Self {
        let there = excluded.iter().filter_map(|path| path.metadata().ok());
        Self {
            excluded: there.map(|metadata| inode(&metadata)).into_tree(),
            items: Vec::new(),
            directories: BTreeSet::new(),
            read_by: ReadBy::Dbt,
            places: None,
        }
    }

    /// Find all files below `path`, which may be absent.
    pub(super) fn below(&mut self, path: &Path) -> Result<()> {
        match path.metadata() {
            Ok(metadata) => self.entry(path, &metadata, &mut Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.known(path.to_owned(), [0; 32])
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn directory(&mut self, path: &Path, at: Inode, above: &mut Vec<Inode>) -> Result<()> {
        if !self.directories.insert(at) {
            // Listed already, by another path, or about to be: a package may be a link to a directory
            // above the project.
            let real = path.canonicalize().with_context(|| path.display().to_string())?;
            let sum = Sha256::digest(real.as_os_str().as_bytes());
            return self.known(path.to_owned(), sum.into());
        }
        above.push(at);
        let mut entries = fs::read_dir(path)
            .and_then(|listed| {
                listed
                    .map(|entry| {
                        entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))
                    })
                    .collect::<io::Result<Vec<_>>>()
            })
            .with_context(|| path.display().to_string())?;
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (name, kind) in entries {
            self.named(path.join(name), kind, above)?;
        }
        above.pop();
        Ok(())
    }

    /// Most are files, and are not looked up before they are opened.
    fn named(&mut self, path: PathBuf, kind: FileType, above: &mut Vec<Inode>) -> Result<()> {
        if kind.is_file() {
            return self.file(path, above);
        }
        let metadata = path.metadata().with_context(|| path.display().to_string())?;
        self.entry(&path, &metadata, above)
    }

    fn entry(&mut self, path: &Path, metadata: &Metadata, above: &mut Vec<Inode>) -> Result<()> {
        let at = inode(metadata);
        if self.excluded.contains(&at) {
            if above.len() > 1 && path.is_symlink() {
                bail!("{} leads to what dbt writes", path.display());
            }
            return Ok(());
        }
        match metadata {
            _ if metadata.is_dir() && self.is_repository(path, above) => Ok(()),
            _ if metadata.is_dir() => self.directory(path, at, above),
            _ if metadata.is_file() => self.file(path.to_owned(), above),
            _ if is_byte_code(path) => Ok(()),
            _ => bail!("{} is not a file", path.display()),
        }
    }

    /// Of a package that is a link to a clone. dbt looks into it where it reads files.
    fn is_repository(&self, path: &Path, above: &[Inode]) -> bool {
        let is_read = self.places.as_ref().is_none_or(|places| places.reader(above) == ReadBy::Dbt);
        !is_read && path.file_name().is_some_and(|name| name == ".git")
    }

    fn file(&mut self, path: PathBuf, above: &[Inode]) -> Result<()> {
        if is_byte_code(&path) {
            return Ok(());
        }
        let read_by = self.places.as_ref().map_or(self.read_by, |places| places.reader(above));
        self.push(path, Item::Content(read_by))
    }

    /// A native program of hundreds of megabytes: its length, its time, and both its ends,
    /// where linkers put a build id and the tables of all sections.
    pub(super) fn program(&mut self, path: &Path) -> Result<()> {
        let unread = || path.display().to_string();
        let mut file = File::open(path).with_context(unread)?;
        let metadata = file.metadata().with_context(unread)?;
        let mut digest = Sha256::new();
        digest.update(metadata.len().to_le_bytes());
        digest.update(metadata.mtime().to_le_bytes());
        let mut end = vec![0; usize::try_from(metadata.len().min(PROGRAM_END)).unwrap_or(0)];
        for from in [SeekFrom::Start(0), SeekFrom::End(-(end.len() as i64))] {
            file.seek(from).and_then(|_| file.read_exact(&mut end)).with_context(unread)?;
            digest.update(&end);
        }
        self.known(path.to_owned(), digest.finalize().into())
    }

    /// A file that has been read already; `None` if there is none.
    pub(super) fn text(&mut self, path: &Path, text: Option<&[u8]>) -> Result<()> {
        let sum = text.map_or([0; 32], |text| Sha256::digest(text).into());
        self.known(path.to_owned(), sum)
    }

    /// A name that counts without a content.
    pub(super) fn name(&mut self, path: PathBuf) -> Result<()> {
        self.known(path, [2; 32])
    }

    fn known(&mut self, path: PathBuf, sum: Sum) -> Result<()> {
        self.push(path, Item::Known(sum))
    }

    fn push(&mut self, path: PathBuf, item: Item) -> Result<()> {
        if self.items.len() == MOST_FILES {
            bail!("there is too much to look at (more than {MOST_FILES} files)");
        }
        self.items.push((path, item));
        Ok(())
    }
}

/// Python writes it when it likes, and dbt never reads it as a part of a project.
fn is_byte_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pyc")
}

pub(super) fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}
