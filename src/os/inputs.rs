//! Everything that dbt would read, as digests: contents, never times, since images have any.
//!
//! Whatever cannot be established (an unreadable file, a loop of links, a variable whose
//! name is computed, a dbt that is not a Python script) is an error here: then dbt is
//! started. The digests are salted, so that no value of a variable can be looked up.

mod installation;
mod tree;

use crate::cli::Environment;
use crate::dbt::inputs::dotenv::effective_environment;
use crate::dbt::inputs::variables;
use crate::os::project::{Project, find_dotenv};
use crate::trees::IntoTree;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tree::Tree;

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The working directory; absolute.
    pub here: &'a Path,
    /// The project.
    pub project: &'a Project,
    /// The state directory; absolute.
    pub state: &'a Path,
    /// The program that would be started.
    pub dbt: &'a Path,
    /// The environment that it would get.
    pub environment: &'a Environment,
    /// The words of its command line that shape a manifest.
    pub words: &'a [OsString],
    /// The salt of the record.
    pub salt: &'a str,
}

/// The files of the project, read and not yet salted.
#[derive(Debug)]
pub struct Files(Tree);

/// What lies around the project: settings, and dbt itself.
#[derive(Debug)]
pub struct Around {
    settings: Tree,
    program: Tree,
    dotenv: Option<String>,
}

/// Everything of it.
#[derive(Debug)]
pub struct Contents {
    /// By one processor…
    pub files: Files,
    /// …and this by another, if there is one.
    pub around: Around,
}

/// Read the project. The salt is not asked for.
///
/// # Errors
/// Says what cannot be established.
pub fn files(places: &Places<'_>) -> Result<Files> {
    let mut files = Tree::leaving_out(&excluded(places));
    let (inside, outside) = roots(places)?;
    files.below(&inside)?;
    outside.iter().try_for_each(|path| files.below(path))?;
    Ok(Files(files))
}

/// Read the rest. The salt is not asked for.
///
/// # Errors
/// As [`files`].
pub fn around(places: &Places<'_>) -> Result<Around> {
    let mut settings = Tree::leaving_out(&[]);
    let dotenv = find_dotenv(places.here)?;
    settings.below(&places.project.profiles_dir.join("profiles.yml"))?;
    settings.below(&home(places.environment).join(".dbt/user_settings.yml"))?;
    dotenv.iter().try_for_each(|(path, _)| settings.below(path))?;
    let mut program = Tree::leaving_out(&[]);
    installation::read(places.dbt, places.environment, &mut program)?;
    Ok(Around { settings, program, dotenv: dotenv.map(|(_, text)| text) })
}

impl Contents {
    /// The digests by kind.
    ///
    /// # Errors
    /// The command line computes the name of a variable.
    pub fn digests(&self, places: &Places<'_>) -> Result<BTreeMap<String, String>> {
        let Self { files: Files(files), around: Around { settings, program, dotenv } } = self;
        let mut names = named_by(places.words)?;
        for tree in [files, settings, program] {
            names.extend(tree.variables.iter().cloned());
        }
        let salted = |feed: &dyn Fn(&mut Sums)| Sums::salted(places.salt, feed);
        let environment =
            |sums: &mut Sums| values(places.environment, dotenv.as_deref(), &names, sums);
        Ok(BTreeMap::from([
            ("files".to_owned(), salted(&|sums| files.feed(sums))),
            ("profiles".to_owned(), salted(&|sums| settings.feed(sums))),
            ("dbt".to_owned(), salted(&|sums| program.feed(sums))),
            ("environment".to_owned(), salted(&environment)),
            ("command".to_owned(), salted(&|sums| command(places, sums))),
        ]))
    }
}

/// All of it at once.
///
/// # Errors
/// As [`files`] and [`Contents::digests`].
pub fn look(places: Places<'_>) -> Result<BTreeMap<String, String>> {
    Contents { files: files(&places)?, around: around(&places)? }.digests(&places)
}

/// The variables that `--vars` names: a value there may be rendered where it is used.
fn named_by(words: &[OsString]) -> Result<BTreeSet<String>> {
    let names = words.iter().map(|word| variables(&word.to_string_lossy(), "yml"));
    let all = names.collect::<Option<Vec<_>>>();
    let all = all.context("the command line computes the name of a variable")?;
    Ok(all.into_iter().flatten().into_tree())
}

/// The salted digest of a command line, word for word.
#[must_use]
pub fn words(salt: &str, words: &[OsString]) -> String {
    Sums::salted(salt, &|sums| words.iter().for_each(|word| sums.add(word.as_bytes())))
}

/// What dbt, a database or we ourselves write, and dbt never reads as a part of the project.
fn excluded(places: &Places<'_>) -> Vec<PathBuf> {
    let project = places.project;
    let mut all = vec![
        project.target_path.clone(),
        project.log_path.clone(),
        project.root.join(".git"),
        // dbt v1's cookie, and v2's.
        project.profiles_dir.join(".user.yml"),
        project.root.join(".user.yml"),
        places.state.to_owned(),
    ];
    if let Some(path) = project.identity.location.get("path") {
        all.extend(["", ".wal", ".tmp"].map(|end| PathBuf::from(format!("{path}{end}"))));
    }
    all
}

/// The project's directory, and whatever else it says that dbt reads.
fn roots(places: &Places<'_>) -> Result<(PathBuf, Vec<PathBuf>)> {
    let project = places.project;
    let listed = project.listed_paths()?;
    for place in excluded(places) {
        if listed.iter().any(|listed| place.starts_with(listed) && place.is_dir()) {
            anyhow::bail!("{} lies where dbt reads files", place.display());
        }
    }
    let outside = |path: &PathBuf| !path.starts_with(&project.root) || is_roundabout(path);
    let packages = project.packages.values().cloned();
    let outside = packages.chain(listed).filter(outside).collect();
    Ok((project.root.clone(), outside))
}

/// `root/../elsewhere` starts with `root` all the same.
fn is_roundabout(path: &Path) -> bool {
    path.components().any(|component| component == std::path::Component::ParentDir)
}

fn home(environment: &Environment) -> PathBuf {
    environment.get(OsStr::new("HOME")).map_or_else(PathBuf::new, PathBuf::from)
}

/// Variables that dbt or Python read themselves.
const ALWAYS: [&str; 4] = ["HOME", "PYTHONPATH", "PYTHONHOME", "PYTHON_DOTENV_DISABLED"];

/// The values that count: before and after `.env`, which only some versions of dbt read.
fn values(
    environment: &Environment,
    dotenv: Option<&str>,
    names: &BTreeSet<String>,
    sums: &mut Sums,
) {
    let named = |name: &OsStr| {
        let text = name.to_str().unwrap_or_default();
        let of_dbt = text.starts_with("DBT_") && !text.starts_with("DBT_ENTRYPOINT_");
        of_dbt || names.contains(text) || ALWAYS.contains(&text)
    };
    for environment in [environment.clone(), effective_environment(environment, dotenv)] {
        let counted = environment.iter().filter(|(name, _)| named(name));
        for (name, value) in counted {
            sums.add(name.as_bytes());
            sums.add(value.as_bytes());
        }
        sums.add(b"");
    }
}

fn command(places: &Places<'_>, sums: &mut Sums) {
    sums.add(env!("CARGO_PKG_VERSION").as_bytes());
    let project = places.project;
    for path in [places.here, &project.root, &project.profiles_dir, places.dbt] {
        sums.add(path.as_os_str().as_bytes());
    }
    sums.add(format!("{:?}", project.identity).as_bytes());
    places.words.iter().for_each(|word| sums.add(word.as_bytes()));
}

/// A digest of pieces, each with its length, so that none runs into the next.
struct Sums(Sha256);

impl Sums {
    fn salted(salt: &str, feed: &dyn Fn(&mut Self)) -> String {
        let mut sums = Self(Sha256::new());
        sums.add(salt.as_bytes());
        feed(&mut sums);
        sums.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn add(&mut self, piece: &[u8]) {
        self.0.update((piece.len() as u64).to_le_bytes());
        self.0.update(piece);
    }
}

#[cfg(test)]
mod tests;
