//! Finds the dbts that `tests/setup.sh` installed, each in an environment of its own.

use super::{root, skip, variable};
use std::path::PathBuf;

/// The dbt that a test uses when the version does not matter; `tests/matrix.sh` lets the same
/// tests use each of the others.
pub(crate) fn default() -> String {
    let chosen = variable("TEST_DBT").map(|name| name.into_string().expect("a name in UTF-8"));
    chosen.unwrap_or_else(|| "1.11".to_owned())
}

/// The `dbt` of `.cache/dbt-VERSION`, or a loud skip where it is not installed.
pub(crate) fn dbt(version: &str) -> Option<PathBuf> {
    let path = root().join(format!(".cache/dbt-{version}/bin/dbt"));
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing", path.display()));
    None
}
