//! The names that a template binds: parameters, loop variables, `set`.

use super::super::calls::Block;
use super::super::tokens::Token;
use super::super::value::{Argument, Bound, Names};
use crate::trees::IntoTree;
use std::collections::BTreeMap;

/// Where a statement's keyword stands: behind `-` or `+` of white space control.
pub(super) fn keyword_at(block: &Block<'_>) -> usize {
    usize::from(matches!(block.token(0), Some(Token::Mark("-" | "+"))))
}

/// The parameters of `macro name(…)`.
pub(super) fn parameters<'a>(block: &Block<'a>) -> Vec<&'a str> {
    let at = keyword_at(block);
    match block.token(at) {
        Some(Token::Name("macro")) => names_in(block, at + 2),
        _ => Vec::new(),
    }
}

/// What `macro name(a, b='x')` says of `b`.
pub(super) fn defaults(block: &Block<'_>) -> BTreeMap<String, Argument> {
    if parameters(block).is_empty() {
        return BTreeMap::new();
    }
    let all = block.arguments(keyword_at(block) + 2, &Names::default()).unwrap_or_default();
    all.into_iter().filter_map(|(key, value)| Some((key?, value))).into_tree()
}

/// The first word of each piece between these brackets: `a` and `b` of `(a, b='x')`.
pub(super) fn names_in<'a>(block: &Block<'a>, opening: usize) -> Vec<&'a str> {
    if !block.is_mark(opening, "(") {
        return Vec::new();
    }
    let first = |piece: &[Token<'a>]| match piece.first() {
        Some(Token::Name(name)) => Some(*name),
        _ => None,
    };
    block.pieces(opening).into_iter().filter_map(first).collect()
}

/// Names that the statement binds: loop variables, `set`, parameters of macros.
pub(super) fn bindings<'a>(block: &Block<'a>) -> Vec<&'a str> {
    let at = keyword_at(block);
    let end = match block.token(at) {
        Some(Token::Name("for")) => Token::Name("in"),
        Some(Token::Name("set" | "with")) => Token::Mark("="),
        Some(Token::Name("macro" | "test")) => return names_in(block, at + 2),
        Some(Token::Name("call")) => return names_in(block, at + 1),
        Some(Token::Name("import" | "from")) => Token::Mark(""),
        _ => return Vec::new(),
    };
    let targets = block.tokens().iter().skip(at + 1).take_while(|token| **token != end);
    let names = targets.filter_map(|token| match token {
        Token::Name(name) => Some(*name),
        Token::Text(_) | Token::Mark(_) => None,
    });
    names.collect()
}

/// The expression to which the statement binds its only name.
pub(super) fn bound<'b, 'a>(block: &'b Block<'a>) -> Option<Bound<'b, 'a>> {
    let at = keyword_at(block);
    let is_loop = match (block.token(at), block.token(at + 2)) {
        (Some(Token::Name("for")), Some(Token::Name("in"))) => true,
        (Some(Token::Name("set")), Some(Token::Mark("="))) => false,
        _ => return None,
    };
    let all = at + 3..block.tokens().len();
    let is_end = |token: &Token<'a>| matches!(token, Token::Name("if" | "recursive"));
    let range = if is_loop { block.split(all, is_end).into_iter().next()? } else { all };
    Some(Bound { block, range, is_loop })
}

/// Whether a list may be changed: `names.append(…)`.
pub(super) fn mutates(block: &Block<'_>) -> bool {
    let names = block.tokens().iter().enumerate();
    let mut methods = names.filter(|(at, _)| block.before(*at, 1) == Some(&Token::Mark(".")));
    methods.any(|(_, token)| matches!(token, Token::Name("append" | "extend" | "insert")))
}
