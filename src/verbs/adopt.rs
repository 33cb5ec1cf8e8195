//! `adopt`: what the warehouse holds is asserted, not built.

use super::Answer;
use crate::cli::{Adoption, Config};
use crate::count::counted;
use crate::dbt::json;
use crate::dbt::manifest::Manifest;
use crate::exit::Failure;
use crate::os::supervise::Supervisor;
use crate::run::{self, Access, Driver, GivenManifest, Opened};
use crate::session::{DbtCommand, Session};
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
    let given = adoption.from.as_deref().map(given).transpose().map_err(Failure::refused)?;
    let invocation = match given {
        Some(_) => DbtCommand::without_dbt(config, &words),
        None => DbtCommand::new(config, &words)?,
    };
    let session = Session::new(invocation)?;
    let mut driver = Driver::new(&session, supervisor);
    let access = Access::hold(&mut driver, "dbt-entrypoint adopt")?;
    let opened = Opened::read(&session, &access)?;
    let nodes = run::adopt(opened, &mut driver, given, adoption.force)?;
    run::publish(&mut driver, &access);
    Ok(Answer::new(format!(
        "adopted {}, which the warehouse is assumed to hold as the project is {}\n\
         nothing was built, and the warehouse was not asked; the next run builds what differs by then\n",
        counted(nodes, "nodes"),
        match adoption.from {
            Some(_) => "in that manifest",
            None => "now",
        }
    )))
}

/// A manifest of dbt's.
fn given(from: &OsStr) -> Result<GivenManifest> {
    let name = from.display();
    let text = if from == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(from)
    };
    let text = json::standard(text.with_context(|| format!("--from {name} cannot be read"))?);
    Manifest::read(&text).with_context(|| format!("--from {name}"))?;
    let name = if from == "-" { "standard input".to_owned() } else { name.to_string() };
    Ok(GivenManifest { name, text })
}
