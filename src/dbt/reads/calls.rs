//! Calls and their arguments, as far as they are literals or handed on.

use super::tokens::Token;
use super::value::{Argument, Names, unknown};
use std::ops::Range;

/// An expression or a statement, with its brackets matched once, so that every call in it is read
/// in time proportional to its own arguments, however deeply calls are nested.
#[derive(Debug)]
pub(super) struct Block<'a> {
    tokens: Vec<Token<'a>>,
    /// For each opening bracket the index of its closing one, or the number of tokens if it is
    /// never closed. Of any kind: dbt will complain of `(]`.
    ends: Vec<usize>,
}

/// The arguments of a call, each with its keyword, if it has one.
pub(super) type Arguments = Vec<(Option<String>, Argument)>;

/// The argument for the parameter of this name and position; its default where the call has none.
pub(super) fn argument_for(
    arguments: Option<&Arguments>,
    position: usize,
    parameter: &str,
    default: Option<&Argument>,
) -> Argument {
    let Some(all) = arguments else { return unknown() };
    let keyword = all.iter().find(|(key, _)| key.as_deref() == Some(parameter));
    let positional = || all.get(position).filter(|(key, _)| key.is_none());
    let found = keyword.or_else(positional).map(|(_, argument)| argument);
    found.or(default).cloned().unwrap_or_else(unknown)
}

impl<'a> Block<'a> {
    pub(super) fn new(tokens: Vec<Token<'a>>) -> Self {
        let mut ends = vec![tokens.len(); tokens.len()];
        let mut open = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Mark("(" | "[" | "{") => open.push(at),
                Token::Mark(")" | "]" | "}") => {
                    if let Some(end) = open.pop().and_then(|opening: usize| ends.get_mut(opening)) {
                        *end = at;
                    }
                }
                Token::Mark(_) | Token::Name(_) | Token::Text(_) => {}
            }
        }
        Self { tokens, ends }
    }

    pub(super) fn tokens(&self) -> &[Token<'a>] {
        &self.tokens
    }

    /// The token at this index; nothing outside of the block.
    pub(super) fn token(&self, at: usize) -> Option<&Token<'a>> {
        self.tokens.get(at)
    }

    /// The token so many places before this index.
    pub(super) fn before(&self, at: usize, places: usize) -> Option<&Token<'a>> {
        self.tokens.get(at.checked_sub(places)?)
    }

    pub(super) fn is_text(&self, at: usize) -> bool {
        matches!(self.token(at), Some(Token::Text(_)))
    }

    pub(super) fn is_mark(&self, at: usize, mark: &str) -> bool {
        self.token(at) == Some(&Token::Mark(mark))
    }

    /// The index of the bracket that closes the one at this index.
    pub(super) fn end_of(&self, opening: usize) -> usize {
        self.ends.get(opening).copied().unwrap_or(self.tokens.len())
    }

    /// What stands between the commas behind an opening bracket, up to its closing one.
    pub(super) fn pieces(&self, opening: usize) -> Vec<&[Token<'a>]> {
        let ranges = self.piece_ranges(opening).into_iter();
        ranges.filter_map(|range| self.tokens.get(range)).collect()
    }

    pub(super) fn piece_ranges(&self, opening: usize) -> Vec<Range<usize>> {
        let inside = opening + 1..self.end_of(opening);
        let mut pieces = self.split(inside, |token| matches!(token, Token::Mark(",")));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The parts between the tokens that separate them, outside of brackets.
    pub(super) fn split(
        &self,
        range: Range<usize>,
        separates: fn(&Token<'a>) -> bool,
    ) -> Vec<Range<usize>> {
        let (mut parts, mut start, mut at) = (Vec::new(), range.start, range.start);
        while at < range.end {
            match self.token(at) {
                Some(Token::Mark("(" | "[" | "{")) => at = self.end_of(at),
                Some(token) if separates(token) => {
                    parts.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        parts.push(start.min(range.end)..range.end);
        parts
    }

    /// The arguments of the call whose opening bracket is at this index. `None` where there is no
    /// call, or one with `*list` or `**mapping`.
    pub(super) fn arguments(&self, opening: usize, names: &Names<'_>) -> Option<Arguments> {
        if !self.is_mark(opening, "(") {
            return None;
        }
        let pieces = self.piece_ranges(opening);
        let unpacks = |piece: &Range<usize>| matches!(self.token(piece.start), Some(Token::Mark(mark)) if mark.starts_with('*'));
        if pieces.iter().any(unpacks) {
            return None;
        }
        let keyword = |piece: Range<usize>| match (self.token(piece.start), piece.start + 1) {
            (Some(Token::Name(key)), behind) if self.is_mark(behind, "=") => {
                (Some((*key).to_owned()), self.value(behind + 1..piece.end, names))
            }
            _ => (None, self.value(piece, names)),
        };
        Some(pieces.into_iter().map(keyword).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::expression;
    use super::super::value::Hole;
    use super::*;

    fn of(code: &str) -> Option<Arguments> {
        Block::new(expression(code)).arguments(0, &Names::of(&["p"], &[], false))
    }

    fn computed(start: &str) -> Argument {
        Argument::Computed(start.to_owned())
    }

    #[test]
    fn arguments_are_told_apart_up_to_the_closing_bracket() {
        let literal = |text: &str| (None, Argument::Literal(text.to_owned()));
        let unknown = || (None, computed(""));
        assert_eq!(
            of("('a', f('b', [1, 2]), {'c': 'd'}) , 'e'"),
            Some(vec![literal("a"), unknown(), unknown()])
        );
        assert_eq!(
            of("('a' 'b', q, 'c' ~ 'd', '\\n')"),
            Some(vec![literal("ab"), unknown(), literal("cd"), unknown()])
        );
        let parameter = Argument::hole(Hole::Parameter("p".to_owned()));
        let keyword = (Some("k".to_owned()), parameter.clone());
        assert_eq!(of("(p, k=p)"), Some(vec![(None, parameter), keyword]));
        assert_eq!(of("()"), Some(Vec::new()));
        assert_eq!(of("(*p)"), None);
        assert_eq!(of("p"), None);
    }

    #[test]
    fn the_beginning_of_a_computed_string_is_known_unless_there_is_a_choice() {
        for (code, start) in [
            ("('m_' ~ kind)", "m_"),
            ("('m_' + kind + 'x')", "m_"),
            ("('m_' ~ kind | upper)", "m_"),
            ("('m_' | upper)", ""),
            ("(kind ~ '_m')", ""),
        ] {
            assert_eq!(of(code), Some(vec![(None, computed(start))]), "{code}");
        }
    }

    #[test]
    fn an_argument_is_found_by_keyword_or_position() {
        let arguments = of("('a', k='b')");
        let argument = |at, name| argument_for(arguments.as_ref(), at, name, None);
        assert_eq!(argument(0, "x"), Argument::Literal("a".into()));
        assert_eq!(argument(7, "k"), Argument::Literal("b".into()));
        assert_eq!(argument(1, "y"), computed(""));
        let default = Argument::Literal("d".into());
        assert_eq!(argument_for(arguments.as_ref(), 1, "y", Some(&default)), default);
        assert_eq!(argument_for(None, 1, "y", Some(&default)), computed(""));
    }

    #[test]
    fn brackets_that_are_never_closed_end_with_the_text() {
        assert_eq!(
            of("('a', f(['b'"),
            Some(vec![(None, Argument::Literal("a".into())), (None, computed(""))])
        );
        assert_eq!(of("('a'"), Some(vec![(None, Argument::Literal("a".into()))]));
    }
}
