//! Jinja's operators, filters and methods on values, by the rules of Python, for the types that
//! JSON has too.

use anyhow::{Result, bail};
use serde_json::Value;
use std::cmp::Ordering;

/// The truth of a value, as Python's `bool()` defines it.
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

/// The text of a value, as Python's `str()` defines it.
///
/// # Errors
/// The value is a list or a mapping, which this program does not render.
pub(super) fn to_text(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => bail!("a list or a mapping is not rendered as text"),
    })
}

/// `left == right`. Integers and floating-point numbers compare by value, so `1` equals `1.0`.
pub(super) fn is_equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right) == Ordering::Equal,
        _ => left == right,
    }
}

/// The order of two numbers or of two strings.
///
/// # Errors
/// The values are of other types.
pub(super) fn order(left: &Value, right: &Value) -> Result<Ordering> {
    match (left.as_f64(), right.as_f64(), left.as_str(), right.as_str()) {
        (Some(left), Some(right), ..) => Ok(left.total_cmp(&right)),
        (_, _, Some(left), Some(right)) => Ok(left.cmp(right)),
        _ => bail!("these values cannot be ordered"),
    }
}

/// `needle in hay`, for strings, lists and mappings.
///
/// # Errors
/// The values are of other types.
pub(super) fn contains(hay: &Value, needle: &Value) -> Result<bool> {
    match (hay, needle) {
        (Value::String(hay), Value::String(needle)) => Ok(hay.contains(needle.as_str())),
        (Value::Array(items), _) => Ok(items.iter().any(|item| is_equal(item, needle))),
        (Value::Object(entries), Value::String(key)) => Ok(entries.contains_key(key)),
        _ => bail!("`in` needs a string, a list or a mapping"),
    }
}

/// `left + right` of two integers or two strings.
///
/// # Errors
/// The values are of other types, or the sum overflows.
pub(super) fn sum(left: &Value, right: &Value) -> Result<Value> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(Value::from(format!("{left}{right}")));
    }
    let whole = left.as_i64().zip(right.as_i64());
    match whole.and_then(|(left, right)| left.checked_add(right)) {
        Some(sum) => Ok(Value::from(sum)),
        None => bail!("`+` needs two integers or two strings"),
    }
}

/// `-value` of an integer.
///
/// # Errors
/// The value is not an integer.
pub(super) fn negative(value: &Value) -> Result<Value> {
    match value.as_i64().and_then(i64::checked_neg) {
        Some(number) => Ok(Value::from(number)),
        None => bail!("`-` needs an integer"),
    }
}

/// `value[key]`, or `None` if there is no such item. A negative index counts from the end.
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

/// `value[start:end]` of a string, in characters. Negative bounds count from the end.
///
/// # Errors
/// The value is not a string.
pub(super) fn slice(value: &Value, start: Option<i64>, end: Option<i64>) -> Result<Value> {
    let Some(text) = value.as_str() else { bail!("a slice needs a string") };
    let length = text.chars().count();
    let at = |at: i64| match usize::try_from(at) {
        Ok(at) => at.min(length),
        Err(_) => length.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let (start, end) = (start.map_or(0, at), end.map_or(length, at));
    Ok(text.chars().take(end).skip(start).collect::<String>().into())
}

/// Call one of the methods of Python's `str` that occur in profiles.
///
/// # Errors
/// The value is not a string, or the method or its arguments are not supported.
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
        None => bail!("the method {name} is not supported"),
    }
}

/// Apply a filter other than `default`.
///
/// # Errors
/// The filter, its arguments or the type of the value is not supported.
pub(super) fn filter(value: Value, name: &str, arguments: &[Value]) -> Result<Value> {
    match (name, arguments) {
        ("as_text" | "as_bool" | "as_native" | "as_number", []) => Ok(value),
        ("string", []) => to_text(&value).map(Value::from),
        ("lower" | "upper", []) | ("replace", [_, _]) => {
            method(&to_text(&value)?.into(), name, arguments)
        }
        ("trim", []) => method(&to_text(&value)?.into(), "strip", &[]),
        ("int", [] | [_]) => {
            let integer = integer(&value).map(Value::from);
            Ok(integer.or_else(|| arguments.first().cloned()).unwrap_or_else(|| 0.into()))
        }
        _ => bail!("the filter {name} is not supported"),
    }
}

/// The integer of a value, as Python's `int()` defines it: a fraction is cut off.
fn integer(value: &Value) -> Option<i64> {
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
