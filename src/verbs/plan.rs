//! `plan`: what a run would build, by the very comparison that the run makes.

use super::Answer;
use crate::cli::{Config, OutputFormat};
use crate::dbt::command::Duty;
use crate::decide::plan::Plan;
use crate::decide::start::Mode;
use crate::decide::summary::Summary;
use crate::exit::{CHANGES, Failure};
use crate::os::private::PrivateDir;
use crate::os::supervise::Supervisor;
use crate::run::{self, Access, Driver, Opened};
use crate::say;
use crate::session::{DbtCommand, Session};
use std::ffi::OsString;

pub(super) fn plan(
    config: &Config,
    words: &[OsString],
    form: OutputFormat,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let invocation = DbtCommand::new(config, words)?;
    if invocation.command.duty() != Duty::BuildSelected || config.mode == Mode::Off {
        return Err(Failure::usage(format!(
            "plan shows what `run`, `build` or `seed` would build over the state volume, not `{}`",
            say::command_line(words)
        )));
    }
    let private = PrivateDir::make(&config.environment).map_err(Failure::refused)?;
    let session = Session::aside(invocation, private.path())?;
    let access = Access::look(&session, private)?;
    let mut driver = Driver::new(&session, supervisor);
    let mut summary = Summary::default();
    let opened = Opened::read(&session, &access)?;
    let mut started = run::start(opened, &mut driver, &mut summary)?;
    if started.is_unchanged {
        let (nodes, others) = started.without_dbt()?;
        return Ok(answer(form, &Plan::of_nothing(nodes), &others, summary.orphans));
    }
    let mut parsed = run::parse(&mut started, &mut driver, &mut summary)?;
    let (text, old) = (parsed.text(), started.baseline_text());
    let mut now = run::compare(&started, &text, &old, &mut parsed, &mut driver)?;
    run::settle(&mut started, now.as_mut(), &mut parsed, &mut driver)?;
    let planned = run::plan(&started, now.as_ref(), &mut parsed, &mut driver, &mut summary)?;
    let plan = match planned {
        Some(Ok(plan)) => plan,
        Some(Err(code)) => return Ok(Answer { text: String::new(), code }),
        None => return Ok(Answer { text: String::new(), code: parsed.exit_code() }),
    };
    let others: Vec<String> =
        plan.others.keys().filter(|id| !crate::graph::is_test_id(id)).cloned().collect();
    Ok(answer(form, &plan, &others, summary.orphans))
}

fn answer(form: OutputFormat, plan: &Plan, others: &[String], orphans: usize) -> Answer {
    let mut answer = Answer::of(form, plan, || say::plan(plan, others) + &say::orphans(orphans));
    answer.code = if plan.steps.is_empty() { 0 } else { CHANGES };
    answer
}
