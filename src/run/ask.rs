//! Has dbt ask the warehouse which relations are there.

use super::driver::Driver;
use crate::dbt::asked::{self, Address, Ask};
use crate::exit::{Failure, Refusal};
use crate::os::private::PrivateDir;
use crate::os::supervise::Stdout;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::path::Path;

/// How the name of the file begins that dbt compiles Jinja of a command line into.
const INLINE: &str = "inline";

/// What the warehouse, by way of dbt, says of these relations, in their order; `None` for one that is
/// not there. Each dbt process is asked for thousands.
///
/// # Errors
/// 78 where dbt cannot ask, 126, 127 and 128+n as for every start of dbt.
pub(super) fn ask(
    driver: &mut Driver<'_>,
    what: Ask,
    mut addresses: &[&Address],
) -> Result<Vec<Option<String>>, Failure> {
    let mut said = Vec::new();
    while !addresses.is_empty() {
        let (jinja, count) = asked::question(what, addresses);
        let compiled = compile(driver, &jinja)?;
        said.extend(asked::answer(&compiled, count).map_err(|why| no_answer(&why))?);
        addresses = addresses.get(count..).unwrap_or_default();
    }
    Ok(said)
}

/// What dbt compiles this Jinja to.
fn compile(driver: &mut Driver<'_>, jinja: &str) -> Result<String, Failure> {
    let session = driver.session();
    let private = PrivateDir::make(&session.config.environment).map_err(Failure::refused)?;
    let words = session.command.as_inline(jinja, private.path());
    let printed = private.path().join("stdout");
    let stdout = File::create(&printed).context("a temporary file").map_err(Failure::refused)?;
    let code = driver.run(words, Stdout::File(stdout))?;
    if let Some(signal) = driver.stop_requested() {
        return Err(Failure::Stopped(signal));
    }
    if code != 0 {
        let said = fs::read_to_string(&printed).unwrap_or_default();
        return Err(Failure::refused(cannot_ask(code, &said)));
    }
    let compiled = inline_file(&private.path().join("compiled")).context("it compiled nothing");
    compiled.map_err(|why| no_answer(&why))
}

/// The text of the file that dbt compiled: `PROJECT/from remote system.sql/sql/inline_query` (v1), or
/// `PROJECT/inline_DIGEST.sql` (v2).
fn inline_file(directory: &Path) -> Option<String> {
    let is_text = |path: &Path| path.extension().is_none_or(|extension| extension == "sql");
    for entry in fs::read_dir(directory).ok()?.flatten() {
        let path = entry.path();
        let found = match path.is_dir() {
            true => inline_file(&path),
            false if !entry.file_name().to_string_lossy().starts_with(INLINE) => None,
            false => is_text(&path).then(|| fs::read_to_string(&path).ok()).flatten(),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn cannot_ask(code: u8, said: &str) -> Refusal {
    let said = said.trim();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Refusal::new(format!("dbt cannot ask the warehouse, and ended with code {code}{said}"))
        .meaning("what the warehouse holds is not known; nothing was recorded")
        .remedy("dbt debug     (checks the connection and the project)")
        .remedy("give dbt's role the right to list the relations of these schemas")
        .remedy("dbt-entrypoint --verify never …     (run without asking)")
}

fn no_answer(why: &anyhow::Error) -> Failure {
    Failure::refused(
        Refusal::new(format!("dbt did not answer which relations are there: {why:#}"))
            .meaning("what the warehouse holds is not known; nothing was recorded")
            .remedy("dbt-entrypoint --verify never …     (run without asking)"),
    )
}
