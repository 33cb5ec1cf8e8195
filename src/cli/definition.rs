//! What an option is: one value, from which parsing, help, completions, the manual page and the
//! table in README.md come.

use anyhow::Result;
use std::ffi::OsStr;

/// Every variable of ours begins with this.
pub(super) const PREFIX: &str = "DBT_ENTRYPOINT_";

/// An option: its documentation and its effect.
#[derive(Debug)]
pub(super) struct Definition<T: 'static> {
    pub(super) doc: Doc,
    /// Sets the option's value in `T`, or says what is wrong with the value. A switch gets one of
    /// the words of [`super::values::switch`].
    pub(super) set: fn(&mut T, &OsStr) -> Result<()>,
}

/// All that a reader has to know about an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doc {
    /// Without its dashes.
    pub name: &'static str,
    /// Whether the short `--help` explains it, or only names it.
    pub common: bool,
    /// Its short form, without the dash.
    pub letter: Option<char>,
    /// What may follow it.
    pub value: Value,
    /// What holds where neither the option nor its variable is given.
    pub default: Initial,
    /// The environment variable that means the same.
    pub variable: Variable,
    /// For `--help`: at most 48 characters.
    pub help: &'static str,
    /// For the manual page: whole sentences. The first one is a summary that stands alone.
    pub manual: &'static str,
}

/// What may follow an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the option is on or off.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Words between commas or spaces; the values of a repeated option add up.
    List {
        /// What a value looks like.
        shape: &'static str,
        /// Words to complete.
        known: &'static [&'static str],
    },
    /// A directory.
    Directory,
    /// A file.
    File,
    /// Anything else; what it looks like.
    Text(&'static str),
    /// A value that may be left out, and that stands behind `=`; what it looks like.
    Optional(&'static str),
}

impl Value {
    /// What a value looks like: `auto|full|off`, `DIR`; empty for a switch.
    #[must_use]
    pub fn shape(&self) -> String {
        match self {
            Self::Switch => String::new(),
            Self::Choice(words) => words.join("|"),
            Self::Directory => "DIR".to_owned(),
            Self::File => "PATH".to_owned(),
            Self::List { shape, .. } | Self::Text(shape) | Self::Optional(shape) => {
                (*shape).to_owned()
            }
        }
    }

    /// Whether the option needs a value.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !matches!(self, Self::Switch | Self::Optional(_))
    }
}

/// What holds where an option is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// This value, as one would write it.
    Value(&'static str),
    /// The first of these variables of dbt's that is set and not empty, or else this value.
    Inherited(&'static [&'static str], &'static str),
    /// Nothing is set; what that means, in a word or two.
    Unset(&'static str),
}

/// The environment variable of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `DBT_ENTRYPOINT_` and the name of the option.
    Own,
    /// None, as there is another way to say the same.
    Instead(&'static str),
    /// None.
    None,
}

impl Doc {
    /// `--name VALUE`.
    #[must_use]
    pub fn written(&self) -> String {
        let shape = self.value.shape();
        match self.value {
            Value::Switch => format!("--{}", self.name),
            Value::Optional(_) => format!("--{}[={shape}]", self.name),
            Value::Choice(_)
            | Value::List { .. }
            | Value::Directory
            | Value::File
            | Value::Text(_) => format!("--{} {shape}", self.name),
        }
    }

    /// The environment variable that means the same.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        let own = || format!("{PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_"));
        (self.variable == Variable::Own).then(own)
    }

    /// The default, as the documents show it; `None` where there is nothing to say.
    #[must_use]
    pub fn default_value(&self) -> Option<String> {
        match self.default {
            Initial::Unset("") => None,
            Initial::Value(value) | Initial::Unset(value) => Some(value.to_owned()),
            Initial::Inherited(variables, value) => {
                Some(format!("{}, else {value}", variables.join(", else ")))
            }
        }
    }

    /// Default and variable in one line, for the long help and the manual page; may be empty.
    #[must_use]
    pub fn facts(&self) -> String {
        let default = self.default_value().map(|value| format!("Default: {value}."));
        let variable = match self.variable {
            Variable::Own => self.variable(),
            Variable::Instead(assignment) => Some(assignment.to_owned()),
            Variable::None => None,
        };
        let variable = variable.map(|variable| format!("Variable: {variable}."));
        default.into_iter().chain(variable).collect::<Vec<_>>().join(" ")
    }

    /// The first sentence of the manual, without its full stop.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        first_sentence(self.manual)
    }
}

/// The first sentence of a text, without its full stop.
pub(super) fn first_sentence(text: &'static str) -> &'static str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}
