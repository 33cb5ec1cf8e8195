//! The command lines of other dbt commands that are run on behalf of this one, for the same project.

use super::options::ForParse;
use super::scan::GivenOption;
use super::{Arity, Command, edit};
use std::ffi::OsString;
use std::path::Path;

impl Command {
    /// The command line of a `dbt parse` that writes the manifest of this command: with the
    /// options that affect it (project, profile, target, vars, flags), `--write-json` and
    /// `--quiet`.
    ///
    /// No version of `dbt parse` has `--full-refresh` or reads a variable for it, so a `config()`
    /// that asks for `flags.FULL_REFRESH` is parsed as for a run without it. A run that uses the
    /// partial-parse file of that parse keeps this value, because dbt's key of the file does not
    /// contain the flag (seen with 1.11). `compile --full-refresh --select=` would parse it
    /// correctly and compile nothing.
    #[must_use]
    pub fn as_parse(&self) -> Vec<OsString> {
        let mut words = vec!["parse".into()];
        words.extend(self.restated(|given| given.spec.for_parse == ForParse::Kept));
        words.extend(["--write-json".into(), "--quiet".into()]);
        words
    }

    /// The command line of a `dbt ls` that lists what this command selects: a JSON object with the
    /// `unique_id` on each line of standard output. It writes no artifacts.
    #[must_use]
    pub fn as_list(&self) -> Vec<OsString> {
        const SELECTION: [&str; 4] = ["select", "exclude", "selector", "indirect-selection"];
        // `ls` of v1 has no `--threads`, and the others would change the lines that we parse.
        const UNLIKE_PARSE: [&str; 3] = ["threads", "log-format", "debug"];
        let mut words = vec!["ls".into()];
        words.extend(self.restated(|given| {
            let name = given.spec.name();
            SELECTION.contains(&name)
                || (given.spec.for_parse == ForParse::Kept && !UNLIKE_PARSE.contains(&name))
        }));
        let ours = ["--output=json", "--output-keys=unique_id", "--no-write-json", "--quiet"];
        words.extend(ours.map(OsString::from));
        words
    }

    /// The command line of a `dbt compile` of the nodes that `terms` select, for the project as this
    /// command would parse it. It uses the partial-parse file `parsed`, writes its artifacts and its
    /// log below `directory`, and asks the warehouse nothing. For dbt v1 (1.8 and later).
    ///
    /// `--vars`, `--target` and `--profile` are given in the same words, because dbt parses anew if
    /// they are spelled differently.
    #[must_use]
    pub fn as_compile(&self, terms: &[String], parsed: &Path, directory: &Path) -> Vec<OsString> {
        const OURS: [&str; 8] = [
            "target-path",
            "partial-parse",
            "partial-parse-file-path",
            "populate-cache",
            "log-path",
            "log-format",
            "debug",
            "warn-error",
        ];
        let mut words = self.compile_without(&OURS);
        words.extend(terms.iter().map(|term| edit::option("select", term.as_ref())));
        words.push(edit::option("partial-parse-file-path", parsed.as_os_str()));
        words.push(edit::option("target-path", directory.as_os_str()));
        words.push(edit::option("log-path", directory.join("logs").as_os_str()));
        let ours = [
            "--partial-parse",
            "--write-json",
            "--no-populate-cache",
            "--no-introspect",
            "--indirect-selection=empty",
            "--quiet",
        ];
        words.extend(ours.map(OsString::from));
        words
    }

    /// `dbt compile` with whatever of this command a parse obeys as well, less these options.
    fn compile_without(&self, options: &[&str]) -> Vec<OsString> {
        let mut words = vec!["compile".into()];
        words.extend(self.restated(|given| {
            given.spec.for_parse == ForParse::Kept && !options.contains(&given.spec.name())
        }));
        words
    }

    /// The command line of a `dbt compile` of this Jinja, in the project and for the target of this
    /// command. It writes its artifacts and its log below `directory`.
    #[must_use]
    pub fn as_inline(&self, jinja: &str, directory: &Path) -> Vec<OsString> {
        const OURS: [&str; 6] = [
            "target-path",
            "partial-parse-file-path",
            "log-path",
            "log-format",
            "debug",
            "warn-error",
        ];
        let mut words = self.compile_without(&OURS);
        words.push(edit::option("inline", jinja.as_ref()));
        words.push(edit::option("target-path", directory.as_os_str()));
        words.push(edit::option("log-path", directory.join("logs").as_os_str()));
        words.push("--quiet".into());
        words
    }

    /// The command line of a `dbt test` that runs the tests of these terms and no others, in the
    /// project and for the target of this command.
    #[must_use]
    pub fn as_test(&self, terms: &[OsString]) -> Vec<OsString> {
        let mut words = vec!["test".into()];
        words.extend(self.restated(|given| {
            let own = ["fail-fast", "store-failures", "log-path"];
            given.spec.for_parse == ForParse::Kept || own.contains(&given.spec.name())
        }));
        words.extend(["--write-json", "--indirect-selection=empty"].map(OsString::from));
        words.extend(terms.iter().map(|term| edit::option("select", term)));
        words
    }

    /// The given options for which `wanted` is true, each as one word `--name=value`.
    fn restated(&self, wanted: impl Fn(&GivenOption) -> bool) -> Vec<OsString> {
        let restate = |given: &GivenOption| -> Vec<OsString> {
            let name = given.spec.name();
            if given.spec.arity == Arity::Zero {
                return vec![format!("--{}{name}", if given.on { "" } else { "no-" }).into()];
            }
            given.values.iter().map(|value| edit::option(name, value.text(&self.words))).collect()
        };
        self.scan.given.iter().filter(|given| wanted(given)).flat_map(restate).collect()
    }
}
