//! What a run notes on the volume before dbt starts. If the run is killed, the next start reads it to
//! record what had been built.

use crate::dbt::profile::Identity;
use crate::dbt::results::{Fate, Outcome};
use crate::decide::needs::Scope;
use crate::decide::origin::Origin;
use crate::decide::record::FORMAT;
use crate::graph::{Graph, RESOURCE_TYPES, Role};
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a run set out to do: the content of `.dbt-entrypoint/run/intent.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The [`FORMAT`] of the program that wrote it.
    pub(crate) format: u32,
    /// Which nodes count as not built until this run has built them.
    pub(crate) scope: Scope,
    /// The option of dbt by which the run does not build the complete relations, such as `--empty`.
    pub(crate) unreal: Option<String>,
    /// The project and the place in the warehouse where it builds.
    pub(crate) identity: Identity,
    /// Whether dbt runs with `--full-refresh`.
    #[serde(default)]
    pub(crate) full_refresh: bool,
    /// The nodes that the run may build; `None` in the notes of earlier versions.
    #[serde(default)]
    pub(crate) reach: Option<RunReach>,
    /// Where dbt's log is the journal of the run: what [`Journal::is_whole`] is asked with.
    ///
    /// [`Journal::is_whole`]: crate::store::Journal::is_whole
    #[serde(default)]
    pub(crate) journal: Option<String>,
    /// What it is expected to build.
    #[serde(default, skip_serializing_if = "Todo::is_unknown")]
    pub(crate) todo: Todo,
    /// How the baseline comes about that it makes; unknown in the notes of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// Why its outcome was not recorded, if it came to its end all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsaved: Option<Unsaved>,
}

impl Intent {
    /// The notes of a run of which nothing is known but that it was here.
    pub(crate) fn unknown(identity: Identity) -> Self {
        Self {
            format: FORMAT,
            scope: Scope::Changes,
            unreal: None,
            identity,
            full_refresh: false,
            reach: Some(RunReach::Types(RESOURCE_TYPES.map(str::to_owned).into())),
            journal: None,
            todo: Todo::default(),
            origin: None,
            unsaved: None,
        }
    }

    /// The nodes that the run may have built.
    pub(crate) fn into_reach(self) -> RunReach {
        self.reach.unwrap_or_else(|| RunReach::of_types(|_| true))
    }

    /// Whether the run cannot have built anything.
    pub(crate) fn is_harmless(&self) -> bool {
        self.reach.as_ref().is_some_and(RunReach::is_nothing)
    }
}

/// The nodes that a run may build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunReach {
    /// These, by `unique_id`.
    Nodes(BTreeSet<String>),
    /// All nodes of these resource types.
    Types(BTreeSet<String>),
}

impl RunReach {
    /// The reach of a dbt that has not been told what to build.
    pub(crate) fn nothing() -> Self {
        Self::Nodes(BTreeSet::new())
    }

    /// The reach of a command for which dbt alone knows what it selects.
    pub(crate) fn of_types(builds: impl Fn(&str) -> bool) -> Self {
        let types = RESOURCE_TYPES.into_iter().filter(|kind| builds(kind));
        Self::Types(types.map(str::to_owned).into_tree())
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nodes(ids) if ids.is_empty())
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        match self {
            Self::Nodes(ids) => ids.contains(id),
            Self::Types(types) => types.contains(resource_type(id)),
        }
    }

    /// No news is not good news: count every node as cut short that the run may have built and of
    /// which nothing is known. `known` are nodes that the run is known to have left alone.
    pub(crate) fn distrust_silence(
        &self,
        graph: &Graph,
        known: &BTreeSet<&str>,
        outcome: &mut Outcome,
    ) {
        for (id, member) in graph.iter() {
            if self.has(id) && member.role != Role::Ephemeral && !known.contains(id.as_str()) {
                outcome.entry(id.clone()).or_insert(Fate::CutShort);
            }
        }
    }
}

/// What a run is expected to build. No decision depends on it: it is for those who wait.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Todo {
    /// The nodes; `None` where dbt alone knows what the command selects.
    pub(crate) nodes: Option<RunReach>,
    /// How many it builds at a time; `None` if nothing limits them.
    pub(crate) threads: Option<usize>,
}

impl Todo {
    /// These nodes.
    pub(crate) fn of<'i>(ids: impl Iterator<Item = &'i String>, threads: Option<usize>) -> Self {
        Self { nodes: Some(RunReach::Nodes(ids.cloned().into_tree())), threads }
    }

    fn is_unknown(&self) -> bool {
        self.nodes.is_none()
    }
}

/// The first part of a `unique_id`.
fn resource_type(id: &str) -> &str {
    id.split('.').next().unwrap_or_default()
}

/// A run that ended, and whose outcome is not in the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unsaved {
    /// What was found, for messages.
    pub(crate) why: String,
    /// Whether nothing can be recorded later either, because dbt left no manifest that can be used.
    pub(crate) is_lost: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Member;

    #[test]
    fn silence_about_a_node_that_may_have_been_built_counts_as_cut_short() {
        let roles = [
            ("model.p.built", Role::Model),
            ("model.p.skipped", Role::Model),
            ("model.p.silent", Role::Model),
            ("model.p.inlined", Role::Ephemeral),
            ("seed.p.s", Role::Seed),
            ("unit_test.p.t", Role::Test),
        ];
        let member = |(id, role): (&str, Role)| (id.to_owned(), Member { role, parents: vec![] });
        let graph: Graph = roles.map(member).into_iter().collect();
        let built = || Outcome::from([("model.p.built".to_owned(), Fate::Built(1.0))]);
        let after = |reach: RunReach| {
            let mut outcome = built();
            reach.distrust_silence(&graph, &["model.p.skipped"].into(), &mut outcome);
            outcome.remove("model.p.built");
            outcome.into_iter().map(|(id, fate)| (id, fate == Fate::CutShort)).collect::<Vec<_>>()
        };
        let cut = |id: &str| (id.to_owned(), true);
        let models = RunReach::of_types(|kind| kind == "model");
        assert_eq!(after(models), [cut("model.p.silent")]);
        let all = [cut("model.p.silent"), cut("seed.p.s"), cut("unit_test.p.t")];
        assert_eq!(after(RunReach::of_types(|_| true)), all);
        assert_eq!(after(RunReach::Nodes(["seed.p.s".to_owned()].into())), [cut("seed.p.s")]);
        assert_eq!(after(RunReach::nothing()), []);
    }
}
