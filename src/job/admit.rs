//! Whether a state directory may hold state at all: before the lock, before anything is read.

use crate::cli::Config;
use crate::exit::Failure;
use crate::os::lock::{self, Lock};
use crate::os::supervise::Supervisor;
use crate::os::volume::Place;
use crate::os::{commit, mount, volume};
use anyhow::{Context, anyhow};
use std::path::{Path, PathBuf};

/// A state directory that nobody else changes.
#[derive(Debug)]
pub(crate) struct Held {
    /// Absolute.
    pub(crate) state: PathBuf,
    /// Until it is dropped.
    pub(crate) lock: Lock,
}

/// The state directory as an absolute path.
pub(crate) fn state_dir(config: &Config) -> Result<PathBuf, Failure> {
    std::path::absolute(&config.state_dir)
        .with_context(|| format!("the state directory {}", config.state_dir.display()))
        .map_err(Failure::refused)
}

/// Admit the state directory, take its lock, and remove what killed processes left there.
/// `what` is shown to whoever has to wait.
///
/// # Errors
/// Those of [`admit`]; 75 where another holder did not let go, 128+n on a signal.
pub(crate) fn hold(
    config: &Config,
    what: &str,
    supervisor: &mut Supervisor,
) -> Result<Held, Failure> {
    let state = state_dir(config)?;
    let place = volume::place(&state, mount::surroundings(&config.environment));
    admit(&state, &place, config.allow_ephemeral)?;
    let lock = lock::acquire(&state, what, config.lock_timeout, &mut |time| supervisor.wait(time))?;
    commit::clean(&state);
    Ok(Held { state, lock })
}

/// The state directory, if a run could be recorded there but for who may write.
///
/// # Errors
/// 78 where there is no lasting volume.
pub(crate) fn readable(config: &Config) -> Result<PathBuf, Failure> {
    let state = state_dir(config)?;
    let place = volume::place(&state, mount::surroundings(&config.environment));
    if !matches!(place, Place::ReadOnly | Place::Unwritable(_)) {
        admit(&state, &place, config.allow_ephemeral)?;
    }
    Ok(state)
}

/// Refuse a place that would forget, or that cannot be written.
///
/// # Errors
/// 78 where there is no lasting volume, 73 where it cannot be written, each with what to do.
fn admit(state: &Path, place: &Place, ephemeral: bool) -> Result<(), Failure> {
    let shown = state.display();
    match place {
        Place::Lasting { warning } => {
            if let Some(warning) = warning {
                log::warn!("{shown}: {warning}");
            }
            Ok(())
        }
        Place::NotMounted | Place::Ephemeral(_) if ephemeral => Ok(()),
        Place::Missing => Err(Failure::refused(anyhow!(
            "the state directory {shown} does not exist\n  \
             without it every run would be a first population\n  \
             what to do:\n    \
             docker run -v dbt-state:{shown} …     (mount a volume there)\n    \
             dbt-entrypoint --state-dir DIR …     (or say where it is)\n    \
             dbt-entrypoint --no-state …     (dbt alone, without state)"
        ))),
        Place::NotMounted => Err(forgets(state, "is inside the container's own file system")),
        Place::Ephemeral(kind) => Err(forgets(state, &format!("is in memory ({kind})"))),
        Place::ReadOnly => Err(unwritable(state, "is mounted read-only")),
        Place::Unwritable(why) => Err(Failure::unwritable(anyhow!("{why}"))),
        Place::NotADirectory => Err(Failure::refused(anyhow!(
            "the state directory {shown} is not a directory; nothing was run\n  \
             what to do:\n    \
             docker run -v dbt-state:{shown} …     (mount a volume there, not a file)\n    \
             dbt-entrypoint --state-dir DIR …     (or say where it is)"
        ))),
    }
}

fn forgets(state: &Path, how: &str) -> Failure {
    let state = state.display();
    Failure::refused(anyhow!(
        "the state directory {state} {how}: it is forgotten when the container ends\n  \
         every run would be a first population, and rebuild everything\n  \
         what to do:\n    \
         docker run -v dbt-state:{state} …     (mount a volume there)\n    \
         dbt-entrypoint --allow-ephemeral …     (for a trial, or a warehouse that is forgotten as well)\n    \
         dbt-entrypoint --no-state …     (dbt alone, without state)"
    ))
}

fn unwritable(state: &Path, how: &str) -> Failure {
    Failure::unwritable(anyhow!(
        "the state directory {} {how}, so what is built could not be recorded; nothing was run\n  \
         what to do:\n    \
         docker run -v dbt-state:{} …     (mount it writable: without `:ro`, `readOnly: false`)\n    \
         dbt-entrypoint --no-state …     (dbt alone, without state)",
        state.display(),
        state.display()
    ))
}
