//! The project as dbt parsed it, compared with the baseline.
//!
//! Made once for each parse and used by every later step: reading two manifests of a large project
//! takes longer than everything that is decided from them.

use crate::dbt::changes::{Needs, Reason};
use crate::dbt::command::Command;
use crate::dbt::manifest::Manifest;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::baseline::Baseline;
use crate::decide::needs::{self, CurrentProject, Inputs, LastBuild, Scope};
use crate::graph::Graph;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Why a node still has to be built after a full run that did not reach it.
const NOT_REACHED: &str = "not yet built in the full run";

/// What the project holds now and what of it has to be built.
pub struct Comparison<'m, 'b> {
    /// The project, as dbt parsed it.
    pub manifest: Manifest<'m>,
    /// The nodes that dbt can build or test.
    pub graph: Graph,
    /// Salted fingerprints of the values that each node reads from outside the project.
    pub inputs: Inputs,
    /// The nodes that differ from the baseline or were not built as they stand now.
    pub needs: Needs,
    /// The baseline, if there is one.
    pub before: Option<Manifest<'b>>,
}

impl<'m, 'b> Comparison<'m, 'b> {
    /// Compare. `before` is the baseline's manifest, and `baseline` brings its record.
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
        Self { manifest, graph, inputs, needs, before }
    }

    /// What counts as not built in this scope.
    #[must_use]
    pub fn needs_in(&self, scope: &Scope) -> Cow<'_, Needs> {
        let Scope::Everything(types) = scope else { return Cow::Borrowed(&self.needs) };
        let mut needs = self.needs.clone();
        for (id, member) in self.graph.iter() {
            if types.contains(member.role.resource_type()) {
                needs
                    .entry(id.clone())
                    .or_insert_with(|| vec![Reason::Pending(NOT_REACHED.into())]);
            }
        }
        Cow::Owned(needs)
    }

    /// For each of these nodes, the digest of what it was last built from.
    #[must_use]
    pub fn built_before(&self, baseline: &Baseline, ids: &[&str]) -> BTreeMap<String, String> {
        let before = LastBuild { manifest: self.before.as_ref(), nodes: &baseline.nodes };
        needs::built_before(before, &self.inputs, ids)
    }

    /// Whether the command builds nodes of this one's resource type.
    #[must_use]
    pub fn is_built_by(&self, command: &Command, id: &str) -> bool {
        self.graph.role(id).is_some_and(|role| command.builds(role.resource_type()))
    }

    /// The nodes that have to be built with `--full-refresh` although the command line does not
    /// ask for it: those that are half made, and changed ones of the materializations `kinds`.
    #[must_use]
    pub fn to_refresh(
        &self,
        baseline: &Baseline,
        command: &Command,
        kinds: &[String],
    ) -> BTreeSet<String> {
        if command.refreshes() {
            return BTreeSet::new();
        }
        let mut refreshed = baseline.half_made(&self.manifest);
        // `--empty` and samples would leave next to nothing of what was there.
        if command.unreal_option().is_none() {
            refreshed.extend(needs::to_refresh(
                &self.manifest,
                &self.needs,
                &baseline.nodes,
                kinds,
            ));
        }
        refreshed
    }

    /// Whether something changed that the command does not build and that the record does not
    /// mention yet, so that the next start has to find it again. Tests do not count.
    #[must_use]
    pub fn leaves_unrecorded_changes(&self, baseline: &Baseline) -> bool {
        let is_recorded =
            |id: &String| baseline.nodes.get(id).is_some_and(|node| node.pending.is_some());
        self.needs.keys().any(|id| !self.graph.is_test(id) && !is_recorded(id))
    }

    /// The nodes that were cut short while a build was adding rows to a relation that had been
    /// complete: only their operator can judge what they hold now.
    #[must_use]
    pub fn torn<'o>(&self, baseline: &Baseline, outcome: &'o Outcome) -> Vec<&'o str> {
        let half_made = baseline.half_made(&self.manifest);
        let cut = outcome.iter().filter(|(_, fate)| **fate == Fate::CutShort);
        cut.map(|(id, _)| id)
            .filter(|id| self.manifest.appends(id) && !half_made.contains(*id))
            .map(String::as_str)
            .collect()
    }
}
