//! A changed run in one dbt process: dbt parses, waits at a [`Gate`] while we compare, and
//! builds what we then name.
//!
//! What to build it finds by `unique_id` in a `run_results.json`, so that it neither loads a
//! second manifest nor compares anything itself. A dbt that did not wait would find no such
//! file: it builds nothing, and we go the ordinary way.

use super::comparison::Comparison;
use super::pass::{Begun, Run};
use super::{Job, artifacts, outside, recover};
use crate::dbt::command::{Flag, SKIPPED};
use crate::dbt::manifest::begun_by;
use crate::dbt::results;
use crate::decide::needs::Scope;
use crate::decide::plan::Approach;
use crate::exit::Failure;
use crate::os::gate::Gate;
use crate::os::supervise::{First, Outcome, Running, Stdout};
use crate::os::{commit, random};
use crate::report;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the comparison comes to while dbt waits.
enum Answer {
    /// What to build is where dbt looks for it.
    Build,
    Nothing,
    /// It takes more than one run of dbt, or words that this dbt does not know.
    Otherwise,
}

impl Job<'_> {
    /// dbt's code; `None` where the ordinary way has to be gone. A manifest that dbt wrote
    /// before that became clear is then kept for [`Job::parse`].
    pub(super) fn build_in_one(&mut self, approach: &Approach) -> Result<Option<u8>, Failure> {
        if !self.can_do_in_one() {
            return Ok(None);
        }
        let knows = self.dbt.engine().selector_method();
        let place = Place::new(&self.state)?;
        let Some(words) = self.asking(approach, knows, &place)? else { return Ok(None) };
        let gate = match Gate::put_up(&self.project.target_path) {
            Ok(gate) => gate,
            Err(why) => {
                log::debug!("dbt is started twice, since it cannot be held: {why:#}");
                return Ok(None);
            }
        };
        let begun = self.begin(&Scope::Changes, false)?;
        let words = begun.journalled(self.command, self.dbt.engine(), &words);
        let environment = self.child_environment();
        let child = self.child(words, Stdout::Inherit, &environment);
        match self.supervisor.run_to(&gate, child)? {
            First::End(outcome) => self.ended_before(begun, outcome),
            First::Gate(running) => {
                let ask = Ask { approach, knows, place: &place };
                self.at_the_gate(&gate, running, begun, &ask)
            }
        }
    }

    fn can_do_in_one(&self) -> bool {
        let engine = self.engine();
        self.is_held()
            && self.parsed.is_none()
            && engine.waits_at_gate()
            && engine.result_method()
            // A parse of its own leaves this flag out, so that a config() which asks for it does
            // not look changed; see `Command::as_parse`.
            && !self.refreshes()
            && self.command.unreal().is_none()
            // dbt would look in our state for a manifest to defer to.
            && self.command.flag(Flag::Defer) != Some(true)
    }

    /// dbt's command line, where it can be told to build what it will find in that place.
    fn asking(
        &self,
        approach: &Approach,
        knows: bool,
        place: &Place,
    ) -> Result<Option<Vec<OsString>>, Failure> {
        let state = place.path();
        let words = match approach {
            Approach::Narrowed => self.narrowed(knows, SKIPPED, &state),
            Approach::Changed | Approach::AsGiven | Approach::Everything => {
                let term = self.within_default(knows, SKIPPED)?;
                term.map(|term| self.command.selecting(&[term], Some(&state)))
            }
        };
        Ok(words.map(|words| self.command.with_in(&words, &self.afresh())))
    }

    /// dbt could not parse, or did not wait.
    fn ended_before(&mut self, begun: Begun, outcome: Outcome) -> Result<Option<u8>, Failure> {
        let code = outcome.end.exit_code();
        let parsed = artifacts::invocation(&self.project.target_path) != begun.before;
        self.conclude_pass(begun, changed(code))?;
        Ok(Self::unless_unheld(!parsed || outcome.stopped, code))
    }

    /// A dbt that did not wait has not been told what to build.
    fn unless_unheld(told: bool, code: u8) -> Option<u8> {
        if !told {
            report::did_not_wait();
        }
        told.then_some(code)
    }

    /// dbt has parsed and waits.
    fn at_the_gate(
        &mut self,
        gate: &Gate,
        running: Running,
        begun: Begun,
        ask: &Ask<'_>,
    ) -> Result<Option<u8>, Failure> {
        let text = artifacts::manifest(&self.project.target_path);
        let text = text.filter(|text| begun_by(text) != begun.before).map(Arc::new);
        let now = text.as_ref().map(|text| self.compared_or_refused(text)).transpose();
        let answer = match &now {
            Ok(Some(now)) => self.answer(now, ask),
            Ok(None) | Err(_) => Ok(Answer::Otherwise),
        };
        let now = match (answer, now, &text) {
            (Ok(Answer::Build), Ok(Some(now)), Some(text)) => {
                return self.let_build(gate, running, begun, &now, text);
            }
            (answer, now, _) => answer.and_then(|answer| Ok((answer, now?))),
        };
        gate.open_for_the_last_time();
        self.supervisor.end(running)?;
        begun.undone()?;
        match now? {
            (Answer::Nothing, Some(now)) => self.carry_over(&now).map(|()| Some(0)),
            (_, now) => {
                drop(now);
                self.parsed = text.and_then(Arc::into_inner);
                Ok(None)
            }
        }
    }

    fn answer(&mut self, now: &Comparison<'_>, ask: &Ask<'_>) -> Result<Answer, Failure> {
        if self.engine_of(&now.manifest).selector_method() != ask.knows
            || !self.refreshed(now).is_empty()
        {
            return Ok(Answer::Otherwise);
        }
        let wanted = self.wanted(now);
        if wanted.is_empty() && !self.config.always_start {
            return Ok(Answer::Nothing);
        }
        if !self.is_within_budget(now, &wanted, ask.approach)? {
            return Ok(Answer::Otherwise);
        }
        ask.place.put(&results::skipped(&wanted))?;
        Ok(Answer::Build)
    }

    fn let_build(
        &mut self,
        gate: &Gate,
        running: Running,
        mut begun: Begun,
        now: &Comparison<'_>,
        text: &Arc<String>,
    ) -> Result<Option<u8>, Failure> {
        gate.open();
        begun.keep(text, outside::seen(&self.baseline.salt, &now.inputs));
        self.look_again();
        let code = self.supervisor.finish(running)?.end.exit_code();
        self.conclude_compared(begun, now, changed(code))?;
        Ok(Self::unless_unheld(gate.was_passed() || code == 0, code))
    }
}

/// What was asked of dbt on its command line.
struct Ask<'a> {
    approach: &'a Approach,
    /// This dbt knows the method `selector:`.
    knows: bool,
    place: &'a Place,
}

fn changed(code: u8) -> Run<'static> {
    Run { scope: &Scope::Changes, refresh: false, code }
}

/// The directory that dbt is given as `--state`. No other dbt ever gets its name: one that was
/// orphaned at the gate of a killed run finds no answer to the question of another.
struct Place {
    state: PathBuf,
    name: String,
}

impl Place {
    fn new(state: &Path) -> Result<Self, Failure> {
        let name = random::salt().map_err(Failure::internal)?;
        let place = Self { state: state.to_owned(), name };
        place.clear();
        Ok(place)
    }

    fn path(&self) -> PathBuf {
        recover::scratch(&self.state).join("answer").join(&self.name)
    }

    fn put(&self, text: &str) -> Result<(), Failure> {
        let file = format!("run/answer/{}/run_results.json", self.name);
        commit::write_file(&self.state, &file, text.as_bytes()).map_err(Failure::unwritable)
    }

    /// Every place, those of killed runs included.
    fn clear(&self) {
        let _ = fs::remove_dir_all(recover::scratch(&self.state).join("answer"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}
