//! The project as a graph: its nodes, what each is, and what reads what.
//!
//! Only nodes that dbt builds or tests are in it. Sources, macros, exposures and analyses are
//! not, so a parent that is one of those does not appear.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

/// What a node is to dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A table, view or the like, built by `dbt run` and `dbt build`.
    Model,
    /// A model that dbt inlines into its readers. It has no relation and no result of its own.
    Ephemeral,
    /// Built by `dbt seed` and `dbt build`.
    Seed,
    /// Built by `dbt snapshot` and `dbt build`.
    Snapshot,
    /// Built by `dbt build` (dbt 1.11 and later).
    Function,
    /// A data or unit test, run by `dbt test` and `dbt build`. A test never marks a model as changed.
    Test,
}

impl Role {
    /// dbt's name for the resource type, as `--resource-type` takes it. A unit test is a `test`.
    #[must_use]
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::Model | Self::Ephemeral => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Function => "function",
            Self::Test => "test",
        }
    }
}

/// Every resource type that dbt builds or tests, as `--resource-type` takes it.
pub const RESOURCE_TYPES: [&str; 6] =
    ["model", "seed", "snapshot", "function", "test", "unit_test"];

/// Whether a `unique_id` is that of a data or unit test; for places that have no graph at hand.
#[must_use]
pub fn is_test_id(id: &str) -> bool {
    id.starts_with("test.") || is_unit_test_id(id)
}

/// Whether a `unique_id` is that of a unit test.
#[must_use]
pub fn is_unit_test_id(id: &str) -> bool {
    id.starts_with("unit_test.")
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub role: Role,
    /// The `unique_id`s of the nodes of the graph that it reads.
    pub parents: Vec<String>,
}

/// Every node that dbt can build or test, by `unique_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph(BTreeMap<String, Member>);

impl Deref for Graph {
    type Target = BTreeMap<String, Member>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Graph {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<(String, Member)> for Graph {
    fn from_iter<I: IntoIterator<Item = (String, Member)>>(members: I) -> Self {
        let mut graph = BTreeMap::new();
        graph.extend(members);
        Self(graph)
    }
}

impl Graph {
    /// What the node is; `None` for an id that is not in the graph.
    #[must_use]
    pub fn role(&self, id: &str) -> Option<Role> {
        self.get(id).map(|member| member.role)
    }

    /// Whether the id is a test, or unknown here: neither is ever reported as a node.
    #[must_use]
    pub fn is_test(&self, id: &str) -> bool {
        self.role(id).is_none_or(|role| role == Role::Test)
    }

    /// Whether dbt builds something for the node and gives it a result of its own: every role
    /// but tests and ephemeral models.
    #[must_use]
    pub fn is_built(&self, id: &str) -> bool {
        self.role(id).is_some_and(|role| !matches!(role, Role::Test | Role::Ephemeral))
    }

    /// How many nodes [`Graph::is_built`] holds for.
    #[must_use]
    pub fn count_built(&self) -> usize {
        self.keys().filter(|id| self.is_built(id)).count()
    }

    /// The `unique_id`s that a node reads; none for an id that is not in the graph.
    pub fn parents(&self, id: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.get(id).map_or(&[][..], |member| &member.parents).iter().map(String::as_str)
    }

    /// The ephemeral models that are compiled into these nodes.
    #[must_use]
    pub fn inlined_into<'g>(&'g self, ids: impl IntoIterator<Item = &'g str>) -> BTreeSet<&'g str> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = ids.into_iter().collect();
        while let Some(reader) = open.pop() {
            for parent in self.parents(reader) {
                if self.role(parent) == Some(Role::Ephemeral) && found.insert(parent) {
                    open.push(parent);
                }
            }
        }
        found
    }

    /// The ephemeral models that are compiled into some node that dbt builds.
    #[must_use]
    pub fn inlined(&self) -> BTreeSet<&str> {
        self.inlined_into(self.keys().map(String::as_str).filter(|id| self.is_built(id)))
    }

    /// For each node that is read, the nodes that read it.
    #[must_use]
    pub fn children(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, member) in self.iter() {
            for parent in &member.parents {
                children.entry(parent).or_default().push(id);
            }
        }
        children
    }

    /// These nodes and everything downstream of them.
    #[must_use]
    pub fn with_descendants(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let children = self.children();
        let roots = ids.iter().map(String::as_str);
        let reached = walk(roots, |id| children.get(id).into_iter().flatten().copied());
        let mut owned = BTreeSet::new();
        owned.extend(reached.into_iter().map(str::to_owned));
        owned
    }

    /// These nodes and everything upstream of them.
    #[must_use]
    pub fn with_ancestors<'a>(&'a self, ids: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        walk(ids.iter().copied(), |id| self.parents(id))
    }

    /// These nodes with parents before children, otherwise by `unique_id`. A cycle, which only a
    /// damaged manifest has, is cut at some point.
    #[must_use]
    pub fn in_order<'a>(&'a self, ids: &BTreeSet<&'a str>) -> Vec<&'a str> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for id in ids {
            let mut open = vec![(*id, false)];
            while let Some((id, parents_done)) = open.pop() {
                if parents_done {
                    order.extend(ids.get(id));
                } else if seen.insert(id) {
                    open.push((id, true));
                    open.extend(self.parents(id).rev().map(|parent| (parent, false)));
                }
            }
        }
        order
    }
}

/// Everything that can be reached, the roots included.
fn walk<'a, I: IntoIterator<Item = &'a str>>(
    roots: impl Iterator<Item = &'a str>,
    next: impl Fn(&'a str) -> I,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = roots.collect();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(next(id));
        }
    }
    reached
}

/// A graph from lines `parent > child`. The first letter of a name tells its role: `e`
/// ephemeral, `s` seed, `t` test, any other a model.
#[cfg(test)]
pub(crate) fn graph_of(lines: &[&str]) -> Graph {
    let mut graph = Graph::default();
    for line in lines {
        let (parent, child) = line.split_once(" > ").unwrap();
        for id in [parent, child] {
            let role = match &id[..1] {
                "e" => Role::Ephemeral,
                "s" => Role::Seed,
                "t" => Role::Test,
                _ => Role::Model,
            };
            graph.entry(id.into()).or_insert(Member { role, parents: vec![] });
        }
        graph.get_mut(child).unwrap().parents.push(parent.into());
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_walk_reaches_everything_once_in_either_direction() {
        let graph = graph_of(&["a > b", "b > c", "a > c", "d > c"]);
        assert_eq!(graph.with_descendants(&set(&["b"])), set(&["b", "c"]));
        assert_eq!(graph.with_ancestors(&["b"].into()), ["a", "b"].into());
        assert_eq!(graph.with_ancestors(&["c"].into()), ["a", "b", "c", "d"].into());
        assert_eq!(graph.children()["a"], ["b", "c"]);
    }

    #[test]
    fn parents_come_before_children_and_a_cycle_ends() {
        let graph = graph_of(&["z > a", "a > b", "b > m"]);
        assert_eq!(graph.in_order(&["a", "b", "m", "z"].into()), ["z", "a", "b", "m"]);
        assert_eq!(graph.in_order(&["m", "z"].into()), ["z", "m"]);
        let ring = graph_of(&["a > b", "b > a"]);
        assert_eq!(ring.in_order(&["a", "b"].into()).len(), 2);
    }

    #[test]
    fn tests_and_ephemeral_models_are_not_built() {
        let graph = graph_of(&["e > m", "s > m", "m > t"]);
        assert_eq!(graph.count_built(), 2);
        assert!(graph.is_test("t") && graph.is_test("unknown") && !graph.is_test("e"));
    }
}
