//! What the values of options mean. Whatever is not understood is an error, and never a guess.

use crate::dbt::manifest::KEEPS_ROWS;
use crate::decide::budget::Limit;
use anyhow::{Context, Result, anyhow, bail};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// Longer durations are slips of the pen.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A word out of a table, in upper or lower case.
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

/// Yes or no. Both are spelt out, so that a slip is an error and never the expensive branch.
pub(super) fn switch(value: &OsStr) -> Result<bool> {
    let words = [
        ("yes", true),
        ("true", true),
        ("1", true),
        ("on", true),
        ("no", false),
        ("false", false),
        ("0", false),
        ("off", false),
    ];
    one_of(value, &words)
}

/// Bytes of any kind, but at least one.
pub(super) fn not_empty(value: &OsStr) -> Result<OsString> {
    if value.is_empty() { bail!("the value is empty") } else { Ok(value.to_owned()) }
}

/// A path of any bytes.
pub(super) fn path(value: &OsStr) -> Result<PathBuf> {
    not_empty(value).map(PathBuf::from)
}

/// UTF-8, without the blanks around it.
pub(super) fn text(value: &OsStr) -> Result<&str> {
    let text = value.to_str().with_context(|| format!("{value:?} is not UTF-8"))?.trim();
    if text.is_empty() { bail!("the value is empty") } else { Ok(text) }
}

/// `20`, or `10%` of the project's nodes.
pub(super) fn limit(value: &OsStr) -> Result<Limit> {
    let words = text(value)?;
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

/// `90` (seconds), `1.5`, `30m`, `1h 30min`; at most a year.
///
/// The units are those of systemd.time(7), except that months are refused: `5M` is more likely to
/// mean five minutes.
pub(super) fn duration(value: &OsStr) -> Result<Duration> {
    let words = text(value)?;
    let seconds = words.parse().ok().map(Duration::try_from_secs_f64);
    let duration = match seconds {
        Some(seconds) => seconds.ok(),
        None if words.contains('M') => None,
        None => humantime::parse_duration(words).ok(),
    };
    let duration = duration.with_context(|| {
        format!("{words:?} is not a duration, such as 90 (seconds), 30m or \"1h 30min\"")
    })?;
    if duration <= LONGEST { Ok(duration) } else { bail!("{words:?} is more than a year") }
}

/// Words between blanks or commas.
pub(super) fn list(value: &OsStr) -> Result<Vec<String>> {
    let words = text(value)?.split([' ', ',']).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_owned).collect();
    if words.is_empty() { bail!("the list is empty") } else { Ok(words) }
}

/// Materializations that keep their rows. A misspelt one would refresh nothing, and say nothing.
pub(super) fn materializations(value: &OsStr) -> Result<Vec<String>> {
    let kinds = list(value)?;
    match kinds.iter().find(|kind| !KEEPS_ROWS.contains(&kind.as_str())) {
        None => Ok(kinds),
        Some(other) => bail!(
            "{other:?} is not one of {}; dbt rebuilds all other materializations from scratch anyway",
            KEEPS_ROWS.join(", ")
        ),
    }
}

/// A whole number, at least one.
pub(super) fn whole(value: &OsStr) -> Result<usize> {
    let number = text(value)?;
    let whole = number.parse().ok().filter(|whole| *whole > 0);
    whole.with_context(|| format!("{number:?} is not a whole number of at least 1"))
}

/// Bytes, or `256M`, `2G`: powers of 1024.
pub(super) fn bytes(value: &OsStr) -> Result<u64> {
    let words = text(value)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a parser makes of a text.
    fn read<T>(parse: fn(&OsStr) -> Result<T>, text: &str) -> Result<T, String> {
        parse(OsStr::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_duration_is_in_seconds_or_has_units() {
        for (text, millis) in [
            ("90", 90_000),
            ("1.5", 1500),
            ("0", 0),
            ("90s", 90_000),
            ("30m", 1_800_000),
            ("1.5h", 5_400_000),
            ("1h 30min", 5_400_000),
            (" 2d ", 172_800_000),
        ] {
            assert_eq!(read(duration, text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "5M", "1h30", "m", "inf", "NaN", "1x", "3 months and a day"] {
            assert!(read(duration, text).is_err(), "{text}");
        }
        assert_eq!(read(duration, "367d"), Err("\"367d\" is more than a year".into()));
        assert_eq!(
            read(duration, "1e99").unwrap_err(),
            read(duration, "-1").unwrap_err().replace("-1", "1e99")
        );
    }

    #[test]
    fn a_limit_is_a_number_of_nodes_or_a_share() {
        assert_eq!(read(limit, "20"), Ok(Limit::Nodes(20)));
        assert_eq!(read(limit, " 2.5 %"), Ok(Limit::Percent(2.5)));
        for text in ["", "many", "-1", "101%", "1.5", "%"] {
            assert!(read(limit, text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_have_binary_units() {
        assert_eq!(read(bytes, "17"), Ok(17));
        assert_eq!(read(bytes, "3K"), Ok(3 << 10));
        assert_eq!(read(bytes, "256M"), Ok(256 << 20));
        assert_eq!(read(bytes, "2G"), Ok(2 << 30));
        for text in ["", "2T", "G", "-1", "99999999999999G"] {
            assert!(read(bytes, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_commas_or_blanks_and_only_materializations_that_keep_rows_are_refreshed() {
        let expected = ["incremental", "materialized_view"].map(str::to_owned).to_vec();
        assert_eq!(read(list, "incremental, materialized_view"), Ok(expected.clone()));
        assert_eq!(read(materializations, "incremental materialized_view"), Ok(expected));
        assert_eq!(read(list, " , "), Err("the list is empty".into()));
        let error = read(materializations, "incremntal").unwrap_err();
        assert!(error.starts_with("\"incremntal\" is not one of incremental, "), "{error}");
    }

    #[test]
    fn a_switch_is_yes_or_no_and_nothing_else() {
        let words = ["yes", "TRUE", "1", "on", "no", "false", "0", "off"];
        let meanings = words.map(|word| read(switch, word).unwrap());
        assert_eq!(meanings, [true, true, true, true, false, false, false, false]);
        let error = "\"ja\" is not one of yes, true, 1, on, no, false, 0, off";
        assert_eq!(read(switch, "ja"), Err(error.into()));
        assert!(read(switch, "").is_err());
    }

    #[test]
    fn a_whole_number_is_at_least_one() {
        assert_eq!(read(whole, "3"), Ok(3));
        for text in ["0", "-1", "1.5", ""] {
            assert!(read(whole, text).is_err(), "{text}");
        }
    }
}
