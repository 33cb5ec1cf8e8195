//! What `--help`, `--help=TOPIC` and `VERB --help` show.

use super::definition::Doc;
use super::nearest::nearest;
use super::options::{self, groups};
use super::verbs::{VerbDoc, verbs};
use crate::exit::{CODES, Refusal};
use anyhow::Result;
use std::ffi::OsStr;
use std::fmt::Write;

const INTRODUCTION: &str = "\
dbt-entrypoint runs dbt in a container and rebuilds only what changed.

Usage: dbt-entrypoint [OPTIONS] [--] DBT-COMMAND…
       dbt-entrypoint [OPTIONS] VERB …

Verbs (dbt-entrypoint VERB --help explains one):
";

const OPTIONS_TITLE: &str = "\
\nOptions (before dbt's command; their variables: DBT_ENTRYPOINT_MODE and so on):\n";

const EPILOGUE: &str = "\
\nExit codes: dbt's own 0, 1 and 2; 64 usage, 75 try again, 77 limit, 78 refused.
--help=all explains everything, --help=NAME one option or verb.
";

/// Where the second column of the short help begins.
const COLUMN: usize = 31;

/// The width of all help.
const WIDTH: usize = 80;

/// `--help`, on one screen: at most forty lines.
#[must_use]
pub fn help() -> String {
    let mut text = INTRODUCTION.to_owned();
    for verb in verbs() {
        line(&mut text, &format!("{} {}", verb.name, verb.takes), verb.help);
    }
    text.push_str(OPTIONS_TITLE);
    for doc in options::docs().filter(|doc| doc.common) {
        let letter = doc.letter.map_or_else(String::new, |letter| format!("-{letter}, "));
        line(&mut text, &format!("{letter}{}", doc.written()), doc.help);
    }
    let others = options::docs().filter(|doc| !doc.common).map(|doc| format!("--{}", doc.name));
    let others = format!("Also {}.", others.collect::<Vec<_>>().join(", "));
    wrapped(&mut text, "", &others, 2);
    text.push_str(EPILOGUE);
    text
}

fn line(text: &mut String, left: &str, right: &str) {
    let _ = writeln!(text, "  {left:<width$} {right}", width = COLUMN - 3);
}

/// Break a text between words, behind a lead and with a margin on the left.
fn wrapped(text: &mut String, lead: &str, words: &str, margin: usize) {
    let lead = format!("{lead:<margin$}");
    let mut column = lead.chars().count();
    text.push_str(&lead);
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            let _ = write!(text, "\n{:margin$}{word}", "");
            column = margin + length;
        } else {
            let blank = if column > margin { " " } else { "" };
            let _ = write!(text, "{blank}{word}");
            column += blank.len() + length;
        }
    }
    text.push('\n');
}

/// `--help=TOPIC`: the short help, everything, or all that has this name.
///
/// # Errors
/// Nothing has it.
pub(super) fn about(topic: &OsStr) -> Result<String> {
    let asked = topic.to_string_lossy();
    match &*asked {
        "" => return Ok(help()),
        "all" => return Ok(help_on_everything()),
        _ => {}
    }
    let name = asked.trim_start_matches('-');
    let options = options::docs()
        .filter(|doc| doc.name == name || doc.variable().as_deref() == Some(name))
        .map(of_option);
    let verb = verbs().filter(|verb| verb.name == name).map(of_verb);
    let found: Vec<String> = options.chain(verb).collect();
    if found.is_empty() { Err(no_topic(name).into()) } else { Ok(found.join("\n")) }
}

fn no_topic(name: &str) -> Refusal {
    let names = options::docs().map(|doc| doc.name).chain(verbs().map(|verb| verb.name));
    let nearest = nearest(name, names).unwrap_or_default();
    Refusal::new(format!("there is no option and no verb {name}; the nearest is {nearest}"))
        .remedy(format!("dbt-entrypoint --help={nearest}"))
        .remedy("dbt-entrypoint --help     (lists all)")
}

/// One option at length.
pub(super) fn of_option(doc: &Doc) -> String {
    let mut text = format!("{}\n", doc.written());
    wrapped(&mut text, "", doc.manual, 4);
    if !doc.facts().is_empty() {
        wrapped(&mut text, "", &doc.facts(), 4);
    }
    text
}

/// How many options of a verb `VERB --help` explains at length: it has to fit a screen.
const AT_LENGTH: usize = 3;

/// `VERB --help`.
pub(super) fn of_verb(verb: &VerbDoc) -> String {
    on_verb(verb, verb.options.len() <= AT_LENGTH)
}

/// A verb, with each of its options at length or in a line.
fn on_verb(verb: &VerbDoc, at_length: bool) -> String {
    let mut text = String::new();
    wrapped(&mut text, "dbt-entrypoint [OPTIONS]", verb.usage, 8);
    wrapped(&mut text, "", verb.manual, 4);
    if !at_length {
        text.push('\n');
        verb.options
            .iter()
            .for_each(|doc| line(&mut text, &format!("  {}", doc.written()), doc.help));
        text.push_str("    --help=all explains each of them at length.\n");
    }
    for doc in verb.options.iter().filter(|_| at_length) {
        text.push('\n');
        wrapped(&mut text, "", &doc.written(), 4);
        wrapped(&mut text, "", doc.manual, 8);
    }
    text.push_str("\n    Examples:\n");
    for (command, meaning) in verb.examples {
        let meaning = if meaning.is_empty() { "" } else { &format!("  # {meaning}") };
        let _ = writeln!(text, "      {command}{meaning}");
    }
    text
}

/// `--help=all`.
#[must_use]
pub fn help_on_everything() -> String {
    let mut text =
        INTRODUCTION.lines().take(4).fold(String::new(), |text, line| text + line + "\n");
    for verb in verbs() {
        text.push_str("\n\n");
        text.push_str(&on_verb(verb, true));
    }
    for group in groups() {
        let _ = write!(text, "\n\n{}\n", group.title);
        for doc in group.options() {
            text.push('\n');
            text.push_str(&of_option(doc));
        }
    }
    text.push_str("\n\nExit codes\n");
    for (code, meaning, _) in CODES {
        wrapped(&mut text, &format!("  {code}"), meaning, 10);
    }
    text
}

/// `--version`.
pub(super) fn version() -> String {
    concat!("dbt-entrypoint ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
}
