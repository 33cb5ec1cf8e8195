//! What the run will do, decided once: for `plan`, for the budget, and for the run itself.

use super::driver::Driver;
use super::parse::Parsed;
use super::stage::Stage;
use super::start::Started;
use crate::count::counted;
use crate::dbt::compare::changed_hooks;
use crate::dbt::manifest::Manifest;
use crate::dbt::results;
use crate::decide::budget::Budget;
use crate::decide::comparison::Comparison;
use crate::decide::event::RunEvent;
use crate::decide::plan::{Plan, PlanRequest};
use crate::decide::refused_plan::RefusedPlan;
use crate::decide::summary::Summary;
use crate::exit::{Failure, Refusal};
use crate::os::supervise::Stdout;
use crate::say;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

/// A plan, or the exit code of a dbt that could not say what the command selects.
pub(crate) type Planned = Result<Plan, u8>;

/// Compare what dbt parsed with the baseline, whose text is `old`. A dbt that waits is ended where
/// that fails.
///
/// # Errors
/// 78 where the manifest is not one that we know, or what its nodes read cannot be established.
pub(crate) fn compare<'m>(
    started: &Started<'_>,
    text: &'m Option<Arc<String>>,
    old: &'m Option<Arc<String>>,
    parsed: &mut Parsed,
    driver: &mut Driver<'_>,
) -> Result<Option<Comparison<'m, 'm>>, Failure> {
    let old = old.as_deref().map(String::as_str);
    let stage = Stage::begin("compare");
    let compared = text.as_deref().map(|text| started.opened.compare(text, old)).transpose();
    let compared = parsed.guard(driver, compared.map_err(Failure::refused))?;
    if let Some(now) = &compared {
        stage.done(format!(
            "to be built: {} of {}",
            now.needs.len(),
            counted(now.graph.len(), "nodes")
        ));
    }
    Ok(compared)
}

/// Decide what the run will do; `None` where it was not compared. A dbt that waits is ended where
/// dbt itself has to be asked what the command selects.
///
/// # Errors
/// 78 where `selectors.yml` cannot be read, 73 where the volume
/// cannot be written.
pub(crate) fn plan(
    started: &Started<'_>,
    now: Option<&Comparison<'_, '_>>,
    parsed: &mut Parsed,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<Option<Planned>, Failure> {
    let Some(now) = now else { return Ok(None) };
    let stage = Stage::begin("plan");
    let planned = decide(started, now, parsed, driver);
    let planned = parsed.guard(driver, planned)?;
    if let Ok(plan) = &planned {
        stage.done(plan.summary());
        // What is left of a plan is planned again.
        summary.builds_expected = summary.builds_expected.or_else(|| plan.expected_seconds());
    }
    if let Ok(plan) = &planned
        && started.approach.is_compared()
    {
        say_needs(started, now, plan);
        summary.pending = say::pending(&now.needs, &now.graph);
    }
    Ok(Some(planned))
}

fn decide(
    started: &Started<'_>,
    now: &Comparison<'_, '_>,
    parsed: &mut Parsed,
    driver: &mut Driver<'_>,
) -> Result<Planned, Failure> {
    let default_selector = driver.session().default_selector()?;
    if let Some((term, nearest)) = driver.session().config.budget.protects_nothing(&now.manifest) {
        return Err(Failure::refused(protects_nothing(term, nearest)));
    }
    // Its own manifest outweighs what the installation looked like.
    let engine = driver.session().engine.refined(now.manifest.dbt_version());
    let request: PlanRequest<'_> = started.request(&engine, default_selector.as_deref());
    let baseline = &started.opened.baseline;
    if !request.needs_list(now, baseline) {
        return Ok(Ok(Plan::of(now, baseline, &request, None)));
    }
    parsed.release(driver)?;
    let listed = list(started, driver)?;
    Ok(listed.map(|listed| Plan::of(now, baseline, &request, Some(&listed))))
}

/// The `unique_id`s that the command selects, by `dbt ls`.
fn list(
    started: &Started<'_>,
    driver: &mut Driver<'_>,
) -> Result<Result<BTreeSet<String>, u8>, Failure> {
    let (file, path) = match started.opened.access.held() {
        Some(state) => state.run().scratch_file("ls.jsonl").map_err(Failure::unwritable)?,
        None => {
            let path = started.opened.access.log_dir().with_file_name("ls.jsonl");
            let file = File::create(&path).context("the list of selected nodes");
            (file.map_err(Failure::refused)?, path)
        }
    };
    let code = driver.run(driver.session().command.as_list(), Stdout::File(file))?;
    if code != 0 {
        return Ok(Err(code));
    }
    let text = std::fs::read_to_string(&path).context("the list of selected nodes");
    Ok(Ok(results::listed_ids(&text.map_err(Failure::internal)?)))
}

fn say_needs(started: &Started<'_>, now: &Comparison<'_, '_>, plan: &Plan) {
    if started.opened.access.held().is_some() {
        say::changes(plan, now);
        let hooks = now.before.as_ref().map(|before| changed_hooks(before, &now.manifest));
        say::hooks_changed(&hooks.unwrap_or_default());
        let left = plan.left_for_later(now);
        let left: Vec<_> = left.map(|(id, reasons)| (id, say::reason_list(reasons))).collect();
        let subcommand = started.opened.session.command.subcommand();
        say::left_for_later(&left, |id| plan.left_out.contains(id), subcommand);
    }
}

impl Started<'_> {
    /// Whether somebody reads the plan or limits it.
    pub(super) fn is_exact(&self) -> bool {
        self.opened.access.held().is_none() || self.is_limited()
    }

    /// Whether a budget is in force. The first population is what an empty volume is for, and is
    /// never limited; and what `retry` builds, dbt alone knows.
    fn is_limited(&self) -> bool {
        let session = self.opened.session;
        let config = &session.config;
        let is_limited = config.budget.limits() && !config.yes && !self.is_first_population;
        is_limited && session.command.subcommand() != Some("retry")
    }
}

/// Refuse a run that would build more than is allowed, and tell who follows of one that is about to
/// be carried out. `plan` shows what it shows, and what is left
/// of a plan that was allowed is allowed.
///
/// # Errors
/// 77 with the plan and its hash.
pub(crate) fn within_budget(
    started: &Started<'_>,
    now: Option<&Comparison<'_, '_>>,
    planned: Option<&Planned>,
    parsed: &mut Parsed,
    driver: &mut Driver<'_>,
) -> Result<(), Failure> {
    let (Some(now), Some(planned)) = (now, planned) else { return Ok(()) };
    let within = check_budget(started, planned, &now.manifest);
    parsed.guard(driver, within)?;
    if let Ok(plan) = planned
        && started.approach.is_compared()
    {
        say::event(&RunEvent::of_plan(plan));
    }
    Ok(())
}

fn check_budget(
    started: &Started<'_>,
    planned: &Planned,
    manifest: &Manifest<'_>,
) -> Result<(), Failure> {
    let config = &started.opened.session.config;
    let plan = match planned {
        Ok(plan) => plan,
        Err(code) if started.is_limited() => return Err(Failure::over_budget(unknown(*code))),
        Err(_) => return Ok(()),
    };
    let is_populating = started.opened.baseline.is_populating;
    let mut beyond = match started.is_limited() {
        true => config.budget.exceeded(plan, manifest, is_populating),
        false if config.yes || config.budget.limits() => Vec::new(),
        false => Budget::exceeded_by_doubt(plan).into_iter().collect(),
    };
    if beyond.is_empty() || config.approve.as_deref() == Some(&plan.hash) {
        return Ok(());
    }
    beyond.extend(stale_approval(started, plan));
    Err(Failure::over_budget(say::over_budget(&beyond, plan)))
}

/// What is wrong with the approval that was given, if one was. Without it, the plan is kept, for an
/// approval that comes too late.
fn stale_approval(started: &Started<'_>, plan: &Plan) -> Vec<String> {
    let access = started.opened.access;
    let approved = started.opened.session.config.approve.as_deref();
    let since =
        approved.and_then(|approved| access.store().refused_plan()?.changed_since(approved, plan));
    // The plan that was approved stays, for a Job that tries again.
    if let Some(state) = access.held().filter(|_| since.is_none()) {
        state.keep_refused_plan(&RefusedPlan::of(plan));
    }
    let now = &plan.hash;
    let other =
        approved.map(|hash| format!("--approve {hash} is for another plan; the plan is now {now}"));
    other.into_iter().chain(since).collect()
}

fn protects_nothing(term: &str, nearest: Option<String>) -> Refusal {
    let nearest = nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"));
    Refusal::new(format!("--protect {term} matches no node of the project{nearest}"))
        .meaning("it would protect nothing, so nothing was run")
        .remedy("dbt-entrypoint ls --resource-type all     (names the nodes; tag:NAME and path:PREFIX work too)")
}

fn unknown(code: u8) -> Refusal {
    Refusal::new(format!("dbt ls ended with code {code}, so what the run would build is not known"))
        .meaning("it cannot be compared with the rebuild budget; nothing was run")
        .remedy("dbt-entrypoint --yes …     (build whatever there is)")
}
