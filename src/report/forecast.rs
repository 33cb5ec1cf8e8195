//! A forecast in words.

use crate::decide::forecast::{Forecast, Step};
use std::fmt::Write;

/// How many nodes are named before the rest is counted.
const NAMED: usize = 200;

/// A plan for people: a line for each node, the total, the hash.
#[must_use]
pub fn plan(forecast: &Forecast, pending: &[String]) -> String {
    let mut text = String::new();
    for step in forecast.steps.iter().take(NAMED) {
        let _ = writeln!(text, "{}", line(step));
    }
    if forecast.steps.len() > NAMED {
        let _ = writeln!(text, "and {} more", forecast.steps.len() - NAMED);
    }
    for id in pending {
        let _ = writeln!(text, "{id} changed, but this command does not build it");
    }
    let _ = writeln!(text, "{}", total(forecast));
    text
}

fn line(step: &Step) -> String {
    let seconds =
        step.seconds.map_or_else(|| "never built".to_owned(), |seconds| format!("{seconds:.1} s"));
    let altered = match step.altered && !step.action.starts_with("altered") {
        true => "; altered before, history not rebuilt",
        false => "",
    };
    format!(
        "{}  [{}: {}{altered}]  {seconds}\n    {}",
        step.id, step.materialized, step.action, step.reason
    )
}

fn total(forecast: &Forecast) -> String {
    if forecast.steps.is_empty() {
        return "there is nothing to build".to_owned();
    }
    let unknown = match forecast.unknown.len() {
        0 => String::new(),
        count => format!(", and {count} that were never built"),
    };
    let altered = forecast.steps.iter().filter(|step| step.altered).count();
    let altered = match altered {
        0 => String::new(),
        count => format!(
            "\n{count} of them keep rows of former code; `run --full-refresh --select NODE` rebuilds one,\n  --refresh-changed KINDS those that changed"
        ),
    };
    format!(
        "{} of {} nodes would be built: {:.1} s by their last builds{unknown}{altered}\nplan {}",
        forecast.steps.len(),
        forecast.nodes,
        forecast.seconds,
        forecast.hash
    )
}

/// A refusal over the budget.
#[must_use]
pub fn over_budget(beyond: &[String], forecast: &Forecast) -> String {
    format!(
        "{}\n  nothing was run; the plan was:\n{}\n  what to do:\n    \
         dbt-entrypoint --approve {} …     (build exactly this)\n    \
         dbt-entrypoint --yes …     (build whatever there is)",
        beyond.join("\n"),
        plan(forecast, &[])
            .lines()
            .map(|line| format!("    {line}"))
            .collect::<Vec<_>>()
            .join("\n"),
        forecast.hash
    )
}
