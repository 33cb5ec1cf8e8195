//! A plan as Markdown, for a pull request: the summary, and each group behind a line that opens it.

use super::groups::{PlanGroup, counts, deed, groups, mark, total};
use super::{orphans, settled};
use crate::count::counted;
use crate::decide::plan::{Plan, Step};
use std::fmt::Write;

/// Less than GitHub takes for a comment (65,536 characters), in bytes.
const LIMIT: usize = 64_000;

/// Room for what comes after the groups, in bytes.
const TAIL: usize = 2_000;

pub(super) fn markdown(plan: &Plan) -> String {
    let mut text = format!("### dbt plan: {}\n\n", heading(plan));
    // Two spaces keep the lines apart.
    let _ = writeln!(text, "{}", total(plan).replace('\n', "  \n"));
    let mut left = 0;
    for group in groups(plan) {
        left += add(&mut text, &group);
    }
    if !plan.removed.is_empty() {
        let _ = writeln!(text, "\n<details><summary>removed ({})</summary>\n", plan.removed.len());
        for removed in &plan.removed {
            if text.len() > LIMIT - TAIL {
                left += 1;
                continue;
            }
            let _ = writeln!(text, "- `{}`: {}", code(&removed.id), code(&removed.relation));
        }
        text += "\n</details>\n";
    }
    if left > 0 {
        let _ =
            writeln!(text, "\nand {}: `dbt-entrypoint plan --all`", counted(left, "more nodes"));
    }
    for words in settled(plan).into_iter().chain(orphans(plan)) {
        let _ = writeln!(text, "\n{words}");
    }
    let _ = writeln!(text, "\nplan `{}`", plan.hash);
    text
}

fn heading(plan: &Plan) -> String {
    let counts = counts(plan);
    if counts.is_empty() { "nothing to build".to_owned() } else { counts }
}

/// Add a group; the number of its nodes for which there is no room.
fn add(text: &mut String, group: &PlanGroup<'_>) -> usize {
    let title = html(&group.title);
    if text.len() + title.len() + 100 > LIMIT - TAIL {
        return group.steps.len();
    }
    let _ = writeln!(text, "\n<details><summary>{title} ({})</summary>\n", group.steps.len());
    text.push_str("| | node | file | what happens |\n|---|---|---|---|\n");
    let mut left = 0;
    for step in &group.steps {
        let row = row(step);
        match text.len() + row.len() > LIMIT - TAIL {
            true => left += 1,
            false => text.push_str(&row),
        }
    }
    text.push_str("\n</details>\n");
    left
}

fn row(step: &Step) -> String {
    let (name, path) = (code(&step.name), code(&step.path));
    format!("| {} | `{name}` | `{path}` | {} |\n", mark(step), deed(step))
}

/// Within backquotes in a table.
fn code(text: &str) -> String {
    text.replace('`', "'").replace('|', "\\|").replace('\n', " ")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\n', " ")
}
