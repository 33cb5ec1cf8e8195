//! `verify`: what the baseline claims, and the warehouse does not hold.

use super::{Answer, asking};
use crate::cli::{Asking, Config};
use crate::count::counted;
use crate::decide::summary::Summary;
use crate::decide::warehouse::Look;
use crate::exit::{CHANGES, Failure};
use crate::os::supervise::Supervisor;
use crate::os::{announce, clock};
use crate::run::{self, Driver, Opened};
use crate::trees::IntoTree;
use serde_json::json;
use std::fmt::Write;
use std::time::Instant;

/// Verify, and tell the container's runtime what came of it.
pub(super) fn verify(
    config: &Config,
    given: &Asking,
    supervisor: &mut Supervisor,
) -> Result<Answer, Failure> {
    let mut summary = Summary::begin("verify", clock::now());
    let began = Instant::now();
    let mut answer = Answer::new("");
    let holds = given.record.then_some("dbt-entrypoint verify");
    let ask =
        |opened: Opened<'_>, driver: &mut Driver<'_>| run::verify(opened, driver, given.record);
    let ended = asking(config, &given.words, holds, supervisor, ask).map(|look| {
        let wrong = look.wrong.iter().map(|(id, wrong)| (id.clone(), wrong.to_string()));
        summary.pending = wrong.into_tree();
        answer = Answer::of(given.form, &as_json(&look), || words_of(&look, given.record));
        answer.code = if look.wrong.is_empty() { 0 } else { CHANGES };
        answer.code
    });
    summary.end(clock::now(), began.elapsed().as_secs(), &ended);
    announce::to_the_runtime(&config.termination_log, &summary);
    ended.map(|_| answer)
}

fn as_json(look: &Look) -> serde_json::Value {
    let wrong = look.wrong.iter().map(|(id, wrong)| (id.clone(), json!(wrong.to_string())));
    json!({
        "claimed": look.claimed,
        "there": look.claimed - look.wrong.len(),
        "missing": look.missing(),
        "wrong": wrong.into_tree::<serde_json::Map<_, _>>(),
        "unseen": look.unseen,
        "lost": look.lost.iter().map(|(id, _)| id).collect::<Vec<_>>(),
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
    for (id, wrong) in &look.lost {
        let _ = writeln!(text, "{id}  still to be built anyway, and {wrong}");
    }
    let there = look.claimed - look.wrong.len();
    let _ = writeln!(text, "in the warehouse: {there} of {}", counted(look.claimed, "relations"));
    if !look.wrong.is_empty() {
        text += match is_recorded {
            true => "the next run builds the others, with whatever is downstream\n",
            false => "dbt-entrypoint verify --record     (makes the next run build the others)\n",
        };
    }
    text
}
