//! The store of a configuration, to look at or to change.

use crate::cli::Config;
use crate::exit::Failure;
use crate::os::supervise::Supervisor;
use crate::store::{Locked, Store};

/// The store that the configuration names. Nothing is opened.
///
/// # Errors
/// 78 where the working directory is gone and the path is relative.
pub(crate) fn store(config: &Config) -> Result<Store, Failure> {
    Store::at(&config.state_dir).map_err(Failure::refused)
}

/// Admit the state directory and take its lock. `what` is shown to whoever has to wait.
///
/// # Errors
/// 78 or 73 where the directory cannot hold state, 75 where another holder did not let go, 128+n
/// on a signal.
pub(crate) fn hold(
    config: &Config,
    what: &str,
    supervisor: &mut Supervisor,
) -> Result<Locked, Failure> {
    let store = store(config)?;
    store.admit(&config.environment, config.allow_ephemeral)?;
    store.lock(what, config.lock_timeout, &mut |time| supervisor.wait(time))
}

/// A store that is only looked at, if a run could be recorded there but for who may write.
///
/// # Errors
/// 78 where there is no lasting volume.
pub(crate) fn look(config: &Config) -> Result<Store, Failure> {
    let store = store(config)?;
    store.admit_to_look(&config.environment, config.allow_ephemeral)?;
    Ok(store)
}
