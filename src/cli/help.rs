//! What `--help` and `VERB --help` teach.

use super::options::{OPTIONS, VERBS};
use std::fmt::Write;

const INTRODUCTION: &str = "\
dbt-entrypoint stands where dbt stood in a container; rebuilds only what changed

USAGE: dbt-entrypoint [OPTIONS] [--] DBT-ARGS…  (dbt-entrypoint run --threads 4)
       dbt-entrypoint [OPTIONS] VERB …          (what each does: VERB --help)

VERBS
";

const BETWEEN: &str =
    "OPTIONS (before dbt's command; each has a variable: DBT_ENTRYPOINT_STATE_DIR …)\n";

const EXIT_CODES: &str = "\
EXIT CODES: dbt's own 0, 1, 2 and 128+signal; 64 usage, 70 our bug, 73 state not
  writable, 74 built but not recorded, 75 lock timeout, 77 over budget,
  78 refused, 126/127 dbt cannot be run / is not found
";

/// Where the second column begins.
const COLUMN: usize = 32;

/// `--help`, on one screen: at most forty lines of eighty columns.
#[must_use]
pub fn help() -> String {
    let verbs = VERBS.iter().map(|verb| (format!("{} {}", verb.name, verb.takes), verb.help));
    let options = OPTIONS.iter().map(|row| {
        let short = match row.name {
            "help" => "-h, ",
            "version" => "-V, ",
            _ => "",
        };
        (format!("{short}{}", row.written()), row.help)
    });
    let mut text = INTRODUCTION.to_owned();
    columns(&mut text, verbs);
    text.push_str(BETWEEN);
    columns(&mut text, options);
    text.push_str(EXIT_CODES);
    text
}

/// Rows without a text of their own share the line of the next one.
fn columns(text: &mut String, rows: impl Iterator<Item = (String, &'static str)>) {
    let mut left = String::new();
    for (name, help) in rows {
        left.push_str(if left.is_empty() { "  " } else { ", " });
        left.push_str(name.trim_end());
        if !help.is_empty() {
            let _ = writeln!(text, "{left:<COLUMN$}{help}", left = format!("{left}  "));
            left.clear();
        }
    }
}

/// What `VERB --help` says.
#[must_use]
pub fn of_verb(verb: &str) -> &'static str {
    match verb {
        "plan" => PLAN,
        "status" => STATUS,
        "history" => HISTORY,
        "rollback" => ROLLBACK,
        "adopt" => ADOPT,
        "invalidate" => INVALIDATE,
        _ => EXEC,
    }
}

const PLAN: &str = "\
dbt-entrypoint [OPTIONS] plan [--json] [run|build|seed DBT-ARGS…]
                                                               (default: build)
Parses the project in a directory of its own, compares it with the baseline as a
run would, and shows what that run would build: each node with its reason, what
happens to it in the warehouse, how long its last build took. Nothing is built,
and the volume is not written. Options that shape the run (--full,
--only-changed, --refresh-changed) shape the plan: they stand before `plan`.

EXIT CODES: 0 there is nothing to build, 10 there is; else dbt's own and ours.
";

const STATUS: &str = "\
dbt-entrypoint [OPTIONS] status [--json]

Shows what the state volume holds: for which project and target, since when and
by which versions, whether it is complete or what is pending and why; the last
run or refusal, the room taken, who is at work on it, and how it is mounted.
Needs neither dbt nor the project, waits for nobody, changes nothing, and ends
with 0 on a damaged volume too: it says what is wrong.
";

const HISTORY: &str = "\
dbt-entrypoint [OPTIONS] history [--json]

Lists the earlier baselines that the volume keeps, the newest first: ten, or
256 MiB (--history, --history-bytes), and at least one. The number is what
`rollback` takes.
";

const ROLLBACK: &str = "\
dbt-entrypoint [OPTIONS] rollback [N]    (default: 1, the one before)

Makes an earlier baseline the baseline again. This asserts that the warehouse
holds what that baseline says, as after the restore of a backup of the
warehouse; builds nothing. The present baseline goes to the history, unless it
is damaged.
";

const ADOPT: &str = "\
dbt-entrypoint [OPTIONS] adopt [--from FILE|-] [--force] [--target … --vars …]

Asserts that the warehouse holds the project as it now stands, or as a
manifest.json of dbt's says (a file, or `-` for standard input), and records
that as the baseline. Builds nothing. Over a baseline that is there only with
--force; the history keeps the old one.
";

const INVALIDATE: &str = "\
dbt-entrypoint [OPTIONS] invalidate NODE…

The next run builds these nodes again with whatever is downstream of them. A
NODE is a name (orders), a unique id (model.shop.orders), tag:NAME or
path:PREFIX; a trailing + means whatever is downstream as well. Needs neither
dbt nor the project.
";

const EXEC: &str = "\
dbt-entrypoint [OPTIONS] exec [--rewrite A:B]… [--group] [--stop-grace SECONDS]
               [--] CMD…

A plain PID 1 for any program: signals are handed on, orphans are reaped.
  --rewrite TERM:INT    hand on TERM as INT; may be given several times
  --group               signals go to the command's whole process group
  --stop-grace SECONDS  from the first request to stop to the kill (never)
";
