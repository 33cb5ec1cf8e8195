//! How our own lines look, and which of them go where.

/// `--log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStyle {
    /// `dbt-entrypoint: words`.
    Human,
    /// One JSON object a line.
    Json,
}

/// The log target of a line that is a JSON object already.
pub(crate) const OBJECT: &str = "object";

/// The log target of a line of the terminal that the next line replaces.
pub(crate) const STAYING: &str = "staying";

/// The log target of an event, as a JSON object for `--events`. It is no line of the log.
pub(crate) const EVENT: &str = "event";
