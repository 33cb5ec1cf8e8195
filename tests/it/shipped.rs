//! What is made from the program's own options, verbs and exit codes: the shells' completions,
//! the manual page, and three tables of README.md.
//!
//! The files are checked in, so that nobody who installs them needs Rust. After a change of an
//! option, a verb or an exit code, this writes them all:
//!
//!     WRITE_SHIPPED=1 cargo nextest run --test it -E 'test(shipped)'

mod completions;
mod manual;
mod readme;

use crate::support::{root, tool, variable};
use dbt_entrypoint::cli::{groups, verbs};
use std::fs;
use std::process::Command;

const BASH: &str = "docs/completions/dbt-entrypoint.bash";
const ZSH: &str = "docs/completions/_dbt-entrypoint";
const FISH: &str = "docs/completions/dbt-entrypoint.fish";
const MANUAL: &str = "docs/dbt-entrypoint.1";
const README: &str = "README.md";

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_default()
}

#[test]
fn completions_manual_and_readme_are_what_the_definitions_say() {
    let made = [
        (BASH, completions::bash()),
        (ZSH, completions::zsh()),
        (FISH, completions::fish()),
        (MANUAL, manual::page()),
        (README, readme::with_tables(&read(README))),
    ];
    for (name, text) in made {
        if variable("WRITE_SHIPPED").is_some() {
            fs::write(root().join(name), &text).expect("a writable file");
        }
        assert!(read(name) == text, "{name} is out of date; see tests/it/shipped.rs");
    }
}

/// Runs a program to its end; what it says on either stream.
#[track_caller]
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root()).output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}");
    said
}

/// What bash offers for the last of these words.
fn offered_by_bash(words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source {BASH}; compopt() {{ echo \"compopt $*\"; }}; COMP_WORDS=(dbt-entrypoint {}); \
         COMP_CWORD={}; _dbt_entrypoint; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len()
    );
    said("bash", &["--norc", "-c", &script]).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_options_their_values_verbs_and_leaves_dbts_words_to_files() {
    said("bash", &["-n", BASH]);
    for (words, expected) in [
        (&["--max-r"][..], &["--max-rebuild", "--max-rebuild-time"][..]),
        (&["st"], &["status"]),
        (&["--mode", ""], &["auto", "full", "off"]),
        (&["--mode", "=", "f"], &["full"]),
        (&["--mode", "="], &["auto", "full", "off"]),
        (&["--mode", "full", "ro"], &["rollback"]),
        (&["--mode", "=", "full", "ro"], &["rollback"]),
        (&["--full", "--state-dir", "/x", "pl"], &["plan"]),
        (&["plan", ""], &["run", "build", "seed"]),
        (
            &["plan", "--"],
            &["--all", "--diff", "--markdown", "--graph", "--json", "--color", "--help"],
        ),
        (&["adopt", "--f"], &["--from", "--force"]),
        (&["adopt", "--from", "x"], &["compopt -o default", ""]),
        (&["--state-dir", ""], &["compopt -o dirnames", ""]),
        (&["run", "--sel"], &["compopt -o default", ""]),
        (&["--probe", "x"], &[""]),
    ] {
        assert_eq!(offered_by_bash(words), expected, "{words:?}");
    }
}

#[test]
fn zsh_and_fish_read_their_completions_and_fish_completes() {
    if tool("zsh").is_some() {
        said("zsh", &["-n", ZSH]);
    }
    if tool("fish").is_none() {
        return;
    }
    said("fish", &["--no-execute", FISH]);
    let offered = |line: &str| {
        said("fish", &["--no-config", "-c", &format!("source {FISH}; complete -C '{line}'")])
    };
    assert!(offered("dbt-entrypoint --max-rebuild-").contains("--max-rebuild-time\t"));
    assert!(
        offered("dbt-entrypoint --mode ").contains("full"),
        "{}",
        offered("dbt-entrypoint --mode ")
    );
    assert!(offered("dbt-entrypoint --mode full ro").starts_with("rollback"));
    assert!(offered("dbt-entrypoint plan --j").starts_with("--json"));
    assert!(!offered("dbt-entrypoint run --max").contains("--max-rebuild"));
}

#[test]
fn the_manual_page_is_sound_and_names_every_option() {
    if tool("mandoc").is_none() {
        return;
    }
    let complaints = said("mandoc", &["-T", "lint", "-W", "warning", MANUAL]);
    assert_eq!(complaints, "");
    let page = said("mandoc", &["-T", "ascii", "-O", "width=78", MANUAL]);
    let page = plain(&page);
    for doc in groups().iter().flat_map(|group| group.options()) {
        assert!(page.contains(&doc.written()), "{}: {page}", doc.name);
        assert!(doc.variable().is_none_or(|name| page.contains(&name)), "{}: {page}", doc.name);
    }
    for verb in verbs() {
        assert!(page.contains(verb.examples[0].0), "{}: {page}", verb.name);
    }
}

/// Without the letters that are struck over to make others bold.
fn plain(page: &str) -> String {
    let mut plain = String::new();
    for letter in page.chars() {
        if letter == '\u{8}' {
            plain.pop();
        } else {
            plain.push(letter);
        }
    }
    plain
}
