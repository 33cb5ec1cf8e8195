//! The options and flags of dbt that this program reads, and the environment variables that stand
//! for them.

use crate::environment::Environment;
use crate::trees::IntoTree;
use std::ffi::{OsStr, OsString};

/// The options with a value that this program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opt {
    /// `--project-dir`, `DBT_PROJECT_DIR`.
    ProjectDir,
    /// `--profiles-dir`, `DBT_PROFILES_DIR`.
    ProfilesDir,
    /// `--profile`, `DBT_PROFILE`.
    Profile,
    /// `--target`, `-t`, `DBT_TARGET`.
    Target,
    /// `--target-path`, `DBT_TARGET_PATH`.
    TargetPath,
    /// `--log-path`, `DBT_LOG_PATH`.
    LogPath,
    /// `--log-format-file`, `DBT_LOG_FORMAT_FILE`.
    LogFormatFile,
    /// `--log-level-file`, `DBT_LOG_LEVEL_FILE`.
    LogLevelFile,
    /// `--otel-file-name`, `DBT_OTEL_FILE_NAME` (v2).
    OtelFileName,
    /// `--threads`, which has no variable.
    Threads,
    /// `--vars`, which has no variable.
    Vars,
    /// `--state`. Of its variables none reaches dbt.
    State,
    /// `--defer-state`, `DBT_DEFER_STATE`.
    DeferState,
    /// `--sample`, `DBT_SAMPLE` (1.10 and later).
    Sample,
    /// `--event-time-start`, `DBT_EVENT_TIME_START` (1.9 and later).
    EventTimeStart,
    /// `--event-time-end`, `DBT_EVENT_TIME_END` (1.9 and later).
    EventTimeEnd,
    /// `--inline`, which has no variable. No command that builds accepts it.
    Inline,
}

/// The flags that this program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// `--full-refresh`, `-f`, `DBT_FULL_REFRESH`.
    FullRefresh,
    /// `--empty`, `DBT_EMPTY` (not in v2).
    Empty,
    /// `--use-v2-parser`, `DBT_ENGINE_USE_V2_PARSER` (1.12 and later, not in v2).
    UseV2Parser,
    /// `--manage-state`, `DBT_ENGINE_MANAGE_STATE` (1.13 and later, v2).
    ManageState,
    /// `--dirty`, `DBT_DIRTY` (v2).
    Dirty,
    /// `--single-threaded`, `DBT_SINGLE_THREADED`.
    SingleThreaded,
    /// `--defer`, `DBT_DEFER`, and the deprecated `DBT_DEFER_TO_STATE`, which overrides both.
    Defer,
}

/// The variables that give dbt a state directory. In dbt v1 the oldest of them overrides even
/// `--state` (dbt/cli/flags.py, `DEPRECATED_PARAMS`), so the environment of a run to which this
/// program gives a `--state` must contain none of them.
pub const STATE_VARIABLES: [&str; 4] =
    ["DBT_ENGINE_STATE", "DBT_STATE", "DBT_ENGINE_ARTIFACT_STATE_PATH", "DBT_ARTIFACT_STATE_PATH"];

impl Opt {
    /// The name of the option without its dashes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ProjectDir => "project-dir",
            Self::ProfilesDir => "profiles-dir",
            Self::Profile => "profile",
            Self::Target => "target",
            Self::TargetPath => "target-path",
            Self::LogPath => "log-path",
            Self::LogFormatFile => "log-format-file",
            Self::LogLevelFile => "log-level-file",
            Self::OtelFileName => "otel-file-name",
            Self::Threads => "threads",
            Self::Vars => "vars",
            Self::State => "state",
            Self::DeferState => "defer-state",
            Self::Sample => "sample",
            Self::EventTimeStart => "event-time-start",
            Self::EventTimeEnd => "event-time-end",
            Self::Inline => "inline",
        }
    }

    /// The name of its variable after `DBT_` or `DBT_ENGINE_`; `None` if it has none.
    pub(super) fn variable(self) -> Option<&'static str> {
        match self {
            Self::Threads | Self::Vars | Self::Inline | Self::State => None,
            Self::ProjectDir => Some("PROJECT_DIR"),
            Self::ProfilesDir => Some("PROFILES_DIR"),
            Self::Profile => Some("PROFILE"),
            Self::Target => Some("TARGET"),
            Self::TargetPath => Some("TARGET_PATH"),
            Self::LogPath => Some("LOG_PATH"),
            Self::LogFormatFile => Some("LOG_FORMAT_FILE"),
            Self::LogLevelFile => Some("LOG_LEVEL_FILE"),
            Self::OtelFileName => Some("OTEL_FILE_NAME"),
            Self::DeferState => Some("DEFER_STATE"),
            Self::Sample => Some("SAMPLE"),
            Self::EventTimeStart => Some("EVENT_TIME_START"),
            Self::EventTimeEnd => Some("EVENT_TIME_END"),
        }
    }
}

impl Flag {
    /// The name of the flag without its dashes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FullRefresh => "full-refresh",
            Self::Empty => "empty",
            Self::UseV2Parser => "use-v2-parser",
            Self::ManageState => "manage-state",
            Self::Dirty => "dirty",
            Self::SingleThreaded => "single-threaded",
            Self::Defer => "defer",
        }
    }

    /// Whether dbt does not know the variable with the older prefix, `DBT_`. All options that came
    /// with 1.12 or later are like that.
    pub(super) fn has_newer_variable_only(self) -> bool {
        matches!(self, Self::UseV2Parser | Self::ManageState)
    }

    /// The name of its variable after `DBT_` or `DBT_ENGINE_`.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::FullRefresh => "FULL_REFRESH",
            Self::Empty => "EMPTY",
            Self::UseV2Parser => "USE_V2_PARSER",
            Self::ManageState => "MANAGE_STATE",
            Self::Dirty => "DIRTY",
            Self::SingleThreaded => "SINGLE_THREADED",
            Self::Defer => "DEFER",
        }
    }

    /// The name, after `DBT_`, of a deprecated variable that overrides even the command line.
    pub(super) fn deprecated_variable(self) -> Option<&'static str> {
        (self == Self::Defer).then_some("DEFER_TO_STATE")
    }
}

/// The variables of the environment whose names begin with `DBT_`.
#[derive(Debug, Clone, Default)]
pub(super) struct DbtVariables(Environment);

impl DbtVariables {
    pub(super) fn from_environment(environment: &Environment) -> Self {
        let is_dbt = |name: &OsString| name.as_encoded_bytes().starts_with(b"DBT_");
        let pairs = environment.iter().filter(|(name, _)| is_dbt(name));
        Self(pairs.map(|(name, value)| (name.clone(), value.clone())).into_tree())
    }

    /// The value of `DBT_ENGINE_NAME`, otherwise of `DBT_NAME`. An empty variable counts as unset,
    /// as for click.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        ["DBT_ENGINE_", "DBT_"].iter().find_map(|prefix| {
            let value = self.0.get(OsStr::new(&format!("{prefix}{name}")))?;
            (!value.is_empty()).then_some(value.as_os_str())
        })
    }

    /// The value of a variable that is a boolean, in the spellings that click and clap accept.
    /// `None` if it is unset or has another value, with which dbt refuses to start.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        boolean(self.get(name)?)
    }

    /// The same for a variable that has no older name.
    pub(super) fn engine_flag(&self, name: &str) -> Option<bool> {
        boolean(self.0.get(OsStr::new(&format!("DBT_ENGINE_{name}")))?)
    }
}

fn boolean(value: &OsStr) -> Option<bool> {
    match value.to_str()?.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}
