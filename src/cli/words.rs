//! A command line as one text: split at blanks, as a shell would, but nothing is expanded.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;

/// The words of a text; quotes of either kind hold one together.
///
/// # Errors
/// An open quote, or no word at all.
pub(super) fn split(text: &str) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, behind) = first(rest)?;
        words.push(word.into());
        rest = behind.trim_start();
    }
    if words.is_empty() { bail!("it has no words") } else { Ok(words) }
}

fn first(text: &str) -> Result<(String, &str)> {
    let mut word = String::new();
    let mut rest = text.chars();
    loop {
        let here = rest.as_str();
        match rest.next() {
            Some(quote @ ('\'' | '"')) => {
                let quoted = rest.as_str().split_once(quote);
                let (inside, behind) = quoted.context("a quote is not closed")?;
                word.push_str(inside);
                rest = behind.chars();
            }
            Some(letter) if !letter.is_whitespace() => word.push(letter),
            _ => return Ok((word, here)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_blanks_and_held_together_by_quotes() {
        for (text, expected) in [
            ("a b", &["a", "b"][..]),
            ("  a\t b\n", &["a", "b"]),
            ("a 'b c' \"d 'e\"", &["a", "b c", "d 'e"]),
            ("a=\"b c\"d ''", &["a=b cd", ""]),
            ("$HOME *", &["$HOME", "*"]),
        ] {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
        for text in ["", " ", "a 'b"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
