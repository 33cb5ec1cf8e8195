//! Reads from dbt's structured log what a run did, also if dbt was killed before it could write
//! `run_results.json`.
//!
//! dbt 1.8 to 1.13 write such a log with `--log-format-file json`: one event as a JSON object per
//! line. At level `info`, `LogStartLine` says that a node has started and `Log…Result` that it has
//! ended; level `debug` adds `NodeStart` and `NodeFinished`. The events have the same statuses as
//! `run_results.json`. What the warehouse said of a node that failed is at level `debug` in
//! `…ExceptionOnRun` and `NodeFinished`; at level `info` it comes only when all nodes are done, in
//! `RunResultError`.
//!
//! If the `meta` of a node contains a value that protobuf cannot represent, such as a date, dbt
//! writes a `Note` in place of the event. The note quotes the event as a Python dictionary:
//! `[NodeStart]: Unable to parse … Dictionary: {'node_info': {…}}`. These notes are parsed too, so
//! that no node is missed.
//!
//! dbt 2 writes spans instead; see [`super::spans`].

use super::fate;
use super::spans::{News, Span};
use super::took;
use crate::count::counted;
use crate::dbt::manifest::Text;
use crate::dbt::results::{Failures, Fate, Outcome};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the log of one dbt command says about its nodes. Tests are included; hooks and ephemeral
/// models are not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunLog {
    /// The `unique_id` of every node that dbt started.
    pub started: BTreeSet<String>,
    /// When it started them, in seconds since the epoch (UTC), as far as the log says so.
    pub started_at: BTreeMap<String, f64>,
    /// The nodes that it is done with and did not build: what they read failed, mostly.
    pub passed_over: BTreeSet<String>,
    /// How the nodes ended that dbt finished. The state of the other started nodes is unknown.
    pub outcome: Outcome,
    /// What dbt says of those that failed.
    pub failures: Failures,
    /// The id of the last command in the log. Events of earlier commands are dropped.
    pub invocation_id: Option<String>,
    /// Whether the log says that dbt came to its end, as that of dbt 2 alone does: then nothing
    /// happened to a node that is not in it.
    pub ended: bool,
}

/// What a line of the log tells of a node for the first time.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeNews {
    /// dbt began to build or to test it.
    Started(String),
    /// dbt is done with it.
    Ended(String, Fate),
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow)]
    info: LogEventInfo<'a>,
    #[serde(borrow, default)]
    data: LogEventData<'a>,
}

#[derive(Deserialize)]
struct LogEventInfo<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    invocation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    msg: Text<'a>,
    #[serde(borrow, default)]
    ts: Text<'a>,
}

#[derive(Default, Deserialize)]
struct LogEventData<'a> {
    #[serde(borrow, default)]
    node_info: NodeInfo<'a>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(default)]
    execution_time: Option<f64>,
    #[serde(borrow, default)]
    run_result: Option<RunResult<'a>>,
    /// What was raised.
    #[serde(borrow, default)]
    exc: Text<'a>,
    #[serde(borrow, default)]
    msg: Text<'a>,
    /// How many rows a test has found.
    #[serde(default)]
    num_failures: Option<f64>,
}

#[derive(Default, Deserialize)]
struct NodeInfo<'a> {
    #[serde(borrow, default)]
    unique_id: Text<'a>,
    #[serde(borrow, default)]
    materialized: Text<'a>,
    #[serde(borrow, default)]
    node_status: Text<'a>,
}

#[derive(Deserialize)]
struct RunResult<'a> {
    #[serde(default)]
    execution_time: Option<f64>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
}

/// What one line of the log says about a node.
struct NodeEvent<'a> {
    /// The name of the event, such as `LogStartLine`.
    name: &'a str,
    id: &'a str,
    materialized: &'a str,
    status: &'a str,
    seconds: Option<f64>,
    message: Option<&'a str>,
    /// What was raised, or a line of the summary at the end.
    said: &'a str,
    /// How many rows a test has found.
    found: Option<f64>,
    /// In seconds since the epoch (UTC).
    at: Option<f64>,
}

impl<'a> NodeEvent<'a> {
    fn from_event(event: &'a LogEvent<'_>) -> Option<Self> {
        let LogEvent { info, data } = event;
        if &*info.name == "Note" {
            return Self::from_note(&info.msg, took::seconds(&info.ts));
        }
        let result = data.run_result.as_ref();
        let seconds = data.execution_time.or_else(|| result?.execution_time);
        let message = result.and_then(|result| result.message.as_deref());
        // The result of a unit test has its status outside the node.
        let status = match (&*info.name, &*data.node_info.node_status) {
            ("LogTestResult", "None") => data.status.as_deref().unwrap_or_default(),
            (_, status) => status,
        };
        let NodeInfo { unique_id: id, materialized, .. } = &data.node_info;
        let said = if data.exc.is_empty() { &*data.msg } else { &*data.exc };
        let (name, found, at) = (&*info.name, data.num_failures, took::seconds(&info.ts));
        Some(Self { name, id, materialized, status, seconds, message, said, found, at })
    }

    /// Whether the event is about a node that can be built or tested: neither a hook nor an
    /// ephemeral model, which dbt only compiles and never reports as a result.
    fn is_about_a_node(&self) -> bool {
        !self.id.is_empty()
            && !self.id.starts_with("operation.")
            && self.materialized != "ephemeral"
    }

    /// Parse the message of a `Note`. The fields of the node come before its `meta`, so the first
    /// match of a key is the right one.
    fn from_note(message: &'a str, at: Option<f64>) -> Option<Self> {
        let (name, rest) = message.strip_prefix('[')?.split_once("]: Unable to parse")?;
        let (_, node) = rest.split_once("'node_info': {")?;
        let quoted = |key: &str| node.split_once(key)?.1.split_once('\'').map(|(word, _)| word);
        let seconds = rest.split_once("'execution_time': ").map_or("", |(_, rest)| rest);
        Some(Self {
            name,
            id: quoted("'unique_id': '")?,
            materialized: quoted("'materialized': '").unwrap_or_default(),
            status: quoted("'node_status': '")?,
            seconds: seconds.split([',', '}']).next().and_then(|seconds| seconds.parse().ok()),
            message: None,
            said: "",
            found: None,
            at,
        })
    }
}

impl RunLog {
    /// Read the lines of a log. Truncated lines and lines that are not events of dbt are ignored.
    pub fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut run_log = Self::default();
        lines.for_each(|line| drop(run_log.add_line(line)));
        run_log
    }

    /// Read one more line. What it tells of a node that was not known before is returned.
    pub fn add_line(&mut self, line: &str) -> Option<NodeNews> {
        if let Ok(event) = serde_json::from_str::<LogEvent<'_>>(line) {
            return self.add(&event);
        }
        serde_json::from_str::<Span<'_>>(line).ok().and_then(|span| self.add_span(&span))
    }

    /// The `unique_id` of every node that dbt started and did not finish.
    pub fn in_flight(&self) -> impl Iterator<Item = &str> {
        self.started.iter().filter(|id| !self.outcome.contains_key(*id)).map(String::as_str)
    }

    /// Forget what an earlier command wrote.
    fn begin(&mut self, invocation: Option<&str>) {
        if invocation.is_some() && invocation != self.invocation_id.as_deref() {
            *self = Self { invocation_id: invocation.map(str::to_owned), ..Self::default() };
        }
    }

    fn add_span(&mut self, span: &Span<'_>) -> Option<NodeNews> {
        self.begin(span.invocation_id().as_deref());
        match span.news() {
            News::Start(id) => self.start(id, span.seconds()),
            News::End(id, status, seconds) => {
                if let Some(rows) = span.failing_rows().filter(|_| status == "fail") {
                    self.failures.say(id, &got(rows));
                }
                self.failures.end(id, status, span.ended());
                self.end(id, fate(status, None, seconds))
            }
            News::Said(id, message) => {
                self.failures.say(id, message);
                None
            }
            News::Ended => {
                self.ended = true;
                None
            }
            News::GivenUp | News::Nothing => None,
        }
    }

    fn add(&mut self, event: &LogEvent<'_>) -> Option<NodeNews> {
        self.begin(event.info.invocation_id.as_deref());
        let event = NodeEvent::from_event(event).filter(NodeEvent::is_about_a_node)?;
        match event.name {
            "NodeStart" | "LogStartLine" => self.start(event.id, event.at),
            "NodeFinished" | "SkippingDetails" | "LogModelResult" | "LogSeedResult"
            | "LogSnapshotResult" | "LogTestResult" | "LogFunctionResult" => self.add_end(&event),
            "CatchableExceptionOnRun"
            | "GenericExceptionOnRun"
            | "InternalErrorOnRun"
            | "RunResultError" => {
                self.failures.say(event.id, event.said);
                None
            }
            _ => None,
        }
    }

    fn add_end(&mut self, event: &NodeEvent<'_>) -> Option<NodeNews> {
        if !is_final(event.status) {
            return None;
        }
        let fate = fate(event.status, event.message, event.seconds.unwrap_or_default());
        if let Some(Fate::Touched(_)) = fate {
            match (event.message, event.found) {
                (Some(message), _) => self.failures.say(event.id, message),
                (None, Some(rows)) if rows > 0.0 => self.failures.say(event.id, &got(rows)),
                _ => {}
            }
            self.failures.end(event.id, event.status, event.at);
        }
        self.end(event.id, fate)
    }

    fn start(&mut self, id: &str, at: Option<f64>) -> Option<NodeNews> {
        if !self.started.insert(id.to_owned()) {
            return None;
        }
        self.started_at.extend(at.map(|at| (id.to_owned(), at)));
        Some(NodeNews::Started(id.to_owned()))
    }

    fn end(&mut self, id: &str, fate: Option<Fate>) -> Option<NodeNews> {
        let Some(fate) = fate else {
            // dbt says that a node begins also if it then skips it.
            self.started.remove(id);
            self.passed_over.insert(id.to_owned());
            return None;
        };
        self.passed_over.remove(id);
        let known = self.outcome.insert(id.to_owned(), fate.clone());
        known.is_none().then(|| NodeNews::Ended(id.to_owned(), fate))
    }
}

/// As dbt v1 says of a test.
fn got(rows: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let rows = rows as usize;
    format!("Got {}", counted(rows, "results"))
}

/// Whether a node with this status has ended.
fn is_final(status: &str) -> bool {
    !matches!(status, "" | "None" | "started" | "compiling" | "executing")
}

#[cfg(test)]
mod tests;
