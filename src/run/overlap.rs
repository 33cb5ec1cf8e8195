//! A run that was at work at the same time as another one, over a lock that did not keep them apart.
//!
//! Which of the two wrote a relation last is not known, so whatever the one may have built that was
//! not recorded is built again.

use super::commit::Ran;
use super::driver::Driver;
use super::open::Opened;
use super::parse::parse_alone;
use super::recover::{is_usable, unparsable};
use super::unchanged::Confirmed;
use crate::dbt::manifest::Manifest;
use crate::dbt::results::Outcome;
use crate::decide::intent::Intent;
use crate::decide::settle::Completion;
use crate::decide::start::{self, Start};
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::say;
use std::collections::BTreeSet;

/// Take up what such runs noted. True where the baseline has moved by that.
///
/// # Errors
/// 78 where the project has to be parsed for it and cannot be, 73 and 74 where the volume gives out.
pub(super) fn take_up(
    opened: &mut Opened<'_>,
    start: &Start,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<bool, Failure> {
    let identity = opened.identity();
    let mut reaches = Vec::new();
    for notes in opened.access.store().doubts() {
        let notes = notes.unwrap_or_else(|| Intent::unknown(identity.clone()));
        if is_usable(start) && start::foreign(&notes.identity, identity).is_none() {
            reaches.push(notes.into_reach());
        }
    }
    if reaches.is_empty() {
        return Ok(false);
    }
    say::overlapped(opened.access.held().is_some());
    opened.read_baseline()?;
    let text = parse_alone(opened, driver)?.map_err(unparsable)?;
    let manifest = Manifest::read(&text).map_err(Failure::refused)?;
    let inputs = opened.values().fingerprints(&manifest).map_err(Failure::not_saved)?;
    let old = opened.baseline.manifest.clone();
    let now = opened.compare_values(manifest, inputs, old.as_deref().map(String::as_str));
    let mut outcome = Outcome::new();
    for reach in reaches {
        reach.distrust_silence(&now.graph, &BTreeSet::new(), &mut outcome);
    }
    let reservation = opened.reserve(Some(text.len()))?;
    let origin = opened.origin(&summary.command);
    let ran = Ran::of_nothing(now, Completion::Incomplete, Confirmed::default(), origin);
    let ran = Ran { outcome, ..ran };
    opened.commit(reservation, ran, summary)?;
    opened.forget_doubts()?;
    Ok(true)
}
