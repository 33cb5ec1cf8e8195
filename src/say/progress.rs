//! How far a run of dbt has come, in a line.

use super::line_with;
use super::plan::groups;
use crate::count::counted;
use crate::decide::progress::{NodeAtWork, Progress};
use crate::log_style::{LogStyle, STAYING};
use log::info;

/// A line of the log.
pub(crate) fn progress(style: LogStyle, progress: &Progress) {
    line_with(style, &progress_words(progress), "progress", progress);
}

/// A line of a terminal of this width, which the next line replaces.
pub(crate) fn progress_stays(progress: &Progress, width: usize) {
    // With a space between the line and what a library may write to standard error.
    let words: String = progress_words(progress).chars().take(width.saturating_sub(2)).collect();
    info!(target: STAYING, "{words} ");
}

/// The line that stayed is needed no more.
pub(crate) fn progress_ends() {
    info!(target: STAYING, "");
}

/// `model.shop.orders for 4 min`.
pub(crate) fn node_at_work(one: &NodeAtWork) -> String {
    let NodeAtWork { node, seconds } = one;
    match seconds {
        Some(seconds) => format!("{node} for {}", groups::duration(*seconds)),
        None => node.clone(),
    }
}

/// `12 of 140, 3 running, 1 failed, about 18 min left`.
pub(crate) fn progress_words(progress: &Progress) -> String {
    let Progress { done, total, running, failed, tests_running, seconds_left, .. } = *progress;
    let first = total.map_or_else(|| format!("{done} done"), |total| format!("{done} of {total}"));
    let left = match seconds_left {
        Some(seconds) if seconds >= 60.0 => format!("about {} left", groups::duration(seconds)),
        Some(seconds) if seconds > 0.0 => "less than a minute left".to_owned(),
        // What is left takes longer than last time, or it is tests.
        Some(_) | None => String::new(),
    };
    let parts = [
        (true, first),
        (running > 0, format!("{running} running")),
        (tests_running > 0, format!("{} running", counted(tests_running, "tests"))),
        (failed > 0, format!("{failed} failed")),
        (!left.is_empty(), left),
    ];
    let said = parts.into_iter().filter(|(is_said, _)| *is_said).map(|(_, words)| words);
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_there_is_to_say() {
        let is = |total, [done, running, failed, tests_running]: [usize; 4], seconds_left| {
            let now = Vec::new();
            let all = Progress { done, total, running, failed, tests_running, seconds_left, now };
            progress_words(&all)
        };
        for (words, total, counts, left) in [
            ("0 of 140", Some(140), [0; 4], None),
            (
                "12 of 140, 3 running, 1 failed, about 18 min left",
                Some(140),
                [12, 3, 1, 0],
                Some(1080.0),
            ),
            ("3 of 4, 1 running, less than a minute left", Some(4), [3, 1, 0, 0], Some(59.9)),
            ("4 of 4, 1 test running", Some(4), [4, 0, 0, 1], Some(0.0)),
            ("7 done, 2 running, 2 tests running", None, [7, 2, 0, 2], None),
        ] {
            assert_eq!(is(total, counts, left), words);
        }
        let shown = "    dbt-entrypoint: 12 of 140, 3 running, 1 failed, about 18 min left\n";
        assert!(include_str!("../../docs/operators.md").contains(shown));
    }
}
