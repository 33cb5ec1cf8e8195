//! One step of a plan: what happens to a relation, and why.

use super::Basis;
use super::cause::{self, Cause};
use crate::dbt::compare::Needs;
use crate::decide::relations::Occupant;
use crate::graph::Role;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The `unique_id` of the node.
    pub id: String,
    /// The `unique_id` without the resource type, and without the name of the root project.
    pub name: String,
    /// Its file, relative to the root of its package.
    pub path: String,
    /// `config.materialized` of a model; `seed`, `snapshot` or `function` for other nodes.
    pub materialized: String,
    /// Why it is built, such as `body` or `downstream of model.shop.orders (body)`.
    pub reason: String,
    /// The same in one word.
    pub cause: Cause,
    /// The `unique_id` of the node because of which it is built, if that is another one.
    pub origin: Option<String>,
    /// The `unique_id`s of the steps that it reads.
    pub parents: Vec<String>,
    /// What happens to its relation, such as `table replaced`.
    pub action: &'static str,
    /// Whether it will keep rows that earlier code wrote.
    pub altered: bool,
    /// How long its last build took, in wall-clock seconds.
    pub seconds: Option<f64>,
}

/// The action of a build that keeps the existing rows although the node changed.
const ALTERED: &str = "altered, history not rebuilt";

/// The action of a build with `--full-refresh`.
const REFRESHED: &str = "refreshed (dropped and rebuilt)";

/// What the run does to a node, and why.
pub(super) fn step(
    basis: Basis<'_, '_, '_>,
    origins: &BTreeMap<&str, &str>,
    built: &BTreeSet<&str>,
    id: &str,
) -> Step {
    let record = basis.baseline.nodes.get(id);
    let materialized = match basis.now.graph.role(id) {
        Some(Role::Model) | None => basis
            .now
            .manifest
            .materialized(id)
            .map_or_else(|| "view".to_owned(), |kind| kind.to_string()),
        Some(role) => role.resource_type().to_owned(),
    };
    let found = basis.relations.found(id);
    let exists = basis.now.before.as_ref().is_some_and(|before| before.node(id).is_some())
        || record.is_some_and(|record| record.seconds.is_some())
        || matches!(found, Occupant::Other(_))
        || (basis.refreshed)(id) && record.is_some_and(|record| record.half_made);
    let keeps =
        basis.now.manifest.node(id).is_some_and(|node| node.keeps_rows((basis.refreshed)(id)));
    let change = basis.changes.get(id).map(String::as_str);
    let outdated = basis.relations.outdated_rows(id, change).is_some();
    let stays = found != Occupant::Nothing;
    let already = stays && record.is_some_and(|record| record.altered.is_some());
    let action = action(&materialized, exists, keeps, outdated);
    let origin = origins.get(id).filter(|origin| **origin != id);
    let node = basis.now.manifest.node(id);
    Step {
        id: id.to_owned(),
        name: cause::name(id, basis.now.manifest.project_name()),
        path: node.map_or_else(String::new, |node| node.original_file_path.to_string()),
        cause: match origin {
            Some(_) => Cause::Downstream,
            None => cause::own(basis.now.needs.get(id).map_or(&[], Vec::as_slice)),
        },
        origin: origin.map(|origin| (*origin).to_owned()),
        parents: cause::parents(basis, built, id),
        reason: reason(&basis.now.needs, origins, id),
        action,
        altered: exists && keeps && (outdated || already),
        seconds: record.and_then(|record| record.seconds),
        materialized,
    }
}

/// Why a node is built, for messages.
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

/// What a build does to a relation, for messages. `exists` says whether there is a relation already,
/// `keeps` whether the build keeps its rows, `outdated` whether the node changed since they were
/// written.
fn action(materialized: &str, exists: bool, keeps: bool, outdated: bool) -> &'static str {
    match materialized {
        _ if !exists => "created",
        "seed" => "table reloaded",
        "snapshot" => "compared, changed rows added",
        "function" => "function replaced",
        "incremental" | "materialized_view" | "distributed_incremental" => {
            match (keeps, outdated, materialized) {
                (false, ..) => REFRESHED,
                (true, true, _) => ALTERED,
                (true, false, "materialized_view") => "kept or altered",
                (true, false, _) => "new rows added",
            }
        }
        "view" => "view replaced",
        "table" => "table replaced",
        _ => "built by a custom materialization",
    }
}
