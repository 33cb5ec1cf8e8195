//! Which `env_var` and `var` names a piece of text reads.
//!
//! The reading is generous: code in a branch that is never taken counts, and so does a call
//! inside a string (hooks are strings inside `config()` that are rendered later). A name too
//! many costs a rebuild when that value changes; a name too few would be a wrong table.

use super::calls::{self, Argument, Call, arguments};
use super::tokens::{self, Token};
use super::{Name, Names};
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// What a text reads, and what it may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// See [`Names`].
    pub(super) names: Names,
    /// If the text is a macro: its parameters, in order.
    pub(super) parameters: Vec<String>,
    /// Parameters that it takes for the name: its callers know what it reads.
    pub(super) passed: BTreeSet<(Reader, String)>,
    /// The macros that it calls, or names (`{{ apply(m) }}`, `'m'`).
    pub(super) calls: Vec<Call>,
    /// It picks a macro by a name that is computed at run time.
    pub(super) any_macro: bool,
}

/// Strings within strings are followed this deep; quoting makes more impractical.
const DEPTH: usize = 4;

/// The two functions of dbt's Jinja context that read values from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    /// `env_var`.
    Env,
    /// `var`.
    Var,
}

impl Reader {
    fn of(word: &str) -> Option<Self> {
        match word {
            "env_var" => Some(Self::Env),
            "var" => Some(Self::Var),
            _ => None,
        }
    }

    /// The name that it reads when it is called with a literal.
    pub(super) fn literal(self, name: &str) -> Name {
        match self {
            Self::Env => Name::Env(name.to_owned()),
            Self::Var => Name::Var(name.to_owned()),
        }
    }

    /// What it reads when it is called with anything else.
    pub(super) fn computed(self) -> Name {
        match self {
            Self::Env => Name::AnyEnv,
            Self::Var => Name::AnyVar,
        }
    }
}

/// Whether a word is the name of a macro.
pub(super) type IsMacro<'a> = &'a dyn Fn(&str) -> bool;

/// Text with Jinja in it: SQL, a macro, a hook, a YAML value.
pub(super) fn template(text: &str, is_macro: IsMacro<'_>) -> Scan {
    let mut scan = Scan::default();
    template_into(text, DEPTH, is_macro, &mut scan);
    scan
}

/// A YAML value as `unrendered_config` holds it: a template, or (dbt 1.12, for `config()` in
/// the file) a bare expression.
pub(super) fn config_value(text: &str, is_macro: IsMacro<'_>) -> Scan {
    let mut scan = template(text, is_macro);
    if !text.contains("{{") && !text.contains("{%") {
        let place =
            Place { bound: BTreeSet::new(), parameters: Vec::new(), depth: DEPTH, is_macro };
        block_into(&tokens::expression(text), &place, &mut scan);
    }
    scan
}

/// What the reading of one expression has to know of its surroundings.
struct Place<'a> {
    /// Names that the template binds itself.
    bound: BTreeSet<&'a str>,
    /// Parameters of the macro that hold what the caller passed.
    parameters: Vec<&'a str>,
    depth: usize,
    is_macro: IsMacro<'a>,
}

fn template_into(text: &str, depth: usize, is_macro: IsMacro<'_>, scan: &mut Scan) {
    let blocks = tokens::blocks(text);
    let header = blocks.first().map_or_else(Vec::new, |block| parameters(block));
    scan.parameters = header.iter().map(|name| (*name).to_owned()).collect();
    let mut bound: BTreeSet<&str> =
        blocks.iter().skip(1).flat_map(|block| bindings(block)).into_tree();
    let unchanged = header.iter().copied().filter(|name| !bound.contains(name)).collect();
    bound.extend(blocks.first().into_iter().flat_map(|block| bindings(block)));
    let place = Place { bound, parameters: unchanged, depth, is_macro };
    for block in &blocks {
        block_into(block, &place, scan);
    }
}

fn statement<'b, 'a>(block: &'b [Token<'a>]) -> &'b [Token<'a>] {
    match block {
        [Token::Mark("-" | "+"), rest @ ..] => rest,
        all => all,
    }
}

/// The parameters of `macro name(…)`.
fn parameters<'a>(block: &[Token<'a>]) -> Vec<&'a str> {
    let [Token::Name("macro"), Token::Name(_), Token::Mark("("), list @ ..] = statement(block)
    else {
        return Vec::new();
    };
    let first = |piece: &&[Token<'a>]| match piece.first() {
        Some(Token::Name(name)) => Some(*name),
        _ => None,
    };
    calls::pieces(list).iter().filter_map(first).collect()
}

/// Names that the statement binds: loop variables, `set`, parameters of macros.
fn bindings<'a>(block: &[Token<'a>]) -> Vec<&'a str> {
    let Some((Token::Name(keyword), rest)) = statement(block).split_first() else {
        return Vec::new();
    };
    let end = match *keyword {
        "for" => rest.iter().position(|token| *token == Token::Name("in")),
        "set" => rest.iter().position(|token| *token == Token::Mark("=")),
        "macro" | "call" | "test" | "materialization" => {
            rest.iter().position(|token| *token == Token::Mark(")"))
        }
        _ => Some(0),
    };
    let names = rest.iter().take(end.unwrap_or(rest.len())).filter_map(|token| match token {
        Token::Name(name) => Some(*name),
        Token::Text(_) | Token::Mark(_) => None,
    });
    names.collect()
}

fn block_into(block: &[Token<'_>], place: &Place<'_>, scan: &mut Scan) {
    for (at, token) in block.iter().enumerate() {
        let behind = block.get(at + 1..).unwrap_or_default();
        let before = block.get(..at).unwrap_or_default();
        match token {
            Token::Name(word) => {
                if before.last() != Some(&Token::Name("macro")) {
                    call_into(word, behind, place, scan);
                }
                word_into(word, before, behind, place, scan);
            }
            Token::Text(text) => {
                let called = if names_a_function(before) { calls::behind(behind) } else { &[] };
                call_into(text, called, place, scan);
                if let Some(reader) = in_context(text, before) {
                    read(reader, called, place, scan);
                }
                if place.depth > 0 && text.contains('{') {
                    template_into_nested(text, place, scan);
                }
            }
            Token::Mark(_) => {}
        }
    }
}

/// A string that is rendered later has no part in the parameters of the macro it stands in.
fn template_into_nested(text: &str, place: &Place<'_>, scan: &mut Scan) {
    let outer = std::mem::take(&mut scan.parameters);
    template_into(text, place.depth - 1, place.is_macro, scan);
    scan.parameters = outer;
}

fn call_into(word: &str, behind: &[Token<'_>], place: &Place<'_>, scan: &mut Scan) {
    if (place.is_macro)(word) {
        let arguments = match behind {
            [Token::Mark("("), list @ ..] => arguments(list, &place.parameters),
            _ => None,
        };
        let arguments = arguments.map(calls::owned);
        scan.calls.push(Call { callee: word.to_owned(), arguments });
    }
}

fn word_into(
    word: &str,
    before: &[Token<'_>],
    behind: &[Token<'_>],
    place: &Place<'_>,
    scan: &mut Scan,
) {
    scan.any_macro |= picks_a_macro_at_run_time(word, behind);
    let Some(reader) = Reader::of(word) else { return };
    let attribute = before.last() == Some(&Token::Mark("."));
    let of_context =
        attribute && before.len().checked_sub(2).is_some_and(|at| is_context(before, at));
    let keyword_argument = behind.first() == Some(&Token::Mark("="));
    // `{% for var in names %}` makes `var` a word like any other, and so does `x.var`.
    let ours = of_context || !(attribute || keyword_argument || place.bound.contains(word));
    if ours || (calls_with_a_literal(behind) && !keyword_argument) {
        read(reader, behind, place, scan);
    }
}

fn calls_with_a_literal(behind: &[Token<'_>]) -> bool {
    matches!(behind, [Token::Mark("("), Token::Text(_), ..])
}

fn is_context(tokens: &[Token<'_>], at: usize) -> bool {
    matches!(tokens.get(at), Some(Token::Name("context" | "builtins")))
}

/// Whether the string that follows stands for a function: `context['x']`,
/// `context.get('x')`, `adapter.dispatch('x')`.
fn names_a_function(before: &[Token<'_>]) -> bool {
    let before = match before {
        [rest @ .., Token::Name("macro_name"), Token::Mark("=")] => rest,
        all => all,
    };
    match before {
        [.., Token::Name("dispatch"), Token::Mark("(")] => true,
        [.., base, Token::Mark("."), Token::Name("get"), Token::Mark("(")]
        | [.., base, Token::Mark("[")] => is_context(std::slice::from_ref(base), 0),
        _ => false,
    }
}

/// `context['env_var']` and `context.get('env_var')`: the function that the string names.
fn in_context(text: &str, before: &[Token<'_>]) -> Option<Reader> {
    let dispatched = matches!(before, [.., Token::Name("dispatch"), Token::Mark("(")]);
    if names_a_function(before) && !dispatched { Reader::of(text) } else { None }
}

/// `context[computed]` and `adapter.dispatch(computed)` may reach any macro.
fn picks_a_macro_at_run_time(word: &str, behind: &[Token<'_>]) -> bool {
    match (word, behind) {
        ("context" | "builtins", [Token::Mark("["), arguments @ ..])
        | ("dispatch", [Token::Mark("("), Token::Name(_), Token::Mark("="), arguments @ ..])
        | ("dispatch", [Token::Mark("("), arguments @ ..]) => {
            !matches!(arguments, [Token::Text(_), Token::Mark("]" | ")" | ","), ..])
        }
        _ => false,
    }
}

/// What a mention of the function reads, by what follows it.
fn read(reader: Reader, behind: &[Token<'_>], place: &Place<'_>, scan: &mut Scan) {
    let list = match behind {
        [Token::Mark("("), Token::Mark(")"), ..] => return,
        // `var.has_var('x')` (dbt 1.x).
        [Token::Mark("."), Token::Name(_), Token::Mark("("), list @ ..]
            if reader == Reader::Var =>
        {
            arguments(list, &place.parameters)
        }
        [Token::Mark("("), list @ ..] => arguments(list, &place.parameters),
        _ => None,
    };
    let is_name = |(key, _): &&(Option<&str>, Argument)| {
        key.is_none_or(|key| matches!(key, "var" | "var_name" | "name"))
    };
    match list.as_ref().and_then(|list| list.iter().find(is_name)) {
        Some((_, Argument::Literal(name))) => scan.names.0.insert(reader.literal(name)),
        Some((_, Argument::Parameter(name))) => scan.passed.insert((reader, name.clone())),
        Some((_, Argument::Computed)) | None => scan.names.0.insert(reader.computed()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Name {
        Name::Env(name.to_owned())
    }

    fn var(name: &str) -> Name {
        Name::Var(name.to_owned())
    }

    fn read(text: &str) -> Vec<Name> {
        template(text, &|_| false).names.0.into_iter().collect()
    }

    #[test]
    fn every_way_to_write_a_literal_name_is_read() {
        for text in [
            "{{ env_var('A') }}",
            "{{env_var(\"A\")}}",
            "{{ env_var(\n  'A' ,\n 'default') | as_bool }}",
            "{% if env_var ('A', '') == 'x' %}{% endif %}",
            "{%- set x = env_var(var='A') -%}",
            "{{ config(post_hook=\"{{ env_var('A') }}\") }}",
            "{{ config(post_hook='{{ env_var(\\'A\\') }}') }}",
            "{{ context['env_var']('A') }}",
            "{{ context.env_var('A') }}{{ builtins.get('env_var')('A') }}",
            "{% set c = context %}{{ c.env_var('A') }}",
            "-- a comment of SQL: {{ env_var('A') }}",
            "{{ f({'a': {'b': env_var('A')}}) }}",
            "{{ env_var('' 'A') }}",
        ] {
            assert_eq!(read(text), [env("A")], "{text}");
        }
    }

    #[test]
    fn vars_are_read_through_their_methods_too() {
        for text in ["{{ var('a') }}", "{{ var('a', none) }}", "{% if var.has_var('a') %}"] {
            assert_eq!(read(text), [var("a")], "{text}");
        }
    }

    #[test]
    fn a_name_that_is_computed_stands_for_every_name() {
        for text in ["env_var(a)", "env_var('A' ~ b)", "env_var('A' | upper)", "env_var"] {
            assert_eq!(read(&format!("{{{{ {text} }}}}")), [Name::AnyEnv], "{text}");
        }
        for text in ["{{ var(a) }}", "{% set v = var %}", "{{ m(var) }}", "{{ context['var'] }}"] {
            assert_eq!(read(text), [Name::AnyVar], "{text}");
        }
        assert_eq!(read("{{ env_var(var('a')) }}"), [Name::AnyEnv, var("a")]);
    }

    #[test]
    fn a_word_of_the_same_name_is_not_the_function() {
        for text in [
            "select var('a'), env_var('A')",
            "{# env_var('A') #}",
            "{% raw %}{{ env_var('A') }}{% endraw %}",
            "{% for var in names %}{{ var }}{% endfor %}",
            "{% macro m(a, var) %}{{ var }}{% endmacro %}",
            "{%- set var = 1 -%}{{ var }}",
            "{{ m(var=1) }}{{ row.var }}",
            "{{ variance('a') }}{{ my_env_var('A') }}",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }

    #[test]
    fn values_of_the_configuration_may_be_bare_expressions() {
        let names = |text| config_value(text, &|_| false).names.0.into_iter().collect::<Vec<_>>();
        assert_eq!(names("env_var('A', 'view')"), [env("A")]);
        assert_eq!(names("{{ env_var('A', 'view') }}"), [env("A")]);
        assert_eq!(names("['x', var('a')]"), [var("a")]);
        assert_eq!(names("a table"), []);
    }

    #[test]
    fn macros_by_computed_name_are_noticed() {
        let scan = |text| template(text, &|word| word == "m");
        assert!(scan("{{ context['m' ~ x]() }}").any_macro);
        assert!(scan("{{ adapter.dispatch(m)() }}").any_macro);
        assert!(!scan("{{ context['m']() }}{{ adapter.dispatch('m', 'p')() }}").any_macro);
        assert!(!scan("{{ adapter.dispatch(macro_name='m') }}").any_macro);
        assert_eq!(scan("{{ context['m'](n) }} m").calls.len(), 1);
    }

    #[test]
    fn a_parameter_that_is_the_name_is_left_to_the_callers() {
        let scan = |text| template(text, &|word| word == "m");
        let text = "{%- macro m(a, b='x') -%}{{ env_var(b, a) }}{{ var(a) }}{% endmacro %}";
        let found = scan(text);
        assert_eq!(found.parameters, ["a", "b"]);
        let passed = [(Reader::Env, "b".to_owned()), (Reader::Var, "a".to_owned())];
        assert_eq!(found.passed, BTreeSet::from(passed));
        assert_eq!((found.names, found.calls), (Names::default(), Vec::new()));
        for text in [
            "{% macro m(a) %}{% set a = a ~ 1 %}{{ var(a) }}{% endmacro %}",
            "{% macro m(a) %}{{ var(a.b) }}{% endmacro %}",
            "{% macro m(a) %}{{ f(\"{{ var(a) }}\") }}{% endmacro %}",
        ] {
            assert_eq!(scan(text).names.0, BTreeSet::from([Name::AnyVar]), "{text}");
        }
    }
}
