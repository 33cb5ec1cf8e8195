//! A baseline that is asserted, not built.

use super::{Baseline, Job};
use crate::dbt::manifest::Manifest;
use crate::dbt::results::Outcome;
use crate::decide::needs::Scope;
use crate::decide::plan::Found;
use crate::decide::skip::Ending;
use crate::exit::Failure;
use crate::graph::is_test_id;
use anyhow::anyhow;

impl Job<'_> {
    /// Take the project as it now stands for what the warehouse holds.
    pub(super) fn adopt(&mut self) -> Result<(), Failure> {
        let parsed = self.parse()?.map_err(|code| {
            Failure::refused(anyhow!("dbt parse ended with code {code}; nothing was adopted, and what was on the volume is as it was\n  \
                 what to do:\n    \
                 mend the project until dbt parse succeeds, and adopt again\n    \
                 dbt-entrypoint adopt --from manifest.json     (a manifest of dbt's, without a parse)"))
        })?;
        self.assert(parsed)
    }

    /// `--on-empty adopt`, or a manifest that was given; the number of its nodes.
    ///
    /// # Errors
    /// 78 where the project cannot be parsed or the volume is of a later version, 73 and 74
    /// where the volume gives out.
    pub fn take_for_built(&mut self, given: Option<String>) -> Result<usize, Failure> {
        if let Found::Newer(why) = &self.found {
            return Err(Failure::refused(anyhow!("{why}; nothing was adopted")));
        }
        self.baseline = Baseline::none()?;
        match given {
            Some(text) => self.assert(text)?,
            None => self.adopt()?,
        }
        Ok(self.baseline.nodes.keys().filter(|id| !is_test_id(id)).count())
    }

    fn assert(&mut self, text: String) -> Result<(), Failure> {
        self.baseline.manifest = Some(text.clone());
        let manifest = Manifest::read(&text).map_err(Failure::refused)?;
        let inputs = self.outside().inputs(&manifest).map_err(Failure::not_saved)?;
        let now = self.comparison(manifest, inputs);
        let reservation = self.reserve()?;
        let end = (&Scope::Changes, &Ending::Open);
        self.record(reservation, &now, &Outcome::new(), end, false)
    }

    /// Only an empty volume is adopted without being asked twice.
    ///
    /// # Errors
    /// 78 where there is something.
    pub fn refuse_to_replace(&self) -> Result<(), Failure> {
        let there = match &self.found {
            Found::Empty => return Ok(()),
            Found::Baseline(_) => "a baseline".to_owned(),
            Found::Damaged(why) | Found::Newer(why) => format!("something else ({why})"),
        };
        Err(Failure::refused(anyhow!(
            "{} holds {there}; what is adopted would replace it\n  what to do:\n    \
             dbt-entrypoint status     (shows what there is)\n    \
             dbt-entrypoint adopt --force …     (replace it; the history keeps a sound baseline)",
            self.store()
        )))
    }
}
