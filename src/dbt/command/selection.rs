//! What the user selected, and whether state has a part in it.

use super::scan::{ScannedLine, ValueSpan};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What the user selected. dbt has no variables for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Nothing: everything that the command builds, or the project's default selector.
    None,
    /// `--select`, `-s`, `--models`, `--model`, `-m`: space-separated terms; no terms at
    /// all select nothing.
    Terms(Vec<OsString>),
    /// `--selector NAME`; dbt v1 ignores `--select` and `--exclude` beside it.
    Selector(OsString),
    /// State is the user's own affair: their `--state`, a `state:`, `result:` or
    /// `source_status:` method in what they select or exclude, or the `--dirty` of v2.
    State,
}

impl Selection {
    pub(super) fn of(words: &[OsString], scan: &ScannedLine) -> Self {
        let terms = |name| {
            let values = scan.all(name).flat_map(|given| &given.values);
            values.flat_map(|value| terms(words, *value)).collect::<Vec<_>>()
        };
        let (selected, excluded) = (terms("select"), terms("exclude"));
        let own_state = scan.last("state").is_some()
            || scan.last("dirty").is_some_and(|given| given.on)
            || selected.iter().chain(&excluded).any(|term| names_state(term));
        let selector = scan.last("selector").and_then(|given| given.values.first());
        match (own_state, selector, scan.last("select")) {
            (true, ..) => Self::State,
            (_, Some(name), _) => Self::Selector(name.text(words).to_owned()),
            (_, _, Some(_)) => Self::Terms(selected),
            _ => Self::None,
        }
    }
}

/// dbt splits on the space alone, and on every one (dbt/graph/cli.py, `parse_union`).
fn terms(words: &[OsString], value: ValueSpan) -> Vec<OsString> {
    let terms = value.text(words).as_bytes().split(|byte| *byte == b' ');
    terms.filter(|term| !term.is_empty()).map(|term| OsStr::from_bytes(term).to_owned()).collect()
}

/// Whether one of the comma-separated parts of a term has a method that needs a state.
fn names_state(term: &OsStr) -> bool {
    let names = |part: &[u8]| {
        ["state", "result", "source_status"]
            .iter()
            .any(|method| method.as_bytes().eq_ignore_ascii_case(method_of(part)))
    };
    term.as_bytes().split(|byte| *byte == b',' || byte.is_ascii_whitespace()).any(names)
}

/// The method of `[@][N+]method[.argument]:value[+N]`.
fn method_of(part: &[u8]) -> &[u8] {
    let part = part.strip_prefix(b"@").unwrap_or(part);
    let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let part = match part.get(digits..) {
        Some([b'+', rest @ ..]) => rest,
        _ => part,
    };
    let head = part.split(|byte| *byte == b':').next().filter(|head| head.len() < part.len());
    head.and_then(|head| head.split(|byte| *byte == b'.').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_stands_between_the_graph_operator_and_the_colon() {
        for (part, method) in [
            ("state:modified+", "state"),
            ("@state:new", "state"),
            ("2+result:error", "result"),
            ("+config.materialized:view", "config"),
            ("state", ""),
            ("my_state", ""),
            ("", ""),
        ] {
            assert_eq!(method_of(part.as_bytes()), method.as_bytes(), "{part}");
        }
    }

    #[test]
    fn state_may_hide_in_any_part_of_an_intersection() {
        assert!(names_state(OsStr::new("tag:a,1+state:modified.body+")));
        assert!(names_state(OsStr::new("source_status:fresher+")));
        assert!(!names_state(OsStr::new("tag:state,path:models/state")));
    }
}
