//! The options of the verbs that ask the warehouse, `verify` and `orphans`, and the readers of their
//! command lines.

use super::dbt_words::{self, DbtOptions};
use super::definitions::VerbDoc;
use super::read::{JSON, Stop};
use super::{OrphanOrder, OutputFormat, Request, Verb, Verification};
use crate::cli::definition::{Definition, Doc, Initial, Value, Variable};
use crate::cli::values::{switch, text};
use std::ffi::OsString;

/// What the options of `verify` set.
type Verifying = (Verification, OutputFormat);

pub(super) static RECORD: Definition<Verifying> = Definition {
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
    set: |(verification, _), value| {
        verification.record = switch(value)?;
        Ok(())
    },
};

static VERIFY_JSON: Definition<Verifying> =
    Definition { doc: JSON.doc, set: |(_, form), value| (JSON.set)(form, value) };

pub(super) static SQL: Definition<OrphanOrder> = Definition {
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
    set: |order, value| {
        order.sql = switch(value)?;
        Ok(())
    },
};

pub(super) static DROP: Definition<OrphanOrder> = Definition {
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
    set: |order, value| {
        order.drop = switch(value)?;
        Ok(())
    },
};

pub(super) static APPROVE: Definition<OrphanOrder> = Definition {
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
    set: |order, value| {
        order.approve = Some(text(value)?.to_owned());
        Ok(())
    },
};

static ORPHANS_JSON: Definition<OrphanOrder> =
    Definition { doc: JSON.doc, set: |order, value| (JSON.set)(&mut order.form, value) };

pub(super) fn verify(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let mut given = Verifying::default();
    let parse = DbtOptions::OfAParse;
    let words = dbt_words::read(verb, &[&RECORD, &VERIFY_JSON], &mut given, words, parse)?;
    let (verification, form) = given;
    Ok(Request::Verb(Verb::Verify(Verification { words, ..verification }, form)))
}

pub(super) fn orphans(verb: &VerbDoc, words: Vec<OsString>) -> Result<Request, Stop> {
    let mut order = OrphanOrder::default();
    let own = [&SQL, &DROP, &APPROVE, &ORPHANS_JSON];
    order.words = dbt_words::read(verb, &own, &mut order, words, DbtOptions::OfAParse)?;
    Ok(Request::Verb(Verb::Orphans(order)))
}
