//! `history`: the baselines that the volume keeps.

use super::Answer;
use super::kept::{self, KeptBaseline};
use crate::cli::{Config, OutputFormat};
use crate::count::counted;
use crate::dbt::manifest::Manifest;
use crate::decide::origin::Origin;
use crate::decide::record;
use crate::exit::Failure;
use crate::os::clock;
use crate::run;
use crate::say;
use crate::store::Store;
use serde::Serialize;

/// A baseline as it is listed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Listed {
    /// What `rollback` and `diff` take; 0 is the present one.
    steps: usize,
    digest: String,
    bytes: u64,
    nodes: usize,
    pending: usize,
    dbt_version: Option<String>,
    written_at: Option<u64>,
    /// How it came about; unknown in records of earlier versions.
    origin: Option<Origin>,
    /// Why it cannot be used.
    damage: Option<String>,
}

pub(super) fn history(config: &Config, form: OutputFormat) -> Result<Answer, Failure> {
    let store = run::store(config)?;
    let entries = store.earlier().map_err(Failure::refused)?;
    let present = kept::present(&store);
    let present = (!matches!(present, Ok(None)))
        .then(|| Listed::of(0, present.map(Option::unwrap_or_default)));
    let earlier = (1..).zip(&entries).map(|(steps, entry)| Listed {
        digest: entry.digest.clone(),
        bytes: entry.bytes,
        ..Listed::of(steps, kept::read(&store, entry))
    });
    let listed: Vec<Listed> = present.into_iter().chain(earlier).collect();
    Ok(Answer::of(form, &listed, || words(&store, &listed)))
}

impl Listed {
    pub(super) fn of(steps: usize, kept: anyhow::Result<KeptBaseline>) -> Self {
        match kept {
            Ok(kept) => Self::of_sound(steps, &kept),
            Err(error) => Self { steps, damage: Some(format!("{error:#}")), ..Self::default() },
        }
    }

    pub(super) fn of_sound(steps: usize, kept: &KeptBaseline) -> Self {
        let KeptBaseline { digest, text, record } = kept;
        let (digest, bytes) = (digest.clone(), text.len() as u64);
        let mut listed = Self { steps, digest, bytes, ..Self::default() };
        if let Ok(manifest) = Manifest::read(text) {
            listed.nodes = manifest.graph().count_built();
            listed.dbt_version = Some(manifest.dbt_version().to_owned());
        }
        if let Some(record) = record {
            listed.pending = record::pending(&record.nodes).len();
            listed.written_at = Some(record.written_at);
            listed.origin.clone_from(&record.origin);
        }
        listed
    }

    /// A line that says which baseline it is, and how it came about.
    pub(super) fn title(&self) -> String {
        let at = self.origin.as_ref().map(|origin| origin.at).or(self.written_at);
        let when = at.map_or_else(|| "at an unknown time".to_owned(), clock::utc);
        let how = self.origin.as_ref().map(say::origin);
        let restored = self.origin.as_ref().and_then(|origin| origin.restored_at);
        let restored =
            restored.map_or_else(String::new, |at| format!(", restored {}", clock::utc(at)));
        format!(
            "{:>3}  {when}  {}{restored}",
            self.steps,
            how.as_deref().unwrap_or("by an earlier version")
        )
    }

    fn lines(&self) -> String {
        if let Some(why) = &self.damage {
            return format!("{:>3}  cannot be used: {why}\n", self.steps);
        }
        let names = self.origin.as_ref().map(say::built_names).filter(|names| !names.is_empty());
        let names = names.map_or_else(String::new, |names| format!("     {names}\n"));
        format!(
            "{}\n{names}     {}, {} to be built, dbt {}\n",
            self.title(),
            counted(self.nodes, "nodes"),
            self.pending,
            self.dbt_version.as_deref().unwrap_or("?"),
        )
    }
}

fn words(store: &Store, listed: &[Listed]) -> String {
    if listed.is_empty() {
        return format!("there are no baselines on {store}\n");
    }
    let lines: String = listed.iter().map(Listed::lines).collect();
    format!(
        "the baselines, the newest first; 0 is the present one\n{lines}\
         dbt-entrypoint rollback N     (restores one)\n\
         dbt-entrypoint diff N         (shows what changed since)\n"
    )
}
