//! What is said of the nodes that have to be built.

use super::LISTED;
use crate::count::counted;
use crate::dbt::compare::{Needs, Reason};
use crate::decide::comparison::Comparison;
use crate::decide::plan::{LastRun, Plan};
use crate::decide::warehouse::Wrong;
use crate::exit::Failure;
use crate::graph::Graph;
use crate::trees::IntoTree;
use log::{info, warn};
use std::collections::{BTreeMap, BTreeSet};

/// dbt is asked which of the changed nodes would be built from other code than before.
pub(crate) fn compiling(count: usize) {
    info!(
        "asking dbt compile which of {} would be built from other code than before",
        counted(count, "nodes")
    );
}

/// dbt is asked what the models of an adopted project compile to.
pub(crate) fn compiling_all(count: usize) {
    let models = counted(count, "models");
    info!("asking dbt compile for the code of {models}, to compare later changes with");
}

/// An adopted project has no code to compare later changes with.
pub(crate) fn no_codes(why: &anyhow::Error) {
    warn!("dbt could not compile the project, so --settle cannot spare what it adopts: {why:#}");
}

/// Which changed nodes do not have to be built, of how many that dbt was asked about.
pub(crate) fn settled(settled: &BTreeSet<String>, asked: usize) {
    info!(
        "not built, because dbt compiles the same code as before: {} of {}",
        settled.len(),
        counted(asked, "nodes")
    );
    for id in settled.iter().take(LISTED) {
        info!("  {id}");
    }
    count_of_rest(settled.len());
}

/// dbt is asked for so many relations, in a process of its own.
pub(crate) fn asking_the_warehouse(count: usize) {
    info!("asking the warehouse for {}, in a dbt process of its own", counted(count, "relations"));
}

/// What the baseline claimed and the warehouse does not hold.
pub(crate) fn not_there(wrong: &[(String, Wrong)]) {
    warn!("to be built again, with whatever is downstream: {}", counted(wrong.len(), "nodes"));
    for (id, wrong) in wrong.iter().take(LISTED) {
        warn!("  {id}: {wrong}");
    }
    count_of_rest(wrong.len());
}

/// What a run took along could not be asked.
pub(crate) fn taken_along_is_guessed(why: &Failure) {
    warn!("views that the run may have dropped count as dropped, because dbt did not say: {why}");
}

/// dbt could not tell, so these nodes count as changed.
pub(crate) fn not_settled(count: usize, why: &anyhow::Error) {
    warn!(
        "taken for changed, because dbt could not compile them to compare: {}: {why:#}",
        counted(count, "nodes")
    );
}

/// Which nodes have to be built, and why.
pub(crate) fn changes(plan: &Plan, now: &Comparison<'_, '_>) {
    if plan.wanted.is_empty() || plan.last_run == LastRun::Nothing {
        match now.needs.is_empty() {
            true => info!("nothing changed: there is nothing to build"),
            false => info!("nothing that this command builds changed: there is nothing to build"),
        }
        return;
    }
    let tests = plan.wanted.iter().filter(|id| now.graph.is_test(id)).count();
    let all = counted(plan.nodes, "nodes");
    match (plan.wanted.len() - tests, tests) {
        (0, tests) => info!("to test: {}", counted(tests, "tests")),
        (nodes, 0) => {
            info!("to build: {nodes} of {all}, and everything downstream");
        }
        (nodes, tests) => info!(
            "to build: {nodes} of {all}, and everything downstream; to test: {}",
            counted(tests, "tests")
        ),
    }
    for id in plan.wanted.iter().take(LISTED) {
        info!("  {id}: {}", reason_list(now.needs.get(id).map(Vec::as_slice).unwrap_or_default()));
    }
    count_of_rest(plan.wanted.len());
}

/// Hooks of the project changed, which dbt runs around whatever it builds.
pub(crate) fn hooks_changed(kinds: &[&str]) {
    for kind in kinds {
        info!("{kind} changed; nothing is rebuilt for it");
    }
}

/// The reasons in one line, separated by commas.
pub(crate) fn reason_list(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How many nodes are not listed, of `count` altogether.
pub(super) fn count_of_rest(count: usize) {
    if count > LISTED {
        info!("  and {} more", count - LISTED);
    }
}

/// The nodes that have to be built, with the reason, but that this command does not build: because it
/// builds no such nodes, or because its selection leaves them out (`is_built`).
pub(crate) fn left_for_later(
    nodes: &[(&String, String)],
    is_built: impl Fn(&str) -> bool,
    subcommand: Option<&str>,
) {
    let command = subcommand.unwrap_or("this command");
    for (id, why) in nodes.iter().take(LISTED) {
        match is_built(id) {
            true => warn!("{id} has to be built ({why}), but the selection leaves it out"),
            false => warn!(
                "{id} has to be built ({why}), but `dbt {command}` does not build it; `dbt build` does"
            ),
        }
    }
    count_of_rest(nodes.len());
}

/// The nodes that have to be built, with their reasons as text. Tests are left out.
pub(crate) fn pending(needs: &Needs, graph: &Graph) -> BTreeMap<String, String> {
    let nodes = needs.iter().filter(|(id, _)| !graph.is_test(id));
    nodes.map(|(id, reasons)| (id.clone(), reason_list(reasons))).into_tree()
}

/// `dbt test` runs these unit tests, because `dbt build` does not run one without its model.
pub(crate) fn lone_unit_tests(ids: &BTreeSet<String>) {
    let names = ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    info!(
        "running with `dbt test`, because these unit tests changed and their models did not: {names}"
    );
}
