//! The stream of `--events`: one JSON object a line. What dbt writes to the same pipe does not come into
//! a line of at most 4096 bytes (pipe(7)), and the longer ones are those of the plan and of the end,
//! when dbt writes nothing.
//!
//! Whoever reads it must not hold up a run: when a run has waited for its reader for a second in all,
//! the stream ends, and that is said.

use super::patience::write_all;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// Where events go.
#[derive(Debug)]
pub(super) struct EventStream {
    to: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    to: To,
    /// How long the run may still wait for the reader.
    patience: Duration,
}

/// How long a run may wait for the reader in all.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum To {
    Stdout,
    File(File),
    /// It could not be written.
    Nowhere,
}

impl EventStream {
    /// Standard output for `-`, else a file that is appended to, or a FIFO that somebody reads.
    ///
    /// # Errors
    /// Those of open(2): ENXIO for a FIFO that nobody reads.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let to = match path == Path::new("-") {
            true => pipe_of_our_own().map_or(To::Stdout, To::File),
            false => {
                let mut options = File::options();
                options.append(true).create(true).custom_flags(OFlag::O_NONBLOCK.bits());
                let mut file = options.open(path)?;
                if ends_within_a_line(path) {
                    io::Write::write_all(&mut file, b"\n")?;
                }
                To::File(file)
            }
        };
        Ok(Self { to: Mutex::new(Open { to, patience: PATIENCE }) })
    }

    /// Write one object, and a line break. After an error nothing more is written: a half line would
    /// otherwise go before the next.
    pub(super) fn write(&self, object: &str) {
        let Ok(mut open) = self.to.lock() else { return };
        let Open { to, patience } = &mut *open;
        let line = format!("{object}\n");
        let written = match to {
            To::Stdout => write_all(io::stdout(), line.as_bytes(), patience),
            To::File(file) => write_all(file, line.as_bytes(), patience),
            To::Nowhere => return,
        };
        if let Err(why) = written {
            *to = To::Nowhere;
            let why =
                if why == Errno::EAGAIN { "nobody read them for a second" } else { why.desc() };
            log::warn!("no more events are written: {why}");
        }
    }
}

/// Standard output, if it is a pipe, opened once more: dbt may fill it while we write, and we must not
/// wait then. The flags of standard output itself are dbt's as well.
fn pipe_of_our_own() -> Option<File> {
    const STDOUT: &str = "/proc/self/fd/1";
    let is_pipe = std::fs::metadata(STDOUT).ok()?.file_type().is_fifo();
    let mut options = File::options();
    options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    options.open(STDOUT).ok().filter(|_| is_pipe)
}

/// Whether the last line of a regular file has no end: its writer was killed, or the disk was full.
fn ends_within_a_line(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        if !path.metadata()?.is_file() {
            return Ok(b'\n');
        }
        let (mut file, mut last) = (File::open(path)?, [0]);
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    last().is_ok_and(|last| last != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;

    #[test]
    fn events_are_appended_to_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        std::fs::write(&path, "{\"half").unwrap();
        for text in ["{}", "[]"] {
            EventStream::open(&path).unwrap().write(text);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"half\n{}\n[]\n");
    }

    #[test]
    fn a_fifo_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        let unread = EventStream::open(&path).unwrap_err();
        assert_eq!(unread.raw_os_error(), Some(nix::libc::ENXIO));
        let mut options = File::options();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let mut reader = options.open(&path).unwrap();
        let stream = EventStream::open(&path).unwrap();
        stream.write("{}");
        let mut read = [0; 3];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"{}\n");
        let long = "x".repeat(1 << 20);
        stream.write(&long);
        stream.write("{}");
        assert!(matches!(stream.to.lock().unwrap().to, To::Nowhere));
    }
}
