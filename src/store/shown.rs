//! The files of the volume that others may read, if `--state-mode` says so: the baseline, those in the
//! history, and the summary of the last run.
//!
//! Everything else stays as private as the volume makes it. The records hold the salt of the
//! fingerprints, by which a short secret could be guessed; the log of a killed run may hold anything;
//! and whoever can open the lock can hold it.

use super::dir::Dir;
use super::{CONTROL, HISTORY, LAST_RUN, MANIFEST};
use crate::decide::state_mode::StateMode;
use std::io;
use std::path::Path;

/// Give what is there its mode. Where modes cannot be set, the options of the mount decide.
pub(super) fn show(dir: &Path, mode: Option<StateMode>) {
    let Some(mode) = mode else { return };
    if let Err(error) = try_show(dir, mode) {
        log::debug!("--state-mode has no effect on all of {}: {error}", dir.display());
    }
}

fn try_show(dir: &Path, mode: StateMode) -> io::Result<()> {
    let state = Dir::open(dir)?;
    state.let_enter(mode.of_directory());
    file(&state, MANIFEST, mode)?;
    let Ok(ours) = state.enter(CONTROL) else { return Ok(()) };
    ours.let_enter(mode.of_directory());
    file(&ours, LAST_RUN, mode)?;
    let Ok(history) = ours.enter(HISTORY) else { return Ok(()) };
    history.let_enter(mode.of_directory());
    for name in history.names()?.iter().filter_map(|name| name.to_str()) {
        file(&history, name, mode)?;
    }
    Ok(())
}

fn file(dir: &Dir, name: &str, mode: StateMode) -> io::Result<()> {
    dir.set_mode(name, mode.of_file())
}
