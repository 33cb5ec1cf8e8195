//! Find a program by the rules of execvp(3), and never ourselves in dbt's place.

use crate::environment::Environment;
use crate::exit::Failure;
use anyhow::anyhow;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where musl's execvp looks when PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// The file that execvp(3) would run: a name with a slash as it stands, another one looked for
/// along PATH, where an empty entry means the working directory.
///
/// # Errors
/// [`Failure::not_found`] (127); [`Failure::not_executable`] (126) when a file is there that may
/// not be executed.
pub fn find(program: &OsStr, environment: &Environment) -> Result<PathBuf, Failure> {
    first(program, environment, |_| true)
}

/// The same for dbt. When we are installed under the name `dbt` ourselves, the next one on PATH
/// is meant.
///
/// # Errors
/// As [`find`].
pub fn find_dbt(program: &OsStr, environment: &Environment) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().ok().and_then(|path| Own::at(&path));
    first(program, environment, |file| !own.as_ref().is_some_and(|own| own.is(file)))
}

fn first(
    program: &OsStr,
    environment: &Environment,
    wanted: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Failure> {
    if program.is_empty() {
        return Err(Failure::not_found(anyhow!("the name of the program is empty")));
    }
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return if wanted(&path) { Ok(path) } else { Err(only_ourselves(program)) };
    }
    let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
    let path = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH));
    let mut executable = executables(program, path).peekable();
    let none_is = executable.peek().is_none();
    match executable.find(|file| wanted(file)) {
        Some(file) => Ok(file),
        None if none_is => Err(none_of(program, path)),
        None => Err(only_ourselves(program)),
    }
}

/// The executable files of this name along `path`, in order; an empty entry means the working
/// directory.
fn executables(program: &OsStr, path: &OsStr) -> impl Iterator<Item = PathBuf> {
    which::which_in_all(program, Some(without_tilde(path)), ".").into_iter().flatten()
}

/// `which` expands a leading `~`, which execvp(3) takes for a name like any other.
fn without_tilde(path: &OsStr) -> OsString {
    let here =
        |entry: PathBuf| if entry.starts_with("~") { Path::new(".").join(entry) } else { entry };
    let entries = std::env::split_paths(path).map(here);
    std::env::join_paths(entries).unwrap_or_else(|_| path.to_owned())
}

fn none_of(program: &OsStr, path: &OsStr) -> Failure {
    let name = program.display();
    // `which` does not name the files that it passes over.
    let mut there = std::env::split_paths(path).map(|directory| directory.join(program));
    match there.find(|file| file.exists()) {
        Some(file) => Failure::not_executable(anyhow!(
            "{} is there but cannot be executed (a directory, or no permission)",
            file.display()
        )),
        None => Failure::not_found(anyhow!(
            "{name} was not found on PATH ({}); nothing was run\n  \
             what to do:\n    \
             dbt-entrypoint --dbt PATH …     (say where dbt is, if it is dbt)\n    \
             or use an image that has it, with its directory on PATH",
            path.display()
        )),
    }
}

fn only_ourselves(program: &OsStr) -> Failure {
    Failure::not_found(anyhow!(
        "the only {} to be found is dbt-entrypoint itself; say where the real one is with --dbt PATH",
        program.display()
    ))
}

/// Our own executable: hard links share its inode, copies its bytes.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    metadata: Metadata,
}

impl Own {
    fn at(path: &Path) -> Option<Own> {
        Some(Own { path: path.to_owned(), metadata: path.metadata().ok()? })
    }

    fn is(&self, file: &Path) -> bool {
        let Ok(other) = file.metadata() else { return false };
        let inode = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        inode(&other) == inode(&self.metadata)
            || (other.len() == self.metadata.len() && same_bytes(&self.path, file))
    }
}

fn same_bytes(one: &Path, other: &Path) -> bool {
    match (std::fs::read(one), std::fs::read(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
