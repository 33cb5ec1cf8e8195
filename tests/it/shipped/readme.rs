//! The tables of README.md: options, verbs, exit codes. Each stands between two comments,
//! `<!-- options -->` and `<!-- /options -->`; all else in the file is left as it is.

use dbt_entrypoint::cli::{Doc, Initial, Value, Variable, groups, verbs};
use dbt_entrypoint::exit::CODES;

/// The text with its tables made anew.
pub(super) fn with_tables(text: &str) -> String {
    let tables = [("options", options()), ("verbs", verb_table()), ("exit-codes", exit_codes())];
    tables.iter().fold(text.to_owned(), |text, (name, table)| replaced(&text, name, table))
}

fn replaced(text: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let parts = text.split_once(&start).and_then(|(before, rest)| {
        rest.split_once(&end).map(|(_, after)| format!("{before}{start}{table}{end}{after}"))
    });
    parts.unwrap_or_else(|| panic!("README.md has no {start}"))
}

/// A cell of a table: a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn options() -> String {
    let mut table = "| option | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    for doc in groups().iter().flat_map(|group| group.options()) {
        let variable = match doc.variable {
            Variable::Own => doc.variable().map_or_else(String::new, |name| code(&name)),
            Variable::Instead(assignment) => code(assignment),
            Variable::None => String::new(),
        };
        table.push_str(&format!(
            "| {} | {variable} | {} | {} |\n",
            code(&doc.written()),
            default(doc),
            cell(&lower(doc.summary()))
        ));
    }
    table
}

fn default(doc: &Doc) -> String {
    match doc.default {
        Initial::Unset(words) => words.to_owned(),
        Initial::Value(value) if doc.value == Value::Switch => value.to_owned(),
        Initial::Value(value) => code(value),
        Initial::Inherited(variables, value) => {
            let variables: Vec<String> = variables.iter().map(|name| code(name)).collect();
            format!("{}, else {}", variables.join(", else "), code(value))
        }
    }
}

fn verb_table() -> String {
    let mut table = "| verb | what it does |\n|---|---|\n".to_owned();
    for verb in verbs() {
        let written = format!("{} {}", verb.name, verb.takes);
        let summary = cell(&lower(verb.summary()));
        table.push_str(&format!("| {} | {summary} |\n", code(written.trim_end())));
    }
    table
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn exit_codes() -> String {
    let rows =
        CODES.map(|(code, meaning, retry)| format!("| {code} | {} | {retry} |\n", cell(meaning)));
    format!("| code | meaning | retry? |\n|---|---|---|\n{}", rows.concat())
}
