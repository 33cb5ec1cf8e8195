//! A question that only the operator can put: is what was built still there?
//!
//! A warehouse that was emptied behind our back shows in no file. Before dbt is spared or anything
//! is left as it was built, the operator's own command may look.

use super::driver::Driver;
use crate::decide::start::Approach;
use crate::exit::{Failure, Refusal};
use crate::os::supervise::Termination;
use crate::say;

/// Run the probe, where there is one and the run trusts the baseline.
///
/// # Errors
/// 78 when it fails, 64 when it cannot be started, 128+n when we were stopped meanwhile.
pub(super) fn probe(driver: &mut Driver<'_>, approach: Approach) -> Result<(), Failure> {
    let config = &driver.session().config;
    let probe = config.probe.as_deref().filter(|_| approach.is_compared());
    let Some(words) = probe else { return Ok(()) };
    let outcome = driver.run_hook(words, &config.environment).map_err(unusable)?;
    if let Some(signal) = driver.stop_requested().filter(|_| outcome.stopped) {
        return Err(Failure::Stopped(signal));
    }
    match outcome.end {
        Termination::Exited(0) => Ok(()),
        end @ (Termination::Exited(_) | Termination::Signaled(_)) => {
            Err(Failure::refused(failed(&say::command_line(words), end.exit_code())))
        }
    }
}

fn unusable(failure: Failure) -> Failure {
    match failure {
        Failure::Own(..) => Failure::usage(format!("--probe: {failure}")),
        Failure::Stopped(_) => failure,
    }
}

fn failed(probe: &str, code: u8) -> Refusal {
    Refusal::new(format!("the probe failed with code {code}: {probe}"))
        .meaning("the warehouse may no longer hold what the baseline says, so nothing was run")
        .remedy("bring the warehouse back, if it is down or being restored")
        .remedy("dbt-entrypoint --full run     (it was emptied: rebuild everything, on purpose)")
        .remedy("correct the probe, if it asks for the wrong thing")
}
