//! Code that dbt comes to only when it builds: what stands under `{% if execute %}`.

use super::tokens::{Opening, PlacedBlock, Token, placed_blocks};
use std::borrow::Cow;
use std::ops::Range;

/// A template without the code, conditions included, that is sure to be left out while dbt parses: what
/// stands under `{% if execute %}` and `{% if execute and … %}`, and what follows an
/// `{% if not execute %}` that returns.
pub(super) fn parsed_part(template: &str) -> Cow<'_, str> {
    if !template.contains("execute") {
        return Cow::Borrowed(template);
    }
    let blocks = placed_blocks(template);
    if blocks.iter().any(may_bind) {
        return Cow::Borrowed(template);
    }
    let mut part = String::with_capacity(template.len());
    let mut from = 0;
    for left_out in left_out(&blocks, template.len()) {
        part.push_str(template.get(from..left_out.start).unwrap_or_default());
        from = left_out.end;
    }
    part.push_str(template.get(from..).unwrap_or_default());
    Cow::Owned(part)
}

/// A statement that may give the name `execute` another meaning.
fn may_bind(block: &PlacedBlock<'_>) -> bool {
    let binds = ["set", "for", "macro", "call", "import", "from", "with", "test"];
    keyword(block).is_some_and(|word| binds.contains(&word))
        && block.tokens.contains(&Token::Name("execute"))
}

fn keyword<'a>(block: &PlacedBlock<'a>) -> Option<&'a str> {
    let words = matches!(block.opening, Opening::Statement).then_some(&block.tokens)?;
    match words.get(usize::from(matches!(words.first(), Some(Token::Mark("-" | "+"))))) {
        Some(Token::Name(word)) => Some(word),
        _ => None,
    }
}

/// The condition of an `if`, without the signs for white space.
fn condition<'b, 'a>(block: &'b PlacedBlock<'a>) -> &'b [Token<'a>] {
    let at = block.tokens.iter().position(|token| *token == Token::Name("if"));
    at.and_then(|at| block.tokens.get(at + 1..)).unwrap_or_default()
}

/// False while dbt parses.
fn needs_execution(condition: &[Token<'_>]) -> bool {
    match condition {
        [Token::Name("execute")] => true,
        [Token::Name("execute"), Token::Name("and"), rest @ ..] => {
            !rest.iter().any(|token| matches!(token, Token::Name("or" | "if" | "else")))
        }
        _ => false,
    }
}

/// The places that are left out, in order.
fn left_out(blocks: &[PlacedBlock<'_>], end: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // How many statements are open, and from where on and at which depth the code is left out.
    let (mut depth, mut cut): (usize, Option<(usize, usize)>) = (0, None);
    // Whether the outermost statement is `{% if not execute %}`.
    let mut is_unexecuted = false;
    for block in blocks {
        let word = keyword(block).unwrap_or_default();
        let ends = matches!(word, "endif" | "endfor" | "endcall" | "endfilter");
        if (ends || matches!(word, "else" | "elif"))
            && let Some((from, _)) = cut.take_if(|(_, at)| *at == depth)
        {
            found.push(from..block.place.start);
        }
        match word {
            "if" | "for" | "call" | "filter" => {
                depth += 1;
                let condition = if word == "if" { condition(block) } else { &[] };
                if cut.is_none() && needs_execution(condition) {
                    cut = Some((block.place.start, depth));
                }
                if depth == 1 {
                    is_unexecuted = *condition == [Token::Name("not"), Token::Name("execute")];
                }
            }
            "else" | "elif" if depth == 1 => is_unexecuted = false,
            _ if depth == 1 && is_unexecuted && returns(block) => {
                // Whatever follows the `endif` is not come to.
                found.push(block.place.end..end);
                return found;
            }
            _ => {}
        }
        if ends {
            depth = depth.saturating_sub(1);
        }
    }
    found
}

/// `{{ return(…) }}` or `{% do return(…) %}`.
fn returns(block: &PlacedBlock<'_>) -> bool {
    let words: Vec<&Token<'_>> =
        block.tokens.iter().filter(|token| !matches!(token, Token::Mark("-" | "+"))).collect();
    matches!(
        words.as_slice(),
        [Token::Name("return"), Token::Mark("("), ..]
            | [Token::Name("do"), Token::Name("return"), Token::Mark("("), ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_execution_is_left_out() {
        for (whole, part) in [
            ("a{% if execute %}b{% endif %}c", "a{% endif %}c"),
            ("{%- if execute and x -%}b{%- else %}c{% endif %}", "{%- else %}c{% endif %}"),
            (
                "{% if execute %}{% if x %}b{% else %}c{% endif %}d{% elif y %}e{% endif %}",
                "{% elif y %}e{% endif %}",
            ),
            (
                "{% if execute %}{% for x in y %}b{% else %}c{% endfor %}{% endif %}d",
                "{% endif %}d",
            ),
            (
                "{% if not execute %}{{ return('') }}{% endif %}b",
                "{% if not execute %}{{ return('') }}",
            ),
            (
                "{% macro m() %}{%- if not execute -%}a{% do return('') %}{%- endif %}b{% endmacro %}",
                "{% macro m() %}{%- if not execute -%}a{% do return('') %}",
            ),
        ] {
            assert_eq!(parsed_part(whole), part);
        }
    }

    #[test]
    fn what_dbt_may_come_to_while_it_parses_stays() {
        for whole in [
            "{% if execute or x %}b{% endif %}",
            "{% if execute and x or y %}b{% endif %}",
            "{% if not execute %}b{% endif %}c",
            "{% if not execute %}{% if x %}{{ return('') }}{% endif %}{% endif %}b",
            "{% if x %}{% if not execute %}{{ return('') }}{% endif %}{% endif %}b",
            "{% call x() %}{% if not execute %}{{ return('') }}{% endif %}{% endcall %}b",
            "{% if not execute %}a{% else %}{{ return('') }}{% endif %}b",
            "{% set execute = true %}{% if execute %}b{% endif %}",
            "{% macro m(execute) %}{% if execute %}b{% endif %}{% endmacro %}",
            "{% if executed %}b{% endif %}",
            "{{ 'execute' }}",
        ] {
            assert_eq!(parsed_part(whole), whole);
        }
    }
}
