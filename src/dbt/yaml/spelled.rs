//! What a value of YAML is to PyYAML beyond what JSON tells: `2026-08-03` is a date and
//! `"2026-08-03"` a string, `010` is 8, `1_000` is 1000, and a mapping has an order.

use super::{ScalarTag, resolved};
use saphyr_parser::ScalarStyle;
use serde_json::{Map, Number, Value};

/// Under this name the spelling of a mapping stands beside those of its entries.
const WHOLE: &str = "";

/// The spelling of a value of [`super::spelled()`]. Equal spellings of equal values are equal to
/// Python, in type and in order.
pub(in crate::dbt) fn spelling(spelled: &Value) -> &str {
    let whole = spelled.as_object().map_or(Some(spelled), |entries| entries.get(WHOLE));
    whole.and_then(Value::as_str).unwrap_or_default()
}

/// Whether JSON tells all of a value, so that its spelling adds nothing.
pub(in crate::dbt) fn tells_all(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(_) => false,
        Value::String(text) => is_text(text),
        Value::Array(items) => items.iter().all(tells_all),
        Value::Object(entries) => {
            entries.len() < 2 && entries.iter().all(|(key, value)| is_text(key) && tells_all(value))
        }
    }
}

/// With the length of its text, so that no two lists of scalars are spelled alike.
pub(super) fn scalar(text: &str, style: ScalarStyle, tag: ScalarTag<'_>) -> String {
    let tag = tag.filter(|tag| tag.is_yaml_core_schema());
    let kind = match &tag {
        Some(tag) => &tag.suffix,
        None if style != ScalarStyle::Plain || is_text(text) => "str",
        None => "",
    };
    let known =
        if kind.is_empty() { resolved(text).filter(|value| is_alike(text, value)) } else { None };
    let text = known.map_or_else(|| text.to_owned(), |value| value.to_string());
    format!("{kind}{}:{text}", text.len())
}

pub(super) fn sequence(items: &[Value]) -> Value {
    Value::String(format!("[{}]", items.iter().map(spelling).collect::<String>()))
}

pub(super) fn close(entries: &mut Map<String, Value>, written: &str) {
    entries.insert(WHOLE.to_owned(), Value::String(format!("{{{written}}}")));
}

/// Whether a plain scalar is a string to PyYAML, judged by what all others begin with.
fn is_text(text: &str) -> bool {
    const WORDS: [&str; 8] = ["yes", "no", "on", "off", "true", "false", "null", ""];
    !text.starts_with(|first: char| first.is_ascii_digit() || "+-.~=<".contains(first))
        && !WORDS.contains(&&*text.to_ascii_lowercase())
}

/// Whether PyYAML reads the same value as we do: to YAML 1.1, `0o17` and `1e3` are strings, and
/// whole numbers have any length.
fn is_alike(text: &str, value: &Value) -> bool {
    match value.as_number().map(Number::is_f64) {
        None => true,
        Some(true) => text.contains('.') && !text.contains(['e', 'E']),
        Some(false) => !text.contains('o'),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{document, spelled};
    use super::*;

    /// Pairs of which PyYAML reads two different values.
    const OTHERS: [(&str, &str); 22] = [
        ("2026-08-03", "'2026-08-03'"),
        ("2026-08-03 10:00:00", "\"2026-08-03 10:00:00\""),
        ("no", "'no'"),
        ("Off", "'Off'"),
        ("01234", "'01234'"),
        ("1:30", "'1:30'"),
        ("1_000", "'1_000'"),
        (".inf", "'.inf'"),
        ("-.INF", "'-.INF'"),
        (".nan", "'.nan'"),
        ("0o17", "15"),
        ("1e3", "1000.0"),
        ("12345678901234567890123", "12345678901234567890124"),
        ("!!timestamp '2026-08-03'", "'2026-08-03'"),
        ("[1, 2026-08-03]", "[1, '2026-08-03']"),
        ("{a: [x, no]}", "{a: [x, 'no']}"),
        ("{a: 1, b: 2}", "{b: 2, a: 1}"),
        ("{x: {a: 1, b: 2}}", "{x: {b: 2, a: 1}}"),
        ("[{a: 1, b: 2}]", "[{b: 2, a: 1}]"),
        ("{1: a}", "{'1': a}"),
        ("{no: a}", "{'no': a}"),
        ("[&d 2026-08-03, *d]", "[&d '2026-08-03', *d]"),
    ];

    /// Pairs of the same value.
    const SAME: [(&str, &str); 10] = [
        ("plain words", "'plain words'"),
        ("0x1F", "31"),
        ("+4", "4"),
        ("1.50", "1.5"),
        ("True", "true"),
        ("~", "null"),
        ("!!str 5", "'5'"),
        ("{a: 1, b: x}", "{'a': 1, \"b\": 'x'}"),
        ("[a, b]", "\n- 'a'\n- b"),
        ("[&d 2026-08-03, *d]", "[2026-08-03, 2026-08-03]"),
    ];

    fn of(text: &str) -> (String, String) {
        let text = format!("v: {text}");
        let (value, spelled) = (document(&text).unwrap(), spelled(&text).unwrap());
        (value["v"].to_string(), spelling(&spelled["v"]).to_owned())
    }

    #[test]
    fn values_that_differ_to_pyyaml_are_spelled_differently_where_json_is_equal() {
        for (one, other) in OTHERS {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        for (one, other) in SAME {
            assert_eq!(of(one), of(other), "{one} {other}");
        }
    }

    #[test]
    fn where_json_tells_all_equal_json_is_spelled_alike() {
        for (one, other) in OTHERS {
            let [one, other] = [one, other].map(|text| document(text).unwrap());
            assert!(one != other || !tells_all(&one), "{one}");
        }
        for text in ["{a: x}", "[x, y, true, ~]", "'plain words'"] {
            assert!(tells_all(&document(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn entries_are_found_by_their_names_within_scopes() {
        let all = spelled("vars: {p: {a: no, b: 1}}").unwrap();
        assert_eq!(spelling(&all["vars"]["p"]["a"]), "2:no");
        assert_eq!(spelling(&all["vars"]["p"]), "{str1:a2:nostr1:b1:1}");
        let merged = spelled("x: &x {a: no}\nv: {<<: *x, b: 1}").unwrap();
        assert_eq!(spelling(&merged["v"]["a"]), "2:no");
    }
}
