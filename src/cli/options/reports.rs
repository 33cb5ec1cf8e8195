//! Options about hooks, reports and log lines.

use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{one_of, path};
use crate::cli::{Config, words};
use crate::decide::progress::ProgressForm;
use crate::log_style::LogStyle;
use log::LevelFilter;

pub(super) static OPTIONS: [&Definition<Config>; 7] =
    [&PUBLISH, &TERMINATION_LOG, &METRICS_FILE, &EVENTS, &PROGRESS, &LOG, &LOG_LEVEL];

static PUBLISH: Definition<Config> = Definition {
    doc: Doc {
        name: "publish",
        common: false,
        letter: None,
        value: Value::Text("COMMAND"),
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "run this after each change of the baseline",
        manual: "Runs this command after each change of the baseline, with the path of the \
                 baseline in the variable DBT_ENTRYPOINT_MANIFEST. Use it to copy the manifest to \
                 a catalogue or an object store: `--publish 'python publish.py'`. The command \
                 is split at spaces, except within quotation marks; there is no shell. It runs \
                 while the volume is locked, and its output goes to standard error. If it fails, \
                 the failure is reported, the baseline stays, and the next run publishes again.",
    },
    set: |config, value| {
        config.publish = Some(words::split(value)?);
        Ok(())
    },
};

static TERMINATION_LOG: Definition<Config> = Definition {
    doc: Doc {
        name: "termination-log",
        common: false,
        letter: None,
        value: Value::File,
        default: Initial::Value("/dev/termination-log"),
        variable: Variable::Own,
        help: "write a short result here if the file exists",
        manual: "Writes a short result of the run to this file if the file exists. The default is \
                 where Kubernetes expects it, so that `kubectl describe pod` shows the result; set \
                 it if the pod has another terminationMessagePath. The result is a JSON object of \
                 at most 4096 bytes, for refused runs too. The file is never created, and a \
                 failure to write it is ignored.",
    },
    set: |config, value| {
        config.termination_log = path(value)?;
        Ok(())
    },
};

static METRICS_FILE: Definition<Config> = Definition {
    doc: Doc {
        name: "metrics-file",
        common: false,
        letter: None,
        value: Value::File,
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "write metrics for Prometheus here",
        manual: "Writes metrics of the run to this file in the text format of Prometheus. It is \
                 meant for the textfile collector of the node exporter, so the name has to end in \
                 .prom and the directory has to be that of the collector. The file is replaced \
                 atomically after each run, refused runs included. If it cannot be written, a \
                 warning is logged and the exit code stays the same.",
    },
    set: |config, value| {
        config.metrics_file = Some(path(value)?);
        Ok(())
    },
};

static EVENTS: Definition<Config> = Definition {
    doc: Doc {
        name: "events",
        common: false,
        letter: None,
        value: Value::File,
        default: Initial::Unset("none"),
        variable: Variable::Own,
        help: "write what happens here, as JSON lines",
        manual: "Writes what happens in a run to this file, as one JSON object a line: the plan, \
                 each node as it begins and ends, the commit, a refusal, the end with the whole \
                 summary. Use it to tell Slack, OpenLineage or a dashboard. `-` means standard \
                 output, where dbt writes as well. A file is appended to; a FIFO has to have a \
                 reader. A reader that is too slow or goes away does not hold up the run: once the \
                 run has waited for it for a second in all, the stream ends, with a warning. `docs/schemas/event.json` describes the lines.",
    },
    set: |config, value| {
        config.events = Some(path(value)?);
        Ok(())
    },
};

static PROGRESS: Definition<Config> = Definition {
    doc: Doc {
        name: "progress",
        common: false,
        letter: None,
        value: Value::Choice(&["auto", "plain", "off"]),
        default: Initial::Value("auto"),
        variable: Variable::Own,
        help: "how to show how far dbt has come",
        manual: "How to show how far dbt has come: `12 of 140, 3 running, 1 failed, about 18 min \
                 left`. With `plain`, that is a log line each minute, and none in the first minute. \
                 With `auto`, a terminal gets such a line after 10 seconds already if something has \
                 happened; if dbt's output goes to a file or to /dev/null, one line stays on the \
                 terminal and changes. Where dbt 2 draws such a line itself, there is none of ours. In a log `auto` is the same as `plain`. `off` shows nothing. \
                 dbt's own output is the same in each case. Beside a run, `dbt-entrypoint status` \
                 shows the same, and what is being built.",
    },
    set: |config, value| {
        let words = [
            ("auto", ProgressForm::Auto),
            ("plain", ProgressForm::Plain),
            ("off", ProgressForm::Off),
        ];
        config.progress = one_of(value, &words)?;
        Ok(())
    },
};

static LOG: Definition<Config> = Definition {
    doc: Doc {
        name: "log",
        common: true,
        letter: None,
        value: Value::Choice(&["human", "json"]),
        default: Initial::Value("human"),
        variable: Variable::Own,
        help: "the format of our own log lines",
        manual: "The format of the log lines of dbt-entrypoint: `human` for text, `json` for one \
                 object a line. They go to standard error. With `json`, each line has the time and \
                 the id of the run (`run_id`), and one line has the summary of the run in the field \
                 `summary`. dbt's own lines are not touched; dbt has \
                 `--log-format` for them.",
    },
    set: |config, value| {
        let words = [("human", LogStyle::Human), ("json", LogStyle::Json)];
        config.log = one_of(value, &words)?;
        Ok(())
    },
};

static LOG_LEVEL: Definition<Config> = Definition {
    doc: Doc {
        name: "log-level",
        common: false,
        letter: None,
        value: Value::Choice(&["error", "warn", "info", "debug", "off"]),
        default: Initial::Value("info"),
        variable: Variable::Own,
        help: "how much of them to show",
        manual: "How many log lines of dbt-entrypoint to show: those of this level and of the \
                 levels before it. `debug` explains each decision, `off` shows nothing, not even \
                 errors. dbt has an option of the same name: before dbt's command it is ours, \
                 behind it dbt's.",
    },
    set: |config, value| {
        let words = [
            ("error", LevelFilter::Error),
            ("warn", LevelFilter::Warn),
            ("info", LevelFilter::Info),
            ("debug", LevelFilter::Debug),
            ("off", LevelFilter::Off),
        ];
        config.log_level = one_of(value, &words)?;
        Ok(())
    },
};
