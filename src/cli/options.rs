//! The one table of our options and verbs: the reader of argv, `--help`, the man page and
//! the shells' completions are all made from it.

/// An option of ours; it stands before dbt's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Without its dashes.
    pub name: &'static str,
    /// What its value looks like: words between bars are all there are, `DIR` and `PATH` are
    /// files. Empty for a switch.
    pub value: &'static str,
    /// In one line; empty where the next row's line is for both.
    pub help: &'static str,
}

/// A verb of ours; it stands where dbt's command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbRow {
    /// The verb.
    pub name: &'static str,
    /// What may follow it, for `--help`.
    pub takes: &'static str,
    /// Its own options, which stand right after it.
    pub options: &'static [Row],
    /// In one line; empty where the next row's line is for both.
    pub help: &'static str,
}

const fn row(name: &'static str, value: &'static str, help: &'static str) -> Row {
    Row { name, value, help }
}

/// Every option, in the order of `--help`.
pub const OPTIONS: [Row; 28] = [
    row("mode", "auto|full|off", "build what changed | all | dbt alone (auto)"),
    row("full", "", ""),
    row("no-state", "", "short for --mode full, --mode off"),
    row("state-dir", "DIR", "the mounted volume ($DBT_STATE, else /state)"),
    row("only-changed", "", "narrow your own --select to what changed"),
    row("refresh-changed", "KINDS", "--full-refresh for these, where changed"),
    row("on-empty", "full|adopt|refuse", "what an empty volume means (full)"),
    row("allow-ephemeral", "", "accept a state directory that is forgotten"),
    row("always-start", "", "start dbt even when nothing changed"),
    row("probe", "COMMAND", "if this command fails, refuse (78); no shell"),
    row("lock-timeout", "SECONDS", "wait for another holder of the volume (3600)"),
    row("stop-grace", "SECONDS", "from our interrupt to our kill (8)"),
    row("stop-signal", "INT|TERM", "what dbt gets when we get TERM (INT)"),
    row("dbt", "PATH", "the program to run (dbt)"),
    row("max-rebuild", "N|N%", "refuse (77) to build more nodes than that"),
    row("max-rebuild-time", "30m", "refuse what took longer the last time"),
    row("protect", "NODES", "refuse these: names, tag:NAME, path:PREFIX"),
    row("yes", "", ""),
    row("approve", "HASH", "build it all the same; HASH is the plan's"),
    row("publish", "COMMAND", "run after each change of the baseline"),
    row("history", "N", ""),
    row("history-bytes", "BYTES", "earlier baselines to keep (10, 256M)"),
    row("termination-log", "PATH", "a verdict (/dev/termination-log)"),
    row("metrics-file", "PATH", "the last run for Prometheus"),
    row("log", "human|json", "our lines, on standard error (human)"),
    row("log-level", "error|warn|info|debug|off", "how much of them (info)"),
    row("help", "", ""),
    row("version", "", "say this, or the version, and end"),
];

const JSON: &[Row] = &[row("json", "", "one JSON object on standard output")];

/// Every verb, in the order of `--help`.
pub const VERBS: [VerbRow; 7] = [
    VerbRow {
        name: "plan",
        takes: "[run|build|seed …]",
        options: JSON,
        help: "what a run would build, and why; builds nothing",
    },
    VerbRow {
        name: "status",
        takes: "",
        options: JSON,
        help: "what the volume holds, what waits, the last run",
    },
    VerbRow { name: "history", takes: "", options: JSON, help: "" },
    VerbRow {
        name: "rollback",
        takes: "[N]",
        options: &[],
        help: "earlier baselines, and one of them again",
    },
    VerbRow {
        name: "adopt",
        takes: "[--from FILE]",
        options: &[
            row("from", "PATH", "a manifest of dbt's; - is standard input"),
            row("force", "", "over a baseline that is there"),
        ],
        help: "the warehouse already holds this: record it only",
    },
    VerbRow {
        name: "invalidate",
        takes: "NODE…",
        options: &[],
        help: "build these again next time",
    },
    VerbRow {
        name: "exec",
        takes: "-- CMD…",
        options: &[
            row("rewrite", "A:B", "hand on signal A as B"),
            row("group", "", "signals go to the command's process group"),
            row("stop-grace", "SECONDS", "from the first request to stop to the kill"),
        ],
        help: "PID 1 for anything else",
    },
];

/// The options that are no settings, so that they have no variable.
const WITHOUT_VARIABLE: [&str; 4] = ["full", "no-state", "help", "version"];

/// Options that dbt has too: after dbt's subcommand they are dbt's.
pub(super) const SHARED_WITH_DBT: [&str; 3] = ["log-level", "help", "version"];

/// Before every variable of ours.
pub(super) const PREFIX: &str = "DBT_ENTRYPOINT_";

impl Row {
    /// Whether it takes no value.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// The variable that means the same.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        (!WITHOUT_VARIABLE.contains(&self.name))
            .then(|| format!("{PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_")))
    }

    /// `--name VALUE`.
    #[must_use]
    pub fn written(&self) -> String {
        format!("--{} {}", self.name, self.value).trim_end().to_owned()
    }
}

/// The option of this name.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|row| row.name == name)
}

/// A verb's own options.
pub(super) fn own(verb: &str) -> &'static [Row] {
    VERBS.iter().find(|row| row.name == verb).map_or(&[], |row| row.options)
}

/// The option of this variable.
pub(super) fn of_variable(variable: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|row| row.variable().as_deref() == Some(variable))
}

/// Of those that have a variable, the option whose name is nearest.
pub(super) fn nearest(name: &str) -> Option<&'static Row> {
    let settings = OPTIONS.iter().filter(|row| !WITHOUT_VARIABLE.contains(&row.name));
    settings.min_by_key(|row| strsim::damerau_levenshtein(row.name, name))
}

/// An option of ours that somebody who typed this name may have meant: a slip of a letter or
/// two, or words of the name that are missing or too many.
pub(super) fn near(name: &str) -> Option<&'static Row> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let slips = |row: &&Row| strsim::damerau_levenshtein(row.name, &name);
    let slip = OPTIONS.iter().min_by_key(slips);
    slip.filter(|row| slips(row) <= (row.name.len() / 3).min(2))
        .or_else(|| OPTIONS.iter().find(|row| within(&name, row.name) || within(row.name, &name)))
}

/// Whether every word of `few` begins one of `many`.
fn within(few: &str, many: &str) -> bool {
    few.len() > 2 && few.split('-').all(|few| many.split('-').any(|many| many.starts_with(few)))
}
