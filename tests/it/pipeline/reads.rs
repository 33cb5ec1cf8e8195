//! How often one start opens the files that say what the project is, counted with strace(1).

use super::harness::Fake;
use super::project::chain;
use crate::support::tool;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Files that many parts of the program need to know.
const WATCHED: [&str; 5] = [
    "/dbt_project.yml",
    "/dbt_packages/parts/dbt_project.yml",
    "/profiles.yml",
    "/selectors.yml",
    "/bin/dbt",
];

/// A populated project with a package and a selector.
fn fake() -> Fake {
    let mut fake = Fake::new(chain(&["a", "b"]).selector("all", &["a", "b"]));
    let package = fake.root().join("dbt_packages/parts");
    fs::create_dir_all(&package).expect("a package");
    fs::write(package.join("dbt_project.yml"), "name: parts\n").expect("a file");
    fs::create_dir_all(fake.base().join("trace")).expect("a directory");
    fake.trust();
    fake.run(&["run"]).ends_with(0);
    fake
}

/// How often our own process, with all its threads, opened each of the watched files.
fn opened(fake: &Fake, strace: &Path, words: &[&str]) -> BTreeMap<&'static str, usize> {
    let plain = fake.command(words);
    let trace = fake.base().join("trace");
    for old in fs::read_dir(&trace).expect("a directory").flatten() {
        fs::remove_file(old.path()).expect("a file of ours");
    }
    let mut command = Command::new(strace);
    command.args(["-ff", "-qq", "-s", "4096", "-e", "trace=open,openat,execve", "-o"]);
    command.arg(trace.join("t")).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(plain.get_current_dir().expect("a directory")).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    fake.run_command(command).ends_with(0);
    let mut counts: BTreeMap<&str, usize> = WATCHED.map(|name| (name, 0)).into();
    for thread in fs::read_dir(&trace).expect("a directory").flatten() {
        let text = fs::read_to_string(thread.path()).expect("a trace");
        // A file of its own for each thread; a child of ours becomes another program.
        let own = format!("execve({:?}", plain.get_program());
        let is_ours = |line: &&str| !line.starts_with("execve") || line.starts_with(&own);
        for line in text.lines().take_while(is_ours).filter(|line| line.starts_with("open")) {
            let path = line.split('"').nth(1).unwrap_or_default();
            let longest =
                WATCHED.iter().filter(|name| path.ends_with(*name)).max_by_key(|name| name.len());
            if let Some(name) = longest {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    counts
}

#[test]
fn an_unchanged_start_opens_each_of_them_once() {
    let Some(strace) = tool("strace") else { return };
    let fake = fake();
    fake.run(&["run"]).ends_with(0).starts(&[]);
    let expected = WATCHED.map(|name| (name, 1)).into();
    assert_eq!(opened(&fake, &strace, &["run"]), expected);
}

#[test]
fn a_changed_run_opens_each_of_them_once_before_dbt_reads_and_once_after() {
    let Some(strace) = tool("strace") else { return };
    let mut fake = fake();
    fake.project.edit("a");
    let expected = WATCHED.map(|name| (name, 2)).into();
    assert_eq!(opened(&fake, &strace, &["run"]), expected);
}
