//! The steps of a plan in groups of one cause and one reason, as every form of a plan shows them.

use crate::count::counted;
use crate::decide::plan::{Cause, Chain, Plan, Step};
use std::collections::BTreeMap;

/// Steps that are built for the same reason.
pub(super) struct PlanGroup<'p> {
    pub(super) cause: Cause,
    /// `edited: body`, `downstream of orders`.
    pub(super) title: String,
    /// Parents first.
    pub(super) steps: Vec<&'p Step>,
}

/// The groups by cause, the largest first.
pub(super) fn groups(plan: &Plan) -> Vec<PlanGroup<'_>> {
    let names = names(plan);
    let mut found: BTreeMap<(Cause, String), Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        let title = match (step.cause, &step.origin) {
            (Cause::Downstream, Some(origin)) => {
                format!("downstream of {}", names.get(origin.as_str()).map_or(&**origin, |n| *n))
            }
            (Cause::New | Cause::Selected | Cause::Downstream, _) => word(step.cause).to_owned(),
            (cause, _) => format!("{}: {}", word(cause), step.reason),
        };
        found.entry((step.cause, title)).or_default().push(step);
    }
    let group = |((cause, title), steps)| PlanGroup { cause, title, steps };
    let mut groups: Vec<PlanGroup<'_>> = found.into_iter().map(group).collect();
    groups.sort_by_key(|group| (group.cause, usize::MAX - group.steps.len()));
    groups
}

/// The names of the steps by `unique_id`.
pub(super) fn names(plan: &Plan) -> BTreeMap<&str, &str> {
    let mut names = BTreeMap::new();
    names.extend(plan.steps.iter().map(|step| (step.id.as_str(), step.name.as_str())));
    names
}

/// A cause as people read it.
pub(super) fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::New => "new",
        Cause::Edited => "edited",
        Cause::Values => "with new values",
        Cause::Unfinished => "unfinished",
        Cause::Doubt => "in doubt",
        Cause::Selected => "selected",
        Cause::Downstream => "downstream",
    }
}

/// How many steps there are of each cause, and how many nodes were removed: `3 edited, 2 downstream`.
pub(super) fn counts(plan: &Plan) -> String {
    let mut counts: BTreeMap<Cause, usize> = BTreeMap::new();
    for step in &plan.steps {
        *counts.entry(step.cause).or_default() += 1;
    }
    let mut words: Vec<String> =
        counts.iter().map(|(cause, count)| format!("{count} {}", word(*cause))).collect();
    if !plan.removed.is_empty() {
        words.push(format!("{} removed", plan.removed.len()));
    }
    words.join(", ")
}

/// How many of the nodes are built, how many tests are run, and how long that may take, in lines.
pub(super) fn total(plan: &Plan) -> String {
    let tests = match plan.tests {
        0 => String::new(),
        count => format!(", {} would be run", counted(count, "tests")),
    };
    if plan.steps.is_empty() {
        return format!("there is nothing to build{tests}");
    }
    let (built, nodes) = (plan.steps.len(), plan.nodes);
    let nodes = counted(nodes, "nodes");
    format!("{built} of {nodes} would be built{tests}\n{}{}", time(plan), chain(plan))
}

/// `about 25 min with 4 threads`, by the last builds.
fn time(plan: &Plan) -> String {
    let about =
        format!("about {}{}", duration(plan.estimate.wall_seconds), plan.estimate.with_threads());
    match plan.unknown.len() {
        0 => about,
        all if all == plan.steps.len() => {
            "how long that takes is not known, because nothing of it was ever built".to_owned()
        }
        1 => format!("{about}, not counting 1 that was never built"),
        count => format!("{about}, not counting {count} that were never built"),
    }
}

/// `longest chain 12 min over 6 nodes: orders … report`, if nodes wait for each other.
fn chain(plan: &Plan) -> String {
    let Chain { seconds, nodes } = &plan.estimate.chain;
    let [first, .., last] = nodes.as_slice() else { return String::new() };
    let names = names(plan);
    let name =
        |id: &String| names.get(id.as_str()).map_or_else(|| id.clone(), |name| (*name).to_owned());
    let (seconds, count) = (duration(*seconds), counted(nodes.len(), "nodes"));
    format!("\nlongest chain {seconds} over {count}: {} … {}", name(first), name(last))
}

/// Seconds as people say them: `0.4 s`, `12 s`, `25 min`, `3 h 5 min`.
pub(in crate::say) fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^64")]
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        _ if seconds < 90.0 => format!("{seconds:.0} s"),
        0..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// What happens to a step and how long its last build took: `table replaced, 12 s`.
pub(super) fn deed(step: &Step) -> String {
    let seconds = step.seconds.map_or_else(|| "never built".to_owned(), duration);
    let altered = match step.altered && !step.action.starts_with("altered") {
        true => "; altered before, history not rebuilt",
        false => "",
    };
    format!("{}{altered}, {seconds}", step.action)
}

/// The mark before a step: whether its relation is created or changed.
pub(super) fn mark(step: &Step) -> char {
    if step.action == "created" { '+' } else { '~' }
}
