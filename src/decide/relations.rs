//! State is kept by node, the warehouse by relation: which relation each node was last built into,
//! and what a run does to the relations of other nodes.

use crate::dbt::engine;
use crate::dbt::manifest::{Manifest, Node, may_be_view};
use crate::dbt::results::{Fate, Outcome};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::record::LeftRelation;
use crate::graph::{Role, is_test_id};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// What the build of a node finds in its relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupant<'a> {
    /// Nothing that is known of.
    Nothing,
    /// What the node itself has put there.
    Own,
    /// What this other node has put there, or this node before it was built elsewhere or removed.
    Other(&'a str),
}

/// The relations of the project and of what was last built.
pub struct Relations<'a, 'm, 'b> {
    now: &'a Comparison<'m, 'b>,
    baseline: &'a Baseline,
    /// By [`key`]: what was built into each relation last.
    holders: BTreeMap<String, LeftRelation>,
}

/// The same for all names that may mean the same relation: warehouses differ in when case counts.
pub(crate) fn key(relation: &str) -> String {
    relation.replace(['"', '`', '[', ']'], "").to_lowercase()
}

impl<'a, 'm, 'b> Relations<'a, 'm, 'b> {
    /// The relations of a project that was compared with this baseline.
    #[must_use]
    pub fn of(now: &'a Comparison<'m, 'b>, baseline: &'a Baseline) -> Self {
        let mut relations = Self { now, baseline, holders: BTreeMap::new() };
        let left = baseline.left.iter().map(|(relation, left)| (key(relation), left.clone()));
        relations.holders.extend(left);
        let records = baseline.nodes.iter().filter(|(_, record)| record.relation.is_some());
        let before = now.before.iter().flat_map(Manifest::nodes).map(|(id, _)| id);
        for id in records.map(|(id, _)| id.as_str()).chain(before) {
            if let Some(relation) = relations.last(id).filter(|_| !is_test_id(id)) {
                relations.holders.insert(key(relation), relations.holder(id));
            }
        }
        relations
    }

    /// What was built into the relation of a node last.
    pub(crate) fn holder(&self, id: &str) -> LeftRelation {
        let record = self.baseline.nodes.get(id);
        LeftRelation {
            node: id.to_owned(),
            half_made: record.is_some_and(|record| record.half_made),
            built_at: record.and_then(|record| record.built_at),
            materialized: self.materialized(id),
            since: None,
        }
    }

    /// The materialization of what a node was last built into, as far as that is known.
    pub(crate) fn materialized(&self, id: &str) -> Option<String> {
        match self.now.before.as_ref().and_then(|before| before.node(id)) {
            Some(node) => Some(node.materialized()?.0.into_owned()),
            None => self.baseline.nodes.get(id)?.materialized.clone(),
        }
    }

    /// The materialization of what the project builds a node into.
    pub(crate) fn makes(&self, id: &str) -> Option<String> {
        Some(self.now.manifest.node(id)?.materialized()?.0.into_owned())
    }

    /// The same after a build that did not succeed as a whole: what was there, or what it made.
    pub(crate) fn made(&self, id: &str) -> Option<String> {
        let made = self.makes(id)?;
        (self.last(id).is_none() || self.materialized(id).as_ref() == Some(&made)).then_some(made)
    }

    /// The relation that a node was last built into, as far as that is known.
    #[must_use]
    pub fn last(&self, id: &str) -> Option<&'a str> {
        let before = self.now.before.as_ref().and_then(|before| before.relation_name(id));
        before.or_else(|| self.baseline.nodes.get(id)?.relation.as_deref())
    }

    /// The relation that the project builds a node into.
    #[must_use]
    pub fn current(&self, id: &str) -> Option<&'a str> {
        self.now.manifest.relation_name(id)
    }

    /// What the build of a node finds in its relation.
    #[must_use]
    pub fn found(&self, id: &str) -> Occupant<'_> {
        let last = self.last(id).map(key);
        let current = self.current(id).map(key);
        if last.is_some() && last == current {
            return Occupant::Own;
        }
        if let Some(holder) = current.and_then(|current| self.holders.get(&current)) {
            return Occupant::Other(&holder.node);
        }
        match self.baseline.nodes.get(id) {
            // The record of an earlier version does not know where.
            Some(record) if last.is_none() && !record.unbuilt => Occupant::Own,
            _ => Occupant::Nothing,
        }
    }

    /// Whether the relation of a node was made by a build that did not succeed as a whole.
    #[must_use]
    pub fn is_half_made(&self, id: &str) -> bool {
        self.holder(id).half_made
            || self
                .current(id)
                .and_then(|relation| self.holders.get(&key(relation)))
                .is_some_and(|holder| holder.half_made)
    }

    /// Whether an incomplete build, with or without `--full-refresh`, leaves the relation of a node
    /// half made: it made the relation, or the one that it worked on was half made already.
    #[must_use]
    pub fn is_left_half_made(&self, id: &str, refresh: bool) -> bool {
        let is_made_anew = |node: &Node<'_>| refresh && node.is_made_anew();
        self.is_half_made(id)
            || self.found(id) == Occupant::Nothing
            || self.now.manifest.node(id).is_some_and(is_made_anew)
    }

    /// What a build of this node that keeps existing rows keeps although it is outdated, for
    /// messages. `change` is what changed in the node or upstream of it.
    #[must_use]
    pub fn outdated_rows(&self, id: &str, change: Option<&str>) -> Option<String> {
        match self.found(id) {
            Occupant::Nothing => None,
            Occupant::Own => change.map(str::to_owned),
            Occupant::Other(node) if node == id => Some("its relation has rows of before".into()),
            Occupant::Other(node) => Some(format!("its relation has rows of {node}")),
        }
    }

    /// By `unique_id`: the nodes whose relation another node was built into, and that node.
    #[must_use]
    pub fn overwritten(&self, outcome: &Outcome) -> BTreeMap<String, String> {
        let writers: BTreeMap<String, &String> =
            outcome.keys().filter_map(|id| Some((key(self.current(id)?), id))).into_tree();
        let overwritten = |id: &String| {
            let last = self.last(id)?;
            let writer = *writers.get(&key(last))?;
            // Names that stand side by side in the project are names of two relations.
            let is_beside =
                self.current(id) == Some(last) && self.current(writer) != self.current(id);
            (writer != id && !is_beside).then(|| (id.clone(), writer.clone()))
        };
        self.now.graph.keys().filter_map(overwritten).into_tree()
    }

    /// By `unique_id`: the nodes that were built or tested from a relation that a parent has yet to be
    /// built into, and that parent. What they read is not the parent: another node's rows, or its own of
    /// long ago. If the parent's change is reverted instead, nothing else tells that they are stale.
    #[must_use]
    pub fn read_elsewhere(&self, outcome: &Outcome) -> BTreeMap<String, String> {
        let graph = &self.now.graph;
        let has_moved = |parent: &&str| {
            let names = (self.current(parent).map(key), self.last(parent).map(key));
            graph.is_built(parent) && !outcome.contains_key(*parent) && names.0 != names.1
        };
        let moved: BTreeSet<&str> = graph.keys().map(String::as_str).filter(has_moved).into_tree();
        let read_elsewhere = |id: &String| {
            let code = graph.inlined_into([id.as_str()]).into_iter().chain([id.as_str()]);
            let mut parents = code.flat_map(|part| graph.parents(part));
            Some((id.clone(), parents.find(|parent| moved.contains(parent))?.to_owned()))
        };
        let built = outcome.keys().filter(|id| !moved.is_empty() && is_built(outcome, id));
        built.filter_map(read_elsewhere).into_tree()
    }

    /// By `unique_id`: the views that went with a relation that was dropped, and the node that was
    /// built into that relation. Only where the warehouse drops views with what they read.
    #[must_use]
    pub fn dropped(&self, outcome: &Outcome, refresh: bool) -> BTreeMap<String, String> {
        let cascades = self.now.manifest.adapter_type().is_some_and(engine::drops_cascade);
        let is_recreated = |id: &&String| {
            let changed = self.now.needs.contains_key(*id);
            let node = self.now.manifest.node(id);
            cascades && node.is_some_and(|node| node.is_recreated(refresh, changed))
        };
        let recreated = outcome.keys().filter(is_recreated);
        let recreated: BTreeMap<String, &str> =
            recreated.filter_map(|id| Some((key(self.current(id)?), id.as_str()))).into_tree();
        if recreated.is_empty() {
            return BTreeMap::new();
        }
        let dropped = |id: &String| {
            let with = self.dropped_with(id, &recreated, &mut BTreeSet::new())?;
            Some((id.clone(), with.to_owned()))
        };
        let graph = &self.now.graph;
        let had_relation = |id: &&String| graph.is_built(id) && self.last(id).is_some();
        graph.keys().filter(had_relation).filter_map(dropped).into_tree()
    }

    fn dropped_with<'r>(
        &self,
        id: &str,
        recreated: &BTreeMap<String, &'r str>,
        seen: &mut BTreeSet<String>,
    ) -> Option<&'r str> {
        if !seen.insert(id.to_owned()) {
            return None;
        }
        let Some(built) = self.now.before.as_ref().and_then(|before| before.node(id)) else {
            return recreated.values().next().copied().filter(|_| self.may_have_read(id));
        };
        let is_inlined = built.materialized().as_deref() == Some("ephemeral");
        if !is_inlined && !built.is_view() {
            return None;
        }
        built.depends_on.nodes.iter().find_map(|parent| {
            let relation = self.last(parent).map(key);
            let with = relation.and_then(|relation| recreated.get(&relation).copied());
            with.or_else(|| self.dropped_with(parent, recreated, seen))
        })
    }

    /// Whether an absent node was built as a view, or into its readers, as far as is known. What it read
    /// then is not known.
    fn may_have_read(&self, id: &str) -> bool {
        let is_ephemeral = || self.now.graph.role(id) == Some(Role::Ephemeral);
        id.starts_with("model.")
            && match self.materialized(id) {
                Some(kind) => may_be_view(&kind),
                None => self.last(id).is_some() || is_ephemeral(),
            }
    }

    /// The nodes that left the project, each with its relation.
    #[must_use]
    pub fn removed(&self) -> BTreeMap<&str, &'a str> {
        let before = self.now.before.iter().flat_map(Manifest::nodes).map(|(id, _)| id);
        let all = before.chain(self.baseline.nodes.keys().map(String::as_str));
        let gone = all.filter(|id| !self.now.graph.contains_key(*id) && !is_test_id(id));
        gone.filter_map(|id| Some((id, self.last(id)?))).into_tree()
    }

    /// The node of the project that is built into a relation, if there is one.
    #[must_use]
    pub fn builder_of(&self, relation: &str) -> Option<&str> {
        let relation = key(relation);
        let is_it = |id: &&String| self.current(id).is_some_and(|name| key(name) == relation);
        self.now.graph.keys().find(is_it).map(String::as_str)
    }

    /// The relations that no node is built into after a run. `held` are those that nodes are built
    /// into; a node may have moved from another one.
    #[must_use]
    pub fn left(&self, held: &BTreeMap<&str, &str>) -> BTreeMap<String, LeftRelation> {
        let mut left = self.baseline.left.clone();
        let removed = self.removed();
        let moved = held.keys().filter_map(|id| Some((*id, self.last(id)?)));
        for (id, relation) in removed.into_iter().chain(moved) {
            left.insert(relation.to_owned(), self.holder(id));
        }
        let held: BTreeSet<String> = held.values().map(|relation| key(relation)).into_tree();
        left.retain(|relation, _| !held.contains(&key(relation)));
        left
    }
}

/// Whether the run is known to have built the node.
#[must_use]
pub fn is_built(outcome: &Outcome, id: &str) -> bool {
    matches!(outcome.get(id), Some(Fate::Built(_)))
}
