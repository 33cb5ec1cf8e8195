//! How far a run of dbt has come, by its log, and how long it will still take.

use crate::dbt::results::{Fate, RunLog};
use crate::decide::intent::Todo;
use crate::decide::plan::{Times, wall_seconds};
use crate::graph::{Graph, is_test_id};
use crate::trees::IntoTree;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressForm {
    /// On a terminal more often than in a log.
    Auto,
    /// A line of the log each minute.
    Plain,
    /// Nothing.
    Off,
}

/// What a run of dbt is expected to build, and how long each node takes.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    graph: Graph,
    /// `None` if that is not known.
    nodes: Option<BTreeSet<String>>,
    /// How long the last build of each node took.
    seconds: BTreeMap<String, f64>,
    threads: Option<usize>,
}

impl Outlook {
    /// What is to be done in a project, whose graph may still be unknown.
    pub(crate) fn of(graph: Option<Graph>, todo: &Todo, seconds: BTreeMap<String, f64>) -> Self {
        let nodes = |graph: &Graph| -> Option<BTreeSet<String>> {
            let reach = todo.nodes.as_ref()?;
            let ids = graph.keys().filter(|id| graph.is_built(id) && reach.has(id));
            Some(ids.cloned().into_tree())
        };
        let nodes = graph.as_ref().and_then(nodes);
        Self { graph: graph.unwrap_or_default(), nodes, seconds, threads: todo.threads }
    }
}

/// How far a run has come. Tests are not counted as nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Progress {
    /// How many nodes dbt is done with: built, failed, or passed over because of a failure.
    pub(crate) done: usize,
    /// How many nodes it is to be done with; `None` if that is not known.
    pub(crate) total: Option<usize>,
    /// How many nodes it is at work on.
    pub(crate) running: usize,
    /// How many nodes failed.
    pub(crate) failed: usize,
    /// How many tests it is at work on.
    pub(crate) tests_running: usize,
    /// How long the builds will still take, in seconds by the wall clock; `None` if that is not
    /// known, because a node that is left was never built. A node that takes longer than its last
    /// time counts as about to end.
    pub(crate) seconds_left: Option<f64>,
    /// What it is at work on, tests included, what began first ahead.
    pub(crate) now: Vec<NodeAtWork>,
}

/// What dbt is at work on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NodeAtWork {
    /// Its `unique_id`.
    pub(crate) node: String,
    /// For how many seconds, if dbt's log says so.
    pub(crate) seconds: Option<f64>,
}

impl Progress {
    /// How far a log has come at some time, in seconds since the epoch (UTC).
    pub(crate) fn of(expected: &Outlook, log: &RunLog, now: f64) -> Self {
        let is_done = |id: &&String| is_done(log, id);
        let ended = log.outcome.keys().chain(&log.passed_over);
        let tests_running = log.in_flight().filter(|id| is_test_id(id)).count();
        let failed =
            |(id, fate): &(&String, &Fate)| !matches!(fate, Fate::Built(_)) && !is_test_id(id);
        Self {
            done: match &expected.nodes {
                Some(nodes) => nodes.iter().filter(is_done).count(),
                None => ended.filter(|id| !is_test_id(id)).count(),
            },
            total: expected.nodes.as_ref().map(BTreeSet::len),
            running: log.in_flight().count() - tests_running,
            failed: log.outcome.iter().filter(failed).count(),
            tests_running,
            seconds_left: expected.seconds_left(log, now),
            now: at_work(log, now),
        }
    }

    /// The same without the time that is left: what changes only if something happens.
    fn counts(&self) -> [usize; 4] {
        [self.done, self.running, self.failed, self.tests_running]
    }
}

/// For how many seconds dbt has been at work on a node. Its clock may be ahead of ours.
fn spent(log: &RunLog, id: &str, now: f64) -> Option<f64> {
    log.started_at.get(id).map(|began| (now - began).max(0.0))
}

fn at_work(log: &RunLog, now: f64) -> Vec<NodeAtWork> {
    let mut all: Vec<NodeAtWork> = Vec::new();
    for id in log.in_flight() {
        let one = NodeAtWork { node: id.to_owned(), seconds: spent(log, id, now) };
        // They are few, and a sort of their own would be large.
        let behind = all.partition_point(|other| other.seconds >= one.seconds);
        all.insert(behind, one);
    }
    all
}

fn is_done(log: &RunLog, id: &str) -> bool {
    log.outcome.contains_key(id) || log.passed_over.contains(id)
}

impl Outlook {
    fn seconds_left(&self, log: &RunLog, now: f64) -> Option<f64> {
        let mut times = Times::new();
        for id in self.nodes.as_ref()?.iter().filter(|id| !is_done(log, id)) {
            let left = self.seconds.get(id)? - spent(log, id, now).unwrap_or_default();
            times.insert(id, left.max(0.0));
        }
        Some(wall_seconds(&self.graph, times, self.threads))
    }
}

/// When progress is said, in seconds since dbt began to build.
#[derive(Debug)]
pub(crate) struct Pace {
    /// After this time if something happened since the last line…
    after_news: u64,
    /// …and otherwise after this.
    at_least_every: u64,
    said_at: u64,
    said: Option<[usize; 4]>,
}

impl Pace {
    /// For a log: nothing in the first minute, then a line each minute.
    pub(crate) const LOG: Self = Self::of(60, 60);
    /// For a terminal on which each line stays above the next.
    pub(crate) const TERMINAL: Self = Self::of(10, 60);
    /// For a line that the next one replaces.
    pub(crate) const STAYING: Self = Self::of(1, 10);

    const fn of(after_news: u64, at_least_every: u64) -> Self {
        Self { after_news, at_least_every, said_at: 0, said: None }
    }

    /// Whether there may be something to say at this time.
    pub(crate) fn may_say(&self, now: u64) -> bool {
        now >= self.said_at + self.after_news
    }

    /// Whether this is to be said now; it then counts as said.
    pub(crate) fn says(&mut self, now: u64, progress: &Progress) -> bool {
        let is_new = self.said.is_none_or(|said| said != progress.counts());
        let is_due = self.may_say(now) && (is_new || now >= self.said_at + self.at_least_every);
        if is_due {
            (self.said_at, self.said) = (now, Some(progress.counts()));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::intent::RunReach;
    use crate::graph::graph_of;

    /// What a log says: words `a+100` for begun at that second, `a=4` for built in 4 seconds, `a!`
    /// for failed, `a-` for passed over.
    fn log(words: &str) -> RunLog {
        let mut log = RunLog::default();
        for word in words.split_whitespace() {
            let at = word.find(['+', '=', '!', '-']).unwrap();
            let (id, rest) = (word[..at].to_owned(), &word[at + 1..]);
            match &word[at..=at] {
                "+" => drop(log.started_at.insert(id.clone(), rest.parse().unwrap())),
                "=" => drop(log.outcome.insert(id.clone(), Fate::Built(rest.parse().unwrap()))),
                "!" => drop(log.outcome.insert(id.clone(), Fate::Touched("failed"))),
                _ => drop(log.passed_over.insert(id.clone())),
            }
            if &word[at..=at] != "-" {
                log.started.insert(id);
            }
        }
        log
    }

    /// Four models and a test; `b` and `c` read `a`, `d` reads both. Each takes as long as here.
    fn expected(seconds: &str, threads: usize) -> Outlook {
        let graph = graph_of(&["a > b", "a > c", "b > d", "c > d", "d > test.t", "e > d"]);
        let all = graph.keys().cloned().into_tree();
        let todo = Todo { nodes: Some(RunReach::Nodes(all)), threads: Some(threads) };
        let words: Vec<&str> = seconds.split_whitespace().collect();
        let seconds = words.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap()));
        Outlook::of(Some(graph), &todo, seconds.into_tree())
    }

    fn is(counts: [usize; 4], total: Option<usize>, seconds_left: Option<f64>) -> Progress {
        let [done, running, failed, tests_running] = counts;
        let now = Vec::new();
        Progress { done, total, running, failed, tests_running, seconds_left, now }
    }

    /// At the second 100, without what dbt is at work on.
    fn progress(expected: &Outlook, words: &str) -> Progress {
        Progress { now: Vec::new(), ..Progress::of(expected, &log(words), 100.0) }
    }

    const TIMES: &str = "a 10 b 20 c 50 d 5";

    #[test]
    fn what_is_done_is_counted_and_what_is_left_is_estimated() {
        for (words, counts, left) in [
            ("", [0, 0, 0, 0], 65.0),
            ("a+96", [0, 1, 0, 0], 61.0),
            ("a=9 b+90 c+80", [1, 2, 0, 0], 35.0),
            ("a=9 b=9 c+80", [2, 1, 0, 0], 35.0),
            ("a=9 b=9 c=9 d+99", [3, 1, 0, 0], 4.0),
            ("a=9 b=9 c=9 d=9 test.t+99", [4, 0, 0, 1], 0.0),
            ("a=9 b=9 c=9 d=9 test.t!", [4, 0, 0, 0], 0.0),
        ] {
            let found = progress(&expected(TIMES, 2), words);
            assert_eq!(found, is(counts, Some(4), Some(left)), "{words}");
        }
        let alone = progress(&expected(TIMES, 1), "a=9 b+90 c+80");
        assert_eq!(alone.seconds_left, Some(45.0));
    }

    #[test]
    fn what_a_failure_leaves_out_is_done_and_takes_no_time() {
        let found = progress(&expected(TIMES, 2), "a=9 b! d- c+90");
        assert_eq!(found, is([3, 1, 1, 0], Some(4), Some(40.0)));
    }

    #[test]
    fn a_node_that_takes_longer_than_last_time_never_makes_the_rest_negative() {
        let found = progress(&expected(TIMES, 2), "a+1");
        assert_eq!(found.seconds_left, Some(55.0));
        // The clock of the log may be ahead of ours.
        let found = progress(&expected(TIMES, 2), "a+900");
        assert_eq!(found.seconds_left, Some(65.0));
    }

    #[test]
    fn what_dbt_is_at_work_on_comes_with_its_time_and_the_longest_first() {
        let found = Progress::of(&expected(TIMES, 2), &log("a=9 b+98 c+90 test.t+95"), 100.0);
        let named = |(node, seconds): (&str, f64)| NodeAtWork {
            node: node.to_owned(),
            seconds: Some(seconds),
        };
        assert_eq!(found.now, [("c", 10.0), ("test.t", 5.0), ("b", 2.0)].map(named));
    }

    #[test]
    fn nothing_is_said_of_the_time_while_a_node_is_left_that_was_never_built() {
        let times = "a 10 b 20 d 5";
        let left = |words| progress(&expected(times, 2), words).seconds_left;
        assert_eq!(left("a=9 c+90"), None);
        assert_eq!(left("a=9 c=30"), Some(25.0));
    }

    #[test]
    fn without_a_project_or_its_selection_there_is_no_total() {
        let reach = Some(RunReach::of_types(|_| true));
        let unknown = |graph, nodes| {
            let expected = Outlook::of(graph, &Todo { nodes, threads: None }, BTreeMap::new());
            progress(&expected, "a=9 b! c- test.t=1 d+90")
        };
        let graph = || graph_of(&["model.a > model.b", "model.b > test.t"]);
        let counts = [3, 1, 1, 0];
        assert_eq!(unknown(None, reach.clone()), is(counts, None, None));
        assert_eq!(unknown(Some(graph()), None), is(counts, None, None));
        assert_eq!(unknown(Some(graph()), reach).total, Some(2));
    }

    #[test]
    fn a_line_is_said_after_some_time_and_sooner_if_something_happened() {
        let (one, two) = (is([1, 1, 0, 0], None, None), is([2, 1, 0, 0], None, None));
        let said = |mut pace: Pace, looks: &[(u64, &Progress)]| -> Vec<u64> {
            let due = looks.iter().filter(|(now, progress)| pace.says(*now, progress));
            due.map(|(now, _)| *now).collect()
        };
        let minutes = [(0, &one), (59, &two), (60, &one), (61, &two), (119, &two), (120, &two)];
        assert_eq!(said(Pace::LOG, &minutes), [60, 120]);
        let looks =
            [(9, &one), (10, &one), (20, &one), (69, &one), (70, &one), (79, &two), (80, &two)];
        assert_eq!(said(Pace::TERMINAL, &looks), [10, 70, 80]);
        assert_eq!(said(Pace::STAYING, &[(0, &one), (1, &one), (2, &two), (3, &two)]), [1, 2]);
    }
}
