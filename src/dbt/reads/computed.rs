//! Code that takes something by a name that it computes, from what it should not look into.
//!
//! A macro, a package and most objects of dbt's context lead to the whole context, and so to the
//! command: `{{ m['con' ~ 'text'] }}` where `m` is a macro. No word that could be looked for need
//! stand there.

use super::tokens::{Token, blocks};

/// Words before a bracket that opens a list.
const KEYWORDS: [&str; 11] =
    ["and", "do", "elif", "else", "if", "in", "is", "not", "or", "return", "set"];

/// Objects and functions of dbt's context that hold more than a value.
const OBJECTS: [&str; 10] =
    ["adapter", "api", "caller", "config", "dbt", "env_var", "exceptions", "ref", "source", "var"];

/// Whether code takes an item or an attribute by a name that it computes.
#[must_use]
pub fn computes_names(code: &str) -> bool {
    blocks(code).iter().any(|tokens| {
        let subscript = (1..tokens.len()).any(|at| is_computed_item(tokens, at));
        subscript || tokens.windows(3).any(is_computed_attribute)
    })
}

/// Whether the token at this place opens a subscript that is more than literals.
fn is_computed_item(tokens: &[Token<'_>], at: usize) -> bool {
    let (Some(before), Some(Token::Mark("["))) = (tokens.get(at - 1), tokens.get(at)) else {
        return false;
    };
    let takes = match before {
        Token::Name(word) => !KEYWORDS.contains(word),
        Token::Mark(mark) => matches!(*mark, ")" | "]" | "}"),
        Token::Text(_) => true,
    };
    let inside = tokens.get(at + 1..).unwrap_or_default();
    let inside = inside.iter().take_while(|token| **token != Token::Mark("]"));
    let is_literal = |token: &Token<'_>| match token {
        Token::Text(_) => true,
        Token::Name(word) => word.starts_with(|c: char| c.is_ascii_digit()),
        Token::Mark(mark) => matches!(*mark, "-" | ":"),
    };
    takes && !inside.into_iter().all(is_literal)
}

/// `| attr(…)`, `map('attr', …)`, and `attribute=…` with more than a literal.
fn is_computed_attribute(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [Token::Mark("|"), Token::Name("attr"), _] => true,
        [Token::Text(text), ..] if text == "attr" => true,
        [Token::Name("attribute"), Token::Mark("="), value] => !matches!(value, Token::Text(_)),
        _ => false,
    }
}

/// Whether code names an object without calling it or taking a part of it by a name: it hands the
/// object on, or takes a part of it by a computed name. `is_object` says it of macros and packages.
#[must_use]
pub fn hands_on_object(code: &str, is_object: &dyn Fn(&str) -> bool) -> bool {
    blocks(code).iter().any(|tokens| {
        tokens.iter().enumerate().any(|(at, token)| {
            let Token::Name(word) = token else { return false };
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let after = tokens.get(at + 1);
            // Of a package, it is a macro of its own.
            let whole = at.checked_sub(2).and_then(|at| tokens.get(at));
            let is_of_package = matches!(whole, Some(Token::Name(whole)) if is_object(whole));
            let is_part = matches!(before, Some(Token::Mark("."))) && !is_of_package;
            let is_used = matches!(after, Some(Token::Mark("(" | "." | "=")));
            // `{% macro m() %}`, and the names of filters and tests.
            let is_said = matches!(before, Some(Token::Mark("|") | Token::Name("is" | "macro")));
            !is_part && !is_used && !is_said && (OBJECTS.contains(word) || is_object(word))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computed_name_is_one_that_is_no_literal() {
        for code in [
            "{{ m['con' ~ 'text'] }}",
            "{{ m[name] }}",
            "{{ a.b[name] }}",
            "{{ f()[name] }}",
            "{{ a['b'][name] }}",
            "{% set x = m[ ['con', 'text'] | join ] %}",
            "{{ m | attr('con' ~ 'text') }}",
            "{{ [m] | map('attr', name) | first }}",
            "{{ [m] | map(attribute=name) | first }}",
        ] {
            assert!(computes_names(code), "{code}");
        }
        for code in [
            "{{ a['b'] }} {{ a[0] }} {{ a[1:-1] }} {{ a.b }}",
            "{% for x in [a, b] %}{% endfor %}{{ return([a]) }}{% set x = [a] %}",
            "{{ [m] | map(attribute='name') | first }}",
            "select a[n], b[n + 1] from t",
            "{# m[name] #}",
        ] {
            assert!(!computes_names(code), "{code}");
        }
    }

    #[test]
    fn an_object_is_handed_on_where_it_is_neither_called_nor_taken_a_part_of() {
        let is_object = |word: &str| ["m", "shop"].contains(&word);
        for code in [
            "{{ m['context'] }}",
            "{% set x = m %}",
            "{{ takes(m) }}",
            "{{ [m] | first }}",
            "{{ shop[name]() }}",
            "{{ shop.m['con' ~ 'text'] }}",
            "{{ takes(shop.m) }}",
            "{{ config[name] }}",
            "{{ m | attr('x') }}",
        ] {
            assert!(hands_on_object(code, &is_object), "{code}");
        }
        for code in [
            "{{ m() }} {{ shop.m() }} {{ x.m }} {{ config(a=b) }} {{ var('m') }}",
            "{% macro m() %}{{ takes(m=1) }}{% endmacro %}",
            "{{ x | m }} {{ columns[name] }}",
            "select m from shop",
        ] {
            assert!(!hands_on_object(code, &is_object), "{code}");
        }
    }
}
