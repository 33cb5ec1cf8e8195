//! A file that takes the place of another one as a whole: written once from front to back, closed,
//! and renamed.
//!
//! That is all that many buckets can do. They refuse to rewrite, to truncate or to rename a file
//! that is open. So the room for a file is reserved in the file itself only where the file system
//! can allocate; otherwise another file of that size stands there until the moment comes.

use super::dir::Dir;
use nix::fcntl::{self, FallocateFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// How room is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In the file itself.
    Allocated,
    /// By a file of that size, which is removed before the file is written.
    Ballast,
}

/// An unfinished file: removed on drop, unless it was put in place.
#[derive(Debug)]
pub(super) struct Temporary {
    dir: Dir,
    name: String,
    /// The file in which room was allocated.
    allocated: Option<File>,
    /// How many bytes are reserved.
    reserved: u64,
}

impl Temporary {
    pub(super) fn new(dir: Dir, name: String) -> Self {
        Self { dir, name, allocated: None, reserved: 0 }
    }

    /// Reserve so many bytes now, or what is missing of them, so that a full volume or a quota
    /// (ENOSPC, EDQUOT) is found here rather than at the end.
    pub(super) fn reserve(&mut self, bytes: u64, way: Way) -> io::Result<()> {
        let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if bytes <= self.reserved {
            return Ok(());
        }
        let mut file = match self.allocated.take() {
            Some(file) => file,
            None => {
                self.dir.remove(OsStr::new(&self.name))?;
                self.dir.create(&self.name)?
            }
        };
        // For as long as we live, nobody on this machine takes it for a leftover.
        let _ = file.try_lock();
        if way == Way::Allocated {
            match fcntl::fallocate(&file, FallocateFlags::empty(), 0, length) {
                Ok(()) => {
                    (self.allocated, self.reserved) = (Some(file), bytes);
                    return Ok(());
                }
                Err(error @ (nix::Error::ENOSPC | nix::Error::EDQUOT | nix::Error::EFBIG)) => {
                    return Err(error.into());
                }
                // This file system cannot, or a sandbox does not know the call (EPERM).
                Err(error) => log::debug!("no room can be allocated: {error}"),
            }
        }
        io::copy(&mut io::repeat(0).take(bytes), &mut file)?;
        file.sync_data()?;
        self.reserved = bytes;
        closed(file)
    }

    /// Write the content. Where it has to last through a power failure, it is `durable`.
    pub(super) fn fill(
        &mut self,
        content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        durable: bool,
    ) -> io::Result<()> {
        let (mut file, is_longer) = match self.allocated.take() {
            Some(file) => (file, true),
            None => {
                self.dir.remove(OsStr::new(&self.name))?;
                (self.dir.create(&self.name)?, false)
            }
        };
        let mut buffered = io::BufWriter::with_capacity(1 << 18, &file);
        content(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        if is_longer {
            let length = file.stream_position()?;
            file.set_len(length)?;
        }
        if durable {
            file.sync_all()?;
        }
        closed(file)
    }

    /// Read the content back, as others find it.
    pub(super) fn read_back(&self) -> io::Result<Vec<u8>> {
        self.dir.content(&self.name)
    }

    /// Give the written file this mode, before others find it.
    pub(super) fn set_mode(&self, mode: u32) {
        if let Err(error) = self.dir.set_mode(&self.name, mode) {
            log::debug!("the mode {mode:o} cannot be set: {error}");
        }
    }

    /// Put it in place, atomically; [`Dir::sync`] makes that durable.
    pub(super) fn put(self, name: &str) -> io::Result<()> {
        self.dir.rename(&self.name, name)
    }
}

impl Drop for Temporary {
    /// After [`Temporary::put`] the name is free and this does nothing.
    fn drop(&mut self) {
        // Some file systems cannot remove a file that is open.
        drop(self.allocated.take());
        if let Err(error) = self.dir.remove(OsStr::new(&self.name)) {
            log::debug!("{} stays behind: {error}", self.dir.path().join(&self.name).display());
        }
    }
}

/// Network file systems and buckets may tell only now what became of a write.
fn closed(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}
