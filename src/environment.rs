//! The environment variables of this process, as a value.
//!
//! Nothing else reads the process's environment: everybody gets this snapshot handed in.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Variables by name.
pub type Environment = BTreeMap<OsString, OsString>;

/// The environment of this process.
#[must_use]
pub fn of_this_process() -> Environment {
    let mut environment = Environment::new();
    environment.extend(in_order());
    environment
}

/// The same in the order in which the process got it, duplicates included: for a child that
/// inherits it unchanged.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn in_order() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// The value of a variable; `None` where it is unset or empty.
pub(crate) fn value<'a>(environment: &'a Environment, name: &str) -> Option<&'a OsStr> {
    environment.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
}
