//! What operators ask and order, apart from running dbt. Answers go to standard output.

mod adopt;
mod diff;
mod history;
mod invalidate;
mod kept;
mod orphans;
mod plan;
mod progress;
mod rollback;
mod status;
mod verify;

use crate::cli::{Config, OutputFormat, Verb};
use crate::exit::Failure;
use crate::os::private::PrivateDir;
use crate::os::supervise::Supervisor;
use crate::run::{self, Access, Driver, Opened};
use crate::session::{DbtCommand, Session};
use serde::Serialize;
use std::ffi::OsString;

/// An answer, and the process's exit code.
#[derive(Debug)]
pub struct Answer {
    /// For standard output.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

impl Answer {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 0 }
    }

    /// The words, or the value as one JSON object.
    fn of(form: OutputFormat, value: &impl Serialize, words: impl FnOnce() -> String) -> Self {
        Self::new(match form {
            OutputFormat::Words => words(),
            OutputFormat::Json => serde_json::to_string_pretty(value).unwrap_or_default() + "\n",
        })
    }
}

/// Do what a verb of ours says; an order is answered with what was done.
///
/// # Errors
/// A refusal with the remedy, as for a run.
pub fn answer(
    config: &Config,
    verb: &Verb,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    match verb {
        Verb::Status(form) => status::status(config, *form),
        Verb::History(form) => history::history(config, *form),
        Verb::Diff(options) => diff::diff(config, *options),
        Verb::Rollback(steps) => rollback::rollback(config, *steps, supervisor),
        Verb::Plan(words, form) => plan::plan(config, words, *form, supervisor),
        Verb::Verify(asking) => verify::verify(config, asking, supervisor),
        Verb::Orphans(asking) => orphans::orphans(config, asking, supervisor),
        Verb::Adopt(adoption) => adopt::adopt(config, adoption, supervisor),
        Verb::Invalidate(terms) => invalidate::invalidate(config, terms, supervisor),
    }
}

/// Has dbt asked about the warehouse, with its words `words`. Whoever writes on the volume `holds` its
/// lock under that name, and hands the baseline out afterwards; the others work beside it.
///
/// # Errors
/// As for opening the volume, and those of `ask`.
fn asking<T>(
    config: &Config,
    words: &[OsString],
    holds: Option<&str>,
    supervisor: &mut Supervisor,
    ask: impl FnOnce(Opened<'_>, &mut Driver<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let words = std::iter::once(OsString::from("build")).chain(words.iter().cloned());
    let invocation = DbtCommand::new(config, &words.collect::<Vec<_>>())?;
    let private = PrivateDir::make(&config.environment).map_err(Failure::refused)?;
    let session = match holds {
        Some(_) => Session::new(invocation)?,
        None => Session::aside(invocation, private.path())?,
    };
    let mut driver = Driver::new(&session, supervisor);
    let access = match holds {
        Some(name) => Access::hold(&mut driver, name)?,
        None => Access::look(&session, private)?,
    };
    let said = ask(Opened::read(&session, &access)?, &mut driver)?;
    if holds.is_some() {
        run::publish(&mut driver, &access);
    }
    Ok(said)
}
