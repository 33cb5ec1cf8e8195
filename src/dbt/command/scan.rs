//! Tells apart the options, their values and the subcommand of a command line, by the rules of
//! click, which dbt v1 uses.
//!
//! Where clap (dbt v2) parses a line differently, one of the two refuses it. With click, a value
//! may begin with a dash, and `--select=a b` takes `b` as well; clap refuses both. With clap, the
//! value of `-t=prod` is `prod`; with click it is `=prod`, a target that does not exist.

use super::options::{self, Arity, OptionSpec};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

/// Where the value of an option is: in one word, from an offset to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueSpan {
    /// The index of the word.
    pub(super) word: usize,
    /// The offset in bytes: 0 unless the value is attached, as in `--select=a`.
    pub(super) from: usize,
}

impl ValueSpan {
    /// The value itself. `words` is the command line that was scanned.
    pub(super) fn text<'a>(&self, words: &'a [OsString]) -> &'a OsStr {
        let bytes = words.get(self.word).map_or(&[][..], |word| word.as_bytes());
        OsStr::from_bytes(bytes.get(self.from..).unwrap_or_default())
    }
}

/// An option that the command line gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenOption {
    pub(super) spec: &'static OptionSpec,
    /// `false` for `--no-NAME`.
    pub(super) on: bool,
    pub(super) values: Vec<ValueSpan>,
    /// The words of the option and its values.
    pub(super) words: Range<usize>,
    /// The offset of its letter in a group of short options; 0 for a long option.
    pub(super) letter: usize,
}

/// A command line, taken apart. Words are referred to by their index.
#[derive(Debug, Clone, Default)]
pub(super) struct ScannedLine {
    pub(super) subcommand: Option<usize>,
    /// The options in the order of the line.
    pub(super) given: Vec<GivenOption>,
    /// Words that are neither options nor values nor the subcommand.
    pub(super) positional: Vec<usize>,
    /// An unknown option, or an option whose value is missing. The scan ends there.
    pub(super) not_understood: Option<usize>,
}

impl ScannedLine {
    pub(super) fn scan(words: &[OsString]) -> Self {
        let mut scan = Self::default();
        let mut next = 0;
        while let Some(word) = words.get(next) {
            let bytes = word.as_bytes();
            let read = match bytes {
                b"--" => Some(scan.after_double_dash(next + 1, words.len())),
                [b'-', b'-', long @ ..] => scan.long(words, next, long),
                [b'-', _, ..] => scan.short(words, next),
                _ => Some(scan.positional(next)),
            };
            let Some(end) = read else {
                scan.not_understood = Some(next);
                break;
            };
            next = end;
        }
        scan
    }

    /// The last occurrence of the option with the main name `name`.
    pub(super) fn last(&self, name: &str) -> Option<&GivenOption> {
        self.given.iter().rfind(|given| given.spec.name() == name)
    }

    /// All occurrences of the option with the main name `name`.
    pub(super) fn all<'a>(
        &'a self,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a GivenOption> {
        self.given.iter().filter(move |given| given.spec.name() == name)
    }

    /// Take the words after `--`: only positional words after the subcommand; before it, the
    /// subcommand, whose options may follow. Returns the index of the next word.
    fn after_double_dash(&mut self, from: usize, end: usize) -> usize {
        if self.subcommand.is_none() && from < end {
            return self.positional(from);
        }
        self.positional.extend(from..end);
        end
    }

    /// Take a word that is not an option. Returns the index of the next word.
    fn positional(&mut self, at: usize) -> usize {
        match self.subcommand {
            None => self.subcommand = Some(at),
            Some(_) => self.positional.push(at),
        }
        at + 1
    }

    /// Take a long option. Returns the index of the next word; `None` for an unknown option.
    fn long(&mut self, words: &[OsString], at: usize, bytes: &[u8]) -> Option<usize> {
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let name = bytes.get(..equals.unwrap_or(bytes.len()))?;
        let (spec, on) = options::long(std::str::from_utf8(name).ok()?)?;
        let attached = equals.map(|equals| ValueSpan { word: at, from: 2 + equals + 1 });
        self.take(words, OptionStart { spec, on, at, letter: 0, attached })
    }

    /// Take a group of short options such as `-qx`. Returns the index of the next word; `None` for
    /// an unknown letter.
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

    /// Whether an option takes no more values than the attached one. Before the subcommand, only
    /// v2 has options that take several values, and there an attached value is the only one.
    fn takes_only_attached(&self, attached: Option<ValueSpan>) -> bool {
        self.subcommand.is_none() && attached.is_some()
    }

    /// Take an option and its values. Returns the index of the next word; `None` if a value is
    /// missing, or if a flag has one.
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
        if matches!(spec.arity, Arity::OneOrMore | Arity::ZeroOrMore)
            && !self.takes_only_attached(attached)
        {
            while words.get(end).is_some_and(|word| !word.as_bytes().starts_with(b"-")) {
                values.push(ValueSpan { word: end, from: 0 });
                end += 1;
            }
        }
        self.given.push(GivenOption { spec, on, values, words: at..end, letter });
        Some(end)
    }
}

/// An option before its values have been taken.
struct OptionStart {
    spec: &'static OptionSpec,
    on: bool,
    at: usize,
    letter: usize,
    /// The value in the word of the option itself, as in `--select=a` or `-tprod`.
    attached: Option<ValueSpan>,
}
