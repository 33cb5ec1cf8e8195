//! A plan in words.

use crate::decide::plan::{Plan, Step};
use crate::exit::Refusal;
use std::fmt::Write;

/// How many nodes are named before the rest is counted.
const NAMED: usize = 200;

/// A plan for people: a line for each node, the total, the hash.
pub(crate) fn plan(plan: &Plan, pending: &[String]) -> String {
    let mut text = String::new();
    for step in plan.steps.iter().take(NAMED) {
        let _ = writeln!(text, "{}", line(step));
    }
    if plan.steps.len() > NAMED {
        let _ = writeln!(text, "and {} more", plan.steps.len() - NAMED);
    }
    for id in pending {
        let _ = writeln!(text, "{id} changed, but this command does not build it");
    }
    let _ = writeln!(text, "{}", total(plan));
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

fn total(plan: &Plan) -> String {
    if plan.steps.is_empty() {
        return "there is nothing to build".to_owned();
    }
    let unknown = match plan.unknown.len() {
        0 => String::new(),
        count => format!(", and {count} that were never built"),
    };
    let altered = plan.steps.iter().filter(|step| step.altered).count();
    let altered = match altered {
        0 => String::new(),
        count => format!(
            "\n{count} of them keep rows of former code; `run --full-refresh --select NODE` rebuilds one,\n  --refresh-changed KINDS those that changed"
        ),
    };
    format!(
        "{} of {} nodes would be built: {:.1} s by their last builds{unknown}{altered}\nplan {}",
        plan.steps.len(),
        plan.nodes,
        plan.seconds,
        plan.hash
    )
}

/// A refusal over the budget.
pub(crate) fn over_budget(beyond: &[String], plan: &Plan) -> Refusal {
    let lines: String = self::plan(plan, &[]).lines().map(|line| format!("\n    {line}")).collect();
    Refusal::new(beyond.join("\n"))
        .meaning(format!("nothing was run; the plan was:{lines}"))
        .remedy(format!("dbt-entrypoint --approve {} …     (build exactly this)", plan.hash))
        .remedy("dbt-entrypoint --yes …     (build whatever there is)")
}
