//! Tells how far a dbt has come while it runs: in the log, or in a line of the terminal that stays.

use super::open::Opened;
use crate::cli::Config;
use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::dbt::results::RunLog;
use crate::decide::intent::{Intent, Todo};
use crate::decide::progress::{Outlook, Pace, Progress, ProgressForm};
use crate::decide::record;
use crate::log_style::LogStyle;
use crate::os::{clock, terminal};
use crate::say;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Looks at the log once in a while, and tells.
pub(super) struct Reporter {
    pace: Pace,
    style: LogStyle,
    /// Whether a line stays until the next one.
    stays: bool,
    todo: Todo,
    seconds: BTreeMap<String, f64>,
    began: Instant,
    /// When it last looked, in seconds since it began.
    looked_at: u64,
    manifest: Option<Arc<String>>,
    outlook: Option<Outlook>,
}

impl Reporter {
    /// For a dbt that is about to build; `None` where nobody wants to know, or nobody can.
    pub(super) fn of(opened: &Opened<'_>, notes: &Intent) -> Option<Self> {
        let config = &opened.session.config;
        if notes.journal.is_none() || config.log_level < log::LevelFilter::Info {
            return None;
        }
        let (pace, stays) = pace(config, &opened.session.engine)?;
        Some(Self {
            pace,
            style: config.log,
            stays,
            todo: notes.todo.clone(),
            seconds: record::seconds(&opened.baseline.nodes),
            began: Instant::now(),
            looked_at: 0,
            manifest: None,
            outlook: None,
        })
    }

    /// The manifest that dbt builds by.
    pub(super) fn knows(&mut self, manifest: Arc<String>) {
        (self.manifest, self.outlook) = (Some(manifest), None);
    }

    /// Tell what the log says, if it is time.
    pub(super) fn look(&mut self, log: &RunLog) {
        let now = self.began.elapsed().as_secs();
        if now == self.looked_at || !self.pace.may_say(now) {
            return;
        }
        self.looked_at = now;
        let progress = Progress::of(self.outlook(), log, clock::precisely_now());
        if self.pace.says(now, &progress) {
            self.say(&progress);
        }
    }

    fn outlook(&mut self) -> &Outlook {
        let (manifest, todo, seconds) = (self.manifest.take(), &self.todo, &self.seconds);
        self.outlook.get_or_insert_with(|| {
            let graph = manifest.and_then(|text| Some(Manifest::read(&text).ok()?.graph()));
            Outlook::of(graph, todo, seconds.clone())
        })
    }

    fn say(&self, progress: &Progress) {
        match (self.stays, terminal::width_of_stderr()) {
            (false, _) => say::progress(self.style, progress),
            (true, Some(width)) if terminal::is_in_front() => say::progress_stays(progress, width),
            // Whoever is in front has the terminal.
            (true, _) => {}
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if self.stays && terminal::is_in_front() {
            say::progress_ends();
        }
    }
}

/// How often to tell, and whether in a line that stays; `None` for never. What dbt prints must never
/// come into the middle of such a line, so nothing of it may come onto the same terminal. And where
/// dbt replaces lines of its own there, it shows itself how far it has come.
fn pace(config: &Config, engine: &Engine) -> Option<(Pace, bool)> {
    let is_terminal = terminal::width_of_stderr().is_some();
    match config.progress {
        ProgressForm::Off => None,
        ProgressForm::Auto if is_terminal => {
            if terminal::width_of_stdout().is_some() && engine.redraws() {
                return None;
            }
            let stays = config.log == LogStyle::Human
                && terminal::is_stdout_out_of_sight()
                && terminal::erases(&config.environment);
            Some((if stays { Pace::STAYING } else { Pace::TERMINAL }, stays))
        }
        ProgressForm::Auto | ProgressForm::Plain => Some((Pace::LOG, false)),
    }
}
