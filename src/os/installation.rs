//! The installation that a dbt program belongs to: looked at once, and nothing is started.
//!
//! The script that pip, pipx or uv installs names its Python in the first line; the packages of
//! that Python say by the names of their `*.dist-info` which version of dbt it is. The same look
//! serves the [`Engine`] and the inputs of an unchanged start.

use crate::dbt::engine::{Engine, Program, is_distribution_of_dbt};
use crate::environment::{Environment, value};
use crate::exit::Failure;
use crate::os::home::home;
use crate::os::program;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// So much of a program is read at first.
const HEAD: u64 = 4096;
/// A longer file is not taken for a script.
const LONGEST_SCRIPT: u64 = 1 << 16;

/// A dbt program with what was found of its installation.
#[derive(Debug, Clone)]
pub struct Installation {
    program: PathBuf,
    pub(super) form: Form,
    engine: Engine,
}

/// What kind of program it is.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Native,
    Python(Python),
    /// Why nothing can be said of its packages.
    Unknown(String),
}

/// A script and the Python that runs it.
#[derive(Debug, Clone)]
pub(super) struct Python {
    /// The text of the script.
    pub(super) script: Vec<u8>,
    /// `pyvenv.cfg`, and its text where it is there.
    pub(super) settings: (PathBuf, Option<Vec<u8>>),
    /// Every directory of packages that it may import from.
    pub(super) sites: Vec<Site>,
}

/// A `site-packages` or `dist-packages`.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) directory: PathBuf,
    /// What is in it, in order.
    pub(super) names: Vec<OsString>,
}

impl Installation {
    /// Find the dbt that is meant and look at it.
    ///
    /// # Errors
    /// As [`program::find_dbt`].
    pub fn find(dbt: &OsStr, environment: &Environment) -> Result<Self, Failure> {
        Ok(Self::look(program::find_dbt(dbt, environment)?, environment))
    }

    /// Look at the installation of a program that was found.
    #[must_use]
    pub fn look(program: PathBuf, environment: &Environment) -> Self {
        let form =
            form(&program, environment).unwrap_or_else(|why| Form::Unknown(format!("{why:#}")));
        let engine = engine(&program, &form);
        log::debug!("{} is {engine}", program.display());
        Self { program, form, engine }
    }

    /// For work that starts no dbt.
    #[must_use]
    pub fn none() -> Self {
        let form = Form::Unknown("there is no dbt".to_owned());
        Self { program: PathBuf::new(), form, engine: Engine::unknown() }
    }

    /// The program that is to be executed.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What is known of it before it has said anything itself.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

fn form(program: &Path, environment: &Environment) -> Result<Form> {
    let mut file = File::open(program)?;
    let mut text = Vec::new();
    (&mut file).take(HEAD).read_to_end(&mut text)?;
    if text.starts_with(b"\x7fELF") {
        return Ok(Form::Native);
    }
    file.take(LONGEST_SCRIPT).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST_SCRIPT || is_archive(&text) {
        bail!("{} is not a Python script and nothing else", program.display());
    }
    let python = interpreter(program, &text, environment)?;
    let settings = prefix(&python).unwrap_or_default().join("pyvenv.cfg");
    let settings = (settings.clone(), read_if_there(&settings)?);
    let sites = site_packages(&python, settings.1.as_deref(), environment)?;
    let sites = sites.into_iter().map(Site::list).collect::<Result<_>>()?;
    Ok(Form::Python(Python { script: text, settings, sites }))
}

/// A zip behind the first line, which brings packages of its own (zipapp, shiv, pex).
fn is_archive(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').nth(1).is_some_and(|line| line.starts_with(b"PK\x03\x04"))
}

fn engine(program: &Path, form: &Form) -> Engine {
    match form {
        Form::Native => {
            Engine::installed(Program::Native, native(program).iter().map(|name| &**name))
        }
        Form::Unknown(_) => Engine::unknown(),
        Form::Python(python) => {
            let own: Vec<(&Path, &str)> = python.sites.iter().flat_map(Site::of_dbt).collect();
            if own.iter().any(|(site, name)| is_editable(&site.join(name))) {
                return Engine::unknown();
            }
            Engine::installed(Program::Python, own.iter().map(|(_, name)| *name))
        }
    }
}

/// The distributions of dbt that installed a native program: one that was put there in another
/// way says nothing of its version.
fn native(program: &Path) -> Vec<String> {
    let Ok(program) = program.canonicalize() else { return Vec::new() };
    let sites = prefix(&program).map(|prefix| below(&prefix)).unwrap_or_default();
    let sites: Vec<Site> = sites.into_iter().filter_map(|site| Site::list(site).ok()).collect();
    let own = sites.iter().flat_map(Site::of_dbt);
    own.filter(|(site, name)| records(&site.join(name), &program))
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Whether a distribution installed this program: `RECORD` has a line
/// `../../../bin/dbt,sha256=…,145400392` with its size.
fn records(distribution: &Path, program: &Path) -> bool {
    let Ok(text) = fs::read_to_string(distribution.join("RECORD")) else { return false };
    let (Ok(metadata), Some(name)) = (program.metadata(), program.file_name()) else {
        return false;
    };
    let end = format!("/bin/{}", name.display());
    let size = metadata.len().to_string();
    let is_ours = |line: &str| {
        let mut fields = line.rsplitn(3, ',');
        fields.next() == Some(&size) && fields.nth(1).is_some_and(|path| path.ends_with(&end))
    };
    text.lines().any(is_ours)
}

/// Installed from sources that may have changed since (PEP 610).
fn is_editable(distribution: &Path) -> bool {
    let Ok(text) = fs::read_to_string(distribution.join("direct_url.json")) else { return false };
    let origin: Value = serde_json::from_str(&text).unwrap_or_default();
    origin.pointer("/dir_info/editable") == Some(&Value::Bool(true))
}

impl Site {
    fn list(directory: PathBuf) -> Result<Self> {
        let entries = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>();
        let mut names = names.with_context(|| directory.display().to_string())?;
        names.sort_unstable();
        Ok(Self { directory, names })
    }

    /// The distributions of dbt itself.
    fn of_dbt(&self) -> impl Iterator<Item = (&Path, &str)> {
        let names = self.names.iter().filter_map(|name| name.to_str());
        let own = names.filter(|name| is_distribution_of_dbt(name));
        own.map(|name| (self.directory.as_path(), name))
    }
}

/// The Python of a script's first lines, as pip, uv and setuptools write them.
fn interpreter(script: &Path, text: &[u8], environment: &Environment) -> Result<PathBuf> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().strip_prefix("#!").unwrap_or_default().trim();
    let mut words = first.split_whitespace();
    let named = match (words.next(), words.next()) {
        // pip's way around the limited length of a first line.
        (Some("/bin/sh"), None) => {
            let line = lines.next().and_then(|line| line.strip_prefix("'''exec' "));
            line.and_then(|line| line.trim_start_matches('"').split(['"', ' ']).next())
        }
        (Some("/usr/bin/env"), Some(name)) => Some(name),
        (path, _) => path,
    };
    let is_python =
        |path: &&str| path.rsplit('/').next().is_some_and(|name| name.starts_with("python"));
    let Some(named) = named.filter(is_python) else {
        bail!("{} is not a Python script", script.display());
    };
    program::find(OsStr::new(named), environment).map_err(|failure| anyhow!("{failure}"))
}

/// Every directory of packages that a Python may import from; `settings` is its `pyvenv.cfg`.
fn site_packages(
    python: &Path,
    settings: Option<&[u8]>,
    environment: &Environment,
) -> Result<Vec<PathBuf>> {
    let mut prefixes: Vec<PathBuf> = prefix(python).into_iter().collect();
    let isolated = settings.is_some_and(|text| {
        let text = String::from_utf8_lossy(text).to_lowercase().replace(' ', "");
        !text.contains("include-system-site-packages=true")
    });
    if !isolated {
        let real = python.canonicalize().with_context(|| python.display().to_string())?;
        prefixes.extend(prefix(&real));
        prefixes.push(home(environment).join(".local"));
    }
    let all = prefixes.iter().flat_map(|prefix| below(prefix)).chain(python_path(environment));
    let mut known = BTreeSet::new();
    Ok(all
        .filter(|path| path.metadata().is_ok_and(|at| known.insert((at.dev(), at.ino()))))
        .collect())
}

/// `/opt/venv` of `/opt/venv/bin/python`.
fn prefix(program: &Path) -> Option<PathBuf> {
    program.parent().and_then(Path::parent).map(Path::to_path_buf)
}

/// `lib/python3.11/site-packages`, Debian's `lib/python3/dist-packages`, and for its prefix
/// `/usr` those of `/usr/local`.
fn below(prefix: &Path) -> Vec<PathBuf> {
    let libraries = ["lib", "lib64", "local/lib"].map(|lib| prefix.join(lib));
    let pythons = libraries.iter().filter_map(|lib| fs::read_dir(lib).ok()).flatten();
    let pythons = pythons.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> = pythons
        .filter(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"python")))
        .flat_map(|python| ["site-packages", "dist-packages"].map(|name| python.join(name)))
        .filter(|path| path.is_dir())
        .collect();
    found.sort_unstable();
    found
}

fn python_path(environment: &Environment) -> Vec<PathBuf> {
    let named = value(environment, "PYTHONPATH").map(std::env::split_paths).into_iter().flatten();
    named.filter(|path| path.is_dir()).collect()
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests;
