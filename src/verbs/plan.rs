//! `plan`: what a run would build, by the very comparison that the run makes.

use super::Answer;
use crate::cli::{Config, Form};
use crate::dbt::command::{Command, Duty};
use crate::decide::plan::Mode;
use crate::decide::summary::Summary;
use crate::exit::{CHANGES, Failure};
use crate::job::Job;
use crate::os::clock;
use crate::os::installation::Installation;
use crate::os::private::Private;
use crate::os::supervise::Supervisor;
use crate::report;
use anyhow::anyhow;
use std::ffi::OsString;

pub(super) fn plan(
    config: &Config,
    words: &[OsString],
    form: Form,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let command = Command::parse(words.to_vec(), &config.environment);
    if command.duty() != Duty::BuildSelected || config.mode == Mode::Off {
        return Err(Failure::usage(anyhow!(
            "plan knows what `run`, `build` and `seed` would build over the state volume, not `{}`",
            report::words(words)
        )));
    }
    let dbt = Installation::find(&config.dbt, &config.environment)?;
    let private = Private::make(&config.environment).map_err(Failure::refused)?;
    let aside = [
        "--target-path".into(),
        private.path().join("target").into_os_string(),
        "--log-path".into(),
        private.path().join("log").into_os_string(),
    ];
    let command = command.edited(command.with(&aside));
    let mut summary = Summary::begin("plan", clock::now());
    let mut job = Job::look(config, &command, &dbt, supervisor, &mut summary, private)?;
    let approach = job.plan()?;
    let forecast = match job.foresee(&approach)? {
        Ok(forecast) => forecast,
        Err(code) => return Ok(Answer { text: String::new(), code }),
    };
    drop(job);
    let others: Vec<String> = summary
        .pending
        .into_keys()
        .filter(|id| forecast.steps.iter().all(|step| step.id != *id))
        .filter(|id| !id.starts_with("model."))
        .collect();
    let mut answer = Answer::of(form, &forecast, || report::plan(&forecast, &others));
    answer.code = if forecast.steps.is_empty() { 0 } else { CHANGES };
    Ok(answer)
}
