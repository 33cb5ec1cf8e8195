//! The options of the verbs that ask the warehouse, `verify` and `orphans`, and the readers of their
//! command lines.

use super::dbt_words::{self, DbtOptions};
use super::definitions::VerbDoc;
use super::read::{JSON, Stop};
use super::{Asking, Request, Verb};
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{switch, text};
use std::ffi::OsString;

pub(super) static RECORD: Definition<Asking> = Definition {
    doc: Doc {
        name: "record",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "make the next run build what is missing",
        manual: "Records what is missing, or is there as another type, so that the next run builds it \
                 and everything downstream. Without it, nothing is changed. A warehouse that lacks too \
                 much at once is refused with 78 (see `--max-missing`).",
    },
    set: |asking, value| {
        asking.record = switch(value)?;
        Ok(())
    },
};

pub(super) static SQL: Definition<Asking> = Definition {
    doc: Doc {
        name: "sql",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "print the statements that drop them",
        manual: "Prints the statements that drop the orphans, in the words of the adapter, and nothing \
                 else. They are those that `--drop` would carry out. Nothing is dropped.",
    },
    set: |asking, value| {
        asking.sql = switch(value)?;
        Ok(())
    },
};

pub(super) static DROP: Definition<Asking> = Definition {
    doc: Doc {
        name: "drop",
        common: true,
        letter: None,
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "drop those that --approve names",
        manual: "Drops the orphans that are there, by way of dbt, in one transaction where the \
                 warehouse has such, and forgets them. Nothing that depends on them is taken along: \
                 where the warehouse would refuse that, nothing is dropped. The command then ends \
                 with 78.",
    },
    set: |asking, value| {
        asking.drop = switch(value)?;
        Ok(())
    },
};

pub(super) static APPROVE: Definition<Asking> = Definition {
    doc: Doc {
        name: "approve",
        common: true,
        letter: None,
        value: Value::Text("HASH"),
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "the hash that `orphans` printed",
        manual: "The hash that `orphans` printed. It stands for exactly those relations. If others \
                 are there by now, nothing is dropped, and the command ends with 78.",
    },
    set: |asking, value| {
        asking.approve = Some(text(value)?.to_owned());
        Ok(())
    },
};

static FORM: Definition<Asking> =
    Definition { doc: JSON.doc, set: |asking, value| (JSON.set)(&mut asking.form, value) };

pub(super) fn verify(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    asking(verb, &[&RECORD, &FORM], words).map(|asking| Request::Verb(Verb::Verify(asking)))
}

pub(super) fn orphans(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let own = [&SQL, &DROP, &APPROVE, &FORM];
    asking(verb, &own, words).map(|asking| Request::Verb(Verb::Orphans(asking)))
}

fn asking(
    verb: &VerbDoc,
    own: &[&'static Definition<Asking>],
    words: Vec<OsString>,
) -> Result<Asking, Stop> {
    let mut asking = Asking::default();
    let words = dbt_words::read(verb, own, &mut asking, words, DbtOptions::OfAParse)?;
    Ok(Asking { words, ..asking })
}
