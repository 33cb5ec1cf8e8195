//! Finds dbt's files the way dbt does, and reads them: the project, its packages' vars, the
//! profile, the `.env`, and the seeds that dbt itself does not hash.
//!
//! The rules are those of dbt 1.8 to 1.12 (`dbt.cli.resolvers`, `dbt.config`): paths on the
//! command line are relative to the working directory, paths in the project to the project.

mod paths;

use crate::dbt::engine::Engine;
use crate::dbt::jinja::Renderer;
use crate::dbt::json;
use crate::dbt::profile::Identity;
use crate::dbt::profile::{self, ProfileOverrides};
use crate::dbt::project as files;
use crate::dbt::reads::Vars;
use crate::digest::{self, hex};
use crate::environment::Environment;
use crate::os::home::home;
use crate::os::paths::resolved;
use crate::trees::IntoTree;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What the command line, or a variable in its place, says. Each wins over the files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// `--project-dir`, `DBT_PROJECT_DIR`.
    pub project_dir: Option<&'a OsStr>,
    /// `--profiles-dir`, `DBT_PROFILES_DIR`.
    pub profiles_dir: Option<&'a OsStr>,
    /// `--profile`, `DBT_PROFILE`.
    pub profile: Option<&'a OsStr>,
    /// `--target`, `DBT_TARGET`.
    pub target: Option<&'a OsStr>,
    /// `--target-path`, `DBT_TARGET_PATH`.
    pub target_path: Option<&'a OsStr>,
    /// `--log-path`, `DBT_LOG_PATH`.
    pub log_path: Option<&'a OsStr>,
    /// `--vars`; dbt has no variable for it.
    pub vars: Option<&'a OsStr>,
}

/// A dbt project on disk. All paths are absolute.
#[derive(Debug)]
pub struct Project {
    /// The directory of `dbt_project.yml`.
    pub root: PathBuf,
    /// Where dbt writes `manifest.json` and `run_results.json`.
    pub target_path: PathBuf,
    /// Where dbt writes `dbt.log`.
    pub log_path: PathBuf,
    /// The directory in which dbt looks for `profiles.yml`.
    pub profiles_dir: PathBuf,
    /// `dbt_project.yml`, as written.
    pub project: files::ProjectFile,
    /// Where the relations are.
    pub identity: Identity,
    /// The fields of dbt's `target`, as far as they are known.
    pub target: BTreeMap<String, String>,
    /// `threads` of the target.
    pub threads: Option<usize>,
    /// The installed packages, by name.
    packages: BTreeMap<String, Package>,
    /// The texts of the files that were read to find all this, by path.
    texts: BTreeMap<PathBuf, String>,
    cli_vars: Map<String, Value>,
    /// How they are spelled.
    cli_spelled: Map<String, Value>,
    renderer: Renderer,
}

/// An installed package.
#[derive(Debug)]
struct Package {
    directory: PathBuf,
    /// Its `dbt_project.yml`, as written.
    project: files::ProjectFile,
}

/// Why there is no project to work with.
#[derive(Debug)]
pub enum Trouble {
    /// No `dbt_project.yml` here (or above, where no directory was asked for). dbt says so
    /// itself, with exit code 2, for every command that needs one.
    Missing(PathBuf),
    /// Something in it cannot be read.
    Malformed(anyhow::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(directory) => write!(
                f,
                "no dbt_project.yml in {}; mount the project there, or name its directory with --project-dir or DBT_PROJECT_DIR",
                directory.display()
            ),
            Self::Malformed(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Malformed(error)
    }
}

/// Find and read the project from the working directory.
///
/// `environment` is the one dbt will see; since dbt 1.12 that includes its `.env`
/// ([`find_dotenv`], [`crate::dbt::reads::dotenv::effective_environment`]).
///
/// # Errors
/// See [`Trouble`].
pub fn locate(asked: &Asked<'_>, environment: &Environment) -> Result<Project, Trouble> {
    let here = std::env::current_dir().context("finding the working directory")?;
    locate_from(&here, asked, environment)
}

/// [`locate`] from another working directory, which is absolute.
///
/// # Errors
/// See [`Trouble`].
pub fn locate_from(
    here: &Path,
    asked: &Asked<'_>,
    environment: &Environment,
) -> Result<Project, Trouble> {
    let root = project_dir(here, asked.project_dir)?;
    let mut texts = BTreeMap::new();
    let project = read_project(&root, &mut texts)?;
    let cli_text = asked.vars.map(OsStr::to_string_lossy).unwrap_or_default();
    let cli_vars = files::cli_vars(&cli_text)?;
    let profiles_dir = profiles_dir(here, asked.profiles_dir, environment);
    let profiles = fs::read_to_string(profiles_dir.join("profiles.yml")).ok();
    texts.extend(profiles.clone().map(|text| (profiles_dir.join("profiles.yml"), text)));
    let selectors = read_if_there(&root.join(SELECTORS))?;
    texts.extend(selectors.map(|text| (root.join(SELECTORS), text)));
    let (identity, target) = {
        let renderer = Renderer::new(environment, &cli_vars, None);
        let choice = ProfileOverrides {
            profile: asked.profile.and_then(OsStr::to_str),
            target: asked.target.and_then(OsStr::to_str),
        };
        let profiles = profiles.as_deref();
        let identity = profile::identity(profiles, &project, choice, &renderer, here, &resolved);
        let target = profile::target_fields(profiles, &project, choice, &identity, &renderer);
        (identity, target)
    };
    let renderer = Renderer::new(environment, &cli_vars, Some(&target_of(&identity)));
    Ok(Project {
        target_path: target_path(&root, asked.target_path, &project, &renderer)?,
        log_path: log_path(here, &root, asked.log_path, &project),
        packages: packages(&root, &project, &renderer, &mut texts),
        texts,
        root,
        profiles_dir,
        project,
        identity,
        target: target.fields,
        threads: target.threads,
        cli_vars,
        cli_spelled: files::spelled_cli_vars(&cli_text)?,
        renderer,
    })
}

/// The directory asked for; else the first of the working directory and those above it that
/// has a `dbt_project.yml`.
fn project_dir(here: &Path, asked: Option<&OsStr>) -> Result<PathBuf, Trouble> {
    let has_project = |directory: &&Path| directory.join(FILE).is_file();
    let found = match asked {
        Some(directory) => Some(here.join(directory)).filter(|path| has_project(&path.as_path())),
        None => here.ancestors().find(has_project).map(Path::to_path_buf),
    };
    let missing =
        || Trouble::Missing(asked.map_or_else(|| here.to_path_buf(), |dir| here.join(dir)));
    found.ok_or_else(missing)
}

const FILE: &str = "dbt_project.yml";
const SELECTORS: &str = "selectors.yml";

/// The directory asked for; else the working directory if it has a `profiles.yml`; else
/// `~/.dbt`.
fn profiles_dir(here: &Path, asked: Option<&OsStr>, environment: &Environment) -> PathBuf {
    match asked {
        Some(directory) => here.join(directory),
        None if here.join("profiles.yml").exists() => here.to_path_buf(),
        None => here.join(home(environment)).join(".dbt"),
    }
}

fn read_project(root: &Path, texts: &mut BTreeMap<PathBuf, String>) -> Result<files::ProjectFile> {
    let path = root.join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let project = files::ProjectFile::parse(&text);
    let project = project.with_context(|| format!("reading {}", path.display()))?;
    texts.insert(path, text);
    Ok(project)
}

/// What of dbt's `target` we can say in `dbt_project.yml` and `selectors.yml`.
fn target_of(identity: &Identity) -> Map<String, Value> {
    let fields = [
        ("name", identity.target.as_ref()),
        ("target_name", identity.target.as_ref()),
        ("type", identity.adapter.as_ref()),
        ("schema", identity.location.get("schema")),
        ("database", identity.location.get("database")),
    ];
    fields
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.clone().into())))
        .into_tree()
}

fn target_path(
    root: &Path,
    asked: Option<&OsStr>,
    project: &files::ProjectFile,
    renderer: &Renderer,
) -> Result<PathBuf> {
    if let Some(asked) = asked.filter(|path| !path.is_empty()) {
        return Ok(root.join(asked));
    }
    let written = project.target_path.as_deref().unwrap_or("target");
    let rendered = renderer.render(written).with_context(|| {
        format!(
            "rendering target-path in {}; --target-path or DBT_TARGET_PATH says it plainly",
            root.join(FILE).display()
        )
    })?;
    Ok(root.join(rendered))
}

/// Unlike all else on the command line dbt does not tie `--log-path` to the project, and it
/// does not render `log-path:`.
fn log_path(
    here: &Path,
    root: &Path,
    asked: Option<&OsStr>,
    project: &files::ProjectFile,
) -> PathBuf {
    let written = project.log_path.as_deref().unwrap_or("logs");
    asked.filter(|path| !path.is_empty()).map_or_else(|| root.join(written), |path| here.join(path))
}

/// The packages that `dbt deps` installed. One that cannot be read is left out: dbt will say
/// so, and its nodes are not in a manifest then.
fn packages(
    root: &Path,
    project: &files::ProjectFile,
    renderer: &Renderer,
    texts: &mut BTreeMap<PathBuf, String>,
) -> BTreeMap<String, Package> {
    let written = project.packages_install_path.as_deref().unwrap_or("dbt_packages");
    let Ok(directory) = renderer.render(written) else { return BTreeMap::new() };
    let Ok(entries) = fs::read_dir(root.join(directory)) else { return BTreeMap::new() };
    let package = |directory: PathBuf| {
        let project = read_project(&directory, texts).ok()?;
        Some((project.name.clone()?, Package { directory, project }))
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter_map(package).into_tree()
}

impl Project {
    /// The values of `var()` as this dbt sees them.
    ///
    /// # Errors
    /// A `vars.yml` that cannot be read.
    pub fn vars(&self, engine: &Engine) -> Result<Vars> {
        let root = self.project.name.clone().unwrap_or_default();
        let packages = self.packages.iter();
        let packages = packages.map(|(name, found)| (name, &found.directory, &found.project));
        let (mut values, mut spellings) = (BTreeMap::new(), BTreeMap::new());
        for (name, directory, project) in packages.chain([(&root, &self.root, &self.project)]) {
            let (own, spelled) = self.vars_of(directory, project, engine)?;
            values.insert(name.clone(), own);
            spellings.insert(name.clone(), spelled);
        }
        let spelled = Vars::new(self.cli_spelled.clone(), &root, spellings);
        Ok(Vars::new(self.cli_vars.clone(), &root, values).spelled(spelled))
    }

    /// The vars of a project or package, and how they are spelled.
    fn vars_of(
        &self,
        directory: &Path,
        project: &files::ProjectFile,
        engine: &Engine,
    ) -> Result<(Map<String, Value>, Map<String, Value>)> {
        let path = directory.join("vars.yml");
        let file = if engine.reads_dotenv() { read_if_there(&path)? } else { None };
        if let Some(text) = file {
            let own = project.clone().with_vars_file(&text);
            let own = own.with_context(|| format!("reading {}", path.display()))?.vars;
            if own != project.vars {
                return Ok((own, files::spelled_vars(&text)?));
            }
        }
        let text = self.text_of(&directory.join(FILE)).unwrap_or_default();
        Ok((project.vars.clone(), files::spelled_vars(text)?))
    }

    /// What `flags:` of the project says of a switch, or else `config:` of `profiles.yml`.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        let profiles = self.texts.get(&self.profiles_dir.join("profiles.yml"));
        self.project.flag(name).or_else(|| profile::flag(profiles?, name))
    }

    /// The name of the selector with `default: true` in `selectors.yml`.
    ///
    /// # Errors
    /// The file is not what it should be; dbt refuses it too.
    pub fn default_selector(&self) -> Result<Option<String>> {
        let path = self.root.join(SELECTORS);
        let Some(text) = self.texts.get(&path) else { return Ok(None) };
        files::default_selector(text, |value| self.renderer.render(value).ok())
            .with_context(|| format!("reading {}", path.display()))
    }

    /// The text of a file that was read to find the project, so that nobody reads it again.
    pub(crate) fn text_of(&self, path: &Path) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// The directory of the project or package of this name.
    #[must_use]
    pub fn directory_of(&self, package: &str) -> Option<&Path> {
        if self.project.name.as_deref() == Some(package) {
            return Some(&self.root);
        }
        self.packages.get(package).map(|package| package.directory.as_path())
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// The `.env` that dbt 1.12 reads: of `here` or the nearest directory above that has one.
///
/// # Errors
/// It is there and cannot be read.
pub fn find_dotenv(here: &Path) -> Result<Option<(PathBuf, String)>> {
    let found =
        here.ancestors().map(|directory| directory.join(".env")).find(|path| path.is_file());
    let Some(path) = found else { return Ok(None) };
    let text = read_if_there(&path)?;
    Ok(text.map(|text| (path, text)))
}

/// The text of the `run_results.json` in a directory.
#[must_use]
pub fn run_results(directory: &Path) -> Option<String> {
    fs::read_to_string(directory.join("run_results.json")).ok().map(json::standard)
}

/// `~/.dbt/user_settings.yml`, of which dbt 1.12 reads the `flags:` for what nothing else says.
/// Like dbt, passes over a file that is no YAML.
#[must_use]
pub fn user_settings(environment: &Environment) -> Option<files::ProjectFile> {
    let text = fs::read_to_string(home(environment).join(".dbt/user_settings.yml")).ok()?;
    files::ProjectFile::parse(&text).ok()
}

/// The digest of a seed's file. dbt does not look into one above 1 MiB (all versions, unless
/// 1.12's `maximum_seed_size_mib` says otherwise), so that its content needs one of ours.
///
/// # Errors
/// The file cannot be read.
pub fn seed_digest(path: &Path) -> Result<String> {
    let sum = File::open(path).and_then(|mut file| digest::of_reader(&mut file));
    Ok(hex(&sum.with_context(|| format!("reading {}", path.display()))?))
}

#[cfg(test)]
mod tests;
