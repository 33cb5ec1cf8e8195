//! `orphans`: relations that this program has built and that no node claims any more.

use super::{Answer, asking};
use crate::cli::{Asking, Config};
use crate::count::counted;
use crate::decide::orphans::{Orphan, Whereabouts};
use crate::exit::{CHANGES, Failure};
use crate::os::clock;
use crate::os::supervise::Supervisor;
use crate::run::{self, Driver, Opened, Order, Orphans};
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn orphans(
    config: &Config,
    given: &Asking,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let order = match (&given.approve, given.drop, given.sql) {
        (Some(hash), true, false) => Order::Drop(hash),
        (None, false, true) => Order::Statements,
        (None, false, false) => Order::List,
        _ => {
            return Err(Failure::usage(
                "orphans takes --sql, or --drop with --approve HASH; `dbt-entrypoint orphans` prints the hash",
            ));
        }
    };
    let holds = given.drop.then_some("dbt-entrypoint orphans");
    let ask = |opened: Opened<'_>, driver: &mut Driver<'_>| run::orphans(opened, driver, order);
    let found = asking(config, &given.words, holds, supervisor, ask)?;
    let mut answer = Answer::of(given.form, &as_json(&found), || words_of(&found, order));
    answer.code = if found.all.is_empty() || given.drop { 0 } else { CHANGES };
    Ok(answer)
}

fn as_json(found: &Orphans) -> Value {
    let one = |(at, (orphan, whereabouts)): (usize, &(Orphan, Whereabouts))| {
        let (now, kind) = match whereabouts {
            Whereabouts::There(kind) => ("there", Some(kind)),
            Whereabouts::Gone => ("gone", None),
            Whereabouts::Replaced(kind) => ("replaced", Some(kind)),
        };
        json!({
            "relation": orphan.relation,
            "node": orphan.left.node,
            "is_removed": orphan.is_removed,
            "earlier": orphan.is_earlier,
            "materialized": orphan.left.materialized,
            "built_at": orphan.left.built_at,
            "since": orphan.left.since,
            "now": now,
            "type": kind,
            "droppable": found.droppable.contains(&at),
        })
    };
    let all: Vec<Value> = found.all.iter().enumerate().map(one).collect();
    json!({ "orphans": all, "hash": found.hash, "statements": found.statements })
}

fn words_of(found: &Orphans, order: Order<'_>) -> String {
    let statements: String =
        found.statements.iter().map(|statement| format!("{statement};\n")).collect();
    if order == Order::Statements {
        return statements;
    }
    let mut text = String::new();
    for (at, (orphan, whereabouts)) in found.all.iter().enumerate() {
        let now = match whereabouts {
            Whereabouts::There(kind) => format!("there, a {kind}"),
            Whereabouts::Gone => "not there any more".into(),
            Whereabouts::Replaced(kind) => format!("replaced by a {kind} that is not ours"),
        };
        let later = if orphan.is_earlier { "an earlier baseline" } else { "the next run" };
        let time = |at: Option<u64>| at.map_or_else(|| later.to_owned(), clock::utc);
        let left = &orphan.left;
        let what = if orphan.is_removed { "removed" } else { "built elsewhere" };
        let _ = writeln!(
            text,
            "{}  [{now}]\n    built {} by {}, {what} since {}",
            orphan.relation,
            time(left.built_at),
            left.node,
            time(left.since)
        );
        if matches!(whereabouts, Whereabouts::There(_)) && !found.droppable.contains(&at) {
            text += "    its materialized views go on writing into it: drop them first, and then it, by hand\n";
        }
    }
    match (order, found.droppable.len()) {
        (Order::Drop(_), count) => {
            let _ = write!(text, "dropped {}:\n{statements}", counted(count, "relations"));
        }
        _ if found.all.is_empty() => text += "there are no orphans\n",
        (_, 0) => {}
        (_, count) => {
            let hash = &found.hash;
            let _ = writeln!(
                text,
                "dbt-entrypoint orphans --sql     (prints the statements that drop {count} of {})\n\
                 dbt-entrypoint orphans --drop --approve {hash}     (carries them out)",
                counted(found.all.len(), "relations")
            );
        }
    }
    text
}
