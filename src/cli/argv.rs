//! Options in a command line: which words are ours, and what belongs to them.

use super::definition::{Definition, Doc, Value};
use super::options::{self, Ours};
use super::verbs::{self, Request};
use super::{Config, Given};
use crate::exit::Refusal;
use lexopt::Parser;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Our options at the beginning of the command line, and what the rest asks for.
pub(super) fn read(args: Vec<OsString>) -> Result<(Vec<Given>, Request), Refusal> {
    let mut parser = Parser::from_args(args);
    let mut given = Vec::new();
    while let Some(option) = next_word(&mut parser).as_deref().and_then(options::of_word) {
        match option {
            Ours::Setting(definition) => {
                let value = take(&definition.doc, &mut parser)?;
                add(&mut given, definition, value);
            }
            Ours::Printing(definition) => {
                let mut text = String::new();
                let value = take(&definition.doc, &mut parser)?;
                (definition.set)(&mut text, &value)?;
                return Ok((given, Request::Print(text)));
            }
        }
    }
    let request = verbs::request(rest(&mut parser))?;
    Ok((given, request))
}

/// A repeated option replaces the earlier one, but the lists of a repeated one add up.
fn add(given: &mut Vec<Given>, definition: &'static Definition<Config>, value: OsString) {
    let adds_up = matches!(definition.doc.value, Value::List { .. });
    let is_same = |(other, _): &&mut Given| adds_up && other.doc.name == definition.doc.name;
    match given.iter_mut().find(is_same) {
        Some((_, list)) => {
            list.push(" ");
            list.push(value);
        }
        None => given.push((definition, value)),
    }
}

/// The next word, which stays where it is.
pub(super) fn next_word(parser: &mut Parser) -> Option<OsString> {
    parser.try_raw_args()?.peek().map(OsStr::to_owned)
}

/// All words that are left.
pub(super) fn rest(parser: &mut Parser) -> Vec<OsString> {
    parser.try_raw_args().map(Iterator::collect).unwrap_or_default()
}

/// The name in `--name` or `--name=value`, whose value need not be UTF-8.
pub(super) fn long_name(word: &OsStr) -> Option<&str> {
    let long = word.as_bytes().strip_prefix(b"--")?;
    let name = long.split(|byte| *byte == b'=').next()?;
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// Whether a word is meant as an option. A lone `-` stands for standard input.
pub(super) fn is_option(word: &OsStr) -> bool {
    word.len() > 1 && word.as_bytes().starts_with(b"-")
}

/// Take an option that comes next, and its value: `yes` for a switch, empty where an optional
/// value is left out. A value that begins with a dash has to stand behind `=`, as it is more
/// likely to be the next option.
pub(super) fn take(doc: &Doc, parser: &mut Parser) -> Result<OsString, Refusal> {
    let name = doc.name;
    parser.next().map_err(|error| Refusal::new(error.to_string()))?;
    let attached = parser.optional_value();
    match (doc.value, attached) {
        (Value::Switch, None) => Ok("yes".into()),
        (Value::Switch, Some(value)) => Err(Refusal::new(format!(
            "--{name} takes no value, but was given {:?}",
            value.display().to_string()
        ))
        .remedy(format!("--{name}     (turns it on; leave it out to turn it off)"))),
        (Value::Optional(_), value) => Ok(value.unwrap_or_default()),
        (_, Some(value)) => Ok(value),
        (_, None) => separate_value(doc, parser),
    }
}

fn separate_value(doc: &Doc, parser: &mut Parser) -> Result<OsString, Refusal> {
    let written = doc.written();
    match next_word(parser) {
        None => Err(Refusal::new(format!("--{} needs a value", doc.name)).remedy(written)),
        Some(word) if is_option(&word) => Err(Refusal::new(format!(
            "--{} needs a value, but the option {} follows",
            doc.name,
            word.display()
        ))
        .remedy(format!("{written}     (puts the value in between)"))
        .remedy(format!("--{}={}     (if that is the value)", doc.name, word.display()))),
        Some(word) => {
            let _ = parser.try_raw_args().and_then(|mut words| words.next());
            Ok(word)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn the_name_of_an_option_needs_no_value_in_utf8() {
        let odd = OsString::from_vec(b"--state-dir=\xff".to_vec());
        assert_eq!(long_name(&odd), Some("state-dir"));
        assert_eq!(long_name(OsStr::new("--full")), Some("full"));
        assert_eq!(long_name(OsStr::new("--")), None);
        assert_eq!(long_name(OsStr::new("-x")), None);
        assert_eq!(long_name(&OsString::from_vec(b"--\xff".to_vec())), None);
    }

    #[test]
    fn a_lone_dash_is_no_option() {
        let words = ["-", "", "x", "-x", "--", "--x"].map(OsStr::new);
        assert_eq!(words.map(is_option), [false, false, false, true, true, true]);
    }
}
