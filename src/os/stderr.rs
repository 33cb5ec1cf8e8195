//! Writes the log of this program to standard error. The log must never end, block or disturb the
//! process that is supervised.

use crate::log_style::{LogStyle, VERBATIM};
use log::LevelFilter;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;

/// How long to wait once for a full pipe, in milliseconds.
const PATIENCE: u16 = 1000;

/// Standard error as the target of the log.
///
/// * If nobody reads a full pipe, lines are dropped: a supervisor that blocks in write(2) would
///   forward no signals.
/// * If the pipe is broken, lines are dropped too. The PIPE signal that the write raises is not
///   forwarded to the child.
/// * All signals are blocked in this process, including TTOU, so `stty tostop` does not suspend it.
#[derive(Debug)]
struct Stderr {
    /// Whether the last line was dropped because the pipe was full.
    is_stuck: bool,
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let patience = if self.is_stuck { PollTimeout::ZERO } else { PollTimeout::from(PATIENCE) };
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        self.is_stuck = matches!(poll(&mut fds, patience), Ok(0));
        if self.is_stuck {
            return Ok(bytes.len());
        }
        // A pipe that is writable has room for a page (pipe(7)); longer lines are written in parts.
        let part = bytes.get(..4096).unwrap_or(bytes);
        match nix::unistd::write(&stderr, part) {
            Ok(written) => Ok(written),
            // Standard error is closed, or the reader of the pipe is gone.
            Err(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Send the log to standard error. Only the first call has an effect.
pub fn start_log(style: LogStyle, level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(level)
        .target(env_logger::Target::Pipe(Box::new(Stderr { is_stuck: false })));
    builder.format(move |out, record| writeln!(out, "{}", line(style, record)));
    // An error means that the log has been started already.
    let _ = builder.try_init();
}

/// A log record as one line, without the line break.
fn line(style: LogStyle, record: &log::Record<'_>) -> String {
    let message = record.args().to_string();
    let level = record.level().as_str().to_ascii_lowercase();
    match (style, record.level()) {
        (LogStyle::Json, _) if record.target() == VERBATIM => message,
        (LogStyle::Json, _) => {
            serde_json::json!({ "level": level, "message": message }).to_string()
        }
        (LogStyle::Human, log::Level::Info) => {
            format!("dbt-entrypoint: {}", without_control_characters(&message))
        }
        (LogStyle::Human, _) => {
            format!("dbt-entrypoint: {level}: {}", without_control_characters(&message))
        }
    }
}

/// The message with its control characters escaped. Names from dbt's files may contain some, which a
/// terminal would execute.
fn without_control_characters(message: &str) -> String {
    let escape = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let shown = |c: char| if escape(c) { c.escape_default().to_string() } else { c.to_string() };
    message.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(style: LogStyle, level: log::Level, message: &str) -> String {
        let args = format_args!("{message}").to_string();
        line(style, &log::Record::builder().level(level).args(format_args!("{args}")).build())
    }

    #[test]
    fn a_line_begins_with_the_program_and_the_level_unless_it_is_info() {
        let human = |level, message| line_of(LogStyle::Human, level, message);
        assert_eq!(human(log::Level::Info, "3 nodes"), "dbt-entrypoint: 3 nodes");
        assert_eq!(human(log::Level::Error, "no"), "dbt-entrypoint: error: no");
        assert_eq!(human(log::Level::Info, "a\x1b[2J\nb"), "dbt-entrypoint: a\\u{1b}[2J\nb");
    }

    #[test]
    fn json_has_one_object_per_line() {
        let json = line_of(LogStyle::Json, log::Level::Warn, "say \"a\"\nb");
        assert_eq!(json, r#"{"level":"warn","message":"say \"a\"\nb"}"#);
    }
}
