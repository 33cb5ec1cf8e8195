//! What a Python model reads of the environment.

use super::Facet;
use super::calls::{Argument, Block};
use super::scan::Scan;
use super::tokens::{self, Token};
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
            Token::Name("environ" | "environb") => scan.facets.extend(environ(code, at)),
            Token::Name("getenv" | "getenvb") if code.is_mark(at + 1, "(") => {
                scan.facets.insert(name(code, at + 1));
            }
            Token::Name("getenv" | "getenvb") => scan.facets.extend(unless_imported(code, at)),
            Token::Name(reader) if OTHER_READERS.contains(reader) => {
                scan.facets.insert(Facet::AnyEnvVar);
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
fn unless_imported(code: &Block<'_>, at: usize) -> Option<Facet> {
    let is_renamed = code.token(at + 1) == Some(&Token::Name("as"));
    (is_renamed || !is_imported(code, at)).then_some(Facet::AnyEnvVar)
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

/// What a mention of `environ` at this index reads.
fn environ(code: &Block<'_>, at: usize) -> Option<Facet> {
    let of_os = (code.before(at, 2), code.before(at, 1))
        == (Some(&Token::Name("os")), Some(&Token::Mark(".")));
    let start = if of_os { at - 2 } else { at };
    match (code.before(start, 2), code.before(start, 1)) {
        _ if is_imported(code, start) => return unless_imported(code, start),
        (Some(Token::Text(name)), Some(Token::Name("in"))) => {
            return Some(Facet::EnvVar(name.clone().into_owned()));
        }
        _ => {}
    }
    match code.tokens().get(at + 1..).unwrap_or_default() {
        [Token::Mark("["), Token::Text(name), Token::Mark("]"), ..] => {
            Some(Facet::EnvVar(name.clone().into_owned()))
        }
        [Token::Mark("."), Token::Name(_), Token::Mark("("), ..] => Some(name(code, at + 3)),
        _ => Some(Facet::AnyEnvVar),
    }
}

/// The variable that the first argument behind this bracket names.
fn name(code: &Block<'_>, opening: usize) -> Facet {
    match code.arguments(opening, &[]).as_deref() {
        Some([(key, Argument::Literal(name)), ..])
            if matches!(key.as_deref(), None | Some("key")) =>
        {
            Facet::EnvVar(name.clone())
        }
        _ => Facet::AnyEnvVar,
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(names("x = dict(os.environ)"), [Facet::AnyEnvVar]);
        assert_eq!(names("os.getenv(name)"), [Facet::AnyEnvVar]);
        assert_eq!(names("# os.environ['A']\ns = \"{{ env_var('A') }}\""), []);
    }
}
