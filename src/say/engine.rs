//! What is said of dbt itself: how it is driven, and what of it cannot be known.

use crate::count::counted;
use crate::dbt::engine::Engine;
use log::{debug, info, warn};

/// What of dbt's settings does not hold for this run, and why dbt is driven with care. `turned_off`
/// are switches that the user gave.
pub(crate) fn how_dbt_is_driven(engine: &Engine, turned_off: &[String]) {
    if !turned_off.is_empty() {
        info!(
            "turned off for this run: {}; dbt 2 would write no manifest.json of it",
            turned_off.join(", ")
        );
    }
    if engine.is_newer_than_tested() {
        info!(
            "this is {engine}, which is newer than any that this program was tested with: dbt parses in a process of its own, is told the nodes by name, and what it built is not known if it is killed"
        );
    }
}

/// What dbt 2 had parsed when it was killed cannot be told from what the project is now.
pub(crate) fn changed_since_killed(kinds: &[String]) {
    warn!(
        "what dbt reads changed since the last run was killed ({}), so that what it built will be built again",
        kinds.join(", ")
    );
}

/// dbt starts from its parse of an earlier container, since which so many models were edited.
pub(crate) fn starting_warm(edited: usize) {
    let models = counted(edited, "models");
    debug!("dbt starts from its parse of an earlier run; edited since: {models}");
}

/// The partial-parse file that is kept does not fit, so dbt parses in full.
pub(crate) fn not_warm(why: &anyhow::Error) {
    debug!("dbt does not start from the parse that is kept: {why:#}");
}

/// What dbt made of an earlier parse may not be what a full parse makes.
pub(crate) fn parsing_in_full(why: &anyhow::Error) {
    info!("dbt parses the project once more, in full: {why:#}");
}

/// dbt failed after it had started from an earlier parse: perhaps for that reason.
pub(crate) fn failed_warm() {
    info!("dbt parses the project once more, in full: it failed from the parse of an earlier run");
}

/// The next container parses in full.
pub(crate) fn parse_not_kept(why: &anyhow::Error) {
    debug!("dbt's parse is not kept for the next container: {why:#}");
}
