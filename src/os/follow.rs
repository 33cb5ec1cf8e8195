//! Keeps the manifest of a run on the volume from the moment its first node begins, or earlier.
//!
//! dbt's target path may die with the container; what its log then says of nodes that had
//! finished is worth nothing without the manifest that they were built from, and without
//! the values that they read.

use super::commit;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Written by dbt 1.x (`LogStartLine`, code Q011) when a node begins, after its manifest.
const BEGUN: &[u8] = b"\"LogStartLine\"";

/// Stops looking when it is dropped; a copy that was begun is finished.
#[derive(Debug)]
pub struct Follower {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Copy `manifest` to `run/manifest.json` on the volume once `log` says that a node began,
/// after what `describe` says of it to `run/inputs.json`.
#[must_use]
pub fn copy_once_begun(
    log: &Path,
    manifest: &Path,
    state: &Path,
    describe: impl FnOnce(&str) -> Result<Vec<u8>> + Send + 'static,
) -> Follower {
    let (stop, stopped) = mpsc::channel();
    let [log, manifest, state] = [log, manifest, state].map(Path::to_owned);
    let read = move || {
        let text = fs::read_to_string(manifest)?;
        Ok((describe(&text)?, text))
    };
    Follower::new(stop, move || {
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if begun(&log) {
                keep(&state, read);
                return;
            }
        }
    })
}

/// The same at once, for a manifest that has been read and described.
#[must_use]
pub fn copy(text: Arc<String>, description: Vec<u8>, state: &Path) -> Follower {
    let state = state.to_owned();
    Follower::new(mpsc::channel().0, move || keep(&state, || Ok((description, text.as_bytes()))))
}

impl Follower {
    fn new(stop: mpsc::Sender<()>, work: impl FnOnce() + Send + 'static) -> Self {
        let thread = thread::Builder::new().name("follow".into()).spawn(work);
        let thread =
            thread.map_err(|error| log::warn!("the run's journal is not followed: {error}")).ok();
        Self { stop: Some(stop), thread }
    }
}

/// Until the first node begins the log is a few lines long.
fn begun(log: &Path) -> bool {
    fs::read(log).is_ok_and(|bytes| bytes.windows(BEGUN.len()).any(|window| window == BEGUN))
}

/// The description first: a manifest on the volume has one.
fn keep<T: AsRef<[u8]>>(state: &Path, read: impl FnOnce() -> Result<(Vec<u8>, T)>) {
    let copy = || {
        let (description, text) = read()?;
        commit::write_file(state, "run/inputs.json", &description)?;
        commit::write_file(state, "run/manifest.json", text.as_ref())
    };
    if let Err(error) = copy() {
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
