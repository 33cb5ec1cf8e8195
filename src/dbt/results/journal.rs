//! dbt's structured log as a journal of a run: it tells what a killed dbt had done.
//!
//! Written by `--log-format-file json`, one event a line, dbt 1.8 to 1.12. At `info` a node's
//! begin is `LogStartLine` and its end `Log…Result`; `debug` adds `NodeStart` and
//! `NodeFinished`. The events carry the node's status in the words of `run_results.json`.
//!
//! An event whose node has a `meta` that protobuf cannot hold, a date for example, becomes a
//! `Note` that quotes the event as Python prints it: `[NodeStart]: Unable to parse … Dictionary:
//! {'node_info': {…}}`. Such a node must not be overlooked, so these are read as well.

use super::fate;
use crate::dbt::manifest::Text;
use crate::dbt::results::Outcome;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What a log says of a run. It knows no graph: hooks have been left out, tests have not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journal {
    /// `unique_id`s that dbt began to work on.
    pub started: BTreeSet<String>,
    /// How those that it finished ended; of the others the warehouse may hold anything.
    pub outcome: Outcome,
    /// Of the last command that speaks; the log of an earlier one in the same file is dropped.
    pub invocation_id: Option<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    info: Info<'a>,
    #[serde(borrow, default)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    invocation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    msg: Text<'a>,
}

#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    node_info: NodeInfo<'a>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(default)]
    execution_time: Option<f64>,
    #[serde(borrow, default)]
    run_result: Option<RunResult<'a>>,
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

/// What a line says of one node.
struct News<'a> {
    event: &'a str,
    id: &'a str,
    materialized: &'a str,
    status: &'a str,
    seconds: Option<f64>,
    message: Option<&'a str>,
}

impl<'a> News<'a> {
    fn of(event: &'a Event<'_>) -> Option<Self> {
        let Event { info, data } = event;
        if &*info.name == "Note" {
            return Self::quoted(&info.msg);
        }
        let result = data.run_result.as_ref();
        let seconds = data.execution_time.or_else(|| result?.execution_time);
        let message = result.and_then(|result| result.message.as_deref());
        // A unit test's result has no status of the node.
        let status = match (&*info.name, &*data.node_info.node_status) {
            ("LogTestResult", "None") => data.status.as_deref().unwrap_or_default(),
            (_, status) => status,
        };
        let NodeInfo { unique_id: id, materialized, .. } = &data.node_info;
        Some(Self { event: &info.name, id, materialized, status, seconds, message })
    }

    /// Not of a hook, nor of an ephemeral model, which is only compiled: it is never a result.
    fn is_of_a_node(&self) -> bool {
        !self.id.is_empty()
            && !self.id.starts_with("operation.")
            && self.materialized != "ephemeral"
    }

    /// From a note's words. The node's own fields come before its `meta`.
    fn quoted(words: &'a str) -> Option<Self> {
        let (event, rest) = words.strip_prefix('[')?.split_once("]: Unable to parse")?;
        let (_, node) = rest.split_once("'node_info': {")?;
        let quoted = |key: &str| node.split_once(key)?.1.split_once('\'').map(|(word, _)| word);
        let seconds = rest.split_once("'execution_time': ").map_or("", |(_, rest)| rest);
        Some(Self {
            event,
            id: quoted("'unique_id': '")?,
            materialized: quoted("'materialized': '").unwrap_or_default(),
            status: quoted("'node_status': '")?,
            seconds: seconds.split([',', '}']).next().and_then(|seconds| seconds.parse().ok()),
            message: None,
        })
    }
}

impl Journal {
    /// Nodes that dbt began and did not finish.
    pub fn in_flight(&self) -> impl Iterator<Item = &str> {
        self.started.iter().filter(|id| !self.outcome.contains_key(*id)).map(String::as_str)
    }

    fn take(&mut self, event: &Event<'_>) {
        let speaker = event.info.invocation_id.as_deref();
        if speaker.is_some() && speaker != self.invocation_id.as_deref() {
            *self = Self { invocation_id: speaker.map(str::to_owned), ..Self::default() };
        }
        let Some(news) = News::of(event).filter(News::is_of_a_node) else { return };
        match news.event {
            "NodeStart" | "LogStartLine" => drop(self.started.insert(news.id.to_owned())),
            "NodeFinished" | "LogModelResult" | "LogSeedResult" | "LogSnapshotResult"
            | "LogTestResult" | "LogFunctionResult" => self.end(&news),
            _ => {}
        }
    }

    fn end(&mut self, news: &News<'_>) {
        if !ended(news.status) {
            return;
        }
        match fate(news.status, news.message, news.seconds.unwrap_or_default()) {
            Some(fate) => drop(self.outcome.insert(news.id.to_owned(), fate)),
            // dbt says NodeStart of what it skips as well.
            None => drop(self.started.remove(news.id)),
        }
    }
}

/// Whether a status says more than how far the node has come.
fn ended(status: &str) -> bool {
    !matches!(status, "" | "None" | "started" | "compiling" | "executing")
}

/// Read the lines of a log. A line that is torn or not dbt's is ignored.
pub fn journal<'a>(lines: impl Iterator<Item = &'a str>) -> Journal {
    let mut journal = Journal::default();
    for line in lines {
        if let Ok(event) = serde_json::from_str::<Event<'a>>(line) {
            journal.take(&event);
        }
    }
    journal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::results::Fate;

    fn line(name: &str, id: &str, status: &str, seconds: f64) -> String {
        format!(
            r#"{{"data": {{"description": "sql \"view\" model", "execution_time": {seconds},
                "node_info": {{"node_status": "{status}", "unique_id": "{id}"}}}},
                "info": {{"invocation_id": "i", "level": "info", "msg": "…", "name": "{name}"}}}}"#
        )
        .replace('\n', " ")
    }

    fn read(lines: &[String]) -> Journal {
        journal(lines.iter().map(String::as_str))
    }

    #[test]
    fn begun_and_finished_nodes_are_told_apart() {
        let journal = read(&[
            line("LogStartLine", "model.p.a", "started", 0.0),
            line("LogStartLine", "model.p.b", "started", 0.0),
            line("LogModelResult", "model.p.a", "success", 1.5),
        ]);
        let expected = Journal {
            started: BTreeSet::from(["model.p.a".into(), "model.p.b".into()]),
            outcome: Outcome::from([("model.p.a".into(), Fate::Built(1.5))]),
            invocation_id: Some("i".into()),
        };
        assert_eq!(journal, expected);
        assert_eq!(journal.in_flight().collect::<Vec<_>>(), ["model.p.b"]);
    }

    #[test]
    fn a_torn_or_alien_line_is_ignored() {
        let whole = line("LogModelResult", "model.p.a", "success", 1.5);
        for end in 0..whole.len() {
            if whole.is_char_boundary(end) {
                assert_eq!(journal([&whole[..end]].into_iter()), Journal::default(), "{end}");
            }
        }
        assert_eq!(journal(["15:29:22  OK", "null", "[]", "{}"].into_iter()), Journal::default());
    }

    #[test]
    fn a_skipped_node_was_not_in_flight() {
        let journal = read(&[
            line("NodeStart", "model.p.a", "started", 0.0),
            line("NodeFinished", "model.p.a", "skipped", 0.0),
        ]);
        assert_eq!(journal.in_flight().count(), 0);
        assert_eq!(journal.outcome, Outcome::new());
    }

    #[test]
    fn a_compiled_ephemeral_model_is_not_built() {
        let ephemeral = |status| {
            line("NodeFinished", "model.p.e", status, 0.5)
                .replace("\"node_status\"", "\"materialized\": \"ephemeral\", \"node_status\"")
        };
        let journal = read(&[ephemeral("started"), ephemeral("success")]);
        assert_eq!((journal.started.len(), journal.outcome.len()), (0, 0));
    }

    #[test]
    fn hooks_and_events_on_the_way_say_nothing() {
        let journal = read(&[
            line("LogHookStartLine", "operation.p.p-on-run-start-0", "started", 0.0),
            line("NodeStart", "operation.p.p-on-run-start-0", "started", 0.0),
            line("SQLQuery", "model.p.a", "executing", 0.0),
        ]);
        assert_eq!(journal, Journal { invocation_id: Some("i".into()), ..Journal::default() });
    }

    #[test]
    fn the_result_of_a_unit_test_is_in_another_place() {
        let result = line("LogTestResult", "unit_test.p.a.t", "None", 0.5)
            .replace("\"execution_time\"", "\"status\": \"pass\", \"execution_time\"");
        let built = Outcome::from([("unit_test.p.a.t".into(), Fate::Built(0.5))]);
        assert_eq!(read(&[result]).outcome, built);
    }

    /// As dbt 1.9 to 1.12 write it for a node with a date in its `meta`.
    fn note(event: &str, before: &str, status: &str) -> String {
        let words = format!(
            "[{event}]: Unable to parse logging event dictionary. Failed to parse node_info field: \
             Failed to parse meta field: Value 2024-01-02 has unexpected type. Dictionary: \
             {{{before}'node_info': {{'node_name': 'a', 'unique_id': 'model.p.a', \
             'materialized': 'view', 'node_status': '{status}', 'meta': {{'node_status': 'success', \
             'when': datetime.date(2024, 1, 2)}}}}, 'group': None}}"
        );
        serde_json::json!({
            "data": {"msg": words},
            "info": {"invocation_id": "i", "level": "warn", "msg": words, "name": "Note"}
        })
        .to_string()
    }

    #[test]
    fn an_event_that_dbt_could_not_write_is_read_from_its_note() {
        let begin = note("LogStartLine", "", "started");
        assert_eq!(
            read(std::slice::from_ref(&begin)).in_flight().collect::<Vec<_>>(),
            ["model.p.a"]
        );
        let end = note("LogModelResult", "'total': 2, 'execution_time': 0.5, ", "success");
        let built = Outcome::from([("model.p.a".into(), Fate::Built(0.5))]);
        assert_eq!(read(&[begin.clone(), end]).outcome, built);
        let failed = Outcome::from([("model.p.a".into(), Fate::Touched("failed in the last run"))]);
        let end = note("NodeFinished", "", "error");
        assert_eq!(read(&[begin, end]).outcome, failed);
    }

    #[test]
    fn an_earlier_command_in_the_same_file_is_not_this_one() {
        let earlier = line("LogModelResult", "model.p.a", "success", 1.5).replace("\"i\"", "\"h\"");
        let journal = read(&[earlier, line("LogStartLine", "model.p.b", "started", 0.0)]);
        assert_eq!(journal.outcome, Outcome::new());
        assert_eq!(journal.in_flight().collect::<Vec<_>>(), ["model.p.b"]);
    }
}
