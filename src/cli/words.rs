//! A command line written as one text: `psql -c "select 1"`.
//!
//! It is split at blanks, as a shell would split it, but nothing is expanded and there is no
//! escape character. Bytes that are not UTF-8 stay as they are.

use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The words of a text. Quotation marks of either kind keep the blanks between them.
///
/// # Errors
/// The text has no words, or a quotation mark is not closed.
pub(super) fn split(text: &OsStr) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    let mut rest = text.as_bytes().trim_ascii_start();
    while !rest.is_empty() {
        let (word, behind) = first(rest)?;
        words.push(OsString::from_vec(word));
        rest = behind.trim_ascii_start();
    }
    if words.is_empty() { bail!("the command is empty") } else { Ok(words) }
}

/// The first word, and what follows it.
fn first(text: &[u8]) -> Result<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b'\'' | b'"' => {
                let end = behind.iter().position(|&other| other == byte);
                let end = end.with_context(|| {
                    format!("the quotation mark {} is not closed", char::from(byte))
                })?;
                let (inside, quote_and_rest) = behind.split_at(end);
                word.extend_from_slice(inside);
                quote_and_rest.get(1..).unwrap_or_default()
            }
            blank if blank.is_ascii_whitespace() => break,
            _ => {
                word.push(byte);
                behind
            }
        };
    }
    Ok((word, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<OsString>, String> {
        split(OsStr::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn words_are_split_at_blanks_and_held_together_by_quotation_marks() {
        for (text, expected) in [
            ("a b", &["a", "b"][..]),
            ("  a\t b\n", &["a", "b"]),
            ("a 'b c' \"d 'e\"", &["a", "b c", "d 'e"]),
            ("a=\"b c\"d ''", &["a=b cd", ""]),
            ("sh  -c \"a 'b' c\" '' d", &["sh", "-c", "a 'b' c", "", "d"]),
            ("x'y z'", &["xy z"]),
            ("$HOME * \\ é", &["$HOME", "*", "\\", "é"]),
        ] {
            assert_eq!(words(text), Ok(expected.iter().map(OsString::from).collect()), "{text}");
        }
    }

    #[test]
    fn an_empty_command_and_an_open_quotation_mark_are_refused() {
        assert_eq!(words(""), Err("the command is empty".into()));
        assert_eq!(words(" \t"), Err("the command is empty".into()));
        assert_eq!(words("x 'y"), Err("the quotation mark ' is not closed".into()));
        assert_eq!(words("\"y '"), Err("the quotation mark \" is not closed".into()));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_kept() {
        let odd = OsString::from_vec(b"\xff '\xfe '".to_vec());
        let expected = [b"\xff".to_vec(), b"\xfe ".to_vec()].map(OsString::from_vec);
        assert_eq!(split(&odd).unwrap(), expected);
    }
}
