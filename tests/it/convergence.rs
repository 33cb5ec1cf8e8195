//! Convergence, minimality and idempotence over random histories of generated projects, on
//! real dbt (`tests/convergence/converge.py`).
//!
//! More of them: `CONVERGENCE_HISTORIES=50 CONVERGENCE_SEED=7 cargo test convergence -- --nocapture`.

use crate::support::{binary, dbt, root, variable};
use std::ffi::OsString;
use std::process::Command;

/// As many histories as the environment asks for, driven in this way; what was printed of them.
fn play(way: &str, histories: &str) -> Option<String> {
    let dbt = dbt("1.11")?;
    let asked = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.into());
    let options: [(&str, OsString); 4] = [
        ("--program", binary().into()),
        ("--way", way.into()),
        ("--histories", asked("CONVERGENCE_HISTORIES", histories)),
        ("--seed", asked("CONVERGENCE_SEED", "1")),
    ];
    let mut program = Command::new(dbt.with_file_name("python"));
    program.arg(root().join("tests/convergence/converge.py"));
    options.iter().for_each(|(name, value)| {
        program.arg(name).arg(value);
    });
    let output = program.output().unwrap_or_else(|e| panic!("{program:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

/// `(3, 4)` of `converged 3/4` in the last line.
fn count(said: &str, aspect: &str) -> (usize, usize) {
    let last = said.lines().last().unwrap_or_default();
    let counted =
        last.split(", ").find_map(|words| words.strip_prefix(aspect)?.trim().split_once('/'));
    let (good, all) = counted.unwrap_or_else(|| panic!("no count of {aspect} in {last:?}"));
    (good.parse().expect("a number"), all.parse().expect("a number"))
}

#[test]
fn whatever_happened_a_green_run_converges_builds_no_more_than_it_must_and_leaves_nothing_to_build()
{
    let Some(said) = play("entrypoint", "4") else { return };
    for aspect in ["converged", "minimal", "idempotent"] {
        let (good, all) = count(&said, aspect);
        assert!(good == all && all > 0, "{aspect} {good}/{all}");
    }
}

#[test]
fn the_same_histories_under_the_usual_script_do_not_converge() {
    let Some(said) = play("script", "2") else { return };
    let (good, all) = count(&said, "converged");
    assert!(good < all, "a check that cannot fail is none: {good}/{all}");
}
