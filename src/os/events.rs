//! The stream of `--events`: one JSON object a line.
//!
//! Whoever reads it must never hold up a run: after an event that cannot be
//! written within a second the stream ends, and that is said.

use super::patience::{Patience, write_all};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

/// Where events go.
#[derive(Debug)]
pub(super) struct EventStream {
    to: Mutex<To>,
}

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
            true => To::Stdout,
            false => {
                let mut options = File::options();
                options.append(true).create(true).custom_flags(OFlag::O_NONBLOCK.bits());
                To::File(options.open(path)?)
            }
        };
        Ok(Self { to: Mutex::new(to) })
    }

    /// Write one object, and a line break. After an error nothing more is written: a half line would
    /// otherwise go before the next.
    pub(super) fn write(&self, object: &str) {
        let Ok(mut to) = self.to.lock() else { return };
        let line = format!("{object}\n");
        let written = match &mut *to {
            To::Stdout => write_all(io::stdout(), line.as_bytes(), Patience::Second),
            To::File(file) => write_all(file, line.as_bytes(), Patience::Second),
            To::Nowhere => return,
        };
        if let Err(why) = written {
            *to = To::Nowhere;
            log::warn!("no more events are written: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::io::Read;

    #[test]
    fn events_are_appended_to_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        for text in ["{}", "[]"] {
            EventStream::open(&path).unwrap().write(text);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n[]\n");
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
        assert!(matches!(*stream.to.lock().unwrap(), To::Nowhere));
    }
}
