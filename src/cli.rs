//! The only reader of argv and environment: both become one [`Invocation`].
//!
//! An option wins over its variable, and the variable over the default. Our options come first;
//! the first word that is neither ours nor one of our verbs begins dbt's command line, which is
//! handed on verbatim.

mod argv;
mod definition;
mod help;
mod nearest;
mod options;
mod values;
mod verbs;
mod words;

pub use definition::{Doc, Initial, Value, Variable};
pub use help::{help, help_on_everything};
pub use options::{Group, groups};
pub use verbs::{
    Adoption, Asking, DiffOptions, Exec, Operands, OutputFormat, PlanForm, PlanOptions, Request,
    UseColor, Verb, VerbDoc, verbs,
};

use crate::decide::budget::{Budget, Limit};
use crate::decide::doubt::Settle;
use crate::decide::progress::ProgressForm;
use crate::decide::retention::Retention;
use crate::decide::start::{Mode, OnEmpty};
use crate::decide::state_mode::StateMode;
use crate::decide::warehouse::Verify;
use crate::environment::{self, Environment};
use crate::exit::{Failure, Refusal};
use crate::log_style::LogStyle;
use definition::{Definition, PREFIX};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// The variable that tells the command of `--publish` where the baseline is. It is no setting of
/// ours, so that this command may start dbt-entrypoint.
pub const MANIFEST_VARIABLE: &str = "DBT_ENTRYPOINT_MANIFEST";

/// The variable that tells the command of `--on-exit` our exit code.
pub const EXIT_CODE_VARIABLE: &str = "DBT_ENTRYPOINT_EXIT_CODE";

/// All settings, defaults included.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `--mode`.
    pub mode: Mode,
    /// `--state-dir`; may be relative to the working directory.
    pub state_dir: PathBuf,
    /// `--only-changed`.
    pub only_changed: bool,
    /// `--settle`.
    pub settle: Settle,
    /// Whether dbt may start from its parse of an earlier container.
    pub warm: bool,
    /// `--refresh-changed`: materializations.
    pub refresh_changed: Vec<String>,
    /// `--on-empty`.
    pub on_empty: OnEmpty,
    /// `--allow-ephemeral`.
    pub allow_ephemeral: bool,
    /// `--always-start`.
    pub always_start: bool,
    /// `--verify`.
    pub verify: Verify,
    /// `--max-missing`: how many relations may be missing at once; `None` for half of them.
    pub max_missing: Option<Limit>,
    /// `--probe`: a program and its arguments; if it fails, what was built is gone.
    pub probe: Option<Vec<OsString>>,
    /// `--lock-timeout`.
    pub lock_timeout: Duration,
    /// `--shared-lock`: whether the lock has to hold on all nodes.
    pub needs_shared_lock: bool,
    /// `--stop-grace`.
    pub stop_grace: Duration,
    /// `--stop-signal`.
    pub stop_signal: Signal,
    /// `--on-exit`: a program and its arguments, run after everything else.
    pub on_exit: Option<Vec<OsString>>,
    /// `--dbt`.
    pub dbt: OsString,
    /// `--max-rebuild`, `--max-rebuild-time`, `--protect`.
    pub budget: Budget,
    /// `--yes`: build whatever the budget says.
    pub yes: bool,
    /// `--approve`: the hash of the plan that may be built whatever the budget says.
    pub approve: Option<String>,
    /// `--publish`: a program and its arguments, run after each change of the baseline.
    pub publish: Option<Vec<OsString>>,
    /// `--history`, `--history-bytes`.
    pub history: Retention,
    /// `--state-mode`.
    pub state_mode: Option<StateMode>,
    /// `--termination-log`.
    pub termination_log: PathBuf,
    /// `--metrics-file`.
    pub metrics_file: Option<PathBuf>,
    /// `--events`: a file, or `-` for standard output.
    pub events: Option<PathBuf>,
    /// `--progress`.
    pub progress: ProgressForm,
    /// `--log`.
    pub log: LogStyle,
    /// `--log-level`.
    pub log_level: log::LevelFilter,
    /// The environment as it was at the start.
    pub environment: Environment,
}

/// What was asked for, and the settings for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The settings.
    pub config: Config,
    /// What to do.
    pub request: Request,
}

/// An option of the command line, and its value.
type Given = (&'static Definition<Config>, OsString);

/// Read argv (without `argv[0]`) and the environment.
///
/// # Errors
/// [`Failure::usage`] (64) names the word that is wrong and what would be right. Whoever asks for
/// help gets it, whatever the variables hold.
pub fn parse(args: Vec<OsString>, environment: Environment) -> Result<Invocation, Failure> {
    read(args, environment).map_err(Failure::usage)
}

fn read(args: Vec<OsString>, environment: Environment) -> Result<Invocation, Refusal> {
    let (given, request) = argv::read(args)?;
    let mut config = defaults(environment)?;
    if !matches!(request, Request::Print(_)) {
        from_variables(&mut config)?;
        for (definition, value) in &given {
            let source = format!("--{}", definition.doc.name);
            set(&mut config, definition, value, &source)?;
        }
    }
    Ok(Invocation { config, request })
}

/// The settings where nothing is given but dbt's own variables.
fn defaults(environment: Environment) -> Result<Config, Refusal> {
    let mut config = blank(environment);
    for definition in options::all() {
        match definition.doc.default {
            Initial::Unset(_) => {}
            Initial::Value(text) => set(&mut config, definition, OsStr::new(text), "default")?,
            Initial::Inherited(variables, text) => {
                let inherited = variables
                    .iter()
                    .find_map(|name| environment::value(&config.environment, name))
                    .unwrap_or_else(|| OsStr::new(text))
                    .to_owned();
                set(&mut config, definition, &inherited, "default")?;
            }
        }
    }
    Ok(config)
}

/// Before the defaults: what has one in its [`Doc`] is overwritten.
fn blank(environment: Environment) -> Config {
    Config {
        mode: Mode::Off,
        state_dir: PathBuf::new(),
        only_changed: false,
        settle: Settle::Doubt,
        warm: false,
        refresh_changed: Vec::new(),
        on_empty: OnEmpty::Refuse,
        allow_ephemeral: false,
        always_start: false,
        verify: Verify::Never,
        max_missing: None,
        probe: None,
        lock_timeout: Duration::ZERO,
        needs_shared_lock: false,
        stop_grace: Duration::ZERO,
        stop_signal: Signal::SIGTERM,
        on_exit: None,
        dbt: OsString::new(),
        budget: Budget::default(),
        yes: false,
        approve: None,
        publish: None,
        history: Retention::default(),
        state_mode: None,
        termination_log: PathBuf::new(),
        metrics_file: None,
        events: None,
        progress: ProgressForm::Off,
        log: LogStyle::Json,
        log_level: log::LevelFilter::Off,
        environment,
    }
}

fn set(
    config: &mut Config,
    definition: &Definition<Config>,
    value: &OsStr,
    source: &str,
) -> Result<(), Refusal> {
    (definition.set)(config, value).map_err(|error| {
        let name = definition.doc.name;
        Refusal::new(format!("{source}: {error:#}")).remedy(format!(
            "dbt-entrypoint --help={name}     (explains the option and its values)"
        ))
    })
}

/// A variable that is empty counts as not set: Compose and Kubernetes pass on an unset variable
/// as an empty one, and dbt takes its own variables in the same way.
fn from_variables(config: &mut Config) -> Result<(), Refusal> {
    let environment = config.environment.clone();
    for (key, value) in &environment {
        let key = key.to_string_lossy();
        let Some(rest) = key.strip_prefix(PREFIX) else { continue };
        if key == MANIFEST_VARIABLE || key == EXIT_CODE_VARIABLE || is_service_link(rest) {
            continue;
        }
        let definition = options::of_variable(&key).ok_or_else(|| unknown_variable(&key, rest))?;
        if !value.is_empty() {
            set(config, definition, value, &key)?;
        }
    }
    Ok(())
}

/// Kubernetes gives every pod such variables for a Service, for example for one that is called
/// `dbt-entrypoint` (`enableServiceLinks`): `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_PORT_80_TCP`.
fn is_service_link(rest: &str) -> bool {
    rest == "SERVICE_HOST"
        || rest == "PORT"
        || rest.starts_with("SERVICE_PORT")
        || rest.starts_with("PORT_")
}

fn unknown_variable(variable: &str, rest: &str) -> Refusal {
    let docs = || options::all().map(|definition| &definition.doc);
    let settable = docs().filter(|doc| doc.variable != Variable::None).map(|doc| doc.name);
    let nearest = nearest::nearest(rest, settable);
    let doc = nearest.and_then(|name| docs().find(|doc| doc.name == name));
    let right = doc.map(|doc| match doc.variable {
        Variable::Own | Variable::None => doc.variable().unwrap_or_default(),
        Variable::Instead(assignment) => assignment.to_owned(),
    });
    let right = right.unwrap_or_default();
    Refusal::new(format!("unknown variable {variable}; the nearest that exists is {right}"))
        .meaning(
            "every variable that begins with DBT_ENTRYPOINT_ has to be a setting; nothing was run",
        )
        .remedy(format!("set {right} instead, or remove {variable}"))
        .remedy("dbt-entrypoint --help=all     (lists all options and their variables)")
}

#[cfg(test)]
mod tests;
