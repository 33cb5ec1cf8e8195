//! What a Python model reads of the environment.

use super::Name;
use super::calls::{Argument, arguments};
use super::scan::Scan;
use super::tokens::{self, Token};
use std::borrow::Cow;

/// Strings within strings are followed this deep.
const DEPTH: usize = 4;

/// A Python model: dbt renders no Jinja in it, but it may read the environment itself
/// (`os.environ`, `os.getenv`), in dbt's own process where the adapter runs it there
/// (dbt-duckdb does).
#[must_use]
pub(super) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    python_into(&tokens::python(text), DEPTH, &mut scan);
    scan
}

fn python_into(code: &[Token<'_>], depth: usize, scan: &mut Scan) {
    for (at, token) in code.iter().enumerate() {
        let behind = code.get(at + 1..).unwrap_or_default();
        let before = code.get(..at).unwrap_or_default();
        match token {
            Token::Name("environ" | "environb") => scan.names.0.extend(environ(before, behind)),
            Token::Name("getenv" | "getenvb") => {
                if let [Token::Mark("("), list @ ..] = behind {
                    scan.names.0.insert(name(list));
                }
            }
            // The braces of an f-string hold code.
            Token::Text(text) if depth > 0 && text.contains("env") => {
                let inside: Cow<'_, str> = text.clone();
                python_into(&tokens::python(&inside), depth - 1, scan);
            }
            Token::Name(_) | Token::Text(_) | Token::Mark(_) => {}
        }
    }
}

fn environ(before: &[Token<'_>], behind: &[Token<'_>]) -> Option<Name> {
    let before = match before {
        [rest @ .., Token::Name("os"), Token::Mark(".")] => rest,
        all => all,
    };
    match (before, behind) {
        ([.., Token::Name("import")], _) => None,
        ([.., Token::Text(name), Token::Name("in")], _)
        | (_, [Token::Mark("["), Token::Text(name), Token::Mark("]"), ..]) => {
            Some(Name::Env(name.clone().into_owned()))
        }
        (_, [Token::Mark("."), Token::Name(_), Token::Mark("("), list @ ..]) => Some(name(list)),
        _ => Some(Name::AnyEnv),
    }
}

/// The variable that the first argument names.
fn name(list: &[Token<'_>]) -> Name {
    match arguments(list, &[]).as_deref() {
        Some([(None | Some("key"), Argument::Literal(name)), ..]) => Name::Env(name.clone()),
        _ => Name::AnyEnv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Name {
        Name::Env(name.to_owned())
    }

    #[test]
    fn python_reads_the_environment_itself() {
        let names = |text| scan(text).names.0.into_iter().collect::<Vec<_>>();
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
        assert_eq!(names("x = dict(os.environ)"), [Name::AnyEnv]);
        assert_eq!(names("os.getenv(name)"), [Name::AnyEnv]);
        assert_eq!(names("# os.environ['A']\ns = \"{{ env_var('A') }}\""), []);
    }
}
