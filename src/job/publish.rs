//! The hook after a change of the baseline: lineage and documentation want the manifest too.
//!
//! A mark stands on the volume from before the change until the hook has succeeded, so that
//! what failed or was killed is made up for by the next run.

use super::Job;
use crate::cli::{Config, MANIFEST_VARIABLE};
use crate::exit::Failure;
use crate::os::supervise::{Child, Policy, Stdout, Variables};
use crate::os::volume::{CONTROL, MANIFEST};
use crate::os::{commit, program};
use crate::report;
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::Path;

/// In the control directory: the hook has not yet seen the baseline.
const UNPUBLISHED: &str = "unpublished";

/// The baseline is about to change: the hook, if there is one, has to see it.
///
/// # Errors
/// [`Failure::not_saved`] where even this cannot be written.
pub(crate) fn owe(config: &Config, state: &Path) -> Result<(), Failure> {
    match config.publish {
        Some(_) => commit::write_file(state, UNPUBLISHED, b"").map_err(Failure::not_saved),
        None => Ok(()),
    }
}

impl Job<'_> {
    /// Run the hook if it is owed. Its failure is told, and changes nothing else.
    pub(crate) fn publish(&mut self) {
        let mark = self.state.join(CONTROL).join(UNPUBLISHED);
        let Some(hook) = self.config.publish.as_deref().filter(|_| mark.exists()) else { return };
        match self.run_hook(hook).and_then(|()| Ok(std::fs::remove_file(&mark)?)) {
            Ok(()) => log::info!("published: {}", report::words(hook)),
            Err(error) => log::error!(
                "--publish {}: {error:#}; the baseline is saved, and the next run publishes again",
                report::words(hook)
            ),
        }
    }

    fn run_hook(&mut self, hook: &[OsString]) -> Result<()> {
        if self.supervisor.stop_requested().is_some() {
            bail!("we are being stopped");
        }
        let Some((name, args)) = hook.split_first() else { return Ok(()) };
        let mut environment = self.config.environment.clone();
        let manifest = self.state.join(MANIFEST).into_os_string();
        environment.insert(MANIFEST_VARIABLE.into(), manifest);
        let told = |failure: Failure| anyhow::anyhow!("{failure}");
        let child = Child {
            program: program::find(name, &environment).map_err(told)?,
            name: name.clone(),
            args: args.to_vec(),
            environment: Variables::These(&environment),
            stdout: Stdout::ToStderr,
            policy: Policy::dbt(self.config.stop_signal, self.config.stop_grace),
        };
        match self.supervisor.run(child).map_err(told)?.end.exit_code() {
            0 => Ok(()),
            code => bail!("it ended with {code}"),
        }
    }
}
