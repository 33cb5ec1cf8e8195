//! What a run is asked to do, and what its command line selects.

use crate::dbt::command::Command;
use crate::dbt::engine::Engine;
use crate::decide::baseline::Baseline;
use crate::decide::comparison::Comparison;
use crate::decide::select_by::SelectBy;
use crate::decide::start::Approach;
use crate::graph::Role;
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// What a run is asked to do: the parts of the command line and configuration on which the plan
/// depends.
#[derive(Clone, Copy)]
pub struct PlanRequest<'a> {
    /// The dbt that will be started.
    pub engine: &'a Engine,
    /// The command line of dbt.
    pub command: &'a Command,
    /// How dbt is run.
    pub approach: Approach,
    /// The name of the project's default selector, if the command uses it.
    pub default_selector: Option<&'a str>,
    /// The materializations of `--refresh-changed`.
    pub refresh_changed: &'a [String],
    /// How many nodes dbt builds at a time; `None` if nothing limits them.
    pub threads: Option<usize>,
    /// Whether the steps have to be exact because they are shown or limited.
    pub is_exact: bool,
}

impl PlanRequest<'_> {
    /// How dbt will select the nodes to build.
    #[must_use]
    pub fn select_by(&self) -> SelectBy {
        SelectBy::choose(self.engine, self.command, self.approach, self.default_selector)
    }

    /// Whether more than the resource type limits what the command builds, so that only `dbt ls` can
    /// tell what it selects.
    pub(super) fn is_limited(&self) -> bool {
        self.approach != Approach::Changed
            || self.command.excludes()
            || self.default_selector.is_some()
    }

    /// Whether [`super::Plan::of`] needs the nodes that `dbt ls` lists for the command.
    #[must_use]
    pub fn needs_list(&self, now: &Comparison<'_, '_>, baseline: &Baseline) -> bool {
        if !self.approach.is_compared() {
            return self.is_exact;
        }
        let wanted: Vec<&String> =
            now.needs.keys().filter(|id| now.is_built_by(self.command, id)).collect();
        if !self.is_limited() || wanted.is_empty() {
            return false;
        }
        let by_name = self.select_by() == SelectBy::Name;
        if self.approach == Approach::Changed {
            // Which tests go with an excluded node depends on more than the selection.
            let tests = wanted.iter().any(|id| now.graph.is_test(id));
            return by_name || tests || self.selected(now).is_none();
        }
        let refreshes = || {
            let is_built = |id: &String| now.is_built_by(self.command, id);
            let built = wanted.iter().map(|id| (*id).clone()).into_tree();
            let built = now.graph.with_descendants(&built).into_iter().filter(is_built).into_tree();
            let (_, refreshed) = now.changes(baseline, self.command, self.refresh_changed, &built);
            !refreshed.is_empty()
        };
        let waited = wanted.iter().any(|id| has_waited(baseline, id));
        self.is_exact || now.has_doubts() || by_name || waited || refreshes()
    }

    /// The nodes that the command selects, if that can be told without dbt.
    pub(super) fn selected(&self, now: &Comparison<'_, '_>) -> Option<BTreeSet<String>> {
        let (manifest, graph) = (&now.manifest, &now.graph);
        match self.default_selector {
            _ if self.approach != Approach::Changed => None,
            Some(selector) => manifest.selected_by(graph, selector),
            None if self.command.excludes() => {
                manifest.without_excluded(graph, &self.command.exclusions())
            }
            None => None,
        }
    }

    /// The nodes because of which others are built: those that have to be built, without those that
    /// the command leaves out. What is left out keeps its old content, so nothing downstream of it
    /// changes. There are two exceptions: an ephemeral model is part of the code of its readers, and
    /// a user who selects nodes and narrows that to what changed gets what is downstream of a change
    /// once.
    pub(super) fn roots(
        &self,
        now: &Comparison<'_, '_>,
        baseline: &Baseline,
        selected: Option<&BTreeSet<String>>,
        wanted: BTreeSet<String>,
    ) -> BTreeSet<String> {
        let Some(selected) = selected else { return wanted };
        let is_root = |id: &String| {
            selected.contains(id)
                || now.graph.role(id) == Some(Role::Ephemeral)
                || (self.approach == Approach::Narrowed && !has_waited(baseline, id))
        };
        wanted.into_iter().filter(is_root).into_tree()
    }
}

/// Whether the node was left unbuilt by an earlier run.
fn has_waited(baseline: &Baseline, id: &str) -> bool {
    baseline.nodes.get(id).is_some_and(|node| node.pending.is_some())
}
