//! Every option of every supported dbt, and how many values it takes.
//!
//! The table is the union of the options of dbt-core 1.8 to 1.13 (from their click definitions,
//! which `tests/it/command_line/options.py` prints and a test compares) and of v2 (from `dbt
//! completions zsh` of 2.0.0-alpha.4 and the source of 2.0.0-beta.2, hidden options included). All
//! versions agree on how many values an option takes, except for two names:
//! * `--show` is a flag in v1 and takes any number of values in v2;
//! * `-s` means `--skip-profile-setup` after `init`, and `--select` after every other subcommand.
//!
//! A line with an option that is not in the table is not understood, and dbt gets it unchanged.

use ForParse::{Dropped, Kept};

/// How many values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// A flag: no value. `--no-NAME` turns it off.
    Zero,
    /// One value: the next word, even if it begins with a dash.
    One,
    /// The next word, and all that follow up to the next word that begins with a dash.
    OneOrMore,
    /// All words that follow up to the next word that begins with a dash.
    ZeroOrMore,
}

/// Whether a `dbt parse` on behalf of a command needs an option of that command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForParse {
    /// `dbt parse` accepts the option, and it may change the manifest or how dbt runs.
    Kept,
    /// `dbt parse` does not accept the option, or does not depend on it.
    Dropped,
}

/// One option of dbt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OptionSpec {
    /// Its long names without dashes, separated by spaces; the first one is its main name.
    names: &'static str,
    /// Its letters.
    shorts: &'static str,
    pub(super) arity: Arity,
    pub(super) for_parse: ForParse,
}

impl OptionSpec {
    /// The main name without its dashes.
    pub(super) fn name(&self) -> &'static str {
        self.names.split(' ').next().unwrap_or(self.names)
    }

    fn has(&self, name: &str) -> bool {
        self.names.split(' ').any(|own| own == name)
    }
}

/// The option with the long name `name`, and `false` if `name` is `no-…`, which turns a flag off.
/// `None` for an unknown name.
pub(super) fn long(name: &str) -> Option<(&'static OptionSpec, bool)> {
    let named = |name: &str| OPTIONS.iter().find(|spec| spec.has(name));
    let negated = || {
        named(name.strip_prefix("no-")?)
            .filter(|spec| spec.arity == Arity::Zero)
            .map(|spec| (spec, false))
    };
    named(name).map(|spec| (spec, true)).or_else(negated)
}

/// All names of all options.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    OPTIONS.iter().flat_map(|spec| spec.names.split(' '))
}

/// The option with this letter after `subcommand`; `None` for an unknown letter.
pub(super) fn short(subcommand: &str, letter: char) -> Option<&'static OptionSpec> {
    if (subcommand, letter) == ("init", 's') {
        return long("skip-profile-setup").map(|(spec, _)| spec);
    }
    OPTIONS.iter().find(|spec| spec.shorts.contains(letter))
}

/// How many values the option `written` (`--target` or `-t`) takes after `subcommand`; `None` for
/// an unknown option.
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
    // What dbt builds, and from what.
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
    // Where the project is, and what is passed to it.
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
    // How dbt parses the project.
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
    // How dbt runs.
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
    // What dbt writes.
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
    // What dbt logs.
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
    // These exist only for their variables; dbt refuses them on the command line.
    value("deprecated-defer", "", Dropped),
    value("deprecated-favor-state", "", Dropped),
    value("deprecated-state", "", Dropped),
    flag("deprecated-print deprecated-no-print", "", Dropped),
    // Options of subcommands that build nothing.
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
    flag("skip-browser-auth", "", Dropped),
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
    fn no_name_and_no_letter_belongs_to_two_options() {
        let names: Vec<&str> = OPTIONS.iter().flat_map(|spec| spec.names.split(' ')).collect();
        let letters: Vec<char> = OPTIONS.iter().flat_map(|spec| spec.shorts.chars()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len());
    }

    #[test]
    fn only_flags_have_a_negative_form() {
        assert_eq!(long("no-write-json"), long("write-json").map(|(spec, _)| (spec, false)));
        assert_eq!(long("no-target"), None);
    }

    #[test]
    fn the_letter_s_means_select_except_after_init() {
        assert_eq!(arity("run", "-s"), Some(Arity::OneOrMore));
        assert_eq!(arity("init", "-s"), Some(Arity::Zero));
    }
}
