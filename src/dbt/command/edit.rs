//! The edits of a command line. Words that an edit does not concern stay in place, byte for byte.
//!
//! Added options follow the subcommand immediately, each as one word with its value attached.
//! There, no option of the user's that takes several words can take them as its values, and they
//! take no word of the user's. dbt v1 refuses an option on both sides of the subcommand, and v2
//! refuses an option given twice, so an option that is already there is replaced.

use super::scan::{GivenOption, ScannedLine, ValueSpan};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The word `--name=value`. The value may be any bytes.
pub(super) fn option(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// `words` with the words `ours` right after the subcommand; unchanged if there is no subcommand.
pub(super) fn insert(words: &[OsString], ours: Vec<OsString>) -> Vec<OsString> {
    let mut edited = words.to_vec();
    if let Some(subcommand) = ScannedLine::scan(words).subcommand {
        edited.splice(subcommand + 1..subcommand + 1, ours);
    }
    edited
}

/// `words` with exactly one `--write-json`, which replaces `--no-write-json`.
pub(super) fn with_write_json(words: &[OsString]) -> Vec<OsString> {
    let scan = ScannedLine::scan(words);
    let given: Vec<usize> = scan.all("write-json").map(|given| given.words.start).collect();
    let Some(first) = given.first() else {
        return insert(words, vec!["--write-json".into()]);
    };
    let kept = words.iter().enumerate().filter(|(at, _)| at == first || !given.contains(at));
    kept.map(|(at, word)| if at == *first { "--write-json".into() } else { word.clone() }).collect()
}

/// `words` without the options for which `unwanted` is true, and without their values.
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

/// The rest of a group of short options without one of them, such as `-qx` for `-qfx` without
/// `-f`; `None` if nothing is left, or if the option is not in a group.
fn shortened(word: &OsStr, given: &GivenOption) -> Option<OsString> {
    let word = word.as_bytes();
    let before = word.get(..given.letter).filter(|_| given.letter > 0)?;
    // Letters may follow a flag; a value ends its group.
    let after = word.get(given.letter + 1..).filter(|_| given.values.is_empty());
    let left = [before, after.unwrap_or_default()].concat();
    (left.len() > 1).then(|| OsString::from_vec(left))
}

/// Append `,suffix` to each space-separated term of these values, in place.
pub(super) fn intersect(words: &mut [OsString], values: &[ValueSpan], suffix: &str) {
    for value in values {
        let Some(word) = words.get_mut(value.word) else { continue };
        let (before, value) = word.as_bytes().split_at(value.from.min(word.len()));
        let narrowed: Vec<Vec<u8>> =
            value.split(|byte| *byte == b' ').map(|term| with_suffix(term, suffix)).collect();
        *word = OsString::from_vec([before, &narrowed.join(&b' ')].concat());
    }
}

/// `term,suffix`. An empty term selects nothing and stays empty.
fn with_suffix(term: &[u8], suffix: &str) -> Vec<u8> {
    if term.is_empty() { Vec::new() } else { [term, b",", suffix.as_bytes()].concat() }
}
