//! Holds a dbt process after it has parsed the project and before it selects what to build.
//!
//! In this way, one dbt process parses the project and builds it, and this program decides in between
//! what to build. dbt v1 writes `manifest.json`, then `semantic_manifest.json`, and only then reads
//! the directory that `--state` names (dbt-core 1.6 to 1.12: `write_manifest` in
//! `dbt/parser/manifest.py`, called by `requires.manifest`; `GraphRunnableTask`, which is created
//! later, reads the state). open(2) of a FIFO for writing blocks until another process opens it for
//! reading (fifo(7)). So a FIFO in place of the second file stops dbt between the two.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde::de::IgnoredAny;
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

/// The file that dbt writes when it has parsed the project.
const PARSED: &str = "manifest.json";
/// The file that dbt writes next, in place of which the FIFO is.
const NEXT: &str = "semantic_manifest.json";

/// How long to wait for dbt to write [`NEXT`] before dbt is ended.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// A gate in the target path of a dbt. Dropping it removes the FIFO.
pub struct Gate {
    fifo: PathBuf,
    /// Watches the target path for [`PARSED`].
    watch: Inotify,
    /// Whether dbt has written into the FIFO.
    passed: Arc<AtomicBool>,
    /// Tells when the thread that reads the FIFO has finished, until [`Gate::was_passed`] waits for
    /// it.
    finished: Cell<Option<Receiver<()>>>,
}

impl Gate {
    /// Create a gate in the target path. The directory is created if it is missing.
    ///
    /// # Errors
    /// The directory cannot be created, its file system has no FIFOs, or the limit of inotify
    /// instances or watches is reached (inotify(7)).
    pub fn put_up(target: &Path) -> Result<Self> {
        fs::create_dir_all(target).with_context(|| target.display().to_string())?;
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(target, AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO)?;
        let fifo = target.join(NEXT);
        remove_fifo(&fifo);
        match fs::remove_file(&fifo) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)?,
        }
        Ok(Self { fifo, watch, passed: Arc::default(), finished: Cell::default() })
    }

    /// Whether dbt has written its manifest since the last call. Does not block. The descriptor of
    /// [`Gate::as_fd`] becomes readable when it is worth asking.
    ///
    /// # Errors
    /// The watch cannot be read, which is not expected to happen.
    pub fn is_reached(&self) -> Result<bool> {
        match self.watch.read_events() {
            Ok(events) => {
                let mut names = events.into_iter().filter_map(|event| event.name);
                Ok(names.any(|name| name == PARSED))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno).context("cannot wait for dbt's manifest"),
        }
    }

    /// Let dbt continue. What it writes into the FIFO is dropped, since dbt writes the file again
    /// after it has built.
    pub fn open(&self) {
        self.finished.set(Some(self.read_in_background(false)));
    }

    /// Whether dbt wrote into the FIFO after [`Gate::open`]. Ask only after dbt has ended. A dbt that
    /// did not write into it did not wait at the gate.
    #[must_use]
    pub fn was_passed(&self) -> bool {
        if let Some(finished) = self.finished.take() {
            // A thread that still waits for a writer gets one that writes nothing.
            remove_fifo(&self.fifo);
            let _ = finished.recv_timeout(LAST_WRITE);
        }
        self.passed.load(Ordering::SeqCst)
    }

    /// Let dbt write its file and put the file in place. For a dbt that is ended next.
    pub fn open_for_the_last_time(&self) {
        let _ = self.read_in_background(true).recv_timeout(LAST_WRITE);
    }

    /// Start a thread that reads the FIFO, since dbt may write more than a pipe holds. With `keep`,
    /// the thread writes what it has read to the file. The returned channel tells when it has
    /// finished.
    fn read_in_background(&self, keep: bool) -> Receiver<()> {
        let (sender, finished) = mpsc::channel();
        let (fifo, passed) = (self.fifo.clone(), Arc::clone(&self.passed));
        let read = move || -> io::Result<()> {
            let mut text = Vec::new();
            let mut reader = File::open(&fifo)?;
            if !reader.metadata()?.file_type().is_fifo() {
                return Ok(());
            }
            // dbt has opened the FIFO. When it writes the file again, it finds none.
            let _ = fs::remove_file(&fifo);
            reader.read_to_end(&mut text)?;
            passed.store(!text.is_empty(), Ordering::SeqCst);
            // Two that wrote at once have left no JSON.
            if keep && is_json(&text) {
                fs::write(&fifo, text)?;
            }
            let _ = sender.send(());
            Ok(())
        };
        let thread = thread::Builder::new().name("gate".into()).spawn(move || {
            if let Err(error) = read() {
                log::debug!("dbt's {NEXT} could not be read from the gate: {error}");
            }
        });
        if let Err(error) = thread {
            log::warn!("cannot start a thread that reads dbt's {NEXT}: {error}");
            remove_fifo(&self.fifo);
        }
        finished
    }
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        remove_fifo(&self.fifo);
    }
}

/// Remove the FIFO that a killed process left in the target path. Every later dbt would wait there
/// for ever.
pub fn clear(target: &Path) {
    remove_fifo(&target.join(NEXT));
}

fn is_json(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Remove the file if it is a FIFO. It is opened for both directions first, so that processes that
/// wait on either side continue.
fn remove_fifo(path: &Path) {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return;
    }
    let both =
        File::options().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let removed = fs::remove_file(path);
    drop(both);
    if let Err(error) = removed {
        log::warn!(
            "cannot remove {}: {error}; remove this FIFO, or every later dbt will wait there for ever",
            path.display()
        );
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
    fn a_writer_waits_until_the_gate_is_opened_and_later_writes_a_regular_file() {
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
        assert!(dir.path().join("new/target").join(NEXT).is_file(), "only a FIFO is removed");
    }

    #[test]
    fn a_gate_that_nobody_wrote_to_was_not_passed() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::put_up(dir.path()).unwrap();
        gate.open();
        assert!(!gate.was_passed());
        assert!(!gate.fifo.exists());
    }

    #[test]
    fn a_writer_that_finds_a_regular_file_does_not_pass_the_gate() {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::put_up(dir.path()).unwrap();
        fs::remove_file(&gate.fifo).unwrap();
        fs::write(&gate.fifo, "plain").unwrap();
        gate.open_for_the_last_time();
        assert!(!gate.was_passed());
        assert_eq!(fs::read_to_string(&gate.fifo).unwrap(), "plain");
    }

    #[test]
    fn a_gate_opened_for_the_last_time_keeps_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NEXT), "of an earlier run").unwrap();
        let gate = Gate::put_up(dir.path()).unwrap();
        let fifo = gate.fifo.clone();
        let writer = thread::spawn(move || fs::write(fifo, "\"fresh\"").unwrap());
        gate.open_for_the_last_time();
        writer.join().unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(NEXT)).unwrap(), "\"fresh\"");
    }

    #[test]
    fn clearing_a_leftover_gate_releases_the_processes_that_wait_there() {
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
        // The thread may not have opened the FIFO yet. Then it finds none, and does not wait.
        clear(dir.path());
        drop(orphan.join().unwrap());
        assert!(!path.exists());
        fs::write(&path, "{}").unwrap();
        clear(dir.path());
        assert!(path.is_file());
    }
}
