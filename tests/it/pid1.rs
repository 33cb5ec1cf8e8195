//! The first process of a container: signals, reaping, the stop ladder, the child's world.
//!
//! What every init has to do is asked by `tests/pid1/conformance.py`, of the rivals as well;
//! what only this program does is tested here.

mod docker;
mod exec;
mod harness;
mod ladder;
mod races;
mod real_dbt;

use crate::support::{binary, root, tool};
use std::process::Command;

#[test]
fn every_probe_of_the_conformance_program_is_answered_or_has_its_reason() {
    let Some(python) = tool("python3") else { return };
    let mut asked = Command::new(python);
    asked.arg(root().join("tests/pid1/conformance.py")).args(["--only", "ours", "--ours"]);
    asked.arg(binary()).args(["--modes", if harness::namespace().is_some() { "PN" } else { "N" }]);
    let output = asked.output().expect("python3 runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
}
