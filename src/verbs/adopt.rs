//! `adopt`: what the warehouse holds is said, not built.

use super::Answer;
use crate::cli::{Adoption, Config};
use crate::dbt::command::Command;
use crate::dbt::manifest::Manifest;
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::job::{Job, with_writable_paths};
use crate::os::clock;
use crate::os::installation::Installation;
use crate::os::supervise::Supervisor;
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::io::Read;

pub(super) fn adopt(
    config: &Config,
    adoption: &Adoption,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let words = std::iter::once(OsString::from("build")).chain(adoption.words.iter().cloned());
    let words: Vec<OsString> = words.collect();
    let config = &with_writable_paths(config, &words);
    let command = Command::parse(words, &config.environment);
    let given = adoption.from.as_deref().map(given).transpose().map_err(Failure::refused)?;
    // A given manifest needs no dbt.
    let dbt = match given {
        Some(_) => Installation::none(),
        None => Installation::find(&config.dbt, &config.environment)?,
    };
    let mut summary = Summary::begin("adopt", clock::now());
    let mut job = Job::open(config, &command, &dbt, supervisor, &mut summary)?;
    if !adoption.force {
        job.refuse_to_replace()?;
    }
    let nodes = job.take_for_built(given)?;
    job.publish();
    Ok(Answer::new(format!(
        "adopted {nodes} nodes: the warehouse is taken to hold them as they stand {}\n\
         nothing was built, and nothing was looked up in the warehouse; what differs from now on is built\n",
        match adoption.from {
            Some(_) => "in that manifest",
            None => "in the project now",
        }
    )))
}

/// The text of a manifest of dbt's.
fn given(from: &OsStr) -> Result<String> {
    let name = from.display();
    let text = if from == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(from)
    };
    let text = text.with_context(|| format!("--from {name} cannot be read"))?;
    Manifest::read(&text).with_context(|| format!("--from {name}"))?;
    Ok(text)
}
