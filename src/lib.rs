//! The entrypoint of a container around `dbt`: rebuilds only what changed.
//!
//! ```text
//! argv + environment ─ cli ─▶ Session        config, command, engine, project, environment
//! Session ─ store ─▶ Opened                  the state, locked, with what is on it
//! Opened ─ decide ─▶ Started                 first population, baseline… or a refusal
//! Started ─ run ─▶ Parsed ─▶ Comparison      what has to be built, and why
//! Comparison ─ decide ─▶ Plan                the nodes, the runs of dbt, the words for dbt
//! Plan ─ run ─▶ Ran ─ decide ─▶ Next ─ store ─▶ the next baseline
//! ─▶ say, exit code
//! ```

pub mod cli;
mod count;
pub mod dbt;
pub mod decide;
mod digest;
pub mod environment;
pub mod exit;
pub mod graph;
pub mod log_style;
pub mod os;
mod run;
mod say;
mod session;
pub mod store;
mod trees;
pub mod verbs;

use cli::{Config, EXIT_CODE_VARIABLE};
use decide::event::RunEvent;
use decide::stop::Policy;
use decide::summary::Summary;
use environment::Environment;
use exit::Failure;
use os::supervise::{Child, Stdout, Supervisor, Variables};
use os::{announce, clock, program};
use run::{Access, Driver, Opened};
use session::{DbtCommand, Session};
use std::ffi::OsString;
use std::time::Instant;

/// Run dbt as its command and the state demand; dbt's own exit code, or 128+n.
///
/// # Errors
/// Whatever keeps dbt's own exit code from being ours.
pub fn run(
    config: &Config,
    words: &[OsString],
    supervisor: &mut Supervisor,
) -> Result<u8, Failure> {
    let invocation = DbtCommand::new(config, words)?;
    if invocation.is_stateless() {
        return run::run_without_state(&invocation, supervisor);
    }
    let subcommand = invocation.command.subcommand().unwrap_or_default();
    let began = Instant::now();
    let mut summary = Summary::begin(subcommand, clock::now());
    say::event(&RunEvent::RunStarted { command: subcommand, tool: &summary.tool });
    let (ended, access) = match Session::new(invocation) {
        Ok(session) => {
            summary.locate(&session.project.identity);
            with_the_state(&mut Driver::new(&session, supervisor), &mut summary)
        }
        Err(failure) => (Err(failure), None),
    };
    if let Some(at) = supervisor.stop_requested_at() {
        summary.stop(at);
    }
    summary.end(clock::now(), began.elapsed().as_secs(), &ended);
    if summary.succeeded_at.is_none()
        && let Some(last) = run::last_run(config)
    {
        summary.remember(&last);
    }
    if let Some(state) = access.as_ref().and_then(Access::held) {
        state.keep_summary(&summary);
    }
    announce_end(config, &summary);
    ended
}

/// Build over the state. The lock is handed back, unless the state is not ours to write.
fn with_the_state(
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> (Result<u8, Failure>, Option<Access>) {
    let access = match Access::hold(driver, &format!("dbt {}", summary.command)) {
        Ok(access) => access,
        Err(failure) => return (Err(failure), None),
    };
    let opened = match Opened::read(driver.session(), &access) {
        Ok(opened) => opened,
        Err(failure) => return (Err(failure), Some(access)),
    };
    let is_ours = opened.is_ours();
    let ended = build(opened, driver, summary);
    if summary.was_admitted() {
        run::publish(driver, &access);
    }
    (ended, is_ours.then_some(access))
}

/// Build what has to be built, and commit it.
fn build(
    opened: Opened<'_>,
    driver: &mut Driver<'_>,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let mut started = run::start(opened, driver, summary)?;
    if started.is_unchanged {
        return Ok(started.finish_without_dbt());
    }
    let mut parsed = run::parse(&mut started, driver, summary)?;
    let (text, old) = (parsed.text(), started.baseline_text());
    let mut now = run::compare(&started, &text, &old, &mut parsed, driver)?;
    run::settle(&mut started, now.as_mut(), &mut parsed, driver)?;
    let planned = run::plan(&started, now.as_ref(), &mut parsed, driver, summary)?;
    run::within_budget(&started, now.as_ref(), planned.as_ref(), &mut parsed, driver)?;
    let ended = run::carry_out(&mut started, planned, parsed, now, driver, summary);
    if ended.is_ok() {
        run::keep_parse(&started, text);
    }
    ended
}

/// Tell everybody who listens how the run ended: people, the container's runtime, Prometheus.
fn announce_end(config: &Config, summary: &Summary) {
    if summary.verdict() != "refused" {
        say::summary(config.log, summary);
    }
    announce::to_the_runtime(&config.termination_log, summary);
    if let Some(path) = &config.metrics_file {
        announce::to_prometheus(path, summary);
    }
    RunEvent::of_end(summary).iter().for_each(say::event);
}

/// Be a plain PID 1 for a command line; its exit code, or 128+n.
///
/// # Errors
/// 126 and 127 when it cannot be started, 128+n when a signal came before.
pub fn exec(
    words: &[OsString],
    policy: &Policy,
    environment: &Environment,
    supervisor: &mut Supervisor,
) -> Result<u8, Failure> {
    let child = child(words, environment, policy)?;
    Ok(supervisor.run(child)?.end.exit_code())
}

/// Run the command of `--on-exit`, if there is one. Whatever it does, the code stays what it is.
pub fn on_exit(config: &Config, code: u8, supervisor: &mut Supervisor) {
    let Some(words) = &config.on_exit else { return };
    let mut environment = config.environment.clone();
    environment.insert(EXIT_CODE_VARIABLE.into(), code.to_string().into());
    let policy = Policy::dbt(config.stop_signal, config.stop_grace);
    let hook = child(words, &environment, &policy).and_then(|hook| {
        let (environment, stdout) = (Variables::These(&environment), Stdout::ToStderr);
        let hook = Child { environment, stdout, ..hook };
        supervisor.run_last(hook, config.stop_grace)
    });
    match hook.map(|hook| hook.end.exit_code()) {
        Ok(0) => {}
        Ok(code) => log::warn!("the command of --on-exit ended with {code}"),
        Err(failure) => log::warn!("the command of --on-exit did not run: {failure}"),
    }
}

/// A command line of the user's, to be started as it is.
#[inline(never)]
fn child<'a>(
    words: &[OsString],
    environment: &Environment,
    policy: &Policy,
) -> Result<Child<'a>, Failure> {
    let Some((name, args)) = words.split_first() else {
        return Err(Failure::usage("exec needs a command: dbt-entrypoint exec -- CMD…"));
    };
    Ok(Child {
        program: program::find(name, environment)?,
        name: name.clone(),
        args: args.to_vec(),
        environment: Variables::AsFound,
        stdout: Stdout::Inherit,
        inherits: None,
        policy: policy.clone(),
    })
}
