//! What Jinja does to values: Python's rules for those that JSON has too.

use anyhow::{Result, bail};
use serde_json::Value;
use std::cmp::Ordering;

/// Python's `bool()`.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

/// Python's `str()`; lists and mappings are not rendered here.
pub(super) fn to_text(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => bail!("a list or a mapping where a text should be"),
    })
}

/// `==`: a number equals another of the same size, whole or not.
pub(super) fn is_equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right) == Ordering::Equal,
        _ => left == right,
    }
}

/// The order of two numbers or of two texts.
pub(super) fn order(left: &Value, right: &Value) -> Result<Ordering> {
    match (left.as_f64(), right.as_f64(), left.as_str(), right.as_str()) {
        (Some(left), Some(right), ..) => Ok(left.total_cmp(&right)),
        (_, _, Some(left), Some(right)) => Ok(left.cmp(right)),
        _ => bail!("values that have no order"),
    }
}

/// `needle in hay`.
pub(super) fn contains(hay: &Value, needle: &Value) -> Result<bool> {
    match (hay, needle) {
        (Value::String(hay), Value::String(needle)) => Ok(hay.contains(needle.as_str())),
        (Value::Array(items), _) => Ok(items.iter().any(|item| is_equal(item, needle))),
        (Value::Object(entries), Value::String(key)) => Ok(entries.contains_key(key)),
        _ => bail!("in what is no text, list or mapping"),
    }
}

/// `+` of two whole numbers or two texts.
pub(super) fn sum(left: &Value, right: &Value) -> Result<Value> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(Value::from(format!("{left}{right}")));
    }
    let whole = left.as_i64().zip(right.as_i64());
    match whole.and_then(|(left, right)| left.checked_add(right)) {
        Some(sum) => Ok(Value::from(sum)),
        None => bail!("a sum that is not understood here"),
    }
}

/// `-` before a whole number.
pub(super) fn negative(value: &Value) -> Result<Value> {
    match value.as_i64().and_then(i64::checked_neg) {
        Some(number) => Ok(Value::from(number)),
        None => bail!("the negative of what is no whole number"),
    }
}

/// `value[key]`.
pub(super) fn item<'v>(value: &'v Value, key: &Value) -> Option<&'v Value> {
    match (value, key) {
        (Value::Object(entries), Value::String(key)) => entries.get(key),
        (Value::Array(items), Value::Number(at)) => {
            let at = at.as_i64()?;
            let from_end = if at < 0 { i64::try_from(items.len()).ok()? } else { 0 };
            items.get(usize::try_from(at + from_end).ok()?)
        }
        _ => None,
    }
}

/// `text[start:end]`, in characters; negative from the end.
pub(super) fn slice(value: &Value, start: Option<i64>, end: Option<i64>) -> Result<Value> {
    let Some(text) = value.as_str() else { bail!("a slice of what is no text") };
    let length = text.chars().count();
    let at = |at: i64| match usize::try_from(at) {
        Ok(at) => at.min(length),
        Err(_) => length.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let (start, end) = (start.map_or(0, at), end.map_or(length, at));
    Ok(text.chars().take(end).skip(start).collect::<String>().into())
}

/// The methods of Python's strings that turn up in profiles.
pub(super) fn method(value: &Value, name: &str, arguments: &[Value]) -> Result<Value> {
    let words: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
    let known = value.as_str().filter(|_| words.len() == arguments.len());
    let known = known.and_then(|text| match (name, words.as_slice()) {
        ("lower", []) => Some(text.to_lowercase().into()),
        ("upper", []) => Some(text.to_uppercase().into()),
        ("strip", []) => Some(text.trim().into()),
        ("lstrip", []) => Some(text.trim_start().into()),
        ("rstrip", []) => Some(text.trim_end().into()),
        ("replace", [from, to]) => Some(text.replace(from, to).into()),
        ("startswith", [start]) => Some(text.starts_with(start).into()),
        ("endswith", [end]) => Some(text.ends_with(end).into()),
        ("split", [separator]) if !separator.is_empty() => {
            Some(text.split(separator).map(Value::from).collect())
        }
        _ => None,
    });
    match known {
        Some(known) => Ok(known),
        None => bail!("the method {name} is not understood here"),
    }
}

/// A filter, but for `default`.
pub(super) fn filter(value: Value, name: &str, arguments: &[Value]) -> Result<Value> {
    match (name, arguments) {
        ("as_text" | "as_bool" | "as_native" | "as_number", []) => Ok(value),
        ("string", []) => to_text(&value).map(Value::from),
        ("lower" | "upper", []) | ("replace", [_, _]) => {
            method(&to_text(&value)?.into(), name, arguments)
        }
        ("trim", []) => method(&to_text(&value)?.into(), "strip", &[]),
        ("int", [] | [_]) => {
            let whole = whole(&value).map(Value::from);
            Ok(whole.or_else(|| arguments.first().cloned()).unwrap_or_else(|| 0.into()))
        }
        _ => bail!("the filter {name} is not understood here"),
    }
}

/// Python's `int()`, which cuts a fraction off.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Number(number) => number.as_i64().or_else(|| Some(number.as_f64()? as i64)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| Some(text.parse::<f64>().ok()? as i64))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
