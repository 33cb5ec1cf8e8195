//! The only reader of argv and environment: both become one [`Config`].
//!
//! An option wins over its variable, the variable over the default. Our options come
//! first; the first word that is neither ours nor one of our verbs begins dbt's command
//! line, which is handed on verbatim.

mod help;
pub mod options;
mod values;
mod verbs;
mod words;

pub use help::{help, of_verb};
pub use verbs::{Adoption, Form, Verb};

use crate::decide::budget::Budget;
use crate::decide::retention::Retention;
use crate::decide::start::{Mode, OnEmpty};
use crate::environment::Environment;
use crate::exit::Failure;
use crate::log_style::LogStyle;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use values::{
    LEVELS, MODES, ON_EMPTY, STOP_SIGNALS, SWITCH_WORDS, bytes, kinds, limit, not_empty, one_of,
    seconds, span, terms, text, whole,
};

/// Everything that was asked for, defaults included.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to do.
    pub verb: Verb,
    /// `--mode`.
    pub mode: Mode,
    /// `--state-dir`; may be relative to the working directory.
    pub state_dir: PathBuf,
    /// `--only-changed`.
    pub only_changed: bool,
    /// `--refresh-changed`: materializations.
    pub refresh_changed: Vec<String>,
    /// `--on-empty`.
    pub on_empty: OnEmpty,
    /// `--allow-ephemeral`.
    pub allow_ephemeral: bool,
    /// `--always-start`.
    pub always_start: bool,
    /// `--probe`: a program and its words; its failure means that what was built is gone.
    pub probe: Option<Vec<OsString>>,
    /// `--lock-timeout`.
    pub lock_timeout: Duration,
    /// `--stop-grace`.
    pub stop_grace: Duration,
    /// `--stop-signal`.
    pub stop_signal: Signal,
    /// `--dbt`.
    pub dbt: OsString,
    /// `--max-rebuild`, `--max-rebuild-time`, `--protect`.
    pub budget: Budget,
    /// `--yes`: whatever the budget says.
    pub yes: bool,
    /// `--approve`: the hash of the plan that may be built whatever the budget says.
    pub approve: Option<String>,
    /// `--publish`: a command for whenever the baseline has changed.
    pub publish: Option<OsString>,
    /// `--history`, `--history-bytes`.
    pub history: Retention,
    /// `--termination-log`.
    pub termination_log: PathBuf,
    /// `--metrics-file`.
    pub metrics_file: Option<PathBuf>,
    /// `--log`.
    pub log: LogStyle,
    /// `--log-level`.
    pub log_level: log::LevelFilter,
    /// The environment as it was at the start.
    pub environment: Environment,
}

/// Read argv (without `argv[0]`) and the environment.
///
/// # Errors
/// [`Failure::usage`] (64) names the word that is wrong and what would be right.
pub fn parse(args: Vec<OsString>, environment: Environment) -> Result<Config, Failure> {
    read(args, environment).map_err(Failure::usage)
}

fn read(args: Vec<OsString>, environment: Environment) -> Result<Config> {
    let mut config = defaults(environment);
    from_variables(&mut config)?;
    let mut parser = lexopt::Parser::from_args(args);
    parser.set_short_equals(false);
    while let Some(option) = our_next_option(&mut parser) {
        match option.as_str() {
            "help" => return Ok(Config { verb: Verb::Help, ..config }),
            "version" => return Ok(Config { verb: Verb::Version, ..config }),
            _ => from_option(&mut config, &option, &mut parser)?,
        }
    }
    config.verb = verbs::verb(parser.raw_args()?.collect())?;
    Ok(config)
}

fn defaults(environment: Environment) -> Config {
    let given = |name| environment.get(OsStr::new(name)).filter(|dir| !dir.is_empty());
    let state_dir = given("DBT_ENGINE_STATE").or_else(|| given("DBT_STATE"));
    Config {
        verb: Verb::Help,
        mode: Mode::Auto,
        state_dir: state_dir.map_or_else(|| PathBuf::from("/state"), PathBuf::from),
        only_changed: false,
        refresh_changed: Vec::new(),
        on_empty: OnEmpty::Full,
        allow_ephemeral: false,
        always_start: false,
        probe: None,
        lock_timeout: Duration::from_secs(3600),
        stop_grace: Duration::from_secs(8),
        stop_signal: Signal::SIGINT,
        dbt: OsString::from("dbt"),
        budget: Budget::default(),
        yes: false,
        approve: None,
        publish: None,
        history: Retention::default(),
        termination_log: PathBuf::from("/dev/termination-log"),
        metrics_file: None,
        log: LogStyle::Human,
        log_level: log::LevelFilter::Info,
        environment,
    }
}

/// The next word if it is an option of ours, by its name; dbt's words are left alone.
fn our_next_option(parser: &mut lexopt::Parser) -> Option<String> {
    let word = parser.try_raw_args()?.peek()?.to_str()?.to_owned();
    let name = match word.as_str() {
        "-h" => "help",
        "-V" => "version",
        long => long.strip_prefix("--")?.split('=').next()?,
    };
    options::named(name)?;
    parser.next().ok().map(|_| name.to_owned())
}

fn from_option(config: &mut Config, name: &str, parser: &mut lexopt::Parser) -> Result<()> {
    if options::named(name).is_some_and(options::Row::is_switch) {
        if let Some(value) = parser.optional_value() {
            bail!("--{name} takes no value, but was given {}", value.display());
        }
        return match name {
            "full" => set(config, "mode", OsStr::new("full")),
            "no-state" => set(config, "mode", OsStr::new("off")),
            _ => set(config, name, OsStr::new("yes")),
        };
    }
    let value = parser.value().with_context(|| format!("--{name} needs a value"))?;
    set(config, name, &value).with_context(|| format!("--{name}"))
}

fn from_variables(config: &mut Config) -> Result<()> {
    let environment = config.environment.clone();
    for (key, value) in &environment {
        let Some(rest) = key.to_str().and_then(|key| key.strip_prefix(options::PREFIX)) else {
            continue;
        };
        let variable = format!("{}{rest}", options::PREFIX);
        let Some(row) = options::of_variable(&variable) else {
            let name = rest.to_ascii_lowercase().replace('_', "-");
            let nearest = options::nearest(&name).and_then(options::Row::variable);
            bail!(
                "unknown variable {variable}; the nearest that exists is {}",
                nearest.unwrap_or_default()
            );
        };
        set(config, row.name, value).with_context(|| variable.clone())?;
    }
    Ok(())
}

fn set(config: &mut Config, name: &str, value: &OsStr) -> Result<()> {
    match name {
        "mode" => config.mode = one_of(value, &MODES)?,
        "state-dir" => config.state_dir = PathBuf::from(not_empty(value)?),
        "only-changed" => config.only_changed = one_of(value, &SWITCH_WORDS)?,
        "refresh-changed" => config.refresh_changed = kinds(value)?,
        "on-empty" => config.on_empty = one_of(value, &ON_EMPTY)?,
        "allow-ephemeral" => config.allow_ephemeral = one_of(value, &SWITCH_WORDS)?,
        "always-start" => config.always_start = one_of(value, &SWITCH_WORDS)?,
        "probe" => config.probe = Some(words::split(&value.to_string_lossy())?),
        "lock-timeout" => config.lock_timeout = seconds(value)?,
        "stop-grace" => config.stop_grace = seconds(value)?,
        "stop-signal" => config.stop_signal = one_of(value, &STOP_SIGNALS)?,
        "dbt" => config.dbt = not_empty(value)?.to_owned(),
        "max-rebuild" => config.budget.nodes = Some(limit(value)?),
        "max-rebuild-time" => config.budget.seconds = Some(span(value)?.as_secs_f64()),
        "protect" => config.budget.protected = terms(value)?,
        "yes" => config.yes = one_of(value, &SWITCH_WORDS)?,
        "approve" => config.approve = Some(text(value)?.to_owned()),
        "publish" => config.publish = Some(not_empty(value)?.to_owned()),
        "history" => config.history.number = whole(value)?,
        "history-bytes" => config.history.bytes = bytes(value)?,
        "termination-log" => config.termination_log = PathBuf::from(not_empty(value)?),
        "metrics-file" => config.metrics_file = Some(PathBuf::from(not_empty(value)?)),
        "log" => {
            config.log = one_of(value, &[("human", LogStyle::Human), ("json", LogStyle::Json)])?
        }
        "log-level" => config.log_level = one_of(value, &LEVELS)?,
        _ => bail!("no such option"),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
