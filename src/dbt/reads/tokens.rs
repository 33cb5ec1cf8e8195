//! Jinja and Python as words: just enough of both languages to tell code from text.
//!
//! Not a parser: what follows only has to know which words are code, which are string
//! literals, and where an expression ends. Malformed text yields the tokens up to its end;
//! dbt will say what is wrong with it.

use std::borrow::Cow;
use std::ops::Range;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dbt) enum Token<'a> {
    /// An identifier or keyword.
    Name(&'a str),
    /// A string literal without its quotes; `\'`, `\"` and `\\` are resolved, other escapes
    /// are left as they stand.
    Text(Cow<'a, str>),
    /// Any other character that is not white space; `==` is one token, `=` another.
    Mark(&'a str),
}

/// The expressions and statements of a template, each as its tokens. Comments and raw
/// blocks are left out (Jinja 2.11+, as in every dbt 1.x).
pub(super) fn blocks(template: &str) -> Vec<Vec<Token<'_>>> {
    placed_blocks(template).into_iter().map(|block| block.tokens).collect()
}

/// An expression or a statement, and where it stands.
pub(super) struct PlacedBlock<'a> {
    pub(super) opening: Opening,
    pub(super) tokens: Vec<Token<'a>>,
    /// The bytes of the template that it takes, with its marks.
    pub(super) place: Range<usize>,
}

/// The same with their places.
pub(super) fn placed_blocks(template: &str) -> Vec<PlacedBlock<'_>> {
    let mut blocks = Vec::new();
    let mut rest = template;
    while let Some((opening, after)) = next_opening(rest) {
        let end = match opening {
            Opening::Comment => {
                rest = skip_past(after, "#}");
                continue;
            }
            Opening::Expression => "}}",
            Opening::Statement => "%}",
        };
        let (tokens, behind) = trimmed_block(after, end);
        if end == "%}" && is_raw(&tokens) {
            rest = skip_raw(behind);
            continue;
        }
        let place = template.len() - after.len() - 2..template.len() - behind.len();
        blocks.push(PlacedBlock { opening, tokens, place });
        rest = behind;
    }
    blocks
}

/// What begins at a `{`.
#[derive(Debug, Clone, Copy)]
pub(in crate::dbt) enum Opening {
    /// `{{`.
    Expression,
    /// `{%`.
    Statement,
    /// `{#`.
    Comment,
}

/// The next opening and what follows it.
pub(in crate::dbt) fn next_opening(text: &str) -> Option<(Opening, &str)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = bytes.get(from..)?.iter().position(|byte| *byte == b'{') {
        let at = from + found;
        let opening = match bytes.get(at + 1) {
            Some(b'{') => Opening::Expression,
            Some(b'%') => Opening::Statement,
            Some(b'#') => Opening::Comment,
            _ => {
                from = at + 1;
                continue;
            }
        };
        return Some((opening, text.get(at + 2..).unwrap_or_default()));
    }
    None
}

fn skip_past<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

fn is_raw(block: &[Token<'_>]) -> bool {
    matches!(block, [Token::Name("raw")] | [Token::Mark("-" | "+"), Token::Name("raw")])
}

/// What follows the `endraw` statement, white space control included.
fn skip_raw(text: &str) -> &str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{%") {
        let word = after.trim_start_matches(['-', '+']).trim_start();
        if word.starts_with("endraw") {
            return skip_past(word, "%}");
        }
        rest = after;
    }
    ""
}

fn trimmed_block<'a>(code: &'a str, end: &str) -> (Vec<Token<'a>>, &'a str) {
    let (mut tokens, rest) = block(code, end);
    if end == "%}" && matches!(tokens.last(), Some(Token::Mark("-" | "+"))) {
        tokens.pop();
    }
    (tokens, rest.unwrap_or_default())
}

/// The tokens up to `end`, and what follows it; nothing follows if there is no `end`.
pub(in crate::dbt) fn block<'a>(code: &'a str, end: &str) -> (Vec<Token<'a>>, Option<&'a str>) {
    let mut lexer = Lexer { rest: code, depth: 0, language: Language::Jinja };
    let mut tokens = Vec::new();
    loop {
        lexer.rest = lexer.rest.trim_start();
        // Jinja balances brackets: the braces of a dictionary do not end the expression.
        if lexer.depth == 0 && lexer.rest.starts_with(end) {
            return (tokens, lexer.rest.get(end.len()..));
        }
        let Some(token) = lexer.next_token() else { return (tokens, None) };
        tokens.push(token);
    }
}

/// All of `code` as one Jinja expression.
pub(super) fn expression(code: &str) -> Vec<Token<'_>> {
    all(code, Language::Jinja)
}

/// Whether a text is a list or a mapping in Jinja, and no template.
pub(super) fn is_collection(text: &str) -> bool {
    let tokens = expression(text);
    let ends = (tokens.first(), tokens.last());
    let is_closed = matches!(
        ends,
        (Some(Token::Mark("[")), Some(Token::Mark("]")))
            | (Some(Token::Mark("{")), Some(Token::Mark("}")))
    );
    let opens =
        |pair: &[Token<'_>]| matches!(pair, [Token::Mark("{"), Token::Mark("{" | "%" | "#")]);
    is_closed && !tokens.windows(2).any(opens)
}

/// Python source; comments are left out, the inside of f-strings is code.
pub(super) fn python(code: &str) -> Vec<Token<'_>> {
    all(code, Language::Python)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Jinja,
    Python,
}

fn all(code: &str, language: Language) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: code, depth: 0, language };
    let mut tokens = Vec::new();
    loop {
        lexer.rest = lexer.rest.trim_start();
        if language == Language::Python && lexer.rest.starts_with('#') {
            lexer.rest = skip_past(lexer.rest, "\n");
            continue;
        }
        let Some(token) = lexer.next_token() else { return tokens };
        tokens.push(token);
    }
}

struct Lexer<'a> {
    rest: &'a str,
    /// Brackets that are open.
    depth: usize,
    language: Language,
}

impl<'a> Lexer<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        let string = match self.language {
            Language::Jinja => string(self.rest),
            Language::Python => python_string(self.rest),
        };
        if let Some((text, rest)) = string {
            self.rest = rest;
            return Some(Token::Text(text));
        }
        let first = self.rest.chars().next()?;
        if first == '_' || first.is_alphanumeric() {
            let end = self
                .rest
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(self.rest.len());
            return self.take(end).map(Token::Name);
        }
        match first {
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let length = if self.rest.starts_with("==") { 2 } else { first.len_utf8() };
        self.take(length).map(Token::Mark)
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(word)
    }
}

/// A Jinja string literal at the start of `code`, and what follows it.
fn string(code: &str) -> Option<(Cow<'_, str>, &str)> {
    let quote = code.get(..1).filter(|quote| matches!(*quote, "'" | "\""))?;
    Some(until(code.get(1..)?, quote))
}

/// A Python string literal with its prefix and one or three quotes.
fn python_string(code: &str) -> Option<(Cow<'_, str>, &str)> {
    let start = code.bytes().take(3).position(|byte| matches!(byte, b'\'' | b'"'))?;
    let (prefix, quoted) = code.split_at_checked(start)?;
    if !prefix.bytes().all(|byte| b"rRbBuUfF".contains(&byte)) {
        return None;
    }
    let triple = ["'''", "\"\"\""].into_iter().find(|quotes| quoted.starts_with(quotes));
    let quotes = triple.or_else(|| quoted.get(..1))?;
    Some(until(quoted.get(quotes.len()..)?, quotes))
}

/// The text up to `quotes`, with escaped quotes resolved, and what follows them.
fn until<'a>(text: &'a str, quotes: &str) -> (Cow<'a, str>, &'a str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if text.get(at..).is_some_and(|rest| rest.starts_with(quotes)) {
            let (inside, rest) = text.split_at(at);
            return (unescaped(inside), rest.get(quotes.len()..).unwrap_or_default());
        }
    }
    (unescaped(text), "")
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match next {
            Some(quoted @ ('\'' | '"' | '\\')) if c == '\\' => {
                plain.push(quoted);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(template: &str) -> Vec<Vec<String>> {
        let show = |token: &Token<'_>| match token {
            Token::Name(word) | Token::Mark(word) => (*word).to_owned(),
            Token::Text(text) => format!("'{text}'"),
        };
        blocks(template).iter().map(|block| block.iter().map(show).collect()).collect()
    }

    #[test]
    fn only_expressions_and_statements_are_code() {
        let got = words("a {{ b('c') }} d {#- {{ e }} -#} {%- set f = g -%} h");
        let set: &[&str] = &["-", "set", "f", "=", "g"];
        assert_eq!(got, [&["b", "(", "'c'", ")"] as &[&str], set]);
    }

    #[test]
    fn raw_blocks_are_text() {
        let got = words("{%- raw -%} {{ a }} {% b %} {%- endraw -%}{{ c }}");
        assert_eq!(got, [["c"]]);
    }

    #[test]
    fn the_braces_of_a_dictionary_do_not_end_an_expression() {
        let got = words("{{ {'a': {'b': x}}, z }}{{ y }}");
        let last = got.iter().map(|block| block.last().unwrap().as_str());
        assert_eq!(last.collect::<Vec<_>>(), ["z", "y"]);
    }

    #[test]
    fn the_end_mark_inside_a_string_is_text() {
        assert_eq!(words(r#"{{ "a }} \" b" ~ c }}"#), [["'a }} \" b'", "~", "c"]]);
    }

    #[test]
    fn unfinished_text_yields_what_there_is_and_never_panics() {
        let whole = "{{ a('é') }}{% raw %}{% endraw %}{# ü #}{{ {'b': 'c\\''} }}";
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let _ = (blocks(&whole[..end]), expression(&whole[..end]), python(&whole[..end]));
        }
    }

    #[test]
    fn python_comments_and_string_prefixes_are_understood() {
        let tokens = python("x = rb'a' # 'b\ny = '''c'd'''\n");
        let texts: Vec<&str> = tokens
            .iter()
            .filter_map(|token| match token {
                Token::Text(text) => Some(text.as_ref()),
                Token::Name(_) | Token::Mark(_) => None,
            })
            .collect();
        assert_eq!(texts, ["a", "c'd"]);
    }
}
