//! Convergence, minimality and idempotence over random histories of generated projects, on
//! real dbt (`tests/convergence/converge.py`).
//!
//! More of them: `CONVERGENCE_HISTORIES=50 CONVERGENCE_SEED=7 cargo test convergence -- --nocapture`,
//! with another dbt: `CONVERGENCE_DBT=1.9`, on PostgreSQL: `CONVERGENCE_WORLD=postgres`. A variable
//! also takes the place of the histories on dbt 2, which are played besides.

use crate::support::{binary, dbt, root, variable};
use std::ffi::OsString;
use std::process::Command;

/// What was printed of these options.
fn converge(version: &str, options: &[(&str, OsString)]) -> Option<String> {
    let dbt = dbt(version)?;
    let mut program = Command::new(dbt.with_file_name("python"));
    program.arg(root().join("tests/convergence/converge.py"));
    options.iter().for_each(|(name, value)| {
        program.arg(name);
        program.args((!value.is_empty()).then_some(value));
    });
    let output = program.output().unwrap_or_else(|e| panic!("{program:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

/// As many histories as the environment asks for, driven in this way; what was printed of them.
fn play(way: &str, version: &str, histories: &str) -> Option<String> {
    let asked = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.into());
    let version = asked("CONVERGENCE_DBT", version).into_string().expect("a name in UTF-8");
    let options: [(&str, OsString); 5] = [
        ("--program", binary().into()),
        ("--way", way.into()),
        ("--dbt", version.clone().into()),
        ("--histories", asked("CONVERGENCE_HISTORIES", histories)),
        ("--seed", asked("CONVERGENCE_SEED", "1")),
    ];
    converge(&version, &options)
}

/// All of these histories kept every promise.
#[track_caller]
fn expect_sound(said: &str) {
    for aspect in ["converged", "minimal", "idempotent"] {
        let (good, all) = count(said, aspect);
        assert!(good == all && all > 0, "{aspect} {good}/{all}");
    }
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
    let Some(said) = play("entrypoint", "1.11", "4") else { return };
    expect_sound(&said);
}

#[test]
fn so_it_does_with_dbt_2() {
    if variable("CONVERGENCE_DBT").or_else(|| variable("CONVERGENCE_WORLD")).is_some() {
        return;
    }
    let Some(said) = play("entrypoint", "v2", "2") else { return };
    expect_sound(&said);
}

#[test]
fn histories_are_made_of_many_kinds_of_edits_and_steps() {
    let Some(said) = converge("1.11", &[("--list", OsString::new())]) else { return };
    let edits = said.lines().filter(|line| line.starts_with("edit "));
    assert!(edits.count() >= 25, "{said}");
}

#[test]
fn the_same_histories_under_the_usual_script_do_not_converge() {
    let Some(said) = play("script", "1.11", "2") else { return };
    let (good, all) = count(&said, "converged");
    assert!(good < all, "a check that cannot fail is none: {good}/{all}");
}
