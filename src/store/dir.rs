//! A directory held open by its descriptor: nothing inside it is reached through a symbolic link,
//! and nothing is written into another file system that is mounted over it meanwhile.

use super::temporary::Temporary;
use crate::os::access;
use nix::fcntl::{self, AtFlags, OFlag};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufRead as _, BufReader};
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

    /// The content of a regular file.
    pub(super) fn content(&self, name: &str) -> io::Result<Vec<u8>> {
        self.content_after(name, 0)
    }

    /// The same without so many bytes at its beginning.
    pub(super) fn content_after(&self, name: &str, skipped: u64) -> io::Result<Vec<u8>> {
        let OpenedFile::File(mut file) = self.read(name)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if skipped > 0 {
            io::Seek::seek(&mut file, io::SeekFrom::Start(skipped))?;
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(bytes)
    }

    /// Give each line of a regular file, with the byte that ends it, without holding all of them.
    pub(super) fn each_line(&self, name: &str, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let OpenedFile::File(file) = self.read(name)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let (mut file, mut line) = (BufReader::new(file), Vec::new());
        while file.read_until(b'\n', &mut line)? > 0 {
            take(&line);
            line.clear();
        }
        Ok(())
    }

    /// Open the file, making it where it is missing: for reading and writing, or where an existing
    /// file cannot be written in place (buckets), for reading.
    pub(super) fn open_or_create(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let open = |access| fcntl::openat(&self.file, name, flags | access, Mode::empty());
        if open(OFlag::O_RDWR).err() == Some(nix::Error::ENOENT) {
            // Closed at once: some buckets show a file only then.
            match self.create(name) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        match open(OFlag::O_RDWR) {
            Ok(fd) => Ok(fd.into()),
            Err(error) => Ok(open(OFlag::O_RDONLY).map_err(|_| error)?.into()),
        }
    }

    /// A random name for a file that [`Temporary::put`] renames to `name`.
    pub(super) fn temporary(&self, name: &str) -> io::Result<Temporary> {
        let unique = RandomState::new().build_hasher().finish();
        Ok(Temporary::new(self.try_clone()?, format!(".{name}.{unique:016x}{UNFINISHED}")))
    }

    /// Make a file of a new name, for writing.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let mode = self.file_mode()?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file: File =
            fcntl::openat(&self.file, name, flags, Mode::from_bits_truncate(mode))?.into();
        share(&file, mode, 0o600);
        Ok(file)
    }

    /// Give a file that is there this mode.
    pub(super) fn set_mode(&self, name: &str, mode: u32) -> io::Result<()> {
        let OpenedFile::File(file) = self.read(name)? else { return Ok(()) };
        match fstat(&file)?.st_mode & 0o7777 == mode {
            true => Ok(()),
            false => Ok(fchmod(&file, Mode::from_bits_truncate(mode))?),
        }
    }

    /// The mode of what is there.
    pub(super) fn mode_of(&self, name: &str) -> io::Result<u32> {
        Ok(fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode & 0o7777)
    }

    /// Add these bits to the mode of this directory. One that belongs to somebody else stays as it is.
    pub(super) fn let_enter(&self, bits: u32) {
        let mode = fstat(&self.file).map(|file| file.st_mode & 0o7777);
        let missing = mode.ok().filter(|mode| mode & bits != bits);
        let Some(mode) = missing else { return };
        if let Err(error) = fchmod(&self.file, Mode::from_bits_truncate(mode | bits)) {
            log::debug!("the mode of {} stays: {error}", self.path.display());
        }
    }

    /// Write at the end of a file that is there.
    pub(super) fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file: File = fcntl::openat(&self.file, name, flags, Mode::empty())?.into();
        io::Write::write_all(&mut file, bytes)?;
        Ok(nix::unistd::close(file)?)
    }

    /// Give a file of this directory another name in it, in the place of what has that name.
    pub(super) fn rename(&self, old: &str, new: &str) -> io::Result<()> {
        Ok(fcntl::renameat(&self.file, old, &self.file, new)?)
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
        let may = || us.as_raw() == dir.st_uid || access::may_act_as_any_owner();
        if dir.st_mode & 0o1000 == 0 || may() {
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
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => {
                Ok(())
            }
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

    pub(super) fn try_clone(&self) -> io::Result<Self> {
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

/// Whether a killed process left this name behind; ask only while holding the lock.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED))
}
