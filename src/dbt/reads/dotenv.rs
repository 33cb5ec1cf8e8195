//! The environment that `env_var` sees. Since dbt 1.12 a `.env` file, found upward from the
//! working directory, adds variables that are not set already (`load_dotenv(override=False)`
//! of python-dotenv 1.2, when `dbt.cli.main` is imported, so that `DBT_*` options count too).

use crate::environment::Environment;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The environment with the variables of a `.env` file that it does not set itself.
/// `PYTHON_DOTENV_DISABLED` switches the file off, as it does for dbt.
#[must_use]
pub fn effective_environment(environment: &Environment, dotenv: Option<&str>) -> Environment {
    let mut effective = environment.clone();
    let Some(text) = dotenv.filter(|_| !is_disabled(environment)) else { return effective };
    let mut values: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (name, value) in bindings(text) {
        let value = value.map(|value| interpolated(&value, &values, environment));
        values.insert(name, value);
    }
    for (name, value) in values {
        if let Some(value) = value {
            effective.entry(OsString::from(name)).or_insert_with(|| OsString::from(value));
        }
    }
    effective
}

fn is_disabled(environment: &Environment) -> bool {
    let switch = environment.get(OsStr::new("PYTHON_DOTENV_DISABLED"));
    let word = switch.map(|value| value.to_string_lossy().to_lowercase());
    word.is_some_and(|word| matches!(word.as_str(), "1" | "true" | "t" | "yes" | "y"))
}

/// `${NAME}` and `${NAME:-default}`; the environment wins over earlier lines of the file.
fn interpolated(
    value: &str,
    earlier: &BTreeMap<String, Option<String>>,
    environment: &Environment,
) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, default, behind)) = variable(after) else {
            result.push_str(before);
            result.push_str("${");
            rest = after;
            continue;
        };
        result.push_str(before);
        let outer = environment.get(OsStr::new(name)).map(|value| value.to_string_lossy());
        let found = outer.or_else(|| match earlier.get(name) {
            Some(value) => Some(Cow::Borrowed(value.as_deref().unwrap_or_default())),
            None => default.map(Cow::Borrowed),
        });
        result.push_str(&found.unwrap_or_default());
        rest = behind;
    }
    result.push_str(rest);
    result
}

/// `NAME}…` or `NAME:-default}…`.
fn variable(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let end = text.find(['}', ':'])?;
    let (name, rest) = text.split_at_checked(end)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((name, None, rest));
    }
    let (default, rest) = rest.strip_prefix(":-")?.split_once('}')?;
    Some((name, Some(default), rest))
}

/// `NAME=value` lines; a line that cannot be read is passed over.
fn bindings(text: &str) -> Vec<(String, Option<String>)> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut bindings = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return bindings;
        }
        match binding(rest) {
            Some((found, behind)) => {
                bindings.extend(found);
                rest = behind;
            }
            None => rest = after_line(rest),
        }
    }
}

type Binding = Option<(String, Option<String>)>;

/// The binding at the start of `text` (a comment is none), and what follows its line.
fn binding(text: &str) -> Option<(Binding, &str)> {
    if text.starts_with('#') {
        return Some((None, after_line(text)));
    }
    let (name, rest) = key(exported(text))?;
    let Some(after) = blank(rest).strip_prefix('=') else {
        return Some((Some((name, None)), end_of_line(blank(rest))?));
    };
    let (value, rest) = value(after)?;
    Some((Some((name, Some(value))), end_of_line(rest)?))
}

fn exported(text: &str) -> &str {
    let rest = text.strip_prefix("export").unwrap_or(text);
    if blank(rest).len() < rest.len() { blank(rest) } else { text }
}

fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (name, rest) = quoted.split_once('\'')?;
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    }
    let end = text.find(|c: char| c == '=' || c == '#' || c.is_whitespace());
    let (name, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    (!name.is_empty()).then(|| (name.to_owned(), rest))
}

fn value(after_equals: &str) -> Option<(String, &str)> {
    let text = blank(after_equals);
    match text.chars().next() {
        Some('\'') => quoted(text, '\'', &['\\', '\'']),
        Some('"') => quoted(text, '"', &['\\', '\'', '"', 'a', 'b', 'f', 'n', 'r', 't', 'v']),
        Some('#') if text.len() < after_equals.len() => Some((String::new(), text)),
        _ => {
            let (line, rest) = text.split_at(text.find(['\r', '\n']).unwrap_or(text.len()));
            Some((before_comment(line).trim_end().to_owned(), rest))
        }
    }
}

/// The part of an unquoted value before white space and `#`.
fn before_comment(line: &str) -> &str {
    let hash = |(at, _): &(usize, &str)| {
        line.get(..*at).is_some_and(|before| before.ends_with(char::is_whitespace))
    };
    let comment = line.match_indices('#').find(hash);
    comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line)
}

fn quoted<'a>(text: &'a str, quote: char, escapes: &[char]) -> Option<(String, &'a str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((value, text.get(at + quote.len_utf8()..)?));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let (_, escaped) = chars.next()?;
        if escapes.contains(&escaped) {
            value.push(control(escaped));
        } else {
            value.extend([c, escaped]);
        }
    }
    None
}

fn control(escaped: char) -> char {
    match escaped {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    }
}

/// Without white space that does not end the line.
fn blank(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n' && c != '\r')
}

/// What follows the line, when nothing but a comment is left on it.
fn end_of_line(text: &str) -> Option<&str> {
    let rest = blank(text);
    (rest.is_empty() || rest.starts_with(['#', '\n', '\r'])).then(|| after_line(rest))
}

fn after_line(text: &str) -> &str {
    text.find(['\n', '\r']).and_then(|at| text.get(at + 1..)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_file_adds_what_the_environment_does_not_set() {
        let outer = environment(&[("A", "outer"), ("E", "")]);
        let effective = effective_environment(&outer, Some("A=file\nB=file\nE=file\n"));
        assert_eq!(effective, environment(&[("A", "outer"), ("B", "file"), ("E", "")]));
        assert_eq!(effective_environment(&outer, None), outer);
    }

    #[test]
    fn the_switch_of_python_dotenv_is_obeyed() {
        let off = environment(&[("PYTHON_DOTENV_DISABLED", "True")]);
        assert_eq!(effective_environment(&off, Some("A=1")), off);
    }

    #[test]
    fn lines_are_read_as_python_dotenv_reads_them() {
        let text = "\u{feff}# comment\n\
            export A=plain value # comment\n  B = 'it\\'s' # c\nC=\"a\\tb\\\n\n\
            c\"\nD\n'E F'=1\nG=\nH= # none\nI=#not a comment\nbad line = x\n\
            J=\"unfinished\nK=${A}-${Z:-z}-${Y}-${D}\r\nL=a#b\n";
        let known = effective_environment(&environment(&[]), Some(text));
        let expected = environment(&[
            ("A", "plain value"),
            ("B", "it's"),
            ("C", "a\tb\\\n\nc"),
            ("E F", "1"),
            ("G", ""),
            ("H", ""),
            ("I", "#not a comment"),
            ("K", "plain value-z--"),
            ("L", "a#b"),
        ]);
        assert_eq!(known, expected);
    }
}
