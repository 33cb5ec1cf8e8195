//! What a look has read, and its digests by kind.

use super::{Places, read};
use crate::dbt::reads::dotenv::effective_environment;
use crate::dbt::reads::variables::{self, is_named};
use crate::decide::warm::InputsApart;
use crate::digest::{Pieces, Sum, hex};
use crate::environment::Environment;
use crate::os::project::seed_digest;
use crate::trees::IntoTree;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Everything that was read, not yet salted.
#[derive(Debug)]
pub struct Contents {
    pub(super) files: Vec<(PathBuf, Sum)>,
    pub(super) settings: Vec<(PathBuf, Sum)>,
    pub(super) program: Vec<(PathBuf, Sum)>,
    pub(super) variables: BTreeSet<String>,
    pub(super) dotenv: Option<String>,
}

impl Contents {
    /// The digests by kind.
    #[must_use]
    pub fn digests(&self, places: &Places<'_>) -> BTreeMap<String, String> {
        let Self { files, settings, program, variables, dotenv } = self;
        let mut names = named_by(places.words);
        names.extend(variables.iter().cloned());
        let salted = |feed: &dyn Fn(&mut Pieces)| salted(places.salt, feed);
        let environment =
            |sums: &mut Pieces| values(places.environment, dotenv.as_deref(), &names, sums);
        let digests = [
            ("files".to_owned(), salted(&|sums| add_all(files, sums))),
            ("profiles".to_owned(), salted(&|sums| add_all(settings, sums))),
            ("dbt".to_owned(), salted(&|sums| add_all(program, sums))),
            ("environment".to_owned(), salted(&environment)),
            ("command".to_owned(), salted(&|sums| command(places, sums))),
        ];
        digests.into_iter().into_tree()
    }

    /// The digest of everything but these files, by their paths in the project, and the digests of
    /// those that are there.
    #[must_use]
    pub fn apart(&self, places: &Places<'_>, paths: &BTreeSet<String>) -> InputsApart {
        let (mut others, mut models) = (Vec::new(), BTreeMap::new());
        for (path, sum) in &self.files {
            let inside = path.strip_prefix(&places.project.root).ok().and_then(Path::to_str);
            match inside.filter(|inside| paths.contains(*inside)) {
                Some(inside) => drop(models.insert(inside.to_owned(), hex(sum))),
                None => others.push((path.clone(), *sum)),
            }
        }
        let mut digests = self.digests(places);
        digests.insert("files".to_owned(), salted(places.salt, &|sums| add_all(&others, sums)));
        let add = |sums: &mut Pieces| digests.values().for_each(|sum| sums.add(sum.as_bytes()));
        InputsApart { key: salted(places.salt, &add), models }
    }

    /// Whether some YAML file of the project, its packages and its profile is so. The files are read
    /// again.
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn any_yaml(&self, is_so: fn(&[u8]) -> bool) -> Result<bool> {
        let all = self.files.iter().chain(&self.settings);
        for (path, _) in all.filter(|(path, _)| read::is_yaml(path)) {
            match std::fs::read(path) {
                Ok(text) if is_so(&text) => return Ok(true),
                // Also what is not there was looked for.
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }

    /// What `environment` is to a dbt that reads the `.env`.
    #[must_use]
    pub fn seen_by_dbt(&self, environment: &Environment) -> Environment {
        effective_environment(environment, self.dotenv.as_deref())
    }

    /// Whether a file of the project is as it was read; `None` for one that was not.
    #[must_use]
    pub fn is_still(&self, path: &Path) -> Option<bool> {
        let (_, then) = self.files.iter().find(|(known, _)| known == path)?;
        Some(seed_digest(path).ok() == Some(hex(then)))
    }
}

/// The variables that `--vars` names: a value there may be rendered where it is used.
fn named_by(words: &[OsString]) -> BTreeSet<String> {
    words.iter().flat_map(|word| variables::in_word(&word.to_string_lossy())).into_tree()
}

/// The salted digest of a command line, word for word.
#[must_use]
pub fn words(salt: &str, words: &[OsString]) -> String {
    salted(salt, &|sums| words.iter().for_each(|word| sums.add(word.as_bytes())))
}

/// Variables that dbt, Python or an engine in dbt's own process read themselves: DuckDB takes the
/// time zone of a session from `TZ`.
const ALWAYS: [&str; 11] = [
    "HOME",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHON_DOTENV_DISABLED",
    "TZ",
    "motherduck_token",
    "MOTHERDUCK_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "GCLOUD_PROJECT",
];

/// The beginnings of those that the drivers of adapters read: libpq, and the clients of Google,
/// Snowflake and Databricks.
const OF_DRIVERS: [&str; 5] = ["PG", "GOOGLE_", "CLOUDSDK_", "SNOWFLAKE_", "DATABRICKS_"];

/// The values that count: before and after `.env`, which only some versions of dbt read.
fn values(
    environment: &Environment,
    dotenv: Option<&str>,
    names: &BTreeSet<String>,
    sums: &mut Pieces,
) {
    let named = |name: &OsStr, value: &OsStr| {
        let text = name.to_str().unwrap_or_default();
        let of_dbt = text.starts_with("DBT_") && !text.starts_with("DBT_ENTRYPOINT_");
        of_dbt
            || is_named(names, name, value)
            || ALWAYS.contains(&text)
            || OF_DRIVERS.iter().any(|beginning| text.starts_with(beginning))
    };
    for environment in [environment.clone(), effective_environment(environment, dotenv)] {
        let counted = environment.iter().filter(|(name, value)| named(name, value));
        for (name, value) in counted {
            sums.add(name.as_bytes());
            sums.add(value.as_bytes());
        }
        sums.add(b"");
    }
}

fn command(places: &Places<'_>, sums: &mut Pieces) {
    sums.add(env!("CARGO_PKG_VERSION").as_bytes());
    let project = places.project;
    let dbt = places.installation.program();
    for path in [places.here, &project.root, &project.profiles_dir, dbt] {
        sums.add(path.as_os_str().as_bytes());
    }
    sums.add(format!("{:?}", project.identity).as_bytes());
    places.words.iter().for_each(|word| sums.add(word.as_bytes()));
}

fn salted(salt: &str, feed: &dyn Fn(&mut Pieces)) -> String {
    let mut pieces = Pieces::new();
    pieces.add(salt.as_bytes());
    feed(&mut pieces);
    pieces.hex()
}

/// Every file with its digest, in the order of the walk.
fn add_all(contents: &[(PathBuf, Sum)], pieces: &mut Pieces) {
    for (path, sum) in contents {
        pieces.add(path.as_os_str().as_bytes());
        pieces.add(sum);
    }
}
