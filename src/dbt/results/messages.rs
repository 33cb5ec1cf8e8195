//! What dbt says of a node that failed: the first lines of the warehouse's message.

use super::Results;
use crate::trees::IntoTree;
use std::collections::BTreeMap;

/// How many lines of a message are kept, and how many characters.
const LINES: usize = 4;
const CHARS: usize = 500;

impl Results {
    /// The first lines of the message of each node and test that failed, by `unique_id`.
    #[must_use]
    pub fn messages(&self) -> BTreeMap<String, String> {
        let failed = |status: &str| matches!(status, "error" | "fail" | "runtime error");
        let nodes = self.nodes.iter().filter(|node| failed(&node.status));
        nodes
            .filter_map(|node| {
                Some((node.unique_id.clone(), first_lines(node.message.as_deref()?)?))
            })
            .into_tree()
    }
}

/// The first lines that say something, without their margin; `None` if none does.
fn first_lines(message: &str) -> Option<String> {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.take(LINES).collect::<Vec<_>>().join("\n");
    let cut = text.char_indices().nth(CHARS).map_or(text.len(), |(at, _)| at);
    let rest = if cut < text.len() { "…" } else { "" };
    text.get(..cut).filter(|text| !text.is_empty()).map(|text| format!("{text}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_message_are_kept_without_blank_ones() {
        let message = "Runtime Error in model a (a.sql)\n  Binder Error: no x\n  \n  LINE 1: x\n\
                       \x20         ^\n  compiled code at target/a.sql\n";
        let kept = "Runtime Error in model a (a.sql)\nBinder Error: no x\nLINE 1: x\n^";
        assert_eq!(first_lines(message), Some(kept.into()));
        assert_eq!(first_lines(" \n"), None);
        let long = first_lines(&"ä".repeat(600)).expect("a text");
        assert_eq!(long, format!("{}…", "ä".repeat(CHARS)));
    }

    #[test]
    fn only_what_failed_has_a_message() {
        let entry = |id: &str, status: &str| {
            format!(r#"{{"unique_id": "{id}", "status": "{status}", "message": "says {id}"}}"#)
        };
        let entries = [entry("a", "error"), entry("b", "success"), entry("t", "fail")].join(",");
        let text = format!(r#"{{"metadata": {{}}, "results": [{entries}]}}"#);
        let messages = Results::read(&text).expect("results").messages();
        let expected = [("a", "says a"), ("t", "says t")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(messages, expected.into());
    }
}
