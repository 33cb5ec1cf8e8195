//! Our own lines on standard error: never a reason to die, to hang or to disturb the child.

use crate::log_style::{LogStyle, VERBATIM};
use log::LevelFilter;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;

/// How long a reader that does not read may hold us up, once.
const PATIENCE: u16 = 1000;

/// Standard error as the log's target.
///
/// * A full pipe that nobody reads costs lines, not the service: a supervisor that hangs in a
///   `write` forwards nothing.
/// * A broken one costs lines too (the PIPE that it raises at us is not forwarded).
/// * All signals are blocked here, TTOU among them, so `stty tostop` does not suspend the job.
#[derive(Debug)]
struct Stderr {
    stuck: bool,
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let patience = if self.stuck { PollTimeout::ZERO } else { PollTimeout::from(PATIENCE) };
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        self.stuck = matches!(poll(&mut fds, patience), Ok(0));
        if self.stuck {
            return Ok(bytes.len());
        }
        // A pipe that polls as writable takes a whole page; a longer line is written in parts.
        let part = bytes.get(..4096).unwrap_or(bytes);
        match nix::unistd::write(&stderr, part) {
            Ok(written) => Ok(written),
            // Closed, or a pipe whose reader is gone: nobody is there to be told.
            Err(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Send the log to standard error; the first call counts.
pub fn start_log(style: LogStyle, level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).target(env_logger::Target::Pipe(Box::new(Stderr { stuck: false })));
    builder.format(move |out, record| writeln!(out, "{}", line(style, record)));
    // Failing means that there is a log already.
    let _ = builder.try_init();
}

fn line(style: LogStyle, record: &log::Record<'_>) -> String {
    let message = record.args().to_string();
    let level = record.level().as_str().to_ascii_lowercase();
    match (style, record.level()) {
        (LogStyle::Json, _) if record.target() == VERBATIM => message,
        (LogStyle::Json, _) => {
            serde_json::json!({ "level": level, "message": message }).to_string()
        }
        (LogStyle::Human, log::Level::Info) => format!("dbt-entrypoint: {}", plain(&message)),
        (LogStyle::Human, _) => format!("dbt-entrypoint: {level}: {}", plain(&message)),
    }
}

/// Names out of dbt's files may hold control characters; a terminal would obey them.
fn plain(message: &str) -> String {
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
    fn a_line_names_us_and_what_is_not_plain_information() {
        let human = |level, message| line_of(LogStyle::Human, level, message);
        assert_eq!(human(log::Level::Info, "3 nodes"), "dbt-entrypoint: 3 nodes");
        assert_eq!(human(log::Level::Error, "no"), "dbt-entrypoint: error: no");
        assert_eq!(human(log::Level::Info, "a\x1b[2J\nb"), "dbt-entrypoint: a\\u{1b}[2J\nb");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let json = line_of(LogStyle::Json, log::Level::Warn, "say \"a\"\nb");
        assert_eq!(json, r#"{"level":"warn","message":"say \"a\"\nb"}"#);
    }
}
