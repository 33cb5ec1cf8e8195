//! dbt's variables, and the options and flags that have one.

use crate::environment::Environment;
use crate::trees::IntoTree;
use std::ffi::{OsStr, OsString};

/// Options with a value that we read.
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
    /// `--vars`, which has no variable.
    Vars,
    /// `--exclude`, which has no variable: the first word of the last one.
    Exclude,
    /// `--state`, `DBT_STATE`.
    State,
    /// `--defer-state`, `DBT_DEFER_STATE`.
    DeferState,
    /// `--indirect-selection`, `DBT_INDIRECT_SELECTION`.
    IndirectSelection,
    /// `--partial-parse-file-path`, `DBT_PARTIAL_PARSE_FILE_PATH`.
    PartialParseFilePath,
    /// `--sample`, `DBT_SAMPLE` (1.10 and later).
    Sample,
    /// `--event-time-start`, `DBT_EVENT_TIME_START` (1.9 and later).
    EventTimeStart,
    /// `--event-time-end`, `DBT_EVENT_TIME_END` (1.9 and later).
    EventTimeEnd,
    /// `--inline`, which has no variable and no place in a command that builds.
    Inline,
}

/// Flags that we read; `--no-X` is `Some(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// `--partial-parse`, `DBT_PARTIAL_PARSE`.
    PartialParse,
    /// `--full-refresh`, `-f`, `DBT_FULL_REFRESH`.
    FullRefresh,
    /// `--write-json`, `DBT_WRITE_JSON`.
    WriteJson,
    /// `--warn-error`, `DBT_WARN_ERROR`.
    WarnError,
    /// `--empty`, `DBT_EMPTY` (not in v2).
    Empty,
    /// `--defer`, `DBT_DEFER`, and the older `DBT_DEFER_TO_STATE`, which wins over both.
    Defer,
}

/// DbtVariables that give dbt a state directory. dbt v1 lets the oldest of them win even over
/// `--state` (dbt/cli/flags.py, `DEPRECATED_PARAMS`): a run with a `--state` of ours must
/// have none of them in its environment.
pub const STATE_VARIABLES: [&str; 4] =
    ["DBT_ENGINE_STATE", "DBT_STATE", "DBT_ENGINE_ARTIFACT_STATE_PATH", "DBT_ARTIFACT_STATE_PATH"];

impl Opt {
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
            Self::Vars => "vars",
            Self::Exclude => "exclude",
            Self::State => "state",
            Self::DeferState => "defer-state",
            Self::IndirectSelection => "indirect-selection",
            Self::PartialParseFilePath => "partial-parse-file-path",
            Self::Sample => "sample",
            Self::EventTimeStart => "event-time-start",
            Self::EventTimeEnd => "event-time-end",
            Self::Inline => "inline",
        }
    }

    /// The end of the variable's name, if it has one.
    pub(super) fn variable(self) -> Option<&'static str> {
        match self {
            Self::Vars | Self::Exclude | Self::Inline => None,
            Self::ProjectDir => Some("PROJECT_DIR"),
            Self::ProfilesDir => Some("PROFILES_DIR"),
            Self::Profile => Some("PROFILE"),
            Self::Target => Some("TARGET"),
            Self::TargetPath => Some("TARGET_PATH"),
            Self::LogPath => Some("LOG_PATH"),
            Self::LogFormatFile => Some("LOG_FORMAT_FILE"),
            Self::LogLevelFile => Some("LOG_LEVEL_FILE"),
            Self::State => Some("STATE"),
            Self::DeferState => Some("DEFER_STATE"),
            Self::IndirectSelection => Some("INDIRECT_SELECTION"),
            Self::PartialParseFilePath => Some("PARTIAL_PARSE_FILE_PATH"),
            Self::Sample => Some("SAMPLE"),
            Self::EventTimeStart => Some("EVENT_TIME_START"),
            Self::EventTimeEnd => Some("EVENT_TIME_END"),
        }
    }
}

impl Flag {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PartialParse => "partial-parse",
            Self::FullRefresh => "full-refresh",
            Self::WriteJson => "write-json",
            Self::WarnError => "warn-error",
            Self::Empty => "empty",
            Self::Defer => "defer",
        }
    }

    /// The end of the variable's name.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::PartialParse => "PARTIAL_PARSE",
            Self::FullRefresh => "FULL_REFRESH",
            Self::WriteJson => "WRITE_JSON",
            Self::WarnError => "WARN_ERROR",
            Self::Empty => "EMPTY",
            Self::Defer => "DEFER",
        }
    }

    /// The end of the name of an older variable, which wins even over the command line.
    pub(super) fn deprecated_variable(self) -> Option<&'static str> {
        (self == Self::Defer).then_some("DEFER_TO_STATE")
    }
}

/// The part of the environment that begins with `DBT_`.
#[derive(Debug, Clone, Default)]
pub(super) struct DbtVariables(Environment);

impl DbtVariables {
    pub(super) fn of(environment: &Environment) -> Self {
        let ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"DBT_");
        let pairs = environment.iter().filter(|(name, _)| ours(name));
        Self(pairs.map(|(name, value)| (name.clone(), value.clone())).into_tree())
    }

    /// `DBT_ENGINE_NAME`, else `DBT_NAME`; click takes an empty one for unset.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        ["DBT_ENGINE_", "DBT_"].iter().find_map(|prefix| {
            let value = self.0.get(OsStr::new(&format!("{prefix}{name}")))?;
            (!value.is_empty()).then_some(value.as_os_str())
        })
    }

    /// The words of click and clap for yes and no; dbt refuses to start with any other.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let value = self.get(name)?.to_str()?.trim().to_ascii_lowercase();
        match value.as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
            "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
            _ => None,
        }
    }
}
