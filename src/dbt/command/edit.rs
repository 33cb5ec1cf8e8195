//! The edits of a command line. Every word that an edit is not about stays where it is,
//! byte for byte.
//!
//! Our words follow the subcommand at once, each an option with its value attached: so no
//! option of the user's that takes many words can swallow them, and they swallow none.
//! dbt v1 refuses an option on both sides of the subcommand, and v2 refuses one given
//! twice; so what is already there is replaced, never repeated.

use super::scan::{GivenOption, ScannedLine, ValueSpan};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// `--name=value`, for any value.
pub(super) fn option(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// `words` with `ours` right after the subcommand.
pub(super) fn insert(words: &[OsString], ours: Vec<OsString>) -> Vec<OsString> {
    let mut edited = words.to_vec();
    if let Some(subcommand) = ScannedLine::scan(words).subcommand {
        edited.splice(subcommand + 1..subcommand + 1, ours);
    }
    edited
}

/// `words` with `--write-json`, whatever they say about it.
pub(super) fn with_write_json(words: &[OsString]) -> Vec<OsString> {
    let scan = ScannedLine::scan(words);
    let said: Vec<usize> = scan.all("write-json").map(|given| given.words.start).collect();
    let Some(first) = said.first() else {
        return insert(words, vec!["--write-json".into()]);
    };
    let kept = words.iter().enumerate().filter(|(at, _)| at == first || !said.contains(at));
    kept.map(|(at, word)| if at == *first { "--write-json".into() } else { word.clone() }).collect()
}

/// `words` without every option that `unwanted` holds of.
pub(super) fn without(
    words: &[OsString],
    unwanted: impl Fn(&GivenOption) -> bool,
) -> Vec<OsString> {
    let mut edited = words.to_vec();
    for given in ScannedLine::scan(words).given.iter().rev().filter(|given| unwanted(given)) {
        let left = edited.get(given.words.start).and_then(|word| shortened(word, given));
        edited.splice(given.words.clone(), left);
    }
    edited
}

/// What is left of an option's word without it: the other letters of its group.
fn shortened(word: &OsStr, given: &GivenOption) -> Option<OsString> {
    let word = word.as_bytes();
    let before = word.get(..given.letter).filter(|_| given.letter > 0)?;
    // Letters may follow a flag; a value ends its group.
    let after = word.get(given.letter + 1..).filter(|_| given.values.is_empty());
    let left = [before, after.unwrap_or_default()].concat();
    (left.len() > 1).then(|| OsString::from_vec(left))
}

/// Each space-separated term of these values with `,suffix`.
pub(super) fn intersect(words: &mut [OsString], values: &[ValueSpan], suffix: &str) {
    for value in values {
        let Some(word) = words.get_mut(value.word) else { continue };
        let (before, value) = word.as_bytes().split_at(value.from.min(word.len()));
        let narrowed: Vec<Vec<u8>> =
            value.split(|byte| *byte == b' ').map(|term| with_suffix(term, suffix)).collect();
        *word = OsString::from_vec([before, &narrowed.join(&b' ')].concat());
    }
}

/// An empty term selects nothing, and goes on selecting nothing.
fn with_suffix(term: &[u8], suffix: &str) -> Vec<u8> {
    if term.is_empty() { Vec::new() } else { [term, b",", suffix.as_bytes()].concat() }
}
