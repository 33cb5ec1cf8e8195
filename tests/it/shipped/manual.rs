//! The manual page, made from the program's own options, verbs and exit codes.

use dbt_entrypoint::cli::{Doc, VerbDoc, groups, verbs};
use dbt_entrypoint::exit::CODES;

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let text = text.replace('…', "\\&...").replace('`', "\\(ga").replace('"', "\\(dq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// Prose: words between backticks are bold, and each sentence begins a line, as roff wants it.
fn prose(text: &str) -> String {
    let mut lines = String::new();
    for (at, part) in text.split('`').enumerate() {
        let part = escaped(part);
        lines.push_str(&if at % 2 == 1 { format!("\\fB{part}\\fR") } else { part });
    }
    let begins_line =
        |line: String| if line.starts_with('.') { format!("\\&{line}") } else { line };
    lines.split(". ").map(|line| begins_line(line.to_owned())).collect::<Vec<_>>().join(".\n")
}

fn option(doc: &Doc) -> String {
    let letter = doc.letter.map_or_else(String::new, |letter| format!("\\-{letter}, "));
    let facts = doc.facts();
    let facts = if facts.is_empty() { facts } else { format!(".br\n{}\n", prose(&facts)) };
    format!(".TP\n.B {letter}{}\n{}\n{facts}", escaped(&doc.written()), prose(doc.manual))
}

fn verb(verb: &VerbDoc) -> String {
    let options: String = verb.options.iter().map(|doc| option(doc)).collect();
    let examples: String = verb
        .examples
        .iter()
        .map(|(command, meaning)| match *meaning {
            "" => format!("{}\n", escaped(command)),
            _ => format!("{}  # {}\n", escaped(command), escaped(meaning)),
        })
        .collect();
    format!(
        ".SS \"{}\"\n.B dbt\\-entrypoint\n.RI [ OPTIONS ]\n.B {}\n.PP\n{}\n.PP\n.EX\n{examples}.EE\n{options}",
        escaped(verb.name),
        escaped(verb.usage),
        prose(verb.manual),
    )
}

/// The page, in roff.
pub(super) fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        r#".\" Made from the definitions of options and verbs; see tests/it/shipped.rs.
.TH DBT\-ENTRYPOINT 1 2026-11-25 "dbt\-entrypoint {version}" "User Commands"
{INTRODUCTION}"#
    );
    text.push_str(".SH VERBS\n");
    text.extend(verbs().map(verb));
    text.push_str(".SH OPTIONS\n");
    for group in groups() {
        text.push_str(&format!(".SS \"{}\"\n", escaped(group.title)));
        text.extend(group.options().map(option));
    }
    text.push_str(".SH EXIT STATUS\n");
    for (code, meaning, _) in CODES {
        text.push_str(&format!(".TP\n.B {}\n{}\n", escaped(code), prose(meaning)));
    }
    text.push_str(EPILOGUE);
    text
}

const INTRODUCTION: &str = r#".SH NAME
dbt\-entrypoint \- run dbt in a container and rebuild only what changed
.SH SYNOPSIS
.B dbt\-entrypoint
.RI [ OPTIONS ]
.RB [ \-\- ]
.I DBT\-COMMAND
\&...
.br
.B dbt\-entrypoint
.RI [ OPTIONS ]
.I VERB
\&...
.SH DESCRIPTION
.B dbt\-entrypoint
takes the place of
.B dbt
as the entrypoint of a container.
It remembers on a volume what the last runs built, and has dbt build only what changed and
everything downstream.
The first run on an empty volume builds everything.
What failed, was killed or was left out stays pending, and the next run builds it.
.PP
Options stand before dbt\(aqs command.
Each has an environment variable: the option wins over the variable, and the variable over the
default.
A variable that is empty counts as not set; an empty value of an option is an error.
An option that is repeated replaces its earlier value, except that lists add up.
An option, a value or a variable that is not understood ends the run with 64, and the message names
the nearest that exists.
.PP
The first word that is neither an option nor a verb of
.B dbt\-entrypoint
begins dbt\(aqs command line, which reaches dbt as it is.
What follows
.B \-\-
is dbt\(aqs in any case.
"#;

const EPILOGUE: &str = r#".SH FILES
.TP
.I /state/manifest.json
the baseline: the nodes that were built, as they were built; any dbt can read it with \-\-state
.TP
.I /state/.dbt\-entrypoint
records, history, the lock, the last run
.SH SEE ALSO
.BR dbt (1)
"#;
