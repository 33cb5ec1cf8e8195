//! A dbt that imports itself once for all its starts.

use super::{root, variable};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ends when it is dropped, or the test that has it ends.
#[derive(Debug)]
pub(crate) struct WarmDbt {
    /// Nobody where the run of the tests keeps one for all of them.
    keeper: Option<Child>,
    program: PathBuf,
}

impl WarmDbt {
    /// The warm form of a dbt v1: the one that `tests/run.sh` keeps, or one of its own in `directory`.
    pub(crate) fn new(dbt: &Path, directory: &Path) -> Self {
        let python = dbt.with_file_name("python");
        let shared = variable("TEST_WARM_DBT").map(PathBuf::from);
        if let Some(shared) = shared.filter(|shared| serves(shared, &python)) {
            return Self { keeper: None, program: shared.join("dbt") };
        }
        fs::create_dir(directory).expect("a fresh directory");
        let mut keeper = Command::new(&python);
        keeper.arg(root().join("tests/convergence/warm_dbt.py")).arg("keep").arg(directory);
        keeper.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().expect("Python starts");
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a path");
        assert!(!line.is_empty(), "dbt cannot be imported");
        Self { keeper: Some(keeper), program: line.trim_end().into() }
    }

    /// What stands in for `dbt`.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

/// Whether the warm dbt of that directory is of this installation.
fn serves(directory: &Path, python: &Path) -> bool {
    let wrapper = fs::read_to_string(directory.join("python")).unwrap_or_default();
    wrapper.contains(&format!("'{}'", python.display()))
}

impl Drop for WarmDbt {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}
