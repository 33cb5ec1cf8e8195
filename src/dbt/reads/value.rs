//! What an expression is known to be before anything is run: strings, as far as they are literals,
//! parameters, values of vars, or chosen from those.

use super::calls::Block;
use super::tokens::Token;
use crate::trees::IntoTree;
use std::collections::BTreeMap;
use std::ops::Range;

/// What an expression is known to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Argument {
    /// A string.
    Literal(String),
    /// Anything else, with the string that it begins with: `m_` of `'m_' ~ kind`.
    Computed(String),
    /// A string that another piece of code or of configuration completes.
    Around(Around),
    /// One of these: `a if b else c`, or what a loop runs over.
    OneOf(Vec<Argument>),
    /// A list of these.
    List(Vec<Argument>),
}

/// `before ~ hole ~ after`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Around {
    pub(super) before: String,
    pub(super) hole: Hole,
    pub(super) after: String,
}

/// What is known elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hole {
    /// What the macro was called with for a parameter; if that is a list, an item of it.
    Parameter(String),
    /// The value of a var; if that is a list, an item of it.
    Var(String),
}

/// Expressions within expressions are followed this deep.
const DEPTH: usize = 6;
/// A value with more alternatives, or longer ones, is not followed.
const MOST: usize = 200;
const LONGEST: usize = 64;

/// Nothing is known.
pub(super) fn unknown() -> Argument {
    Argument::Computed(String::new())
}

impl Argument {
    pub(super) fn hole(hole: Hole) -> Self {
        Self::Around(Around { before: String::new(), hole, after: String::new() })
    }

    /// One of several.
    pub(super) fn one_of(all: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Vec::new();
        for one in all {
            match one {
                Self::OneOf(inner) => found.extend(inner),
                other
                @ (Self::Literal(_) | Self::Computed(_) | Self::Around(_) | Self::List(_)) => {
                    found.push(other)
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        match found.len() {
            1 => found.pop().unwrap_or_else(unknown),
            len if len > MOST => unknown(),
            _ => Self::OneOf(found),
        }
    }

    /// What a loop over it gives.
    pub(super) fn item(self) -> Self {
        match self {
            Self::List(items) => Self::one_of(items),
            Self::OneOf(all) => Self::one_of(all.into_iter().map(Self::item)),
            Self::Around(around) if around.before.is_empty() && around.after.is_empty() => {
                Self::Around(around)
            }
            Self::Literal(_) | Self::Computed(_) | Self::Around(_) => unknown(),
        }
    }

    /// With another string behind it.
    pub(super) fn then(self, next: &Self) -> Self {
        match self {
            Self::Literal(text) => next.behind(&text),
            Self::Computed(start) => Self::Computed(start),
            Self::Around(mut around) => match next {
                Self::Literal(text) => {
                    around.after.push_str(text);
                    around.bounded()
                }
                Self::Computed(_) | Self::Around(_) | Self::OneOf(_) | Self::List(_) => {
                    Self::Computed(around.before)
                }
            },
            Self::OneOf(all) => Self::one_of(all.into_iter().map(|one| one.then(next))),
            Self::List(_) => unknown(),
        }
    }

    fn behind(&self, text: &str) -> Self {
        match self {
            Self::Literal(own) => Self::Literal(format!("{text}{own}")),
            Self::Computed(own) => Self::Computed(format!("{text}{own}")),
            Self::Around(around) => {
                let before = format!("{text}{}", around.before);
                Around { before, ..around.clone() }.bounded()
            }
            Self::OneOf(all) => Self::one_of(all.iter().map(|one| one.behind(text))),
            Self::List(_) => Self::Computed(text.to_owned()),
        }
    }

    fn holds_list(&self) -> bool {
        match self {
            Self::List(_) => true,
            Self::OneOf(all) => all.iter().any(Self::holds_list),
            Self::Literal(_) | Self::Computed(_) | Self::Around(_) => false,
        }
    }
}

impl Around {
    /// A macro may call itself with ever more around its parameter.
    fn bounded(self) -> Argument {
        if self.before.len() + self.after.len() > LONGEST {
            return Argument::Computed(self.before);
        }
        Argument::Around(self)
    }

    /// With this in its hole.
    pub(super) fn filled(&self, with: Argument) -> Argument {
        let with = if with.holds_list() { with.item() } else { with };
        with.behind(&self.before).then(&Argument::Literal(self.after.clone()))
    }
}

/// The names that code binds, as far as their values are known.
#[derive(Debug, Default)]
pub(super) struct Names<'a>(BTreeMap<&'a str, Argument>);

impl<'a> Names<'a> {
    /// Parameters, and the expressions of `set` and `for`. A name that is bound more than once is
    /// one of those values; `None` is a binding of which nothing is known. What refers to another
    /// name is known in the next round. Where the code changes a list somewhere (`names.append(…)`),
    /// only those are known that a loop has written out.
    pub(super) fn of(
        parameters: &[&'a str],
        bindings: &[(&'a str, Option<Bound<'_, 'a>>)],
        mutated: bool,
    ) -> Self {
        let mut names = Self::default();
        for _ in 0..ROUNDS {
            let mut next: BTreeMap<&str, Vec<Argument>> = BTreeMap::new();
            for name in parameters {
                let own = Argument::hole(Hole::Parameter((*name).to_owned()));
                next.entry(name).or_default().push(own);
            }
            for (name, bound) in bindings {
                let value =
                    bound.as_ref().map_or_else(unknown, |bound| bound.value(&names, mutated));
                let value = if mutated && value.holds_list() { unknown() } else { value };
                next.entry(name).or_default().push(value);
            }
            let known = |(name, all): (&'a str, Vec<Argument>)| (name, Argument::one_of(all));
            names = Self(next.into_iter().map(known).into_tree());
            if bindings.is_empty() {
                break;
            }
        }
        names
    }

    fn get(&self, name: &str) -> Argument {
        self.0.get(name).cloned().unwrap_or_else(unknown)
    }

    fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// `for a in b` of names that are bound by `set` of other names.
const ROUNDS: usize = 3;

/// The expression to which a name is bound.
#[derive(Debug)]
pub(super) struct Bound<'b, 'a> {
    pub(super) block: &'b Block<'a>,
    pub(super) range: Range<usize>,
    /// To its items, one after the other.
    pub(super) is_loop: bool,
}

impl Bound<'_, '_> {
    fn value(&self, names: &Names<'_>, mutated: bool) -> Argument {
        let literal = self.block.is_mark(self.range.start, "[");
        let value = self.block.value(self.range.clone(), names);
        if !self.is_loop {
            return value;
        }
        if mutated && !literal { unknown() } else { value.item() }
    }
}

impl<'a> Block<'a> {
    /// What is known of the expression in this range.
    pub(super) fn value(&self, range: Range<usize>, names: &Names<'_>) -> Argument {
        self.value_in(range, names, DEPTH)
    }

    fn value_in(&self, range: Range<usize>, names: &Names<'_>, depth: usize) -> Argument {
        let Some(depth) = depth.checked_sub(1) else { return unknown() };
        let choice = self.split(range.clone(), |token| matches!(token, Token::Name("if")));
        if let [then, rest @ ..] = &*choice
            && let Some(condition) = rest.first()
        {
            let behind = condition.start..range.end;
            let others = self.split(behind, |token| matches!(token, Token::Name("else")));
            let others = others.into_iter().skip(1).chain([then.clone()]);
            return Argument::one_of(others.map(|part| self.value_in(part, names, depth)));
        }
        let either = self.split(range.clone(), |token| matches!(token, Token::Name("or" | "and")));
        if either.len() > 1 {
            let all = either.into_iter().map(|part| self.value_in(part, names, depth));
            return Argument::one_of(all);
        }
        let parts = self.split(range, |token| matches!(token, Token::Mark("~" | "+")));
        let mut parts = parts.into_iter().map(|part| self.operand(part, names, depth));
        let first = parts.next().unwrap_or_else(unknown);
        parts.fold(first, |all, next| match (all, next) {
            (Argument::List(mut items), Argument::List(more)) => {
                items.extend(more);
                Argument::List(items)
            }
            (all, next) => all.then(&next),
        })
    }

    /// A literal, a name, a list or a call, with its filters.
    fn operand(&self, range: Range<usize>, names: &Names<'_>, depth: usize) -> Argument {
        let within = |opening: usize| {
            let pieces = self.piece_ranges(opening).into_iter();
            pieces.map(|piece| self.value_in(piece, names, depth)).collect::<Vec<_>>()
        };
        let start = range.start;
        let (mut value, mut at) = match self.token(start).filter(|_| !range.is_empty()) {
            // Adjacent literals are one, in Jinja as in Python.
            Some(Token::Text(_)) => self.literal(range.clone()),
            Some(Token::Mark("[")) => (Argument::List(within(start)), self.end_of(start) + 1),
            Some(Token::Mark("(")) => {
                let mut items = within(start);
                let is_one = items.len() == 1 && !self.is_mark(self.end_of(start) - 1, ",");
                let one = if is_one { items.pop() } else { None };
                (one.unwrap_or(Argument::List(items)), self.end_of(start) + 1)
            }
            Some(Token::Name("var")) if self.is_mark(start + 1, "(") && !names.contains("var") => {
                let mut all = within(start + 1).into_iter();
                let named = match all.next() {
                    Some(Argument::Literal(name)) => Argument::hole(Hole::Var(name)),
                    _ => return unknown(),
                };
                (Argument::one_of([named].into_iter().chain(all)), self.end_of(start + 1) + 1)
            }
            Some(Token::Name(name)) => (names.get(name), start + 1),
            _ => return unknown(),
        };
        while at < range.end {
            let opening = at + 2;
            let is_call = self.is_mark(opening, "(");
            let behind = if is_call { self.end_of(opening) + 1 } else { opening };
            value = match (self.token(at), self.token(at + 1)) {
                (Some(Token::Mark("|")), Some(Token::Name("list" | "sort" | "unique"))) => value,
                (Some(Token::Mark("|")), Some(Token::Name("default" | "d"))) if is_call => {
                    Argument::one_of(within(opening).into_iter().take(1).chain([value]))
                }
                (Some(Token::Mark("|" | ".")), Some(Token::Name("format"))) if is_call => {
                    format(&value, &within(opening))
                }
                (Some(Token::Mark("%")), _) => {
                    let with = self.value_in(at + 1..range.end, names, depth);
                    return format(&value, &[with]);
                }
                _ => return unknown(),
            };
            at = behind;
        }
        value
    }

    fn literal(&self, range: Range<usize>) -> (Argument, usize) {
        let (mut text, mut at) = (String::new(), range.start);
        while let Some(Token::Text(part)) = self.token(at).filter(|_| at < range.end) {
            if part.contains('\\') {
                return (unknown(), range.end);
            }
            text.push_str(part);
            at += 1;
        }
        (Argument::Literal(text), at)
    }
}

/// `'A_%s' % x`, `'A_{}'.format(x)`.
fn format(template: &Argument, with: &[Argument]) -> Argument {
    let Argument::Literal(text) = template else { return unknown() };
    let at = text.find(['%', '{']).unwrap_or(text.len());
    let (before, rest) = text.split_at(at);
    let after = rest.strip_prefix("%s").or_else(|| rest.strip_prefix("{}"));
    match (after, with) {
        (Some(after), [one]) if !after.contains(['%', '{', '}']) && !one.holds_list() => {
            one.behind(before).then(&Argument::Literal(after.to_owned()))
        }
        _ => Argument::Computed(before.to_owned()),
    }
}
