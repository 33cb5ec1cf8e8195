//! Parses and evaluates Jinja expressions in one step.
//!
//! Parsing fails at syntax that is not supported. An unknown value is not an error by itself, because
//! it may be in the branch of an `if … else …` that is not taken.

use super::value;
use crate::dbt::reads::tokens::Token;
use crate::environment::Environment;
use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;
use std::ffi::OsStr;

/// The variables that an expression can read.
#[derive(Debug)]
pub(super) struct JinjaContext {
    /// What `env_var` reads.
    pub(super) environment: Environment,
    /// What `var` reads: the values of `--vars`.
    pub(super) vars: Map<String, Value>,
    /// The fields of `target`; `None` while they are unknown.
    pub(super) target: Option<Value>,
}

/// The longest expression, in tokens. No configuration needs more, and the limit bounds the recursion.
const MAX_TOKENS: usize = 500;

/// The value of an expression.
///
/// # Errors
/// The expression is not supported, or its value is unknown.
pub(super) fn evaluate(tokens: &[Token<'_>], context: &JinjaContext) -> Result<Value> {
    ensure!(tokens.len() <= MAX_TOKENS, "the Jinja expression is too long");
    let mut parser = ExpressionParser { rest: tokens, context };
    let known = parser.expression()?;
    ensure!(parser.rest.is_empty(), "the Jinja expression is not supported");
    known.map_err(|unknown| match unknown {
        Unknown::Undefined(name) => anyhow!("{name} is unknown"),
        Unknown::Failed(error) => error,
    })
}

/// The value of an expression, or why it is unknown.
type Evaluated = Result<Value, Unknown>;

/// Why a value is unknown.
#[derive(Debug)]
enum Unknown {
    /// A variable with this name is not defined. The filter `default` replaces such a value.
    Undefined(String),
    /// Evaluation failed.
    Failed(Error),
}

impl From<Error> for Unknown {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// An argument of a function, method or filter.
struct CallArgument<'a> {
    keyword: Option<&'a str>,
    value: Evaluated,
}

/// A recursive-descent parser. Each method parses one level of Jinja's grammar, from the lowest
/// precedence (`if … else`) to the highest, and returns the value.
struct ExpressionParser<'t, 'a> {
    /// The tokens that have not been parsed.
    rest: &'t [Token<'a>],
    context: &'t JinjaContext,
}

impl<'a> ExpressionParser<'_, 'a> {
    /// Consume the next token if it is this one.
    fn accept(&mut self, token: &Token<'_>) -> bool {
        let found = self.rest.split_first().filter(|(first, _)| *first == token);
        found.map(|(_, rest)| self.rest = rest).is_some()
    }

    fn accept_mark(&mut self, mark: &str) -> bool {
        self.accept(&Token::Mark(mark))
    }

    fn accept_word(&mut self, word: &str) -> bool {
        self.accept(&Token::Name(word))
    }

    /// Consume the next token if it is a name.
    fn accept_name(&mut self) -> Option<&'a str> {
        let Some((Token::Name(name), rest)) = self.rest.split_first() else { return None };
        self.rest = rest;
        Some(name)
    }

    /// Consume this mark.
    fn expect(&mut self, mark: &str) -> Result<()> {
        ensure!(self.accept_mark(mark), "{mark} is missing");
        Ok(())
    }

    /// `value if condition else other`.
    fn expression(&mut self) -> Result<Evaluated> {
        let value = self.disjunction()?;
        if !self.accept_word("if") {
            return Ok(value);
        }
        let condition = self.disjunction()?;
        let nothing = || Ok(Err(Unknown::Undefined("the missing else".to_owned())));
        let other = if self.accept_word("else") { self.expression() } else { nothing() }?;
        Ok(condition.and_then(|holds| if value::is_true(&holds) { value } else { other }))
    }

    /// `a or b`.
    fn disjunction(&mut self) -> Result<Evaluated> {
        let mut left = self.conjunction()?;
        while self.accept_word("or") {
            let right = self.conjunction()?;
            left = left.and_then(|left| if value::is_true(&left) { Ok(left) } else { right });
        }
        Ok(left)
    }

    /// `a and b`.
    fn conjunction(&mut self) -> Result<Evaluated> {
        let mut left = self.negation()?;
        while self.accept_word("and") {
            let right = self.negation()?;
            left = left.and_then(|left| if value::is_true(&left) { right } else { Ok(left) });
        }
        Ok(left)
    }

    /// `not a`.
    fn negation(&mut self) -> Result<Evaluated> {
        if self.accept_word("not") {
            return Ok(self.negation()?.map(|value| Value::Bool(!value::is_true(&value))));
        }
        self.comparison()
    }

    /// `a == b`, `a < b`, `a in b` and the like. Python's chained comparisons are not supported.
    fn comparison(&mut self) -> Result<Evaluated> {
        let left = self.sum()?;
        let Some(compare) = self.comparison_operator() else { return Ok(left) };
        let right = self.sum()?;
        Ok(left.and_then(|left| Ok(Value::Bool(compare(&left, &right?)?))))
    }

    /// Consume a comparison operator, if the next tokens are one.
    fn comparison_operator(&mut self) -> Option<CompareFn> {
        const MARKS: [(&[&str], CompareFn); 6] = [
            (&["=="], |left, right| Ok(value::is_equal(left, right))),
            (&["!", "="], |left, right| Ok(!value::is_equal(left, right))),
            (&["<", "="], |left, right| value::order(left, right).map(Ordering::is_le)),
            (&[">", "="], |left, right| value::order(left, right).map(Ordering::is_ge)),
            (&["<"], |left, right| value::order(left, right).map(Ordering::is_lt)),
            (&[">"], |left, right| value::order(left, right).map(Ordering::is_gt)),
        ];
        if self.accept_word("in") {
            return Some(|left, right| value::contains(right, left));
        }
        if let [Token::Name("not"), Token::Name("in"), rest @ ..] = self.rest {
            self.rest = rest;
            return Some(|left, right| value::contains(right, left).map(|found| !found));
        }
        MARKS.into_iter().find_map(|(marks, comparison)| {
            let (found, rest) = self.rest.split_at_checked(marks.len())?;
            let same = found.iter().zip(marks).all(|(token, mark)| *token == Token::Mark(mark));
            same.then(|| self.rest = rest).map(|()| comparison)
        })
    }

    /// `left + right`.
    fn sum(&mut self) -> Result<Evaluated> {
        let mut left = self.joined()?;
        while self.accept_mark("+") {
            let right = self.joined()?;
            left = left.and_then(|left| Ok(value::sum(&left, &right?)?));
        }
        Ok(left)
    }

    /// `left ~ right`.
    fn joined(&mut self) -> Result<Evaluated> {
        let mut left = self.negative()?;
        while self.accept_mark("~") {
            let right = self.negative()?;
            left = left
                .and_then(|left| Ok((value::to_text(&left)? + &value::to_text(&right?)?).into()));
        }
        Ok(left)
    }

    /// `-a`.
    fn negative(&mut self) -> Result<Evaluated> {
        if self.accept_mark("-") {
            return Ok(self.negative()?.and_then(|value| Ok(value::negative(&value)?)));
        }
        self.postfix()
    }

    /// A primary expression followed by attributes, subscripts, filters and tests, from left to right.
    fn postfix(&mut self) -> Result<Evaluated> {
        let mut value = self.primary()?;
        loop {
            if self.accept_mark(".") {
                value = self.attribute(value)?;
            } else if self.accept_mark("[") {
                value = self.subscript(value)?;
            } else if self.accept_mark("|") {
                value = self.filter(value)?;
            } else if self.accept_word("is") {
                value = self.test(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// A literal, a list, a variable, a function call, or an expression in parentheses.
    fn primary(&mut self) -> Result<Evaluated> {
        let (first, rest) = self.rest.split_first().context("the Jinja expression is empty")?;
        self.rest = rest;
        match first {
            Token::Text(text) => self.literal(text).map(Ok),
            Token::Mark("(") => {
                let value = self.expression()?;
                self.expect(")").map(|()| value)
            }
            Token::Mark("[") => {
                let items = self.arguments("]")?.into_iter().map(|item| item.value);
                Ok(items.collect())
            }
            Token::Mark(mark) => bail!("{mark} is not supported here"),
            Token::Name(name) if name.starts_with(|first: char| first.is_ascii_digit()) => {
                self.number(name).map(Ok)
            }
            Token::Name(name) if self.accept_mark("(") => {
                let arguments = self.arguments(")")?;
                self.call(name, arguments)
            }
            Token::Name(name) => Ok(self.variable(name)),
        }
    }

    /// A string literal. Adjacent literals are one string, as in Python.
    fn literal(&mut self, first: &str) -> Result<Value> {
        let mut all = first.to_owned();
        while let Some((Token::Text(next), rest)) = self.rest.split_first() {
            all.push_str(next);
            self.rest = rest;
        }
        // The tokens leave most escapes as they were written.
        ensure!(!all.contains('\\'), "escapes in strings are not supported");
        Ok(all.into())
    }

    fn number(&mut self, whole: &str) -> Result<Value> {
        let number = if self.accept_mark(".") {
            let fraction = self.accept_name().context("a number ends with a point")?;
            format!("{whole}.{fraction}").parse().ok().and_then(Number::from_f64)
        } else {
            whole.parse::<i64>().ok().map(Number::from)
        };
        Ok(Value::Number(number.context("this number is not supported")?))
    }

    fn variable(&self, name: &str) -> Evaluated {
        match name {
            "true" | "True" => Ok(Value::Bool(true)),
            "false" | "False" => Ok(Value::Bool(false)),
            "none" | "None" => Ok(Value::Null),
            "target" => self.context.target.clone().ok_or_else(|| Unknown::Undefined(name.into())),
            _ => Err(Unknown::Undefined(name.to_owned())),
        }
    }

    /// Comma-separated arguments up to the closing bracket `end`, which is consumed.
    fn arguments(&mut self, end: &str) -> Result<Vec<CallArgument<'a>>> {
        let mut arguments = Vec::new();
        while !self.accept_mark(end) {
            let mut keyword = None;
            if let [Token::Name(name), Token::Mark("="), rest @ ..] = self.rest {
                (keyword, self.rest) = (Some(*name), rest);
            }
            arguments.push(CallArgument { keyword, value: self.expression()? });
            if !self.accept_mark(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(arguments)
    }

    /// `env_var(name, default)` and `var(name, default)`. No other function is supported.
    fn call(&self, function: &str, arguments: Vec<CallArgument<'_>>) -> Result<Evaluated> {
        let mut arguments = arguments.into_iter();
        let name = arguments.next().filter(|name| name.keyword.is_none());
        let name = name.with_context(|| format!("{function} needs a name"))?.value;
        let default = arguments.next();
        let keyword = default.as_ref().and_then(|default| default.keyword);
        ensure!(keyword.is_none_or(|key| key == "default"), "{function} has an unknown argument");
        let found = |name: &str| match function {
            "env_var" => {
                let value = self.context.environment.get(OsStr::new(name));
                Ok(value.map(|value| Value::from(value.to_string_lossy())))
            }
            "var" => Ok(self.context.vars.get(name).cloned()),
            _ => Err(anyhow!("the function {function} is not supported")),
        };
        Ok(name.and_then(|name| {
            let name = name.as_str().context("the name must be a string")?;
            match (found(name)?, default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => default.value,
                (None, None) => Err(anyhow!("{function}('{name}') has no value").into()),
            }
        }))
    }

    /// `value.name` and `value.name(arguments)`.
    fn attribute(&mut self, value: Evaluated) -> Result<Evaluated> {
        let name = self.accept_name().context("a name is missing after a point")?;
        if self.accept_mark("(") {
            let arguments = positional(self.arguments(")")?);
            return Ok(value.and_then(|value| Ok(value::method(&value, name, &arguments?)?)));
        }
        Ok(value.and_then(|value| item(&value, &name.into())))
    }

    /// `value[key]` and `value[start:end]`.
    fn subscript(&mut self, value: Evaluated) -> Result<Evaluated> {
        if self.accept_mark(":") {
            return self.slice(value, None);
        }
        let key = self.expression()?;
        if self.accept_mark(":") {
            return self.slice(value, Some(key));
        }
        self.expect("]")?;
        Ok(value.and_then(|value| item(&value, &key?)))
    }

    fn slice(&mut self, value: Evaluated, start: Option<Evaluated>) -> Result<Evaluated> {
        let end = if self.accept_mark("]") { None } else { Some(self.expression()?) };
        if end.is_some() {
            self.expect("]")?;
        }
        let whole = |bound: Evaluated| {
            bound?.as_i64().context("the bounds of a slice must be integers").map_err(Unknown::from)
        };
        Ok(value.and_then(|value| {
            let (start, end) = (start.map(whole).transpose()?, end.map(whole).transpose()?);
            Ok(value::slice(&value, start, end)?)
        }))
    }

    /// `value | name(arguments)`.
    fn filter(&mut self, value: Evaluated) -> Result<Evaluated> {
        let name = self.accept_name().context("the name of a filter is missing")?;
        let arguments = if self.accept_mark("(") { self.arguments(")")? } else { Vec::new() };
        let arguments = positional(arguments);
        if !matches!(name, "default" | "d") {
            return Ok(value.and_then(|value| Ok(value::filter(value, name, &arguments?)?)));
        }
        Ok(arguments.and_then(|arguments| {
            let default = || arguments.first().cloned().unwrap_or_else(|| "".into());
            match value {
                Err(Unknown::Undefined(_)) => Ok(default()),
                Ok(empty)
                    if !value::is_true(&empty) && arguments.get(1).is_some_and(value::is_true) =>
                {
                    Ok(default())
                }
                known => known,
            }
        }))
    }

    /// `value is name` and `value is not name`.
    fn test(&mut self, value: Evaluated) -> Result<Evaluated> {
        let expected = !self.accept_word("not");
        let name = self.accept_name().context("the name of a test is missing")?;
        let holds = match (name, value) {
            ("defined", Err(Unknown::Undefined(_))) | ("undefined", Ok(_)) => Ok(false),
            ("defined", Ok(_)) | ("undefined", Err(Unknown::Undefined(_))) => Ok(true),
            ("none", value) => value.map(|value| value.is_null()),
            (_, Err(unknown)) => Err(unknown),
            _ => bail!("the test {name} is not supported"),
        };
        Ok(holds.map(|holds| Value::Bool(holds == expected)))
    }
}

/// A comparison operator.
type CompareFn = fn(&Value, &Value) -> Result<bool>;

/// `value[key]`, or `Undefined` if there is no such item.
fn item(value: &Value, key: &Value) -> Evaluated {
    let found = value::item(value, key).cloned();
    found.ok_or_else(|| Unknown::Undefined(format!("the item {key}")))
}

/// The values of arguments without keywords. A keyword is an error.
fn positional(arguments: Vec<CallArgument<'_>>) -> Result<Vec<Value>, Unknown> {
    let value = |argument: CallArgument<'_>| match argument.keyword {
        None => argument.value,
        Some(key) => Err(anyhow!("the argument {key} is not supported").into()),
    };
    arguments.into_iter().map(value).collect()
}
