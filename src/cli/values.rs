//! What the values of options mean; whatever is not understood is an error.

use crate::dbt::manifest::KEEPS_ROWS;
use crate::decide::budget::Limit;
use crate::decide::start::{Mode, OnEmpty};
use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::time::Duration;

pub(super) const MODES: [(&str, Mode); 3] =
    [("auto", Mode::Auto), ("full", Mode::Full), ("off", Mode::Off)];

pub(super) const ON_EMPTY: [(&str, OnEmpty); 3] =
    [("full", OnEmpty::Full), ("adopt", OnEmpty::Adopt), ("refuse", OnEmpty::Refuse)];

pub(super) const STOP_SIGNALS: [(&str, Signal); 4] = [
    ("INT", Signal::SIGINT),
    ("TERM", Signal::SIGTERM),
    ("SIGINT", Signal::SIGINT),
    ("SIGTERM", Signal::SIGTERM),
];

/// Both directions are spelt out, so that a typo is an error and never the expensive branch.
pub(super) const SWITCH_WORDS: [(&str, bool); 8] = [
    ("yes", true),
    ("true", true),
    ("1", true),
    ("on", true),
    ("no", false),
    ("false", false),
    ("0", false),
    ("off", false),
];

pub(super) const LEVELS: [(&str, log::LevelFilter); 5] = [
    ("error", log::LevelFilter::Error),
    ("warn", log::LevelFilter::Warn),
    ("info", log::LevelFilter::Info),
    ("debug", log::LevelFilter::Debug),
    ("off", log::LevelFilter::Off),
];

pub(super) fn one_of<T: Copy>(value: &OsStr, words: &[(&str, T)]) -> Result<T> {
    let asked = value.to_string_lossy();
    words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(&asked))
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            anyhow!("{asked:?} is not one of {}", known.join(", "))
        })
}

pub(super) fn not_empty(value: &OsStr) -> Result<&OsStr> {
    if value.is_empty() { bail!("the value is empty") } else { Ok(value) }
}

pub(super) fn text(value: &OsStr) -> Result<&str> {
    not_empty(value)?.to_str().with_context(|| format!("{value:?} is not UTF-8 text"))
}

/// `20`, or `10%` of the project's nodes.
pub(super) fn limit(value: &OsStr) -> Result<Limit> {
    let words = text(value)?.trim();
    let limit = match words.strip_suffix('%') {
        Some(share) => share
            .trim()
            .parse()
            .ok()
            .filter(|share| (0.0..=100.0).contains(share))
            .map(Limit::Percent),
        None => words.parse().ok().map(Limit::Nodes),
    };
    limit.with_context(|| {
        format!("{words:?} is neither a number of nodes nor a percentage, such as 20 or 10%")
    })
}

/// Seconds, or `90s`, `30m`, `2h`.
pub(super) fn span(value: &OsStr) -> Result<Duration> {
    let words = text(value)?.trim();
    let (number, factor) = match (words.strip_suffix('m'), words.strip_suffix('h')) {
        (Some(minutes), _) => (minutes, 60),
        (_, Some(hours)) => (hours, 3600),
        _ => (words, 1),
    };
    Ok(seconds(OsStr::new(number))? * factor)
}

/// Names of nodes, `tag:NAME`, `path:PREFIX`, `config.materialized:KIND`, between spaces or
/// commas.
pub(super) fn terms(value: &OsStr) -> Result<Vec<String>> {
    let terms = text(value)?.split([' ', ',']).filter(|term| !term.is_empty());
    Ok(terms.map(str::to_owned).collect())
}

/// Materializations that keep their rows: a misspelt one would silently refresh nothing.
pub(super) fn kinds(value: &OsStr) -> Result<Vec<String>> {
    let kinds = terms(value)?;
    match kinds.iter().find(|kind| !KEEPS_ROWS.contains(&kind.as_str())) {
        None => Ok(kinds),
        Some(other) => bail!(
            "{other:?} is not one of {}; what is materialized otherwise is made anew by every build",
            KEEPS_ROWS.join(", ")
        ),
    }
}

/// A whole number, at least one.
pub(super) fn whole(value: &OsStr) -> Result<usize> {
    let number = text(value)?.trim();
    let whole = number.parse().ok().filter(|whole| *whole > 0);
    whole.with_context(|| format!("{number:?} is not a whole number of at least 1"))
}

/// Bytes, or `256M`, `2G`: powers of 1024.
pub(super) fn bytes(value: &OsStr) -> Result<u64> {
    let words = text(value)?.trim();
    let (number, shift) = match words.as_bytes().last() {
        Some(b'K') => (words.strip_suffix('K'), 10),
        Some(b'M') => (words.strip_suffix('M'), 20),
        Some(b'G') => (words.strip_suffix('G'), 30),
        _ => (Some(words), 0),
    };
    let number = number.and_then(|number| number.parse::<u64>().ok());
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .with_context(|| format!("{words:?} is not a number of bytes, such as 268435456 or 256M"))
}

/// Whole or decimal seconds, at most a year: a larger number is a slip, not a wish.
pub(super) fn seconds(value: &OsStr) -> Result<Duration> {
    const YEAR: f64 = 31_536_000.0;
    let text = value.to_str().unwrap_or_default().trim_end_matches('s');
    let number: f64 = text.parse().map_err(|_| anyhow!("{value:?} is not a number of seconds"))?;
    if (0.0..=YEAR).contains(&number) {
        Ok(Duration::from_secs_f64(number))
    } else {
        bail!("{value:?} is not between 0 and a year of seconds")
    }
}
