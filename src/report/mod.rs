//! What we say, in words. Our lines go to standard error; standard output is dbt's.

mod forecast;

pub use forecast::{over_budget, plan};

use crate::cli::{Config, LogStyle};
use crate::dbt::compare::Needs;
use crate::dbt::compare::Reason;
use crate::dbt::results::Journal;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::baseline::Absence;
use crate::decide::passes::Pass;
use crate::decide::plan::{Approach, Start};
use crate::decide::skip;
use crate::decide::summary::Summary;
use crate::exit::{self, Failure};
use crate::graph::{Graph, Role};
use crate::os::stderr::VERBATIM;
use crate::os::{announce, clock};
use crate::trees::IntoTree;
use log::{debug, error, info, warn};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

/// How many nodes are named before the rest is counted.
const NAMED: usize = 10;

/// A command line for people: lossy, in one line.
#[must_use]
pub fn words(words: &[OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What the volume lets us start from, and what follows.
pub fn start(start: &Start, approach: &Approach, state: &Path) {
    let state = state.display();
    match (start, approach) {
        (Start::FirstPopulation, Approach::Everything) => {
            info!("first population: {state} is empty, so dbt builds everything");
        }
        (_, Approach::Everything) => {
            info!("full run: what stands on {state} is replaced by what is built now");
        }
        (_, Approach::AsGiven) => info!("as you selected; what is built is recorded on {state}"),
        (Start::Adopt, _) => {
            info!(
                "adopted: {state} was empty, and the warehouse is taken to hold the project as it stands"
            );
        }
        _ => info!("comparing with the baseline on {state}"),
    }
}

/// What is to be built, and why.
pub fn changes(wanted: &Needs, graph: &Graph) {
    if wanted.is_empty() {
        info!("nothing changed: there is nothing to build");
        return;
    }
    info!("to be built, with whatever is downstream: {} of {} nodes", wanted.len(), graph.len());
    for (id, reasons) in wanted.iter().take(NAMED) {
        info!("  {id}: {}", words_of(reasons));
    }
    rest(wanted.len());
}

fn words_of(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn rest(count: usize) {
    if count > NAMED {
        info!("  and {} more", count - NAMED);
    }
}

/// What has to be built, but not by this command; tests are left out, since they build nothing.
pub fn not_for_this_command(others: &Needs, graph: &Graph, subcommand: Option<&str>) {
    let role = |id: &String| graph.get(id).map_or(Role::Test, |member| member.role);
    let others: Vec<_> = others.iter().filter(|(id, _)| role(id) != Role::Test).collect();
    let command = subcommand.unwrap_or("this command");
    for (id, reasons) in others.iter().take(NAMED) {
        let why = words_of(reasons);
        warn!(
            "{id} is to be built ({why}), but `dbt {command}` does not build it; `dbt build` does"
        );
    }
    rest(others.len());
}

/// What has to be built, tests left out, each with its reasons in one line.
#[must_use]
pub fn pending(needs: &Needs, graph: &Graph) -> BTreeMap<String, String> {
    let nodes = needs.iter().filter(|(id, _)| !graph.is_test(id));
    nodes.map(|(id, reasons)| (id.clone(), words_of(reasons))).into_tree()
}

/// How the run ended: the last that we say.
pub fn summary(style: LogStyle, summary: &Summary) {
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
        rest(nodes.len());
    }
}

/// What the run did, and what stays to be built.
pub fn saved(graph: &Graph, outcome: &Outcome, absent: &BTreeMap<String, Absence>) {
    let built =
        outcome.iter().filter(|(id, fate)| !graph.is_test(id) && matches!(fate, Fate::Built(_)));
    let waiting: Vec<_> = absent.iter().filter(|(id, _)| !graph.is_test(id)).collect();
    info!("baseline saved: {} built, {} still to be built", built.count(), waiting.len());
}

/// dbt ended before it began a node.
pub fn nothing_begun(code: u8) {
    info!("dbt ended with {code} before it began a node; the baseline stays as it was");
}

/// dbt went by where it should have waited for the comparison, and found nothing to build.
pub fn did_not_wait() {
    warn!(
        "this dbt did not wait to be told what to build, and has built nothing; it is started again, to parse first"
    );
}

/// A run of another process that was killed is taken up; by a plan, for itself alone.
pub fn recovering(journal: &Journal, recorded: bool) {
    warn!(
        "the last run was killed after it had begun {} nodes; {}",
        journal.started.len(),
        match recorded {
            true => "what had finished is recorded first",
            false =>
                "the next run records first what had finished, and this is what it then builds",
        }
    );
}

/// dbt failed, and what it had built could not be recorded either.
pub fn not_saved(failure: &Failure) {
    error!("{failure}");
}

/// A pass ahead of the rest: what is built with `--full-refresh`, or what that reads.
pub fn ahead(pass: &Pass, graph: &Graph, half_made: &BTreeSet<String>) {
    let nodes: Vec<&String> = pass.nodes.iter().filter(|id| !graph.is_test(id)).collect();
    let named = |cut: bool| {
        let ids = nodes.iter().filter(|id| half_made.contains(**id) == cut);
        ids.map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (cut, others) = (named(true), named(false));
    if !pass.refresh {
        info!("built first, since what is refreshed reads it: {others}");
        return;
    }
    if !cut.is_empty() {
        info!("built with --full-refresh first, since their first build was cut short: {cut}");
    }
    if !others.is_empty() {
        info!("refreshed, since they changed (--refresh-changed): {others}");
    }
}

/// A full run compares nothing, so that it knows of no changed nodes.
pub fn refreshes_nothing() {
    info!(
        "--refresh-changed has no part in a full run: add --full-refresh behind dbt's command to refresh everything"
    );
}

/// A node that had been built before and was cut short while it was rebuilt; `term` selects it.
pub fn may_be_torn(id: &str, term: &str) {
    warn!(
        "{id} was cut short while it was built again and may hold a part of it; a plain build adds to that. To repair it: dbt-entrypoint run --full-refresh --select {term}"
    );
}

/// dbt is not started, and why.
pub fn spared() {
    info!(
        "nothing changed: every file, variable and version that dbt would read is as it was when all was built, so dbt is not started (--always-start starts it)"
    );
}

/// Why dbt is started though it might have been spared.
pub fn not_spared(reason: &skip::Reason) {
    match reason {
        skip::Reason::NothingSettled => debug!("dbt is started: no complete run is on record"),
        skip::Reason::Changed(kinds) => {
            debug!("dbt is started: changed are its {}", kinds.join(", "))
        }
        skip::Reason::NewCommand => {
            debug!("dbt is started: this command has not run with these inputs")
        }
        skip::Reason::Pending(count) => debug!("dbt is started: {count} nodes wait to be built"),
    }
}

/// Why the next start will start dbt.
pub fn moved(kinds: &[String]) {
    debug!("the next start starts dbt: while it ran, its {} moved", kinds.join(", "));
}

/// Why nobody can tell whether anything changed without dbt.
pub fn not_established(why: &anyhow::Error) {
    debug!("dbt is started, since only it can tell what changed: {why:#}");
}

/// The operator's own command says that what was built is gone.
#[must_use]
pub fn probe_failed(probe: &[OsString], code: u8) -> String {
    format!(
        "the probe failed with code {code}: {}\n  \
         so the warehouse may no longer hold what the baseline says; nothing was run\n  \
         what to do:\n    \
         bring the warehouse back, if it is away or is being restored\n    \
         dbt-entrypoint --full run     (it was emptied: rebuild everything, on purpose)\n    \
         mend the probe, if it asks for the wrong thing",
        words(probe)
    )
}

/// Nodes that wait for another command, with the reason on record.
pub fn left_to_others(others: &BTreeMap<&str, &str>, subcommand: Option<&str>) {
    let command = subcommand.unwrap_or("this command");
    for (id, why) in others.iter().take(NAMED) {
        warn!(
            "{id} is to be built ({why}), but `dbt {command}` does not build it; `dbt build` does"
        );
    }
    rest(others.len());
}

/// Tell everybody who listens how the run ended: people, the container's runtime, Prometheus.
pub fn ended(config: &Config, summary: &mut Summary, ended: &Result<u8, Failure>) {
    let (exit, why) = exit::code_and_reason(ended);
    summary.end(clock::now(), exit, why);
    if summary.verdict() != "refused" {
        self::summary(config.log, summary);
    }
    announce::to_the_runtime(&config.termination_log, summary);
    if let Some(path) = &config.metrics_file {
        announce::to_prometheus(path, summary);
    }
}
