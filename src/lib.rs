//! Stands where `dbt` stood in a container, and rebuilds only what changed.
//!
//! ```text
//! argv + environment ─ cli ─▶ Config
//! Config ─ os::volume ─▶ Volume            what is on the mount: facts, damage included
//! Config + Volume ─ decide::plan ─▶ Plan   what to do, and why: a pure value
//! Plan ─ os::supervise ─▶ Outcome          dbt as a child: signals, reaping, exit
//! Volume + Outcome + dbt's artifacts ─ decide::baseline ─▶ next Baseline   pure
//! Baseline ─ os::commit ─▶ the volume      write, fsync, rename, fsync directory
//! ─▶ report, exit code
//! ```

pub mod cli;
mod digest;
pub mod environment;
pub mod exit;
pub mod graph;

pub mod job;

pub mod dbt;
pub mod decide;
pub mod os;
pub mod report;
mod trees;
pub mod verbs;

use cli::Config;
use dbt::command::{Command, Duty};
use decide::plan::Approach;
use decide::plan::Mode;
use decide::summary::Summary;
use environment::Environment;
use exit::Failure;
use job::Job;
use os::installation::Installation;
use os::supervise::{Child, Policy, Stdout, Supervisor, Variables};
use os::{clock, program};
use std::ffi::OsString;
use std::path::Path;

/// Run dbt as its command and the state volume demand; dbt's own exit code, or 128+n.
///
/// # Errors
/// Whatever keeps dbt's own exit code from being ours.
pub fn run(
    config: &Config,
    words: &[OsString],
    supervisor: &mut Supervisor,
) -> Result<u8, Failure> {
    let config = &job::with_writable_paths(config, words);
    let dbt = Installation::find(&config.dbt, &config.environment)?;
    let command = Command::parse(words.to_vec(), &config.environment);
    if config.mode == Mode::Off || command.duty() == Duty::Bystander {
        job::clear_the_way(config, &command);
        return beside_the_state(config, dbt.program(), words, supervisor);
    }
    let mut summary = Summary::begin(command.subcommand().unwrap_or_default(), clock::now());
    let ended = build(config, &command, &dbt, supervisor, &mut summary);
    report::ended(config, &mut summary, &ended);
    ended
}

/// Build over the state volume, and keep there what the run did.
fn build(
    config: &Config,
    command: &Command,
    dbt: &Installation,
    supervisor: &mut Supervisor,
    summary: &mut Summary,
) -> Result<u8, Failure> {
    let mut job = Job::open(config, command, dbt, supervisor, summary)?;
    let approach = match job.admitted() {
        Ok(approach) => approach,
        Err(refusal) => return Err(job.turned_down(refusal)),
    };
    let ended = match approach {
        Approach::AsGiven => job.build_as_given(),
        Approach::Everything => job.build_everything(),
        Approach::Changed | Approach::Narrowed => job.build_changed(&approach),
    };
    job.conclude(ended)
}

/// dbt alone: the volume is neither read nor written.
fn beside_the_state(
    config: &Config,
    dbt: &Path,
    words: &[OsString],
    supervisor: &mut Supervisor,
) -> Result<u8, Failure> {
    let child = Child {
        program: dbt.to_owned(),
        name: config.dbt.clone(),
        args: words.to_vec(),
        environment: Variables::These(&config.environment),
        stdout: Stdout::Inherit,
        policy: Policy::dbt(config.stop_signal, config.stop_grace),
    };
    Ok(supervisor.run(child)?.end.exit_code())
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
    let Some((name, args)) = words.split_first() else {
        return Err(Failure::usage(anyhow::anyhow!("exec needs a command")));
    };
    let child = Child {
        program: program::find(name, environment)?,
        name: name.clone(),
        args: args.to_vec(),
        environment: Variables::AsFound,
        stdout: Stdout::Inherit,
        policy: policy.clone(),
    };
    Ok(supervisor.run(child)?.end.exit_code())
}
