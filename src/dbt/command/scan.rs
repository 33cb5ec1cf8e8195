//! Which words are options, values, subcommand: by the rules of click, which dbt v1 uses.
//!
//! Where clap (dbt v2) reads a line otherwise, one of the two refuses it: click lets an
//! option take a value that begins with a dash and lets `--select=a b` take `b`, clap does
//! not; clap takes `-t=prod` for `prod`, for click that target is called `=prod`.

use super::options::{self, Arity, OptionSpec};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

/// A value: the bytes of a word from an offset to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueSpan {
    pub(super) word: usize,
    pub(super) from: usize,
}

impl ValueSpan {
    pub(super) fn text<'a>(&self, words: &'a [OsString]) -> &'a OsStr {
        let bytes = words.get(self.word).map_or(&[][..], |word| word.as_bytes());
        OsStr::from_bytes(bytes.get(self.from..).unwrap_or_default())
    }
}

/// An option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenOption {
    pub(super) spec: &'static OptionSpec,
    /// `false` for `--no-NAME`.
    pub(super) on: bool,
    pub(super) values: Vec<ValueSpan>,
    /// The words that it spans.
    pub(super) words: Range<usize>,
    /// Where its letter stands in a group of short options; 0 for a long option.
    pub(super) letter: usize,
}

/// A command line taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct ScannedLine {
    pub(super) subcommand: Option<usize>,
    pub(super) given: Vec<GivenOption>,
    /// Words that are neither options nor values nor the subcommand.
    pub(super) positional: Vec<usize>,
    /// The unknown option, or the one without its value, that ended the reading.
    pub(super) not_understood: Option<usize>,
}

impl ScannedLine {
    pub(super) fn scan(words: &[OsString]) -> Self {
        let mut scan = Self::default();
        let mut next = 0;
        while let Some(word) = words.get(next) {
            let bytes = word.as_bytes();
            let read = match bytes {
                b"--" => Some(scan.rest(next + 1, words.len())),
                [b'-', b'-', long @ ..] => scan.long(words, next, long),
                [b'-', _, ..] => scan.short(words, next),
                _ => Some(scan.bare(next)),
            };
            let Some(end) = read else {
                scan.not_understood = Some(next);
                break;
            };
            next = end;
        }
        scan
    }

    /// The last of the options called `name`.
    pub(super) fn last(&self, name: &str) -> Option<&GivenOption> {
        self.given.iter().rfind(|given| given.spec.name() == name)
    }

    pub(super) fn all<'a>(
        &'a self,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a GivenOption> {
        self.given.iter().filter(move |given| given.spec.name() == name)
    }

    /// After `--`: the subcommand, whose own options may follow, or nothing but positionals.
    fn rest(&mut self, from: usize, end: usize) -> usize {
        if self.subcommand.is_none() && from < end {
            return self.bare(from);
        }
        self.positional.extend(from..end);
        end
    }

    fn bare(&mut self, at: usize) -> usize {
        match self.subcommand {
            None => self.subcommand = Some(at),
            Some(_) => self.positional.push(at),
        }
        at + 1
    }

    fn long(&mut self, words: &[OsString], at: usize, bytes: &[u8]) -> Option<usize> {
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let name = bytes.get(..equals.unwrap_or(bytes.len()))?;
        let (spec, on) = options::long(std::str::from_utf8(name).ok()?)?;
        let attached = equals.map(|equals| ValueSpan { word: at, from: 2 + equals + 1 });
        self.take(words, OptionStart { spec, on, at, letter: 0, attached })
    }

    fn short(&mut self, words: &[OsString], at: usize) -> Option<usize> {
        let subcommand = self.subcommand.and_then(|at| words.get(at)?.to_str()).unwrap_or_default();
        let word = words.get(at)?.as_bytes();
        for letter in 1..word.len() {
            let spec = options::short(subcommand, char::from(*word.get(letter)?))?;
            let rest = word.get(letter + 1..).unwrap_or_default();
            let from = letter + 1 + usize::from(rest.first() == Some(&b'='));
            let attached = (spec.arity != Arity::Zero && !rest.is_empty())
                .then_some(ValueSpan { word: at, from });
            let end = self.take(words, OptionStart { spec, on: true, at, letter, attached })?;
            if spec.arity != Arity::Zero {
                return Some(end);
            }
        }
        Some(at + 1)
    }

    /// Before the subcommand only v2 has options that take many words, and none of them
    /// takes more than an attached one.
    fn closed(&self, attached: Option<ValueSpan>) -> bool {
        self.subcommand.is_none() && attached.is_some()
    }

    /// Take the option's values, and give the word after them.
    fn take(&mut self, words: &[OsString], start: OptionStart) -> Option<usize> {
        let OptionStart { spec, on, at, letter, attached } = start;
        let mut values: Vec<ValueSpan> = attached.into_iter().collect();
        let mut end = at + 1;
        if spec.arity == Arity::Zero && attached.is_some() {
            return None;
        }
        if values.is_empty() && matches!(spec.arity, Arity::One | Arity::OneOrMore) {
            words.get(end)?;
            values.push(ValueSpan { word: end, from: 0 });
            end += 1;
        }
        if matches!(spec.arity, Arity::OneOrMore | Arity::ZeroOrMore) && !self.closed(attached) {
            while words.get(end).is_some_and(|word| !word.as_bytes().starts_with(b"-")) {
                values.push(ValueSpan { word: end, from: 0 });
                end += 1;
            }
        }
        self.given.push(GivenOption { spec, on, values, words: at..end, letter });
        Some(end)
    }
}

/// The beginning of an option.
struct OptionStart {
    spec: &'static OptionSpec,
    on: bool,
    at: usize,
    letter: usize,
    attached: Option<ValueSpan>,
}
