//! Holds a dbt that has parsed the project, before it selects what to build.
//!
//! dbt v1 writes `manifest.json`, then `semantic_manifest.json`, and only then reads what
//! `--state` names (dbt-core 1.6 to 1.12: `write_manifest` in `dbt/parser/manifest.py`, called by
//! `requires.manifest`; the state is read by `GraphRunnableTask`, made after it). open(2) of a
//! FIFO waits for the other side: one in the place of the second file stops dbt between the two.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Its writing says that dbt has parsed.
const PARSED: &str = "manifest.json";
/// What dbt writes next.
const NEXT: &str = "semantic_manifest.json";

/// How long a dbt that is not needed any more may take to write its file.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// A gate in a target path; taken away when dropped.
pub struct Gate {
    fifo: PathBuf,
    notices: Inotify,
    passed: Arc<AtomicBool>,
    /// Of the thread that reads what dbt writes, until it is waited for.
    written: Cell<Option<Receiver<()>>>,
}

impl Gate {
    /// Put one up in the target path, which is made if it is not there.
    ///
    /// # Errors
    /// Where the file system has no FIFOs, or the kernel no watches to spare.
    pub fn put_up(target: &Path) -> Result<Self> {
        make(target).with_context(|| target.display().to_string())?;
        let notices = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        notices.add_watch(target, AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO)?;
        let fifo = target.join(NEXT);
        take_away(&fifo);
        match fs::remove_file(&fifo) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)?,
        }
        Ok(Self { fifo, notices, passed: Arc::default(), written: Cell::default() })
    }

    /// Whether the manifest has been written. Does not block; [`Gate::as_fd`] becomes readable.
    ///
    /// # Errors
    /// The kernel's, none of which is to be expected.
    pub fn is_reached(&self) -> Result<bool> {
        match self.notices.read_events() {
            Ok(events) => {
                let mut names = events.into_iter().filter_map(|event| event.name);
                Ok(names.any(|name| name == PARSED))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno).context("waiting for dbt's manifest"),
        }
    }

    /// Let dbt go on. What it writes now, it writes again when it has built.
    pub fn open(&self) {
        self.written.set(Some(self.opened(false)));
    }

    /// Whether dbt wrote its file through the open gate; ask only once dbt has ended. A dbt that did
    /// not has never waited.
    #[must_use]
    pub fn was_passed(&self) -> bool {
        if let Some(written) = self.written.take() {
            // A reader that still waits for a writer finds one that writes nothing.
            take_away(&self.fifo);
            let _ = written.recv_timeout(LAST_WRITE);
        }
        self.passed.load(Ordering::SeqCst)
    }

    /// Let dbt write its file, put that where it belongs, and no more: its process is ended next.
    pub fn open_for_the_last_time(&self) {
        let _ = self.opened(true).recv_timeout(LAST_WRITE);
    }

    /// A thread reads, since dbt may have more to write than a pipe holds; it tells when all is
    /// read, and kept if that is wanted.
    fn opened(&self, keep: bool) -> Receiver<()> {
        let (sender, written) = mpsc::channel();
        let (fifo, passed) = (self.fifo.clone(), Arc::clone(&self.passed));
        let read = move || -> io::Result<()> {
            let mut text = Vec::new();
            let mut reader = File::open(&fifo)?;
            if !reader.metadata()?.file_type().is_fifo() {
                return Ok(());
            }
            // dbt is in. The next time that it writes, it finds no FIFO.
            let _ = fs::remove_file(&fifo);
            reader.read_to_end(&mut text)?;
            passed.store(!text.is_empty(), Ordering::SeqCst);
            if keep {
                fs::write(&fifo, text)?;
            }
            let _ = sender.send(());
            Ok(())
        };
        let thread = thread::Builder::new().name("gate".into()).spawn(move || {
            if let Err(error) = read() {
                log::debug!("what dbt wrote at the gate was not read: {error}");
            }
        });
        if let Err(error) = thread {
            log::warn!("dbt's {NEXT} is not read: {error}");
            take_away(&self.fifo);
        }
        written
    }
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notices.as_fd()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        take_away(&self.fifo);
    }
}

/// A directory and whatever is missing above it.
fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(directory.parent().ok_or(error)?)?;
            fs::create_dir(directory)
        }
        Err(_) if directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Take away the gate of a process that was killed, on which every later dbt would wait.
pub fn clear(target: &Path) {
    take_away(&target.join(NEXT));
}

/// A FIFO alone. Whoever waits at it, on either side, goes on.
fn take_away(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return;
    }
    let both =
        File::options().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let removed = fs::remove_file(path);
    drop(both);
    if let Err(error) = removed {
        log::warn!("{} stays behind: dbt would wait there: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(gate: &Gate, name: &str, text: &str) -> bool {
        fs::write(gate.fifo.with_file_name(name), text).unwrap();
        gate.is_reached().unwrap()
    }

    #[test]
    fn a_writer_waits_until_the_gate_is_opened_and_writes_a_plain_file_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::put_up(&dir.path().join("new/target")).unwrap();
        assert!(!written(&gate, "other.json", "{}"));
        assert!(written(&gate, PARSED, "{}"));
        let fifo = gate.fifo.clone();
        let (sender, wrote) = mpsc::channel();
        let writer = thread::spawn(move || {
            fs::write(&fifo, "x".repeat(1 << 20)).unwrap();
            sender.send(()).unwrap();
            fs::write(&fifo, "again").unwrap();
        });
        assert!(wrote.recv_timeout(Duration::from_millis(50)).is_err(), "nobody has opened it");
        assert!(!gate.was_passed());
        gate.open();
        writer.join().unwrap();
        assert!(gate.was_passed());
        assert_eq!(fs::read_to_string(&gate.fifo).unwrap(), "again");
        drop(gate);
        assert!(dir.path().join("new/target").join(NEXT).is_file(), "only a FIFO is taken away");
    }

    #[test]
    fn nobody_has_passed_a_gate_that_was_opened_and_at_which_nobody_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::put_up(dir.path()).unwrap();
        gate.open();
        assert!(!gate.was_passed());
        assert!(!gate.fifo.exists());
    }

    #[test]
    fn a_writer_that_found_another_file_there_has_not_waited() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::put_up(dir.path()).unwrap();
        fs::remove_file(&gate.fifo).unwrap();
        fs::write(&gate.fifo, "plain").unwrap();
        gate.open_for_the_last_time();
        assert!(!gate.was_passed());
        assert_eq!(fs::read_to_string(&gate.fifo).unwrap(), "plain");
    }

    #[test]
    fn opened_for_the_last_time_it_leaves_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NEXT), "of an earlier run").unwrap();
        let gate = Gate::put_up(dir.path()).unwrap();
        let fifo = gate.fifo.clone();
        let writer = thread::spawn(move || fs::write(fifo, "fresh").unwrap());
        gate.open_for_the_last_time();
        writer.join().unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(NEXT)).unwrap(), "fresh");
    }

    #[test]
    fn a_gate_that_is_left_behind_is_taken_away_and_whoever_waits_there_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NEXT);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let fifo = path.clone();
        let (waits, waiting) = mpsc::channel();
        let orphan = thread::spawn(move || {
            waits.send(()).unwrap();
            File::options().write(true).open(fifo)
        });
        waiting.recv().unwrap();
        // It may not have come so far yet; then it finds nothing there, and does not wait.
        clear(dir.path());
        drop(orphan.join().unwrap());
        assert!(!path.exists());
        fs::write(&path, "{}").unwrap();
        clear(dir.path());
        assert!(path.is_file());
    }
}
