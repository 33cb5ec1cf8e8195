//! What a run did, as one value: for the last log line, `last-run.json`, the termination message and
//! the metrics.

use crate::count::counted;
use crate::dbt::profile::Identity;
use crate::dbt::results::{FAILED, Failures, Fate, Outcome};
use crate::decide::next::Absence;
use crate::exit::{self, Failure};
use crate::graph::Graph;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run, from opening the volume to its end. Tests are only included if they failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The version of dbt-entrypoint.
    pub tool: String,
    /// dbt's subcommand, such as `build`. Its options are left out because they may hold secrets.
    pub command: String,
    /// The kind of run, such as `first population`, `changes` or `full`. Empty if the run ended
    /// before that was known.
    pub mode: String,
    /// The project, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The target of its profile, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The schema of the target, if it has one that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// When the run started, in seconds since the epoch (UTC).
    pub started_at: u64,
    /// When the run ended, in seconds since the epoch (UTC).
    pub ended_at: u64,
    /// How long it took by a clock that nobody sets. `None` from older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<u64>,
    /// The exit code of the process.
    pub exit: u8,
    /// When a run last succeeded, this one or an earlier one, in seconds since the epoch (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<u64>,
    /// Whether somebody told the run to stop.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Why the exit code is not that of dbt, as the complete message. `None` if it is dbt's.
    pub why: Option<String>,
    /// The nodes that were built, with their build time in wall-clock seconds.
    pub built: BTreeMap<String, f64>,
    /// How long the builds were expected to take by the wall clock, in seconds. `None` if nothing was
    /// to be built, if some of the nodes had never been built, or if dbt alone knew what to build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds_expected: Option<f64>,
    /// How long they took: in each run of dbt from the begin of the first build to the end of the last
    /// one. `None` if dbt did not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds_took: Option<f64>,
    /// The nodes and tests that were started and not completed, with the first lines of what dbt says
    /// of them, or with the reason.
    pub failed: BTreeMap<String, String>,
    /// When those of them ended that ended with an error, in seconds since the epoch (UTC).
    #[serde(skip)]
    pub errors_at: BTreeMap<String, f64>,
    /// The nodes that still have to be built, with the reason. Their descendants are not listed.
    pub pending: BTreeMap<String, String>,
    /// The nodes that keep rows of earlier code, with what changed.
    pub altered: BTreeMap<String, String>,
    /// How many relations that were built are not those of any node any more.
    #[serde(skip_serializing_if = "is_zero")]
    pub orphans: usize,
    /// Why dbt has to be started even if nothing has changed; `None` if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Why a node was not completed when the run was told to stop or was killed.
const INTERRUPTED: &str = "interrupted while it was built";

impl Summary {
    /// The summary of a run that has just started. `now` is in seconds since the epoch (UTC).
    #[must_use]
    pub fn begin(command: &str, now: u64) -> Self {
        Self {
            tool: env!("CARGO_PKG_VERSION").into(),
            command: command.into(),
            started_at: now,
            ..Self::default()
        }
    }

    /// Add what one run of dbt did. `failures` is what it said of nodes that failed; `absent` are the
    /// nodes that still have to be built after it.
    pub fn add(
        &mut self,
        graph: &Graph,
        outcome: &Outcome,
        failures: Failures,
        absent: &BTreeMap<String, Absence>,
    ) {
        for (id, fate) in outcome {
            match fate {
                Fate::Built(seconds) => {
                    self.failed.remove(id);
                    if !graph.is_test(id) {
                        self.built.insert(id.clone(), *seconds);
                    }
                }
                Fate::Touched(why) => {
                    let why = failures.messages.get(id).map_or(*why, String::as_str);
                    self.failed.insert(id.clone(), why.to_owned());
                }
                Fate::CutShort => drop(self.failed.insert(id.clone(), INTERRUPTED.to_owned())),
            }
        }
        for (id, at) in failures.errors_at {
            self.errors_at.insert(id, at);
        }
        let waiting = absent.iter().filter(|(id, _)| !graph.is_test(id));
        self.pending = waiting.map(|(id, why)| (id.clone(), why.to_string())).into_tree();
    }

    /// Add how long the builds of one run of dbt took, in seconds.
    pub fn builds_took(&mut self, seconds: Option<f64>) {
        if let Some(seconds) = seconds {
            self.builds_took = Some(self.builds_took.unwrap_or_default() + seconds);
        }
    }

    /// Note that somebody told the run to stop, at this time in seconds since the epoch (UTC). What
    /// ended with an error before that has failed; afterwards, it was interrupted. So was a node of which
    /// dbt says no more than that it failed, if it is not known when.
    pub fn stop(&mut self, at: f64) {
        self.stopped = true;
        let ended = &self.errors_at;
        let is_cut = |id: &String, why: &String| {
            ended.get(id).map_or_else(|| why == FAILED, |ended| *ended >= at)
        };
        for (_, why) in self.failed.iter_mut().filter(|(id, why)| is_cut(id, why)) {
            INTERRUPTED.clone_into(why);
        }
    }

    /// What failed, with what dbt says of it: models before tests.
    pub fn failed_by_itself(&self) -> impl Iterator<Item = (&String, &String)> {
        self.failed.iter().filter(|(_, why)| *why != INTERRUPTED)
    }

    /// What was interrupted while it was built.
    pub fn interrupted(&self) -> impl Iterator<Item = (&String, &String)> {
        self.failed.iter().filter(|(_, why)| *why == INTERRUPTED)
    }

    /// Add how the run ended. `now` is in seconds since the epoch (UTC), `took` in seconds.
    pub fn end(&mut self, now: u64, took: u64, ended: &Result<u8, Failure>) {
        (self.ended_at, self.took) = (now, Some(took));
        (self.exit, self.why) = exit::code_and_reason(ended);
        self.succeeded_at = (self.exit == 0).then_some(now);
    }

    /// Add what is built, and where.
    pub fn locate(&mut self, identity: &Identity) {
        self.project.clone_from(&identity.project);
        self.target.clone_from(&identity.target);
        self.schema = identity.location.get("schema").cloned();
    }

    /// Take over from the last run on the same volume when a run last succeeded, and the place, where
    /// this run did not get as far as knowing it. A volume of another place says nothing.
    pub fn remember(&mut self, last: &Self) {
        let of_last = last.place();
        let differs = |(own, other): (&Option<String>, Option<&str>)| {
            own.as_deref().zip(other).is_some_and(|(own, other)| own != other)
        };
        if [&self.project, &self.target, &self.schema].into_iter().zip(of_last).any(differs) {
            return;
        }
        for (own, other) in
            [&mut self.project, &mut self.target, &mut self.schema].into_iter().zip(of_last)
        {
            *own = own.take().or_else(|| other.map(str::to_owned));
        }
        // Earlier versions did not note it.
        let of_older = (last.exit == 0 && last.ended_at > 0).then_some(last.ended_at);
        self.succeeded_at = self.succeeded_at.or(last.succeeded_at).or(of_older);
    }

    /// The project, the target and the schema.
    fn place(&self) -> [Option<&str>; 3] {
        [&self.project, &self.target, &self.schema].map(Option::as_deref)
    }

    /// Whether the run got as far as deciding what it starts from.
    #[must_use]
    pub fn was_admitted(&self) -> bool {
        !self.mode.is_empty()
    }

    /// How long the whole run took, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.took.unwrap_or_else(|| self.ended_at.saturating_sub(self.started_at))
    }

    /// How the run ended, in one word.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.stopped && self.exit != 0 {
            true => "interrupted",
            false => exit::verdict(self.exit, self.built.is_empty()),
        }
    }

    /// The summary in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mode = if self.mode.is_empty() { String::new() } else { format!(" ({})", self.mode) };
        let more = |count: usize, what: &str| match count {
            0 => String::new(),
            count => format!(", {}", counted(count, what)),
        };
        let interrupted = self.interrupted().count();
        format!(
            "{}{mode} {} with {} after {} s: {} built, {} failed{}, {} still to be built{}{}",
            self.command,
            self.verdict(),
            self.exit,
            self.seconds(),
            self.built.len(),
            self.failed.len() - interrupted,
            more(interrupted, "interrupted"),
            self.pending.len(),
            more(self.orphans, "orphans"),
            self.builds(),
        )
    }

    /// How long the builds took and how long they were expected to take, if they all succeeded.
    fn builds(&self) -> String {
        let said = |seconds: f64| format!("{seconds:.*} s", usize::from(seconds < 10.0));
        match (self.builds_expected, self.builds_took) {
            (Some(expected), Some(took)) if self.exit == 0 => {
                format!("; the builds took {}, {} were expected", said(took), said(expected))
            }
            _ => String::new(),
        }
    }

    /// The summary as one JSON object of at most `limit` bytes. If it would be longer, names of
    /// nodes are left out first, and then the end of the reason.
    #[must_use]
    pub fn short_json(&self, limit: usize) -> String {
        let mut names = 20;
        let mut why = self.why.as_deref().unwrap_or_default();
        loop {
            let text = self.shortened(names, why);
            if text.len() <= limit {
                return text;
            }
            if names > 0 {
                names -= 1;
            } else if why.is_empty() {
                return format!("{{\"exit\":{}}}", self.exit);
            } else {
                let end =
                    (0..why.len().saturating_sub(64)).rev().find(|at| why.is_char_boundary(*at));
                why = why.get(..end.unwrap_or(0)).unwrap_or_default();
            }
        }
    }

    /// The summary as JSON with at most `names` nodes of each kind, and with this reason.
    fn shortened(&self, names: usize, why: &str) -> String {
        let first = |ids: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            ids.take(names).cloned().collect()
        };
        let failed = || self.failed_by_itself().chain(self.interrupted());
        let messages: BTreeMap<&String, &String> = failed().take(names.min(5)).into_tree();
        serde_json::json!({
            "verdict": self.verdict(),
            "exit": self.exit,
            "command": self.command,
            "mode": self.mode,
            "seconds": self.seconds(),
            "built": self.built.len(),
            "failed": self.failed.len(),
            "pending": self.pending.len(),
            "orphans": self.orphans,
            "failed_nodes": first(&mut failed().map(|(id, _)| id)),
            "messages": messages,
            "pending_nodes": first(&mut self.pending.keys()),
            "why": why,
        })
        .to_string()
    }
}

mod metrics;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Member, Role};

    #[test]
    fn a_short_summary_never_exceeds_its_limit() {
        let names = (0..5000).map(|n| (format!("model.shop.{n}"), "failed".to_owned())).collect();
        let why = Some("ä\"\n".repeat(4000));
        let summary = Summary { exit: 78, failed: names, why, ..Summary::begin("run", 5) };
        for limit in [4096, 600, 200, 20] {
            let text = summary.short_json(limit);
            assert!(text.len() <= limit, "{limit}: {}", text.len());
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_run_takes_as_long_as_it_takes_wherever_the_clock_is_set() {
        let mut summary = Summary::begin("run", 90_000);
        summary.end(100, 51, &Ok(0));
        assert_eq!(summary.seconds(), 51);
        let older: Summary = serde_json::from_str(r#"{"started_at": 5, "ended_at": 8}"#).unwrap();
        assert_eq!(older.seconds(), 3);
    }

    #[test]
    fn a_run_that_succeeded_says_how_far_the_estimate_was_off() {
        let mut summary = Summary { builds_expected: Some(25.2), ..Summary::begin("run", 5) };
        let said =
            |summary: &Summary| summary.line().split_once(';').map(|(_, said)| said.to_owned());
        assert_eq!(said(&summary), None);
        summary.builds_took(None);
        summary.builds_took(Some(1.25));
        assert_eq!(said(&summary).as_deref(), Some(" the builds took 1.2 s, 25 s were expected"));
        summary.builds_took(Some(30.0));
        assert_eq!(said(&summary).as_deref(), Some(" the builds took 31 s, 25 s were expected"));
        summary.exit = 1;
        assert_eq!(said(&summary), None);
    }

    #[test]
    fn a_node_that_is_built_after_a_failure_counts_as_built_and_a_failed_test_as_failed() {
        let member = |role| Member { role, parents: vec![] };
        let graph = Graph::from_iter([
            ("model.a".into(), member(Role::Model)),
            ("test.t".into(), member(Role::Test)),
        ]);
        let mut summary = Summary::begin("build", 5);
        let said = BTreeMap::from([("test.t".to_owned(), "Got 1 result".to_owned())]);
        let failures = Failures { messages: said.clone(), ..Failures::default() };
        let failed = Fate::Touched("failed in the last run");
        let first = Outcome::from([("model.a".into(), failed.clone()), ("test.t".into(), failed)]);
        summary.add(&graph, &first, failures, &BTreeMap::new());
        summary.add(
            &graph,
            &Outcome::from([("model.a".into(), Fate::Built(2.0))]),
            Failures::default(),
            &BTreeMap::new(),
        );
        assert_eq!(summary.built, BTreeMap::from([("model.a".to_owned(), 2.0)]));
        assert_eq!(summary.failed, said);
        summary.stop(9.0);
        summary.exit = 2;
        assert_eq!((&summary.failed, summary.verdict()), (&said, "interrupted"));
    }

    #[test]
    fn what_ended_with_an_error_before_the_stop_has_failed_and_the_rest_was_interrupted() {
        let failed = Fate::Touched(FAILED);
        let ids = ["a", "b", "c", "d"];
        let outcome = ids.map(|id| (id.to_owned(), failed.clone())).into_iter();
        let outcome = outcome.chain([("e".to_owned(), Fate::CutShort)]).collect();
        let said = |id: &str| (id.to_owned(), format!("says {id}"));
        let mut summary = Summary::begin("build", 5);
        let failures = Failures {
            messages: ["a", "b"].map(said).into(),
            errors_at: [("a", 6.0), ("b", 7.5), ("c", 6.0)].map(|(k, at)| (k.into(), at)).into(),
        };
        summary.add(&Graph::default(), &outcome, failures, &BTreeMap::new());
        summary.stop(7.0);
        let why = [("a", "says a"), ("c", FAILED)].map(|(id, why)| (id.into(), why.into()));
        let found: BTreeMap<String, String> =
            summary.failed_by_itself().map(|(id, why)| (id.clone(), why.clone())).into_tree();
        assert_eq!(found, why.into());
        assert!(summary.interrupted().map(|(id, _)| id).eq(["b", "d", "e"]));
        assert!(summary.line().contains("2 failed, 3 interrupted, 0 still"), "{}", summary.line());
        let short: serde_json::Value = serde_json::from_str(&summary.short_json(4096)).unwrap();
        assert_eq!(short["failed_nodes"], serde_json::json!(["a", "c", "b", "d", "e"]));
    }
}
