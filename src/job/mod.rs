//! One dbt command that builds, over the state volume.
//!
//! [`Job::open`] finds the project, admits the volume and takes the lock; from then on
//! nobody else changes what is looked at. Each pass runs dbt once and commits what it built.

pub(crate) mod admit;
mod adopt;
mod artifacts;
mod baseline;
mod compare;
mod comparison;
mod foresee;
mod one;
mod outside;
mod pass;
mod probe;
pub(crate) mod publish;
mod recover;
mod refresh;
mod skip;
mod writable;

use crate::cli::Config;
use crate::dbt::command::{CHANGED, Command, Flag, Opt, Selection};
use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::decide::needs::Scope;
use crate::decide::plan::Mode;
use crate::decide::plan::{self, Approach, Found, Start};
use crate::decide::record;
use crate::decide::skip::Looked;
use crate::decide::summary::Summary;
use crate::exit::{self, Failure};
use crate::graph::RESOURCE_TYPES;
use crate::os::inputs::Contents;
use crate::os::installation::Installation;
use crate::os::lock::Lock;
use crate::os::private::Private;
use crate::os::project::{self, Asked, Project};
use crate::os::supervise::Supervisor;
use crate::os::{announce, clock, gate};
use crate::report;
use crate::trees::IntoTree;
use admit::Held;
use baseline::Baseline;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub(crate) use writable::with_writable_paths;

/// A dbt command, the volume that it may change, and what is on it.
pub struct Job<'a> {
    config: &'a Config,
    command: &'a Command,
    dbt: &'a Installation,
    supervisor: &'a mut Supervisor,
    project: Arc<Project>,
    /// Absolute.
    state: PathBuf,
    baseline: Baseline,
    found: Found,
    /// What dbt would read, as it was before anything was started.
    contents: Option<anyhow::Result<Contents>>,
    /// Digests of that; none where it cannot be told, or did not stay so.
    looked: Option<Looked>,
    /// It was still so when dbt had read it.
    confirmed: bool,
    /// Whether dbt could not find anything to build.
    spared: bool,
    summary: &'a mut Summary,
    /// The manifest of the last parse, if nothing was built since.
    parsed: Option<String>,
    access: Access,
}

/// What the job may do to the volume.
enum Access {
    /// Anything: nobody else does. Until the job is dropped; the kernel frees the lock if we
    /// are killed.
    Held(#[expect(dead_code, reason = "held, not read")] Lock),
    /// Nothing: what would be written there stays in memory, or goes here.
    Looking(Private),
}

impl<'a> Job<'a> {
    /// Find the project, admit the volume, take the lock, look.
    ///
    /// # Errors
    /// 78 where there is no project or no volume that lasts, 73 where it cannot be written,
    /// 75 where another holder did not let go, 128+n where a signal ended the wait.
    pub fn open(
        config: &'a Config,
        command: &'a Command,
        dbt: &'a Installation,
        supervisor: &'a mut Supervisor,
        summary: &'a mut Summary,
    ) -> Result<Self, Failure> {
        let project = Arc::new(locate(config, command)?);
        gate::clear(&project.target_path);
        let what = format!("dbt {}", command.subcommand().unwrap_or_default());
        let Held { state, lock } = admit::hold(config, &what, supervisor)?;
        let (stored, contents) = skip::look_at_both(config, command, dbt, &project, &state);
        let stored = stored.map_err(Failure::refused)?;
        let baseline = Baseline::of(stored.manifest, stored.digest, stored.record)?;
        Ok(Self {
            config,
            command,
            dbt,
            supervisor,
            project,
            state,
            baseline,
            found: stored.found,
            contents: Some(contents),
            looked: None,
            confirmed: false,
            spared: false,
            summary,
            parsed: None,
            access: Access::Held(lock),
        })
    }

    /// What the volume lets us start from, and how dbt is then to be started.
    ///
    /// # Errors
    /// 78 with the reason and the remedies, where that is the operator's decision.
    pub fn plan(&mut self) -> Result<Approach, Failure> {
        let identity = &self.project.identity;
        // A part of the project cannot take the place of a baseline that is damaged or foreign.
        let mode = match self.command.selection() {
            Selection::None => self.config.mode,
            Selection::Terms(_) | Selection::Selector(_) | Selection::State => Mode::Auto,
        };
        let mut start = plan::start(&self.found(), identity, mode, self.config.on_empty);
        if self.recover(&start)? {
            start = Start::Baseline;
        }
        match &start {
            Start::Refuse(refusal) => return Err(Failure::refused(anyhow::anyhow!("{refusal}"))),
            Start::Afresh => self.baseline = Baseline::none()?,
            Start::Adopt => self.adopt()?,
            Start::FirstPopulation | Start::Baseline => {}
        }
        let config = self.config;
        let (duty, selection) = (self.command.duty(), self.command.selection());
        let approach = plan::approach(&start, config.mode, config.only_changed, duty, selection);
        if self.is_held() {
            self.probe(&approach)?;
            self.spared = self.look_at_inputs(&approach);
            if !self.spared {
                self.read_baseline()?;
                report::start(&start, &approach, &self.state);
            }
        }
        self.summary.mode = plan::mode(&start, &approach).to_owned();
        self.summary.pending = record::pending(&self.baseline.nodes);
        self.summary.altered = record::altered(&self.baseline.nodes);
        Ok(approach)
    }

    /// What [`Job::plan`] says, where it is within the budget. What changed is held against that
    /// once it has been compared.
    ///
    /// # Errors
    /// As [`Job::plan`] and [`Job::within_budget`].
    pub fn admitted(&mut self) -> Result<Approach, Failure> {
        let approach = self.plan()?;
        match approach {
            Approach::AsGiven | Approach::Everything => self.within_budget(&approach)?,
            Approach::Changed | Approach::Narrowed => {}
        }
        Ok(approach)
    }

    /// Keep on the volume that and why nothing was run, for `status`: not on one that is another
    /// project's or warehouse's, or of a later version.
    #[must_use]
    pub fn turned_down(self, refusal: Failure) -> Failure {
        let ours = match self.found() {
            Found::Newer(_) => false,
            Found::Baseline(Some(there)) => plan::foreign(&there, &self.project.identity).is_none(),
            Found::Empty | Found::Damaged(_) | Found::Baseline(None) => true,
        };
        if ours {
            self.summary.end(clock::now(), refusal.code(), Some(refusal.to_string()));
            announce::on_the_volume(&self.state, self.summary);
        }
        refusal
    }

    /// The engine, as it is asked to parse.
    fn engine(&self) -> Engine {
        let engine = self.dbt.engine().clone();
        let asked = self.command.flag(Flag::UseV2Parser).or(self.project.project.use_v2_parser);
        let asked = asked.or_else(|| project::user_wants_v2_parser(&self.config.environment));
        let asked = engine.reads_dotenv() && asked == Some(true);
        engine.with_v2_parser(asked)
    }

    /// The same, now that it has written this manifest.
    fn engine_of(&self, parsed: &Manifest<'_>) -> Engine {
        self.dbt.engine().refined(parsed.dbt_version())
    }

    fn is_held(&self) -> bool {
        matches!(self.access, Access::Held(_))
    }

    /// Where dbt's logs and our own notes of this run go.
    fn scratch(&self) -> PathBuf {
        match &self.access {
            Access::Held(_) => recover::scratch(&self.state),
            Access::Looking(private) => private.path().to_owned(),
        }
    }

    /// Publish what has changed, and keep the summary of the run on the volume, before anybody else may change it.
    ///
    /// # Errors
    /// None of its own: those of the run.
    pub fn conclude(mut self, ended: Result<u8, Failure>) -> Result<u8, Failure> {
        self.publish();
        let (exit, why) = exit::code_and_reason(&ended);
        self.summary.end(clock::now(), exit, why);
        announce::on_the_volume(&self.state, self.summary);
        ended
    }

    /// Run dbt as the user typed it, and record what it built.
    ///
    /// # Errors
    /// As [`Job::build_changed`].
    pub fn build_as_given(&mut self) -> Result<u8, Failure> {
        self.pass(self.command.recorded(), &Scope::Changes, self.refreshes())
    }

    /// As [`Job::build_as_given`]; every node that the command builds counts as unbuilt
    /// until it has been built, so that a full run that is cut short can be resumed.
    ///
    /// # Errors
    /// As [`Job::build_changed`].
    pub fn build_everything(&mut self) -> Result<u8, Failure> {
        // Whoever leaves out a part of a full run leaves that part as it was built.
        let part = self.command.excludes() && self.baseline.manifest.is_some();
        let types = RESOURCE_TYPES.into_iter().filter(|kind| self.command.builds(kind));
        let everything = Scope::Everything(types.map(str::to_owned).into_tree());
        let scope = if part { &Scope::Changes } else { &everything };
        if self.baseline.manifest.is_some() && !self.config.refresh_changed.is_empty() {
            report::refreshes_nothing();
        }
        self.pass(self.command.recorded(), scope, self.refreshes())
    }

    /// Parse, compare, and build what changed with whatever is downstream of it; within the
    /// user's own selection, where that is to be narrowed.
    ///
    /// # Errors
    /// 73 or 74 where the volume gives out, 126 or 127 where dbt cannot be started, 77 where more
    /// would be built than is allowed, 78 where a selection cannot be narrowed; dbt's own failure is a code, not an error.
    pub fn build_changed(&mut self, approach: &Approach) -> Result<u8, Failure> {
        if self.spared {
            return Ok(self.spare());
        }
        if let Some(code) = self.build_in_one(approach)? {
            return Ok(code);
        }
        self.within_budget(approach)?;
        let parsed = match self.parse()? {
            Ok(parsed) => parsed,
            Err(code) => return Ok(code),
        };
        let mut now = self.compared_or_refused(&parsed)?;
        let mut wanted = self.wanted(&now);
        if let Some(code) = self.refresh_first(&now, &wanted, approach)? {
            if code != 0 {
                return Ok(code);
            }
            now = self.compared_or_refused(&parsed)?;
            wanted = self.wanted(&now);
        }
        let words = match approach {
            _ if wanted.is_empty() && !self.config.always_start => Words::Nothing,
            Approach::Narrowed => self.narrowing(&now.manifest, &wanted)?,
            Approach::Changed | Approach::AsGiven | Approach::Everything => {
                self.selecting(&now, &wanted)?
            }
        };
        match words {
            Words::Run(words) => self.pass(words, &Scope::Changes, self.refreshes()),
            Words::Nothing => self.carry_over(&now).map(|()| 0),
            Words::Failed(code) => Ok(code),
        }
    }

    fn narrowing(
        &self,
        parsed: &Manifest<'_>,
        wanted: &BTreeSet<String>,
    ) -> Result<Words, Failure> {
        let state = self.comparison_copy(parsed, wanted)?;
        let words = self.narrowed(self.engine_of(parsed).selector_method(), CHANGED, &state);
        words.map(Words::Run).ok_or_else(|| {
            Failure::refused(anyhow::anyhow!(
                "--only-changed cannot narrow --selector with dbt {}: its command line cannot intersect one\n  \
                 what to do:\n    give the selection with --select, or use dbt 1.12 or later",
                parsed.dbt_version()
            ))
        })
    }

    /// The user's own selection, intersected with `to`; `None` for a `--selector` where dbt does
    /// not know the method `selector:`.
    fn narrowed(&self, knows: bool, to: &str, state: &Path) -> Option<Vec<OsString>> {
        match self.command.selection() {
            Selection::Selector(name) if knows => self.command.narrowed_selector(name, to, state),
            Selection::Selector(_) => None,
            Selection::None | Selection::Terms(_) | Selection::State => {
                self.command.narrowed(to, state)
            }
        }
    }
}

/// dbt's command line for a selection.
enum Words {
    Run(Vec<OsString>),
    /// The selection is empty, which no command line can say.
    Nothing,
    /// dbt could not tell, and ended with this code.
    Failed(u8),
}

/// For a dbt that runs without us: it would wait for ever where a run that was killed left its
/// gate, and fail in silence where it cannot write.
pub(crate) fn clear_the_way(config: &Config, command: &Command) {
    if let Ok(project) = locate(config, command) {
        gate::clear(&project.target_path);
        writable::warn_unwritable(&project);
    }
}

fn locate(config: &Config, command: &Command) -> Result<Project, Failure> {
    let value = |option| command.value(option);
    let asked = Asked {
        project_dir: value(Opt::ProjectDir),
        profiles_dir: value(Opt::ProfilesDir),
        profile: value(Opt::Profile),
        target: value(Opt::Target),
        target_path: value(Opt::TargetPath),
        log_path: value(Opt::LogPath),
        vars: value(Opt::Vars),
    };
    project::locate(&asked, &config.environment)
        .map_err(|trouble| Failure::refused(trouble.to_string()))
}
