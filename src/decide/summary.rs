//! What a run did, as one value: the summary, `last-run.json`, the verdict, the metrics.

use crate::dbt::results::{Fate, Outcome};
use crate::decide::next::Absence;
use crate::exit::{self, Failure};
use crate::graph::Graph;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run, from the first look at the volume to its end. Tests count where they failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Our own version.
    pub tool: String,
    /// dbt's subcommand: `build`. Not its options, which may hold secrets.
    pub command: String,
    /// `first population`, `changes`, `full`…; empty where the run did not come so far.
    pub mode: String,
    /// Seconds since the epoch, UTC.
    pub started_at: u64,
    /// Seconds since the epoch, UTC.
    pub ended_at: u64,
    /// The process's exit code.
    pub exit: u8,
    /// Why we ended without dbt's own exit code, in full.
    pub why: Option<String>,
    /// Wall seconds of each node that was built.
    pub built: BTreeMap<String, f64>,
    /// What was begun and not finished, failed tests included, and how that came.
    pub failed: BTreeMap<String, String>,
    /// What stays to be built, and why; whatever is downstream of it is not named.
    pub pending: BTreeMap<String, String>,
    /// Built, but only for new rows: their old rows are as their former code made them.
    pub altered: BTreeMap<String, String>,
}

impl Summary {
    /// Of a run that has just begun.
    #[must_use]
    pub fn begin(command: &str, now: u64) -> Self {
        Self {
            tool: env!("CARGO_PKG_VERSION").into(),
            command: command.into(),
            started_at: now,
            ..Self::default()
        }
    }

    /// Take in what a pass did, and what stays to be built after it.
    pub fn add(&mut self, graph: &Graph, outcome: &Outcome, absent: &BTreeMap<String, Absence>) {
        for (id, fate) in outcome {
            match fate {
                Fate::Built(seconds) => {
                    self.failed.remove(id);
                    if !graph.is_test(id) {
                        self.built.insert(id.clone(), *seconds);
                    }
                }
                Fate::Touched(why) => drop(self.failed.insert(id.clone(), (*why).to_owned())),
                Fate::CutShort => drop(self.failed.insert(id.clone(), "cut short".to_owned())),
            }
        }
        let waiting = absent.iter().filter(|(id, _)| !graph.is_test(id));
        self.pending = waiting.map(|(id, why)| (id.clone(), why.to_string())).into_tree();
    }

    /// The run has ended; `now` is in seconds since the epoch (UTC).
    pub fn end(&mut self, now: u64, ended: &Result<u8, Failure>) {
        self.ended_at = now;
        (self.exit, self.why) = exit::code_and_reason(ended);
    }

    /// Whether the run came as far as to know what it starts from.
    #[must_use]
    pub fn was_admitted(&self) -> bool {
        !self.mode.is_empty()
    }

    /// Wall seconds of the whole run.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.ended_at.saturating_sub(self.started_at)
    }

    /// In one word: how it ended.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        exit::verdict(self.exit, self.built.is_empty())
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mode = if self.mode.is_empty() { String::new() } else { format!(" ({})", self.mode) };
        format!(
            "{}{mode} {} with {} after {} s: {} built, {} failed, {} still to be built",
            self.command,
            self.verdict(),
            self.exit,
            self.seconds(),
            self.built.len(),
            self.failed.len(),
            self.pending.len(),
        )
    }

    /// One JSON object of at most `limit` bytes: names go first, then the end of the reason.
    #[must_use]
    pub fn short_json(&self, limit: usize) -> String {
        let mut named = 20;
        let mut why = self.why.as_deref().unwrap_or_default();
        loop {
            let text = self.brief(named, why);
            if text.len() <= limit {
                return text;
            }
            if named > 0 {
                named -= 1;
            } else if why.is_empty() {
                return format!("{{\"exit\":{}}}", self.exit);
            } else {
                let end =
                    (0..why.len().saturating_sub(64)).rev().find(|at| why.is_char_boundary(*at));
                why = why.get(..end.unwrap_or(0)).unwrap_or_default();
            }
        }
    }

    fn brief(&self, named: usize, why: &str) -> String {
        let names = |ids: &BTreeMap<String, String>| -> Vec<String> {
            ids.keys().take(named).cloned().collect()
        };
        serde_json::json!({
            "verdict": self.verdict(),
            "exit": self.exit,
            "command": self.command,
            "mode": self.mode,
            "seconds": self.seconds(),
            "built": self.built.len(),
            "failed": self.failed.len(),
            "pending": self.pending.len(),
            "failed_nodes": names(&self.failed),
            "pending_nodes": names(&self.pending),
            "why": why,
        })
        .to_string()
    }

    /// As Prometheus' text format has it, for the textfile collector or a push gateway.
    #[must_use]
    pub fn prometheus_text(&self) -> String {
        let count = |map: &BTreeMap<String, String>| map.len().to_string();
        let gauges = [
            ("last_run_timestamp_seconds", "When the last run ended.", self.ended_at.to_string()),
            ("last_run_duration_seconds", "How long it took.", self.seconds().to_string()),
            ("last_run_exit_code", "Its exit code.", self.exit.to_string()),
            ("last_run_nodes_built", "Nodes that it built.", self.built.len().to_string()),
            ("last_run_nodes_failed", "Nodes that it did not finish.", count(&self.failed)),
            ("nodes_pending", "Nodes that stay to be built.", count(&self.pending)),
            ("nodes_altered", "Nodes whose old rows are of former code.", count(&self.altered)),
        ];
        let gauge = |(name, help, value): &(&str, &str, String)| {
            let name = format!("dbt_entrypoint_{name}");
            format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
        };
        // A run that was refused before it looked knows nothing of what waits.
        let known = if self.mode.is_empty() { gauges.len() - 2 } else { gauges.len() };
        gauges.iter().take(known).map(gauge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Member, Role};

    #[test]
    fn a_verdict_fits_whatever_it_has_to_tell() {
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
    fn a_node_that_fails_and_is_then_built_counts_as_built_and_a_failed_test_as_failed() {
        let member = |role| Member { role, parents: vec![] };
        let graph = Graph::from_iter([
            ("model.a".into(), member(Role::Model)),
            ("test.t".into(), member(Role::Test)),
        ]);
        let mut summary = Summary::begin("build", 5);
        let failed = Fate::Touched("failed in the last run");
        let first = Outcome::from([("model.a".into(), failed.clone()), ("test.t".into(), failed)]);
        summary.add(&graph, &first, &BTreeMap::new());
        summary.add(
            &graph,
            &Outcome::from([("model.a".into(), Fate::Built(2.0))]),
            &BTreeMap::new(),
        );
        assert_eq!(summary.built, BTreeMap::from([("model.a".to_owned(), 2.0)]));
        assert_eq!(summary.failed.keys().collect::<Vec<_>>(), ["test.t"]);
    }
}
