//! The contents of files, and the variables that they name.

use super::walk::{Inode, ReadBy, inode};
use crate::dbt::reads::variables::{self, Mentions};
use crate::digest::Sum;
use crate::os::project::Project;
use anyhow::{Context, Result, bail};
use memchr::memchr_iter;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Beyond these a look would cost more than it spares.
const MOST_BYTES: u64 = 1 << 30;
/// A larger text is not searched for the variables that it names.
const LARGEST_TEXT: u64 = 16 << 20;
/// A larger file is not held in memory.
const LARGEST_AT_ONCE: u64 = 1 << 20;

/// What was read.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) sum: Sum,
    /// What it reads, if anybody executes it.
    pub(super) mentions: Mentions,
}

/// Reads one file after another.
pub(super) struct FileReader<'a> {
    /// Knows the texts of some files already.
    known: Option<&'a Project>,
    /// Read by all threads together.
    bytes: &'a AtomicU64,
    /// One for all files.
    buffer: Vec<u8>,
}

impl<'a> FileReader<'a> {
    pub(super) fn new(bytes: &'a AtomicU64, known: Option<&'a Project>) -> Self {
        Self { known, bytes, buffer: Vec::new() }
    }

    /// `None` where the file is one of the excluded.
    pub(super) fn read(
        &mut self,
        path: &Path,
        read_by: ReadBy,
        excluded: &BTreeSet<Inode>,
    ) -> Result<Option<Content>> {
        self.try_read(path, read_by, excluded).with_context(|| path.display().to_string())
    }

    fn try_read(
        &mut self,
        path: &Path,
        read_by: ReadBy,
        excluded: &BTreeSet<Inode>,
    ) -> Result<Option<Content>> {
        let kind = kind_of(path);
        let kind = match read_by {
            ReadBy::Dbt => kind.as_str(),
            ReadBy::DbtAtTheTop if kind == "sql" => "",
            ReadBy::Others if kind != "py" => "",
            ReadBy::DbtAtTheTop | ReadBy::Others => kind.as_str(),
        };
        let finish = |text: &[u8]| Ok(Some(content(text, kind)));
        if let Some(text) = self.known.and_then(|project| project.text_of(path)) {
            return finish(text.as_bytes());
        }
        let mut file = open(path)?;
        let metadata = file.metadata()?;
        if excluded.contains(&inode(&metadata)) {
            return Ok(None);
        }
        if !metadata.is_file() {
            bail!("not a file");
        }
        let length = metadata.len();
        if self.bytes.fetch_add(length, Ordering::Relaxed) + length > MOST_BYTES {
            bail!("there is too much to look at (more than {MOST_BYTES} bytes)");
        }
        let is_code = is_code(kind);
        if is_code && length > LARGEST_TEXT {
            bail!("too large to be searched for variables");
        }
        if !is_code && length > LARGEST_AT_ONCE {
            return Ok(Some(Content { sum: streamed(&mut file)?, mentions: Mentions::default() }));
        }
        whole(&mut file, length, &mut self.buffer)?;
        finish(&self.buffer)
    }
}

/// The end of a file's name that tells dbt its kind, which it compares without regard to case. dbt
/// 1.12 takes `m.sql.j2`, `m.sql.jinja` and `m.sql.jinja2` for SQL, if a flag says so.
fn kind_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let templates = [".j2", ".jinja", ".jinja2"];
    let bare = templates.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    bare.rsplit_once('.').map_or_else(String::new, |(_, kind)| kind.to_owned())
}

/// What counts of a text in a file of this kind.
fn content(text: &[u8], kind: &str) -> Content {
    let mut mentions = Mentions::default();
    if is_code(kind) && (kind == "py" || mentions_environment(text)) {
        mentions = variables::mentions(&String::from_utf8_lossy(text), kind);
    }
    Content { sum: Sha256::digest(text).into(), mentions }
}

/// Whether dbt or Python may read variables in a file of this kind.
fn is_code(kind: &str) -> bool {
    ["sql", "yml", "yaml", "py"].contains(&kind)
}

/// Whether dbt may render the values in a file.
pub(super) fn is_yaml(path: &Path) -> bool {
    ["yml", "yaml"].contains(&kind_of(path).as_str())
}

/// open(2). `File::open` costs a second system call with musl, whose open(3) still works around
/// kernels without `O_CLOEXEC`.
fn open(path: &Path) -> nix::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    Ok(fcntl::openat(fcntl::AT_FDCWD, path, flags, Mode::empty())?.into())
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

fn streamed(file: &mut File) -> io::Result<Sum> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
