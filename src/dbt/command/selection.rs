//! What the user selected on dbt's command line, and whether the selection depends on a state.

use super::scan::{ScannedLine, ValueSpan};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What the user selected. dbt has no variables for these options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Nothing, so dbt builds the project's default selector or everything.
    None,
    /// The terms of `--select`, `-s`, `--models`, `--model` and `-m`. Without any term, dbt selects
    /// nothing.
    Terms(Vec<OsString>),
    /// `--selector NAME`. dbt v1 ignores `--select` and `--exclude` beside it.
    Selector(OsString),
    /// The user compares with a state of their own: they give `--state`, select or exclude with the
    /// method `state:`, `result:` or `source_status:`, or give the `--dirty` of v2.
    State,
}

impl Selection {
    pub(super) fn of(words: &[OsString], scan: &ScannedLine) -> Self {
        let terms = |name| {
            let values = scan.all(name).flat_map(|given| &given.values);
            values.flat_map(|value| terms(words, *value)).collect::<Vec<_>>()
        };
        let (selected, excluded) = (terms("select"), terms("exclude"));
        let uses_state = scan.last("state").is_some()
            || scan.last("dirty").is_some_and(|given| given.on)
            || selected.iter().chain(&excluded).any(|term| names_state(term));
        let selector = scan.last("selector").and_then(|given| given.values.first());
        match (uses_state, selector, scan.last("select")) {
            (true, ..) => Self::State,
            (_, Some(name), _) => Self::Selector(name.text(words).to_owned()),
            (_, _, Some(_)) => Self::Terms(selected),
            _ => Self::None,
        }
    }
}

/// The terms of one value. dbt splits at every space and at no other character (dbt/graph/cli.py,
/// `parse_union`).
pub(super) fn terms(words: &[OsString], value: ValueSpan) -> Vec<OsString> {
    let terms = value.text(words).as_bytes().split(|byte| *byte == b' ');
    terms.filter(|term| !term.is_empty()).map(|term| OsStr::from_bytes(term).to_owned()).collect()
}

/// Whether a term contains a method that needs a state. Commas and spaces separate its parts.
fn names_state(term: &OsStr) -> bool {
    let names = |part: &[u8]| {
        ["state", "result", "source_status"]
            .iter()
            .any(|method| method.as_bytes().eq_ignore_ascii_case(method_of(part)))
    };
    term.as_bytes().split(|byte| *byte == b',' || byte.is_ascii_whitespace()).any(names)
}

/// The method in `[@][N+]method[.argument]:value[+N]`; empty if there is none.
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
    fn the_method_comes_between_the_graph_operator_and_the_colon() {
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
    fn a_state_method_is_found_in_any_part_of_an_intersection() {
        assert!(names_state(OsStr::new("tag:a,1+state:modified.body+")));
        assert!(names_state(OsStr::new("source_status:fresher+")));
        assert!(!names_state(OsStr::new("tag:state,path:models/state")));
    }
}
