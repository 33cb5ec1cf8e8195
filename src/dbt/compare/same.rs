//! When two spellings of a value are the same value.

use crate::trees::IntoTree;
use serde_json::Value;
use std::collections::BTreeSet;

/// Whether two manifests were written by the same generation of dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Yes: what is absent on one side only is a difference.
    Same,
    /// No: each version writes its own defaults; `null` and absent are the same.
    Different,
}

/// Equal as Python's `==` has it, which dbt's comparison uses: key order is irrelevant and
/// `1 == 1.0`; unlike there, `true` is not 1.
pub(super) fn same_json(old: &Value, new: &Value, spelling: Spelling) -> bool {
    match (old, new) {
        (Value::Number(old), Value::Number(new)) => old == new || old.as_f64() == new.as_f64(),
        (Value::Array(old), Value::Array(new)) => {
            let mut pairs = old.iter().zip(new);
            old.len() == new.len() && pairs.all(|(old, new)| same_json(old, new, spelling))
        }
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).into_tree();
            keys.into_iter().all(|key| match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => same_json(old, new, spelling),
                (one, other) => spelling == Spelling::Different && nothing(one) && nothing(other),
            })
        }
        (old, new) => old == new,
    }
}

fn nothing(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

/// A value in one spelling: keys sorted, numbers as Python compares them.
pub(super) fn canonical_json(text: &str) -> String {
    fn unify(value: Value) -> Value {
        match value {
            Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
            Value::Array(items) => items.into_iter().map(unify).collect(),
            Value::Object(members) => Value::Object(
                members.into_iter().map(|(key, value)| (key, unify(value))).into_tree(),
            ),
            Value::Null | Value::Bool(_) | Value::String(_) => value,
        }
    }
    let has_one_spelling = matches!(text, "{}" | "[]") || text.starts_with(['"', 't', 'f', 'n']);
    if has_one_spelling {
        return text.to_owned();
    }
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |value| unify(value).to_string())
}
