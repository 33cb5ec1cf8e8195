//! The dbt command line as a value: subcommand, options, selection, and the edits we make.
//!
//! dbt-core 1.8 to 1.12 (click) and v2 (clap; 2.0.0-alpha.4) read their words differently
//! in places where one of the two refuses the line. Such a line is read as the other reads
//! it: what dbt refuses builds nothing, whatever we think it meant. A line that none would
//! understand is a [`Duty::Bystander`], and every edit leaves it alone.

mod edit;
mod options;
mod scan;
mod selection;
mod variables;

pub use options::{Arity, arity};
pub use selection::Selection;
pub use variables::{Flag, Opt, STATE_VARIABLES};

use crate::environment::Environment;
use crate::graph::RESOURCE_TYPES;
use options::ForParse;
use scan::{GivenOption, ScannedLine};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use variables::DbtVariables;

/// What a dbt command means for the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// `run`, `build`, `seed`: a selector of ours may be added, what is built is with_write_json.
    BuildSelected,
    /// `snapshot`, `retry`: never a selector of ours, what is built is with_write_json.
    Build,
    /// All else: the baseline is not touched.
    Bystander,
}

/// What `run_results.json` in a state directory calls skipped, found by `unique_id` (`result:`,
/// dbt-core 1.8 to 1.12), and all that is downstream of it.
pub const SKIPPED: &str = "result:skipped+";

/// The name of the first option before the subcommand that no dbt has.
#[must_use]
pub fn unknown_option(words: &[OsString]) -> Option<&str> {
    let scan = ScannedLine::scan(words);
    let word = words.get(scan.not_understood.filter(|_| scan.subcommand.is_none())?)?;
    let name = word.to_str()?.strip_prefix("--")?.split('=').next()?;
    options::long(name).is_none().then_some(name)
}

/// A dbt command line.
#[derive(Debug, Clone)]
pub struct Command {
    words: Vec<OsString>,
    scan: ScannedLine,
    variables: DbtVariables,
    selection: Selection,
}

impl Command {
    /// Understand `words` (without the program) and dbt's own variables for the same options.
    #[must_use]
    pub fn parse(words: Vec<OsString>, environment: &Environment) -> Self {
        Self::with_variables(words, DbtVariables::of(environment))
    }

    /// The command of an edited line, in the same environment.
    #[must_use]
    pub fn edited(&self, words: Vec<OsString>) -> Self {
        Self::with_variables(words, self.variables.clone())
    }

    fn with_variables(words: Vec<OsString>, variables: DbtVariables) -> Self {
        let scan = ScannedLine::scan(&words);
        let selection = Selection::of(&words, &scan);
        Self { words, scan, variables, selection }
    }

    /// The words as they were given.
    #[must_use]
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// dbt's subcommand by its first name (`list` is `ls`, `docs generate` is `docs`);
    /// `None` where there is none, or where an unknown option hides it.
    #[must_use]
    pub fn subcommand(&self) -> Option<&str> {
        let name = self.words.get(self.scan.subcommand?)?.to_str()?;
        Some(if name == "list" { "ls" } else { name })
    }

    /// See [`Duty`]; `--help` and `--version` make every command a bystander, and so does
    /// any word that dbt would refuse.
    #[must_use]
    pub fn duty(&self) -> Duty {
        let asks = |name| self.scan.last(name).is_some();
        if self.scan.not_understood.is_some()
            || asks("help")
            || asks("version")
            || !self.scan.positional.is_empty()
        {
            return Duty::Bystander;
        }
        match self.subcommand() {
            Some("run" | "build" | "seed") => Duty::BuildSelected,
            Some("snapshot" | "retry") => Duty::Build,
            _ => Duty::Bystander,
        }
    }

    /// See [`Selection`].
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Whether the user excludes anything. dbt drops the project's default selector for an
    /// `--exclude` alone as well (1.8 to 1.12, v2).
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.scan.last("exclude").is_some()
    }

    /// The last value of an option, else of its variable (`DBT_ENGINE_X` before `DBT_X`).
    /// dbt before 1.11 knows no `DBT_ENGINE_X`. An empty variable is no variable.
    #[must_use]
    pub fn value(&self, option: Opt) -> Option<&OsStr> {
        let given = self.scan.last(option.name()).and_then(|given| given.values.first());
        given
            .map(|value| value.text(&self.words))
            .or_else(|| self.variables.get(option.variable()?))
    }

    /// Whether the command line itself gives this option, rather than a variable.
    #[must_use]
    pub fn gives(&self, option: Opt) -> bool {
        self.scan.last(option.name()).is_some()
    }

    /// The last word on a flag, else its variable.
    #[must_use]
    pub fn flag(&self, flag: Flag) -> Option<bool> {
        let older = flag.deprecated_variable().and_then(|name| self.variables.flag(name));
        let given = || self.scan.last(flag.name()).map(|given| given.on);
        older.or_else(given).or_else(|| self.variables.flag(flag.variable()))
    }

    /// Whether the command line, or dbt's variable for it, says `--full-refresh`.
    #[must_use]
    pub fn refreshes(&self) -> bool {
        self.flag(Flag::FullRefresh) == Some(true)
    }

    /// Whether `--defer` needs a manifest in `--state`: it is on, and no `--defer-state` says where
    /// else to look.
    #[must_use]
    pub fn defers_to_state(&self) -> bool {
        self.flag(Flag::Defer) == Some(true) && self.value(Opt::DeferState).is_none()
    }

    /// Whether the command builds nodes of this resource type (`model`, `seed`, `snapshot`,
    /// `function`, `test`, `unit_test`), by its subcommand and the `--resource-type` options
    /// (which only `build` has); `retry` may build them all.
    #[must_use]
    pub fn builds(&self, resource_type: &str) -> bool {
        match self.subcommand() {
            Some("run") => resource_type == "model",
            Some("seed" | "snapshot") => self.subcommand() == Some(resource_type),
            Some("retry") => RESOURCE_TYPES.contains(&resource_type),
            Some("build") => {
                let all = ["all", "default", resource_type];
                let asked = self.types("resource-type", "RESOURCE_TYPES");
                let left_out = self.types("exclude-resource-type", "EXCLUDE_RESOURCE_TYPES");
                RESOURCE_TYPES.contains(&resource_type)
                    && (asked.is_empty() || asked.iter().any(|asked| all.contains(&asked.as_str())))
                    && !left_out.iter().any(|left_out| left_out == resource_type)
            }
            _ => false,
        }
    }

    fn types(&self, name: &str, variable: &str) -> Vec<String> {
        let given: Vec<&OsStr> = self
            .scan
            .all(name)
            .flat_map(|given| &given.values)
            .map(|value| value.text(&self.words))
            .collect();
        let said = if given.is_empty() {
            self.variables.get(variable).into_iter().collect()
        } else {
            given
        };
        let text = said.iter().map(|value| value.to_string_lossy().to_ascii_lowercase());
        text.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// The flag that makes it build something other than the real thing: `--empty`,
    /// samples, a slice of event time, `--inline`, `--phase`, and `--defer` where it has a
    /// state other than ours to defer to.
    #[must_use]
    pub fn unreal_option(&self) -> Option<&'static str> {
        let given = |name| self.scan.last(name).is_some();
        let valued = |option| self.value(option).is_some();
        let defers = self.flag(Flag::Defer) == Some(true);
        let signs = [
            ("--empty", self.flag(Flag::Empty) == Some(true)),
            ("--sample", valued(Opt::Sample)),
            ("--with-sample", given("with-sample")),
            ("--sampled", given("sampled")),
            ("--event-time-start", valued(Opt::EventTimeStart)),
            ("--event-time-end", valued(Opt::EventTimeEnd)),
            ("--inline", valued(Opt::Inline)),
            ("--phase", given("phase")),
            ("--defer", defers && (given("state") || valued(Opt::DeferState))),
        ];
        signs.into_iter().find(|(_, holds)| *holds).map(|(flag, _)| flag)
    }

    /// With a `--select` for each term and `--state DIR`, in the place of no selection;
    /// `--write-json` forced. No terms select nothing. A selection of the user's own stands
    /// as it is, without our terms.
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

    /// With a `--select` for each term in the place of whatever is selected and excluded, and
    /// `--write-json` forced.
    #[must_use]
    pub fn selecting_only(&self, terms: &[OsString]) -> Vec<OsString> {
        let replaced = ["select", "exclude", "selector"];
        let words = edit::without(&self.words, |given| replaced.contains(&given.spec.name()));
        self.edited(words).selecting(terms, None)
    }

    /// With each term `t` of the user's selection as `t,` and `to` ([`SKIPPED`]),
    /// `--state DIR`, and `--write-json` forced. `None` where there are no terms to narrow: for
    /// a `--selector`, and where state is the user's own affair.
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

    /// With `--select selector:NAME,` and `to` in the place of `--selector NAME`, or of the
    /// project's default selector; `--state DIR`, and `--write-json` forced. With a
    /// `--selector`, dbt ignores `--select` and `--exclude`: they go. dbt 1.12 and later.
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

    /// The same words with `--write-json`; a bystander's words as they are.
    #[must_use]
    pub fn with_write_json(&self) -> Vec<OsString> {
        match self.duty() {
            Duty::Bystander => self.words.clone(),
            Duty::BuildSelected | Duty::Build => edit::with_write_json(&self.words),
        }
    }

    /// The same words with `extra` options right after the subcommand, each in the place of
    /// the user's own word on the same option; a bystander's words as they are.
    #[must_use]
    pub fn with_options(&self, extra: &[OsString]) -> Vec<OsString> {
        self.with_options_in(&self.words, extra)
    }

    /// As [`Command::with_options`], in an edited line of this command.
    #[must_use]
    pub fn with_options_in(&self, words: &[OsString], extra: &[OsString]) -> Vec<OsString> {
        if self.duty() == Duty::Bystander {
            return words.to_vec();
        }
        let ours = ScannedLine::scan(extra);
        let replaced = |given: &GivenOption| ours.last(given.spec.name()).is_some();
        edit::insert(&edit::without(words, replaced), extra.to_vec())
    }

    /// `parse` with the options of this command that shape the manifest (project, profile,
    /// target, vars, flags), and `--quiet`.
    ///
    /// `parse` has no `--full-refresh` in any version and reads no variable for it, so that
    /// a `config()` that asks `flags.FULL_REFRESH` is parsed as for an ordinary run; and a
    /// run that starts warm from that parse keeps it, because dbt's key of the partial-parse
    /// file leaves the flag out (seen with 1.11). `compile --full-refresh --select=` parses
    /// it right and compiles nothing.
    #[must_use]
    pub fn as_parse(&self) -> Vec<OsString> {
        let mut words = vec!["parse".into()];
        words.extend(self.restated(|given| given.spec.for_parse == ForParse::Kept));
        words.extend(["--write-json".into(), "--quiet".into()]);
        words
    }

    /// `ls` of what this command's selection selects, as a JSON object with `unique_id` for
    /// each line of standard output. It writes no artifacts.
    #[must_use]
    pub fn as_list(&self) -> Vec<OsString> {
        const SELECTION: [&str; 4] = ["select", "exclude", "selector", "indirect-selection"];
        // `ls` has no threads (v1), and its lines must be what we ask for.
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

    /// The options that `wanted` holds of, each in one word.
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

#[cfg(test)]
mod tests;
