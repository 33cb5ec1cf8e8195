//! Divides a build into several runs of dbt if only some nodes need `--full-refresh`, which applies
//! to a whole command line.
//!
//! A refreshed node reads its parents as they are when it is built. So those of its ancestors that
//! also have to be built come in an earlier run, and its descendants in a later one. All other nodes
//! are left to the last run, in which dbt selects the nodes itself.

use crate::graph::{Graph, Member, Role};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// A run of dbt before the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct EarlierRun {
    /// Whether it has `--full-refresh`.
    pub full_refresh: bool,
    /// The nodes that it builds and the tests that it runs.
    pub nodes: BTreeSet<String>,
}

/// The runs before the last one, in order. `chosen` are all nodes and tests that are built and run
/// altogether; `refreshed` are those of them that need `--full-refresh`.
pub fn earlier_runs(
    graph: &Graph,
    chosen: &BTreeSet<String>,
    refreshed: &BTreeSet<String>,
) -> Vec<EarlierRun> {
    let refreshed: BTreeSet<&str> = refreshed.intersection(chosen).map(String::as_str).into_tree();
    let levels = levels(graph, chosen, &refreshed);
    let mut nodes_by_level: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (id, level) in &levels {
        nodes_by_level.entry(*level).or_default().insert((*id).to_owned());
    }
    for (test, level) in test_levels(graph, chosen, &levels) {
        nodes_by_level.entry(level).or_default().insert(test.to_owned());
    }
    nodes_by_level
        .into_iter()
        .map(|(level, nodes)| EarlierRun { full_refresh: level % 2 == 1, nodes })
        .collect()
}

/// The run in which each refreshed node and each of its ancestors is built, as a level. Refreshed
/// nodes have odd levels and all others even ones, and no node comes before its parents.
fn levels<'a>(
    graph: &'a Graph,
    chosen: &BTreeSet<String>,
    refreshed: &BTreeSet<&'a str>,
) -> BTreeMap<&'a str, usize> {
    let mut levels = BTreeMap::new();
    let mut built = BTreeMap::new();
    for id in graph.in_order(&graph.with_ancestors(refreshed)) {
        let Some(member) = graph.get(id) else { continue };
        let parents = member.parents.iter().filter_map(|parent| levels.get(parent.as_str()));
        let above: usize = parents.copied().max().unwrap_or(0);
        let is_built = chosen.contains(id) && !matches!(member.role, Role::Test | Role::Ephemeral);
        let level = match (refreshed.contains(id), is_built) {
            (true, _) => above | 1,
            (false, true) => above + above % 2,
            (false, false) => above,
        };
        levels.insert(id, level);
        if is_built {
            built.insert(id, level);
        }
    }
    built
}

/// The level of each test whose parents all have a level: that of the last parent. So a failing test
/// keeps the nodes downstream from being built, as in a single run.
fn test_levels<'a>(
    graph: &'a Graph,
    chosen: &BTreeSet<String>,
    levels: &BTreeMap<&str, usize>,
) -> Vec<(&'a str, usize)> {
    let level = |(id, member): (&'a String, &'a Member)| {
        if member.role != Role::Test || !chosen.contains(id) {
            return None;
        }
        let parents = member.parents.iter().filter(|parent| chosen.contains(*parent));
        let levels: Option<Vec<usize>> =
            parents.map(|parent| levels.get(parent.as_str()).copied()).collect();
        Some((id.as_str(), levels?.into_iter().max()?))
    };
    graph.iter().filter_map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::graph_of as graph;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn plain(nodes: &[&str]) -> EarlierRun {
        EarlierRun { full_refresh: false, nodes: set(nodes) }
    }

    fn full(nodes: &[&str]) -> EarlierRun {
        EarlierRun { full_refresh: true, nodes: set(nodes) }
    }

    #[test]
    fn refreshed_nodes_are_built_alone_and_before_the_others() {
        let fork = graph(&["x > r", "r > c", "x > d"]);
        assert_eq!(earlier_runs(&fork, &set(&["r", "c", "d"]), &set(&["r"])), [full(&["r"])]);
        assert_eq!(earlier_runs(&fork, &set(&["c", "d"]), &set(&["r"])), []);
        assert_eq!(earlier_runs(&fork, &set(&["r", "c"]), &set(&[])), []);
    }

    #[test]
    fn only_ancestors_of_a_refreshed_node_are_last_built_digests_it() {
        let chain = graph(&["a > b", "b > r", "r > c", "a > d"]);
        let all = set(&["a", "b", "r", "c", "d"]);
        assert_eq!(earlier_runs(&chain, &all, &set(&["r"])), [plain(&["a", "b"]), full(&["r"])]);
    }

    #[test]
    fn refreshed_nodes_share_a_run_unless_another_node_is_built_between_them() {
        let chain = graph(&["r1 > r2", "r2 > b", "b > r3", "r1 > r3", "r3 > c"]);
        let (all, refreshed) = (set(&["r1", "r2", "b", "r3", "c"]), set(&["r1", "r2", "r3"]));
        let expected = [full(&["r1", "r2"]), plain(&["b"]), full(&["r3"])];
        assert_eq!(earlier_runs(&chain, &all, &refreshed), expected);
        // A node between them that is not built does not separate them.
        let all = set(&["r1", "r2", "r3", "c"]);
        assert_eq!(earlier_runs(&chain, &all, &refreshed), [full(&["r1", "r2", "r3"])]);
    }

    #[test]
    fn an_ephemeral_model_is_compiled_into_its_reader_and_needs_no_run() {
        let chain = graph(&["a > e", "e > r"]);
        let all = set(&["a", "e", "r"]);
        assert_eq!(earlier_runs(&chain, &all, &set(&["r"])), [plain(&["a"]), full(&["r"])]);
    }

    #[test]
    fn a_test_runs_with_the_last_of_its_parents() {
        let lines =
            ["a > r", "r > c", "a > ta", "r > tr", "a > tar", "r > tar", "r > tc", "c > tc"];
        let chosen = set(&["a", "r", "c", "ta", "tr", "tar", "tc"]);
        let expected = [plain(&["a", "ta"]), full(&["r", "tar", "tr"])];
        assert_eq!(earlier_runs(&graph(&lines), &chosen, &set(&["r"])), expected);
    }

    #[test]
    fn a_cycle_in_a_damaged_manifest_does_not_loop_forever() {
        let ring = graph(&["a > r", "r > a"]);
        assert_eq!(earlier_runs(&ring, &set(&["a", "r"]), &set(&["r"])).len(), 2);
    }
}
