//! Writes the log of this program to standard error. The log must never end, block or disturb the
//! process that is supervised.

use super::events::EventStream;
use super::{clock, patience, random};
use crate::log_style::{EVENT, LogStyle, OBJECT, STAYING};
use log::{LevelFilter, Metadata, Record};
use nix::errno::Errno;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// How long to wait once for a full pipe.
const PATIENCE: Duration = Duration::from_secs(1);

/// Standard error as the target of the log.
///
/// * If nobody reads a full pipe, lines are dropped: a supervisor that blocks in write(2) would
///   forward no signals.
/// * If the pipe is broken, lines are dropped too. The PIPE signal that the write raises is not
///   forwarded to the child.
/// * All signals are blocked in this process, including TTOU, so `stty tostop` does not suspend it.
#[derive(Debug, Default)]
struct Stderr {
    /// Whether the last line was dropped because the pipe was full.
    is_stuck: bool,
    /// Whether the last line is one that the next line replaces.
    has_staying_line: bool,
}

/// To the begin of the line, and what erases the rest of it.
const RETURN: &str = "\r";
const ERASE: &str = "\x1b[K";

impl Stderr {
    /// Whether the line that stays has to be erased before these bytes.
    fn is_replaced_by(&mut self, bytes: &[u8]) -> bool {
        // No other line begins so: control characters are escaped.
        let stays = bytes.starts_with(RETURN.as_bytes());
        std::mem::replace(&mut self.has_staying_line, stays) && !stays
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_replaced_by(bytes) {
            let erased = [RETURN, ERASE].concat();
            patience::write_part(io::stderr(), erased.as_bytes(), Duration::ZERO).ok();
        }
        let patience = if self.is_stuck { Duration::ZERO } else { PATIENCE };
        let written = patience::write_part(io::stderr(), bytes, patience);
        self.is_stuck = written == Err(Errno::EAGAIN);
        // It may also be closed, or the reader of the pipe may be gone.
        Ok(written.unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the log is to be.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings<'a> {
    /// How a line looks.
    pub style: LogStyle,
    /// Which lines are written.
    pub level: LevelFilter,
    /// Where events go, for `-` to standard output; nowhere if `None`.
    pub events: Option<&'a Path>,
}

impl LogSettings<'_> {
    /// For whatever has to be said before the settings are known.
    pub const EARLY: Self = Self { style: LogStyle::Human, level: LevelFilter::Info, events: None };
}

/// Lines for standard error, and events.
struct Logger {
    lines: env_logger::Logger,
    events: Option<EventStream>,
    run: String,
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target() == EVENT {
            true => self.events.is_some(),
            false => self.lines.enabled(metadata),
        }
    }

    fn log(&self, record: &Record<'_>) {
        match (record.target() == EVENT, &self.events) {
            (true, Some(events)) => {
                let object = stamped(&self.run, &clock::timestamp(), &record.args().to_string());
                events.write(&object);
            }
            (true, None) => {}
            (false, _) => self.lines.log(record),
        }
    }

    fn flush(&self) {}
}

/// Send the log to standard error, and events where they are to go. Only the first call has an effect.
pub fn start_log(settings: LogSettings<'_>) {
    let LogSettings { style, level, events } = settings;
    let run = random::run_id();
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).target(env_logger::Target::Pipe(Box::new(Stderr::default())));
    let id = run.clone();
    builder.format(move |out, record| {
        if record.target() == STAYING {
            return write!(out, "{RETURN}{}{ERASE}", record.args());
        }
        writeln!(out, "{}", line(style, &id, &clock::timestamp(), record))
    });
    let (stream, why) = match events.map(EventStream::open).transpose() {
        Ok(stream) => (stream, None),
        Err(why) => (None, Some(why)),
    };
    let most = if stream.is_some() { level.max(LevelFilter::Info) } else { level };
    let logger = Logger { lines: builder.build(), events: stream, run };
    // An error means that the log has been started already.
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(most);
    }
    if let (Some(path), Some(why)) = (events, why) {
        log::warn!("no events are written to {}: {why}", path.display());
    }
}

/// A log record as one line, without the line break.
fn line(style: LogStyle, run: &str, time: &str, record: &Record<'_>) -> String {
    let message = record.args().to_string();
    let level = record.level().as_str().to_ascii_lowercase();
    match (style, record.level()) {
        (LogStyle::Json, _) if record.target() == OBJECT => stamped(run, time, &message),
        (LogStyle::Json, _) => {
            let object = serde_json::json!({ "level": level, "message": message });
            stamped(run, time, &object.to_string())
        }
        (LogStyle::Human, log::Level::Info) => {
            format!("dbt-entrypoint: {}", without_control_characters(&message))
        }
        (LogStyle::Human, _) => {
            format!("dbt-entrypoint: {level}: {}", without_control_characters(&message))
        }
    }
}

/// A JSON object, with the time and the id of this process put first.
fn stamped(run: &str, time: &str, object: &str) -> String {
    let rest = object.strip_prefix('{').unwrap_or(object);
    format!(r#"{{"time":"{time}","run_id":"{run}",{rest}"#)
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
        let (run, time) = ("5f", "2026-11-23T16:24:05.000000Z");
        let mut record = Record::builder();
        line(style, run, time, &record.level(level).args(format_args!("{message}")).build())
    }

    #[test]
    fn a_line_begins_with_the_program_and_the_level_unless_it_is_info() {
        let human = |level, message| line_of(LogStyle::Human, level, message);
        assert_eq!(human(log::Level::Info, "3 nodes"), "dbt-entrypoint: 3 nodes");
        assert_eq!(human(log::Level::Error, "no"), "dbt-entrypoint: error: no");
        assert_eq!(human(log::Level::Info, "a\x1b[2J\nb"), "dbt-entrypoint: a\\u{1b}[2J\nb");
    }

    #[test]
    fn a_line_that_stays_is_erased_before_another_line() {
        let mut stderr = Stderr::default();
        let lines = ["a\n", "\r1 of 2", "\r2 of 2", "b\n", "c\n", "\r3 of 3", "d\n"];
        let erased = lines.map(|line| stderr.is_replaced_by(line.as_bytes()));
        assert_eq!(erased, [false, false, false, true, false, false, true]);
    }

    #[test]
    fn json_has_one_object_per_line() {
        let json = line_of(LogStyle::Json, log::Level::Warn, "say \"a\"\nb");
        assert_eq!(
            json,
            r#"{"time":"2026-11-23T16:24:05.000000Z","run_id":"5f","level":"warn","message":"say \"a\"\nb"}"#
        );
    }
}
