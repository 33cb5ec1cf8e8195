//! `verify`: what the baseline claims, and the warehouse does not hold.

use super::Answer;
use crate::cli::{Asking, Config};
use crate::decide::summary::Summary;
use crate::decide::warehouse::Look;
use crate::exit::{CHANGES, Failure};
use crate::os::private::PrivateDir;
use crate::os::supervise::Supervisor;
use crate::os::{announce, clock};
use crate::run::{self, Access, Driver, Opened};
use crate::session::{DbtCommand, Session};
use crate::trees::IntoTree;
use serde_json::json;
use std::ffi::OsString;
use std::fmt::Write;
use std::time::Instant;

/// Verify, and tell the container's runtime what came of it.
pub(super) fn verify(
    config: &Config,
    asking: &Asking,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let mut summary = Summary::begin("verify", clock::now());
    let began = Instant::now();
    let mut answer = Answer::new("");
    let ended = look(config, asking, supervisor).map(|look| {
        let wrong = look.wrong.iter().map(|(id, wrong)| (id.clone(), wrong.to_string()));
        summary.pending = wrong.into_tree();
        answer = Answer::of(asking.form, &as_json(&look), || words_of(&look, asking.record));
        answer.code = if look.wrong.is_empty() { 0 } else { CHANGES };
        answer.code
    });
    summary.end(clock::now(), began.elapsed().as_secs(), &ended);
    announce::to_the_runtime(&config.termination_log, &summary);
    ended.map(|_| answer)
}

fn look(config: &Config, asking: &Asking, supervisor: &mut Supervisor) -> Result<Look, Failure> {
    let words = std::iter::once(OsString::from("build")).chain(asking.words.iter().cloned());
    let invocation = DbtCommand::new(config, &words.collect::<Vec<_>>())?;
    let private = PrivateDir::make(&config.environment).map_err(Failure::refused)?;
    let session = match asking.record {
        true => Session::new(invocation)?,
        false => Session::aside(invocation, private.path())?,
    };
    let mut driver = Driver::new(&session, supervisor);
    let access = match asking.record {
        true => Access::hold(&mut driver, "dbt-entrypoint verify")?,
        false => Access::look(&session, private)?,
    };
    let opened = Opened::read(&session, &access)?;
    let look = run::verify(opened, &mut driver, asking.record)?;
    if asking.record {
        run::publish(&mut driver, &access);
    }
    Ok(look)
}

fn as_json(look: &Look) -> serde_json::Value {
    let wrong = look.wrong.iter().map(|(id, wrong)| (id.clone(), json!(wrong.to_string())));
    json!({
        "claimed": look.claimed,
        "there": look.claimed - look.wrong.len(),
        "missing": look.missing(),
        "wrong": wrong.into_tree::<serde_json::Map<_, _>>(),
        "unseen": look.unseen,
    })
}

fn words_of(look: &Look, is_recorded: bool) -> String {
    let mut text = String::new();
    for (id, wrong) in &look.wrong {
        let _ = writeln!(text, "{id}  {wrong}");
    }
    for id in &look.unseen {
        let _ = writeln!(text, "{id}  no relation is there; its materialization may leave none");
    }
    let there = look.claimed - look.wrong.len();
    let _ = writeln!(text, "{there} of {} relations are in the warehouse", look.claimed);
    if !look.wrong.is_empty() {
        text += match is_recorded {
            true => "the next run builds the others, with whatever is downstream\n",
            false => "dbt-entrypoint verify --record     (makes the next run build the others)\n",
        };
    }
    text
}
