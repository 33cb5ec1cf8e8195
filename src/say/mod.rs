//! What we say. Our lines go to standard error through the log; standard output is dbt's.

mod plan;

pub(crate) use plan::{over_budget, plan};

use crate::dbt::changes::{Needs, Reason};
use crate::dbt::results::{Fate, Outcome, RunLog};
use crate::decide::comparison::Comparison;
use crate::decide::earlier_runs::EarlierRun;
use crate::decide::next::Absence;
use crate::decide::plan::Plan;
use crate::decide::settle;
use crate::decide::start::{Approach, Start};
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::graph::Graph;
use crate::log_style::{LogStyle, VERBATIM};
use crate::trees::IntoTree;
use log::{debug, error, info, warn};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;

/// How many nodes are named before the rest is counted.
const NAMED: usize = 10;

/// A command line for people: lossy, in one line.
pub(crate) fn command_line(words: &[OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What the run starts from, and what follows.
pub(crate) fn start(start: &Start, approach: Approach, state: &impl Display) {
    match (start, approach) {
        (Start::FirstPopulation, Approach::Everything) => {
            info!("first population: {state} is empty, so dbt builds everything");
        }
        (_, Approach::Everything) => {
            info!("full run: dbt builds everything, which replaces the baseline on {state}");
        }
        (_, Approach::AsGiven) => {
            info!("dbt builds what you selected; what it builds is recorded on {state}");
        }
        (Start::Adopt, _) => {
            info!(
                "adopted: {state} was empty, and the warehouse is assumed to hold the project as it is now"
            );
        }
        _ => info!("comparing the project with the baseline on {state}"),
    }
}

/// What is to be built, and why.
pub(crate) fn changes(plan: &Plan, now: &Comparison<'_, '_>) {
    if plan.wanted.is_empty() {
        info!("nothing changed: there is nothing to build");
        return;
    }
    info!(
        "to build, with everything downstream: {} of {} nodes",
        plan.wanted.len(),
        now.graph.len()
    );
    for id in plan.wanted.iter().take(NAMED) {
        info!("  {id}: {}", reason_list(now.needs.get(id).map(Vec::as_slice).unwrap_or_default()));
    }
    count_of_rest(plan.wanted.len());
}

fn reason_list(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn count_of_rest(count: usize) {
    if count > NAMED {
        info!("  and {} more", count - NAMED);
    }
}

/// What has to be built, but not by this command; tests are left out, since they build nothing.
pub(crate) fn not_for_this_command(others: &Needs, graph: &Graph, subcommand: Option<&str>) {
    let others: Vec<_> = others.iter().filter(|(id, _)| !graph.is_test(id)).collect();
    let command = subcommand.unwrap_or("this command");
    for (id, reasons) in others.iter().take(NAMED) {
        let why = reason_list(reasons);
        warn!(
            "{id} has to be built ({why}), but `dbt {command}` does not build it; `dbt build` does"
        );
    }
    count_of_rest(others.len());
}

/// What has to be built, tests left out, each with its reasons in one line.
pub(crate) fn pending(needs: &Needs, graph: &Graph) -> BTreeMap<String, String> {
    let nodes = needs.iter().filter(|(id, _)| !graph.is_test(id));
    nodes.map(|(id, reasons)| (id.clone(), reason_list(reasons))).into_tree()
}

/// How the run ended: the last that we say.
pub(crate) fn summary(style: LogStyle, summary: &Summary) {
    if style == LogStyle::Json {
        let line =
            serde_json::json!({ "level": "info", "message": summary.line(), "summary": summary });
        info!(target: VERBATIM, "{line}");
        return;
    }
    info!("{}", summary.line());
    let parts = [
        ("failed", &summary.failed),
        ("to be built", &summary.pending),
        ("note", &summary.altered),
    ];
    for (what, nodes) in parts {
        for (id, why) in nodes.iter().take(NAMED) {
            info!("  {what}: {id}: {why}");
        }
        count_of_rest(nodes.len());
    }
}

/// What the run did, and what stays to be built.
pub(crate) fn baseline_saved(graph: &Graph, outcome: &Outcome, absent: &BTreeMap<String, Absence>) {
    let built =
        outcome.iter().filter(|(id, fate)| !graph.is_test(id) && matches!(fate, Fate::Built(_)));
    let waiting: Vec<_> = absent.iter().filter(|(id, _)| !graph.is_test(id)).collect();
    info!("baseline saved: {} built, {} still to be built", built.count(), waiting.len());
}

/// dbt ended before it began a node.
pub(crate) fn nothing_begun(code: u8) {
    info!("dbt ended with code {code} before it started a node; the baseline is unchanged");
}

/// dbt went by where it should have waited for the comparison, and found nothing to build.
pub(crate) fn dbt_did_not_wait() {
    warn!(
        "dbt did not wait to be told what to build, and built nothing; it is started again, after a separate parse"
    );
}

/// A run of another process that was killed is taken up; by a plan, for itself alone.
pub(crate) fn recovering(run_log: &RunLog, recorded: bool) {
    warn!(
        "the last run was killed after it had started {} nodes; {}",
        run_log.started.len(),
        match recorded {
            true => "the nodes that had finished are recorded first",
            false => "the next run first records the nodes that had finished, and then builds this",
        }
    );
}

/// dbt failed, and what it had built could not be recorded either.
pub(crate) fn baseline_not_saved(failure: &Failure) {
    error!("{failure}");
}

/// A pass ahead of the rest: what is built with `--full-refresh`, or what that reads.
pub(crate) fn earlier_run(earlier: &EarlierRun, graph: &Graph, half_made: &BTreeSet<String>) {
    let nodes: Vec<&String> = earlier.nodes.iter().filter(|id| !graph.is_test(id)).collect();
    let named = |cut: bool| {
        let ids = nodes.iter().filter(|id| half_made.contains(**id) == cut);
        ids.map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (cut, others) = (named(true), named(false));
    if !earlier.full_refresh {
        info!("built first, because a refreshed node reads it: {others}");
        return;
    }
    if !cut.is_empty() {
        info!("built first, with --full-refresh, because the first build was cut short: {cut}");
    }
    if !others.is_empty() {
        info!("refreshed, because it changed (--refresh-changed): {others}");
    }
}

/// A full run compares nothing, so that it knows of no changed nodes.
pub(crate) fn refreshes_nothing() {
    info!(
        "--refresh-changed has no effect in a full run; to refresh everything, add --full-refresh after dbt's command"
    );
}

/// A node that had been built before and was cut short while it was rebuilt; `term` selects it.
pub(crate) fn may_be_incomplete(id: &str, term: &str) {
    warn!(
        "{id} was cut short during a rebuild and may hold only some of its rows; another plain build would add to them. To repair it: dbt-entrypoint run --full-refresh --select {term}"
    );
}

/// dbt is not started, and why.
pub(crate) fn dbt_not_needed() {
    info!(
        "nothing changed: every file, variable and version that dbt would read is the same as when everything was built, so dbt is not started (--always-start starts it)"
    );
}

/// Why dbt is started though it might have been spared.
pub(crate) fn why_dbt_starts(reason: &settle::StartReason) {
    match reason {
        settle::StartReason::NothingSettled => {
            debug!("dbt is started: no complete run is on record")
        }
        settle::StartReason::Changed(kinds) => {
            debug!("dbt is started: its {} changed", kinds.join(", "));
        }
        settle::StartReason::NewCommand => {
            debug!("dbt is started: this command has not run with these inputs yet");
        }
        settle::StartReason::Pending(count) => {
            debug!("dbt is started: {count} nodes still have to be built")
        }
    }
}

/// Why the next start will start dbt.
pub(crate) fn inputs_changed(kinds: &[String]) {
    debug!("the next run will start dbt: its {} changed while it ran", kinds.join(", "));
}

/// Why nobody can tell whether anything changed without dbt.
pub(crate) fn inputs_unknown(why: &anyhow::Error) {
    debug!("dbt is started, because only dbt can find out what changed: {why:#}");
}

/// Nodes that wait for another command, with the reason on record.
pub(crate) fn pending_for_others(others: &BTreeMap<&str, &str>, subcommand: Option<&str>) {
    let command = subcommand.unwrap_or("this command");
    for (id, why) in others.iter().take(NAMED) {
        warn!(
            "{id} has to be built ({why}), but `dbt {command}` does not build it; `dbt build` does"
        );
    }
    count_of_rest(others.len());
}

/// Somebody is at work on the state that we only look at.
pub(crate) fn in_use(state: &impl Display, holder: &impl Display) {
    warn!("{state} is in use by {holder}; this is the plan as if that run had not started");
}

/// dbt cannot write there.
pub(crate) fn unwritable(path: &Path) {
    warn!("dbt cannot write to {}, and may end with code 2 and no message", path.display());
}

/// This dbt cannot be held while we compare.
pub(crate) fn dbt_cannot_be_held(why: &anyhow::Error) {
    debug!("dbt is started twice, because it cannot be held at the gate: {why:#}");
}

/// dbt's log goes where the user wants it, or tells too little.
pub(crate) fn no_journal() {
    debug!("this run has no journal: dbt's log is written elsewhere or in another form");
}

/// What would be needed to resume after a kill is not on the volume.
pub(crate) fn manifest_not_kept(error: &anyhow::Error) {
    warn!(
        "the manifest of this run could not be copied to the volume, so a killed run could not be resumed: {error:#}"
    );
}

/// The record could not be replaced, which costs one more start of dbt.
pub(crate) fn will_start_again(error: &anyhow::Error) {
    warn!("the next run will start dbt again: {error:#}");
}

/// The hook has seen the baseline.
pub(crate) fn published(hook: &[OsString]) {
    info!("published: {}", command_line(hook));
}

/// The hook has not, which changes nothing else.
pub(crate) fn not_published(hook: &[OsString], why: &anyhow::Error) {
    error!(
        "--publish {}: {why:#}; the baseline is saved, and the next run publishes again",
        command_line(hook)
    );
}
