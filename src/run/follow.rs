//! Follows the log of a dbt that runs: tells of each node as it begins and ends, and how far dbt has
//! come; notes on the volume how long the log is; and keeps the manifest there from the moment the
//! first node begins, or earlier.
//!
//! dbt's target path may be gone with the container. What dbt's log then says about finished nodes
//! is worth nothing without the manifest that they were built from and the values that they read.

use super::progress::Reporter;
use crate::dbt::json;
use crate::dbt::results::RunLog;
use crate::decide::event::RunEvent;
use crate::os::threads;
use crate::say;
use crate::store::RunDir;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Follows the log until it is dropped, which is when dbt has ended: the rest of the log is then read,
/// and a copy that was begun is finished.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Copy the manifest to the volume once dbt's log says that a node began, with what `describe`
    /// makes of it.
    pub(super) fn copy_once_begun(
        run: RunDir,
        progress: Option<Reporter>,
        manifest: &Path,
        describe: impl FnOnce(&str) -> Result<Vec<u8>> + Send + 'static,
    ) -> Self {
        let manifest = manifest.to_owned();
        let mut read = Some(move || {
            let text = json::standard(fs::read_to_string(manifest)?);
            Ok((describe(&text)?, Arc::new(text)))
        });
        Self::new(move |stopped| {
            Followed::of(&run, progress).until(stopped, |log| {
                let read = read.take_if(|_| !log.started.is_empty())?;
                keep(&run, read)
            });
        })
    }

    /// The same at once, for a manifest that has been read and described.
    pub(super) fn copy(
        run: RunDir,
        mut progress: Option<Reporter>,
        manifest: Arc<String>,
        description: Vec<u8>,
    ) -> Self {
        Self::new(move |stopped| {
            let text = keep(&run, || Ok((description, manifest)));
            progress.iter_mut().zip(text).for_each(|(progress, text)| progress.knows(text));
            Followed::of(&run, progress).until(stopped, |_| None);
        })
    }

    fn new(work: impl FnOnce(&Receiver<()>) + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = threads::start("follow", Box::new(move || work(&stopped)));
        let thread = thread.map_err(|error| say::manifest_not_kept(&error.into())).ok();
        Self { stop: Some(stop), thread }
    }
}

/// The log as far as it has been read.
struct Followed<'r> {
    run: &'r RunDir,
    log: RunLog,
    /// How many bytes have been read.
    length: u64,
    /// The last line, as long as its end is missing.
    rest: Vec<u8>,
    /// Who tells how far dbt has come, if anybody does.
    progress: Option<Reporter>,
}

impl<'r> Followed<'r> {
    fn of(run: &'r RunDir, progress: Option<Reporter>) -> Self {
        Self { run, log: RunLog::default(), length: 0, rest: Vec::new(), progress }
    }

    /// Until it is stopped, read the log whenever it has grown, note its length, and do some work
    /// then, which may come to the manifest.
    fn until(
        mut self,
        stopped: &Receiver<()>,
        mut work: impl FnMut(&RunLog) -> Option<Arc<String>>,
    ) {
        loop {
            let is_last = stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout);
            if self.read() {
                if let Err(error) = self.run.note_length() {
                    log::debug!("{error:#}");
                }
                let manifest = work(&self.log);
                let progress = self.progress.iter_mut();
                progress.zip(manifest).for_each(|(progress, text)| progress.knows(text));
            }
            if let Some(progress) = self.progress.as_mut().filter(|_| !is_last) {
                progress.look(&self.log);
            }
            if is_last {
                return;
            }
        }
    }

    /// Read what was written since; whether there was anything.
    fn read(&mut self) -> bool {
        if self.run.length() <= self.length {
            return false;
        }
        let more = self.run.log_after(self.length);
        self.length += u64::try_from(more.len()).unwrap_or_default();
        self.rest.extend_from_slice(&more);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            if let Some(news) = self.log.add_line(line) {
                say::event(&RunEvent::of_node(&news, &self.log.failures));
            }
        }
        !more.is_empty()
    }
}

/// Keep what is read here; the manifest.
fn keep(
    run: &RunDir,
    read: impl FnOnce() -> Result<(Vec<u8>, Arc<String>)>,
) -> Option<Arc<String>> {
    let kept = read().and_then(|(description, text)| {
        run.keep(text.as_bytes(), &description)?;
        Ok(text)
    });
    kept.inspect_err(say::manifest_not_kept).ok()
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
