//! Relations that this program has built, and that no node of the project claims any more.
//!
//! Only what the record says that we have built is ever one: a build of which the time is known. A
//! relation that a node or a source of the project names is none, whoever built it.

use crate::dbt::asked::Address;
use crate::dbt::manifest::{Manifest, Node};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::record::LeftRelation;
use crate::decide::relations::{Relations, key};
use crate::decide::warehouse::Expected;
use crate::digest::Pieces;
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// A relation that nobody claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its full name.
    pub relation: String,
    /// Where it is.
    pub address: Address,
    /// Who built it when.
    pub left: LeftRelation,
    /// Whether that node is not in the project any more; otherwise it is built elsewhere now.
    pub is_removed: bool,
}

/// How an orphan was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// It is there, as this type.
    There(String),
    /// It is not there.
    Gone,
    /// Something of another type has taken its place, which is not ours.
    Replaced(String),
}

impl Orphan {
    /// What the type of the relation, if there is one, says about it.
    #[must_use]
    pub fn whereabouts(&self, found: Option<&str>) -> Whereabouts {
        let expected = Expected::of(self.left.materialized.as_deref().unwrap_or_default());
        match found {
            None => Whereabouts::Gone,
            Some(found) if expected.contradicts(found) => Whereabouts::Replaced(found.into()),
            Some(found) => Whereabouts::There(found.into()),
        }
    }

    /// Whether other objects write into it that are not known to us, and would fail without it: the
    /// materialized views of ClickHouse, which are not relations of dbt's.
    #[must_use]
    pub fn is_written_to(&self, adapter: Option<&str>) -> bool {
        adapter == Some("clickhouse")
            && self.left.materialized.as_deref() == Some("materialized_view")
    }
}

/// The relations of the record that may be orphans; without the project, more cannot be said.
#[must_use]
pub fn left_behind(left: &BTreeMap<String, LeftRelation>) -> usize {
    left.values().filter(|left| left.built_at.is_some()).count()
}

/// The orphans of a project that was compared with this baseline, by their full names.
#[must_use]
pub fn orphans(now: &Comparison<'_, '_>, baseline: &Baseline) -> Vec<Orphan> {
    let relations = Relations::of(now, baseline);
    let mut candidates: BTreeMap<String, LeftRelation> = BTreeMap::new();
    candidates.extend(baseline.left.iter().map(|(name, left)| (name.clone(), left.clone())));
    let removed = relations.removed();
    candidates.extend(removed.iter().map(|(id, name)| ((*name).to_owned(), relations.holder(id))));
    let mut claimed = named(&now.manifest);
    claimed.extend(now.graph.keys().filter_map(|id| relations.last(id)).map(key));
    candidates.retain(|name, left| left.built_at.is_some() && !claimed.contains(&key(name)));
    let orphan = |(relation, left): (String, LeftRelation)| {
        let address = Address::of_name(&relation)?;
        let is_removed = now.manifest.node(&left.node).is_none();
        Some(Orphan { relation, address, left, is_removed })
    };
    candidates.into_iter().filter_map(orphan).collect()
}

/// The relations that anything in the project names.
fn named(manifest: &Manifest<'_>) -> BTreeSet<String> {
    let of_node = |node: &Node<'_>| node.relation_name.as_deref().map(key);
    let nodes = manifest.nodes().filter_map(|(_, node)| of_node(node));
    let mut named: BTreeSet<String> = nodes.into_tree();
    named.extend(manifest.source_relations().map(key));
    named
}

/// Stands for dropping exactly these relations, found as these types.
#[must_use]
pub fn hash<'o>(orphans: impl Iterator<Item = (&'o Orphan, &'o str)>) -> String {
    let mut digest = Pieces::new();
    for (orphan, found) in orphans {
        for piece in [&orphan.relation, found, &orphan.left.node] {
            digest.add(piece.as_bytes());
        }
    }
    digest.short_hex(16)
}

#[cfg(test)]
mod tests;
