//! A dbt that imports itself once for all its starts in a test.

use super::root;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Makes the stand-in for `dbt` of `tests/convergence/warm_dbt.py`, and waits for the end of its
/// standard input.
const KEEPER: &str = "\
import sys
sys.path.insert(0, sys.argv[1])
from warm_dbt import WarmDbt
warm = WarmDbt(sys.argv[2])
print(warm.program, flush=True)
sys.stdin.read()
warm.close()
";

/// Ends when it is dropped, or the test that has it ends.
#[derive(Debug)]
pub(crate) struct WarmDbt {
    keeper: Child,
    program: PathBuf,
}

impl WarmDbt {
    /// The warm form of a dbt v1, in a directory of its own.
    pub(crate) fn new(dbt: &Path, directory: &Path) -> Self {
        fs::create_dir(directory).expect("a fresh directory");
        let python = dbt.with_file_name("python");
        // Beside the stand-in, as it is beside dbt. By a link, Python would not find its packages.
        let beside = directory.join("python");
        fs::write(&beside, format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display()))
            .expect("a file");
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut keeper = Command::new(&python);
        keeper.args(["-c", KEEPER]).arg(root().join("tests/convergence")).arg(directory);
        keeper.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().expect("Python starts");
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a path");
        assert!(!line.is_empty(), "dbt cannot be imported");
        Self { keeper, program: line.trim_end().into() }
    }

    /// What stands in for `dbt`.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

impl Drop for WarmDbt {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
