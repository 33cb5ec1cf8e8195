//! What a run will build, why, in which order, what becomes of it in the warehouse, and how long
//! that takes. `plan`, the budget, the approval and the run itself share this one value.

use crate::dbt::changes;
use crate::dbt::changes::Needs;
use crate::dbt::command::Command;
use crate::dbt::engine::Engine;
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::earlier_runs::{self, EarlierRun};
use crate::decide::needs;
use crate::decide::next;
use crate::decide::select_by::SelectBy;
use crate::decide::start::Approach;
use crate::digest::Pieces;
use crate::graph::{Graph, Role};
use crate::trees::IntoTree;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use]
pub struct Plan {
    /// Stands for the steps and for the code and values that they build; `--approve` takes it.
    pub hash: String,
    /// Every node that will be built, parents first. Tests and ephemeral models are not steps.
    pub steps: Vec<Step>,
    /// How many such nodes the project has.
    pub nodes: usize,
    /// Wall seconds of the last builds of the steps, added up; steps that were never built add
    /// nothing.
    pub seconds: f64,
    /// The steps that were never built, so nobody knows how long they take.
    pub unknown: Vec<String>,
    /// The nodes that this command builds and that need it themselves; what is downstream follows.
    #[serde(skip)]
    pub wanted: BTreeSet<String>,
    /// What has to be built, but not by this command.
    #[serde(skip)]
    pub others: Needs,
    /// The runs of dbt before the last one.
    #[serde(skip)]
    pub earlier_runs: Vec<EarlierRun>,
    /// The last run of dbt.
    #[serde(skip)]
    pub last_run: LastRun,
}

/// The last run of dbt, after those ahead of it.
#[derive(Debug, Clone, PartialEq)]
pub enum LastRun {
    /// There is nothing to build, and dbt is not started.
    Nothing,
    /// The command as the user gave it.
    AsGiven,
    /// What changed and everything downstream of it. The nodes are for [`SelectBy::Name`], tests
    /// included.
    Changed(SelectBy, BTreeSet<String>),
}

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its `unique_id`.
    pub id: String,
    /// `config.materialized`; `seed`, `snapshot` or `function` for those.
    pub materialized: String,
    /// Why it is built: `body`, `downstream of model.shop.orders (body)`.
    pub reason: String,
    /// What becomes of it in the warehouse.
    pub action: &'static str,
    /// Whether it keeps rows that former code made.
    pub altered: bool,
    /// Wall seconds of its last build.
    pub seconds: Option<f64>,
}

/// What is asked of a run.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The dbt that will be started.
    pub engine: &'a Engine,
    /// Its command line.
    pub command: &'a Command,
    /// How it is started.
    pub approach: Approach,
    /// The name of the project's default selector, where the command line leaves it in force.
    pub default_selector: Option<&'a str>,
    /// `--refresh-changed`: materializations.
    pub refresh_changed: &'a [String],
    /// `--always-start`.
    pub always_start: bool,
    /// Whether the steps have to be exact, because somebody reads or limits them.
    pub is_exact: bool,
}

impl Request<'_> {
    /// Whether the run builds what changed, rather than what the user or a full run selects.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        matches!(self.approach, Approach::Changed | Approach::Narrowed)
    }

    /// How dbt will be told what to build.
    #[must_use]
    pub fn select_by(&self) -> SelectBy {
        SelectBy::choose(self.engine, self.command, self.approach, self.default_selector)
    }

    /// Whether something besides the resource type limits what is built, so that only `dbt ls` knows
    /// what the command selects.
    fn is_limited(&self) -> bool {
        self.approach != Approach::Changed
            || self.command.excludes()
            || self.default_selector.is_some()
    }

    /// Whether the plan needs to know what `dbt ls` lists for the command.
    #[must_use]
    pub fn needs_list(&self, now: &Comparison<'_, '_>, baseline: &Baseline) -> bool {
        if !self.is_compared() {
            return self.is_exact;
        }
        let wants = |id: &String| now.is_built_by(self.command, id);
        let to_refresh = now.to_refresh(baseline, self.command, self.refresh_changed);
        self.is_limited()
            && now.needs.keys().any(wants)
            && (self.is_exact || to_refresh.iter().any(wants) || self.select_by() == SelectBy::Name)
    }
}

/// What a plan is made from.
#[derive(Clone, Copy)]
struct Basis<'a, 'm, 'b> {
    now: &'a Comparison<'m, 'b>,
    baseline: &'a Baseline,
    /// The nodes that are built with `--full-refresh`.
    refreshed: &'a dyn Fn(&str) -> bool,
}

impl Plan {
    /// The plan of a run. `listed` is what `dbt ls` lists for the command, where
    /// [`Request::needs_list`] asks for it.
    pub fn of(
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
        request: &Request<'_>,
        listed: Option<&BTreeSet<String>>,
    ) -> Self {
        let compared = request.is_compared();
        let (wanted, others) =
            if compared { wanted(now, request.command) } else { Default::default() };
        let reached = now.graph.with_descendants(&wanted);
        let chosen: BTreeSet<String> = match listed {
            Some(listed) if compared => reached.intersection(listed).cloned().into_tree(),
            Some(listed) => listed.clone(),
            None => reached,
        };
        let mut refreshed = BTreeSet::new();
        if compared {
            refreshed = now.to_refresh(baseline, request.command, request.refresh_changed);
        }
        let is_refreshed = |id: &str| refreshed.contains(id) || request.command.refreshes();
        let basis = Basis { now, baseline, refreshed: &is_refreshed };
        let built: BTreeSet<String> =
            chosen.iter().filter(|id| now.is_built_by(request.command, id)).cloned().into_tree();
        let to_refresh: BTreeSet<String> = refreshed.intersection(&wanted).cloned().into_tree();
        Self {
            earlier_runs: earlier_runs::earlier_runs(&now.graph, &built, &to_refresh),
            last_run: last_run(request, &wanted, chosen),
            ..Self::with_steps(basis, &built, wanted, others)
        }
    }

    fn with_steps(
        basis: Basis<'_, '_, '_>,
        built: &BTreeSet<String>,
        wanted: BTreeSet<String>,
        others: Needs,
    ) -> Self {
        let graph = &basis.now.graph;
        let built = built.iter().map(String::as_str).filter(|id| graph.is_built(id));
        let origins = origins(graph, &basis.now.needs);
        let built: BTreeSet<&str> = built.into_tree();
        let in_order = graph.in_order(&built);
        let steps: Vec<Step> = in_order.into_iter().map(|id| step(basis, &origins, id)).collect();
        let unknown = steps.iter().filter(|step| step.seconds.is_none());
        Self {
            hash: hash(basis, &steps),
            nodes: graph.count_built(),
            seconds: steps.iter().filter_map(|step| step.seconds).fold(0.0, |sum, one| sum + one),
            unknown: unknown.map(|step| step.id.clone()).collect(),
            steps,
            wanted,
            others,
            earlier_runs: Vec::new(),
            last_run: LastRun::Nothing,
        }
    }
}

/// The nodes that have to be built: those that the command builds, and the others with their
/// reasons.
fn wanted(now: &Comparison<'_, '_>, command: &Command) -> (BTreeSet<String>, Needs) {
    let (wanted, others): (Needs, Needs) =
        now.needs.clone().into_iter().partition(|(id, _)| now.is_built_by(command, id));
    (wanted.into_keys().into_tree(), others)
}

fn last_run(request: &Request<'_>, wanted: &BTreeSet<String>, chosen: BTreeSet<String>) -> LastRun {
    if !request.is_compared() {
        return LastRun::AsGiven;
    }
    if wanted.is_empty() && !request.always_start {
        return LastRun::Nothing;
    }
    let select_by = request.select_by();
    // No command line of dbt's says that nothing is selected by name.
    if select_by == SelectBy::Name && chosen.is_empty() {
        return LastRun::Nothing;
    }
    LastRun::Changed(select_by, chosen)
}

/// The action of a build that does not make new what is there.
const ALTERED: &str = "altered, history not rebuilt";

/// The action of a build with `--full-refresh`.
const REFRESHED: &str = "refreshed (dropped and rebuilt)";

/// For each node the nearest one upstream, or itself, that has a need of its own.
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

fn step(basis: Basis<'_, '_, '_>, origins: &BTreeMap<&str, &str>, id: &str) -> Step {
    let record = basis.baseline.nodes.get(id);
    let materialized = match basis.now.graph.role(id) {
        Some(Role::Model) | None => basis
            .now
            .manifest
            .materialized(id)
            .map_or_else(|| "view".to_owned(), |kind| kind.to_string()),
        Some(role) => role.resource_type().to_owned(),
    };
    let there = basis.now.before.as_ref().is_some_and(|before| before.node(id).is_some())
        || record.is_some_and(|record| record.seconds.is_some())
        || (basis.refreshed)(id) && record.is_some_and(|record| record.half_made);
    let keeps =
        basis.now.manifest.node(id).is_some_and(|node| node.keeps_rows((basis.refreshed)(id)));
    let reasons = basis.now.needs.get(id).map(Vec::as_slice).unwrap_or_default();
    let outdated = needs::outdates_rows(reasons, record).is_some();
    let already = record.is_some_and(|record| record.altered.is_some());
    let action = action(&materialized, there, keeps, outdated);
    Step {
        id: id.to_owned(),
        reason: reason(&basis.now.needs, origins, id),
        action,
        altered: there && keeps && (outdated || already),
        seconds: record.and_then(|record| record.seconds),
        materialized,
    }
}

fn reason(needs: &Needs, origins: &BTreeMap<&str, &str>, id: &str) -> String {
    let own = |id: &str| {
        let reasons = needs.get(id).map(Vec::as_slice).unwrap_or_default();
        reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match origins.get(id) {
        Some(origin) if *origin == id => own(id),
        Some(origin) => format!("downstream of {origin} ({})", own(origin)),
        None => "selected".to_owned(),
    }
}

fn action(materialized: &str, there: bool, keeps: bool, outdated: bool) -> &'static str {
    match materialized {
        _ if !there => "created",
        "seed" => "table loaded anew",
        "snapshot" => "compared, changed rows added",
        "function" => "function replaced",
        "incremental" | "materialized_view" | "distributed_incremental" => {
            match (keeps, outdated, materialized) {
                (false, ..) => REFRESHED,
                (true, true, _) => ALTERED,
                (true, false, "materialized_view") => "left as it is, or altered",
                (true, false, _) => "new rows added",
            }
        }
        "view" => "view replaced",
        "table" => "table replaced",
        _ => "built by its own materialization",
    }
}

fn hash(basis: Basis<'_, '_, '_>, steps: &[Step]) -> String {
    let ids: Vec<&str> = steps.iter().map(|step| &*step.id).collect();
    let codes = changes::fingerprints(&basis.now.manifest, &ids);
    let empty = BTreeMap::new();
    let mut digest = Pieces::new();
    for step in steps {
        let code = codes.get(&step.id).map_or("", String::as_str);
        let values = basis.now.inputs.get(&step.id).filter(|_| basis.baseline.is_recorded);
        let built = next::fingerprint(code, values.unwrap_or(&empty));
        for piece in [&step.id, step.action, &built] {
            digest.add(piece.as_bytes());
        }
    }
    digest.short_hex(8)
}
