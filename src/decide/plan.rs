//! Plans a run: which nodes it builds, why, in which order, what happens to their relations, and how
//! long that takes.
//!
//! The verb `plan`, the rebuild budget, `--approve` and the run itself share this one value, so that
//! the run does exactly what was announced.

mod cause;
mod estimate;
mod left_out;
mod request;
mod step;

pub use cause::{Cause, Removed};
pub use estimate::{Chain, Estimate};
pub(in crate::decide) use estimate::{Times, wall_seconds};
pub use request::PlanRequest;
pub use step::Step;

use crate::count::counted;
use crate::dbt::command::Command;
use crate::dbt::compare;
use crate::dbt::compare::Needs;
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::earlier_runs::{self, EarlierRun};
use crate::decide::next;
use crate::decide::orphans::left_behind;
use crate::decide::relations::Relations;
use crate::decide::select_by::SelectBy;
use crate::digest::Pieces;
use crate::graph::{Graph, Role, is_unit_test_id};
use crate::trees::IntoTree;
use left_out::left_out;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use]
pub struct Plan {
    /// The digest of the steps and of the code and values that they build, in hexadecimal. `--approve`
    /// takes it.
    pub hash: String,
    /// Every node that will be built, parents first. Tests and ephemeral models are not steps.
    pub steps: Vec<Step>,
    /// How many nodes the project has that can be steps.
    pub nodes: usize,
    /// How many tests the run will run, data and unit tests.
    pub tests: usize,
    /// The nodes that left the project.
    pub removed: Vec<Removed>,
    /// The nodes that changed, but compile to what they were built from, and are therefore not steps.
    pub settled: BTreeSet<String>,
    /// How many relations that were built are not those of any node any more. `orphans` lists them.
    pub orphans: usize,
    /// What each word means that stands for a reason of a step.
    pub meanings: BTreeMap<&'static str, &'static str>,
    /// How long the builds will take. Steps that were never built count as nothing.
    pub estimate: Estimate,
    /// The steps that were never built, so that their build time is unknown.
    pub unknown: Vec<String>,
    /// How many of the steps are built only because of differences that may not matter
    /// ([`crate::dbt::compare::Reason::is_doubt`]).
    #[serde(skip)]
    pub doubtful: usize,
    /// The nodes that have to be built themselves and that this command builds. Their descendants
    /// follow from the graph.
    #[serde(skip)]
    pub wanted: BTreeSet<String>,
    /// Those of which dbt has to give an account: nothing but their resource type limits what the
    /// command selects.
    #[serde(skip)]
    pub due: BTreeSet<String>,
    /// The unit tests that have to be run although their model is not built. `dbt build` runs a unit
    /// test only before it builds the model.
    #[serde(skip)]
    pub lone_unit_tests: BTreeSet<String>,
    /// The nodes that the selection of the command leaves out, as far as they are known.
    #[serde(skip)]
    pub left_out: BTreeSet<String>,
    /// The nodes that have to be built themselves but that this command does not build.
    #[serde(skip)]
    pub others: Needs,
    /// The runs of dbt before the last one, for nodes that need `--full-refresh`.
    #[serde(skip)]
    pub earlier_runs: Vec<EarlierRun>,
    /// The last run of dbt.
    #[serde(skip)]
    pub last_run: LastRun,
}

/// The last run of dbt in a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum LastRun {
    /// There is nothing to build, so dbt is not started.
    Nothing,
    /// The command line of the user.
    AsGiven,
    /// The changed nodes and their descendants, selected in this way. The set holds all these nodes
    /// and tests; [`SelectBy::Name`] needs it.
    Changed(SelectBy, BTreeSet<String>),
}

/// What the steps of a plan depend on.
#[derive(Clone, Copy)]
struct Basis<'a, 'm, 'b> {
    now: &'a Comparison<'m, 'b>,
    baseline: &'a Baseline,
    relations: &'a Relations<'a, 'm, 'b>,
    /// What changed in each node or upstream of it.
    changes: &'a BTreeMap<&'a str, String>,
    /// Whether a node is built with `--full-refresh`.
    refreshed: &'a dyn Fn(&str) -> bool,
}

impl Plan {
    /// The plan of a run. `listed` are the nodes that `dbt ls` lists for the command; needed if
    /// [`PlanRequest::needs_list`] says so.
    pub fn of(
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
        request: &PlanRequest<'_>,
        listed: Option<&BTreeSet<String>>,
    ) -> Self {
        let compared = request.approach.is_compared();
        let (mut wanted, others) =
            if compared { wanted(now, request.command) } else { Default::default() };
        let selected = match listed {
            Some(listed) => Some(Cow::Borrowed(listed)),
            None if compared => request.selected(now).map(Cow::Owned),
            None => None,
        };
        let selected = selected.as_deref();
        wanted = request.roots(now, baseline, selected, wanted);
        let reached = now.graph.with_descendants(&wanted);
        let mut chosen: BTreeSet<String> = match selected {
            Some(selected) if compared => reached.intersection(selected).cloned().into_tree(),
            Some(selected) => selected.clone(),
            None => reached,
        };
        let lone_unit_tests = lone_unit_tests(&now.graph, &wanted, &chosen);
        wanted.retain(|id| !lone_unit_tests.contains(id));
        chosen.retain(|id| !lone_unit_tests.contains(id));
        let built: BTreeSet<String> =
            chosen.iter().filter(|id| now.is_built_by(request.command, id)).cloned().into_tree();
        let kinds = if compared { request.refresh_changed } else { &[] };
        let (changes, mut refreshed) = now.changes(baseline, request.command, kinds, &built);
        if !compared {
            refreshed.clear();
        }
        let is_refreshed = |id: &str| refreshed.contains(id) || request.command.refreshes();
        let relations = Relations::of(now, baseline);
        let basis = Basis {
            now,
            baseline,
            relations: &relations,
            changes: &changes,
            refreshed: &is_refreshed,
        };
        let to_refresh: BTreeSet<String> = refreshed.iter().map(|id| (*id).to_owned()).into_tree();
        let due = match compared && !request.is_limited() {
            // In some cases dbt runs no test that is selected on its own.
            true => wanted.iter().filter(|id| now.graph.is_built(id)).cloned().into_tree(),
            false => BTreeSet::new(),
        };
        Self {
            due,
            earlier_runs: earlier_runs::earlier_runs(&now.graph, &built, &to_refresh),
            last_run: last_run(request, &now.graph, &built, chosen),
            left_out: left_out(now, request.command, selected),
            ..Self::with_steps(basis, &built, wanted, others)
        }
        .with_lone(lone_unit_tests)
        .with_estimate(&now.graph, request.threads)
    }

    fn with_estimate(self, graph: &Graph, threads: Option<usize>) -> Self {
        let seconds = |step: &Step| step.seconds.unwrap_or_default().max(0.0);
        let times = self.steps.iter().map(|step| (step.id.as_str(), seconds(step))).into_tree();
        let estimate = Estimate::of(graph, &times, &self.earlier_runs, threads);
        Self { estimate, ..self }
    }

    fn with_lone(self, lone_unit_tests: BTreeSet<String>) -> Self {
        Self { tests: self.tests + lone_unit_tests.len(), lone_unit_tests, ..self }
    }

    /// The plan of a run that builds nothing, in a project of this many nodes that can be steps.
    pub fn of_nothing(nodes: usize) -> Self {
        Self {
            hash: Pieces::new().short_hex(8),
            steps: Vec::new(),
            nodes,
            tests: 0,
            removed: Vec::new(),
            settled: BTreeSet::new(),
            orphans: 0,
            meanings: BTreeMap::new(),
            estimate: Estimate::default(),
            unknown: Vec::new(),
            doubtful: 0,
            wanted: BTreeSet::new(),
            due: BTreeSet::new(),
            lone_unit_tests: BTreeSet::new(),
            left_out: BTreeSet::new(),
            others: Needs::new(),
            earlier_runs: Vec::new(),
            last_run: LastRun::Nothing,
        }
    }

    /// How long the builds will take, in seconds. `None` if nothing is built, or some steps were never
    /// built.
    #[must_use]
    pub fn expected_seconds(&self) -> Option<f64> {
        let is_known = self.unknown.is_empty() && !self.steps.is_empty();
        is_known.then_some(self.estimate.wall_seconds)
    }

    /// In one line: how much, in how many runs of dbt, and how dbt is told.
    #[must_use]
    pub fn summary(&self) -> String {
        let last = match &self.last_run {
            LastRun::Nothing => "nothing is left for a last run",
            LastRun::AsGiven => "the command runs as given",
            LastRun::Changed(SelectBy::Result(_), _) => "dbt is told by unique_id",
            LastRun::Changed(SelectBy::Name, _) => "dbt is told by names",
        };
        let (steps, ahead) = (self.steps.len(), self.earlier_runs.len());
        let (steps, ahead) = (counted(steps, "nodes"), counted(ahead, "runs"));
        format!("{steps} to build, {ahead} of dbt before the last; {last}")
    }

    fn with_steps(
        basis: Basis<'_, '_, '_>,
        built: &BTreeSet<String>,
        wanted: BTreeSet<String>,
        others: Needs,
    ) -> Self {
        let graph = &basis.now.graph;
        let tests = built.iter().filter(|id| graph.role(id) == Some(Role::Test)).count();
        let built = built.iter().map(String::as_str).filter(|id| graph.is_built(id));
        let origins = origins(graph, &basis.now.needs);
        let built: BTreeSet<&str> = built.into_tree();
        let in_order = graph.in_order(&built);
        let steps: Vec<Step> =
            in_order.into_iter().map(|id| step::step(basis, &origins, &built, id)).collect();
        let unknown = steps.iter().filter(|step| step.seconds.is_none());
        let certain = basis.now.graph.with_descendants(&basis.now.changed_for_certain());
        let doubtful = steps.iter().filter(|step| !certain.contains(&step.id)).count();
        Self {
            hash: hash(basis, &steps),
            unknown: unknown.map(|step| step.id.clone()).collect(),
            tests,
            removed: cause::removed(basis),
            settled: basis.now.settled.clone(),
            orphans: left_behind(&basis.baseline.left),
            meanings: cause::meanings(&basis.now.needs, steps.iter().map(|step| &step.id)),
            steps,
            doubtful,
            wanted,
            others,
            ..Self::of_nothing(graph.count_built())
        }
    }
}

/// The nodes that have to be built themselves: those that the command builds, and the others with
/// their reasons.
fn wanted(now: &Comparison<'_, '_>, command: &Command) -> (BTreeSet<String>, Needs) {
    let (wanted, others): (Needs, Needs) =
        now.needs.clone().into_iter().partition(|(id, _)| now.is_built_by(command, id));
    (wanted.into_keys().into_tree(), others)
}

/// Those of the unit tests `wanted` whose model is not among the nodes `chosen`.
fn lone_unit_tests(
    graph: &Graph,
    wanted: &BTreeSet<String>,
    chosen: &BTreeSet<String>,
) -> BTreeSet<String> {
    let is_alone = |id: &&String| {
        is_unit_test_id(id) && graph.parents(id).next().is_none_or(|model| !chosen.contains(model))
    };
    wanted.iter().filter(is_alone).cloned().into_tree()
}

/// The last run of dbt. `built` are the nodes that it builds or tests, `chosen` are all nodes and
/// tests that the changes require.
fn last_run(
    request: &PlanRequest<'_>,
    graph: &Graph,
    built: &BTreeSet<String>,
    chosen: BTreeSet<String>,
) -> LastRun {
    if !request.approach.is_compared() {
        return LastRun::AsGiven;
    }
    // Ephemeral models alone, whose readers are left out or do not exist, are compiled into nothing. And
    // where warnings are errors (`--warn-error`), dbt would fail for want of a node.
    if built.iter().all(|id| graph.role(id) == Some(Role::Ephemeral)) {
        return LastRun::Nothing;
    }
    let select_by = request.select_by();
    // A dbt command line without any name would select everything.
    if select_by == SelectBy::Name && chosen.is_empty() {
        return LastRun::Nothing;
    }
    LastRun::Changed(select_by, chosen)
}

/// For each node that is built because of changes: the nearest node upstream, or the node itself, that
/// has to be built itself.
fn origins<'a>(graph: &'a Graph, needs: &'a Needs) -> BTreeMap<&'a str, &'a str> {
    let children = graph.children();
    let mut origins: BTreeMap<&str, &str> =
        needs.keys().map(|id| (id.as_str(), id.as_str())).into_tree();
    let mut open: VecDeque<&str> = origins.keys().copied().collect();
    while let Some(id) = open.pop_front() {
        let Some(origin) = origins.get(id).copied() else { continue };
        for child in children.get(id).into_iter().flatten() {
            origins.entry(child).or_insert_with(|| {
                open.push_back(child);
                origin
            });
        }
    }
    origins
}

/// The digest of the steps, and of the code and the values from which they are built: their own,
/// those of the ephemeral models in them, and those of `on-run-start` and `on-run-end`. Without a
/// step nothing of all that is run.
fn hash(basis: Basis<'_, '_, '_>, steps: &[Step]) -> String {
    if steps.is_empty() {
        return Pieces::new().short_hex(8);
    }
    let Comparison { manifest, graph, inputs, .. } = basis.now;
    let actions = steps.iter().map(|step| (step.id.as_str(), step.action));
    let hooks = manifest.nodes().filter(|(_, node)| &*node.resource_type == "operation");
    let within = ephemerals(graph, steps).into_iter().chain(hooks.map(|(id, _)| id));
    let all: Vec<(&str, &str)> = actions.chain(within.map(|id| (id, ""))).collect();
    let ids: Vec<&str> = all.iter().map(|(id, _)| *id).collect();
    let codes = compare::fingerprints(manifest, &ids);
    let empty = BTreeMap::new();
    let mut digest = Pieces::new();
    for (id, action) in all {
        let code = codes.get(id).map_or("", String::as_str);
        let values = inputs.get(id).filter(|_| basis.baseline.is_recorded);
        let built = next::fingerprint(code, values.unwrap_or(&empty));
        for piece in [id, action, &built] {
            digest.add(piece.as_bytes());
        }
    }
    digest.short_hex(8)
}

/// The ephemeral models whose code is a part of that of a step.
fn ephemerals<'a>(graph: &'a Graph, steps: &'a [Step]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    while let Some(id) = open.pop() {
        let within = graph.parents(id).filter(|id| graph.role(id) == Some(Role::Ephemeral));
        open.extend(within.filter(|parent| found.insert(*parent)));
    }
    found
}
