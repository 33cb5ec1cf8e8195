//! A question that only the operator can put: is what was built still there?
//!
//! A warehouse that was emptied behind our back shows in no file. Before anything is spared
//! or left as it was, the operator's own command may look.

use super::Job;
use crate::decide::start::Approach;
use crate::exit::Failure;
use crate::os::program;
use crate::os::supervise::{Child, End, Policy, Stdout, Variables};
use crate::report;
use anyhow::anyhow;

impl Job<'_> {
    /// Run the probe, where there is one. Its standard output goes to our standard error:
    /// dbt's is for dbt.
    ///
    /// # Errors
    /// 78 when it fails, 64 when it cannot be started, 128+n when we were stopped meanwhile.
    pub(super) fn probe(&mut self, approach: &Approach) -> Result<(), Failure> {
        let trusts = matches!(approach, Approach::Changed | Approach::Narrowed);
        let Some(words) = self.config.probe.as_deref().filter(|_| trusts) else { return Ok(()) };
        let Some((name, args)) = words.split_first() else { return Ok(()) };
        let environment = &self.config.environment;
        let unusable = |failure: Failure| Failure::usage(anyhow!("--probe: {failure}"));
        let child = Child {
            program: program::find(name, environment).map_err(unusable)?,
            name: name.clone(),
            args: args.to_vec(),
            environment: Variables::These(environment),
            stdout: Stdout::ToStderr,
            policy: Policy::dbt(self.config.stop_signal, self.config.stop_grace),
        };
        let outcome = self.supervisor.run(child)?;
        if let Some(signal) = self.supervisor.stop_requested().filter(|_| outcome.stopped) {
            return Err(Failure::Stopped(signal));
        }
        match outcome.end {
            End::Code(0) => Ok(()),
            End::Code(_) | End::Signal(_) => Err(Failure::refused(anyhow!(
                "{}",
                report::probe_failed(words, outcome.end.exit_code())
            ))),
        }
    }
}
