//! Relations that this program has built, and that no node of the project claims any more.
//!
//! Only what the record says that we have built is ever one: a build of which the time is known. A
//! relation that a node or a source of the project names is none, whoever built it.

use crate::dbt::asked::Address;
use crate::dbt::manifest::{Manifest, Node};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::record::{LeftRelation, Record};
use crate::decide::relations::{Relations, key};
use crate::decide::warehouse::Expected;
use crate::digest::Pieces;
use crate::graph::is_test_id;
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
    /// Whether only an earlier baseline knows of it.
    pub is_earlier: bool,
}

/// What earlier baselines know of relations.
#[derive(Debug, Default)]
pub struct Earlier {
    /// By their full names, each [`key`] once.
    built: BTreeMap<String, LeftRelation>,
    keys: BTreeSet<String>,
    /// By [`key`], as [`Record::dropped`].
    dropped: BTreeMap<String, LeftRelation>,
}

impl Earlier {
    /// Add what a baseline knows that is older than those that were added before.
    pub fn add(&mut self, manifest: &Manifest<'_>, record: Record) {
        self.forget(&record.dropped);
        for (id, node) in record.nodes.into_iter().filter(|(id, _)| !is_test_id(id)) {
            let present = manifest.node(&id);
            let kind = present.and_then(Node::materialized).map(|kind| kind.0.into_owned());
            let relation = manifest.relation_name(&id).map(str::to_owned).or(node.relation);
            let materialized = kind.or(node.materialized);
            let (half_made, built_at, since) = (node.half_made, node.built_at, None);
            let left = LeftRelation { node: id, half_made, built_at, materialized, since };
            relation.into_iter().for_each(|name| self.note(name, left.clone()));
        }
        record.left.into_iter().for_each(|(name, left)| self.note(name, left));
    }

    /// What was dropped does not count, unless it was built again.
    pub fn forget(&mut self, dropped: &BTreeMap<String, LeftRelation>) {
        for (name, left) in dropped {
            let last = self.dropped.entry(key(name)).or_default();
            last.since = left.since.max(last.since);
        }
    }

    fn note(&mut self, name: String, left: LeftRelation) {
        if self.keys.insert(key(&name)) {
            self.built.insert(name, left);
        }
    }

    /// Whether an earlier baseline has a relation of this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.keys.contains(&key(name))
    }

    /// Whether what was built into a relation then is known to have been dropped.
    fn was_dropped(&self, key: &str, built_at: Option<u64>) -> bool {
        self.dropped.get(key).is_some_and(|dropped| built_at <= dropped.since)
    }
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
    pub fn whereabouts(&self, adapter: Option<&str>, found: Option<&str>) -> Whereabouts {
        let kind = self.left.materialized.as_deref().unwrap_or_default();
        let expected = Expected::on(adapter, kind);
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

/// The orphans of a project that was compared with this baseline, by their full names. `earlier` adds
/// those of which the baseline knows nothing.
#[must_use]
pub fn orphans(now: &Comparison<'_, '_>, baseline: &Baseline, earlier: &Earlier) -> Vec<Orphan> {
    let relations = Relations::of(now, baseline);
    let mut candidates: BTreeMap<String, LeftRelation> = BTreeMap::new();
    candidates.extend(baseline.left.iter().map(|(name, left)| (name.clone(), left.clone())));
    let removed = relations.removed();
    candidates.extend(removed.iter().map(|(id, name)| ((*name).to_owned(), relations.holder(id))));
    let known: BTreeSet<String> = candidates.keys().map(|name| key(name)).into_tree();
    let unknown = earlier.built.iter().filter(|(name, _)| !known.contains(&key(name)));
    candidates.extend(unknown.map(|(name, left)| (name.clone(), left.clone())));
    let mut claimed = named(&now.manifest);
    claimed.extend(now.graph.keys().filter_map(|id| relations.last(id)).map(key));
    candidates.retain(|name, left| {
        let key = key(name);
        let is_ours = left.built_at.is_some() && !earlier.was_dropped(&key, left.built_at);
        is_ours && !claimed.contains(&key)
    });
    let orphan = |(relation, left): (String, LeftRelation)| {
        let address = Address::of_name(&relation)?;
        let is_removed = now.manifest.node(&left.node).is_none();
        let is_earlier = !known.contains(&key(&relation));
        Some(Orphan { relation, address, left, is_removed, is_earlier })
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
