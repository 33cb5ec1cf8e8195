//! The only reader of argv and environment: both become one [`Config`].
//!
//! An option wins over its variable, the variable over the default. Our options come
//! first; the first word that is neither ours nor one of our verbs begins dbt's command
//! line, which is handed on verbatim.

mod help;
mod values;
mod verbs;
mod words;

pub use help::{HELP, of_verb};
pub use verbs::{Adoption, Form, Verb};

use crate::decide::forecast::Budget;
use crate::exit::Failure;
use crate::trees::IntoTree;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use values::{
    LEVELS, MODES, ON_EMPTY, STOP_SIGNALS, SWITCH_WORDS, limit, not_empty, one_of, seconds, span,
    terms, text,
};

/// A snapshot of the environment; nobody reads it a second time.
pub type Environment = BTreeMap<OsString, OsString>;

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
    pub only_changed: Switch,
    /// `--on-empty`.
    pub on_empty: OnEmpty,
    /// `--allow-ephemeral`.
    pub allow_ephemeral: Switch,
    /// `--always-start`.
    pub always_start: Switch,
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
    pub yes: Switch,
    /// `--approve`: the hash of the plan that may be built whatever the budget says.
    pub approve: Option<String>,
    /// `--publish`: a command for whenever the baseline has changed.
    pub publish: Option<OsString>,
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

/// How state takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Full on first population, only what changed later.
    Auto,
    /// Everything, and still recorded.
    Full,
    /// dbt alone; the volume is neither read nor written.
    Off,
}

/// What an empty volume means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEmpty {
    /// First population.
    Full,
    /// The warehouse is already populated as the project now stands.
    Adopt,
    /// A volume that was lost.
    Refuse,
}

/// An option that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Asked for.
    On,
    /// The default.
    Off,
}

/// How our own lines look on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStyle {
    /// `dbt-entrypoint: words`.
    Human,
    /// One JSON object a line.
    Json,
}

/// Every option that has a variable: `--NAME` is `DBT_ENTRYPOINT_NAME`.
const OPTIONS: [&str; 21] = [
    "mode",
    "state-dir",
    "only-changed",
    "on-empty",
    "allow-ephemeral",
    "lock-timeout",
    "stop-grace",
    "stop-signal",
    "dbt",
    "always-start",
    "probe",
    "max-rebuild",
    "max-rebuild-time",
    "protect",
    "yes",
    "approve",
    "publish",
    "termination-log",
    "metrics-file",
    "log",
    "log-level",
];

/// Options that take no value; `full` and `no-state` stand for a mode.
const SWITCHES: [&str; 8] = [
    "yes",
    "full",
    "no-state",
    "only-changed",
    "allow-ephemeral",
    "always-start",
    "help",
    "version",
];

/// Options that dbt has too: after dbt's subcommand they are dbt's.
const SHARED_WITH_DBT: [&str; 3] = ["log-level", "help", "version"];

const PREFIX: &str = "DBT_ENTRYPOINT_";

/// The environment of this process, read once.
#[must_use]
pub fn environment() -> Environment {
    environment_in_order().into_tree()
}

/// The same as it stands, for a child that gets it unchanged.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn environment_in_order() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Read argv (without `argv[0]`) and the environment.
///
/// # Errors
/// [`Failure::Usage`] (64) names the word that is wrong and what would be right.
pub fn parse(args: Vec<OsString>, environment: Environment) -> Result<Config, Failure> {
    read(args, environment).map_err(Failure::Usage)
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
        only_changed: Switch::Off,
        on_empty: OnEmpty::Full,
        allow_ephemeral: Switch::Off,
        always_start: Switch::Off,
        probe: None,
        lock_timeout: Duration::from_secs(3600),
        stop_grace: Duration::from_secs(8),
        stop_signal: Signal::SIGINT,
        dbt: OsString::from("dbt"),
        budget: Budget::default(),
        yes: Switch::Off,
        approve: None,
        publish: None,
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
    let ours = OPTIONS.contains(&name) || SWITCHES.contains(&name);
    ours.then(|| parser.next().ok().map(|_| name.to_owned())).flatten()
}

fn from_option(config: &mut Config, name: &str, parser: &mut lexopt::Parser) -> Result<()> {
    if SWITCHES.contains(&name) {
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
        let Some(rest) = key.to_str().and_then(|key| key.strip_prefix(PREFIX)) else { continue };
        let name = rest.to_ascii_lowercase().replace('_', "-");
        if !OPTIONS.contains(&name.as_str()) || variable(&name).as_str() != key.as_os_str() {
            bail!(
                "unknown variable {}; the nearest that exists is {}",
                key.display(),
                nearest(&name).map_or_else(String::new, variable)
            );
        }
        set(config, &name, value).with_context(|| variable(&name))?;
    }
    Ok(())
}

fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.to_ascii_uppercase().replace('-', "_"))
}

fn nearest(name: &str) -> Option<&'static str> {
    OPTIONS.into_iter().min_by_key(|known| strsim::damerau_levenshtein(known, name))
}

fn set(config: &mut Config, name: &str, value: &OsStr) -> Result<()> {
    match name {
        "mode" => config.mode = one_of(value, &MODES)?,
        "state-dir" => config.state_dir = PathBuf::from(not_empty(value)?),
        "only-changed" => config.only_changed = one_of(value, &SWITCH_WORDS)?,
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
mod tests {
    use super::*;

    fn environment_of(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn parsed(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
        let args = args.iter().map(OsString::from).collect();
        parse(args, environment_of(env)).map_err(|failure| failure.to_string())
    }

    fn dbt_words(config: &Config) -> Vec<String> {
        let Verb::Dbt(words) = &config.verb else { panic!("not dbt: {config:?}") };
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn our_options_come_first_and_dbts_words_are_left_alone() {
        let config =
            parsed(&["--full", "--state-dir=/s", "--quiet", "run", "--threads", "4"], &[]).unwrap();
        assert_eq!(config.mode, Mode::Full);
        assert_eq!(config.state_dir, PathBuf::from("/s"));
        assert_eq!(dbt_words(&config), ["--quiet", "run", "--threads", "4"]);
    }

    #[test]
    fn an_option_wins_over_its_variable_and_the_variable_over_the_default() {
        let env = [("DBT_ENTRYPOINT_MODE", "off"), ("DBT_ENTRYPOINT_LOCK_TIMEOUT", "1.5")];
        let config = parsed(&["--mode", "auto", "run"], &env).unwrap();
        assert_eq!((config.mode, config.lock_timeout), (Mode::Auto, Duration::from_millis(1500)));
        assert_eq!(parsed(&["run"], &env).unwrap().mode, Mode::Off);
    }

    #[test]
    fn the_state_directory_falls_back_to_dbt_state_and_then_to_the_root() {
        let state = |env: &[(&str, &str)]| parsed(&["run"], env).unwrap().state_dir;
        assert_eq!(state(&[]), PathBuf::from("/state"));
        assert_eq!(state(&[("DBT_STATE", "/a")]), PathBuf::from("/a"));
        let both = [("DBT_STATE", "/a"), ("DBT_ENTRYPOINT_STATE_DIR", "/b")];
        assert_eq!(state(&both), PathBuf::from("/b"));
    }

    #[test]
    fn a_probe_is_a_command_line_in_one_word() {
        let probe = |env: &[(&str, &str)]| parsed(&["run"], env).unwrap().probe;
        assert_eq!(probe(&[]), None);
        let words = ["psql", "-c", "select 1"].map(OsString::from).into();
        assert_eq!(probe(&[("DBT_ENTRYPOINT_PROBE", "psql -c 'select 1'")]), Some(words));
        assert!(parsed(&["--probe", "", "run"], &[]).is_err());
    }

    #[test]
    fn an_unknown_variable_of_ours_is_an_error_that_names_the_nearest() {
        let error = parsed(&["run"], &[("DBT_ENTRYPOINT_STATEDIR", "/x")]).unwrap_err();
        assert!(error.contains("DBT_ENTRYPOINT_STATE_DIR"), "{error}");
    }

    #[test]
    fn our_option_after_dbts_command_says_where_it_belongs() {
        let error = parsed(&["run", "--full"], &[]).unwrap_err();
        assert!(error.contains("before dbt's command"), "{error}");
        assert!(parsed(&["--", "run", "--full"], &[]).is_ok());
        assert!(parsed(&["run", "--log-level", "debug", "--help"], &[]).is_ok());
    }

    #[test]
    fn help_and_version_before_dbts_word_are_ours_and_after_it_dbts() {
        assert!(matches!(parsed(&["--help"], &[]).unwrap().verb, Verb::Help));
        assert!(matches!(parsed(&["-V"], &[]).unwrap().verb, Verb::Version));
        assert_eq!(dbt_words(&parsed(&["run", "--help"], &[]).unwrap()), ["run", "--help"]);
    }

    #[test]
    fn a_misspelt_value_is_an_error_and_never_the_expensive_branch() {
        for args in [["--mode", "ful"], ["--stop-grace", "-1"], ["--on-empty", ""]] {
            assert!(parsed(&[args[0], args[1], "run"], &[]).is_err(), "{args:?}");
        }
        assert!(parsed(&["run"], &[("DBT_ENTRYPOINT_ONLY_CHANGED", "ja")]).is_err());
        assert!(parsed(&["--full=yes", "run"], &[]).is_err());
    }

    #[test]
    fn no_arguments_teach() {
        assert!(parsed(&[], &[]).unwrap_err().contains("USAGE"));
    }

    #[test]
    fn words_that_are_not_utf8_reach_dbt() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![0xff, 0xfe]);
        let config = parse(vec!["run".into(), odd.clone(), "".into()], Environment::new()).unwrap();
        let Verb::Dbt(words) = config.verb else { panic!() };
        assert_eq!(words, [OsString::from("run"), odd, OsString::new()]);
    }
}
