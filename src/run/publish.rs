//! The hook after a change of the baseline: lineage and documentation want the manifest too.
//!
//! A mark stands on the volume from before the change until the hook has succeeded, so that the next
//! run makes up for a hook that failed or was killed.

use super::driver::Driver;
use super::open::Access;
use crate::cli::MANIFEST_VARIABLE;
use crate::say;
use anyhow::{Result, anyhow, bail};

/// Run the hook if it is owed. Its failure is reported and changes nothing else.
pub(crate) fn publish(driver: &mut Driver<'_>, access: &Access) {
    let hook = driver.session().config.publish.as_deref();
    let state = access.held().filter(|state| state.is_publish_owed());
    let (Some(words), Some(state)) = (hook, state) else { return };
    match run(driver, access, words).and_then(|()| state.published()) {
        Ok(()) => say::published(words),
        Err(error) => say::not_published(words, &error),
    }
}

fn run(driver: &mut Driver<'_>, access: &Access, words: &[std::ffi::OsString]) -> Result<()> {
    if driver.stop_requested().is_some() {
        bail!("we were asked to stop");
    }
    let mut environment = driver.session().config.environment.clone();
    let manifest = access.store().manifest_path().into_os_string();
    environment.insert(MANIFEST_VARIABLE.into(), manifest);
    let outcome = driver.run_hook(words, &environment).map_err(|failure| anyhow!("{failure}"))?;
    match outcome.end.exit_code() {
        0 => Ok(()),
        code => bail!("it ended with {code}"),
    }
}
