//! The wall clock, for records and messages. No decision depends on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Since the epoch (UTC); nothing if the clock is set to an earlier time.
fn since_the_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The current time in seconds since the epoch (UTC); 0 if the clock is set to an earlier time.
#[must_use]
pub fn now() -> u64 {
    since_the_epoch().as_secs()
}

/// The same with its fraction.
#[must_use]
pub fn precisely_now() -> f64 {
    since_the_epoch().as_secs_f64()
}

/// A time in seconds since the epoch, formatted as `2026-11-23 16:24 UTC`.
#[must_use]
pub fn utc(seconds: u64) -> String {
    let (days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    let (year, month, day) = date(days);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// A time in seconds since the epoch, as dbt writes it: `2026-11-23T16:24:05.000000Z`.
#[must_use]
pub fn iso(seconds: u64) -> String {
    iso_with(seconds, 0)
}

/// The current time in the same form.
#[must_use]
pub fn timestamp() -> String {
    let now = since_the_epoch();
    iso_with(now.as_secs(), now.subsec_micros())
}

fn iso_with(seconds: u64, micros: u32) -> String {
    let words = utc(seconds);
    let (day, time) = words.trim_end_matches(" UTC").split_once(' ').unwrap_or_default();
    format!("{day}T{time}:{:02}.{micros:06}Z", seconds % 60)
}

/// The year, the month and the day of the month that begin `days` days after the epoch.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for (month, length) in (1..).zip(lengths) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_take_leap_years_into_account() {
        for (seconds, words) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_200, "2024-03-01 00:00 UTC"),
            (1_795_451_040, "2026-11-23 16:24 UTC"),
        ] {
            assert_eq!(utc(seconds), words);
        }
        assert_eq!(iso(1_795_451_045), "2026-11-23T16:24:05.000000Z");
    }
}
