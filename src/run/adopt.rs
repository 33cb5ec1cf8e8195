//! A baseline that is asserted, not built.

use super::commit::Ran;
use super::doubt;
use super::driver::Driver;
use super::open::Opened;
use super::parse::parse_alone;
use super::unchanged::Confirmed;
use crate::dbt::manifest::Manifest;
use crate::dbt::reads::asks_for_the_command;
use crate::decide::baseline::Baseline;
use crate::decide::origin::{ADOPT, Origin};
use crate::decide::settle::Completion;
use crate::decide::start::Found;
use crate::decide::summary::Summary;
use crate::exit::{Failure, Refusal};
use crate::graph::is_test_id;
use crate::os::{clock, random};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A manifest of dbt's that somebody hands us.
pub(crate) struct GivenManifest {
    /// What messages call it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// Take the project as it now stands, or a manifest that is given, for what the warehouse holds;
/// how many nodes that are, tests left out. Whatever the volume holds is replaced only if `force`
/// allows it.
///
/// # Errors
/// 78 where the project cannot be parsed, the volume holds something else or a baseline of a later
/// version; 73 and 74 where the volume gives out.
pub(crate) fn adopt(
    mut opened: Opened<'_>,
    driver: &mut Driver<'_>,
    given: Option<GivenManifest>,
    force: bool,
) -> Result<usize, Failure> {
    refuse_to_replace(&opened, force)?;
    opened.baseline = Baseline::none(random::salt().map_err(Failure::internal)?);
    let mut summary = Summary::default();
    match given {
        Some(GivenManifest { name, text }) => {
            let origin = Origin { from: Some(name), ..Origin::of_verb(ADOPT, clock::now()) };
            adopt_manifest(&mut opened, text, Confirmed::default(), origin, None, &mut summary)?;
        }
        None => adopt_project(&mut opened, driver, &mut summary)?,
    }
    // What an earlier run left behind says nothing beyond the operator's word.
    opened.forget_journal()?;
    opened.forget_doubts()?;
    Ok(opened.baseline.nodes.keys().filter(|id| !is_test_id(id)).count())
}

/// Take the project as it now stands for what the warehouse holds.
///
/// # Errors
/// 78 where it cannot be parsed.
pub(super) fn adopt_project(
    opened: &mut Opened<'_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let seen = opened.seen_for_all();
    let text = parse_alone(opened, driver)?.map_err(unparsable)?;
    let confirmed = match Manifest::read(&text) {
        Ok(manifest) if !asks_for_the_command(&manifest) => opened.confirm(&seen),
        _ => Confirmed::default(),
    };
    let origin = opened.origin(ADOPT);
    adopt_manifest(opened, text, confirmed, origin, Some(driver), summary)
}

/// `parsed_by` drives the dbt that parsed the project just now, if it did.
fn adopt_manifest(
    opened: &mut Opened<'_>,
    text: String,
    confirmed: Confirmed,
    origin: Origin,
    parsed_by: Option<&mut Driver<'_>>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let text = Arc::new(text);
    let manifest = Manifest::read(&text).map_err(Failure::refused)?;
    let inputs = opened.values().fingerprints(&manifest).map_err(Failure::not_saved)?;
    // Compared with itself, so that nothing of it is to be built.
    let now = opened.compare_values(manifest, inputs, Some(&text));
    let reservation = opened.reserve(Some(text.len()))?;
    let codes = match parsed_by {
        Some(driver) => doubt::codes_of_project(&now, &opened.baseline, driver)?,
        None => BTreeMap::new(),
    };
    let ran = Ran { codes, ..Ran::of_nothing(now, Completion::NothingToBuild, confirmed, origin) };
    opened.commit(reservation, ran, summary)
}

/// Only an empty volume is adopted without being asked twice.
fn refuse_to_replace(opened: &Opened<'_>, force: bool) -> Result<(), Failure> {
    let there = match &opened.found {
        Found::Newer(why) => {
            return Err(Failure::refused(
                Refusal::new(why.clone())
                    .meaning("an older version could misread it, so nothing was adopted")
                    .remedy("use the version that wrote it, or a later one"),
            ));
        }
        Found::Empty => return Ok(()),
        _ if force => return Ok(()),
        Found::Baseline(_) => "a baseline".to_owned(),
        Found::Damaged(why) => format!("something else ({why})"),
    };
    Err(Failure::refused(
        Refusal::new(format!("{} holds {there}", opened.access.store()))
            .meaning("adopting would replace it; nothing was changed")
            .remedy("dbt-entrypoint status     (shows what the volume holds)")
            .remedy("dbt-entrypoint adopt --force …     (replaces it; the history keeps a sound baseline)"),
    ))
}

fn unparsable(code: u8) -> Failure {
    Failure::refused(
        Refusal::new(format!("dbt parse ended with code {code}"))
            .meaning("nothing was adopted, and the volume is unchanged")
            .remedy("correct the project until `dbt parse` succeeds, and adopt again")
            .remedy("dbt-entrypoint adopt --from manifest.json     (takes a manifest of dbt's, without a parse)"),
    )
}
