//! Every option that a dbt has, and how many words it takes.
//!
//! The union over dbt-core 1.8 to 1.12 (their click definitions;
//! `tests/it/command_line/options.py` prints them and a test compares) and v2 (what
//! `dbt completions zsh` of 2.0.0-alpha.4 says, and the source of 2.0.0-beta.2; hidden
//! options included). No two versions give the same name another arity, but for two names:
//! * `--show` is a flag in v1 and takes any number of words in v2;
//! * `-s` is `--skip-profile-setup` after `init` and `--select` everywhere else.
//!
//! A line with an option that is not here is not understood, and so passed through.

use ForParse::{Dropped, Kept};

/// How many words an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// None; `--no-NAME` is its opposite.
    Zero,
    /// One, whatever it looks like.
    One,
    /// One, and all that follow up to the next that begins with a dash.
    OneOrMore,
    /// All that follow up to the next that begins with a dash.
    ZeroOrMore,
}

/// Whether `dbt parse` accepts an option and can be shaped or steered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForParse {
    Kept,
    Dropped,
}

/// An option by its names, the first of which stands for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OptionSpec {
    names: &'static str,
    shorts: &'static str,
    pub(super) arity: Arity,
    pub(super) for_parse: ForParse,
}

impl OptionSpec {
    /// The name without its dashes.
    pub(super) fn name(&self) -> &'static str {
        self.names.split(' ').next().unwrap_or(self.names)
    }

    fn has(&self, name: &str) -> bool {
        self.names.split(' ').any(|own| own == name)
    }
}

/// The option called `--name`, and whether it is said or denied (`--no-name`).
pub(super) fn long(name: &str) -> Option<(&'static OptionSpec, bool)> {
    let named = |name: &str| OPTIONS.iter().find(|spec| spec.has(name));
    let denied = || {
        named(name.strip_prefix("no-")?)
            .filter(|spec| spec.arity == Arity::Zero)
            .map(|spec| (spec, false))
    };
    named(name).map(|spec| (spec, true)).or_else(denied)
}

/// The option called `-letter` after `subcommand`.
pub(super) fn short(subcommand: &str, letter: char) -> Option<&'static OptionSpec> {
    if (subcommand, letter) == ("init", 's') {
        return long("skip-profile-setup").map(|(spec, _)| spec);
    }
    OPTIONS.iter().find(|spec| spec.shorts.contains(letter))
}

/// How many words the option `written` (`--target`, `-t`) takes after `subcommand`.
#[must_use]
pub fn arity(subcommand: &str, written: &str) -> Option<Arity> {
    let spec = match written.strip_prefix("--") {
        Some(name) => long(name).map(|(spec, _)| spec),
        None => short(subcommand, written.strip_prefix('-')?.chars().next()?),
    };
    spec.map(|spec| spec.arity)
}

const fn flag(names: &'static str, shorts: &'static str, for_parse: ForParse) -> OptionSpec {
    OptionSpec { names, shorts, arity: Arity::Zero, for_parse }
}

const fn value(names: &'static str, shorts: &'static str, for_parse: ForParse) -> OptionSpec {
    OptionSpec { names, shorts, arity: Arity::One, for_parse }
}

const fn many(names: &'static str, shorts: &'static str) -> OptionSpec {
    OptionSpec { names, shorts, arity: Arity::OneOrMore, for_parse: Dropped }
}

const fn any(names: &'static str) -> OptionSpec {
    OptionSpec { names, shorts: "", arity: Arity::ZeroOrMore, for_parse: Dropped }
}

const OPTIONS: &[OptionSpec] = &[
    // What is built, and from what.
    many("select models model", "sm"),
    many("exclude", ""),
    value("selector", "", Dropped),
    many("resource-type resource-types", ""),
    many("exclude-resource-type exclude-resource-types", ""),
    value("indirect-selection", "", Dropped),
    value("state", "", Dropped),
    flag("defer", "", Dropped),
    value("defer-state", "", Dropped),
    flag("favor-state", "", Dropped),
    flag("dirty", "", Dropped),
    flag("full-refresh", "f", Dropped),
    flag("empty", "", Dropped),
    value("sample", "", Dropped),
    value("with-sample", "", Dropped),
    many("sampled", ""),
    value("event-time-start", "", Dropped),
    value("event-time-end", "", Dropped),
    value("inline", "", Dropped),
    value("inline-direct", "", Dropped),
    flag("export-saved-queries", "", Dropped),
    flag("include-saved-query", "", Dropped),
    flag("force-node-selection", "", Dropped),
    value("run-cache-mode", "", Dropped),
    flag("manage-state", "", Dropped),
    value("phase", "", Dropped),
    // Where the project is, and what it is given.
    value("project-dir", "", Kept),
    value("profiles-dir", "", Kept),
    value("profile", "", Kept),
    value("target", "t", Kept),
    value("x-alt-target", "", Kept),
    value("vars", "", Kept),
    value("target-path", "", Kept),
    value("packages-install-path", "", Kept),
    value("internal-packages-install-path", "", Kept),
    value("internal-package", "", Kept),
    // How it is parsed.
    flag("partial-parse", "", Kept),
    flag("partial-parse-file-diff", "", Kept),
    value("partial-parse-file-path", "", Kept),
    flag("partial-load", "", Kept),
    flag("verify-partial-parse", "", Kept),
    flag("verify-partial-load", "", Kept),
    flag("static-parser", "", Kept),
    flag("use-experimental-parser", "", Kept),
    flag("use-v2-parser", "", Kept),
    value("v2-parser", "", Kept),
    flag("use-fast-test-edges", "", Kept),
    value("maximum-seed-size-mib", "", Kept),
    flag("version-check", "", Kept),
    flag("warn-error", "", Kept),
    value("warn-error-options", "", Kept),
    flag("macro-debugging", "", Kept),
    flag("skip-semantic-manifest-validation", "", Kept),
    flag("skip-private-deps", "", Kept),
    value("antlr-parser-cache-hard-limit-bytes", "", Kept),
    value("antlr-arena-limit-bytes", "", Kept),
    value("antlr-parser-cache-threshold-bytes", "", Kept),
    value("antlr-parser-recursion-limit", "", Kept),
    // How it runs.
    value("threads", "", Kept),
    flag("single-threaded", "", Kept),
    flag("parallel", "", Kept),
    flag("cache-selected-only", "", Kept),
    flag("populate-cache", "", Kept),
    flag("fail-fast", "x", Dropped),
    flag("store-failures", "", Dropped),
    value("compute", "", Dropped),
    value("static-analysis", "", Dropped),
    value("sqlparse", "", Dropped),
    flag("introspect", "", Dropped),
    flag("inject-ephemeral-ctes", "", Dropped),
    flag("infer-schemas", "", Dropped),
    flag("skip-type-checking", "", Dropped),
    flag("resolve-ambiguous-cols", "", Dropped),
    flag("classify-with-warehouse-tags", "", Dropped),
    flag("skip-unreferenced-table-check", "", Dropped),
    flag("legacy-compile", "", Dropped),
    flag("batch-tests", "", Dropped),
    any("optimize-tests"),
    flag("skip-redundant-tests", "", Dropped),
    flag("beta-use-query-cache", "", Dropped),
    value("task-cache-url", "", Dropped),
    value("dbt-replay", "", Dropped),
    value("fs-record", "", Dropped),
    value("fs-replay", "", Dropped),
    value("time-machine", "", Dropped),
    value("time-machine-path", "", Dropped),
    value("time-machine-ordering", "", Dropped),
    // What it writes.
    flag("write-json", "", Dropped),
    flag("write-catalog", "", Dropped),
    flag("write-metadata", "", Dropped),
    flag("write-index use-index", "", Dropped),
    flag("write-lineage", "", Dropped),
    value("metadata-dir", "", Dropped),
    value("index-dir", "", Dropped),
    flag("skip-write-msgpack-if-exist", "", Dropped),
    flag("use-parquet-schema-store", "", Dropped),
    flag("verify-parquet-schema-store", "", Dropped),
    flag("upload-to-artifacts-ingest-api", "", Dropped),
    value("record-timing-info", "r", Dropped),
    // What it says.
    flag("quiet", "q", Dropped),
    flag("debug", "d", Kept),
    flag("print", "", Kept),
    flag("use-colors", "", Kept),
    flag("use-colors-file", "", Kept),
    value("printer-width", "", Kept),
    value("log-path", "", Kept),
    value("log-format", "", Kept),
    value("log-format-file", "", Kept),
    value("log-level", "", Kept),
    value("log-level-file", "", Kept),
    value("log-file-max-bytes", "", Kept),
    flag("log-cache-events", "", Kept),
    flag("enable-legacy-logger", "", Kept),
    flag("show-all-deprecations", "", Kept),
    flag("hints-enabled", "", Kept),
    flag("send-anonymous-usage-stats", "", Kept),
    flag("snowflake-projects-otel", "", Dropped),
    flag("show-resource-report", "", Dropped),
    value("otel-file-name", "", Dropped),
    value("otel-parquet-file-name", "", Dropped),
    flag("export-to-otlp", "", Dropped),
    value("invocation-id", "", Dropped),
    value("parent-span-id", "", Dropped),
    any("show"),
    flag("help", "h", Dropped),
    flag("version", "Vv", Dropped),
    // Only there to carry a variable; on the command line dbt refuses them.
    value("deprecated-defer", "", Dropped),
    value("deprecated-favor-state", "", Dropped),
    value("deprecated-state", "", Dropped),
    flag("deprecated-print deprecated-no-print", "", Dropped),
    // Of single subcommands that build nothing.
    value("add-package", "", Dropped),
    value("args", "", Dropped),
    value("sql", "", Dropped),
    flag("browser", "", Dropped),
    flag("open", "", Dropped),
    flag("check-all", "", Dropped),
    flag("clean-project-files-only", "", Dropped),
    flag("compile", "", Dropped),
    flag("config-dir", "", Dropped),
    flag("connection", "", Dropped),
    value("duckdb-cdn-base", "", Dropped),
    flag("empty-catalog", "", Dropped),
    flag("fusion-upgrade", "", Dropped),
    value("host", "", Dropped),
    value("limit", "", Dropped),
    flag("lock", "", Dropped),
    value("output format", "o", Dropped),
    value("output-dir", "", Dropped),
    many("output-keys", ""),
    value("port", "", Dropped),
    any("pre-schema"),
    value("project-name", "", Dropped),
    any("schema"),
    flag("show-sources", "", Dropped),
    flag("skip-debug", "", Dropped),
    flag("skip-profile-setup", "", Dropped),
    value("source", "", Dropped),
    flag("static", "", Dropped),
    flag("unchecked", "", Dropped),
    flag("upgrade", "", Dropped),
    flag("use-v2-compatible-package-downloads", "", Kept),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_and_no_letter_means_two_options() {
        let names: Vec<&str> = OPTIONS.iter().flat_map(|spec| spec.names.split(' ')).collect();
        let letters: Vec<char> = OPTIONS.iter().flat_map(|spec| spec.shorts.chars()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len());
    }

    #[test]
    fn only_a_flag_can_be_denied() {
        assert_eq!(long("no-write-json"), long("write-json").map(|(spec, _)| (spec, false)));
        assert_eq!(long("no-target"), None);
    }

    #[test]
    fn s_selects_everywhere_but_after_init() {
        assert_eq!(arity("run", "-s"), Some(Arity::OneOrMore));
        assert_eq!(arity("init", "-s"), Some(Arity::Zero));
    }
}
