//! Keeps the manifest of a run on the volume from the moment its first node begins.
//!
//! dbt's target path may die with the container; what its log then says of nodes that had
//! finished is worth nothing without the manifest that they were built from, and without
//! the values that they read.

use super::commit;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Written by dbt 1.x (`LogStartLine`, code Q011) when a node begins, after its manifest.
const BEGUN: &[u8] = b"\"LogStartLine\"";

/// Stops looking when it is dropped.
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
    let thread = thread::Builder::new().name("follow".into()).spawn(move || {
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if begun(&log) {
                copy_manifest(&manifest, &state, describe);
                return;
            }
        }
    });
    let thread =
        thread.map_err(|error| log::warn!("the run's journal is not followed: {error}")).ok();
    Follower { stop: Some(stop), thread }
}

/// Until the first node begins the log is a few lines long.
fn begun(log: &Path) -> bool {
    fs::read(log).is_ok_and(|bytes| bytes.windows(BEGUN.len()).any(|window| window == BEGUN))
}

fn copy_manifest(manifest: &Path, state: &Path, describe: impl FnOnce(&str) -> Result<Vec<u8>>) {
    let copy = || {
        let text = fs::read_to_string(manifest)?;
        commit::write_file(state, "run/inputs.json", &describe(&text)?)?;
        commit::write_file(state, "run/manifest.json", text.as_bytes())
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
