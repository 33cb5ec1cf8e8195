//! What a plan says of each node for people: in which group it stands, under which name, and what
//! left the project.

use super::Basis;
use crate::dbt::compare::{Needs, Reason};
use crate::trees::IntoTree;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Why a node is built, in one word. In the order in which a plan shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// It is not in the baseline.
    New,
    /// Its code, its configuration, or a macro that it uses was edited.
    Edited,
    /// Only values from outside the project differ: variables, sources.
    Values,
    /// An earlier run left it unbuilt.
    Unfinished,
    /// Something differs that it may not even read.
    Doubt,
    /// The command or a full run selects it.
    Selected,
    /// A node upstream of it is built.
    Downstream,
}

/// A node that was built and left the project. Nobody drops its relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The `unique_id` that it had.
    pub id: String,
    /// The full name of its relation.
    pub relation: String,
    /// The `unique_id` of the node that is built into that relation now.
    pub taken_by: Option<String>,
}

/// The cause of a node that has to be built itself.
pub(super) fn own(reasons: &[Reason]) -> Cause {
    let all = |is: fn(&Reason) -> bool| reasons.iter().all(is);
    match reasons {
        [] => Cause::Selected,
        _ if reasons.contains(&Reason::New) => Cause::New,
        _ if all(Reason::is_doubt) => Cause::Doubt,
        _ if reasons.iter().any(|reason| matches!(reason, Reason::Pending(_))) => Cause::Unfinished,
        _ if all(|reason| {
            reason.is_doubt()
                || matches!(reason, Reason::Env(_) | Reason::Var(_) | Reason::Source(_))
        }) =>
        {
            Cause::Values
        }
        _ => Cause::Edited,
    }
}

/// What each word means that stands for a reason of these nodes.
pub(super) fn meanings<'a>(
    needs: &Needs,
    ids: impl Iterator<Item = &'a String>,
) -> BTreeMap<&'static str, &'static str> {
    ids.filter_map(|id| needs.get(id)).flatten().filter_map(Reason::explained).into_tree()
}

/// The name of a node as people know it: without the project's own prefix, and with the package of a
/// node of another project.
pub(super) fn name(id: &str, project: Option<&str>) -> String {
    let rest = id.split_once('.').map_or(id, |(_, rest)| rest);
    let own = project.and_then(|project| rest.strip_prefix(project)?.strip_prefix('.'));
    own.unwrap_or(rest).to_owned()
}

/// The nodes that left the project.
pub(super) fn removed(basis: Basis<'_, '_, '_>) -> Vec<Removed> {
    let removed = |(id, relation): (&str, &str)| Removed {
        id: id.to_owned(),
        relation: relation.to_owned(),
        taken_by: basis.relations.builder_of(relation).map(str::to_owned),
    };
    basis.relations.removed().into_iter().map(removed).collect()
}

/// The steps that a step reads, directly or through ephemeral models.
pub(super) fn parents(basis: Basis<'_, '_, '_>, built: &BTreeSet<&str>, id: &str) -> Vec<String> {
    let graph = &basis.now.graph;
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = graph.parents(id).collect();
    while let Some(parent) = open.pop() {
        if built.contains(parent) {
            found.insert(parent);
        } else if seen.insert(parent) && !graph.is_built(parent) {
            open.extend(graph.parents(parent));
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_that_of_the_most_certain_reason() {
        let env = Reason::Env("X".into());
        let pending = Reason::Pending("failed in the last run".into());
        for (reasons, cause) in [
            (vec![], Cause::Selected),
            (vec![Reason::New], Cause::New),
            (vec![env.clone()], Cause::Values),
            (vec![env.clone(), Reason::Body], Cause::Edited),
            (vec![Reason::Body, pending], Cause::Unfinished),
            (vec![Reason::Computed], Cause::Doubt),
            (vec![Reason::Computed, env], Cause::Values),
        ] {
            assert_eq!(own(&reasons), cause, "{reasons:?}");
        }
    }

    #[test]
    fn a_name_has_no_prefix_of_the_project_and_keeps_that_of_a_package() {
        assert_eq!(name("model.shop.orders.v2", Some("shop")), "orders.v2");
        assert_eq!(name("model.shopping.orders", Some("shop")), "shopping.orders");
        assert_eq!(name("seed.shop.raw", None), "shop.raw");
    }
}
