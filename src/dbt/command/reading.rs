//! How dbt would read the words of a command line, for those who check them beforehand.

use super::options::{self, ForParse};
use super::scan::ScannedLine;
use std::ffi::OsString;

/// The commands of dbt-core 1.8 to 1.12, and those of v2 (2.0.0-alpha.4 and later).
pub const SUBCOMMANDS: [&str; 26] = [
    "build",
    "clean",
    "clone",
    "compile",
    "completions",
    "debug",
    "deps",
    "docs",
    "freshness",
    "help",
    "init",
    "list",
    "login",
    "ls",
    "lsp",
    "man",
    "parse",
    "retry",
    "run",
    "run-operation",
    "seed",
    "show",
    "snapshot",
    "source",
    "system",
    "test",
];

/// What dbt finds in the words of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Where the subcommand stands.
    pub subcommand: Option<usize>,
    /// The first word behind the subcommand that is neither an option nor a value.
    pub operand: Option<usize>,
    /// The option that ends the reading: no dbt has it, it lacks its value, or it takes none.
    pub unread: Option<usize>,
    /// The first option that `dbt parse` does not take, or that has no effect on it.
    pub beyond_parse: Option<&'static str>,
}

/// Read the words by the rules of dbt-core and of v2 (see `options`).
#[must_use]
pub fn reading(words: &[OsString]) -> Reading {
    let scan = ScannedLine::scan(words);
    let beyond = scan.given.iter().find(|given| given.spec.for_parse != ForParse::Kept);
    Reading {
        subcommand: scan.subcommand,
        operand: scan.positional.first().copied(),
        unread: scan.not_understood,
        beyond_parse: beyond.map(|given| given.spec.name()),
    }
}

/// Whether any dbt has an option `--name`, for whichever subcommand.
#[must_use]
pub fn has_option(name: &str) -> bool {
    options::long(name).is_some()
}

/// The names of all options that any dbt has, without their dashes.
pub fn option_names() -> impl Iterator<Item = &'static str> + Clone {
    options::names()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Reading {
        reading(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_that_dbt_understands_is_read_to_its_end() {
        let whole =
            Reading { subcommand: Some(1), operand: None, unread: None, beyond_parse: None };
        assert_eq!(read(&["--debug", "run", "--target", "--json", "--vars={}"]), whole);
        let selects = Reading { beyond_parse: Some("select"), ..whole.clone() };
        assert_eq!(read(&["-d", "run", "-s", "a", "b"]), selects);
        let operand = Reading { subcommand: Some(0), operand: Some(1), ..whole };
        assert_eq!(read(&["run", "orders"]), operand);
    }

    #[test]
    fn reading_ends_at_an_option_that_no_dbt_has_and_at_a_malformed_one() {
        let ends_at = |words: &[&str]| read(words).unread;
        assert_eq!(ends_at(&["run", "--select", "a", "--json", "--full"]), Some(3));
        assert_eq!(ends_at(&["run", "--target"]), Some(1));
        assert_eq!(ends_at(&["run", "--full-refresh=yes"]), Some(1));
        assert_eq!(ends_at(&["-z"]), Some(0));
    }

    #[test]
    fn options_are_known_by_each_of_their_names() {
        assert!(has_option("models") && has_option("no-write-json") && !has_option("json"));
        assert!(option_names().any(|name| name == "model") && !option_names().any(|n| n == "json"));
    }
}
