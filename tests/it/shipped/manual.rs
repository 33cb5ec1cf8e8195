//! The manual page, made from the program's own table of options and from its help texts.

use super::completions::{described, verbs};
use dbt_entrypoint::cli::{of_verb, options::OPTIONS};

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let text = text.replace('…', "\\&...").replace('$', "\\(Do");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// The page, in roff.
pub(super) fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        r#".\" Made from the table of options; see tests/it/shipped.rs.
.TH DBT\-ENTRYPOINT 1 2026-11-24 "dbt\-entrypoint {version}" "User Commands"
.SH NAME
dbt\-entrypoint \- stands where dbt stood in a container, and rebuilds only what changed
.SH SYNOPSIS
.B dbt\-entrypoint
.RI [ OPTIONS ]
.RB [ \-\- ]
.I DBT\-ARGS
\&...
.br
.B dbt\-entrypoint
.RI [ OPTIONS ]
.I VERB
\&...
.SH DESCRIPTION
The first run on an empty state volume builds everything; later runs build what changed (code,
macros, configurations, the values of environment variables and vars) and what is downstream of
it. What was built is recorded, node by node, when dbt has ended. What failed, was killed or was
left out stays to be built.
.PP
Options stand before dbt\(aqs command. Each has a variable; the option wins over its variable,
the variable over the default. The words of dbt reach dbt as they are; what follows
.B \-\-
is dbt\(aqs in any case.
.SH VERBS
"#
    );
    for (verb, help) in verbs() {
        text.push_str(&format!(".SS \"{}\"\n{}.\n", escaped(verb.name), escaped(help)));
        let taught = of_verb(verb.name).lines().map(escaped).collect::<Vec<_>>().join("\n");
        text.push_str(&format!(".PP\n.EX\n{}\n.EE\n", taught.trim_end()));
        for (row, help) in described(verb.options) {
            text.push_str(&format!(".TP\n.B {}\n{}\n", escaped(&row.written()), escaped(help)));
        }
    }
    text.push_str(".SH OPTIONS\n");
    for (row, help) in described(&OPTIONS) {
        let variable = row
            .variable()
            .map_or_else(String::new, |name| format!("\n.br\n.RB ( {} )", escaped(&name)));
        text.push_str(&format!(
            ".TP\n.B {}\n{}{variable}\n",
            escaped(&row.written()),
            escaped(help)
        ));
    }
    text.push_str(EPILOGUE);
    text
}

const EPILOGUE: &str = r#".SH EXIT STATUS
.TP
.B 0, 1, 2
dbt\(aqs own
.TP
.B 10
.B plan
only: there is something to build
.TP
.B 64
wrong usage of an option or variable
.TP
.B 70
a bug of dbt\-entrypoint
.TP
.B 73
the state directory cannot be written, or is full; nothing was run
.TP
.B 74
dbt succeeded, but the baseline could not be saved
.TP
.B 75
another run held the volume for too long
.TP
.B 77
more would be built than the budget allows; nothing was run
.TP
.B 78
refused: state missing, damaged or of another warehouse; nothing was run
.TP
.B 126, 127
dbt cannot be executed, is not found
.TP
.BI 128+ n
ended by signal
.I n
.SH FILES
.TP
.I /state/manifest.json
the baseline: what the warehouse holds; any dbt can read it
.TP
.I /state/.dbt\-entrypoint
records, history, the lock, the last run
.SH SEE ALSO
.BR dbt (1)
"#;
