//! Which log of dbt's is the journal of a run, and the options by which dbt writes it there.

use super::open::Access;
use crate::dbt::command::Opt;
use crate::dbt::engine::LogForm;
use crate::session::Session;
use std::ffi::OsString;
use std::path::Path;

/// The form in which dbt's log can be the journal of a run: `None` where the user wants the log
/// elsewhere or in another form, where this dbt's log does not tell when a node begins and ends, or
/// where no file of the volume can grow.
pub(super) fn journal_form(session: &Session, access: &Access) -> Option<LogForm> {
    let Session { command, engine, .. } = session;
    let is_the_users = |form: &LogForm| match form {
        LogForm::Events => [Opt::LogPath, Opt::LogFormatFile, Opt::LogLevelFile]
            .iter()
            .any(|option| command.gives(*option)),
        LogForm::Spans => {
            command.gives(Opt::LogLevelFile) || command.value(Opt::OtelFileName).is_some()
        }
    };
    engine.journal().filter(|form| access.takes_logs() && !is_the_users(form))
}

/// The options that make dbt's log JSON lines of this level in a file of this directory, which is
/// rotated at this size; 0 for never.
pub(super) fn log_options(level: &str, max_bytes: &str, directory: &Path) -> Vec<OsString> {
    let words =
        ["--log-format-file", "json", "--log-level-file", level, "--log-file-max-bytes", max_bytes];
    let mut all: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    all.extend(["--log-path".into(), directory.into()]);
    all
}

/// The options that make dbt 2 write its spans into this file. Its log stays where the user has it;
/// below `info` the spans would not tell of the nodes.
pub(super) fn span_options(session: &Session, spans: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["--otel-file-name".into(), spans.into()];
    let level = session.command.value(Opt::LogLevelFile);
    if !level.is_some_and(|level| level == "debug" || level == "trace") {
        all.extend(["--log-level-file", "info"].map(OsString::from));
    }
    all
}
