//! The process: panic hook, signals, run, exit code.

use dbt_entrypoint::cli::{self, Config, Invocation, Request};
use dbt_entrypoint::environment;
use dbt_entrypoint::exit::{self, Failure};
use dbt_entrypoint::os::stderr::{LogSettings, start_log};
use dbt_entrypoint::os::supervise::Supervisor;
use dbt_entrypoint::verbs;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|bug| {
        start_log(LogSettings::EARLY);
        log::error!("this is a bug of dbt-entrypoint: {bug}");
        leave();
    }));
    ExitCode::from(to_the_end())
}

/// By now the child is gone: the [`Supervisor`] sees to it before this hook. An abort would end
/// PID 1 by a fault and not by a code.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "no panic unwinds to main")]
fn leave() {
    std::process::exit(exit::of_a_bug().into());
}

fn to_the_end() -> u8 {
    let ended = Supervisor::register().map_err(Failure::internal).and_then(|supervisor| {
        let args = std::env::args_os().skip(1).collect();
        let Invocation { config, request } = cli::parse(args, environment::of_this_process())?;
        let (style, level) = (config.log, config.log_level);
        // A verb is no run, and there is nothing to tell of it.
        let is_run = matches!(request, Request::Dbt(_));
        let events = config.events.as_deref().filter(|_| is_run);
        start_log(LogSettings { style, level, events });
        Ok(start(&config, request, supervisor))
    });
    ended.unwrap_or_else(|failure| {
        start_log(LogSettings::EARLY);
        told(&failure)
    })
}

fn start(config: &Config, request: Request, mut supervisor: Supervisor) -> u8 {
    let is_about_us = matches!(request, Request::Print(_));
    let code = answer(config, request, &mut supervisor).unwrap_or_else(|failure| told(&failure));
    if !is_about_us {
        dbt_entrypoint::on_exit(config, code, &mut supervisor);
    }
    code
}

fn told(failure: &Failure) -> u8 {
    log::error!("{failure}");
    failure.code()
}

fn answer(config: &Config, request: Request, supervisor: &mut Supervisor) -> Result<u8, Failure> {
    match request {
        Request::Print(text) => Ok(print(&text)),
        Request::Dbt(words) => dbt_entrypoint::run(config, &words, supervisor),
        Request::Exec(cli::Exec { words, policy }) => {
            dbt_entrypoint::exec(&words, &policy, &config.environment, supervisor)
        }
        Request::Verb(verb) => {
            let answer = verbs::answer(config, &verb, supervisor)?;
            print(&answer.text);
            Ok(answer.code)
        }
    }
}

/// A reader that went away is not our failure.
fn print(text: &str) -> u8 {
    let _ = std::io::stdout().write_all(text.as_bytes());
    0
}
