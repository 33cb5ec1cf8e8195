//! The graph of a plan for Mermaid and Graphviz.

use crate::decide::plan::{Cause, Plan, Step};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The colour of a node, for every drawing.
pub(super) fn colour(cause: Cause) -> &'static str {
    match cause {
        Cause::New => "#b7e4c7",
        Cause::Edited => "#ffd166",
        Cause::Values => "#ffe8a3",
        Cause::Unfinished => "#f4a6a0",
        Cause::Doubt => "#d9c8f0",
        Cause::Selected => "#cfe2f3",
        Cause::Downstream => "#e9ecef",
    }
}

/// The number of each step.
pub(super) fn numbers(plan: &Plan) -> BTreeMap<&str, usize> {
    let mut numbers = BTreeMap::new();
    numbers.extend(plan.steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)));
    numbers
}

/// The steps that read another one, as numbers: parent and child.
pub(super) fn edges(plan: &Plan) -> Vec<(usize, usize)> {
    let numbers = numbers(plan);
    let of = |(at, step): (usize, &Step)| {
        let parents = step.parents.iter().filter_map(|id| numbers.get(id.as_str()).copied());
        parents.map(|parent| (parent, at)).collect::<Vec<_>>()
    };
    plan.steps.iter().enumerate().flat_map(of).collect()
}

/// Why a step is built, for below its name: nothing where the drawing shows it.
pub(super) fn why(step: &Step) -> &str {
    if step.cause == Cause::Downstream { "" } else { &step.reason }
}

/// A flowchart in the language of Mermaid.
pub(crate) fn mermaid(plan: &Plan) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let quoted =
        |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    for (at, step) in plan.steps.iter().enumerate() {
        let (name, why) = (quoted(&step.name), quoted(why(step)));
        let br = if why.is_empty() { "" } else { "<br/>" };
        let _ = writeln!(text, "  n{at}[\"{name}{br}{why}\"]");
        let _ = writeln!(text, "  style n{at} fill:{},color:#000,stroke:#666", colour(step.cause));
    }
    for (parent, child) in edges(plan) {
        let _ = writeln!(text, "  n{parent} --> n{child}");
    }
    text
}

/// A graph in the language of Graphviz.
pub(crate) fn dot(plan: &Plan) -> String {
    let mut text = "digraph plan {\n  rankdir=LR;\n  node [shape=box, style=filled];\n".to_owned();
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    for (at, step) in plan.steps.iter().enumerate() {
        let (name, why) = (quoted(&step.name), quoted(why(step)));
        let br = if why.is_empty() { "" } else { "\\n" };
        let colour = colour(step.cause);
        let _ = writeln!(text, "  n{at} [label=\"{name}{br}{why}\", fillcolor=\"{colour}\"];");
    }
    for (parent, child) in edges(plan) {
        let _ = writeln!(text, "  n{parent} -> n{child};");
    }
    text + "}\n"
}
