//! How a baseline came about, and what differs between two of them.

use crate::count::counted;
use crate::decide::between::Between;
use crate::decide::origin::Origin;
use std::collections::BTreeSet;
use std::fmt::Write;

/// How many nodes of a kind are listed.
const LISTED: usize = 20;

/// How many letters of a commit are shown.
const SHORT: usize = 12;

/// A line is no longer than this.
const WIDTH: usize = 96;

/// How a baseline came about, in a few words: `build, 3 built, commit 1a2b3c4d5e6f`.
pub(crate) fn origin(origin: &Origin) -> String {
    let mut text = match (origin.is_adoption(), origin.from.as_deref(), origin.command.as_str()) {
        (true, None, _) => "adopted from the project".to_owned(),
        (true, Some(from), _) => format!("adopted from {from}"),
        (false, _, "") => "by an earlier version".to_owned(),
        (false, _, "verify" | "orphans" | "invalidate") => origin.command.clone(),
        (false, _, command) => format!("{command}, {} built", origin.built),
    };
    if let Some(commit) = &origin.commit {
        let _ = write!(text, ", commit {}", commit.get(..SHORT).unwrap_or(commit));
    }
    text
}

/// The names of the nodes that were built, in one line. It is cut at the end of a name; the rest is
/// counted.
pub(crate) fn built_names(origin: &Origin) -> String {
    let mut text = String::new();
    for (at, id) in origin.names.iter().enumerate() {
        let name = short(id);
        let separator = if at == 0 { "" } else { ", " };
        if at > 0 && text.len() + name.len() + 20 > WIDTH {
            return format!("{text} and {} more", origin.built - at);
        }
        let _ = write!(text, "{separator}{name}");
    }
    match origin.built.saturating_sub(origin.names.len()) {
        0 => text,
        rest => format!("{text} and {rest} more"),
    }
}

/// `model.shop.orders.v2` is `orders.v2`.
fn short(id: &str) -> &str {
    id.splitn(3, '.').nth(2).unwrap_or(id)
}

/// What differs, a line for each node.
pub(crate) fn between(between: &Between) -> String {
    let mut text = String::new();
    let plain = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>();
    let changed = between.changed.iter().map(|(id, why)| format!("{id}: {}", why.join(", ")));
    let waiting = between.waiting.iter().map(|(id, why)| format!("{id}: {why}"));
    list(&mut text, "changed", &changed.collect::<Vec<_>>());
    list(&mut text, "added", &plain(&between.added));
    list(&mut text, "removed", &plain(&between.removed));
    list(&mut text, "to be built", &waiting.collect::<Vec<_>>());
    if text.is_empty() {
        text.push_str("nothing differs\n");
    }
    text
}

/// What the next run builds after a rollback, if the project is what the replaced baseline was built
/// from. `between` is what that one has beyond the restored one.
pub(crate) fn after_rollback(between: &Between) -> String {
    let count = between.changed.len() + between.added.len();
    let mut text = match count {
        0 => "compared with the baseline that it replaces, no node differs\n".to_owned(),
        _ => format!(
            "compared with the baseline that it replaces, the next run builds {} and {} downstream:\n",
            counted(count, "nodes"),
            between.downstream.len()
        ),
    };
    let changed = between.changed.iter().map(|(id, why)| format!("{id}: {}", why.join(", ")));
    let added = between.added.iter().map(|id| format!("{id}: new"));
    let nodes: Vec<String> = changed.chain(added).collect();
    list(&mut text, "", &nodes);
    if !between.waiting.is_empty() {
        let count = between.waiting.len();
        let _ = writeln!(
            text,
            "nodes that had to be built before and may have to be built as well: {count}"
        );
    }
    text
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    if !title.is_empty() {
        let _ = writeln!(text, "{title}: {}", lines.len());
    }
    for line in lines.iter().take(LISTED) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > LISTED {
        let _ = writeln!(text, "  and {} more", lines.len() - LISTED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_told_in_a_few_words_and_without_options() {
        let build = Origin {
            built: 3,
            commit: Some("1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d".into()),
            ..Origin::of_verb("build", 5)
        };
        assert_eq!(origin(&build), "build, 3 built, commit 1a2b3c4d5e6f");
        assert_eq!(origin(&Origin::of_verb("", 5)), "by an earlier version");
        assert_eq!(origin(&Origin::of_verb("invalidate", 5)), "invalidate");
        let adopt = Origin::of_verb("adopt", 5);
        assert_eq!(origin(&adopt), "adopted from the project");
        let from = Origin { from: Some("m/manifest.json".into()), ..adopt };
        assert_eq!(origin(&from), "adopted from m/manifest.json");
    }

    #[test]
    fn names_fill_one_line_and_the_rest_is_counted() {
        let of = |count: usize, length: usize| Origin {
            built: count,
            names: (0..count.min(20)).map(|n| format!("model.shop.{n:0>length$}")).collect(),
            ..Origin::default()
        };
        assert_eq!(built_names(&of(0, 1)), "");
        assert_eq!(built_names(&of(3, 4)), "0000, 0001, 0002");
        let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(built_names(&of(25, 1)), format!("{} and 5 more", names.join(", ")));
        let long = built_names(&of(25, 20));
        assert!(long.ends_with("2 and 22 more") && long.len() <= WIDTH, "{long}");
        let versioned = Origin { built: 1, names: vec!["model.shop.a.v2".into()], ..of(0, 1) };
        assert_eq!(built_names(&versioned), "a.v2");
    }

    #[test]
    fn differences_are_listed_by_kind() {
        let id = |name: &str| format!("model.shop.{name}");
        let all = Between {
            changed: [(id("a"), vec!["body".into(), "config tags".into()])].into(),
            added: (0..22).map(|n| id(&format!("n{n:02}"))).collect(),
            removed: [id("r")].into(),
            waiting: [(id("w"), "failed in the last run".into())].into(),
            downstream: [id("d")].into(),
        };
        let names: String = (0..20).map(|n| format!("  model.shop.n{n:02}\n")).collect();
        let expected = format!(
            "changed: 1\n  model.shop.a: body, config tags\nadded: 22\n{names}  and 2 more\n\
             removed: 1\n  model.shop.r\nto be built: 1\n  model.shop.w: failed in the last run\n"
        );
        assert_eq!(between(&all), expected);
        assert_eq!(between(&Between::default()), "nothing differs\n");
    }

    #[test]
    fn a_rollback_tells_what_it_makes_of_the_next_run() {
        let some = Between {
            changed: [("model.a".to_owned(), vec!["body".to_owned()])].into(),
            added: ["model.b".to_owned()].into(),
            waiting: [("model.w".to_owned(), "new".to_owned())].into(),
            downstream: ["model.d".to_owned()].into(),
            ..Between::default()
        };
        let expected = "compared with the baseline that it replaces, the next run builds 2 nodes and 1 downstream:\n  \
                        model.a: body\n  model.b: new\n\
                        nodes that had to be built before and may have to be built as well: 1\n";
        assert_eq!(after_rollback(&some), expected);
        let nothing = "compared with the baseline that it replaces, no node differs\n";
        assert_eq!(after_rollback(&Between::default()), nothing);
    }
}
