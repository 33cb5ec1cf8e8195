//! The baseline never claims what the warehouse does not hold.
//!
//! A node stands in the baseline only as it was last built successfully; a node that still
//! has to be built is absent, and dbt's own `state:modified+` then selects it with its
//! descendants. This module says, after a run, which nodes must be absent, and why.
//!
//! Descendants of an absent node stay present while they themselves are as they were built:
//! the `+` reaches them. They become absent when the ancestor has been rebuilt without them.

use crate::dbt::compare::Needs;
use crate::dbt::compare::Reason;
use crate::dbt::results::Fate;
use crate::dbt::results::Outcome;
use crate::decide::record::NodeRecord;
use crate::digest::Pieces;
use crate::graph::Graph;
use crate::graph::Member;
use crate::graph::Role;
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// Why a node is absent from the next baseline.
#[derive(Debug, Clone, PartialEq)]
pub enum Absence {
    /// It changed and was not built; going back to what was built makes it whole again.
    Waiting(Vec<Reason>),
    /// The run touched it without finishing it.
    Touched(&'static str),
    /// Its build was cut short.
    CutShort,
    /// This ancestor was rebuilt, and the node was not rebuilt after it.
    Overtaken(String),
}

/// The nodes that must be absent from the next baseline.
#[must_use]
pub fn absences(graph: &Graph, needs: &Needs, outcome: &Outcome) -> BTreeMap<String, Absence> {
    let mut verdicts = Verdicts {
        graph,
        needs,
        outcome,
        inlined: inlined(graph, outcome),
        rebuilt: BTreeMap::new(),
    };
    graph.keys().filter_map(|id| Some((id.clone(), verdicts.absence(id)?))).into_tree()
}

/// Ephemeral models that reached the warehouse in this run: inside a reader that was built,
/// or because nobody reads them. A failed reader says nothing.
fn inlined(graph: &Graph, outcome: &Outcome) -> BTreeSet<String> {
    let mut inlined = BTreeSet::new();
    let mut unread: BTreeSet<&String> = ephemeral(graph).into_tree();
    for member in graph.values().filter(|member| member.role != Role::Test) {
        for parent in &member.parents {
            unread.remove(parent);
        }
    }
    inlined.extend(unread.into_iter().cloned());
    let built = outcome.iter().filter(|(_, fate)| matches!(fate, Fate::Built(_))).map(|(id, _)| id);
    let mut readers: Vec<&String> = built.collect();
    while let Some(reader) = readers.pop() {
        for parent in graph.get(reader).map_or(&[][..], |member| &member.parents) {
            let is_ephemeral =
                graph.get(parent).is_some_and(|member| member.role == Role::Ephemeral);
            if is_ephemeral && inlined.insert(parent.clone()) {
                readers.push(parent);
            }
        }
    }
    inlined
}

fn ephemeral(graph: &Graph) -> impl Iterator<Item = &String> {
    graph.iter().filter(|(_, member)| member.role == Role::Ephemeral).map(|(id, _)| id)
}

struct Verdicts<'a> {
    graph: &'a Graph,
    needs: &'a Needs,
    outcome: &'a Outcome,
    inlined: BTreeSet<String>,
    /// Memory of [`Verdicts::rebuilt_ancestor`] and the guard against a cycle.
    rebuilt: BTreeMap<String, Option<String>>,
}

impl Verdicts<'_> {
    fn built(&self, id: &str) -> bool {
        matches!(self.outcome.get(id), Some(Fate::Built(_))) || self.inlined.contains(id)
    }

    fn absence(&mut self, id: &str) -> Option<Absence> {
        match self.outcome.get(id) {
            Some(Fate::Touched(why)) => return Some(Absence::Touched(why)),
            Some(Fate::CutShort) => return Some(Absence::CutShort),
            Some(Fate::Built(_)) | None => {}
        }
        if self.built(id) {
            return None;
        }
        if let Some(ancestor) = self.rebuilt_ancestor(id) {
            return Some(Absence::Overtaken(ancestor));
        }
        self.needs.get(id).map(|reasons| Absence::Waiting(reasons.clone()))
    }

    /// The nearest parent whose rebuilding in this run gave it new content.
    fn rebuilt_ancestor(&mut self, id: &str) -> Option<String> {
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

    /// Built in this run, and not merely repeated: it needed it, or something above it did.
    fn has_new_content(&mut self, id: &str) -> bool {
        self.built(id) && (self.needs.contains_key(id) || self.rebuilt_ancestor(id).is_some())
    }
}

/// Those of the absences whose record depends on what they were built from before.
#[must_use]
pub fn asking_what_was_built(absences: &BTreeMap<String, Absence>) -> Vec<&str> {
    let asks = |absence: &&Absence| matches!(absence, Absence::Waiting(_) | Absence::CutShort);
    absences.iter().filter(|(_, why)| asks(why)).map(|(id, _)| id.as_str()).collect()
}

/// The next record of each node of the graph.
///
/// `inputs` are the fingerprints of what the nodes read now; `before` what the record said.
/// `fingerprints_before`: of [`asking_what_was_built`], by which a revert is recognised.
#[must_use]
pub fn node_records(
    graph: &Graph,
    absences: &BTreeMap<String, Absence>,
    outcome: &Outcome,
    inputs: &BTreeMap<String, BTreeMap<String, String>>,
    before: &BTreeMap<String, NodeRecord>,
    fingerprints_before: &BTreeMap<String, String>,
) -> BTreeMap<String, NodeRecord> {
    let record = |(id, member): (&String, &Member)| {
        let old = before.get(id).cloned().unwrap_or_default();
        let now = inputs.get(id).cloned().unwrap_or_default();
        let next = match (absences.get(id), outcome.get(id)) {
            (None, Some(Fate::Built(seconds))) => {
                NodeRecord { inputs: now, seconds: Some(*seconds), ..NodeRecord::default() }
            }
            // Gone back to what was built.
            (None, _) if old.pending.is_some() => {
                NodeRecord { inputs: now, seconds: old.seconds, ..NodeRecord::default() }
            }
            // It has no outcome of its own: it was built with its readers, or is as it was.
            (None, _) if member.role == Role::Ephemeral => NodeRecord { inputs: now, ..old },
            (None, _) => NodeRecord { inputs: as_built(now, &old.inputs), ..old },
            (Some(absence), _) => absent_record(id, absence, old, fingerprints_before),
        };
        (id.clone(), next)
    };
    graph.iter().map(record).into_tree()
}

/// As it was: the fingerprints of its build stay. What no record tells (of an operator's own
/// baseline, or of an earlier version of ours) is taken to have been built with today's values.
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

fn absent_record(
    id: &str,
    absence: &Absence,
    old: NodeRecord,
    fingerprints_before: &BTreeMap<String, String>,
) -> NodeRecord {
    let built = match absence {
        Absence::Waiting(_) => fingerprints_before.get(id).cloned().or(old.built),
        Absence::Touched(_) | Absence::CutShort | Absence::Overtaken(_) => None,
    };
    let first = old.seconds.is_none() && !fingerprints_before.contains_key(id);
    NodeRecord {
        inputs: old.inputs,
        seconds: old.seconds,
        built,
        pending: Some(absence.to_string()),
        altered: old.altered,
        outdated: None,
        half_made: old.half_made || (first && *absence == Absence::CutShort),
    }
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
        }
    }
}

/// What [`node_records`] keeps for a revert: the compared parts of the node and its inputs.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::graph_of as graph;

    fn needs(ids: &[&str]) -> Needs {
        ids.iter().map(|id| ((*id).to_owned(), vec![Reason::Body])).collect()
    }

    fn built(ids: &[&str]) -> Outcome {
        ids.iter().map(|id| ((*id).to_owned(), Fate::Built(1.0))).collect()
    }

    fn absent(graph: &Graph, needs: &Needs, outcome: &Outcome) -> Vec<String> {
        absences(graph, needs, outcome).into_keys().collect()
    }

    #[test]
    fn what_changed_and_was_built_with_all_its_descendants_leaves_nothing_absent() {
        let chain = graph(&["a > b", "b > c"]);
        assert!(absent(&chain, &needs(&["a"]), &built(&["a", "b", "c"])).is_empty());
    }

    #[test]
    fn a_changed_node_that_was_not_built_is_absent_and_its_descendants_are_not() {
        let chain = graph(&["a > b", "b > c"]);
        assert_eq!(absent(&chain, &needs(&["a"]), &built(&["c"])), ["a"]);
    }

    #[test]
    fn descendants_are_to_be_built_when_their_rebuilt_ancestor_had_changed() {
        let chain = graph(&["a > b", "b > c"]);
        let verdict = absences(&chain, &needs(&["a"]), &built(&["a"]));
        assert_eq!(verdict, BTreeMap::from([("b".into(), Absence::Overtaken("a".into()))]));
        let verdict = absences(&chain, &needs(&["a"]), &built(&["a", "b"]));
        assert_eq!(verdict, BTreeMap::from([("c".into(), Absence::Overtaken("b".into()))]));
    }

    #[test]
    fn descendants_are_left_alone_when_an_unchanged_ancestor_was_built_again() {
        assert!(absent(&graph(&["a > b"]), &needs(&[]), &built(&["a"])).is_empty());
    }

    #[test]
    fn a_failed_node_is_absent_whether_it_had_changed_or_not() {
        let outcome = Outcome::from([("a".into(), Fate::Touched("failed"))]);
        for needs in [needs(&[]), needs(&["a"])] {
            let verdict = absences(&graph(&["a > b"]), &needs, &outcome);
            assert_eq!(verdict, BTreeMap::from([("a".into(), Absence::Touched("failed"))]));
        }
    }

    #[test]
    fn an_ephemeral_model_counts_as_built_inside_a_reader_and_overtakes_the_others() {
        let fork = graph(&["e > b", "e > c", "e > t1"]);
        assert_eq!(absent(&fork, &needs(&["e"]), &built(&["b", "c"])), ["t1"]);
        assert_eq!(absent(&fork, &needs(&["e"]), &built(&["b", "t1"])), ["c"]);
        assert_eq!(absent(&fork, &needs(&["e"]), &built(&[])), ["e"]);
    }

    #[test]
    fn a_chain_of_ephemeral_models_is_built_through_the_last_of_them() {
        let chain = graph(&["e1 > e2", "e2 > b"]);
        assert!(absent(&chain, &needs(&["e1"]), &built(&["b"])).is_empty());
    }

    #[test]
    fn an_ephemeral_model_that_nobody_reads_never_waits() {
        assert!(absent(&graph(&["e > t1"]), &needs(&["e"]), &built(&["t1"])).is_empty());
    }

    #[test]
    fn a_changed_seed_that_run_cannot_load_is_not_forgotten() {
        assert_eq!(absent(&graph(&["s > b"]), &needs(&["s"]), &built(&["b"])), ["s"]);
    }

    #[test]
    fn a_node_built_between_a_rebuilt_ancestor_and_a_forgotten_middle_is_overtaken_later() {
        let chain = graph(&["a > b", "b > c"]);
        assert_eq!(absent(&chain, &needs(&["a"]), &built(&["a", "c"])), ["b"]);
        assert_eq!(absent(&chain, &needs(&["b"]), &built(&["b"])), ["c"]);
    }

    #[test]
    fn a_cycle_in_a_damaged_manifest_ends() {
        let ring = graph(&["a > b", "b > a"]);
        assert_eq!(absent(&ring, &needs(&["a"]), &built(&["a"])), ["b"]);
    }

    #[test]
    fn an_ephemeral_model_built_inside_a_reader_was_built_with_todays_values() {
        let chain = graph(&["e > b"]);
        let values = |value: &str| BTreeMap::from([("env_var:A".to_owned(), value.to_owned())]);
        let record = |value: &str| NodeRecord { inputs: values(value), ..NodeRecord::default() };
        let (needs, outcome) = (needs(&["e"]), built(&["b"]));
        let absent = absences(&chain, &needs, &outcome);
        let before = BTreeMap::from([("e".to_owned(), record("old"))]);
        let now = BTreeMap::from([("e".to_owned(), values("new"))]);
        let records = node_records(&chain, &absent, &outcome, &now, &before, &BTreeMap::new());
        assert_eq!(records["e"], record("new"));
    }

    #[test]
    fn a_revert_is_recognised_only_where_nothing_was_touched() {
        let chain = graph(&["a > b"]);
        let fingerprints = BTreeMap::from([("a".to_owned(), "old".to_owned())]);
        let records = |outcome: &Outcome| {
            let absent = absences(&chain, &needs(&["a"]), outcome);
            let none = BTreeMap::new();
            node_records(&chain, &absent, outcome, &BTreeMap::new(), &none, &fingerprints)
        };
        assert_eq!(records(&built(&[]))["a"].built, Some("old".into()));
        let failed = Outcome::from([("a".into(), Fate::Touched("failed"))]);
        assert_eq!(records(&failed)["a"].built, None);
    }
}
