//! Calls and their arguments, as far as they are literals or handed on.

use super::tokens::Token;

/// A mention of a macro in code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// The macro's name, without package and prefix.
    pub(super) callee: String,
    /// By position or keyword; `None` where it is not called there and then, or with `*list`.
    pub(super) arguments: Option<Vec<(Option<String>, Argument)>>,
}

/// What an argument is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// A string.
    Literal(String),
    /// What the macro was called with itself.
    Parameter(String),
    /// Anything else.
    Computed,
}

impl Call {
    /// The argument for the parameter of this name and position.
    pub(super) fn argument(&self, position: usize, parameter: &str) -> &Argument {
        let all = self.arguments.as_deref().unwrap_or_default();
        let keyword = all.iter().find(|(key, _)| key.as_deref() == Some(parameter));
        let positional = || all.get(position).filter(|(key, _)| key.is_none());
        keyword.or_else(positional).map_or(&Argument::Computed, |(_, argument)| argument)
    }
}

/// The arguments of a call, by what follows its opening bracket. `parameters` are those of
/// the macro in which the call stands.
pub(super) fn arguments<'a>(
    list: &[Token<'a>],
    parameters: &[&str],
) -> Option<Vec<(Option<&'a str>, Argument)>> {
    let pieces = pieces(list);
    if pieces.iter().any(|piece| piece.first() == Some(&Token::Mark("*"))) {
        return None;
    }
    let keyword = |piece: &&[Token<'a>]| match piece {
        [Token::Name(key), Token::Mark("="), value @ ..] => {
            (Some(*key), argument(value, parameters))
        }
        value => (None, argument(value, parameters)),
    };
    Some(pieces.iter().map(keyword).collect())
}

/// The same, borrowing nothing.
pub(super) fn owned(list: Vec<(Option<&str>, Argument)>) -> Vec<(Option<String>, Argument)> {
    list.into_iter().map(|(key, argument)| (key.map(str::to_owned), argument)).collect()
}

fn argument(value: &[Token<'_>], parameters: &[&str]) -> Argument {
    if let [Token::Name(name)] = value {
        let handed_on = parameters.contains(name);
        return if handed_on {
            Argument::Parameter((*name).to_owned())
        } else {
            Argument::Computed
        };
    }
    // Adjacent literals are one, in Jinja as in Python.
    let mut text = String::new();
    for token in value {
        match token {
            Token::Text(part) if !part.contains('\\') => text.push_str(part),
            Token::Text(_) | Token::Name(_) | Token::Mark(_) => return Argument::Computed,
        }
    }
    if value.is_empty() { Argument::Computed } else { Argument::Literal(text) }
}

/// What stands between the commas, up to the closing bracket.
pub(super) fn pieces<'t, 'a>(list: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut depth = 0_usize;
    for (at, token) in list.iter().enumerate() {
        match (token, depth) {
            (Token::Mark("," | ")" | "]" | "}"), 0) => {
                pieces.extend(list.get(start..at).filter(|piece| !piece.is_empty()));
                start = at + 1;
                if *token != Token::Mark(",") {
                    return pieces;
                }
            }
            (Token::Mark("(" | "[" | "{"), _) => depth += 1,
            (Token::Mark(")" | "]" | "}"), _) => depth -= 1,
            _ => {}
        }
    }
    pieces.extend(list.get(start..).filter(|piece| !piece.is_empty()));
    pieces
}

/// What follows the bracket that encloses the beginning of `list`.
pub(super) fn behind<'t, 'a>(list: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let mut depth = 0_usize;
    for (at, token) in list.iter().enumerate() {
        match (token, depth) {
            (Token::Mark(")" | "]" | "}"), 0) => return list.get(at + 1..).unwrap_or_default(),
            (Token::Mark("(" | "[" | "{"), _) => depth += 1,
            (Token::Mark(")" | "]" | "}"), _) => depth -= 1,
            _ => {}
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::super::tokens::expression;
    use super::*;

    fn of(code: &str) -> Option<Vec<(Option<String>, Argument)>> {
        arguments(&expression(code), &["p"]).map(owned)
    }

    #[test]
    fn arguments_are_told_apart_up_to_the_closing_bracket() {
        let literal = |text: &str| (None, Argument::Literal(text.to_owned()));
        let computed = || (None, Argument::Computed);
        assert_eq!(
            of("'a', f('b', [1, 2]), {'c': 'd'}) , 'e'"),
            Some(vec![literal("a"), computed(), computed()])
        );
        assert_eq!(
            of("'a' 'b', q, 'c' ~ 'd', '\\n')"),
            Some(vec![literal("ab"), computed(), computed(), computed()])
        );
        let keyword = (Some("k".to_owned()), Argument::Parameter("p".to_owned()));
        assert_eq!(of("p, k=p)"), Some(vec![(None, Argument::Parameter("p".to_owned())), keyword]));
        assert_eq!(of(")"), Some(Vec::new()));
        assert_eq!(of("*p)"), None);
    }

    #[test]
    fn an_argument_is_found_by_keyword_or_position() {
        let call = Call { callee: "m".into(), arguments: of("'a', k='b')") };
        assert_eq!(call.argument(0, "x"), &Argument::Literal("a".into()));
        assert_eq!(call.argument(7, "k"), &Argument::Literal("b".into()));
        assert_eq!(call.argument(1, "y"), &Argument::Computed);
    }

    #[test]
    fn what_follows_the_bracket() {
        let tokens = expression(", f(1)])(x)");
        assert_eq!(behind(&tokens), &expression(")(x)")[..]);
    }
}
