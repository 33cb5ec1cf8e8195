//! dbt parses the project: in the process that then builds, held at a gate, or in one of its own.

use super::artifacts;
use super::attempt::{Attempt, Task};
use super::driver::Driver;
use super::journal::{journal_form, log_options};
use super::open::Opened;
use super::stage::Stage;
use super::start::Started;
use super::warm::{self, GivenParse, PARTIAL_PARSE};
use crate::dbt::command::{Flag, Opt};
use crate::dbt::engine::{Engine, LogForm};
use crate::dbt::json;
use crate::dbt::manifest::invocation_id_of;
use crate::decide::intent::{RunReach, Todo};
use crate::decide::needs::Scope;
use crate::decide::plan::PlanRequest;
use crate::decide::select_by::SelectBy;
use crate::decide::summary::Summary;
use crate::exit::{Failure, Refusal};
use crate::os::gate::Gate;
use crate::os::supervise::{GateOrEnd, Running, Stdout};
use crate::say;
use crate::session::Session;
use crate::store::StateForDbt;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// What a parse came to. Nothing at all where the command needs no parse ahead of it.
#[derive(Default)]
pub(crate) struct Parsed {
    /// The text of the manifest.
    text: Option<Arc<String>>,
    /// The dbt that wrote it and waits to be told what to build.
    held: Option<Held>,
    /// dbt could not parse the project, or was stopped; its exit code.
    pub(super) ended: Option<u8>,
}

/// A dbt that has parsed and waits at the gate.
pub(super) struct Held {
    pub(super) gate: Gate,
    pub(super) running: Running,
    pub(super) attempt: Attempt,
    /// Where it will look for what to build.
    pub(super) answer: StateForDbt,
}

impl Parsed {
    fn ended(code: u8) -> Self {
        Self { ended: Some(code), ..Self::default() }
    }

    pub(super) fn project(text: Arc<String>) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    /// The text of the manifest, if there is one.
    pub(crate) fn text(&self) -> Option<Arc<String>> {
        self.text.clone()
    }

    /// dbt's exit code where it could not parse the project, otherwise 0.
    pub(crate) fn exit_code(&self) -> u8 {
        self.ended.unwrap_or(0)
    }

    /// The dbt that waits, if there is one; whoever takes it sees to its end.
    pub(super) fn take_held(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// The process of a dbt that waits.
    pub(super) fn waiting(&mut self) -> Option<&mut Running> {
        self.held.as_mut().map(|held| &mut held.running)
    }

    /// End a dbt that waits, before it has reached a warehouse.
    ///
    /// # Errors
    /// 74 where the volume gives out.
    pub(super) fn release(&mut self, driver: &mut Driver<'_>) -> Result<(), Failure> {
        self.held.take().map_or(Ok(()), |held| held.release(driver))
    }

    /// Hand on a result; where it is an error, no dbt waits any longer.
    pub(super) fn guard<T>(
        &mut self,
        driver: &mut Driver<'_>,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        if result.is_err() {
            self.release(driver)?;
        }
        result
    }
}

impl Held {
    /// Let it write its file, and end it.
    pub(super) fn release(self, driver: &mut Driver<'_>) -> Result<(), Failure> {
        self.gate.open_for_the_last_time();
        driver.end(self.running)?;
        self.attempt.undo()
    }
}

/// Have dbt parse the project, where the run needs to know it before it builds.
///
/// # Errors
/// 73 where the volume cannot be written, 78 where dbt leaves no manifest, 126, 127 and 128+n as
/// for every start of dbt.
pub(crate) fn parse(
    started: &mut Started<'_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<Parsed, Failure> {
    let stage = Stage::begin("parse");
    let parsed = parse_as_needed(started, driver, summary)?;
    stage.done(match &parsed {
        Parsed { ended: Some(_), .. } => "dbt ended before it had parsed the project",
        Parsed { held: Some(_), .. } => "dbt has parsed, and waits to be told what to build",
        Parsed { text: Some(_), .. } => "dbt has parsed in a process of its own",
        Parsed { .. } => "not needed",
    });
    Ok(parsed)
}

fn parse_as_needed(
    started: &mut Started<'_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<Parsed, Failure> {
    // A dbt that writes its manifest only when it ends leaves none if it is killed.
    let writes_late = journal_form(driver.session(), started.opened.access) == Some(LogForm::Spans);
    if !started.approach.is_compared() && !started.is_exact() && !writes_late {
        return Ok(Parsed::default());
    }
    for from in [ParseFrom::Kept, ParseFrom::Nothing] {
        let Some(words) = started.words_to_hold(driver)? else { break };
        match hold(started, words, from, driver, summary)? {
            Holding::Over(parsed) => return Ok(*parsed),
            Holding::Impossible => break,
            Holding::InDoubt => {}
        }
    }
    Ok(match parse_alone(&started.opened, driver)? {
        Ok(text) => Parsed::project(Arc::new(text)),
        Err(code) => Parsed::ended(code),
    })
}

impl Started<'_> {
    /// dbt's command line for a process that parses, waits and then builds; with the directory in
    /// which it will look for what to build. `None` where that takes two processes.
    fn words_to_hold(
        &self,
        driver: &Driver<'_>,
    ) -> Result<Option<(Vec<OsString>, StateForDbt)>, Failure> {
        let Session { command, engine, .. } = driver.session();
        let Some(state) = self.opened.access.held() else { return Ok(None) };
        let default_selector = driver.session().default_selector()?;
        let request = self.request(engine, default_selector.as_deref());
        let select_by = request.select_by();
        // A parse of its own leaves `--full-refresh` out, so that a config() which asks for that
        // flag does not look changed (see `Command::as_parse`); and what `--empty` and the like
        // build never becomes the baseline.
        let is_plain = self.approach.is_compared()
            && !command.refreshes()
            && command.unreal_option().is_none()
            && command.flag(Flag::Defer) != Some(true);
        // Without a log of its own, another dbt that parses in the same target path would be taken
        // for this one.
        let form = journal_form(driver.session(), self.opened.access);
        let is_plain = is_plain && form.is_some();
        if !engine.waits_at_gate() || !is_plain || select_by == SelectBy::Name {
            return Ok(None);
        }
        let answer = state.run().state_for_dbt().map_err(Failure::internal)?;
        let words = select_by.command_line(command, &answer.path());
        Ok(words.map(|words| (words, answer)))
    }

    /// What is asked of this run.
    pub(super) fn request<'r>(
        &'r self,
        engine: &'r Engine,
        default_selector: Option<&'r str>,
    ) -> PlanRequest<'r> {
        let session = self.opened.session;
        PlanRequest {
            engine,
            command: &session.command,
            approach: self.approach,
            default_selector,
            refresh_changed: &session.config.refresh_changed,
            threads: engine.keeps_to_threads().then(|| session.threads()),
            is_exact: self.is_exact(),
        }
    }
}

/// What became of a dbt that was to wait.
enum Holding {
    /// It parsed and waits, or it ended.
    Over(Box<Parsed>),
    /// It cannot be held.
    Impossible,
    /// What it made of the parse of an earlier container is not certain.
    InDoubt,
}

/// From what dbt may parse.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ParseFrom {
    /// From its parse in an earlier container, if one was kept and fits.
    Kept,
    /// In full.
    Nothing,
}

/// Start dbt up to the gate.
fn hold(
    started: &mut Started<'_>,
    (words, answer): (Vec<OsString>, StateForDbt),
    from: ParseFrom,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<Holding, Failure> {
    let target = driver.session().target_path()?;
    let gate = match Gate::put_up(target) {
        Ok(gate) => gate,
        Err(why) => {
            say::dbt_cannot_be_held(&why);
            return Ok(Holding::Impossible);
        }
    };
    let (scope, reach) = (Scope::Changes, RunReach::nothing());
    let task = Task {
        scope,
        refresh: false,
        reach,
        due: BTreeSet::new(),
        todo: Todo::default(),
        left_out: BTreeSet::new(),
        bytes: None,
    };
    let attempt = Attempt::begin(&started.opened, task)?;
    let (options, given) = start_of_parse(&started.opened, from);
    let words = driver.session().command.with_options_in(&words, &options);
    let words = attempt.journalled(driver.session(), &words);
    let running = match driver.run_to(&gate, words)? {
        GateOrEnd::Gate(running) => running,
        GateOrEnd::End(outcome) => {
            // It could not parse, or it did not wait.
            let code = outcome.end.exit_code();
            let parsed = artifacts::invocation(target) != attempt.before;
            if !parsed && given.is_some() && !outcome.stopped {
                say::failed_warm();
                attempt.undo()?;
                return Ok(Holding::InDoubt);
            }
            attempt.conclude(started, code, driver, summary)?;
            if parsed && !outcome.stopped {
                say::dbt_did_not_wait();
                return Ok(Holding::Impossible);
            }
            return Ok(Holding::Over(Box::new(Parsed::ended(code))));
        }
    };
    let logged = attempt.logged_invocation();
    let is_ours = |id: Option<String>| id.is_some() && id == logged && id != attempt.before;
    let text = artifacts::manifest(target).filter(|text| is_ours(invocation_id_of(text)));
    let held = Held { gate, running, attempt, answer };
    match text {
        Some(text) if given.is_none_or(|given| given.is_sound(&text)) => {
            let (text, held) = (Some(Arc::new(text)), Some(held));
            Ok(Holding::Over(Box::new(Parsed { text, held, ended: None })))
        }
        Some(_) => held.release(driver).map(|()| Holding::InDoubt),
        None => {
            say::not_the_manifest_of_this_run(target);
            held.release(driver).map(|()| Holding::Impossible)
        }
    }
}

/// `dbt parse`, into the target path of the run, so that the run starts warm. The text of its
/// manifest, or the code that dbt ended with.
///
/// # Errors
/// 78 where dbt leaves no manifest of its own; as for every start of dbt.
pub(super) fn parse_alone(
    opened: &Opened<'_>,
    driver: &mut Driver<'_>,
) -> Result<Result<String, u8>, Failure> {
    parse_from(ParseFrom::Kept, opened, driver)
}

fn parse_from(
    from: ParseFrom,
    opened: &Opened<'_>,
    driver: &mut Driver<'_>,
) -> Result<Result<String, u8>, Failure> {
    let session = driver.session();
    let target = session.target_path()?;
    let before = artifacts::invocation(target);
    let log_dir = opened.access.log_dir();
    let mut words = session.command.as_parse();
    let (options, given) = start_of_parse(opened, from);
    words.extend(options);
    match session.engine.journal() == Some(LogForm::Events) {
        true => {
            words.retain(|word| !is_about_the_log(word));
            words.extend(log_options("info", "65536", &log_dir));
        }
        false if session.command.gives(Opt::LogPath) => {}
        false => words.extend(["--log-path".into(), log_dir.clone().into_os_string()]),
    }
    let code = driver.run(words, Stdout::ToStderr)?;
    if code != 0 && given.is_some() && driver.stop_requested().is_none() {
        say::failed_warm();
        return parse_from(ParseFrom::Nothing, opened, driver);
    }
    if code != 0 {
        return Ok(Err(code));
    }
    let path = target.join("manifest.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("dbt parse succeeded, but {} cannot be read", path.display()))
        .map_err(Failure::refused)?;
    let text = json::standard(text);
    let id = invocation_id_of(&text);
    let logged = artifacts::logged_invocation(&log_dir);
    if session.engine.journal() == Some(LogForm::Events) && logged.is_some() && logged != id {
        return Err(Failure::refused(another_dbt(target)));
    }
    if id == before {
        return Err(Failure::refused(
            Refusal::new(format!("dbt parse succeeded, but did not write {}", path.display()))
                .meaning("what changed cannot be found out, so nothing was built")
                .remedy("dbt-entrypoint … --target-path DIR     (say where this dbt writes its artifacts)")
                .remedy("dbt-entrypoint --no-state …     (run dbt alone, without state)"),
        ));
    }
    if given.is_some_and(|given| !given.is_sound(&text)) {
        return parse_from(ParseFrom::Nothing, opened, driver);
    }
    Ok(Ok(text))
}

/// Whether the word is an option that says how dbt writes its log file.
fn is_about_the_log(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    ["--log-path=", "--log-format-file=", "--log-level-file=", "--log-file-max-bytes="]
        .iter()
        .any(|option| word.starts_with(option))
}

fn another_dbt(target: &Path) -> Refusal {
    Refusal::new(format!(
        "{} is the manifest of another dbt",
        target.join("manifest.json").display()
    ))
    .meaning("it ran at the same time; what this project needs is not known, so nothing was built")
    .remedy("start again when the other dbt has ended")
    .remedy("dbt-entrypoint … --target-path DIR     (a directory that no other dbt writes to)")
}

/// How a parse begins: with the partial-parse file of an earlier container, or in full. dbt trusts the
/// modification times of files in a partial-parse file that it finds, and images normalise them; so a
/// file that is there already, and that was not written just now, is not used.
fn start_of_parse(opened: &Opened<'_>, from: ParseFrom) -> (Vec<OsString>, Option<GivenParse>) {
    let given = if from == ParseFrom::Kept { warm::give(opened) } else { None };
    let found = opened.session.project.target_path.join(PARTIAL_PARSE).exists();
    let in_full = (found && given.is_none()).then(|| "--no-partial-parse".into());
    (in_full.into_iter().collect(), given)
}
