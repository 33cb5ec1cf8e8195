//! How our own lines look on standard error.

/// `--log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStyle {
    /// `dbt-entrypoint: words`.
    Human,
    /// One JSON object a line.
    Json,
}

/// The log target of a line that is already written as the style wants it.
pub(crate) const VERBATIM: &str = "verbatim";
