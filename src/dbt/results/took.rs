//! How long the builds took together, by the times of `run_results.json`. Its `elapsed_time` is no
//! help: dbt v1 adds what it does before the first node, dbt v2 adds up the times of all nodes.

use super::Results;
use crate::dbt::manifest::Text;
use crate::graph::Graph;
use serde::Deserialize;

/// An entry of `timing`: a part of the work on a node.
#[derive(Deserialize)]
pub(super) struct Timing<'a> {
    #[serde(borrow, default)]
    started_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    completed_at: Option<Text<'a>>,
}

/// From when to when dbt was at work on a node, in seconds. `None` if it was not.
pub(super) fn span(timing: &[Timing<'_>]) -> Option<(f64, f64)> {
    let part = |one: &Timing<'_>| {
        Some((seconds(&one.started_at.as_ref()?.0)?, seconds(&one.completed_at.as_ref()?.0)?))
    };
    timing.iter().filter_map(part).reduce(together)
}

fn together(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0.min(other.0), one.1.max(other.1))
}

impl Results {
    /// The seconds from the begin of the first build to the end of the last one; `None` if nothing
    /// was built. Tests and hooks are not builds.
    #[must_use]
    pub fn builds_took(&self, graph: &Graph) -> Option<f64> {
        let builds = self.nodes.iter().filter(|node| graph.is_built(&node.unique_id));
        let (began, ended) = builds.filter_map(|node| node.span).reduce(together)?;
        Some((ended - began).max(0.0))
    }
}

/// From the first March of the year 0 to 1970.
const DAYS_TO_EPOCH: f64 = 719_469.0;

/// A time such as `2026-11-23T16:24:05.000000Z`, in seconds since the epoch (UTC).
pub(super) fn seconds(text: &str) -> Option<f64> {
    let (day, time) = text.trim_end_matches('Z').split_once('T')?;
    let numbers = |text: &str, between| -> Option<Vec<f64>> {
        text.split(between).map(|number| number.parse().ok()).collect()
    };
    let [year, month, day] = *numbers(day, '-')? else { return None };
    let [hours, minutes, seconds] = *numbers(time, ':')? else { return None };
    // With years that begin in March, a leap day is the last of its year.
    let (year, month) = if month < 3.0 { (year - 1.0, month + 9.0) } else { (year, month - 3.0) };
    let leap_days = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor();
    let days =
        365.0 * year + leap_days + ((153.0 * month + 2.0) / 5.0).floor() + day - DAYS_TO_EPOCH;
    Some(((days * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::graph_of;

    #[test]
    fn the_builds_take_from_the_first_begin_to_the_last_end_without_tests_and_hooks() {
        let times = [
            ("m", r#"["2026-02-28T23:59:59.5Z", "2026-03-01T00:00:01.000000Z"]"#),
            ("n", r#"["2026-03-01T00:00:00Z", "2026-03-01T00:01:00.25Z"]"#),
            ("never", "[null, null]"),
            ("t", r#"["2026-03-01T00:01:00Z", "2026-03-01T08:00:00Z"]"#),
            ("operation.on-run-start", r#"["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"]"#),
        ];
        let entry = |(id, times): (&str, &str)| {
            let times: Vec<Option<&str>> = serde_json::from_str(times).unwrap();
            let [started_at, completed_at] = times[..] else { panic!() };
            serde_json::json!({"unique_id": id, "status": "success", "timing": [
                {"name": "compile", "started_at": started_at, "completed_at": started_at},
                {"name": "execute", "started_at": started_at, "completed_at": completed_at},
            ]})
        };
        let all = times.map(entry);
        let results = serde_json::json!({"metadata": {}, "results": all}).to_string();
        let results = Results::read(&results).unwrap();
        let graph = graph_of(&["m > n", "never > t"]);
        assert_eq!(results.builds_took(&graph), Some(60.75));
        assert_eq!(results.builds_took(&graph_of(&["never > t"])), None);
    }

    #[test]
    fn days_are_counted_over_leap_years_and_other_words_are_no_time() {
        assert_eq!(seconds("2026-11-23T16:24:05.5Z"), Some(1_795_451_045.5));
        let between = |one: &str, other: &str| Some(seconds(other)? - seconds(one)?);
        let day = Some(86_400.0);
        assert_eq!(between("2024-02-28T10:00:00Z", "2024-02-29T10:00:00Z"), day);
        assert_eq!(between("2024-02-29T10:00:00Z", "2024-03-01T10:00:00Z"), day);
        assert_eq!(between("2025-12-31T10:00:00Z", "2026-01-01T10:00:00Z"), day);
        for words in ["", "soon", "2026-01-01", "2026-01T10:00:00Z", "2026-01-01T10:00Z"] {
            assert_eq!(seconds(words), None, "{words}");
        }
    }
}
