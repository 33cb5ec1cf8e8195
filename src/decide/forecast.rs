//! What a run will build, why, what becomes of it in the warehouse, and how long that takes.

use crate::dbt::compare;
use crate::dbt::compare::Needs;
use crate::dbt::manifest::Manifest;
use crate::decide::baseline;
use crate::decide::needs::{self, Inputs};
use crate::decide::record::NodeRecord;
use crate::digest::Pieces;
use crate::graph::{Graph, Role};
use crate::trees::IntoTree;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a run will build.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use]
pub struct Forecast {
    /// Stands for these steps and for the code and values that they build; `--approve` takes it.
    pub hash: String,
    /// Every node that will be built, tests and ephemeral models left out; parents first.
    pub steps: Vec<Step>,
    /// How many such nodes there are in the project.
    pub nodes: usize,
    /// Sum of the last builds' seconds, without what was never built.
    pub seconds: f64,
    /// Never built, so that nobody knows how long they take.
    pub unknown: Vec<String>,
}

/// One node of a forecast.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its `unique_id`.
    pub id: String,
    /// `config.materialized`; `seed`, `snapshot`, `function` for those.
    pub materialized: String,
    /// Why it is built: `body`, `downstream of model.shop.orders (body)`.
    pub reason: String,
    /// What becomes of it in the warehouse.
    pub action: &'static str,
    /// Its rows stay those of former code.
    pub altered: bool,
    /// Wall seconds of its last build.
    pub seconds: Option<f64>,
}

/// What a forecast is made from.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// The project as it now stands.
    pub manifest: &'a Manifest<'a>,
    /// Its nodes.
    pub graph: &'a Graph,
    /// What differs from the baseline.
    pub needs: &'a Needs,
    /// The values that the nodes read, where their digests are comparable.
    pub inputs: Option<&'a Inputs>,
    /// The baseline, if there is one…
    pub before: Option<&'a Manifest<'a>>,
    /// …and its record.
    pub records: &'a BTreeMap<String, NodeRecord>,
    /// Built with `--full-refresh`.
    pub refreshed: &'a dyn Fn(&str) -> bool,
}

/// The action of a build that does not make new what is there.
const ALTERED: &str = "altered, history not rebuilt";

/// The action of a build with `--full-refresh`.
const REFRESHED: &str = "refreshed (dropped and rebuilt)";

/// The forecast of a run that builds `chosen`.
pub fn forecast(basis: Basis<'_>, chosen: &BTreeSet<String>) -> Forecast {
    let counted = chosen.iter().map(String::as_str).filter(|id| basis.graph.is_built(id));
    let chosen: BTreeSet<&str> = counted.into_tree();
    let origins = origins(basis.graph, basis.needs);
    let steps: Vec<Step> =
        basis.graph.in_order(&chosen).into_iter().map(|id| step(basis, &origins, id)).collect();
    Forecast {
        hash: hash(basis, &steps),
        nodes: basis.graph.count_built(),
        seconds: steps.iter().filter_map(|step| step.seconds).fold(0.0, |sum, one| sum + one),
        unknown: steps
            .iter()
            .filter(|step| step.seconds.is_none())
            .map(|step| step.id.clone())
            .collect(),
        steps,
    }
}

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

fn step(basis: Basis<'_>, origins: &BTreeMap<&str, &str>, id: &str) -> Step {
    let record = basis.records.get(id);
    let materialized = match basis.graph.get(id).map(|member| member.role) {
        Some(Role::Model) | None => basis
            .manifest
            .materialized(id)
            .map_or_else(|| "view".to_owned(), |kind| kind.to_string()),
        Some(role) => role.resource_type().to_owned(),
    };
    let there = basis.before.is_some_and(|before| before.node(id).is_some())
        || record.is_some_and(|record| record.seconds.is_some())
        || (basis.refreshed)(id) && record.is_some_and(|record| record.half_made);
    let keeps = basis.manifest.node(id).is_some_and(|node| node.keeps_rows((basis.refreshed)(id)));
    let reasons = basis.needs.get(id).map(Vec::as_slice).unwrap_or_default();
    let outdated = needs::outdates_rows(reasons, record).is_some();
    let already = record.is_some_and(|record| record.altered.is_some());
    let action = action(&materialized, there, keeps, outdated);
    Step {
        id: id.to_owned(),
        reason: reason(basis.needs, origins, id),
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

fn hash(basis: Basis<'_>, steps: &[Step]) -> String {
    let ids: Vec<&str> = steps.iter().map(|step| &*step.id).collect();
    let code = compare::fingerprints(basis.manifest, &ids);
    let empty = BTreeMap::new();
    let mut digest = Pieces::new();
    for step in steps {
        let values = basis.inputs.and_then(|inputs| inputs.get(&step.id)).unwrap_or(&empty);
        let built = baseline::fingerprint(code.get(&step.id).map_or("", String::as_str), values);
        for piece in [&step.id, step.action, &built] {
            digest.add(piece.as_bytes());
        }
    }
    digest.short_hex(8)
}

/// What may be built without asking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// `--max-rebuild`: so many nodes.
    pub nodes: Option<Limit>,
    /// `--max-rebuild-time`: so many seconds, by the last builds.
    pub seconds: Option<f64>,
    /// `--protect`: none of these.
    pub protected: Vec<String>,
}

/// A number of nodes, or a part of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Nodes.
    Nodes(usize),
    /// Percent of the nodes of the project.
    Percent(f64),
}

impl Budget {
    /// Whether anything is limited at all.
    #[must_use]
    pub fn limits(&self) -> bool {
        *self != Self::default()
    }

    /// What of a forecast goes beyond it; nothing where it is within.
    #[must_use]
    pub fn exceeded(&self, forecast: &Forecast, manifest: &Manifest<'_>) -> Vec<String> {
        let count = forecast.steps.len();
        let mut beyond = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
        let (many, share) = (count as f64, 100.0 * count as f64 / forecast.nodes.max(1) as f64);
        match self.nodes {
            Some(Limit::Nodes(limit)) if count > limit => {
                beyond.push(format!("{count} nodes would be built, and --max-rebuild allows {limit}"));
            }
            Some(Limit::Percent(limit)) if many > 0.0 && share > limit => beyond.push(format!(
                "{count} of {} nodes ({share:.0} %) would be built, and --max-rebuild allows {limit} %",
                forecast.nodes
            )),
            _ => {}
        }
        if let Some(limit) = self.seconds.filter(|limit| forecast.seconds > *limit) {
            beyond.push(format!(
                "the last builds of these nodes took {:.1} s, and --max-rebuild-time allows {limit} s",
                forecast.seconds
            ));
        }
        for step in &forecast.steps {
            if let Some(term) = self.protected.iter().find(|term| manifest.is_named(&step.id, term))
            {
                beyond.push(format!("{} would be built, and --protect {term} forbids it", step.id));
            }
        }
        beyond
    }
}
