//! How long the builds of a plan will take by the wall clock, if each step takes as long as its last
//! build.
//!
//! A step begins once a thread is free and everything that it reads is built; of those that could
//! begin, the one with the longest work behind it is the first. A step that was never built counts as
//! nothing, and so do tests, hooks, and the start of dbt.

use crate::decide::earlier_runs::EarlierRun;
use crate::graph::Graph;
use crate::trees::IntoTree;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How long the builds of a plan will take.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// From the begin of the first build to the end of the last one, in seconds. Runs of dbt that
    /// follow each other are added up.
    pub wall_seconds: f64,
    /// How many nodes are built at a time; `None` if nothing limits them, or nothing is built.
    pub threads: Option<usize>,
    /// The sum of the build times of all steps, in seconds.
    pub work_seconds: f64,
    /// What takes longest, however many threads there are.
    pub chain: Chain,
}

/// Steps that are built one after the other, because each reads the one before.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Chain {
    /// How long they take together.
    pub seconds: f64,
    /// Their `unique_id`s, parents first. Empty if no build time is known.
    pub nodes: Vec<String>,
}

/// The seconds of each step; 0 if they are not known.
pub(in crate::decide) type Times<'a> = BTreeMap<&'a str, f64>;

impl Estimate {
    /// The estimate for these steps, some of which are built by runs of dbt before the last one.
    pub(super) fn of<'a>(
        graph: &'a Graph,
        times: &Times<'a>,
        earlier: &[EarlierRun],
        threads: Option<usize>,
    ) -> Self {
        if times.is_empty() {
            return Self::default();
        }
        let mut left = times.clone();
        let mut wall_seconds = 0.0;
        for run in earlier {
            let (now, later): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|(id, _)| run.nodes.contains(*id));
            wall_seconds += Work::of(graph, now.into_iter().into_tree()).seconds(threads);
            left = later.into_iter().into_tree();
        }
        Self {
            wall_seconds: wall_seconds + Work::of(graph, left).seconds(threads),
            threads,
            work_seconds: times.values().fold(0.0, |sum, one| sum + one),
            chain: Work::of(graph, times.clone()).longest_chain(),
        }
    }
}

/// How long these steps take together by the wall clock, in seconds, in one run of dbt.
pub(in crate::decide) fn wall_seconds<'a>(
    graph: &'a Graph,
    times: Times<'a>,
    threads: Option<usize>,
) -> f64 {
    Work::of(graph, times).seconds(threads)
}

impl Estimate {
    /// ` with 4 threads`; nothing if no number of threads limits the builds.
    #[must_use]
    pub fn with_threads(&self) -> String {
        match self.threads {
            None => String::new(),
            Some(1) => " with 1 thread".to_owned(),
            Some(threads) => format!(" with {threads} threads"),
        }
    }
}

/// The steps of a run of dbt, and the nodes between them, which are not built and so take no time.
struct Work<'a> {
    times: Times<'a>,
    /// Steps and others, parents first.
    order: Vec<&'a str>,
    children: BTreeMap<&'a str, Vec<&'a str>>,
    /// For each node: how long the longest chain takes that begins with it, and its next node.
    behind: BTreeMap<&'a str, (f64, Option<&'a str>)>,
}

impl<'a> Work<'a> {
    fn of(graph: &'a Graph, times: Times<'a>) -> Self {
        let order = graph.in_order(&graph.with_ancestors(&times.keys().copied().into_tree()));
        let (children, behind) = (BTreeMap::new(), BTreeMap::new());
        let mut work = Self { times, order, children, behind };
        for id in &work.order {
            for parent in graph.parents(id) {
                work.children.entry(parent).or_default().push(id);
            }
        }
        for at in (0..work.order.len()).rev() {
            work.rank(at);
        }
        work
    }

    /// Note what is behind a node, once that is noted for all nodes that come after it.
    fn rank(&mut self, at: usize) {
        let Some(id) = self.order.get(at).copied() else { return };
        let mut longest = (0.0, None);
        for child in self.children_of(id) {
            // In a cycle, which only a damaged manifest has, a child can come before its parent.
            let Some((seconds, _)) = self.behind.get(child) else { continue };
            if longest.1.is_none() || *seconds > longest.0 {
                longest = (*seconds, Some(*child));
            }
        }
        let own = self.times.get(id).copied().unwrap_or_default();
        self.behind.insert(id, (own + longest.0, longest.1));
    }

    fn children_of(&self, id: &str) -> &[&'a str] {
        self.children.get(id).map_or(&[], Vec::as_slice)
    }

    fn seconds_behind(&self, id: &str) -> f64 {
        self.behind.get(id).map_or(0.0, |(seconds, _)| *seconds)
    }

    fn longest_chain(&self) -> Chain {
        let mut chain = Chain::default();
        let mut next = None;
        for id in &self.order {
            if self.seconds_behind(id) > chain.seconds {
                (chain.seconds, next) = (self.seconds_behind(id), Some(*id));
            }
        }
        while let Some(id) = next {
            chain.nodes.extend(self.times.contains_key(id).then(|| id.to_owned()));
            next = self.behind.get(id).and_then(|(_, next)| *next);
        }
        chain
    }

    /// From the begin of the first to the end of the last.
    fn seconds(&self, threads: Option<usize>) -> f64 {
        let mut queue = Queue::of(self);
        let mut at_work: BTreeSet<(u64, &str)> = BTreeSet::new();
        let mut now = 0.0;
        loop {
            while threads.is_none_or(|threads| at_work.len() < threads.max(1))
                && let Some((_, id)) = queue.ready.pop_last()
            {
                let own = self.times.get(id).copied().unwrap_or_default();
                at_work.insert(((now + own).to_bits(), id));
            }
            let Some((end, _)) = at_work.first().copied() else { return now };
            now = f64::from_bits(end);
            while let Some((_, id)) = at_work.first().copied().filter(|(at, _)| *at == end) {
                at_work.pop_first();
                queue.done(id);
            }
        }
    }
}

/// What waits for its parents, and what waits for a thread.
struct Queue<'w, 'a> {
    work: &'w Work<'a>,
    /// How many parents of a node are not done.
    waits_for: BTreeMap<&'a str, usize>,
    /// The steps that can begin, by the seconds behind them. The bits of numbers that are not
    /// negative have the order of these numbers.
    ready: BTreeSet<(u64, &'a str)>,
}

impl<'w, 'a> Queue<'w, 'a> {
    fn of(work: &'w Work<'a>) -> Self {
        let mut waits_for: BTreeMap<&str, usize> = BTreeMap::new();
        for child in work.children.values().flatten() {
            *waits_for.entry(child).or_default() += 1;
        }
        let first = work.order.iter().filter(|id| !waits_for.contains_key(*id));
        let first: Vec<&str> = first.copied().collect();
        let mut queue = Self { work, waits_for, ready: BTreeSet::new() };
        queue.begin(first);
        queue
    }

    /// These wait for nothing any more. What is not built is done at once.
    fn begin(&mut self, mut free: Vec<&'a str>) {
        while let Some(id) = free.pop() {
            if self.work.times.contains_key(id) {
                self.ready.insert((self.work.seconds_behind(id).to_bits(), id));
            } else {
                free.extend(self.freed_by(id));
            }
        }
    }

    fn done(&mut self, id: &str) {
        let free = self.freed_by(id);
        self.begin(free);
    }

    /// The children of a node that is done that wait for nothing else.
    fn freed_by(&mut self, id: &str) -> Vec<&'a str> {
        let work = self.work;
        let mut free = Vec::new();
        for child in work.children_of(id) {
            let left = self.waits_for.entry(child).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                free.push(*child);
            }
        }
        free
    }
}

#[cfg(test)]
mod tests;
