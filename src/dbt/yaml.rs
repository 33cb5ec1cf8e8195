//! Parses YAML into JSON values. Scalars follow the rules of PyYAML, the parser of dbt v1, where
//! these matter for the files that this program reads.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "only a few of the parser's events and tags occur in a valid place"
)]

mod spelled;

use anyhow::{Result, anyhow, bail, ensure};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) use spelled::{spelling, tells_all};

/// How deep values may be nested: deeper than in any real file, and safe for the stack.
const MAX_DEPTH: usize = 128;

/// How much anchors and aliases may copy, in bytes. Without a limit, a few lines of YAML can expand
/// to terabytes.
const MAX_COPIED: usize = 16 << 20;

/// The value of a text that contains one YAML document; `null` for an empty text. If a key occurs
/// twice, the last one wins, as in PyYAML. Keys are strings, spelled as in the text.
///
/// # Errors
/// The text is not YAML or has several documents. The error gives line and column and quotes
/// nothing from the text, which may contain passwords.
pub(super) fn document(text: &str) -> Result<Value> {
    read(text, false)
}

/// The same document with the [`spelling`] of each value in its place.
///
/// # Errors
/// As [`document`].
pub(super) fn spelled(text: &str) -> Result<Value> {
    read(text, true)
}

fn read(text: &str, spelled: bool) -> Result<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = DocumentReader {
        parser: Parser::new_from_str(text),
        spelled,
        anchors: BTreeMap::new(),
        copied: 0,
        at: Marker::default(),
    };
    reader.document().map_err(|error| {
        let (line, column) = (reader.at.line(), reader.at.col() + 1);
        error.context(format!("it is not YAML (line {line}, column {column})"))
    })
}

/// The tag of a scalar, such as `!!str`.
type ScalarTag<'a> = Option<Cow<'a, Tag>>;

struct DocumentReader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Whether spellings are wanted instead of values.
    spelled: bool,
    /// The values of the anchors so far, by the number that the parser gives each of them.
    anchors: BTreeMap<usize, Value>,
    /// How many bytes anchors and aliases have copied so far.
    copied: usize,
    /// The position of the last event, for errors.
    at: Marker,
}

impl<'a> DocumentReader<'a> {
    fn document(&mut self) -> Result<Value> {
        let mut document = Value::Null;
        let mut documents = 0;
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(document),
                Event::DocumentStart(_) => {
                    documents += 1;
                    ensure!(documents == 1, "it has a second document");
                }
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                first => document = self.value(first, MAX_DEPTH)?,
            }
        }
    }

    fn next(&mut self) -> Result<Event<'a>> {
        let next = self
            .parser
            .next_event()
            .unwrap_or_else(|| Err(ScanError::new_str(self.at, "it ends too early")));
        let (event, span) = next.map_err(|error| {
            self.at = *error.marker();
            // The message of the parser may quote the text.
            anyhow!("malformed")
        })?;
        self.at = span.start;
        Ok(event)
    }

    fn value(&mut self, first: Event<'a>, depth: usize) -> Result<Value> {
        ensure!(depth > 0, "nested too deeply");
        let (anchor, value) = match first {
            Event::Scalar(text, style, anchor, tag) if self.spelled => {
                (anchor, Value::String(spelled::scalar(&text, style, tag)))
            }
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(text, style, tag)),
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(depth - 1)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(depth - 1)?),
            Event::Alias(anchor) => return self.alias(anchor),
            _ => bail!("a value is missing"),
        };
        self.keep(anchor, &value)?;
        Ok(value)
    }

    fn alias(&mut self, anchor: usize) -> Result<Value> {
        let value = self.anchors.get(&anchor).cloned();
        let value = value.ok_or_else(|| anyhow!("an alias refers to its own value"))?;
        self.count(&value)?;
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd if self.spelled => return Ok(spelled::sequence(&items)),
                Event::SequenceEnd => return Ok(Value::Array(items)),
                first => items.push(self.value(first, depth)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value> {
        let mut own = Map::new();
        let mut merged = Map::new();
        let mut written = String::new();
        loop {
            let first = match self.next()? {
                Event::MappingEnd => break,
                first => first,
            };
            if let Event::Scalar(text, style, _, tag) = &first
                && self.spelled
            {
                written += &spelled::scalar(text, *style, tag.clone());
            }
            let key = self.key(first)?;
            let first = self.next()?;
            let value = self.value(first, depth)?;
            if self.spelled {
                written += spelling(&value);
            }
            match key {
                Key::Own(key) => drop(own.insert(key, value)),
                Key::Merge => merge(value, &mut merged)?,
            }
        }
        merged.extend(own);
        if self.spelled {
            spelled::close(&mut merged, &written);
        }
        Ok(Value::Object(merged))
    }

    fn key(&mut self, first: Event<'a>) -> Result<Key> {
        match first {
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => Ok(Key::Merge),
            Event::Scalar(text, _, anchor, _) => {
                self.keep(anchor, &Value::String(text.as_ref().to_owned()))?;
                Ok(Key::Own(text.into_owned()))
            }
            Event::Alias(anchor) => match self.alias(anchor)? {
                Value::String(text) => Ok(Key::Own(text)),
                _ => bail!("a key is not a string"),
            },
            _ => bail!("a key is not a string"),
        }
    }

    /// Remember a value that has an anchor. Values without an anchor have number 0.
    fn keep(&mut self, anchor: usize, value: &Value) -> Result<()> {
        if anchor > 0 {
            self.count(value)?;
            self.anchors.insert(anchor, value.clone());
        }
        Ok(())
    }

    fn count(&mut self, value: &Value) -> Result<()> {
        self.copied += weight(value);
        ensure!(self.copied < MAX_COPIED, "its aliases expand to too much data");
        Ok(())
    }
}

/// The key of a mapping.
enum Key {
    Own(String),
    /// The merge key `<<`, which takes over the entries of other mappings.
    Merge,
}

/// Add the entries that `<<` takes over. If several mappings have a key, the first one wins.
fn merge(value: Value, merged: &mut Map<String, Value>) -> Result<()> {
    match value {
        Value::Object(mapping) => merged.extend(mapping),
        Value::Array(mappings) => {
            mappings.into_iter().rev().try_for_each(|mapping| merge(mapping, merged))?;
        }
        _ => bail!("<< needs a mapping"),
    }
    Ok(())
}

/// The approximate size of a value in memory, in bytes.
fn weight(value: &Value) -> usize {
    const EACH: usize = 64;
    EACH + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| EACH + key.len() + weight(value)).sum()
        }
    }
}

/// The value of a scalar, by its tag or, for a plain scalar, by its spelling.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: ScalarTag<'_>) -> Value {
    let core = tag.as_ref().filter(|tag| tag.is_yaml_core_schema());
    let plain = match core {
        Some(tag) => ["null", "bool", "int", "float"].contains(&tag.suffix.as_str()),
        None => style == ScalarStyle::Plain,
    };
    let known = if plain { resolved(&text) } else { None };
    known.unwrap_or_else(|| Value::String(text.into_owned()))
}

/// The value of a plain scalar that is a number, a boolean or null. `None` for all others, which
/// keep their spelling as strings: those that are strings for PyYAML as well, and those that are
/// only compared with themselves. So a project may be called `n` and a target `007`.
fn resolved(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix = match digits.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => return decimal(text, digits).map(Value::Number),
    };
    // `from_str_radix` would accept a second sign.
    let digits = digits.get(2..).filter(|digits| !digits.starts_with(['+', '-']))?;
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if text.starts_with('-') { -number } else { number }.into())
}

/// The decimal number that a scalar spells. `digits` is `text` without its sign.
fn decimal(text: &str, digits: &str) -> Option<Number> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        || (all_digits && digits.len() > 1 && digits.starts_with('0'))
    {
        return None;
    }
    let whole = text.parse::<u64>().map(Number::from);
    let whole = whole.or_else(|_| text.parse::<i64>().map(Number::from));
    whole.ok().or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(text: &str) -> String {
        format!("{:#}", document(text).unwrap_err())
    }

    #[test]
    fn numbers_booleans_and_null_are_resolved_and_other_scalars_stay_strings() {
        let text = "[1, -3, +4, 0x1F, 0o17, 0b11, 1.10, .5, 1e3, true, ~, null, '', 12345678901234567890123]";
        let expected = json!([
            1,
            -3,
            4,
            31,
            15,
            3,
            1.1,
            0.5,
            1e3,
            true,
            null,
            null,
            "",
            1.2345678901234568e22
        ]);
        assert_eq!(document(text).unwrap(), expected);
        let texts = [
            "007",
            "1_000",
            "n",
            "yes",
            "0x",
            "0x-1",
            "+-5",
            "1.2.3",
            ".",
            "+",
            "inf",
            ".nan",
            "1e999",
            "2020-01-01",
            "1:30",
        ];
        let expected = Value::from(texts.to_vec());
        assert_eq!(document(&format!("[{}]", texts.join(", "))).unwrap(), expected);
        let tagged = "[!!str 5, !!int '5', '5', \"\\x41\"]";
        assert_eq!(document(tagged).unwrap(), json!(["5", 5, "5", "A"]));
    }

    #[test]
    fn keys_keep_their_spelling_and_the_last_of_two_equal_keys_wins() {
        let text = "1: a\ntrue: b\n'1': c\n";
        assert_eq!(document(text).unwrap(), json!({"1": "c", "true": "b"}));
        assert!(error("? [a]\n: b").contains("a key is not a string"));
    }

    #[test]
    fn aliases_and_merge_keys_are_resolved() {
        let text = "x: &x {a: 1, b: 2}\ny: &y {a: 5, c: 6}\nz: {b: 3, <<: [*x, *y]}\nw: *x\n";
        let all = document(text).unwrap();
        assert_eq!(all["z"], json!({"a": 1, "b": 3, "c": 6}));
        assert_eq!(all["w"], all["x"]);
        assert!(error("<<: 5").contains("<< needs a mapping"));
        assert!(error("a: &a [*a]").contains("an alias refers to its own value"));
    }

    #[test]
    fn a_few_lines_cannot_exhaust_the_memory_or_the_stack() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert!(error(&bomb).contains("its aliases expand to too much data"));
        let deep: String = (0..1000).map(|depth| " ".repeat(depth) + "a:\n").collect();
        assert!(error(&deep).contains("nested too deeply"));
    }

    #[test]
    fn an_error_gives_the_position_and_quotes_nothing() {
        assert_eq!(error("a: 1\nb: c: secret"), "it is not YAML (line 2, column 5): malformed");
        assert_eq!(
            error("a: 1\n---\nb: 2"),
            "it is not YAML (line 2, column 1): it has a second document"
        );
        for text in ["a: [secret", "a: 'secret", "a: *secret", "a: @secret"] {
            assert!(!error(text).contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_ignored() {
        assert_eq!(document("\u{feff}a:\r\n  - x\r\n").unwrap(), json!({"a": ["x"]}));
        assert_eq!(document("# only a comment\n").unwrap(), Value::Null);
    }
}
