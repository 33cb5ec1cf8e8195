//! The dbt command line as a value: its subcommand, options and selection, and the edits that
//! this program makes to it.
//!
//! dbt-core 1.8 to 1.12 (which parses with click) and v2 (clap; 2.0.0-alpha.4) differ only for
//! lines that one of the two refuses. Such a line is parsed by the rules of the dbt that accepts
//! it: the other one builds nothing, so a misreading does no harm. A line that no dbt would accept
//! is a [`Duty::Bystander`], and no edit changes it.

mod caches;
mod edit;
mod of_others;
mod options;
mod reading;
mod retried;
mod scan;
mod selection;
mod variables;

pub use caches::without_caches;
pub use options::{Arity, arity};
pub use reading::{Reading, SUBCOMMANDS, has_option, option_names, reading};
pub use retried::Retried;
pub use selection::Selection;
pub use variables::{Flag, Opt, STATE_VARIABLES};

use crate::environment::Environment;
use crate::graph::RESOURCE_TYPES;
use crate::trees::IntoTree;
use scan::{GivenOption, ScannedLine};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use variables::DbtVariables;

/// What a dbt command means for the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// `run`, `build` and `seed`: this program may add a selection, and records what dbt builds.
    BuildSelected,
    /// `snapshot` and `retry`: this program never adds a selection, and records what dbt builds.
    Build,
    /// Every other command: the baseline stays as it is.
    Bystander,
}

/// The selection term for the nodes that the `run_results.json` in the `--state` directory reports
/// as skipped, and for everything downstream of them. dbt-core 1.8 to 1.12 have the `result:`
/// method and look the nodes up by `unique_id`.
pub const SKIPPED: &str = "result:skipped+";

/// A dbt command line.
#[derive(Debug, Clone)]
pub struct Command {
    words: Vec<OsString>,
    scan: ScannedLine,
    variables: DbtVariables,
    selection: Selection,
    /// What a `retry` takes over.
    retried: Option<Retried>,
}

impl Command {
    /// Parse `words`, the arguments of dbt without the program's name. `environment` is the
    /// environment of dbt, whose variables stand for options that the words do not give.
    #[must_use]
    pub fn parse(words: Vec<OsString>, environment: &Environment) -> Self {
        Self::with_variables(words, DbtVariables::from_environment(environment))
    }

    /// Parse an edited command line in the environment of this command.
    #[must_use]
    pub fn edited(&self, words: Vec<OsString>) -> Self {
        Self {
            retried: self.retried.clone(),
            ..Self::with_variables(words, self.variables.clone())
        }
    }

    /// The same command, if it is a `retry`, with what it takes over.
    #[must_use]
    pub fn retrying(self, retried: Retried) -> Self {
        let is_retry = self.subcommand() == Some("retry");
        Self { retried: is_retry.then_some(retried), ..self }
    }

    fn with_variables(words: Vec<OsString>, variables: DbtVariables) -> Self {
        let scan = ScannedLine::scan(&words);
        let selection = Selection::of(&words, &scan);
        Self { words, scan, variables, selection, retried: None }
    }

    /// The arguments as they were given, byte for byte.
    #[must_use]
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// dbt's subcommand: `ls` for `list`, and `docs` for `docs generate`. `None` if the line has
    /// none, or if an unknown option comes before it.
    #[must_use]
    pub fn subcommand(&self) -> Option<&str> {
        let name = self.words.get(self.scan.subcommand?)?.to_str()?;
        Some(if name == "list" { "ls" } else { name })
    }

    /// What the command means for the baseline. `--help`, `--version` and words that dbt would
    /// refuse make every command a [`Duty::Bystander`].
    #[must_use]
    pub fn duty(&self) -> Duty {
        let has = |name| self.scan.last(name).is_some();
        if self.scan.not_understood.is_some()
            || has("help")
            || has("version")
            || !self.scan.positional.is_empty()
        {
            return Duty::Bystander;
        }
        match self.subcommand() {
            Some("run" | "build" | "seed") => Duty::BuildSelected,
            Some("retry") if self.retried.as_ref().is_some_and(|run| !run.builds()) => {
                Duty::Bystander
            }
            Some("snapshot" | "retry") => Duty::Build,
            _ => Duty::Bystander,
        }
    }

    /// What the user selected.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Whether the command line has an `--exclude`. Like `--select`, it switches the default
    /// selector of the project off (dbt 1.8 to 1.12 and v2).
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.scan.last("exclude").is_some()
    }

    /// The terms of `--exclude`.
    #[must_use]
    pub fn exclusions(&self) -> Vec<String> {
        let values = self.scan.all("exclude").flat_map(|given| &given.values);
        let terms = values.flat_map(|value| selection::terms(&self.words, *value));
        terms.map(|term| term.to_string_lossy().into_owned()).collect()
    }

    /// The value of an option: the last one on the command line, otherwise that of its variable
    /// (`DBT_ENGINE_X` before `DBT_X`; dbt before 1.11 does not have `DBT_ENGINE_X`). An empty
    /// variable counts as unset.
    #[must_use]
    pub fn value(&self, option: Opt) -> Option<&OsStr> {
        let given = self.scan.last(option.name()).and_then(|given| given.values.first());
        let given = given.map(|value| value.text(&self.words));
        if let Some(taken_over) = self.retried.as_ref().and_then(|run| run.value(option)) {
            return given.filter(|_| option == Opt::Vars).or(taken_over);
        }
        given.or_else(|| self.variables.get(option.variable()?))
    }

    /// Whether the option is on the command line; variables do not count.
    #[must_use]
    pub fn gives(&self, option: Opt) -> bool {
        self.scan.last(option.name()).is_some()
    }

    /// Whether a flag is on: the last occurrence on the command line decides, otherwise its
    /// variable. `None` if neither is there.
    #[must_use]
    pub fn flag(&self, flag: Flag) -> Option<bool> {
        if let Some(taken_over) = self.retried.as_ref().and_then(|run| run.flag(flag)) {
            return Some(taken_over);
        }
        let older = flag.deprecated_variable().and_then(|name| self.variables.flag(name));
        let given = || self.scan.last(flag.name()).map(|given| given.on);
        older.or_else(given).or_else(|| match flag.has_newer_variable_only() {
            true => self.variables.engine_flag(flag.variable()),
            false => self.variables.flag(flag.variable()),
        })
    }

    /// What the command line says, by the names that dbt's `flags` has for its options, and what
    /// the variables in their place say.
    #[must_use]
    pub fn flags(&self, environment: &Environment) -> BTreeMap<String, String> {
        let of_variable = |(name, value): (&OsString, &OsString)| {
            let name = name.to_str()?.strip_prefix("DBT_")?;
            let name = name.strip_prefix("ENGINE_").unwrap_or(name);
            let option = name.to_ascii_lowercase().replace('_', "-");
            has_option(&option).then(|| (name.to_owned(), value.to_string_lossy().into_owned()))
        };
        let mut flags: BTreeMap<String, String> =
            environment.iter().filter_map(of_variable).into_tree();
        for given in &self.scan.given {
            let mut value = format!("{}", given.on);
            for text in &given.values {
                value += &text.text(&self.words).to_string_lossy();
            }
            flags.insert(given.spec.name().to_ascii_uppercase().replace('-', "_"), value);
        }
        flags
    }

    /// Whether the command has `--full-refresh`, on the command line or by its variable.
    #[must_use]
    pub fn refreshes(&self) -> bool {
        self.flag(Flag::FullRefresh) == Some(true)
    }

    /// Whether `--defer` is on and looks for a manifest in `--state`, because there is no
    /// `--defer-state`.
    #[must_use]
    pub fn defers_to_state(&self) -> bool {
        self.flag(Flag::Defer) == Some(true) && self.value(Opt::DeferState).is_none()
    }

    /// Whether the command builds nodes of this resource type (`model`, `seed`, `snapshot`,
    /// `function`, `test`, `unit_test`). That depends on the subcommand and, for `build`, on the
    /// `--resource-type` and `--exclude-resource-type` options. `retry` may build any type.
    #[must_use]
    pub fn builds(&self, resource_type: &str) -> bool {
        let subcommand = self.retried.as_ref().map(Retried::which).or_else(|| self.subcommand());
        match subcommand {
            Some("run") => resource_type == "model",
            Some("seed" | "snapshot") => subcommand == Some(resource_type),
            Some("retry" | "clone") => RESOURCE_TYPES.contains(&resource_type),
            Some("build") => {
                let all = ["all", "default", resource_type];
                let (asked, left_out) = match &self.retried {
                    Some(run) => (run.types().0.to_vec(), run.types().1.to_vec()),
                    None => (
                        self.types("resource-type", "RESOURCE_TYPES"),
                        self.types("exclude-resource-type", "EXCLUDE_RESOURCE_TYPES"),
                    ),
                };
                RESOURCE_TYPES.contains(&resource_type)
                    && (asked.is_empty() || asked.iter().any(|asked| all.contains(&asked.as_str())))
                    && !left_out.iter().any(|left_out| left_out == resource_type)
            }
            _ => false,
        }
    }

    /// The resource types that an option lists, in lower case; otherwise those that its variable
    /// lists.
    fn types(&self, name: &str, variable: &str) -> Vec<String> {
        let given: Vec<&OsStr> = self
            .scan
            .all(name)
            .flat_map(|given| &given.values)
            .map(|value| value.text(&self.words))
            .collect();
        let values = if given.is_empty() {
            self.variables.get(variable).into_iter().collect()
        } else {
            given
        };
        let text = values.iter().map(|value| value.to_string_lossy().to_ascii_lowercase());
        text.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// The option that makes dbt build something other than the complete relations of this target,
    /// if there is one: `--empty`, samples, a range of event time, `--inline`, `--phase`, and
    /// `--defer` with a state of the user's; and for `retry` those of the run that it retries. What
    /// such a command builds never counts as built.
    #[must_use]
    pub fn unreal_option(&self) -> Option<&'static str> {
        let given = |name| self.scan.last(name).is_some();
        let valued = |option| self.value(option).is_some();
        let defers = self.flag(Flag::Defer) == Some(true);
        let is_retry = self.retried.is_some();
        let options = [
            ("--empty", self.flag(Flag::Empty) == Some(true)),
            ("--sample", valued(Opt::Sample)),
            ("--with-sample", given("with-sample")),
            ("--sampled", given("sampled")),
            ("--event-time-start", valued(Opt::EventTimeStart)),
            ("--event-time-end", valued(Opt::EventTimeEnd)),
            ("--inline", valued(Opt::Inline)),
            ("--phase", given("phase")),
            ("--defer", defers && (given("state") || is_retry || valued(Opt::DeferState))),
            ("retry of a clone", self.retried.as_ref().is_some_and(|run| run.which() == "clone")),
        ];
        options.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// The command line with a `--select` for each term, with `--state DIR`, and with
    /// `--write-json`. Without terms, it selects nothing. If the user selects nodes themselves,
    /// their selection stays and the terms are not added.
    #[must_use]
    pub fn selecting(&self, terms: &[OsString], state: Option<&Path>) -> Vec<OsString> {
        if self.selection != Selection::None || self.duty() == Duty::Bystander {
            return self.with_write_json();
        }
        let nothing = [OsString::new()];
        let terms = if terms.is_empty() { &nothing } else { terms };
        let mut ours: Vec<OsString> =
            terms.iter().map(|term| edit::option("select", term)).collect();
        ours.extend(state.map(|state| edit::option("state", state.as_os_str())));
        edit::insert(&edit::with_write_json(&self.words), ours)
    }

    /// The command line with a `--select` for each term, which replaces what the user selects and
    /// excludes, and with `--write-json`.
    #[must_use]
    pub fn selecting_only(&self, terms: &[OsString]) -> Vec<OsString> {
        let replaced = ["select", "exclude", "selector"];
        let words = edit::without(&self.words, |given| replaced.contains(&given.spec.name()));
        self.edited(words).selecting(terms, None)
    }

    /// The command line with the user's selection intersected with `to` (that is, [`SKIPPED`]):
    /// each term `t` becomes `t,to`. With `--state DIR` and `--write-json`. Without a selection of
    /// the user's, it selects `to`. `None` if the selection has no terms that could be narrowed:
    /// for a `--selector`, and if the user compares with a state themselves.
    #[must_use]
    pub fn narrowed(&self, to: &str, state: &Path) -> Option<Vec<OsString>> {
        if self.duty() == Duty::Bystander {
            return None;
        }
        match &self.selection {
            Selection::None => Some(self.selecting(&[to.into()], Some(state))),
            Selection::Terms(_) => Some(self.narrowed_terms(to, state)),
            Selection::Selector(_) | Selection::State => None,
        }
    }

    fn narrowed_terms(&self, to: &str, state: &Path) -> Vec<OsString> {
        let mut words = self.words.clone();
        for given in self.scan.all("select") {
            edit::intersect(&mut words, &given.values, to);
        }
        let ours = vec![edit::option("state", state.as_os_str())];
        edit::insert(&edit::with_write_json(&words), ours)
    }

    /// The command line with `--select selector:NAME,to`, which replaces `--selector NAME` or the
    /// project's default selector, with `--state DIR` and `--write-json`. dbt ignores `--select`
    /// and `--exclude` beside a `--selector`, so these are removed. For dbt 1.12 and later, which
    /// have the `selector:` method. `None` if the user selects by other means.
    #[must_use]
    pub fn narrowed_selector(&self, name: &OsStr, to: &str, state: &Path) -> Option<Vec<OsString>> {
        let words = match (&self.selection, self.duty()) {
            (_, Duty::Bystander) | (Selection::Terms(_) | Selection::State, _) => return None,
            (Selection::None, _) => self.words.clone(),
            (Selection::Selector(_), _) => edit::without(&self.words, |given| {
                ["selector", "select", "exclude"].contains(&given.spec.name())
            }),
        };
        let mut term = OsString::from("selector:");
        term.push(name);
        term.push(format!(",{to}"));
        let ours = vec![edit::option("select", &term), edit::option("state", state.as_os_str())];
        Some(edit::insert(&edit::with_write_json(&words), ours))
    }

    /// The command line with `--write-json`; unchanged for a [`Duty::Bystander`].
    #[must_use]
    pub fn with_write_json(&self) -> Vec<OsString> {
        match self.duty() {
            Duty::Bystander => self.words.clone(),
            Duty::BuildSelected | Duty::Build => edit::with_write_json(&self.words),
        }
    }

    /// The command line with the options `extra` right after the subcommand. They replace the
    /// user's occurrences of the same options. Unchanged for a [`Duty::Bystander`].
    #[must_use]
    pub fn with_options(&self, extra: &[OsString]) -> Vec<OsString> {
        self.with_options_in(&self.words, extra)
    }

    /// Do as [`Command::with_options`] to `words`, an edited line of this command.
    #[must_use]
    pub fn with_options_in(&self, words: &[OsString], extra: &[OsString]) -> Vec<OsString> {
        if self.duty() == Duty::Bystander {
            return words.to_vec();
        }
        let ours = ScannedLine::scan(extra);
        let replaced = |given: &GivenOption| ours.last(given.spec.name()).is_some();
        let edited = edit::insert(&edit::without(words, replaced), extra.to_vec());
        // `-s a --log-format text run` without its second option would select `run` (dbt v2).
        match ScannedLine::scan(&edited).subcommand {
            Some(_) => edited,
            None => words.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
