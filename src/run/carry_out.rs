//! The runs of dbt that a plan asks for, each with the commit of what it built.

use super::artifacts;
use super::attempt::{Attempt, Task};
use super::driver::Driver;
use super::journal::journal_form;
use super::open::Opened;
use super::parse::{Held, Parsed, parse_alone};
use super::plan::{Planned, plan, within_budget};
use super::stage::Stage;
use super::start::Started;
use super::values::Fingerprints;
use crate::dbt::command::Selection;
use crate::dbt::engine::LogForm;
use crate::dbt::manifest::Manifest;
use crate::dbt::results;
use crate::decide::comparison::Comparison;
use crate::decide::earlier_runs::EarlierRun;
use crate::decide::intent::{RunReach, Todo};
use crate::decide::needs::Scope;
use crate::decide::plan::{LastRun, Plan};
use crate::decide::select_by::NodesByName;
use crate::decide::select_by::SelectBy;
use crate::decide::start::Approach;
use crate::decide::summary::Summary;
use crate::exit::Failure;
use crate::graph::RESOURCE_TYPES;
use crate::os::supervise::Stdout;
use crate::say;
use crate::session::Session;
use crate::store::StateForDbt;
use crate::trees::IntoTree;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

/// Build as planned; dbt's own exit code.
///
/// # Errors
/// 73 or 74 where the volume gives out, 126 or 127 where dbt cannot be started.
pub(crate) fn carry_out(
    started: &mut Started<'_>,
    planned: Option<Planned>,
    mut parsed: Parsed,
    now: Option<Comparison<'_, '_>>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    if let Some(code) = parsed.ended {
        return Ok(code);
    }
    let (plan, now) = match (planned, now) {
        (Some(Err(code)), _) => return Ok(code),
        (Some(Ok(plan)), Some(now)) if plan.last_run != LastRun::AsGiven => (plan, now),
        (planned, now) => {
            let kept = now.and_then(|now| Kept::of(started, parsed.text().as_ref()?, &now, driver));
            let todo = match planned {
                Some(Ok(plan)) if started.is_exact() => todo(started, &plan),
                _ => todo_as_given(driver.session()),
            };
            return build_as_given(started, todo, kept.as_ref(), driver, summary);
        }
    };
    let (lone, left_out) = (plan.lone_unit_tests.clone(), plan.left_out.clone());
    let text = parsed.text();
    let code = if plan.last_run == LastRun::Nothing && !lone.is_empty() {
        parsed.release(driver)?;
        drop(now);
        0
    } else {
        build(started, plan, parsed, now, driver, summary)?
    };
    match text.filter(|_| code == 0 && !lone.is_empty()) {
        Some(text) => run_unit_tests(started, lone, left_out, &text, driver, summary),
        None => Ok(code),
    }
}

/// Run unit tests whose model is not built, which `dbt build` would select and not run.
fn run_unit_tests(
    started: &mut Started<'_>,
    ids: BTreeSet<String>,
    left_out: BTreeSet<String>,
    text: &str,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    say::lone_unit_tests(&ids);
    let manifest = Manifest::read(text).map_err(Failure::internal)?;
    let named = NodesByName { manifest: &manifest, nodes: &ids };
    let words = named.test_command_line(&driver.session().command);
    let (reach, due) = (RunReach::Nodes(ids.clone()), ids.clone());
    let (scope, todo) = (Scope::Changes, Todo::of([].iter(), None));
    let task = Task { scope, refresh: false, reach, due, todo, left_out, bytes: None };
    run(started, words, task, None, driver, summary)
}

/// What the last run of a plan is expected to build, where no runs come before it. What is left of
/// a selection dbt alone knows, unless it was asked.
fn todo(started: &Started<'_>, plan: &Plan) -> Todo {
    match started.approach == Approach::Narrowed && !started.is_exact() {
        true => Todo::default(),
        false => Todo::of(plan.steps.iter().map(|step| &step.id), plan.estimate.threads),
    }
}

/// The same for a run ahead of the last one.
fn todo_ahead(plan: &Plan, earlier: &EarlierRun) -> Todo {
    Todo::of(earlier.nodes.iter(), plan.estimate.threads)
}

/// The same for the command line of the user: everything, or what dbt alone knows.
fn todo_as_given(session: &Session) -> Todo {
    let Session { command, engine, .. } = session;
    let is_everything = *command.selection() == Selection::None
        && !command.excludes()
        && command.subcommand() != Some("retry")
        && session.default_selector().is_ok_and(|selector| selector.is_none());
    Todo {
        nodes: is_everything.then(|| RunReach::of_types(|kind| command.builds(kind))),
        threads: engine.keeps_to_threads().then(|| session.threads()),
    }
}

/// The builds of a plan; the exit code of the last one.
fn build(
    started: &mut Started<'_>,
    plan: Plan,
    mut parsed: Parsed,
    now: Comparison<'_, '_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    if plan.earlier_runs.is_empty()
        && matches!(plan.last_run, LastRun::Changed(SelectBy::Result(_), _))
        && let (Some(held), Some(text)) = (parsed.take_held(), parsed.text())
    {
        return let_build(started, held, &text, now, &plan, driver, summary);
    }
    parsed.release(driver)?;
    let text = parsed.text();
    match (plan.earlier_runs.as_slice(), text.as_ref()) {
        ([_, ..], Some(text)) => build_ahead(started, &plan, text, now, driver, summary),
        (_, text) => build_last(started, plan, text, now, driver, summary),
    }
}

/// The manifest of a parse ahead of the run, for a dbt that writes its own only when it ends.
struct Kept {
    text: Arc<String>,
    description: Vec<u8>,
}

impl Kept {
    fn of(
        started: &Started<'_>,
        text: &Arc<String>,
        now: &Comparison<'_, '_>,
        driver: &Driver<'_>,
    ) -> Option<Self> {
        let writes_late =
            journal_form(driver.session(), started.opened.access) == Some(LogForm::Spans);
        let seen = started.seen.files().filter(|_| writes_late)?;
        let salt = &started.opened.baseline.salt;
        let description = Fingerprints::of_parse(salt, &now.inputs, Some(seen));
        Some(Self { text: Arc::clone(text), description })
    }
}

/// Run dbt as the user typed it. In a full run every node counts as not built until it has been
/// built, so that a full run that is cut short can be resumed.
fn build_as_given(
    started: &mut Started<'_>,
    todo: Todo,
    kept: Option<&Kept>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let session = driver.session();
    let command = &session.command;
    let exists = started.opened.baseline.exists();
    let is_full = started.approach == Approach::Everything;
    if is_full && exists && !session.config.refresh_changed.is_empty() {
        say::refreshes_nothing();
    }
    // Whoever leaves out a part of a full run leaves that part as it was built.
    let scope = match is_full && !(exists && command.excludes()) {
        true => {
            let types = RESOURCE_TYPES.into_iter().filter(|kind| command.builds(kind));
            Scope::Everything(types.map(str::to_owned).into_tree())
        }
        false => Scope::Changes,
    };
    let reach = RunReach::of_types(|kind| command.builds(kind));
    let task = Task {
        scope,
        refresh: command.refreshes(),
        reach,
        due: BTreeSet::new(),
        todo,
        left_out: BTreeSet::new(),
        bytes: None,
    };
    run(started, command.with_write_json(), task, kept, driver, summary)
}

/// The runs ahead of the last one, up to the first that fails, and then the rest by another look
/// at what still has to be built.
fn build_ahead(
    started: &mut Started<'_>,
    plan: &Plan,
    text: &Arc<String>,
    now: Comparison<'_, '_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let half_made = now.half_made(&started.opened.baseline);
    let kept = Kept::of(started, text, &now, driver);
    for earlier in &plan.earlier_runs {
        say::earlier_run(earlier, &now.graph, &half_made);
        let named = NodesByName { manifest: &now.manifest, nodes: &earlier.nodes };
        let words =
            named.command_line_for_these_only(&driver.session().command, earlier.full_refresh);
        let task = Task {
            scope: Scope::Changes,
            refresh: earlier.full_refresh,
            reach: RunReach::Nodes(earlier.nodes.clone()),
            due: BTreeSet::new(),
            todo: todo_ahead(plan, earlier),
            left_out: BTreeSet::new(),
            bytes: Some(text.len()),
        };
        let code = run(started, words, task, kept.as_ref(), driver, summary)?;
        if code != 0 {
            return Ok(code);
        }
    }
    drop(now);
    build_rest(started, text, BudgetCheck::Done, driver, summary)
}

/// Whether a plan still has to be held against the budget. What is left of a plan that was within it
/// is within it too, and has another hash than the one that was approved.
#[derive(PartialEq)]
enum BudgetCheck {
    Done,
    Due,
}

/// What of this project still has to be built.
fn build_rest(
    started: &mut Started<'_>,
    text: &Arc<String>,
    budget: BudgetCheck,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    started.opened.read_baseline()?;
    let old = started.opened.baseline.manifest.clone();
    let now = started.opened.compare(text, old.as_deref().map(String::as_str));
    let now = now.map_err(Failure::refused)?;
    let mut parsed = Parsed::project(Arc::clone(text));
    let planned = plan(started, Some(&now), &mut parsed, driver, summary)?;
    if budget == BudgetCheck::Due {
        within_budget(started, Some(&now), planned.as_ref(), &mut parsed, driver)?;
    }
    match planned {
        Some(Ok(plan)) => build_last(started, plan, Some(text), now, driver, summary),
        Some(Err(code)) => Ok(code),
        None => Ok(0),
    }
}

/// The last run, by a dbt that is started for it.
fn build_last(
    started: &mut Started<'_>,
    plan: Plan,
    text: Option<&Arc<String>>,
    now: Comparison<'_, '_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let todo = todo(started, &plan);
    let Plan { last_run: last, wanted, due, left_out, .. } = plan;
    let LastRun::Changed(select_by, nodes) = last else {
        let confirmed = started.opened.confirm(&started.seen);
        artifacts::leave_empty_results(driver.session());
        return started.opened.carry_over(now, confirmed, summary).map(|()| 0);
    };
    let command = &driver.session().command;
    let answer = state_for_dbt(&started.opened)?;
    let words = match select_by.command_line(command, &answer.path()) {
        Some(words) => {
            answer.put(&results::results_with_skipped(&wanted)).map_err(Failure::unwritable)?;
            words
        }
        None => NodesByName { manifest: &now.manifest, nodes: &nodes }
            .command_line(command, started.approach),
    };
    let reach = RunReach::Nodes(now.graph.with_descendants(&wanted));
    let kept = text.and_then(|text| Kept::of(started, text, &now, driver));
    drop(now);
    let (scope, refresh, bytes) =
        (Scope::Changes, command.refreshes(), text.map(|text| text.len()));
    let task = Task { scope, refresh, reach, due, todo, left_out, bytes };
    run(started, words, task, kept.as_ref(), driver, summary)
}

/// Tell a dbt that waits what to build, and wait for its end.
fn let_build(
    started: &mut Started<'_>,
    mut held: Held,
    text: &Arc<String>,
    now: Comparison<'_, '_>,
    plan: &Plan,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let reach = RunReach::Nodes(now.graph.with_descendants(&plan.wanted));
    let answer = results::results_with_skipped(&plan.wanted);
    let told = held.attempt.reach(reach, &plan.due, todo(started, plan), text.len());
    if let Err(error) = told.and_then(|()| held.answer.put(&answer).map_err(Failure::unwritable)) {
        held.release(driver)?;
        return Err(error);
    }
    let Held { gate, running, mut attempt, answer: _answer } = held;
    gate.open();
    attempt.left_out.clone_from(&plan.left_out);
    let opened = &started.opened;
    attempt.keep(opened, text, Fingerprints::text(&opened.baseline.salt, &now.inputs));
    // dbt has parsed, and reads no more of the project but seeds.
    let confirmed = started.opened.confirm(&started.seen);
    let stage = Stage::begin("run");
    let ended = driver.finish(running)?;
    let code = ended.end.exit_code();
    stage.done(format!("the dbt that had waited ended with code {code}"));
    attempt.conclude_compared(started, now, code, confirmed, driver, summary)?;
    // One that was told to stop may have ended before it came by.
    if gate.was_passed() || code == 0 || ended.stopped {
        return Ok(code);
    }
    say::dbt_did_not_wait();
    match parse_alone(&started.opened, driver)? {
        Ok(text) => build_rest(started, &Arc::new(text), BudgetCheck::Due, driver, summary),
        Err(code) => Ok(code),
    }
}

/// Run dbt with these words and commit what it built; its exit code.
fn run(
    started: &mut Started<'_>,
    words: Vec<OsString>,
    task: Task,
    kept: Option<&Kept>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let mut attempt = Attempt::begin(&started.opened, task)?;
    match kept {
        Some(kept) => {
            attempt.keep_parsed(&started.opened, &kept.text, kept.description.clone());
        }
        None => attempt.follow(&started.opened),
    }
    let words = attempt.journalled(driver.session(), &words);
    let stage = Stage::begin("run");
    let code = driver.run(words, Stdout::Inherit)?;
    stage.done(format!("dbt ended with code {code}"));
    attempt.conclude(started, code, driver, summary)?;
    Ok(code)
}

fn state_for_dbt(opened: &Opened<'_>) -> Result<StateForDbt, Failure> {
    let state = opened.access.held().ok_or_else(|| Failure::internal("a plan ran dbt"))?;
    state.run().state_for_dbt().map_err(Failure::internal)
}
