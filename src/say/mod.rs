//! The messages of this program. They go to standard error through the log; standard output belongs
//! to dbt.

mod baselines;
mod diff;
mod engine;
mod needs;
mod plan;
mod progress;
mod waiting;

pub(crate) use baselines::{after_rollback, between, built_names, origin};
pub(crate) use diff::diff;
pub(crate) use engine::{
    changed_since_killed, failed_warm, how_dbt_is_driven, not_warm, parse_not_kept,
    parsing_in_full, starting_warm,
};
pub(crate) use needs::{
    asking_the_warehouse, changes, compiling, compiling_all, hooks_changed, left_for_later,
    lone_unit_tests, no_codes, not_settled, not_there, pending, reason_list, settled,
    taken_along_is_guessed,
};
pub(crate) use plan::{PlanView, dot, mermaid, over_budget, plan, plan_as_markdown, svg};
pub(crate) use progress::{node_at_work, progress, progress_ends, progress_stays, progress_words};
pub(crate) use waiting::{failures, interrupted, waiting};

use crate::count::counted;
use crate::dbt::results::{Fate, Outcome, RunLog};
use crate::decide::earlier_runs::EarlierRun;
use crate::decide::event::RunEvent;
use crate::decide::intent::Unsaved;
use crate::decide::next::Absence;
use crate::decide::relations::Relations;
use crate::decide::settle::StartReason;
use crate::decide::start::{Approach, Start};
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::graph::{Graph, is_test_id};
use crate::log_style::{EVENT, LogStyle, OBJECT};
use log::{Level, debug, error, info, log, log_enabled, warn};
use needs::count_of_rest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

/// How many nodes a message lists; it only counts the others.
const LISTED: usize = 10;

/// A command line in one line, for messages. Bytes that are not UTF-8 are replaced.
pub(crate) fn command_line(words: &[OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What the run starts from, and what it does therefore.
pub(crate) fn start(start: &Start, approach: Approach, state: &impl Display) {
    match (start, approach) {
        (Start::FirstPopulation, Approach::Everything) => {
            info!("first population: {state} is empty, so dbt builds everything");
        }
        (_, Approach::Everything) => {
            info!("full run: dbt builds everything and replaces the baseline on {state}");
        }
        (_, Approach::AsGiven) => {
            info!("dbt builds what the command selects and records it on {state}");
        }
        (Start::Adopt, _) => {
            info!(
                "adopted: {state} was empty, and the warehouse is assumed to hold the project as it is now"
            );
        }
        _ => info!("comparing the project with the baseline on {state}"),
    }
}

/// An event for `--events`.
pub(crate) fn event(event: &RunEvent<'_>) {
    if log_enabled!(target: EVENT, Level::Info)
        && let Ok(object) = serde_json::to_string(event)
    {
        info!(target: EVENT, "{object}");
    }
}

/// A line of the log. With `--log json`, it has this value as a member of this name.
fn line_with(style: LogStyle, words: &str, name: &str, value: &impl Serialize) {
    match style {
        LogStyle::Human => info!("{words}"),
        LogStyle::Json => {
            let line = serde_json::json!({ "level": "info", "message": words, name: value });
            info!(target: OBJECT, "{line}");
        }
    }
}

/// How the run ended: the last message.
pub(crate) fn summary(style: LogStyle, summary: &Summary) {
    line_with(style, &summary.line(), "summary", summary);
    if style == LogStyle::Json {
        return;
    }
    let parts = [
        ("failed", failures(&mut summary.failed_by_itself(), LISTED)),
        ("interrupted", interrupted(summary, LISTED)),
        ("to be built", waiting(&summary.pending, Some(summary), LISTED)),
        ("note", waiting(&summary.altered, None, LISTED)),
    ];
    for (what, lines) in parts {
        lines.iter().for_each(|line| info!("  {what}: {line}"));
    }
}

/// The next baseline was saved: how many nodes were built, and how many still have to be built.
pub(crate) fn baseline_saved(graph: &Graph, outcome: &Outcome, absent: &BTreeMap<String, Absence>) {
    let built =
        outcome.iter().filter(|(id, fate)| !graph.is_test(id) && matches!(fate, Fate::Built(_)));
    let waiting: Vec<_> = absent.iter().filter(|(id, _)| !graph.is_test(id)).collect();
    info!("baseline saved: {} built, {} still to be built", built.count(), waiting.len());
}

/// dbt ended before it started a node.
pub(crate) fn nothing_begun(code: u8) {
    info!("dbt ended with code {code} before it started a node; the baseline is unchanged");
}

/// dbt ended without telling what it built.
pub(crate) fn outcome_unknown(code: u8) {
    warn!(
        "dbt ended with code {code}, and what it built is not known; the next run takes up what can be found out, and builds the rest again"
    );
}

/// The manifest in the target path is not that of the dbt that waits.
pub(crate) fn not_the_manifest_of_this_run(target: &Path) {
    warn!(
        "another dbt writes to {}; parsing the project again in a process of its own. Give each dbt that runs at the same time its own --target-path",
        target.display()
    );
}

/// dbt did not wait at the gate for the comparison, and built nothing.
pub(crate) fn dbt_did_not_wait() {
    warn!(
        "dbt did not wait for the list of nodes to build, and built nothing; starting it again after a separate parse"
    );
}

/// The last run was killed, or ended without being recorded. `is_recorded` is true if its finished
/// nodes are recorded now, and false for a plan, which writes nothing.
/// `is_silent` is true if its journal does not tell everything that it did.
pub(crate) fn recovering(
    run_log: &RunLog,
    unsaved: Option<&Unsaved>,
    is_silent: bool,
    is_recorded: bool,
) {
    if is_silent {
        warn!(
            "the journal of the last run is missing or incomplete: every node that the run may have built, and that is not known to be finished, will be built again"
        );
    }
    let ended = unsaved.map_or_else(
        || "was killed".to_owned(),
        |unsaved| format!("could not be recorded ({}),", unsaved.why),
    );
    warn!(
        "the last run {ended} after it had started {}{}; {}",
        if is_silent { "at least " } else { "" },
        counted(run_log.started.iter().filter(|id| !is_test_id(id)).count(), "nodes"),
        match is_recorded {
            true => "recording the nodes that it had finished",
            false =>
                "the next run will first record the nodes that it had finished, as this plan assumes",
        }
    );
}

/// A run was at work at the same time as another one. `is_recorded` as in [`recovering`].
pub(crate) fn overlapped(is_recorded: bool) {
    warn!(
        "two runs were at work on the state volume at the same time; {}built again: whatever the one may have built that was not recorded",
        if is_recorded { "" } else { "the next run has to build it, as this plan assumes; " }
    );
}

/// dbt failed, and the nodes that it had built could not be recorded either.
pub(crate) fn baseline_not_saved(failure: &Failure) {
    error!("{failure}");
}

/// A run of dbt before the last one begins, for nodes that need `--full-refresh` or for their
/// ancestors. `half_made` are the nodes whose relation was made by a build that was not complete.
pub(crate) fn earlier_run(earlier: &EarlierRun, graph: &Graph, half_made: &BTreeSet<String>) {
    let nodes: Vec<&String> = earlier.nodes.iter().filter(|id| !graph.is_test(id)).collect();
    let list = |is_half_made: bool| {
        let ids = nodes.iter().filter(|id| half_made.contains(**id) == is_half_made);
        ids.map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (cut_short, others) = (list(true), list(false));
    if !earlier.full_refresh {
        info!("building first, because refreshed nodes read them: {others}");
        return;
    }
    if !cut_short.is_empty() {
        info!(
            "building first with --full-refresh, because the build that made their relations was not complete: {cut_short}"
        );
    }
    if !others.is_empty() {
        info!("refreshing, because they changed (--refresh-changed): {others}");
    }
}

/// The nodes that left the project, with what becomes of their relations.
pub(crate) fn removed(relations: &Relations<'_, '_, '_>) {
    let removed = relations.removed();
    for (id, relation) in removed.iter().take(LISTED) {
        match relations.builder_of(relation) {
            Some(other) => info!("{id} was removed from the project; {other} has its relation"),
            None => info!("{id} was removed from the project; its relation stays: {relation}"),
        }
    }
    count_of_rest(removed.len());
}

/// A half-made relation was completed, as far as dbt can.
pub(crate) fn completed(id: &str) {
    warn!(
        "{id} had been built only in part, and --full-refresh does not make it anew, so dbt has added to it what it found missing. To be sure of its rows: drop its relation and build it again"
    );
}

/// `--refresh-changed` was given for a full run, which does not compare and so knows no changes.
pub(crate) fn refreshes_nothing() {
    info!(
        "--refresh-changed has no effect in a full run; to refresh everything, add --full-refresh after the dbt command"
    );
}

/// A seed failed that had been loaded before.
pub(crate) fn seed_not_reloaded(id: &str) {
    let name = id.rsplit('.').next().unwrap_or(id);
    warn!(
        "{id} could not be loaded. If its columns changed, dbt loads it only into a new table: dbt-entrypoint build --full-refresh --select {name}"
    );
}

/// A node was cut short, or some of its batches failed, while a build appended rows to it. `term`
/// selects it.
pub(crate) fn may_be_incomplete(id: &str, term: &str) {
    warn!(
        "{id} was only partly rebuilt and may have only some of its new rows; another build would append to them. To repair it: dbt-entrypoint run --full-refresh --select {term}"
    );
}

/// dbt is not started because it would find nothing to build.
pub(crate) fn dbt_not_needed() {
    info!(
        "nothing changed: all files, variables and versions that dbt would read are the same as when everything was built, so dbt is not started (--always-start starts it anyway)"
    );
}

/// Why dbt has to be started.
pub(crate) fn why_dbt_starts(reason: &StartReason) {
    match reason {
        StartReason::NothingSettled => debug!("starting dbt: no complete run is recorded"),
        StartReason::Changed(kinds) => debug!("starting dbt: its {} changed", kinds.join(", ")),
        StartReason::NewCommand => {
            debug!("starting dbt: this command has not completed with these inputs yet");
        }
        StartReason::Pending(count) => {
            debug!("starting dbt: still to be built: {count}");
        }
    }
}

/// Inputs of these kinds changed while dbt ran, so the next run cannot do without dbt.
pub(crate) fn inputs_changed(kinds: &[String]) {
    debug!("the next run will start dbt: its {} changed during this run", kinds.join(", "));
}

/// The inputs of dbt could not be read, so only dbt can tell whether anything changed. `is_doubtful` is
/// true if every start will start dbt for that reason, which the operator can remove.
pub(crate) fn inputs_unknown(why: &anyhow::Error, is_doubtful: bool) {
    let level = if is_doubtful { Level::Info } else { Level::Debug };
    log!(level, "only dbt can tell whether anything changed: {why:#}");
}

/// The empty `run_results.json` of a run that built nothing could not be written.
pub(crate) fn no_empty_results(target: &Path, why: &anyhow::Error) {
    debug!("run_results.json in {} is not of this run: {why:#}", target.display());
}

/// Another process uses the state that a plan only reads.
pub(crate) fn in_use(state: &impl Display, holder: &impl Display) {
    warn!("{state} is in use by {holder}; this plan assumes that this run had not started");
}

/// dbt cannot write its target or log path.
pub(crate) fn unwritable(path: &Path) {
    warn!(
        "dbt cannot write to {}; it may end with code 2 and without a message. Make the directory writable, or set --target-path and --log-path",
        path.display()
    );
}

/// dbt cannot be held at the gate, so parsing and building take two processes.
pub(crate) fn dbt_cannot_be_held(why: &anyhow::Error) {
    debug!("starting dbt twice, because it cannot be held at the gate: {why:#}");
}

/// The user has dbt's log elsewhere or in another format, or this dbt logs too little.
pub(crate) fn no_journal() {
    debug!("this run has no journal: dbt writes its log elsewhere or in another format");
}

/// The manifest, which is needed to record a killed run, was not copied to the volume.
pub(crate) fn manifest_not_kept(error: &anyhow::Error) {
    warn!(
        "cannot copy the manifest of this run to the volume: {error:#}; if this run is killed, what it has built will be built again"
    );
}

/// The record could not be replaced. The only consequence is that the next run starts dbt.
pub(crate) fn will_start_again(error: &anyhow::Error) {
    warn!("cannot update the record, so the next run will start dbt again: {error:#}");
}

/// The `--publish` command succeeded.
pub(crate) fn published(hook: &[OsString]) {
    info!("published: {}", command_line(hook));
}

/// The `--publish` command failed. The run does not fail because of that.
pub(crate) fn not_published(hook: &[OsString], why: &anyhow::Error) {
    error!(
        "--publish {}: {why:#}; the baseline is saved, and the next run publishes again",
        command_line(hook)
    );
}

/// A stage of the pipeline is done.
pub(crate) fn stage(name: &str, chosen: &dyn Display, took: Duration) {
    debug!("{name}: {chosen} ({:.1} ms)", took.as_secs_f64() * 1000.0);
}
