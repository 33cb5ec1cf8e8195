//! What `dbt retry` takes over from the run that it retries: the `args` in its `run_results.json`.
//!
//! dbt-core 1.8 to 1.12 (dbt/task/retry.py): everything but paths, states to defer to and
//! `warn_error`. Only `--vars` and `--threads` on the command line win over it; no other option that
//! `retry` is given has an effect, nor has a variable.

use super::{Flag, Opt};
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};

/// The arguments of the run that is retried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retried {
    which: String,
    values: Vec<(Opt, OsString)>,
    flags: Vec<Flag>,
    resource_types: Vec<String>,
    excluded_types: Vec<String>,
}

/// The options that count and are taken over, by their names in `args`.
const VALUES: [(Opt, &str); 6] = [
    (Opt::Vars, "vars"),
    (Opt::Target, "target"),
    (Opt::Profile, "profile"),
    (Opt::Sample, "sample"),
    (Opt::EventTimeStart, "event_time_start"),
    (Opt::EventTimeEnd, "event_time_end"),
];
const FLAGS: [(Flag, &str); 3] =
    [(Flag::FullRefresh, "full_refresh"), (Flag::Empty, "empty"), (Flag::Defer, "defer")];

impl Retried {
    /// From the text of a `run_results.json`; `None` if it is none, with which dbt does not start.
    #[must_use]
    pub fn read(run_results: &str) -> Option<Self> {
        let results: Value = serde_json::from_str(run_results).ok()?;
        let args = results.get("args")?.as_object()?;
        let value = |(option, name): (Opt, &str)| Some((option, text(args.get(name)?)?));
        let is_on = |name: &str| args.get(name).and_then(Value::as_bool) == Some(true);
        Some(Self {
            which: args.get("which")?.as_str()?.to_owned(),
            values: VALUES.into_iter().filter_map(value).collect(),
            flags: FLAGS.iter().filter(|(_, name)| is_on(name)).map(|(flag, _)| *flag).collect(),
            resource_types: list(args, "resource_types"),
            excluded_types: list(args, "exclude_resource_types"),
        })
    }

    /// The subcommand that is retried.
    pub(super) fn which(&self) -> &str {
        &self.which
    }

    /// Whether it builds relations; the others neither build nor replace one.
    pub(super) fn builds(&self) -> bool {
        ["run", "build", "seed", "snapshot", "clone"].contains(&self.which.as_str())
    }

    /// The value of an option; `None` for one that `retry` does not take over.
    pub(super) fn value(&self, option: Opt) -> Option<Option<&OsStr>> {
        let takes = VALUES.iter().any(|(taken, _)| *taken == option);
        let found = || self.values.iter().find(|(given, _)| *given == option);
        takes.then(|| found().map(|(_, value)| value.as_os_str()))
    }

    /// Whether a flag is on; `None` for one that `retry` does not take over.
    pub(super) fn flag(&self, flag: Flag) -> Option<bool> {
        FLAGS.iter().any(|(taken, _)| *taken == flag).then(|| self.flags.contains(&flag))
    }

    /// The resource types of a `build` that was limited to some, and those that it left out.
    pub(super) fn types(&self) -> (&[String], &[String]) {
        (&self.resource_types, &self.excluded_types)
    }
}

/// A value as it would stand on the command line; `None` where nothing was given.
fn text(value: &Value) -> Option<OsString> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.into()),
        Value::Object(members) if members.is_empty() => None,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_string().into())
        }
    }
}

fn list(args: &Map<String, Value>, name: &str) -> Vec<String> {
    let all = args.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::command::{Command, Duty};
    use crate::environment::Environment;

    fn retry(args: &str, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let environment: Environment =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let command = Command::parse(words.iter().map(OsString::from).collect(), &environment);
        let retried = Retried::read(&format!("{{\"args\": {args}, \"results\": []}}"));
        command.retrying(retried.expect("results"))
    }

    #[test]
    fn the_retried_run_decides_and_only_vars_win_over_it() {
        let args =
            r#"{"which": "run", "vars": {"a": "x"}, "target": "prod", "full_refresh": true}"#;
        let words = ["retry", "--target", "dev", "--profile", "p"];
        let command = retry(args, &words, &[("DBT_TARGET", "env"), ("DBT_EMPTY", "1")]);
        let value = |option| command.value(option).and_then(OsStr::to_str);
        assert_eq!(value(Opt::Vars), Some(r#"{"a":"x"}"#));
        assert_eq!((value(Opt::Target), value(Opt::Profile)), (Some("prod"), None));
        assert_eq!((command.refreshes(), command.unreal_option()), (true, None));
        assert_eq!(command.duty(), Duty::Build);
        assert!(command.builds("model") && !command.builds("seed"));
        let command = retry(args, &["retry", "--vars", "{a: y}"], &[]);
        assert_eq!(command.value(Opt::Vars).and_then(OsStr::to_str), Some("{a: y}"));
        assert!(command.edited(command.words().to_vec()).refreshes());
    }

    #[test]
    fn what_was_not_real_is_not_real_when_it_is_retried() {
        for (args, option) in [
            (r#"{"which": "run", "empty": true}"#, "--empty"),
            (
                r#"{"which": "run", "event_time_start": "2026-01-01T00:00:00"}"#,
                "--event-time-start",
            ),
            (r#"{"which": "build", "sample": {"start": "a"}}"#, "--sample"),
            (r#"{"which": "run", "defer": true, "state": "x"}"#, "--defer"),
            (r#"{"which": "clone"}"#, "retry of a clone"),
        ] {
            let command = retry(args, &["retry"], &[]);
            assert_eq!((command.unreal_option(), command.duty()), (Some(option), Duty::Build));
        }
    }

    #[test]
    fn a_retry_of_a_command_that_builds_nothing_builds_nothing() {
        for which in ["test", "compile", "generate", "run-operation", "show"] {
            let command = retry(&format!("{{\"which\": \"{which}\"}}"), &["retry"], &[]);
            assert_eq!(command.duty(), Duty::Bystander, "{which}");
        }
    }

    #[test]
    fn a_retried_build_builds_the_types_that_it_was_limited_to() {
        let types = r#"{"which": "build", "resource_types": ["model", "seed"], "exclude_resource_types": ["seed"]}"#;
        let command = retry(types, &["retry"], &[]);
        let built = ["model", "seed", "snapshot"].map(|kind| command.builds(kind));
        assert_eq!(built, [true, false, false]);
        assert_eq!(Retried::read("{}"), None);
    }
}
