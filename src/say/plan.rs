//! A plan as text, and the refusal of a plan that exceeds the budget.

use crate::decide::plan::{Plan, Step};
use crate::exit::Refusal;
use std::fmt::Write;

/// How many nodes a plan lists; it only counts the others.
const LISTED: usize = 200;

/// A plan as text: two lines for each node, the nodes `pending` that have to be built but not by this
/// command, the total and the hash.
pub(crate) fn plan(plan: &Plan, pending: &[String]) -> String {
    let mut text = String::new();
    for step in plan.steps.iter().take(LISTED) {
        let _ = writeln!(text, "{}", line(step));
    }
    if plan.steps.len() > LISTED {
        let _ = writeln!(text, "and {} more", plan.steps.len() - LISTED);
    }
    for id in pending {
        let _ = writeln!(text, "{id} has to be built, but this command does not build it");
    }
    let _ = writeln!(text, "{}", total(plan));
    text
}

/// How many relations may be orphans, if any are.
pub(crate) fn orphans(count: usize) -> String {
    match count {
        0 => String::new(),
        _ => format!("no node is built into {count} relations any more: dbt-entrypoint orphans\n"),
    }
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
            "\n{count} of them keep rows of earlier code; to rebuild one: run --full-refresh --select NODE;\n  to rebuild all that changed: --refresh-changed KINDS"
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

/// The refusal of a plan that exceeds the budget. `beyond` says how it does.
pub(crate) fn over_budget(beyond: &[String], plan: &Plan) -> Refusal {
    let lines: String = self::plan(plan, &[]).lines().map(|line| format!("\n    {line}")).collect();
    Refusal::new(beyond.join("\n"))
        .meaning(format!("nothing was run; this is the plan:{lines}"))
        .remedy(format!("dbt-entrypoint --approve {} …     (build exactly this plan)", plan.hash))
        .remedy("dbt-entrypoint --yes …     (build without a limit)")
}
