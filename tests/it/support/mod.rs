//! What every integration test stands on: the real program, a real dbt, a real engine.
//!
//! A test that lacks something of the machine says so loudly with [`skip`], which is a
//! failure where `CI` is set: there, a test that silently did not run is a defect.

pub(crate) mod clickhouse;
pub(crate) mod dbt_env;
pub(crate) mod docker;
pub(crate) mod images;
pub(crate) mod postgres;
pub(crate) mod shop;
pub(crate) mod tutor;
mod warm;

pub(crate) use dbt_env::dbt;
pub(crate) use shop::{Done, Shop};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program under test, as Cargo built it for this test run.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dbt-entrypoint"))
}

/// A copy of the example project, without what runs of dbt left there.
pub(crate) fn copy_example(to: &Path) {
    shop::copy_tree(&root().join("examples/shop"), to);
}

/// Says that a test did not run and why; panics where `CI` is set.
///
/// # Panics
/// Under CI, where everything that the tests need has been installed.
pub(crate) fn skip(reason: &str) {
    assert!(variable("CI").is_none(), "under CI nothing is skipped, but: {reason}");
    println!("SKIPPED: {reason} (tests/setup.sh installs what is missing)");
}

/// A program on the PATH of the tests, or a loud skip.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let found = which::which(name).ok();
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// A variable of the environment that the tests were started in.
#[expect(clippy::disallowed_methods, reason = "tests have no Config; this is their one reader")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
