//! Code that asks for the time, the invocation or the command.

use super::super::tokens::{Opening, PlacedBlock, Token, placed_blocks};

/// Another value in each process.
pub(super) const MOMENTARY: [&str; 8] = [
    "run_started_at",
    "invocation_id",
    "invocation_args_dict",
    "thread_id",
    "otel_trace_id",
    "otel_span_id",
    "flags",
    "modules",
];

/// Methods of Python's `datetime` and `date` that tell the time.
pub(super) const NOW: [&str; 3] = ["now", "today", "utcnow"];

/// Modules that know no time.
const TIMELESS: [&str; 2] = ["re", "itertools"];

/// What `modules.datetime` and `modules.pytz` have that tells no time by itself.
const PURE: [&str; 7] = ["timedelta", "time", "tzinfo", "timezone", "utc", "UTC", "all_timezones"];

/// How deep strings within strings are followed.
const DEPTH: usize = 4;

/// Where code stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeOf {
    /// A node. dbt throws away what it renders to.
    Node,
    /// A macro of the project or a package, or a value: whoever calls it may keep what it renders to.
    Value,
    /// A macro of dbt or the adapter. It asks only for flags that are the same in each parse.
    Dbt,
}

impl CodeOf {
    /// Whether code there asks for it, so that another parse may come to something else.
    pub(super) fn asks(self, text: &str, is_package: &dyn Fn(&str) -> bool) -> bool {
        CodeReader { of: self, is_package }.template(text, DEPTH)
    }
}

/// What the reading of one text has to know.
#[derive(Clone, Copy)]
struct CodeReader<'p> {
    of: CodeOf,
    is_package: &'p dyn Fn(&str) -> bool,
}

impl CodeReader<'_> {
    fn template(self, text: &str, depth: usize) -> bool {
        if !MOMENTARY.iter().chain(&NOW).any(|word| text.contains(word)) {
            return false;
        }
        let blocks = placed_blocks(text);
        let is_thrown_away = self.of == CodeOf::Node && !blocks.iter().any(keeps_output);
        blocks.iter().any(|block| {
            let is_output = matches!(block.opening, Opening::Expression);
            let is_harmless = is_thrown_away && is_output && hands_nothing_on(&block.tokens);
            !is_harmless && self.tokens(&block.tokens, depth)
        })
    }

    fn tokens(self, tokens: &[Token<'_>], depth: usize) -> bool {
        tokens.iter().enumerate().any(|(at, token)| {
            let (before, behind) = tokens.split_at(at);
            match token {
                Token::Name(word) => self.name(word, before, behind.get(1..).unwrap_or_default()),
                Token::Text(text) => is_key(text, before) || self.string(text, depth),
                Token::Mark(_) => false,
            }
        })
    }

    /// A string that may be rendered for whoever takes it.
    fn string(self, text: &str, depth: usize) -> bool {
        let of = if self.of == CodeOf::Dbt { CodeOf::Dbt } else { CodeOf::Value };
        let is_template = text.contains('{');
        is_template && (depth == 0 || Self { of, ..self }.template(text, depth - 1))
    }

    fn name(self, word: &str, before: &[Token<'_>], behind: &[Token<'_>]) -> bool {
        let is_keyword = matches!(behind, [Token::Mark("="), ..]);
        match before {
            [.., Token::Name("context" | "builtins"), Token::Mark(".")] => {}
            // A package may have a macro of that name.
            [.., Token::Name(package), Token::Mark(".")] if (self.is_package)(package) => {
                return false;
            }
            [.., Token::Mark(".")] => return NOW.contains(&word),
            [.., Token::Name("set")] => {}
            _ if is_keyword => return false,
            _ => {}
        }
        match word {
            "flags" => self.of != CodeOf::Dbt && !is_lasting_flag(before, behind),
            "modules" => !is_timeless(behind),
            _ => MOMENTARY.contains(&word),
        }
    }
}

/// The end of a statement that keeps what the code within it renders to.
fn keeps_output(block: &PlacedBlock<'_>) -> bool {
    let ends = ["endset", "endcall", "endfilter", "endmacro"];
    block.tokens.iter().take(2).any(|token| ends.iter().any(|end| *token == Token::Name(end)))
}

/// Whether an expression calls nothing but methods and filters of what each process has anew.
fn hands_nothing_on(tokens: &[Token<'_>]) -> bool {
    tokens.iter().enumerate().all(|(at, token)| match token {
        Token::Name(word) => {
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let is_part = matches!(before, Some(Token::Mark("." | "|")));
            let is_keyword = tokens.get(at + 1) == Some(&Token::Mark("="));
            is_part || is_keyword || MOMENTARY.contains(word)
        }
        Token::Text(text) => !text.contains('{'),
        Token::Mark(_) => true,
    })
}

/// `['run_started_at']`, `.get('modules')`.
fn is_key(text: &str, before: &[Token<'_>]) -> bool {
    let looks_up = matches!(
        before,
        [.., Token::Mark("[")] | [.., Token::Name("get" | "attr"), Token::Mark("(")]
    );
    looks_up && MOMENTARY.iter().chain(&NOW).any(|word| *word == text)
}

/// `flags.NAME` that each parse of the same files finds to be the same. No parse that is kept is one
/// with `--full-refresh`; but only in a condition is what stands for false always the same.
fn is_lasting_flag(before: &[Token<'_>], behind: &[Token<'_>]) -> bool {
    let [Token::Mark("."), Token::Name(name), rest @ ..] = behind else { return false };
    let is_asked = matches!(before, [.., Token::Name("if" | "elif" | "not" | "and" | "or")]);
    let is_kept = before.iter().any(|token| matches!(token, Token::Name("set" | "do")));
    let ends = matches!(rest, [] | [Token::Name("and" | "or" | "else"), ..]);
    name.starts_with("REQUIRE_") || (*name == "FULL_REFRESH" && is_asked && ends && !is_kept)
}

/// `modules.re…`, or a part of `modules.datetime` and `modules.pytz` that tells no time.
fn is_timeless(behind: &[Token<'_>]) -> bool {
    let [Token::Mark("."), Token::Name(module), rest @ ..] = behind else { return false };
    match (*module, rest) {
        (module, _) if TIMELESS.contains(&module) => true,
        ("datetime", [Token::Mark("."), Token::Name("datetime" | "date"), rest @ ..]) => {
            // What is constructed has methods that tell the time; those are found by their names.
            matches!(
                rest,
                [Token::Mark("("), ..]
                    | [
                        Token::Mark("."),
                        Token::Name("strptime" | "fromisoformat" | "combine" | "min" | "max"),
                        ..
                    ]
            )
        }
        ("datetime" | "pytz", [Token::Mark("."), Token::Name(part), ..]) => PURE.contains(part),
        _ => false,
    }
}
