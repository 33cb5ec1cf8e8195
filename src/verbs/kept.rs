//! The baselines that the volume keeps, by their steps back: 0 is the present one.

use crate::dbt::manifest::Manifest;
use crate::decide::baseline;
use crate::decide::between::BaselineText;
use crate::decide::record::Record;
use crate::decide::start::Found;
use crate::exit::Refusal;
use crate::os::{clock, random};
use crate::store::{Entry, Store};
use anyhow::{Context, Result};

/// A baseline that can be read.
#[derive(Debug, Default)]
pub(super) struct KeptBaseline {
    /// SHA-256 of the text, in hexadecimal; empty where it is not known.
    pub(super) digest: String,
    pub(super) text: String,
    pub(super) record: Option<Record>,
}

impl KeptBaseline {
    pub(super) fn side(&self) -> BaselineText<'_> {
        BaselineText { text: &self.text, record: self.record.as_ref() }
    }
}

/// The present baseline, if there is one.
///
/// # Errors
/// It is damaged, or of a later version, or cannot be read.
pub(super) fn present(store: &Store) -> Result<Option<KeptBaseline>> {
    let stored = store.look()?;
    match (stored.found, stored.manifest) {
        (Found::Empty, _) => Ok(None),
        (Found::Damaged(why) | Found::Newer(why), _) => Err(anyhow::Error::msg(why)),
        (Found::Baseline(_), text) => Ok(Some(KeptBaseline {
            digest: stored.digest.unwrap_or_default(),
            text: text.unwrap_or_default(),
            record: stored.record,
        })),
    }
}

/// An earlier one.
///
/// # Errors
/// It is damaged, or cannot be read.
pub(super) fn read(store: &Store, entry: &Entry) -> Result<KeptBaseline> {
    let digest = entry.digest.clone();
    store.read_earlier(entry).map(|(text, record)| KeptBaseline { digest, text, record })
}

/// The baseline so many steps back.
///
/// # Errors
/// There is none, or it cannot be used; with what to do.
pub(super) fn nth(store: &Store, steps: usize) -> Result<KeptBaseline> {
    let Some(back) = steps.checked_sub(1) else {
        let present = present(store).map_err(|error| unusable(0, &error))?;
        return present.ok_or_else(|| {
            Refusal::new(format!("there is no baseline on {store}"))
                .remedy("dbt-entrypoint history     (lists those that are kept)")
                .into()
        });
    };
    let entries = store.earlier()?;
    let entry = entries.get(back).with_context(|| {
        format!(
            "there is no baseline {steps} steps back; there are {}\n  what to do:\n    dbt-entrypoint history     (lists them)",
            entries.len()
        )
    })?;
    read(store, entry).map_err(|error| unusable(steps, &error))
}

fn unusable(steps: usize, error: &anyhow::Error) -> anyhow::Error {
    Refusal::new(format!("the baseline {steps} steps back cannot be used: {error:#}"))
        .remedy("dbt-entrypoint history     (lists those that can)")
        .into()
}

/// An operator's own manifest had no record; it gets what it tells itself.
///
/// # Errors
/// It is not a manifest that we know, or the kernel has no random numbers.
pub(super) fn without_record(text: &str) -> Result<Record> {
    let manifest = Manifest::read(text)?;
    Ok(baseline::record_of_unrecorded(&manifest, random::salt()?, clock::now()))
}
