//! In which order a run is cut into passes, where some nodes are built with `--full-refresh`
//! and the rest without: dbt's flag is for a whole command line.
//!
//! A node that is refreshed reads its parents as they are then, so that those of them that
//! the run builds come first; its descendants come after it. Whatever has no part in that is
//! left to the pass that dbt selects itself, the last one.

use crate::graph::{Graph, Member, Role};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// One start of dbt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct EarlierRun {
    /// With `--full-refresh`.
    pub full_refresh: bool,
    /// What it builds and tests.
    pub nodes: BTreeSet<String>,
}

/// The passes before the last one. `chosen` is all that the run builds and tests, `refreshed`
/// what of it is built with `--full-refresh`.
pub fn earlier_runs(
    graph: &Graph,
    chosen: &BTreeSet<String>,
    refreshed: &BTreeSet<String>,
) -> Vec<EarlierRun> {
    let refreshed: BTreeSet<&str> = refreshed.intersection(chosen).map(String::as_str).into_tree();
    let levels = levels(graph, chosen, &refreshed);
    let mut passes: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (id, level) in &levels {
        passes.entry(*level).or_default().insert((*id).to_owned());
    }
    for (test, level) in tests(graph, chosen, &levels) {
        passes.entry(level).or_default().insert(test.to_owned());
    }
    passes
        .into_iter()
        .map(|(level, nodes)| EarlierRun { full_refresh: level % 2 == 1, nodes })
        .collect()
}

/// In which pass what is refreshed, and what it reads, is built: refreshed nodes at odd
/// levels, all others at even ones, nobody before its parents.
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

/// A test belongs to the pass that makes the last of what it looks at, so that it can keep
/// what is downstream from being built, as in a single run.
fn tests<'a>(
    graph: &'a Graph,
    chosen: &BTreeSet<String>,
    levels: &BTreeMap<&str, usize>,
) -> Vec<(&'a str, usize)> {
    let level = |(id, member): (&'a String, &'a Member)| {
        if member.role != Role::Test || !chosen.contains(id) {
            return None;
        }
        let looked_at = member.parents.iter().filter(|parent| chosen.contains(*parent));
        let levels: Option<Vec<usize>> =
            looked_at.map(|parent| levels.get(parent.as_str()).copied()).collect();
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
    fn what_is_refreshed_comes_alone_and_before_the_rest() {
        let fork = graph(&["x > r", "r > c", "x > d"]);
        assert_eq!(earlier_runs(&fork, &set(&["r", "c", "d"]), &set(&["r"])), [full(&["r"])]);
        assert_eq!(earlier_runs(&fork, &set(&["c", "d"]), &set(&["r"])), []);
        assert_eq!(earlier_runs(&fork, &set(&["r", "c"]), &set(&[])), []);
    }

    #[test]
    fn parents_that_are_built_come_before_what_is_refreshed_and_nothing_else_does() {
        let chain = graph(&["a > b", "b > r", "r > c", "a > d"]);
        let all = set(&["a", "b", "r", "c", "d"]);
        assert_eq!(earlier_runs(&chain, &all, &set(&["r"])), [plain(&["a", "b"]), full(&["r"])]);
    }

    #[test]
    fn refreshed_nodes_share_a_pass_unless_something_between_them_is_built_without() {
        let chain = graph(&["r1 > r2", "r2 > b", "b > r3", "r1 > r3", "r3 > c"]);
        let (all, refreshed) = (set(&["r1", "r2", "b", "r3", "c"]), set(&["r1", "r2", "r3"]));
        let expected = [full(&["r1", "r2"]), plain(&["b"]), full(&["r3"])];
        assert_eq!(earlier_runs(&chain, &all, &refreshed), expected);
        // What stands between them and is not built separates nothing.
        let all = set(&["r1", "r2", "r3", "c"]);
        assert_eq!(earlier_runs(&chain, &all, &refreshed), [full(&["r1", "r2", "r3"])]);
    }

    #[test]
    fn an_ephemeral_model_is_built_inside_its_reader_and_needs_no_pass() {
        let chain = graph(&["a > e", "e > r"]);
        let all = set(&["a", "e", "r"]);
        assert_eq!(earlier_runs(&chain, &all, &set(&["r"])), [plain(&["a"]), full(&["r"])]);
    }

    #[test]
    fn a_test_runs_with_the_last_of_what_it_looks_at() {
        let lines =
            ["a > r", "r > c", "a > ta", "r > tr", "a > tar", "r > tar", "r > tc", "c > tc"];
        let chosen = set(&["a", "r", "c", "ta", "tr", "tar", "tc"]);
        let expected = [plain(&["a", "ta"]), full(&["r", "tar", "tr"])];
        assert_eq!(earlier_runs(&graph(&lines), &chosen, &set(&["r"])), expected);
    }

    #[test]
    fn a_cycle_in_a_damaged_manifest_ends() {
        let ring = graph(&["a > r", "r > a"]);
        assert_eq!(earlier_runs(&ring, &set(&["a", "r"]), &set(&["r"])).len(), 2);
    }
}
