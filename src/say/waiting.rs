//! What failed and what waits, for the summary of a run and for `status`.

use crate::count::counted;
use crate::decide::summary::Summary;
use std::collections::BTreeMap;

/// What failed, a few lines each: a name, what the warehouse said, and the lines below it. Models come
/// before tests. At most `most` are listed; the rest is counted.
pub(crate) fn failures<'r>(
    failed: &mut dyn Iterator<Item = (&'r String, &'r String)>,
    most: usize,
) -> Vec<String> {
    let one = |(id, why): (&String, &String)| format!("{id}: {}", why.replace('\n', "\n    "));
    let mut lines: Vec<String> = failed.map(one).collect();
    let rest = lines.len().saturating_sub(most);
    if rest > 0 {
        lines.truncate(most);
        lines.push(format!("and {rest} more"));
    }
    lines
}

/// What was interrupted in a run, in a line or none.
pub(crate) fn interrupted(run: &Summary, most: usize) -> Vec<String> {
    let ids: Vec<&str> = run.interrupted().map(|(id, _)| id.as_str()).collect();
    if ids.is_empty() { Vec::new() } else { vec![names(&ids, most)] }
}

/// The nodes that wait, a line for each reason, the one with the most nodes first: those that failed
/// in the run are left out, because they are named as failed. Each line names at most `most` nodes.
pub(crate) fn waiting(
    pending: &BTreeMap<String, String>,
    run: Option<&Summary>,
    most: usize,
) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let failed = |id: &str| run.is_some_and(|run| run.failed.contains_key(id));
    for (id, why) in pending.iter().filter(|(id, _)| !failed(id)) {
        groups.entry(why).or_default().push(id);
    }
    let mut groups: Vec<(&str, Vec<&str>)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, ids)| usize::MAX - ids.len());
    let rest: usize = groups.iter().skip(most).map(|(_, ids)| ids.len()).sum();
    let mut lines: Vec<String> =
        groups.iter().take(most).map(|(why, ids)| line(why, ids, most)).collect();
    if rest > 0 {
        lines.push(format!("and {rest} more"));
    }
    lines
}

fn line(why: &str, ids: &[&str], most: usize) -> String {
    if let [id] = ids {
        return format!("{id}: {why}");
    }
    format!("{}: {why}: {}", counted(ids.len(), "nodes"), names(ids, most))
}

fn names(ids: &[&str], most: usize) -> String {
    let names = ids.get(..most.min(ids.len())).unwrap_or_default().join(", ");
    match ids.len().saturating_sub(most) {
        0 => names,
        rest => format!("{names} and {rest} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(id, why)| ((*id).into(), (*why).into())).collect()
    }

    #[test]
    fn what_waits_is_grouped_and_what_failed_is_named_with_its_message() {
        let run = Summary {
            failed: nodes(&[
                ("model.a", "Binder Error\nLINE 1"),
                ("model.x", "interrupted while it was built"),
                ("test.t", "Got 1 result"),
            ]),
            ..Summary::default()
        };
        let expected = ["model.a: Binder Error\n    LINE 1", "test.t: Got 1 result"];
        assert_eq!(failures(&mut run.failed_by_itself(), 9), expected);
        assert_eq!(failures(&mut run.failed_by_itself(), 1), [expected[0], "and 1 more"]);
        assert_eq!(interrupted(&run, 1), ["model.x"]);
        assert_eq!(interrupted(&Summary::default(), 1), [""; 0]);
        let pending = nodes(&[
            ("model.a", "failed in the last run"),
            ("model.b", "new"),
            ("model.c", "body"),
            ("model.d", "new"),
            ("model.e", "new"),
        ]);
        let lines = waiting(&pending, Some(&run), 2);
        assert_eq!(lines, ["3 nodes: new: model.b, model.d and 1 more", "model.c: body"]);
        let lines = waiting(&pending, None, 1);
        assert_eq!(lines, ["3 nodes: new: model.b and 2 more", "and 2 more"]);
    }
}
