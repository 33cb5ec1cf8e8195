//! Finds the dbts that `tests/setup.sh` installed, each in an environment of its own.

use super::{root, skip};
use std::path::PathBuf;

/// The dbt that a test uses when the version does not matter.
pub(crate) const DEFAULT: &str = "1.11";

/// The `dbt` of `.cache/dbt-VERSION`, or a loud skip where it is not installed.
pub(crate) fn dbt(version: &str) -> Option<PathBuf> {
    let path = root().join(format!(".cache/dbt-{version}/bin/dbt"));
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing", path.display()));
    None
}
