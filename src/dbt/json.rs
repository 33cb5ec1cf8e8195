//! JSON as Python writes and reads it, made JSON as RFC 8259 has it.
//!
//! dbt writes its artifacts with Python's `json`, which has `NaN`, `Infinity` and `-Infinity`, half
//! a surrogate pair, integers of any length, and any depth. Each becomes a string that says the same,
//! so that two values that differ still differ.

use memchr::memchr2;
use std::ops::Range;

/// Deeper than any artifact of dbt's, and less than `serde_json` follows.
const DEEPEST: usize = 100;

/// The same text, if it is JSON or none at all.
#[must_use]
pub fn standard(text: String) -> String {
    let edits = Scanner { text: &text, at: 0, depth: 0, edits: Vec::new() }.edits();
    if edits.is_empty() {
        return text;
    }
    let (mut standard, mut from) = (String::with_capacity(text.len()), 0);
    for (range, instead) in edits {
        standard.push_str(text.get(from..range.start).unwrap_or_default());
        standard.push_str(&instead);
        from = range.end;
    }
    standard.push_str(text.get(from..).unwrap_or_default());
    standard
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// In ascending order, with what stands there instead.
    edits: Vec<(Range<usize>, String)>,
}

impl<'t> Scanner<'t> {
    fn edits(mut self) -> Vec<(Range<usize>, String)> {
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.string(),
                b'[' | b'{' if self.depth == DEEPEST => self.too_deep(),
                b'[' | b'{' => {
                    self.depth += 1;
                    self.at += 1;
                }
                b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                b'0'..=b'9' | b'-' | b'N' | b'I' => self.number(),
                _ => self.at += 1,
            }
        }
        self.edits
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// To the end of the string that begins here.
    fn string(&mut self) {
        self.at += 1;
        while let Some(next) = memchr2(b'"', b'\\', self.rest().as_bytes()) {
            self.at += next;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return;
            }
            match self.rest().strip_prefix("\\u").and_then(code_unit) {
                Some(0xd800..=0xdbff) if self.is_paired() => self.at += 12,
                Some(0xd800..=0xdfff) => {
                    self.edits.push((self.at..self.at, "\\".to_owned()));
                    self.at += 6;
                }
                _ => self.skip_escape(),
            }
        }
        self.at = self.text.len();
    }

    fn is_paired(&self) -> bool {
        let second = self.rest().get(6..).and_then(|rest| rest.strip_prefix("\\u"));
        second.and_then(code_unit).is_some_and(|unit| (0xdc00..=0xdfff).contains(&unit))
    }

    /// The escaped character may have several bytes, if this is no JSON.
    fn skip_escape(&mut self) {
        let escaped = self.rest().chars().nth(1).map_or(0, char::len_utf8);
        self.at += 1 + escaped;
    }

    fn number(&mut self) {
        let rest = self.rest();
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word));
        let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let digits = rest.bytes().take_while(|byte| is_of_number(*byte)).count();
        let length = word.map_or(digits, str::len);
        let token = rest.get(..length).unwrap_or_default();
        if word.is_some() || token.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.edits.push((self.at..self.at + length, format!("\"{token}\"")));
        }
        self.at += length.max(1);
    }

    /// A value below the deepest level becomes the string of its text.
    fn too_deep(&mut self) {
        let (start, before, edits) = (self.at, self.depth, self.edits.len());
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string();
                    continue;
                }
                Some(b'[' | b'{') => self.depth += 1,
                Some(b']' | b'}') => self.depth -= 1,
                Some(_) => {}
                None => return,
            }
            self.at += 1;
            if self.depth == before {
                break;
            }
        }
        self.edits.truncate(edits);
        let value = self.text.get(start..self.at).unwrap_or_default();
        self.edits.push((start..self.at, serde_json::Value::from(value).to_string()));
    }
}

/// Four hexadecimal digits.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        let standard = standard(text.to_owned());
        serde_json::from_str(&standard).unwrap_or_else(|error| panic!("{standard}: {error}"))
    }

    #[test]
    fn what_only_python_reads_becomes_a_string_of_its_own() {
        let long = "9".repeat(400);
        for (text, value) in [
            ("[NaN, Infinity, -Infinity, -1]", json!(["NaN", "Infinity", "-Infinity", -1])),
            (r#"{"NaN": NaN, "a\"NaN": "Infinity"}"#, json!({"NaN": "NaN", "a\"NaN": "Infinity"})),
            (r#"["\ud800", "\udc00x", "\\ud800"]"#, json!(["\\ud800", "\\udc00x", "\\ud800"])),
            (r#"["\ud800\ud83d\ude00"]"#, json!(["\\ud800😀"])),
            (&format!("[{long}, -{long}]"), json!([long, format!("-{long}")])),
            ("[1e999, 1e5]", json!(["1e999", 1e5])),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
    }

    #[test]
    fn any_depth_is_read_and_no_value_is_lost() {
        let nested = |inner: &str| {
            format!("{{\"a\": {}{inner}{}, \"b\": NaN}}", "[".repeat(5000), "]".repeat(5000))
        };
        assert_ne!(read(&nested("1")), read(&nested("2")));
        assert_eq!(read(&nested("\"]\\ud800\""))["b"], "NaN");
    }

    #[test]
    fn what_is_json_or_cut_short_stays_as_it_is() {
        for text in [
            "",
            "{\"a",
            "[\"\\",
            "[\"\\u12",
            "[1, \"\\ud83d\\ude00\", -0.5e-7, true]",
            "[\"\\ä\"]",
            "-",
        ] {
            assert_eq!(standard(text.to_owned()), text);
        }
    }
}
