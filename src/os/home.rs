//! The home directory, as Python finds it (`os.path.expanduser`).

use crate::environment::Environment;
use nix::unistd::{User, getuid};
use std::ffi::OsStr;
use std::path::PathBuf;

/// `HOME`; where it is unset, what the password database says. `~` where that has no such user:
/// dbt does not start then.
pub(crate) fn home(environment: &Environment) -> PathBuf {
    match environment.get(OsStr::new("HOME")) {
        Some(home) if home.is_empty() => PathBuf::from("/"),
        Some(home) => PathBuf::from(home),
        None => {
            let user = User::from_uid(getuid()).ok().flatten();
            user.map_or_else(|| PathBuf::from("~"), |user| user.dir)
        }
    }
}
