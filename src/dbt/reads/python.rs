//! What a Python model reads of the environment.

use super::calls::Block;
use super::scan::{Reader, Scan};
use super::tokens::{self, Token};
use super::value::{Argument, Names, unknown};
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// Strings within strings are followed this deep.
const DEPTH: usize = 4;

/// A Python model: dbt renders no Jinja in it, but it may read the environment itself
/// (`os.environ`, `os.getenv`), in dbt's own process where the adapter runs it there
/// (dbt-duckdb does).
#[must_use]
pub(super) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    python_into(&Block::new(tokens::python(text)), DEPTH, &mut scan);
    scan
}

fn python_into(code: &Block<'_>, depth: usize, scan: &mut Scan) {
    for (at, token) in code.tokens().iter().enumerate() {
        match token {
            Token::Name("environ" | "environb") => {
                if let Some(name) = environ(code, at) {
                    scan.take(Reader::EnvVar, name);
                }
            }
            Token::Name("getenv" | "getenvb") if code.is_mark(at + 1, "(") => {
                scan.take(Reader::EnvVar, name(code, at + 1));
            }
            Token::Name("getenv" | "getenvb") => {
                if let Some(name) = unless_imported(code, at) {
                    scan.take(Reader::EnvVar, name);
                }
            }
            Token::Name(reader) if OTHER_READERS.contains(reader) => {
                scan.take(Reader::EnvVar, unknown());
            }
            // The braces of an f-string hold code.
            Token::Text(text) if depth > 0 && text.contains("env") => {
                python_into(&Block::new(tokens::python(text)), depth - 1, scan);
            }
            Token::Name(_) | Token::Text(_) | Token::Mark(_) => {}
        }
    }
}

/// Other ways to read the environment: a function of Python's, and packages that do nothing else.
const OTHER_READERS: [&str; 5] = ["expandvars", "BaseSettings", "decouple", "dynaconf", "environs"];

/// The words of `import a.b, c` and `from .a import b`, among which are the names of the modules.
#[must_use]
pub(super) fn imports(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim_start);
    let imports = lines.filter(|line| line.starts_with("import ") || line.starts_with("from "));
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let literal = ["import_module", "__import__"].iter().any(|name| text.contains(name));
    let computed = text.split(|letter| !is_word(letter)).filter(|_| literal);
    let words = imports.flat_map(|line| line.split(move |letter| !is_word(letter)));
    words.chain(computed).filter(|word| !word.is_empty()).map(str::to_owned).into_tree()
}

/// A name of `os` that is handed on: it may be called by any other name. An import under its own
/// name reads nothing.
fn unless_imported(code: &Block<'_>, at: usize) -> Option<Argument> {
    let is_renamed = code.token(at + 1) == Some(&Token::Name("as"));
    (is_renamed || !is_imported(code, at)).then(unknown)
}

/// Whether the name stands in the list of a `from os import …`.
fn is_imported(code: &Block<'_>, at: usize) -> bool {
    let mut at = at;
    loop {
        match (code.before(at, 2), code.before(at, 1)) {
            (_, Some(Token::Name("import"))) => return true,
            (Some(Token::Name("import")), Some(Token::Mark("("))) => return true,
            (Some(Token::Name(_)), Some(Token::Mark(","))) => at -= 2,
            _ => return false,
        }
        // `path as p,`
        if code.before(at, 1) == Some(&Token::Name("as")) && at >= 2 {
            at -= 2;
        }
    }
}

/// The names that a mention of `environ` at this index reads.
fn environ(code: &Block<'_>, at: usize) -> Option<Argument> {
    let of_os = (code.before(at, 2), code.before(at, 1))
        == (Some(&Token::Name("os")), Some(&Token::Mark(".")));
    let start = if of_os { at - 2 } else { at };
    match (code.before(start, 2), code.before(start, 1)) {
        _ if is_imported(code, start) => return unless_imported(code, start),
        (Some(Token::Text(name)), Some(Token::Name("in"))) => return Some(literal(name)),
        _ => {}
    }
    match code.tokens().get(at + 1..).unwrap_or_default() {
        [Token::Mark("["), ..] => {
            let mut keys = code.piece_ranges(at + 1).into_iter();
            Some(keys.next().map_or_else(unknown, |key| plain(code.value(key, &Names::default()))))
        }
        [Token::Mark("."), Token::Name(_), Token::Mark("("), ..] => Some(name(code, at + 3)),
        _ => Some(unknown()),
    }
}

/// The name that the first argument behind this bracket is.
fn name(code: &Block<'_>, opening: usize) -> Argument {
    let arguments = code.arguments(opening, &Names::default()).unwrap_or_default();
    match arguments.into_iter().next() {
        Some((key, name)) if matches!(key.as_deref(), None | Some("key")) => plain(name),
        _ => unknown(),
    }
}

/// The literal may be one of an f-string, up to its first brace.
fn plain(name: Argument) -> Argument {
    match name {
        Argument::Literal(name) => literal(&name),
        Argument::OneOf(all) => Argument::one_of(all.into_iter().map(plain)),
        Argument::Computed(start) => {
            let known = start.split('{').next().unwrap_or_default();
            Argument::Computed(known.to_owned())
        }
        Argument::Around(_) | Argument::List(_) => unknown(),
    }
}

fn literal(name: &str) -> Argument {
    match name.split_once('{') {
        Some((start, _)) => Argument::Computed(start.to_owned()),
        None => Argument::Literal(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Facet;
    use super::*;

    fn env(name: &str) -> Facet {
        Facet::EnvVar(name.to_owned())
    }

    #[test]
    fn python_reads_the_environment_itself() {
        let names = |text| scan(text).facets.into_iter().collect::<Vec<_>>();
        for text in [
            "os.environ['A']",
            "environ.get(\"A\", 'x')",
            "os.getenv('A')",
            "'A' in os.environ",
            "f\"{os.environ['A']}\"",
        ] {
            assert_eq!(names(text), [env("A")], "{text}");
        }
        assert_eq!(names("from os import environ, getenv"), []);
        let begins = |start: &str| Facet::EnvVars(start.to_owned());
        assert_eq!(names("x = dict(os.environ)"), [begins("")]);
        assert_eq!(names("os.getenv(name)"), [begins("")]);
        for text in ["os.getenv(f'A_{x}')", "os.environ['A_' + x]", "os.getenv('A_%s' % x)"] {
            assert_eq!(names(text), [begins("A_")], "{text}");
        }
        assert_eq!(names("os.environ['A' if x else 'B']"), [env("A"), env("B")]);
        assert_eq!(names("# os.environ['A']\ns = \"{{ env_var('A') }}\""), []);
    }
}
