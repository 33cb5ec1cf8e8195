//! System calls that an older sandbox does not know, and answers with EPERM.

use super::harness::Fake;
use super::project::chain;
use crate::support::{binary, tool};
use std::process::Command;

/// Without clone3(2): glibc needs it to start anything, and the released program, which is static,
/// does not call it.
const UNKNOWN: [&str; 8] = [
    "fallocate",
    "?faccessat2",
    "?statx",
    "?openat2",
    "?close_range",
    "?getrandom",
    "?copy_file_range",
    "?pidfd_open",
];

#[test]
fn a_run_is_right_whatever_new_system_call_is_unknown() {
    let Some(strace) = tool("strace") else { return };
    for call in UNKNOWN {
        for errno in ["EPERM", "ENOSYS"] {
            let fake = Fake::new(chain(&["a", "b"]));
            let ours = fake.command(&["build"]);
            let mut traced = Command::new(&strace);
            // dbt is another program: it has its own answers.
            traced.args(["-qq", "-o", "/dev/null", "-e"]);
            traced.arg(format!("inject={call}:error={errno}")).arg(binary()).arg("build");
            traced.current_dir(fake.root()).env_clear();
            traced.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
            fake.run_command(traced).ends_with(0).builds(&["a", "b"]);
            fake.run(&["build"]).ends_with(0).starts(&[]);
        }
    }
}
