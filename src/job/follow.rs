//! Keeps the manifest of a run on the volume from the moment its first node begins, or earlier.
//!
//! dbt's target path may die with the container; what its log then says of nodes that had
//! finished is worth nothing without the manifest that they were built from, and without
//! the values that they read.

use crate::store::RunDir;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Stops looking when it is dropped; a copy that was begun is finished.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Keep the text of `manifest` on the volume once dbt's log says that a node began, with what
/// `describe` says of it.
pub(super) fn keep_once_begun(
    run: RunDir,
    manifest: &Path,
    describe: impl FnOnce(&str) -> Result<Vec<u8>> + Send + 'static,
) -> Follower {
    let (stop, stopped) = mpsc::channel();
    let manifest = manifest.to_owned();
    let read = move || {
        let text = fs::read_to_string(manifest)?;
        Ok((describe(&text)?, text))
    };
    Follower::new(stop, move || {
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if run.log_began() {
                keep(&run, read);
                return;
            }
        }
    })
}

/// The same at once, for a manifest that has been read and described.
pub(super) fn keep_now(run: RunDir, text: Arc<String>, description: Vec<u8>) -> Follower {
    Follower::new(mpsc::channel().0, move || keep(&run, || Ok((description, text.as_bytes()))))
}

impl Follower {
    fn new(stop: mpsc::Sender<()>, work: impl FnOnce() + Send + 'static) -> Self {
        let thread = thread::Builder::new().name("follow".into()).spawn(work);
        let thread =
            thread.map_err(|error| log::warn!("the run's journal is not followed: {error}")).ok();
        Self { stop: Some(stop), thread }
    }
}

fn keep<T: AsRef<[u8]>>(run: &RunDir, read: impl FnOnce() -> Result<(Vec<u8>, T)>) {
    let kept = read().and_then(|(description, text)| run.keep(text.as_ref(), &description));
    if let Err(error) = kept {
        log::warn!(
            "the manifest of this run was not kept, so a kill could not be resumed: {error:#}"
        );
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
