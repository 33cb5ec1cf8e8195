//! Calls and their arguments, as far as they are literals or handed on.

use super::tokens::Token;

/// An expression or a statement, with its brackets matched once, so that every call in it is read
/// in time proportional to its own arguments, however deeply calls are nested.
#[derive(Debug)]
pub(super) struct Block<'a> {
    tokens: Vec<Token<'a>>,
    /// For each opening bracket the index of its closing one, or the number of tokens if it is
    /// never closed. Of any kind: dbt will complain of `(]`.
    ends: Vec<usize>,
}

/// What an argument is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// A string.
    Literal(String),
    /// What the macro was called with itself.
    Parameter(String),
    /// Anything else, with the string that it begins with: `m_` of `'m_' ~ kind`.
    Computed(String),
}

/// The arguments of a call, each with its keyword, if it has one.
pub(super) type Arguments = Vec<(Option<String>, Argument)>;

/// The argument for the parameter of this name and position.
pub(super) fn argument_for(
    arguments: Option<&Arguments>,
    position: usize,
    parameter: &str,
) -> Argument {
    let all = arguments.map_or(&[][..], Vec::as_slice);
    let keyword = all.iter().find(|(key, _)| key.as_deref() == Some(parameter));
    let positional = || all.get(position).filter(|(key, _)| key.is_none());
    let found = keyword.or_else(positional);
    found.map_or(Argument::Computed(String::new()), |(_, argument)| argument.clone())
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

    pub(super) fn is_mark(&self, at: usize, mark: &str) -> bool {
        self.token(at) == Some(&Token::Mark(mark))
    }

    /// The index of the bracket that closes the one at this index.
    pub(super) fn end_of(&self, opening: usize) -> usize {
        self.ends.get(opening).copied().unwrap_or(self.tokens.len())
    }

    /// What stands between the commas behind an opening bracket, up to its closing one.
    pub(super) fn pieces(&self, opening: usize) -> Vec<&[Token<'a>]> {
        let end = self.end_of(opening);
        let mut pieces = Vec::new();
        let (mut start, mut at) = (opening + 1, opening + 1);
        while at < end {
            match self.token(at) {
                Some(Token::Mark("(" | "[" | "{")) => at = self.end_of(at),
                Some(Token::Mark(",")) => {
                    pieces.extend(self.tokens.get(start..at));
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        pieces.extend(self.tokens.get(start..end));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The arguments of the call whose opening bracket is at this index; `parameters` are those
    /// of the macro in which it stands. `None` where there is no call, or one with `*list`.
    pub(super) fn arguments(&self, opening: usize, parameters: &[&str]) -> Option<Arguments> {
        if !self.is_mark(opening, "(") {
            return None;
        }
        let pieces = self.pieces(opening);
        if pieces.iter().any(|piece| piece.first() == Some(&Token::Mark("*"))) {
            return None;
        }
        let keyword = |piece: &&[Token<'a>]| match piece {
            [Token::Name(key), Token::Mark("="), value @ ..] => {
                (Some((*key).to_owned()), argument(value, parameters))
            }
            value => (None, argument(value, parameters)),
        };
        Some(pieces.iter().map(keyword).collect())
    }
}

/// What an expression is known to be.
pub(super) fn argument(value: &[Token<'_>], parameters: &[&str]) -> Argument {
    if let [Token::Name(name)] = value
        && parameters.contains(name)
    {
        return Argument::Parameter((*name).to_owned());
    }
    // Adjacent literals are one, in Jinja as in Python.
    let is_text = |token: &&Token<'_>| matches!(token, Token::Text(part) if !part.contains('\\'));
    let texts = value.iter().take_while(is_text).filter_map(|token| match token {
        Token::Text(part) => Some(&**part),
        Token::Name(_) | Token::Mark(_) => None,
    });
    let (count, text) = (texts.clone().count(), texts.collect::<String>());
    match value.get(count..).unwrap_or_default() {
        [] if count > 0 => Argument::Literal(text),
        [Token::Mark("~" | "+"), rest @ ..] if !is_conditional(rest) => Argument::Computed(text),
        _ => Argument::Computed(String::new()),
    }
}

/// `'a' ~ b if c else d` may begin with anything.
fn is_conditional(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| matches!(token, Token::Name("if" | "and" | "or")))
}

#[cfg(test)]
mod tests {
    use super::super::tokens::expression;
    use super::*;

    fn of(code: &str) -> Option<Arguments> {
        Block::new(expression(code)).arguments(0, &["p"])
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
            Some(vec![literal("ab"), unknown(), (None, computed("c")), unknown()])
        );
        let parameter = Argument::Parameter("p".to_owned());
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
            ("('m_' ~ kind if kind else 'n')", ""),
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
        let argument = |at, name| argument_for(arguments.as_ref(), at, name);
        assert_eq!(argument(0, "x"), Argument::Literal("a".into()));
        assert_eq!(argument(7, "k"), Argument::Literal("b".into()));
        assert_eq!(argument(1, "y"), computed(""));
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
