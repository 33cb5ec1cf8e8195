//! `plan`: what a run would build, by the very comparison that the run makes.

use super::Answer;
use crate::cli::{Config, OutputFormat, PlanForm, PlanOptions, UseColor};
use crate::dbt::command::Duty;
use crate::decide::comparison::Comparison;
use crate::decide::plan::{Cause, Plan};
use crate::decide::start::Mode;
use crate::decide::summary::Summary;
use crate::exit::{self, Failure};
use crate::os::private::PrivateDir;
use crate::os::supervise::Supervisor;
use crate::os::terminal;
use crate::run::{self, Access, Driver, Opened};
use crate::say::{self, PlanView};
use crate::session::{DbtCommand, Session};
use std::ffi::OsString;
use std::fmt::Write;

pub(super) fn plan(
    config: &Config,
    words: &[OsString],
    options: PlanOptions,
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
    let shown = Shown { options, view: view(config, options) };
    if started.is_unchanged {
        let (nodes, others) = started.without_dbt()?;
        let plan = Plan { orphans: summary.orphans, ..Plan::of_nothing(nodes) };
        return Ok(shown.answer(&plan, &others, None));
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
    Ok(shown.answer(&plan, &others, now.as_ref()))
}

/// How the terminal and the options want the plan to look.
fn view(config: &Config, options: PlanOptions) -> PlanView {
    let width = terminal::width_of_stdout();
    let colour = match options.color {
        UseColor::Auto => width.is_some() && terminal::allows_colour(&config.environment),
        UseColor::Always => true,
        UseColor::Never => false,
    };
    let width = width.unwrap_or(PlanView::PLAIN.width);
    PlanView { width, colour, all: options.all }
}

/// How the plan is shown.
struct Shown {
    options: PlanOptions,
    view: PlanView,
}

impl Shown {
    fn answer(&self, plan: &Plan, others: &[String], now: Option<&Comparison<'_, '_>>) -> Answer {
        let mut text = match self.options.form {
            PlanForm::Words => say::plan(plan, others, &self.view),
            PlanForm::Json => Answer::of(OutputFormat::Json, plan, String::new).text,
            PlanForm::Markdown => say::plan_as_markdown(plan),
            PlanForm::Mermaid => say::mermaid(plan),
            PlanForm::Dot => say::dot(plan),
            PlanForm::Svg => say::svg(plan),
        };
        if self.options.diff && self.options.form == PlanForm::Words {
            text += &now.map_or_else(String::new, |now| edits(plan, now));
        }
        Answer { text, code: exit::of_plan(plan.steps.len(), plan.tests) }
    }
}

/// What was edited in the code of each node that was edited.
fn edits(plan: &Plan, now: &Comparison<'_, '_>) -> String {
    let mut text = String::new();
    for step in plan.steps.iter().filter(|step| step.cause == Cause::Edited) {
        let before = now.before.as_ref().and_then(|before| before.node(&step.id));
        let (Some(old), Some(new)) = (before, now.manifest.node(&step.id)) else { continue };
        let diff = say::diff(&old.raw_code(), &new.raw_code());
        if !diff.is_empty() {
            let (old, new) = (&old.original_file_path, &new.original_file_path);
            let _ = write!(text, "\n--- {old}\n+++ {new}\n{diff}");
        }
    }
    text
}
