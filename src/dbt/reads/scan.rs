//! What a piece of text reads, and which macros it may call.
//!
//! Code in a branch that is never taken counts, and so does code inside a string that is rendered
//! later, as hooks in `config()` are. Text outside of `{{ }}` and `{% %}` is no code: a comment or
//! a column of SQL with the name of a macro does not count.

mod bindings;
mod place;

#[cfg(test)]
mod tests;

use super::calls::Arguments;
use super::tokens;
use super::value::{Argument, Around, Hole};
use super::{Facet, Facets, NameOf};
use std::collections::{BTreeMap, BTreeSet};

/// What a text reads, and what it may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The values that it reads itself.
    pub(super) facets: Facets,
    /// If the text is a macro: its parameters, in order.
    pub(super) parameters: Vec<String>,
    /// What they are where a call gives nothing.
    pub(super) defaults: BTreeMap<String, Argument>,
    /// Names that it makes of a parameter: its callers know what it reads.
    pub(super) passed: BTreeSet<(Reader, Around)>,
    /// The macros that it calls, or hands on.
    pub(super) mentions: Vec<Mention>,
    /// It asks the adapter for the macro of the node's incremental strategy.
    pub(super) picks_incremental_strategy: bool,
}

/// A place in code that may call a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) of: Named,
    /// `None` where it is not called there and then.
    pub(super) arguments: Option<Arguments>,
}

/// How code names a macro.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// `name`, as seen from the package of the code and of the node that it is rendered for.
    Plain(String),
    /// `package.name`.
    Packaged(String, String),
    /// `adapter.dispatch('name')`.
    Dispatched(String),
    /// `context['begin' ~ …]`: every macro, of this package if one is given, whose name begins so.
    Computed(Option<String>, String),
    /// `adapter.dispatch('begin' ~ …)`.
    ComputedDispatch(String),
}

/// Strings within strings are followed this deep; quoting makes more impractical.
const DEPTH: usize = 4;

/// What takes a name and reads what has that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    /// `env_var`.
    EnvVar,
    /// `var`.
    Var,
    /// `context[…]`, which holds the macros.
    Context,
    /// `adapter.dispatch`.
    Dispatch,
}

impl Reader {
    fn of(word: &str) -> Option<Self> {
        match word {
            "env_var" => Some(Self::EnvVar),
            "var" => Some(Self::Var),
            _ => None,
        }
    }
}

/// The words that stand for macros and packages.
pub(super) trait Vocabulary {
    /// Whether some macro has this name.
    fn is_macro(&self, word: &str) -> bool;
    /// Whether this is the project, one of its packages, or `dbt`.
    fn is_package(&self, word: &str) -> bool;
    /// Whether a word that is not called there and then may be a macro all the same.
    fn hands_on(&self) -> bool;
}

/// Where no macros are known, or where they do not matter.
pub(super) struct NoMacros;

impl Vocabulary for NoMacros {
    fn is_macro(&self, _: &str) -> bool {
        false
    }
    fn is_package(&self, _: &str) -> bool {
        false
    }
    fn hands_on(&self) -> bool {
        false
    }
}

/// Text with Jinja in it: SQL, a macro, a hook, a YAML value.
pub(super) fn template(text: &str, words: &dyn Vocabulary) -> Scan {
    let mut scan = Scan::default();
    place::template_into(text, DEPTH, words, &mut scan);
    scan
}

/// A YAML value as `unrendered_config` holds it: a template, or an expression of a `config()` in the
/// file (dbt 1.12; dbt 2 for lists and mappings). What such an expression calls stands in the file as
/// well, so that words of plain text are not taken for macros.
pub(super) fn config_value(text: &str, words: &dyn Vocabulary) -> Scan {
    let is_collection = tokens::is_collection(text);
    let mut scan = if is_collection { Scan::default() } else { template(text, words) };
    if is_collection || !(text.contains("{{") || text.contains("{%")) {
        place::expression_into(text, &mut scan);
    }
    scan
}

impl Scan {
    /// What a reader reads that is given this for a name.
    pub(super) fn take(&mut self, reader: Reader, name: Argument) {
        match (reader, name) {
            (_, Argument::OneOf(all) | Argument::List(all)) => {
                all.into_iter().for_each(|one| self.take(reader, one));
            }
            (_, Argument::Around(around)) => self.take_around(reader, around),
            (Reader::EnvVar, Argument::Literal(name)) => self.read(Facet::EnvVar(name)),
            (Reader::EnvVar, Argument::Computed(start)) => self.read(Facet::EnvVars(start)),
            (Reader::Var, Argument::Literal(name)) => self.read(Facet::Var(name)),
            (Reader::Var, Argument::Computed(start)) => self.read(Facet::Vars(start)),
            (Reader::Context, Argument::Literal(name)) => self.hand_on(Named::Plain(name)),
            (Reader::Context, Argument::Computed(start)) => self.computed(None, start),
            (Reader::Dispatch, Argument::Literal(name)) => self.hand_on(Named::Dispatched(name)),
            (Reader::Dispatch, Argument::Computed(start)) => {
                self.hand_on(Named::ComputedDispatch(start));
            }
        }
    }

    fn take_around(&mut self, reader: Reader, around: Around) {
        let Around { before, hole, after } = around;
        let is_bare = before.is_empty() && after.is_empty();
        match (reader, hole) {
            (Reader::EnvVar, Hole::Var(var)) => {
                self.read(Facet::EnvVarsOf(NameOf { before, var, after }));
            }
            (Reader::Var, Hole::Var(var)) => {
                self.read(Facet::VarsOf(NameOf { before, var, after }));
            }
            (Reader::Context | Reader::Dispatch, Hole::Var(_)) => {
                self.take(reader, Argument::Computed(before));
            }
            (Reader::Context | Reader::Dispatch, Hole::Parameter(_)) if !is_bare => {
                self.take(reader, Argument::Computed(before));
            }
            (_, hole @ Hole::Parameter(_)) => {
                self.passed.insert((reader, Around { before, hole, after }));
            }
        }
    }

    /// What another piece of the same code reads; nobody calls that piece by its parameters.
    pub(super) fn absorb(&mut self, mut other: Self) {
        for (reader, around) in std::mem::take(&mut other.passed) {
            other.take(reader, Argument::Computed(around.before));
        }
        self.facets.extend(other.facets);
        self.mentions.extend(other.mentions);
        self.picks_incremental_strategy |= other.picks_incremental_strategy;
    }

    /// Without what it picks by a computed name.
    pub(super) fn keep_calls(&mut self) {
        let is_computed =
            |of: &Named| matches!(of, Named::Computed(..) | Named::ComputedDispatch(_));
        self.mentions.retain(|mention| !is_computed(&mention.of));
        self.passed.retain(|(reader, _)| matches!(reader, Reader::EnvVar | Reader::Var));
        self.facets.retain(|facet| !matches!(facet, Facet::Object(_) | Facet::Source(_)));
    }

    fn read(&mut self, facet: Facet) {
        self.facets.insert(facet);
    }

    fn hand_on(&mut self, of: Named) {
        self.mentions.push(Mention { of, arguments: None });
    }

    fn computed(&mut self, package: Option<&str>, start: String) {
        self.hand_on(Named::Computed(package.map(str::to_owned), start));
    }
}
