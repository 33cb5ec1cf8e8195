//! Keeps the manifest of a run on the volume from the moment its first node begins, or earlier, and
//! notes how far dbt's log has come.
//!
//! dbt's target path may be gone with the container. What dbt's log then says about finished nodes
//! is worth nothing without the manifest that they were built from and the values that they read.

use crate::dbt::json;
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

/// Stops looking when it is dropped. A copy that was begun is finished.
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
        manifest: &Path,
        describe: impl FnOnce(&str) -> Result<Vec<u8>> + Send + 'static,
    ) -> Self {
        let manifest = manifest.to_owned();
        let mut read = Some(move || {
            let text = json::standard(fs::read_to_string(manifest)?);
            Ok((describe(&text)?, Arc::new(text)))
        });
        Self::new(move |stopped| {
            whenever_it_grows(&run, stopped, || {
                if read.is_some() && run.log_began() {
                    read.take().into_iter().for_each(|read| keep(&run, read));
                }
            });
        })
    }

    /// The same at once, for a manifest that has been read and described.
    pub(super) fn copy(run: RunDir, manifest: Arc<String>, description: Vec<u8>) -> Self {
        Self::new(move |stopped| {
            keep(&run, || Ok((description, manifest)));
            whenever_it_grows(&run, stopped, || ());
        })
    }

    fn new(work: impl FnOnce(&Receiver<()>) + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = threads::start("follow", Box::new(move || work(&stopped)));
        let thread = thread.map_err(|error| say::manifest_not_kept(&error.into())).ok();
        Self { stop: Some(stop), thread }
    }
}

/// Until it is stopped, note the length of the log whenever it has grown, and do some work then.
fn whenever_it_grows(run: &RunDir, stopped: &Receiver<()>, mut work: impl FnMut()) {
    let mut known = 0;
    while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let length = run.length();
        if length > known {
            known = length;
            if let Err(error) = run.note_length() {
                log::debug!("{error:#}");
            }
            work();
        }
    }
}

fn keep(run: &RunDir, read: impl FnOnce() -> Result<(Vec<u8>, Arc<String>)>) {
    let kept = read().and_then(|(description, text)| run.keep(text.as_bytes(), &description));
    if let Err(error) = kept {
        say::manifest_not_kept(&error);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
