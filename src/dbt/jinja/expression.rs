//! Jinja expressions, evaluated while they are read.
//!
//! Reading fails on what is not understood. A value that is not known is no failure by itself:
//! it may stand in the branch of an `if … else …` that is not taken.

use super::value;
use crate::dbt::reads::tokens::Token;
use crate::environment::Environment;
use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;
use std::ffi::OsStr;

/// What an expression may read.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) environment: Environment,
    pub(super) vars: Map<String, Value>,
    pub(super) target: Option<Value>,
}

/// More is no value of a configuration, and would be deep recursion.
const MAX_TOKENS: usize = 500;

/// The value of an expression.
pub(super) fn evaluate(tokens: &[Token<'_>], scope: &Scope) -> Result<Value> {
    ensure!(tokens.len() <= MAX_TOKENS, "a Jinja expression that is too long");
    let mut reader = Reader { rest: tokens, scope };
    let known = reader.expression()?;
    ensure!(reader.rest.is_empty(), "a Jinja expression that is not understood here");
    known.map_err(|unknown| match unknown {
        Unknown::Undefined(name) => anyhow!("{name} is not known here"),
        Unknown::Failed(error) => error,
    })
}

/// A value, or why there is none.
type Known = Result<Value, Unknown>;

#[derive(Debug)]
enum Unknown {
    /// What `default` and `is defined` are for.
    Undefined(String),
    Failed(Error),
}

impl From<Error> for Unknown {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Argument<'a> {
    keyword: Option<&'a str>,
    value: Known,
}

struct Reader<'t, 'a> {
    rest: &'t [Token<'a>],
    scope: &'t Scope,
}

impl<'a> Reader<'_, 'a> {
    fn takes(&mut self, token: &Token<'_>) -> bool {
        let found = self.rest.split_first().filter(|(first, _)| *first == token);
        found.map(|(_, rest)| self.rest = rest).is_some()
    }

    fn mark(&mut self, mark: &str) -> bool {
        self.takes(&Token::Mark(mark))
    }

    fn word(&mut self, word: &str) -> bool {
        self.takes(&Token::Name(word))
    }

    fn name(&mut self) -> Option<&'a str> {
        let Some((Token::Name(name), rest)) = self.rest.split_first() else { return None };
        self.rest = rest;
        Some(name)
    }

    fn expect(&mut self, mark: &str) -> Result<()> {
        ensure!(self.mark(mark), "{mark} is missing");
        Ok(())
    }

    /// `value if condition else other`.
    fn expression(&mut self) -> Result<Known> {
        let value = self.either()?;
        if !self.word("if") {
            return Ok(value);
        }
        let condition = self.either()?;
        let nothing = || Ok(Err(Unknown::Undefined("the other case".to_owned())));
        let other = if self.word("else") { self.expression() } else { nothing() }?;
        Ok(condition.and_then(|holds| if value::truth(&holds) { value } else { other }))
    }

    fn either(&mut self) -> Result<Known> {
        let mut left = self.both()?;
        while self.word("or") {
            let right = self.both()?;
            left = left.and_then(|left| if value::truth(&left) { Ok(left) } else { right });
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Known> {
        let mut left = self.negated()?;
        while self.word("and") {
            let right = self.negated()?;
            left = left.and_then(|left| if value::truth(&left) { right } else { Ok(left) });
        }
        Ok(left)
    }

    fn negated(&mut self) -> Result<Known> {
        if self.word("not") {
            return Ok(self.negated()?.map(|value| Value::Bool(!value::truth(&value))));
        }
        self.compared()
    }

    fn compared(&mut self) -> Result<Known> {
        let left = self.sum()?;
        let Some(compare) = self.comparison() else { return Ok(left) };
        let right = self.sum()?;
        Ok(left.and_then(|left| Ok(Value::Bool(compare(&left, &right?)?))))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const MARKS: [(&[&str], Comparison); 6] = [
            (&["=="], |left, right| Ok(value::equal(left, right))),
            (&["!", "="], |left, right| Ok(!value::equal(left, right))),
            (&["<", "="], |left, right| value::order(left, right).map(Ordering::is_le)),
            (&[">", "="], |left, right| value::order(left, right).map(Ordering::is_ge)),
            (&["<"], |left, right| value::order(left, right).map(Ordering::is_lt)),
            (&[">"], |left, right| value::order(left, right).map(Ordering::is_gt)),
        ];
        if self.word("in") {
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

    fn sum(&mut self) -> Result<Known> {
        let mut left = self.joined()?;
        while self.mark("+") {
            let right = self.joined()?;
            left = left.and_then(|left| Ok(value::sum(&left, &right?)?));
        }
        Ok(left)
    }

    /// `left ~ right`.
    fn joined(&mut self) -> Result<Known> {
        let mut left = self.signed()?;
        while self.mark("~") {
            let right = self.signed()?;
            left = left.and_then(|left| Ok((value::text(&left)? + &value::text(&right?)?).into()));
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Known> {
        if self.mark("-") {
            return Ok(self.signed()?.and_then(|value| Ok(value::negative(&value)?)));
        }
        self.chain()
    }

    /// A value and what is done to it, from left to right.
    fn chain(&mut self) -> Result<Known> {
        let mut value = self.primary()?;
        loop {
            if self.mark(".") {
                value = self.attribute(value)?;
            } else if self.mark("[") {
                value = self.subscript(value)?;
            } else if self.mark("|") {
                value = self.filtered(value)?;
            } else if self.word("is") {
                value = self.tested(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Result<Known> {
        let (first, rest) = self.rest.split_first().context("an empty Jinja expression")?;
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
            Token::Mark(mark) => bail!("{mark} is not understood here"),
            Token::Name(name) if name.starts_with(|first: char| first.is_ascii_digit()) => {
                self.number(name).map(Ok)
            }
            Token::Name(name) if self.mark("(") => {
                let arguments = self.arguments(")")?;
                self.call(name, arguments)
            }
            Token::Name(name) => Ok(self.variable(name)),
        }
    }

    /// Adjacent literals are one.
    fn literal(&mut self, first: &str) -> Result<Value> {
        let mut all = first.to_owned();
        while let Some((Token::Text(next), rest)) = self.rest.split_first() {
            all.push_str(next);
            self.rest = rest;
        }
        // The tokens leave most escapes as they were written.
        ensure!(!all.contains('\\'), "an escape that is not understood here");
        Ok(all.into())
    }

    fn number(&mut self, whole: &str) -> Result<Value> {
        let number = if self.mark(".") {
            let fraction = self.name().context("a number that ends in a point")?;
            format!("{whole}.{fraction}").parse().ok().and_then(Number::from_f64)
        } else {
            whole.parse::<i64>().ok().map(Number::from)
        };
        Ok(Value::Number(number.context("a number that is not understood here")?))
    }

    fn variable(&self, name: &str) -> Known {
        match name {
            "true" | "True" => Ok(Value::Bool(true)),
            "false" | "False" => Ok(Value::Bool(false)),
            "none" | "None" => Ok(Value::Null),
            "target" => self.scope.target.clone().ok_or_else(|| Unknown::Undefined(name.into())),
            _ => Err(Unknown::Undefined(name.to_owned())),
        }
    }

    /// Up to the closing bracket.
    fn arguments(&mut self, end: &str) -> Result<Vec<Argument<'a>>> {
        let mut arguments = Vec::new();
        while !self.mark(end) {
            let mut keyword = None;
            if let [Token::Name(name), Token::Mark("="), rest @ ..] = self.rest {
                (keyword, self.rest) = (Some(*name), rest);
            }
            arguments.push(Argument { keyword, value: self.expression()? });
            if !self.mark(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(arguments)
    }

    /// `env_var(name, default)` and `var(name, default)`.
    fn call(&self, function: &str, arguments: Vec<Argument<'_>>) -> Result<Known> {
        let mut arguments = arguments.into_iter();
        let name = arguments.next().filter(|name| name.keyword.is_none());
        let name = name.with_context(|| format!("{function} of nothing"))?.value;
        let default = arguments.next();
        let strange = default.as_ref().and_then(|default| default.keyword);
        ensure!(strange.is_none_or(|key| key == "default"), "an argument of {function}");
        let found = |name: &str| match function {
            "env_var" => {
                let value = self.scope.environment.get(OsStr::new(name));
                Ok(value.map(|value| Value::from(value.to_string_lossy())))
            }
            "var" => Ok(self.scope.vars.get(name).cloned()),
            _ => Err(anyhow!("the function {function} is not understood here")),
        };
        Ok(name.and_then(|name| {
            let name = name.as_str().context("a name that is no text")?;
            match (found(name)?, default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => default.value,
                (None, None) => Err(anyhow!("{function}('{name}') has no value").into()),
            }
        }))
    }

    fn attribute(&mut self, value: Known) -> Result<Known> {
        let name = self.name().context("a name is missing behind a point")?;
        if self.mark("(") {
            let arguments = plain(self.arguments(")")?);
            return Ok(value.and_then(|value| Ok(value::method(&value, name, &arguments?)?)));
        }
        Ok(value.and_then(|value| part(&value, &name.into())))
    }

    fn subscript(&mut self, value: Known) -> Result<Known> {
        if self.mark(":") {
            return self.slice(value, None);
        }
        let key = self.expression()?;
        if self.mark(":") {
            return self.slice(value, Some(key));
        }
        self.expect("]")?;
        Ok(value.and_then(|value| part(&value, &key?)))
    }

    fn slice(&mut self, value: Known, start: Option<Known>) -> Result<Known> {
        let end = if self.mark("]") { None } else { Some(self.expression()?) };
        if end.is_some() {
            self.expect("]")?;
        }
        let whole =
            |bound: Known| bound?.as_i64().context("a bound of a slice").map_err(Unknown::from);
        Ok(value.and_then(|value| {
            let (start, end) = (start.map(whole).transpose()?, end.map(whole).transpose()?);
            Ok(value::slice(&value, start, end)?)
        }))
    }

    fn filtered(&mut self, value: Known) -> Result<Known> {
        let name = self.name().context("a filter is missing")?;
        let arguments = if self.mark("(") { self.arguments(")")? } else { Vec::new() };
        let arguments = plain(arguments);
        if !matches!(name, "default" | "d") {
            return Ok(value.and_then(|value| Ok(value::filter(value, name, &arguments?)?)));
        }
        Ok(arguments.and_then(|arguments| {
            let default = || arguments.first().cloned().unwrap_or_else(|| "".into());
            match value {
                Err(Unknown::Undefined(_)) => Ok(default()),
                Ok(empty)
                    if !value::truth(&empty) && arguments.get(1).is_some_and(value::truth) =>
                {
                    Ok(default())
                }
                known => known,
            }
        }))
    }

    fn tested(&mut self, value: Known) -> Result<Known> {
        let expected = !self.word("not");
        let name = self.name().context("a test is missing")?;
        let holds = match (name, value) {
            ("defined", Err(Unknown::Undefined(_))) | ("undefined", Ok(_)) => Ok(false),
            ("defined", Ok(_)) | ("undefined", Err(Unknown::Undefined(_))) => Ok(true),
            ("none", value) => value.map(|value| value.is_null()),
            (_, Err(unknown)) => Err(unknown),
            _ => bail!("the test {name} is not understood here"),
        };
        Ok(holds.map(|holds| Value::Bool(holds == expected)))
    }
}

type Comparison = fn(&Value, &Value) -> Result<bool>;

fn part(value: &Value, key: &Value) -> Known {
    let found = value::item(value, key).cloned();
    found.ok_or_else(|| Unknown::Undefined(format!("the part {key} of a value")))
}

/// Arguments without keywords.
fn plain(arguments: Vec<Argument<'_>>) -> Result<Vec<Value>, Unknown> {
    let value = |argument: Argument<'_>| match argument.keyword {
        None => argument.value,
        Some(key) => Err(anyhow!("the argument {key} is not understood here").into()),
    };
    arguments.into_iter().map(value).collect()
}
