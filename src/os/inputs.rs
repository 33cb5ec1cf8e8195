//! Everything that dbt would read, as digests: contents, never times, since images have any.
//!
//! Whatever cannot be established (an unreadable file, a loop of links, a variable whose
//! name is computed, a dbt whose installation is not understood) is an error here: then dbt is
//! started. The digests are salted, so that no value of a variable can be looked up.

mod contents;
mod installation;
mod read;
mod walk;

pub use contents::{Contents, words};

use crate::dbt::reads::variables::Mentions;
use crate::environment::Environment;
use crate::os::home::home;
use crate::os::installation::Installation;
use crate::os::project::{Project, find_dotenv};
use crate::trees::IntoTree;
use anyhow::{Result, anyhow, bail};
use read::{Content, FileReader};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use walk::{FileWalk, Item, ReadBy, ReadPlaces};

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The working directory; absolute.
    pub here: &'a Path,
    /// The project.
    pub project: &'a Project,
    /// The directories of artifacts and logs, which dbt writes.
    pub written: [&'a Path; 2],
    /// The state directory; absolute.
    pub state: &'a Path,
    /// The dbt that would be started, looked at as lately as all else is to be.
    pub installation: &'a Installation,
    /// The environment that it would get.
    pub environment: &'a Environment,
    /// The words of its command line that shape a manifest.
    pub words: &'a [OsString],
    /// The salt of the record.
    pub salt: &'a str,
    /// Whether the files that were read to find the project are taken as they were read then,
    /// rather than read once more.
    pub is_first_look: bool,
}

/// What there is to read, and how far it has been read.
struct Listing {
    files: FileWalk,
    settings: FileWalk,
    program: FileWalk,
    dotenv: Option<String>,
    /// The next item, of all three one after the other.
    next: AtomicUsize,
    bytes: AtomicU64,
}

/// What one thread read, by the number of the item.
type ReadPart = Vec<(usize, Content)>;

/// Read everything. The salt is not asked for. Two threads share the files, of which this one
/// does some other work first: a look takes milliseconds, half of them in the kernel.
///
/// # Errors
/// Says what cannot be established.
pub fn read_while<T>(places: &Places<'_>, work: impl FnOnce() -> T) -> (T, Result<Contents>) {
    let listing = OnceLock::new();
    let known = places.is_first_look.then_some(places.project);
    let read =
        || listing.get_or_init(|| list(places)).as_ref().ok().map(|listing| listing.read(known));
    let (done, parts) = thread::scope(|scope| {
        let other = thread::Builder::new().name("inputs".into()).spawn_scoped(scope, read);
        let done = work();
        let mut parts = vec![read()];
        // Where there may not be another thread, this one has read it all.
        if let Ok(other) = other {
            parts.push(other.join().unwrap_or_else(|_| Some(Err(anyhow!("the look failed")))));
        }
        (done, parts)
    });
    let parts = || parts.into_iter().flatten().collect::<Result<Vec<ReadPart>>>();
    let listing = listing.into_inner().unwrap_or_else(|| list(places));
    (done, listing.and_then(|listing| Ok(listing.with(parts()?))))
}

fn list(places: &Places<'_>) -> Result<Listing> {
    let Roots { inside, outside, listed } = roots(places)?;
    let tops: Vec<&Path> = places.project.directories().collect();
    let read = ReadPlaces::new(&listed, &tops);
    let mut files = FileWalk::leaving_out(&excluded(places)).within(read);
    files.below(&inside)?;
    outside.iter().try_for_each(|path| files.below(path))?;
    let mut settings = FileWalk::leaving_out(&[]);
    let dotenv = find_dotenv(places.here)?;
    let profiles = places.project.profiles_dir.join("profiles.yml");
    // Where it lies in the project, it is one of the settings all the same.
    files.items.retain(|(path, _)| *path != profiles);
    settings.below(&profiles)?;
    settings.below(&home(places.environment).join(".dbt/user_settings.yml"))?;
    if let Some((path, text)) = &dotenv {
        settings.text(path, Some(text.as_bytes()))?;
    }
    let mut program = FileWalk::leaving_out(&[]);
    installation::add(places.installation, &mut program)?;
    let dotenv = dotenv.map(|(_, text)| text);
    Ok(Listing { files, settings, program, dotenv, next: 0.into(), bytes: 0.into() })
}

impl Listing {
    /// Read items until there are no more, while other threads do the same. What a `known`
    /// project was read from is not read again.
    fn read(&self, known: Option<&Project>) -> Result<ReadPart> {
        let walks = [&self.files, &self.settings, &self.program];
        let all =
            walks.iter().flat_map(|walk| walk.items.iter().map(|item| (&walk.excluded, item)));
        let mut reader = FileReader::new(&self.bytes, known);
        let mut part = ReadPart::new();
        let mut wanted = self.next.fetch_add(1, Ordering::Relaxed);
        for (at, (excluded, (path, item))) in all.enumerate() {
            if at < wanted {
                continue;
            }
            if let Item::Content(read_by) = item {
                part.extend(reader.read(path, *read_by, excluded)?.map(|content| (at, content)));
            }
            wanted = self.next.fetch_add(1, Ordering::Relaxed);
        }
        Ok(part)
    }

    /// The items with what was read of them.
    fn with(self, parts: Vec<ReadPart>) -> Contents {
        let Self { files, settings, program, dotenv, .. } = self;
        let mut read: BTreeMap<usize, Content> = parts.into_iter().flatten().into_tree();
        let (mut at, mut variables, mut imports) = (0, BTreeSet::new(), BTreeSet::new());
        let mut modules = Vec::new();
        let mut sums = |walk: FileWalk| {
            let mut sums = Vec::with_capacity(walk.items.len());
            for (path, item) in walk.items {
                match (item, read.remove(&at)) {
                    (Item::Known(sum), _) => sums.push((path, sum)),
                    (Item::Content(read_by), Some(content)) => {
                        if read_by == ReadBy::Dbt {
                            imports.extend(content.mentions.imports);
                            variables.extend(content.mentions.variables);
                        } else if path.extension().is_some_and(|end| end == "py") {
                            modules.push((path.clone(), content.mentions));
                        } else {
                            variables.extend(content.mentions.variables);
                        }
                        sums.push((path, content.sum));
                    }
                    // One of the excluded.
                    (Item::Content(_), None) => {}
                }
                at += 1;
            }
            sums
        };
        let [files, settings, program] = [files, settings, program].map(&mut sums);
        variables.extend(variables_of_imported(modules, imports));
        Contents { files, settings, program, variables, dotenv }
    }
}

/// The variables that Python files read which dbt itself does not, but which its Python models
/// import, directly or through each other.
fn variables_of_imported(
    mut modules: Vec<(PathBuf, Mentions)>,
    mut imports: BTreeSet<String>,
) -> BTreeSet<String> {
    let mut variables = BTreeSet::new();
    let names = |path: &Path, imports: &BTreeSet<String>| {
        let words = path.components().filter_map(|part| part.as_os_str().to_str());
        words.map(|word| word.trim_end_matches(".py")).any(|word| imports.contains(word))
    };
    while let Some(at) = modules.iter().position(|(path, _)| names(path, &imports)) {
        let (_, mentions) = modules.swap_remove(at);
        imports.extend(mentions.imports);
        variables.extend(mentions.variables);
    }
    variables
}

/// All of it at once.
///
/// # Errors
/// As [`read_while`].
pub fn look(places: &Places<'_>) -> Result<Contents> {
    read_while(places, || ()).1
}

/// What dbt, a database or we ourselves write, and dbt never reads as a part of the project.
fn excluded(places: &Places<'_>) -> Vec<PathBuf> {
    let project = places.project;
    let mut all = vec![
        project.root.join(".git"),
        // dbt v1's cookie, and v2's.
        project.profiles_dir.join(".user.yml"),
        project.root.join(".user.yml"),
        places.state.to_owned(),
    ];
    all.extend(places.written.map(Path::to_path_buf));
    if let Some(path) = project.identity.location.get("path") {
        all.extend(["", ".wal", ".tmp"].map(|end| PathBuf::from(format!("{path}{end}"))));
    }
    all
}

/// What is looked at.
struct Roots {
    /// The project's directory.
    inside: PathBuf,
    /// Whatever else the project says that dbt or its Python models read.
    outside: Vec<PathBuf>,
    /// Where dbt reads files, inside and outside.
    listed: Vec<PathBuf>,
}

fn roots(places: &Places<'_>) -> Result<Roots> {
    let project = places.project;
    let listed = project.listed_paths()?;
    let installed = project.packages_directory()?;
    let tops = project.directories().chain([installed.as_path()]).map(Path::to_path_buf);
    let all: Vec<PathBuf> = tops.chain(listed.iter().cloned()).map(real).collect();
    // What is excluded would be passed over, although dbt reads it or something below or above.
    for place in excluded(places).into_iter().filter(|place| place.is_dir()).map(real) {
        let listed = listed.iter().cloned().map(real);
        let clashes = all.iter().any(|read| read.starts_with(&place))
            || listed.into_iter().any(|read| place.starts_with(read));
        if clashes {
            bail!("{} is written to, and lies where dbt reads files", place.display());
        }
    }
    let outside = |path: &PathBuf| !path.starts_with(&project.root) || is_roundabout(path);
    let packages = project.package_directories().map(Path::to_path_buf);
    let modules = project.module_paths(places.here)?;
    let outside = packages.chain(listed.iter().cloned()).chain(modules).filter(outside).collect();
    Ok(Roots { inside: project.root.clone(), outside, listed })
}

/// The path without links and detours, as far as it is there.
fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

/// `root/../elsewhere` starts with `root` all the same.
fn is_roundabout(path: &Path) -> bool {
    path.components().any(|component| component == std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests;
