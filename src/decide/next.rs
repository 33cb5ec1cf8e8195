//! Decides after a run which nodes must be absent from the next baseline, and why.
//!
//! **The baseline never claims what the warehouse does not hold.** It contains each node as that was
//! last built successfully; a node that still has to be built is absent.
//!
//! The descendants of an absent node stay in the baseline as long as they are as they were built:
//! building the node builds them too. They become absent when the node has been rebuilt without them.

use crate::dbt::compare::{Needs, Reason};
use crate::dbt::manifest::Node;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::needs::Scope;
use crate::decide::record::{LeftRelation, NodeRecord};
use crate::decide::relations::{self, Relations};
use crate::decide::warehouse::SeenAfter;
use crate::digest::Pieces;
use crate::graph::{Graph, Role};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// What follows from a run for the next baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The nodes that must be absent from the manifest, with the reason.
    pub absent: BTreeMap<String, Absence>,
    /// The record of every node of the project.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// The relations that no node is built into any more.
    pub left: BTreeMap<String, LeftRelation>,
}

/// What a run did to relations besides building nodes that had to be built.
#[derive(Debug, Default)]
pub struct Effects {
    /// By `unique_id`: what the warehouse was found to lack afterwards.
    pub lacking: BTreeMap<String, String>,
    /// By `unique_id`: the nodes whose relation this other node was built into.
    pub overwritten: BTreeMap<String, String>,
    /// By `unique_id`: the views that were dropped with the old relation of this node, as far as can be
    /// guessed.
    pub dropped: BTreeMap<String, String>,
    /// By `unique_id`: the nodes that were built from a relation that this parent has yet to be built
    /// into.
    pub read_elsewhere: BTreeMap<String, String>,
    /// The nodes that were refreshed, and so have new content although they had not changed.
    pub refreshed: BTreeSet<String>,
}

impl Next {
    /// The next baseline after a run with this outcome. `codes` are the digests of the code that dbt
    /// built nodes from ([`NodeRecord::code`]). `scope` says which nodes counted as not built
    /// before it; `refresh` says whether it had `--full-refresh`. `asked` is what the warehouse said
    /// after it; without that, what was dropped along with other relations is guessed.
    #[must_use]
    pub fn of(
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
        outcome: &Outcome,
        codes: &BTreeMap<String, String>,
        scope: &Scope,
        refresh: bool,
        asked: Option<&SeenAfter>,
    ) -> Self {
        let needs = now.needs_in(scope);
        let relations = Relations::of(now, baseline);
        let is_refreshed =
            |id: &str| refresh && now.manifest.node(id).is_some_and(Node::is_made_anew);
        let refreshed = outcome.keys().filter(|id| is_refreshed(id)).cloned().into_tree();
        let overwritten = relations.overwritten(outcome);
        let mut dropped = relations.dropped(outcome, refresh);
        dropped.retain(|id, _| asked.is_none_or(|asked| !asked.there.contains(id)));
        let lacking = asked.map(|asked| asked.lacking.clone()).unwrap_or_default();
        let read_elsewhere = relations.read_elsewhere(outcome);
        let effects = Effects { lacking, overwritten, dropped, read_elsewhere, refreshed };
        let built = BuiltInRun::of(&now.graph, outcome);
        let absent = absences(&now.graph, &needs, &built, &effects);
        let digests = now.last_built_digests(baseline, &depending_on_last_build(&absent));
        let before = &baseline.nodes;
        let nodes = node_records(&now.graph, &absent, &built, &now.inputs, before, &digests);
        let mut next = Self { absent, nodes, left: BTreeMap::new() };
        next.note_code(now, outcome, codes);
        next.note_relations(&relations, baseline, refresh);
        next.note_old_rows(now, &relations, baseline, &built, &needs, refresh);
        next
    }

    /// Note when nodes were built, and since when no node is built into a relation. `now` is in
    /// seconds since the epoch.
    pub fn date(&mut self, outcome: &Outcome, now: u64) {
        for (id, node) in &mut self.nodes {
            if relations::is_built(outcome, id) && !self.absent.contains_key(id) {
                node.built_at = Some(now);
            }
        }
        for left in self.left.values_mut() {
            left.since.get_or_insert(now);
        }
    }

    /// Note what the nodes were built from that were built or, without any outcome, adopted; and that
    /// the settled ones are as they were built.
    fn note_code(
        &mut self,
        now: &Comparison<'_, '_>,
        outcome: &Outcome,
        codes: &BTreeMap<String, String>,
    ) {
        for (id, code) in codes {
            let is_there = outcome.get(id).is_none_or(|fate| matches!(fate, Fate::Built(_)));
            if let Some(node) = self.nodes.get_mut(id).filter(|_| is_there) {
                node.code = Some(code.clone());
            }
        }
        let is_kept = |id: &&String| !outcome.contains_key(*id) && !self.absent.contains_key(*id);
        let kept: Vec<&String> = now.settled.iter().filter(is_kept).collect();
        for id in kept {
            if let (Some(node), Some(inputs)) = (self.nodes.get_mut(id), now.inputs.get(id)) {
                node.inputs.clone_from(inputs);
            }
        }
    }
}

/// Do not count nodes as built if a build without `--full-refresh` reported success although their
/// relation was half made: it has only appended to it.
pub fn distrust_half_made(now: &Comparison<'_, '_>, baseline: &Baseline, outcome: &mut Outcome) {
    for id in now.half_made(baseline) {
        if let Some(fate @ Fate::Built(_)) = outcome.get_mut(&id) {
            *fate = Fate::Touched("added to a relation that an incomplete build had made");
        }
    }
}

/// Why a node is absent from the next baseline.
#[derive(Debug, Clone, PartialEq)]
pub enum Absence {
    /// It has to be built for these reasons, and the run did not touch it. If the change is reverted,
    /// it does not have to be built any more.
    Waiting(Vec<Reason>),
    /// The run worked on it and did not complete it. The text says why.
    Touched(&'static str),
    /// Its build was cut short.
    CutShort,
    /// The parent with this `unique_id` was rebuilt with new content, and the node was not rebuilt
    /// after it.
    Overtaken(String),
    /// The node with this `unique_id` was built into its relation.
    Overwritten(String),
    /// The warehouse was asked after the run, and does not hold what was built.
    NotThere(String),
    /// It was built from the relation that the node with this `unique_id` has yet to be built into.
    ReadElsewhere(String),
    /// It is a view, and the node with this `unique_id` was built into a relation that it read: the
    /// old relation was dropped with its views, if the build succeeded (`true`).
    Dropped(String, bool),
}

/// What counts as built in a run: the nodes that dbt reports so, and ephemeral models that were compiled
/// into one of them or are compiled into nothing that is ever built. A reader that failed does not
/// count.
struct BuiltInRun<'a> {
    outcome: &'a Outcome,
    inlined: BTreeSet<&'a str>,
}

impl<'a> BuiltInRun<'a> {
    fn of(graph: &'a Graph, outcome: &'a Outcome) -> Self {
        let read = graph.inlined();
        let is_unread = |id: &&str| graph.role(id) == Some(Role::Ephemeral) && !read.contains(id);
        let unread = graph.keys().map(String::as_str).filter(is_unread);
        let built = outcome.keys().map(String::as_str);
        let built = built.filter(|id| relations::is_built(outcome, id));
        let inlined = graph.inlined_into(built).into_iter().chain(unread).into_tree();
        Self { outcome, inlined }
    }

    fn contains(&self, id: &str) -> bool {
        relations::is_built(self.outcome, id) || self.inlined.contains(id)
    }
}

/// The nodes that must be absent from the next baseline.
fn absences(
    graph: &Graph,
    needs: &Needs,
    built: &BuiltInRun<'_>,
    effects: &Effects,
) -> BTreeMap<String, Absence> {
    let mut finder = AbsenceFinder { graph, needs, built, effects, rebuilt: BTreeMap::new() };
    graph.keys().filter_map(|id| Some((id.clone(), finder.absence(id)?))).into_tree()
}

/// Finds for each node whether it must be absent.
struct AbsenceFinder<'a> {
    graph: &'a Graph,
    needs: &'a Needs,
    built: &'a BuiltInRun<'a>,
    effects: &'a Effects,
    /// The results of [`AbsenceFinder::rebuilt_parent`] so far. They also end the recursion if the
    /// graph has a cycle.
    rebuilt: BTreeMap<String, Option<String>>,
}

impl AbsenceFinder<'_> {
    fn absence(&mut self, id: &str) -> Option<Absence> {
        match self.built.outcome.get(id) {
            Some(Fate::Touched(why)) => return Some(Absence::Touched(why)),
            Some(Fate::CutShort) => return Some(Absence::CutShort),
            Some(Fate::Built(_)) | None => {}
        }
        let wrong = self.effects.lacking.get(id).cloned().map(Absence::NotThere);
        if self.built.contains(id) {
            let elsewhere = || self.effects.read_elsewhere.get(id).cloned();
            return wrong.or_else(|| elsewhere().map(Absence::ReadElsewhere));
        }
        if let Some(writer) = self.effects.overwritten.get(id) {
            return Some(Absence::Overwritten(writer.clone()));
        }
        if let Some(with) = self.effects.dropped.get(id) {
            return Some(Absence::Dropped(with.clone(), self.built.contains(with)));
        }
        if wrong.is_some() {
            return wrong;
        }
        if let Some(parent) = self.rebuilt_parent(id) {
            return Some(Absence::Overtaken(parent));
        }
        // A doubt stays open: the node and what it read stand as they were last built, so that the next
        // run is in the same doubt, and can settle it.
        let reasons = self.needs.get(id).filter(|reasons| !reasons.iter().all(Reason::is_doubt));
        reasons.map(|reasons| Absence::Waiting(reasons.clone()))
    }

    /// The first parent that this run rebuilt with new content.
    fn rebuilt_parent(&mut self, id: &str) -> Option<String> {
        if let Some(known) = self.rebuilt.get(id) {
            return known.clone();
        }
        self.rebuilt.insert(id.to_owned(), None);
        let graph = self.graph;
        let parents = graph.get(id).map_or(&[][..], |member| &member.parents);
        let found = parents.iter().find(|parent| self.has_new_content(parent)).cloned();
        self.rebuilt.insert(id.to_owned(), found.clone());
        found
    }

    /// Whether this run built the node and gave it new content: it had changed, it was refreshed, or
    /// a parent has new content. Building an unchanged node again gives it no new content.
    fn has_new_content(&mut self, id: &str) -> bool {
        self.built.contains(id)
            && (self.needs.contains_key(id)
                || self.effects.refreshed.contains(id)
                || self.rebuilt_parent(id).is_some())
    }
}

/// The absent nodes whose next record depends on what they were last built from.
fn depending_on_last_build(absences: &BTreeMap<String, Absence>) -> Vec<&str> {
    let waits = |absence: &Absence| matches!(absence, Absence::Waiting(_));
    absences.iter().filter(|(_, why)| waits(why)).map(|(id, _)| id.as_str()).collect()
}

/// The next record of each node of the graph.
///
/// `inputs` are the fingerprints of what the nodes read now, `before` the nodes of the last record,
/// and `fingerprints_before` the digests of what the nodes of [`depending_on_last_build`] were built
/// from.
fn node_records(
    graph: &Graph,
    absences: &BTreeMap<String, Absence>,
    built: &BuiltInRun<'_>,
    inputs: &BTreeMap<String, BTreeMap<String, String>>,
    before: &BTreeMap<String, NodeRecord>,
    fingerprints_before: &BTreeMap<String, String>,
) -> BTreeMap<String, NodeRecord> {
    let record = |id: &String| {
        let old = before.get(id).cloned().unwrap_or_default();
        let now = inputs.get(id).cloned().unwrap_or_default();
        let next = match (absences.get(id), built.outcome.get(id)) {
            (None, Some(Fate::Built(seconds))) => {
                NodeRecord { inputs: now, seconds: Some(*seconds), ..NodeRecord::default() }
            }
            // Its change was reverted.
            (None, _) if old.pending.is_some() => {
                let NodeRecord { seconds, built_at, altered, code, .. } = old;
                NodeRecord {
                    inputs: now,
                    seconds,
                    built_at,
                    altered,
                    code,
                    ..NodeRecord::default()
                }
            }
            // An ephemeral model has no outcome: it was compiled into its readers.
            (None, _) if built.contains(id) => NodeRecord { inputs: now, ..old },
            // It is unchanged, or in doubt.
            (None, _) => NodeRecord { inputs: as_built(now, &old.inputs), ..old },
            (Some(absence), _) => absent_record(id, absence, old, fingerprints_before),
        };
        (id.clone(), next)
    };
    graph.keys().map(record).into_tree()
}

/// The inputs of a node that was not built again: the fingerprints of its last build stay. Inputs that
/// are not recorded (because the baseline has no record, or one of an earlier version of this program)
/// are assumed to have had the current values.
fn as_built(
    now: BTreeMap<String, String>,
    recorded: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let built = |(name, value): (String, String)| {
        let built = recorded.get(&name).cloned().unwrap_or(value);
        (name, built)
    };
    now.into_iter().map(built).into_tree()
}

/// The next record of a node that must be absent.
fn absent_record(
    id: &str,
    absence: &Absence,
    old: NodeRecord,
    fingerprints_before: &BTreeMap<String, String>,
) -> NodeRecord {
    let built = match absence {
        // What has to be built whether it changed or not is not done by going back to what was.
        Absence::Waiting(reasons) => {
            let is_change = |reason: &Reason| !matches!(reason, Reason::Pending(_));
            let before = fingerprints_before.get(id).filter(|_| reasons.iter().all(is_change));
            before.cloned().or(old.built)
        }
        Absence::Touched(_)
        | Absence::CutShort
        | Absence::Overtaken(_)
        | Absence::Overwritten(_)
        | Absence::NotThere(_)
        | Absence::ReadElsewhere(_)
        | Absence::Dropped(..) => None,
    };
    let code = old.code.clone().filter(|_| matches!(absence, Absence::Waiting(_)));
    NodeRecord { built, code, pending: Some(absence.to_string()), outdated: None, ..old }
}

impl std::fmt::Display for Absence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting(reasons) => {
                let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                write!(f, "{}", words.join(", "))
            }
            Self::Touched(why) => f.write_str(why),
            Self::CutShort => f.write_str("cut short while it was being built"),
            Self::Overtaken(ancestor) => write!(f, "not rebuilt after {ancestor}"),
            Self::Overwritten(writer) => write!(f, "its relation was overwritten by {writer}"),
            Self::NotThere(wrong) => f.write_str(wrong),
            Self::ReadElsewhere(parent) => {
                write!(f, "built from the relation that {parent} still has to be built into")
            }
            Self::Dropped(with, true) => write!(f, "dropped when {with} was rebuilt"),
            Self::Dropped(with, false) => write!(f, "may have been dropped when {with} failed"),
        }
    }
}

/// The digest of everything from which a node is built: `compared`, the digest of its compared parts,
/// and the fingerprints of its inputs. It is kept in [`NodeRecord::built`].
#[must_use]
pub fn fingerprint(compared: &str, inputs: &BTreeMap<String, String>) -> String {
    let mut digest = Pieces::new();
    digest.add(compared.as_bytes());
    for (name, value) in inputs {
        digest.add(name.as_bytes());
        digest.add(value.as_bytes());
    }
    digest.short_hex(16)
}

mod rows;

#[cfg(test)]
mod tests;
