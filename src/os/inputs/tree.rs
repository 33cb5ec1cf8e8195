//! The contents of directories, each read once, and the variables that their files name.

use super::Sums;
use crate::dbt::inputs::variables;
use crate::trees::IntoTree;
use anyhow::{Context, Result, bail};
use memchr::memchr_iter;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Beyond these a look would cost more than it spares.
const MOST_FILES: usize = 200_000;
const MOST_BYTES: u64 = 1 << 30;
/// A larger text is not searched for the variables that it names.
const LARGEST_TEXT: u64 = 16 << 20;
/// A larger file is not held in memory.
const LARGEST_AT_ONCE: u64 = 1 << 20;
/// So much of either end of a program is read.
const PROGRAM_END: u64 = 1 << 20;

/// What names a file or directory, whatever path leads there.
type Inode = (u64, u64);

/// What was read.
#[derive(Debug)]
pub(super) struct Tree {
    excluded: BTreeSet<Inode>,
    directories: BTreeSet<Inode>,
    contents: Vec<(PathBuf, [u8; 32])>,
    bytes: u64,
    /// One for all files.
    buffer: Vec<u8>,
    /// The variables that the files name.
    pub(super) variables: BTreeSet<String>,
}

impl Tree {
    pub(super) fn leaving_out(excluded: &[PathBuf]) -> Self {
        let there = excluded.iter().filter_map(|path| path.metadata().ok());
        Self {
            excluded: there.map(|metadata| inode(&metadata)).into_tree(),
            directories: BTreeSet::new(),
            contents: Vec::new(),
            bytes: 0,
            buffer: Vec::new(),
            variables: BTreeSet::new(),
        }
    }

    /// Read all files below `path`, which may be absent.
    pub(super) fn below(&mut self, path: &Path) -> Result<()> {
        match path.metadata() {
            Ok(metadata) => self.entry(path, &metadata, &mut Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.contents.push((path.to_owned(), [0; 32]));
                Ok(())
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn directory(&mut self, path: &Path, at: Inode, above: &mut Vec<Inode>) -> Result<()> {
        if above.contains(&at) {
            bail!("{} is a loop of links", path.display());
        }
        if !self.directories.insert(at) {
            // Read already, by another path.
            let real = path.canonicalize().with_context(|| path.display().to_string())?;
            let digest = Sha256::digest(real.as_os_str().as_bytes());
            self.contents.push((path.to_owned(), digest.into()));
            return Ok(());
        }
        above.push(at);
        let unread = || path.display().to_string();
        let listed = fs::read_dir(path).with_context(unread)?;
        let mut names = listed
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<OsString>>>()
            .with_context(unread)?;
        names.sort();
        let directory = File::open(path).with_context(unread)?;
        for name in names {
            self.named(&directory, &name, &path.join(&name), above)?;
        }
        above.pop();
        Ok(())
    }

    /// Most are files: opened by their names in an open directory, and never looked up again.
    fn named(
        &mut self,
        directory: &File,
        name: &OsStr,
        path: &Path,
        above: &mut Vec<Inode>,
    ) -> Result<()> {
        let unread = || path.display().to_string();
        if is_byte_code(path) {
            return self.entry(path, &path.metadata().with_context(unread)?, above);
        }
        match open_in(directory, name) {
            Ok(file) => {
                let metadata = file.metadata().with_context(unread)?;
                if metadata.is_file() && !self.excluded.contains(&inode(&metadata)) {
                    return self.content(path, file, metadata.len());
                }
                drop(file);
                self.entry(path, &metadata, above)
            }
            // A link, whose goal counts, or a socket.
            Err(Errno::ELOOP | Errno::ENXIO) => {
                self.entry(path, &path.metadata().with_context(unread)?, above)
            }
            Err(errno) => Err(errno).with_context(unread),
        }
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
            _ if metadata.is_dir() => self.directory(path, at, above),
            _ if is_byte_code(path) => Ok(()),
            _ if metadata.is_file() => {
                let file = File::open(path).with_context(|| path.display().to_string())?;
                self.content(path, file, metadata.len())
            }
            _ => bail!("{} is not a file", path.display()),
        }
    }

    fn content(&mut self, path: &Path, file: File, length: u64) -> Result<()> {
        let (digest, names) = read(path, file, length, &mut self.buffer)
            .with_context(|| path.display().to_string())?;
        self.bytes += length;
        self.contents.push((path.to_owned(), digest));
        self.variables.extend(names);
        if self.contents.len() > MOST_FILES || self.bytes > MOST_BYTES {
            bail!(
                "there is too much to look at ({} files, {} bytes)",
                self.contents.len(),
                self.bytes
            );
        }
        Ok(())
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
        self.contents.push((path.to_owned(), digest.finalize().into()));
        Ok(())
    }

    /// A name that counts without a content.
    pub(super) fn name(&mut self, path: PathBuf) {
        self.contents.push((path, [2; 32]));
    }

    /// All of it, in the order of reading.
    pub(super) fn feed(&self, sums: &mut Sums) {
        for (path, digest) in &self.contents {
            sums.add(path.as_os_str().as_bytes());
            sums.add(digest);
        }
    }
}

/// Python writes it when it likes, and dbt never reads it as a part of a project.
fn is_byte_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pyc")
}

fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

/// openat(2). `File::open` costs a second system call with musl, whose open(3) still works around
/// kernels without `O_CLOEXEC`.
fn open_in(directory: &File, name: &OsStr) -> nix::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let flags = flags | OFlag::O_NOFOLLOW;
    Ok(fcntl::openat(directory, name, flags, Mode::empty())?.into())
}

/// The digest of a file, and the variables that it names.
fn read(
    path: &Path,
    mut file: File,
    length: u64,
    buffer: &mut Vec<u8>,
) -> Result<([u8; 32], BTreeSet<String>)> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_code = ["sql", "yml", "yaml", "py"].contains(&extension);
    if is_code && length > LARGEST_TEXT {
        bail!("too large to be searched for variables");
    }
    if !is_code && length > LARGEST_AT_ONCE {
        return Ok((streamed(&mut file)?, BTreeSet::new()));
    }
    whole(&mut file, length, buffer)?;
    let digest = Sha256::digest(&*buffer).into();
    if !is_code || !mentions_environment(buffer) {
        return Ok((digest, BTreeSet::new()));
    }
    match variables(&String::from_utf8_lossy(buffer), extension) {
        Some(names) => Ok((digest, names)),
        None => bail!("it computes the name of a variable that it reads"),
    }
}

/// All of a file, in one read(2) where it is as long as it said: fewer bytes than asked for are
/// the end of a file on a disk, while `read_to_end` would ask once more.
fn whole(file: &mut File, length: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    let asked = usize::try_from(length).unwrap_or(0) + 1;
    if buffer.len() < asked {
        buffer.resize(asked, 0);
    }
    let count = file.read(buffer.get_mut(..asked).unwrap_or_default())?;
    buffer.truncate(count);
    if count + 1 != asked {
        file.read_to_end(buffer)?;
    }
    Ok(())
}

/// `env` is in every way to read a variable: `env_var`, `os.environ`, `getenv`. Its last letter is
/// the rarest.
fn mentions_environment(text: &[u8]) -> bool {
    memchr_iter(b'v', text).any(|at| text.get(..at).is_some_and(|before| before.ends_with(b"en")))
}

fn streamed(file: &mut File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
