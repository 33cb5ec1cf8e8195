//! What a run is about to build, before it builds anything: for `plan` and for the budget.

use super::comparison::Comparison;
use super::{Access, Baseline, Job, admit};
use crate::cli::Config;
use crate::dbt::command::Command;
use crate::dbt::manifest::Manifest;
use crate::decide::forecast::{self, Basis, Forecast};
use crate::decide::plan::{Approach, Found};
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::graph::Graph;
use crate::os::installation::Installation;
use crate::os::private::Private;
use crate::os::supervise::Supervisor;
use crate::os::{lock, volume};
use crate::report;
use anyhow::anyhow;
use std::collections::BTreeSet;
use std::sync::Arc;

impl<'a> Job<'a> {
    /// As [`Job::open`], to look only: the volume is neither locked nor written, and dbt works
    /// in a directory of our own, which must be the command's target path.
    ///
    /// # Errors
    /// As [`Job::open`], but for what concerns writing.
    pub fn look(
        config: &'a Config,
        command: &'a Command,
        dbt: &'a Installation,
        supervisor: &'a mut Supervisor,
        summary: &'a mut Summary,
        private: Private,
    ) -> Result<Self, Failure> {
        let project = Arc::new(super::locate(config, command)?);
        let state = admit::readable(config)?;
        if let Some(holder) = lock::holder_of(&state) {
            log::warn!(
                "{} is in use by {holder}; this is the plan as if that had not begun",
                state.display()
            );
        }
        let stored = volume::look(&state).map_err(Failure::refused)?;
        let baseline = Baseline::of(stored.manifest, stored.digest, stored.record)?;
        Ok(Self {
            config,
            command,
            dbt,
            supervisor,
            project,
            state,
            baseline,
            found: stored.found,
            summary,
            parsed: None,
            contents: None,
            looked: None,
            confirmed: false,
            spared: false,
            access: Access::Looking(private),
        })
    }

    /// What a run of this approach would build; dbt's code where it cannot parse the project.
    ///
    /// # Errors
    /// As [`Job::build_changed`].
    pub fn foresee(&mut self, approach: &Approach) -> Result<Result<Forecast, u8>, Failure> {
        let parsed = match self.parse()? {
            Ok(parsed) => parsed,
            Err(code) => return Ok(Err(code)),
        };
        let now = self.compared_or_refused(&parsed)?;
        let compared = matches!(approach, Approach::Changed | Approach::Narrowed);
        let wanted = if compared { self.wanted(&now) } else { BTreeSet::new() };
        let chosen = self.chosen(&now.graph, approach, &wanted)?;
        let forecast = chosen.map(|chosen| self.forecast(&now, chosen, approach));
        self.parsed = Some(parsed);
        Ok(forecast)
    }

    /// The nodes that dbt would be told to build, before what it does not build is left out.
    pub(super) fn chosen(
        &mut self,
        graph: &Graph,
        approach: &Approach,
        wanted: &BTreeSet<String>,
    ) -> Result<Result<BTreeSet<String>, u8>, Failure> {
        let compared = matches!(approach, Approach::Changed | Approach::Narrowed);
        let mut reached = BTreeSet::new();
        if compared {
            reached = graph.with_descendants(wanted);
        }
        if compared && (reached.is_empty() || self.builds_all_that_changed(approach)?) {
            return Ok(Ok(reached));
        }
        let listed = self.list()?;
        Ok(listed.map(|mut listed| {
            listed.retain(|id| !compared || reached.contains(id));
            listed
        }))
    }

    /// Whether nothing but the resource type narrows what is built.
    fn builds_all_that_changed(&self, approach: &Approach) -> Result<bool, Failure> {
        Ok(*approach == Approach::Changed
            && !self.command.excludes()
            && self.project.default_selector().map_err(Failure::refused)?.is_none())
    }

    fn forecast(
        &self,
        now: &Comparison<'_>,
        mut chosen: BTreeSet<String>,
        approach: &Approach,
    ) -> Forecast {
        let ahead = match approach {
            Approach::Changed | Approach::Narrowed => self.refreshed(now),
            Approach::AsGiven | Approach::Everything => BTreeSet::new(),
        };
        let refreshed = |id: &str| ahead.contains(id) || self.refreshes();
        chosen.retain(|id| self.can_build(&now.graph, id));
        let before = self.before();
        let basis = Basis {
            manifest: &now.manifest,
            graph: &now.graph,
            needs: &now.needs,
            inputs: self.baseline.recorded.then_some(&now.inputs),
            before: before.as_ref(),
            records: &self.baseline.nodes,
            refreshed: &refreshed,
        };
        forecast::forecast(basis, &chosen)
    }

    /// Refuse a run that would build more than is allowed. The first population is what an
    /// empty volume is for, and is not limited.
    ///
    /// # Errors
    /// 77, with the plan and its hash.
    pub fn within_budget(&mut self, approach: &Approach) -> Result<(), Failure> {
        if !self.is_limited() {
            return Ok(());
        }
        if self.command.subcommand() == Some("retry") {
            log::warn!("retry builds what failed in dbt's last run, whatever the budget says");
            return Ok(());
        }
        let foreseen = self.foresee(approach)?;
        // A project that cannot be parsed is told by the run itself.
        let Some(parsed) = self.parsed.as_deref() else { return Ok(()) };
        let forecast = foreseen.map_err(|code| {
            Failure::over_budget(anyhow!(
                "what would be built cannot be told (dbt ls ended with {code}), so that it cannot be held against the budget\n  \
                 what to do:\n    dbt-entrypoint --yes …     (build whatever there is)"
            ))
        })?;
        self.judge(&forecast, &Manifest::read(parsed).map_err(Failure::internal)?)
    }

    /// The same while dbt waits; false where dbt itself has to be asked what it would build.
    pub(super) fn is_within_budget(
        &self,
        now: &Comparison<'_>,
        wanted: &BTreeSet<String>,
        approach: &Approach,
    ) -> Result<bool, Failure> {
        if !self.is_limited() {
            return Ok(true);
        }
        if !self.builds_all_that_changed(approach)? {
            return Ok(false);
        }
        let chosen = now.graph.with_descendants(wanted);
        self.judge(&self.forecast(now, chosen, approach), &now.manifest).map(|()| true)
    }

    fn is_limited(&self) -> bool {
        let config = self.config;
        let first = self.found == Found::Empty && self.baseline.manifest.is_none();
        !first && config.budget.limits() && !config.yes
    }

    fn judge(&self, forecast: &Forecast, manifest: &Manifest<'_>) -> Result<(), Failure> {
        let beyond = self.config.budget.exceeded(forecast, manifest);
        if beyond.is_empty() || self.config.approve.as_deref() == Some(&forecast.hash) {
            return Ok(());
        }
        Err(Failure::over_budget(anyhow!("{}", report::over_budget(&beyond, forecast))))
    }
}
