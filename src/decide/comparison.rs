//! The comparison of the project, as dbt has just parsed it, with the baseline.
//!
//! It is made once for each parse, and every later step uses it: parsing the two manifests of a large
//! project takes longer than all decisions together.

use crate::dbt::command::Command;
use crate::dbt::compare::{Needs, Reason};
use crate::dbt::manifest::{Manifest, Node};
use crate::dbt::results::{Fate, Outcome, PARTLY};
use crate::decide::baseline::Baseline;
use crate::decide::needs::{self, CurrentProject, Inputs, LastBuild, Scope};
use crate::decide::relations::Relations;
use crate::graph::{Graph, is_test_id, is_unit_test_id};
use crate::trees::IntoTree;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Why a node still has to be built after a full run that did not reach it.
const NOT_REACHED: &str = "not yet built in the full run";

/// The project as it is now, and which of its nodes have to be built.
pub struct Comparison<'m, 'b> {
    /// The manifest that dbt has just written.
    pub manifest: Manifest<'m>,
    /// The nodes that dbt can build or test.
    pub graph: Graph,
    /// The salted fingerprints of the values that each node reads from outside the project.
    pub inputs: Inputs,
    /// The nodes that have to be built themselves, with the reasons.
    pub needs: Needs,
    /// The manifest of the baseline, if there is one.
    pub before: Option<Manifest<'b>>,
    /// The nodes that differ from the baseline and compile to what they were built from.
    pub settled: BTreeSet<String>,
}

impl<'m, 'b> Comparison<'m, 'b> {
    /// Compare a project with a baseline. `before` is the parsed manifest of `baseline`; `inputs` are
    /// the fingerprints of what the nodes of `manifest` read.
    #[must_use]
    pub fn of(
        baseline: &Baseline,
        before: Option<Manifest<'b>>,
        manifest: Manifest<'m>,
        inputs: Inputs,
    ) -> Self {
        let graph = manifest.graph();
        let old = LastBuild { manifest: before.as_ref(), nodes: &baseline.nodes };
        let now = CurrentProject { manifest: &manifest, graph: &graph, inputs: &inputs };
        let needs = needs::needs(old, now);
        Self { manifest, graph, inputs, needs, before, settled: BTreeSet::new() }
    }

    /// Take out the nodes that compile to what they were built from. `settled` has what was compared
    /// of them when that was found out ([`crate::decide::doubt::fingerprints`]); what has changed
    /// since then still has to be built.
    pub fn settle(&mut self, settled: &BTreeMap<String, String>) {
        let doubted: Vec<&str> =
            settled.keys().map(String::as_str).filter(|id| self.needs.contains_key(*id)).collect();
        for (id, current) in needs::fingerprints(&self.manifest, &self.inputs, &doubted) {
            if settled.get(&id) == Some(&current) {
                self.needs.remove(&id);
                self.settled.insert(id);
            }
        }
    }

    /// The nodes that have to be built for something that matters.
    #[must_use]
    pub fn changed_for_certain(&self) -> BTreeSet<String> {
        let certain = self.needs.iter().filter(|(_, reasons)| !is_doubtful(reasons));
        certain.map(|(id, _)| id.clone()).into_tree()
    }

    /// Whether a node has to be built only because of something that may not matter.
    #[must_use]
    pub fn has_doubts(&self) -> bool {
        self.needs.iter().any(|(id, reasons)| !self.graph.is_test(id) && is_doubtful(reasons))
    }

    /// The nodes that count as not built in this scope, with the reasons.
    #[must_use]
    pub fn needs_in(&self, scope: &Scope) -> Cow<'_, Needs> {
        let Scope::Everything(types) = scope else { return Cow::Borrowed(&self.needs) };
        let mut needs = self.needs.clone();
        for (id, member) in self.graph.iter() {
            if types.contains(member.role.resource_type()) {
                let reasons = needs.entry(id.clone()).or_default();
                // What is new has to be built in any case, and says so itself.
                if !reasons.contains(&Reason::New) {
                    reasons.push(Reason::Pending(NOT_REACHED.into()));
                }
            }
        }
        Cow::Owned(needs)
    }

    /// For each of these nodes that the baseline has: the digest of what it was last built from.
    #[must_use]
    pub fn last_built_digests(
        &self,
        baseline: &Baseline,
        ids: &[&str],
    ) -> BTreeMap<String, String> {
        let before = LastBuild { manifest: self.before.as_ref(), nodes: &baseline.nodes };
        needs::last_built_digests(before, &self.inputs, ids)
    }

    /// Whether the command builds nodes of the resource type of this node.
    #[must_use]
    pub fn is_built_by(&self, command: &Command, id: &str) -> bool {
        self.graph.role(id).is_some_and(|role| {
            command.builds(if is_unit_test_id(id) { "unit_test" } else { role.resource_type() })
        })
    }

    /// Of the nodes `built`: what changed in each or upstream of it, and those that need
    /// `--full-refresh` although the command line does not have it. These are nodes that are half
    /// made, and nodes of the materializations `kinds` (`--refresh-changed`) that would otherwise
    /// keep rows of earlier code, or that keep some already.
    #[must_use]
    pub fn changes(
        &self,
        baseline: &Baseline,
        command: &Command,
        kinds: &[String],
        built: &BTreeSet<String>,
    ) -> (BTreeMap<&str, String>, BTreeSet<&str>) {
        let relations = Relations::of(self, baseline);
        let half_made = self.half_made(baseline);
        // With `--empty` or a sample, a full refresh would delete most of the existing rows.
        let kinds = if command.unreal_option().is_none() { kinds } else { &[] };
        let refreshes = |id: &str, change: Option<&str>| {
            let Some(node) = self.manifest.node(id).filter(|_| !command.refreshes()) else {
                return false;
            };
            let is_listed = || {
                node.materialized().is_some_and(|kind| kinds.iter().any(|own| *own == *kind))
                    && node.keeps_rows(false)
                    && !node.keeps_rows(true)
            };
            let is_altered = || baseline.nodes.get(id).is_some_and(|node| node.altered.is_some());
            half_made.contains(id)
                || (is_listed() && (is_altered() || relations.outdated_rows(id, change).is_some()))
        };
        let is_built = |id: &str| built.contains(id);
        needs::changes(&self.graph, &self.needs, &baseline.nodes, is_built, refreshes)
    }

    /// The nodes whose relation was made by a build that did not succeed as a whole, and to which a
    /// build without `--full-refresh` would append.
    #[must_use]
    pub fn half_made(&self, baseline: &Baseline) -> BTreeSet<String> {
        let half = |id: &&String| self.manifest.node(id).is_some_and(Node::is_made_anew);
        self.made_in_part(baseline).filter(half).cloned().into_tree()
    }

    /// The same with nodes of which dbt can only complete the relation: snapshots, and nodes with
    /// `full_refresh: false`.
    pub fn made_in_part<'a>(&'a self, baseline: &'a Baseline) -> impl Iterator<Item = &'a String> {
        let relations = Relations::of(self, baseline);
        let half = move |id: &&String| self.manifest.appends(id) && relations.is_half_made(id);
        self.needs.keys().filter(half)
    }

    /// The nodes that this run completed although their relation was half made: dbt cannot make it
    /// anew.
    pub fn completed<'a>(
        &'a self,
        baseline: &'a Baseline,
        outcome: &'a Outcome,
    ) -> impl Iterator<Item = &'a String> {
        let is_anew = |id: &str| self.manifest.node(id).is_some_and(Node::is_made_anew);
        let is_built = |id: &str| matches!(outcome.get(id), Some(Fate::Built(_)));
        self.made_in_part(baseline).filter(move |id| is_built(id) && !is_anew(id))
    }

    /// Whether the baseline or its record has a node that is not in the project any more.
    #[must_use]
    pub fn has_lost_nodes(&self, baseline: &Baseline) -> bool {
        let before = self.before.iter().flat_map(Manifest::names).map(|(id, _)| id);
        let mut known = before.chain(baseline.nodes.keys().map(String::as_str));
        known.any(|id| !self.graph.contains_key(id))
    }

    /// Whether the next baseline, without the nodes that are absent from it, says something else of the
    /// warehouse than this one. Tests leave nothing there, and what was settled is there as it was.
    #[must_use]
    pub fn claims_otherwise(&self, is_absent: impl Fn(&str) -> bool) -> bool {
        let Some(before) = &self.before else { return true };
        let is_kept = |id: &str| before.node(id).is_some() != is_absent(id);
        let is_built = |id: &str| self.needs.contains_key(id) && !is_absent(id);
        let mut now = self.graph.keys().filter(|id| !is_test_id(id));
        let mut before = before.names().map(|(id, _)| id).filter(|id| !is_test_id(id));
        now.any(|id| !is_kept(id) || is_built(id)) || before.any(|id| !self.graph.contains_key(id))
    }

    /// Whether a node has to be built that the record does not list as pending yet, so that the next
    /// start has to compare again. Tests do not count.
    #[must_use]
    pub fn leaves_unrecorded_changes(&self, baseline: &Baseline) -> bool {
        let is_recorded =
            |id: &String| baseline.nodes.get(id).is_some_and(|node| node.pending.is_some());
        self.needs.keys().any(|id| !self.graph.is_test(id) && !is_recorded(id))
    }

    /// The nodes that were cut short while a build appended rows to a complete relation, and those of
    /// which some batches failed then. Only an operator can tell which rows they hold now, and a
    /// later build need not come back to the batches that failed.
    #[must_use]
    pub fn torn<'o>(
        &self,
        baseline: &Baseline,
        outcome: &'o Outcome,
        refresh: bool,
    ) -> Vec<&'o str> {
        let relations = Relations::of(self, baseline);
        let is_torn = |fate: &Fate| matches!(fate, Fate::CutShort | Fate::Touched(PARTLY));
        let cut_short = outcome.iter().filter(|(_, fate)| is_torn(fate));
        cut_short
            .map(|(id, _)| id)
            .filter(|id| self.manifest.appends(id) && !relations.is_left_half_made(id, refresh))
            .map(String::as_str)
            .collect()
    }
}

fn is_doubtful(reasons: &[Reason]) -> bool {
    reasons.iter().all(Reason::is_doubt)
}
