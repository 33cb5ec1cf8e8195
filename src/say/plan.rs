//! A plan in every form, and the refusal of a plan that exceeds the budget.

mod draw;
pub(super) mod groups;
mod markdown;
mod screen;
mod svg;
#[cfg(test)]
mod tests;

pub(crate) use draw::{dot, mermaid};
pub(crate) use svg::svg;

use crate::count::counted;
use crate::decide::plan::Plan;
use crate::exit::Refusal;

/// How a plan is shown to people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanView {
    /// The longest line, in characters. Names and paths are never cut.
    pub width: usize,
    /// Whether colours may be used.
    pub colour: bool,
    /// Whether each node is listed.
    pub all: bool,
}

impl PlanView {
    /// For a log or a file.
    pub(crate) const PLAIN: Self = Self { width: 100, colour: false, all: false };
}

/// How many nodes changed and do not have to be built; `None` if none did.
fn settled(plan: &Plan) -> Option<String> {
    let count = plan.settled.len();
    (count > 0).then(|| {
        format!("compiles to what was built, and is not built: {}", counted(count, "nodes"))
    })
}

/// How many relations are orphans; `None` if none is.
fn orphans(plan: &Plan) -> Option<String> {
    let count = plan.orphans;
    (count > 0).then(|| {
        let relations = counted(count, "relations");
        format!("no node is built into {relations} any more: dbt-entrypoint orphans")
    })
}

/// A plan as text. `pending` are the nodes that have to be built but not by this command.
pub(crate) fn plan(plan: &Plan, pending: &[String], view: &PlanView) -> String {
    screen::screen(plan, pending, view)
}

/// A plan as Markdown of less than 65,000 characters.
pub(crate) fn plan_as_markdown(plan: &Plan) -> String {
    markdown::markdown(plan)
}

/// The refusal of a plan that exceeds the budget. `beyond` says how it does.
pub(crate) fn over_budget(beyond: &[String], plan: &Plan) -> Refusal {
    let text = self::plan(plan, &[], &PlanView::PLAIN);
    let indented =
        |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("\n    {line}") };
    let lines: String = text.lines().map(indented).collect();
    Refusal::new(beyond.join("\n"))
        .meaning(format!("nothing was run; this is the plan:{lines}"))
        .remedy(format!("dbt-entrypoint --approve {} …     (build exactly this plan)", plan.hash))
        .remedy("dbt-entrypoint --yes …     (build without a limit)")
}
