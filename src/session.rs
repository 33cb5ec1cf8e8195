//! What is known before the state is opened: the command, the project, the dbt that runs it.
//!
//! Nothing here changes while a command runs, and no file behind it is read a second time.

use crate::cli::Config;
use crate::dbt::command::{
    Command, Duty, Flag, Opt, Retried, STATE_VARIABLES, Selection, without_caches,
};
use crate::dbt::engine::Engine;
use crate::dbt::reads::dotenv::effective_environment;
use crate::decide::start::Mode;
use crate::environment::Environment;
use crate::exit::{Failure, Refusal};
use crate::os::installation::Installation;
use crate::os::project::{self, Project};
use crate::os::{access, private};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A dbt command line and the dbt that will run it.
#[derive(Debug)]
pub(crate) struct DbtCommand<'c> {
    /// Our own options.
    pub config: &'c Config,
    /// dbt's.
    pub command: Command,
    /// The dbt that will run it.
    pub installation: Installation,
    /// The environment with the `.env` that this dbt adds to it.
    pub environment: Environment,
}

impl<'c> DbtCommand<'c> {
    /// Find dbt and read its command line.
    ///
    /// # Errors
    /// 127 where there is no dbt, 126 where it cannot be executed.
    pub(crate) fn new(config: &'c Config, words: &[OsString]) -> Result<Self, Failure> {
        Ok(Self::by(config, words, Installation::find(&config.dbt, &config.environment)?))
    }

    /// The same for a command that starts no dbt, and works without one.
    #[must_use]
    pub(crate) fn without_dbt(config: &'c Config, words: &[OsString]) -> Self {
        let found = Installation::find(&config.dbt, &config.environment);
        Self::by(config, words, found.unwrap_or_else(|_| Installation::none()))
    }

    fn by(config: &'c Config, words: &[OsString], installation: Installation) -> Self {
        let environment = as_dbt_sees_it(&config.environment, installation.engine());
        let command = Command::parse(words.to_vec(), &environment);
        let command = match run_to_retry(&command, config, &environment) {
            Some(retried) => command.retrying(retried),
            None => command,
        };
        Self { config, command, installation, environment }
    }

    /// Whether the state has no part in it: with `--no-state`, and for commands that build nothing.
    #[must_use]
    pub(crate) fn is_stateless(&self) -> bool {
        self.config.mode == Mode::Off || self.command.duty() == Duty::Bystander
    }
}

/// A command that builds, with the project that it builds.
#[derive(Debug)]
pub(crate) struct Session {
    /// Our own options.
    pub config: Config,
    /// dbt's command line.
    pub command: Command,
    /// The dbt that will run it.
    pub installation: Installation,
    /// What that dbt can do.
    pub engine: Engine,
    /// The project, its profile and its packages, as they were when we looked.
    pub project: Arc<Project>,
    /// The environment that dbt gets.
    pub environment: Environment,
    /// The switches of the user's that were turned off, because dbt 2 would then write no manifest
    /// of this run.
    pub turned_off: Vec<String>,
    /// What was asked.
    pub asked: CommandAsGiven,
}

/// What was asked, and where dbt would write. The session of a verb that only looks has dbt write
/// elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct CommandAsGiven {
    /// dbt's command line.
    pub command: Command,
    /// Where dbt would write its artifacts.
    pub target_path: PathBuf,
    /// Where dbt would write its log.
    pub log_path: PathBuf,
}

impl Session {
    /// Find the project of a command, and places that dbt can write to.
    ///
    /// # Errors
    /// 78 where there is no project, or one that cannot be read, or where something else than this
    /// program is to decide what dbt builds.
    pub(crate) fn new(invocation: DbtCommand<'_>) -> Result<Self, Failure> {
        Self::with(invocation, None)
    }

    /// The same with everything that dbt writes below a directory.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn aside(invocation: DbtCommand<'_>, directory: &Path) -> Result<Self, Failure> {
        Self::with(invocation, Some(directory))
    }

    fn with(invocation: DbtCommand<'_>, aside: Option<&Path>) -> Result<Self, Failure> {
        let DbtCommand { config, mut command, installation, environment: seen } = invocation;
        let mut project = locate(&command, &seen).map_err(Failure::refused)?;
        let mut environment = environment_for_dbt(&command, &config.environment, &seen);
        write_elsewhere(&command, &mut project, &mut environment);
        let asked = CommandAsGiven {
            command: command.clone(),
            target_path: project.target_path.clone(),
            log_path: project.log_path.clone(),
        };
        if let Some(directory) = aside {
            project.target_path = directory.join("target");
            project.log_path = directory.join("log");
            let options = [
                "--target-path".into(),
                project.target_path.clone().into_os_string(),
                "--log-path".into(),
                project.log_path.clone().into_os_string(),
            ];
            command = command.edited(command.with_options(&options));
        }
        let engine = engine(&installation, &command, &project, &config.environment);
        only_we_decide(&engine, &command, &project, &config.environment)?;
        let turned_off = if engine.keeps_caches() { command.caches() } else { Vec::new() };
        let command = match turned_off.is_empty() {
            true => command,
            false => {
                without_caches(&mut environment, &seen);
                command.without_caches()
            }
        };
        let (config, project) = (config.clone(), Arc::new(project));
        Ok(Self { config, command, installation, engine, project, environment, turned_off, asked })
    }

    /// The selector that dbt uses where the command line neither selects nor excludes.
    ///
    /// # Errors
    /// 78 where `selectors.yml` cannot be read.
    pub(crate) fn default_selector(&self) -> Result<Option<String>, Failure> {
        match self.command.excludes() || *self.command.selection() != Selection::None {
            true => Ok(None),
            false => self.project.default_selector().map_err(Failure::refused),
        }
    }

    /// How many threads dbt has for the nodes. Without a word on it, dbt v1 has one.
    pub(crate) fn threads(&self) -> usize {
        if self.command.flag(Flag::SingleThreaded) == Some(true) {
            return 1;
        }
        let asked = self.command.value(Opt::Threads).and_then(OsStr::to_str);
        let asked = asked.and_then(|number| number.trim().parse().ok());
        asked.or(self.project.threads).unwrap_or(1)
    }

    /// A baseline outlives the run, and so must the warehouse.
    ///
    /// # Errors
    /// 78 where the target is in memory.
    pub(crate) fn warehouse_lasts(&self) -> Result<(), Failure> {
        if !self.project.identity.is_in_memory {
            return Ok(());
        }
        Err(Failure::refused(
            Refusal::new("the target in profiles.yml is a database in memory (`:memory:`, or no `path`)")
                .meaning("what dbt builds there is gone when it ends, and the next run would take it for built; nothing was run")
                .remedy("give the target a `path` to a file on a volume")
                .remedy("dbt-entrypoint --no-state …     (run dbt alone: it builds everything that it selects)"),
        ))
    }

    /// dbt's artifacts go here; what was built cannot be recorded without them.
    ///
    /// # Errors
    /// 78 where dbt cannot write there.
    pub(crate) fn target_path(&self) -> Result<&Path, Failure> {
        let target = &self.project.target_path;
        if access::is_writable(target) {
            return Ok(target);
        }
        Err(Failure::refused(
            Refusal::new(format!("dbt cannot write its artifacts to {}", target.display()))
                .meaning("what it builds could not be recorded, so nothing was run")
                .remedy("docker run --tmpfs /tmp …     (or mount an emptyDir at /tmp: dbt writes there where the project is read-only)")
                .remedy("dbt-entrypoint … --target-path DIR     (or set DBT_TARGET_PATH)"),
        ))
    }
}

/// `DBT_STATE` names our volume. It would mislead `dbt retry`, dbt fails on a damaged file there
/// even when the selection does not use it, and its `DBT_ENGINE_` form wins over `--state`.
/// An empty variable counts as unset, and keeps dbt from taking the one that its `.env` has.
fn environment_for_dbt(command: &Command, given: &Environment, seen: &Environment) -> Environment {
    let mut environment = given.clone();
    if *command.selection() == Selection::State {
        return environment;
    }
    for name in STATE_VARIABLES.map(OsString::from) {
        environment.remove(&name);
        if seen.contains_key(&name) && !given.contains_key(&name) {
            environment.insert(name, OsString::new());
        }
    }
    environment
}

/// The arguments of the run that `dbt retry` retries. Where there is none, dbt says so.
fn run_to_retry(command: &Command, config: &Config, environment: &Environment) -> Option<Retried> {
    if command.subcommand() != Some("retry") {
        return None;
    }
    let mut project = locate(command, environment).ok()?;
    write_elsewhere(command, &mut project, &mut config.environment.clone());
    let directory = match command.value(Opt::State) {
        Some(state) => project.root.join(state),
        None => project.target_path,
    };
    Retried::read(&project::run_results(&directory)?)
}

/// dbt 1.12 and later add the variables of a `.env` before they read anything else. One that cannot
/// be read is reported where its values are compared.
fn as_dbt_sees_it(environment: &Environment, engine: &Engine) -> Environment {
    let found = match engine.reads_dotenv() {
        true => std::env::current_dir().ok().and_then(|here| project::find_dotenv(&here).ok()),
        false => None,
    };
    let text = found.flatten().map(|(_, text)| text);
    effective_environment(environment, text.as_deref())
}

/// The dbt that is installed, as it is asked to parse: dbt 1.12 and later can have dbt v2 parse for
/// them, by an option, its variable, `flags:` in the project, or the user's settings.
fn engine(
    installation: &Installation,
    command: &Command,
    project: &Project,
    environment: &Environment,
) -> Engine {
    let engine = installation.engine().clone();
    let asked = command.flag(Flag::UseV2Parser).or_else(|| project.flag("use_v2_parser"));
    let asked = asked.or_else(|| project::user_settings(environment)?.flag("use_v2_parser"));
    let asked = engine.reads_dotenv() && asked == Some(true);
    engine.with_v2_parser(asked)
}

/// dbt has two ways of its own to leave out what did not change. What the one or the other leaves
/// out would never be in the baseline, and what it calls built may not be.
fn only_we_decide(
    engine: &Engine,
    command: &Command,
    project: &Project,
    environment: &Environment,
) -> Result<(), Failure> {
    let is_managed = || {
        let asked = command.flag(Flag::ManageState).or_else(|| project.flag("manage_state"));
        asked.or_else(|| project::user_settings(environment)?.flag("manage_state")) == Some(true)
    };
    let found = if engine.keeps_caches() && command.flag(Flag::Dirty) == Some(true) {
        "--dirty (or DBT_DIRTY) has dbt choose the nodes by what changed since its last parse"
    } else if engine.can_manage_state() && is_managed() {
        "--manage-state (or its variable or flag) has dbt State choose the nodes that dbt builds"
    } else {
        return Ok(());
    };
    Err(Failure::refused(
        Refusal::new(found)
            .meaning("that and the baseline would contradict each other, so nothing was run")
            .remedy("leave it out, or switch it off: dbt-entrypoint builds only what changed without it")
            .remedy("dbt-entrypoint --no-state …     (run dbt alone, without the baseline)"),
    ))
}

/// A dbt that cannot write its log or its artifacts ends with code 2 and says nothing (dbt-core 1.8
/// to 1.12), and in a container with a read-only root file system it cannot. So where nobody named
/// a path and the project's own cannot be written, dbt gets one in the temporary directory
/// (`TMPDIR`, else `/tmp`).
pub(crate) fn write_elsewhere(
    command: &Command,
    project: &mut Project,
    environment: &mut Environment,
) {
    let written = &project.project;
    let target = written.target_path.is_some() || command.value(Opt::TargetPath).is_some();
    let log = written.log_path.is_some() || command.value(Opt::LogPath).is_some();
    let base = private::temp_dir(environment).join("dbt");
    let paths = [
        (target, &mut project.target_path, "DBT_TARGET_PATH", "target"),
        (log, &mut project.log_path, "DBT_LOG_PATH", "logs"),
    ];
    for (_, path, variable, name) in paths.into_iter().filter(|(is_named, ..)| !is_named) {
        let elsewhere = base.join(name);
        if !access::is_writable(path) && access::is_writable(&elsewhere) {
            log::debug!("dbt writes to {}, not {}", elsewhere.display(), path.display());
            environment.insert(variable.into(), elsewhere.clone().into());
            *path = elsewhere;
        }
    }
}

/// The project of a command.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn locate(command: &Command, environment: &Environment) -> Result<Project, Refusal> {
    let value = |option| command.value(option);
    let asked = project::Asked {
        project_dir: value(Opt::ProjectDir),
        profiles_dir: value(Opt::ProfilesDir),
        profile: value(Opt::Profile),
        target: value(Opt::Target),
        target_path: value(Opt::TargetPath),
        log_path: value(Opt::LogPath),
        vars: value(Opt::Vars),
    };
    project::locate(&asked, environment).map_err(|trouble| Refusal::new(trouble.to_string()))
}
