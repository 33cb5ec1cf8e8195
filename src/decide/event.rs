//! What happens in a run, as values for `--events`: one for each line of the stream. Their shape is
//! described in `docs/schemas/event.json`.

use crate::dbt::results::{FAILED, Failures, Fate, NodeNews, Outcome, RunLog};
use crate::decide::plan::Plan;
use crate::decide::summary::Summary;
use crate::graph::Graph;
use crate::trees::IntoTree;
use serde::Serialize;
use std::collections::BTreeMap;

/// One event. Nodes are given by their `unique_id`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent<'a> {
    /// The program has begun, and nothing is decided yet.
    RunStarted {
        /// dbt's subcommand.
        command: &'a str,
        /// The version of dbt-entrypoint.
        tool: &'a str,
    },
    /// It is decided what will be built. There is no plan where dbt builds what its command line says,
    /// as in a first population.
    Planned {
        /// What `--approve` takes.
        hash: &'a str,
        /// The nodes that will be built, parents first.
        nodes: Vec<&'a str>,
        /// How many tests will run.
        tests: usize,
    },
    /// dbt began to build or to test a node.
    NodeStarted {
        /// Which.
        node: &'a str,
    },
    /// A node was built, or a test passed or warned.
    NodeSucceeded {
        /// Which.
        node: &'a str,
        /// How long it took, in wall-clock seconds.
        seconds: f64,
    },
    /// A node was not built as a whole, or a test failed.
    NodeFailed {
        /// Which.
        node: &'a str,
        /// What dbt says of it, or why it counts as failed.
        why: &'a str,
    },
    /// What dbt built is recorded on the volume.
    Committed {
        /// How many nodes it built.
        built: usize,
        /// How many nodes still have to be built, without those downstream of them.
        pending: usize,
    },
    /// Nothing is built, because an operator has to decide or to mend something.
    Refused {
        /// The exit code.
        exit: u8,
        /// The message.
        why: &'a str,
    },
    /// The run is over. This is always the last event.
    RunEnded {
        /// As [`Summary::verdict`] says.
        verdict: &'a str,
        /// All of it.
        summary: &'a Summary,
    },
}

/// Why a node failed of which dbt has said no more yet.
const BY_DBT: &str = "dbt reports that it failed";

/// Why a node that dbt did not finish counts as failed.
const CUT_SHORT: &str = "dbt ended while it was built";

/// Why a node was not built as a whole, while the run is still the present one.
fn in_words(why: &'static str) -> &'static str {
    if why == FAILED { BY_DBT } else { why }
}

/// What failed by a log, with what dbt says of it.
#[must_use]
pub fn failures(log: &RunLog) -> BTreeMap<String, String> {
    let why = |(id, fate): (&String, &Fate)| {
        let Fate::Touched(why) = fate else { return None };
        let message = log.failures.messages.get(id).map_or_else(|| in_words(why), String::as_str);
        Some((id.clone(), message.to_owned()))
    };
    log.outcome.iter().filter_map(why).into_tree()
}

impl<'a> RunEvent<'a> {
    /// A plan that is about to be carried out.
    #[must_use]
    pub fn of_plan(plan: &'a Plan) -> Self {
        let nodes = plan.steps.iter().map(|step| step.id.as_str()).collect();
        Self::Planned { hash: &plan.hash, nodes, tests: plan.tests }
    }

    /// What dbt's log tells of a node, and so far of those that failed.
    #[must_use]
    pub fn of_node(news: &'a NodeNews, failures: &'a Failures) -> Self {
        match news {
            NodeNews::Started(node) => Self::NodeStarted { node },
            NodeNews::Ended(node, fate) => {
                Self::of_fate(node, fate, failures.messages.get(node).map(String::as_str))
            }
        }
    }

    /// How a node ended. `message` is what dbt says of it.
    #[must_use]
    pub fn of_fate(node: &'a str, fate: &Fate, message: Option<&'a str>) -> Self {
        match fate {
            Fate::Built(seconds) => Self::NodeSucceeded { node, seconds: *seconds },
            Fate::Touched(why) => {
                Self::NodeFailed { node, why: message.unwrap_or_else(|| in_words(why)) }
            }
            Fate::CutShort => Self::NodeFailed { node, why: message.unwrap_or(CUT_SHORT) },
        }
    }

    /// A commit of what a run did. `absent` are the nodes that still have to be built.
    #[must_use]
    pub fn of_commit<'n>(
        graph: &Graph,
        outcome: &Outcome,
        absent: impl Iterator<Item = &'n String>,
    ) -> Self {
        let is_built =
            |(id, fate): &(&String, &Fate)| matches!(fate, Fate::Built(_)) && !graph.is_test(id);
        Self::Committed {
            built: outcome.iter().filter(is_built).count(),
            pending: absent.filter(|id| !graph.is_test(id)).count(),
        }
    }

    /// The end of a run, in one or two events.
    #[must_use]
    pub fn of_end(summary: &'a Summary) -> Vec<Self> {
        let (verdict, why) = (summary.verdict(), summary.why.as_deref().unwrap_or_default());
        let refused = Self::Refused { exit: summary.exit, why };
        let ended = Self::RunEnded { verdict, summary };
        if verdict == "refused" { vec![refused, ended] } else { vec![ended] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_news_of_a_log_are_events_of_a_node() {
        let node = "model.shop.a";
        for (news, event) in [
            (NodeNews::Started(node.into()), RunEvent::NodeStarted { node }),
            (
                NodeNews::Ended(node.into(), Fate::Built(1.5)),
                RunEvent::NodeSucceeded { node, seconds: 1.5 },
            ),
            (
                NodeNews::Ended(node.into(), Fate::Touched("failed in the last run")),
                RunEvent::NodeFailed { node, why: BY_DBT },
            ),
            (
                NodeNews::Ended(node.into(), Fate::CutShort),
                RunEvent::NodeFailed { node, why: CUT_SHORT },
            ),
        ] {
            assert_eq!(RunEvent::of_node(&news, &Failures::default()), event);
        }
        let failed = RunEvent::of_fate(node, &Fate::Touched("failed"), Some("no such table"));
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"event":"node_failed","node":"model.shop.a","why":"no such table"}"#
        );
    }

    #[test]
    fn a_refusal_is_told_before_the_end() {
        let summary = Summary { exit: 78, why: Some("no".into()), ..Summary::begin("run", 5) };
        let refused = RunEvent::Refused { exit: 78, why: "no" };
        let ended = RunEvent::RunEnded { verdict: "refused", summary: &summary };
        assert_eq!(RunEvent::of_end(&summary), [refused, ended]);
        let built = Summary { exit: 0, ..Summary::begin("run", 5) };
        let ended = RunEvent::RunEnded { verdict: built.verdict(), summary: &built };
        assert_eq!(RunEvent::of_end(&built), [ended]);
    }
}
