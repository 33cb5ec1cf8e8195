//! A directory held open by its descriptor: nothing inside it is reached through a symbolic link,
//! and nothing is written into another file system that is mounted over it meanwhile.

use nix::fcntl::{self, AtFlags, FallocateFlags, OFlag};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The end of the name of every unfinished file; see [`is_temporary`].
const UNFINISHED: &str = ".new";

/// An open directory, and the path under which messages name it.
#[derive(Debug)]
pub(super) struct Dir {
    file: File,
    path: PathBuf,
}

impl Dir {
    /// Open by path; here a symbolic link is the operator's own choice and is followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = fcntl::open(path, flags, Mode::empty())?;
        Ok(Self { file: fd.into(), path: path.to_owned() })
    }

    /// Open a directory inside this one; a symbolic link is ENOTDIR.
    pub(super) fn enter(&self, name: &str) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = fcntl::openat(&self.file, name, flags, Mode::empty())?;
        Ok(Self { file: fd.into(), path: self.path.join(name) })
    }

    /// [`Dir::enter`], after making it where it is missing.
    pub(super) fn enter_or_create(&self, name: &str) -> io::Result<Self> {
        match self.enter(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match mkdirat(&self.file, name, Mode::from_bits_truncate(0o700)) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let made = self.enter(name)?;
        share(&made.file, self.shared_bits()? & 0o2070, 0o700);
        self.sync()?;
        Ok(made)
    }

    /// Open a regular file for reading, and nothing else: a FIFO would wait for ever.
    pub(super) fn read(&self, name: &str) -> io::Result<OpenedFile> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match fcntl::openat(&self.file, name, flags, Mode::empty()) {
            Ok(fd) => opened(fd.into()),
            Err(nix::Error::ENOENT) => Ok(OpenedFile::Missing),
            Err(nix::Error::ELOOP) => Ok(OpenedFile::Other("a symbolic link")),
            Err(nix::Error::ENXIO) => Ok(OpenedFile::Other("a socket or an unconnected device")),
            Err(error) => Err(error.into()),
        }
    }

    /// Open the file for reading and writing, making it where it is missing.
    pub(super) fn open_or_create(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match fcntl::openat(&self.file, name, flags, Mode::empty()) {
            Ok(fd) => return Ok(fd.into()),
            Err(nix::Error::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let mode = self.file_mode()?;
        let file: File = fcntl::openat(
            &self.file,
            name,
            flags | OFlag::O_CREAT,
            Mode::from_bits_truncate(mode),
        )?
        .into();
        share(&file, mode, 0o600);
        Ok(file)
    }

    /// A new file under a random name, which [`Temporary::put`] renames to `name`.
    pub(super) fn temporary(&self, name: &str) -> io::Result<Temporary> {
        let unique = RandomState::new().build_hasher().finish();
        let temporary_name = format!(".{name}.{unique:016x}{UNFINISHED}");
        let mode = self.file_mode()?;
        let flags =
            OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file: File = fcntl::openat(
            &self.file,
            temporary_name.as_str(),
            flags,
            Mode::from_bits_truncate(mode),
        )?
        .into();
        let temporary = Temporary { dir: self.try_clone()?, name: temporary_name, file };
        share(&temporary.file, mode, 0o600);
        Ok(temporary)
    }

    /// Remove a file; one that is not there is no error.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(nix::Error::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Give a file of this directory another name in `other`; both then are the same file.
    pub(super) fn link(&self, name: &str, other: &Self, new: &str) -> nix::Result<()> {
        nix::unistd::linkat(&self.file, name, &other.file, new, AtFlags::empty())
    }

    /// Whether there is anything of this name, a dangling symbolic link included.
    pub(super) fn has(&self, name: &str) -> io::Result<bool> {
        match fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(nix::Error::ENOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the sticky bit keeps us from replacing a file that is there (unlink(2): EPERM).
    pub(super) fn guards(&self, name: &str) -> io::Result<bool> {
        let (dir, us) = (fstat(&self.file)?, nix::unistd::geteuid());
        if dir.st_mode & 0o1000 == 0 || us.is_root() || us.as_raw() == dir.st_uid {
            return Ok(false);
        }
        match fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(file) => Ok(file.st_uid != us.as_raw()),
            Err(nix::Error::ENOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Make the names in it durable. A file system that cannot sync directories answers EINVAL
    /// (fsync(2)), which is no error here.
    pub(super) fn sync(&self) -> io::Result<()> {
        match nix::unistd::fsync(&self.file) {
            Ok(()) | Err(nix::Error::EINVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names inside, sorted; read through the descriptor, never through the path.
    pub(super) fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        use std::os::fd::AsRawFd;
        let through_descriptor = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let entries = match std::fs::read_dir(through_descriptor) {
            Ok(entries) => entries,
            Err(_) => std::fs::read_dir(&self.path)?,
        };
        let mut names: Vec<_> =
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Whether the path still leads to this directory; after an unmount or a removal it does not.
    pub(super) fn is_still_at(&self, path: &Path) -> io::Result<bool> {
        let (here, there) = (fstat(&self.file)?, nix::sys::stat::stat(path)?);
        Ok((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
    }

    /// The path that messages name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, path: self.path.clone() })
    }

    fn file_mode(&self) -> io::Result<u32> {
        Ok(0o600 | self.shared_bits()? & 0o060)
    }

    /// The mode bits that files inherit for the group: none, unless the directory is setgid or
    /// writable by its group, as OpenShift sets up volumes for its arbitrary uids of group 0.
    fn shared_bits(&self) -> io::Result<u32> {
        let mode = fstat(&self.file)?.st_mode;
        Ok(if mode & 0o2020 == 0 { 0 } else { mode & 0o2070 })
    }
}

/// Give the group its bits whatever the umask is. Where modes cannot be set (CIFS, some FUSE), the
/// options of the mount decide who may read and write.
fn share(file: &File, bits: u32, private: u32) {
    let mode = Mode::from_bits_truncate(private | bits);
    if mode != Mode::from_bits_truncate(private)
        && let Err(error) = fchmod(file, mode)
    {
        log::debug!("the mode {mode:?} cannot be set: {error}");
    }
}

/// What is behind a name.
#[derive(Debug)]
pub(super) enum OpenedFile {
    /// A regular file.
    File(File),
    /// Nothing.
    Missing,
    /// Something that is never read, in words: `a directory`.
    Other(&'static str),
}

fn opened(file: File) -> io::Result<OpenedFile> {
    let kind = file.metadata()?.file_type();
    Ok(match kind {
        _ if kind.is_file() => OpenedFile::File(file),
        _ if kind.is_dir() => OpenedFile::Other("a directory"),
        _ if kind.is_fifo() => OpenedFile::Other("a FIFO"),
        _ => OpenedFile::Other("a device"),
    })
}

/// An unfinished file: removed on drop, unless it was put in place.
#[derive(Debug)]
pub(super) struct Temporary {
    dir: Dir,
    name: String,
    file: File,
}

impl Temporary {
    /// Allocate so many bytes now, so that a full volume or a quota (ENOSPC, EDQUOT) is found here
    /// rather than at the end. Where the file system cannot allocate (NFS 3, some FUSE), zeros are
    /// written instead.
    pub(super) fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if length == 0 {
            return Ok(());
        }
        match fcntl::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            Err(nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => {
                io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut self.file)?;
                self.file.sync_data()
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Write the content over what was allocated.
    pub(super) fn fill(
        &mut self,
        content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.file.rewind()?;
        let mut buffered = io::BufWriter::with_capacity(1 << 18, &self.file);
        content(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        let length = self.file.stream_position()?;
        self.file.set_len(length)
    }

    /// Read the content back.
    pub(super) fn read_back(&mut self) -> io::Result<Vec<u8>> {
        self.file.rewind()?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut self.file, &mut bytes)?;
        Ok(bytes)
    }

    /// Make the content durable. Must come before [`Temporary::put`].
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Put it in place, atomically; [`Dir::sync`] makes that durable.
    pub(super) fn put(self, name: &str) -> io::Result<()> {
        fcntl::renameat(&self.dir.file, self.name.as_str(), &self.dir.file, name)?;
        Ok(())
    }
}

impl Drop for Temporary {
    /// After [`Temporary::put`] the name is free and this does nothing.
    fn drop(&mut self) {
        if let Err(error) = self.dir.remove(OsStr::new(&self.name)) {
            log::debug!("{} stays behind: {error}", self.dir.path.join(&self.name).display());
        }
    }
}

/// Whether a killed process left this name behind; ask only while holding the lock.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED))
}
