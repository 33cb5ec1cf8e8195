//! The rules of the layout, checked by reading the source.

use crate::support::root;
use std::fs;
use std::path::{Path, PathBuf};

/// Words that mean a system call, the clock or the environment.
const IO: [&str; 8] = [
    "std::fs",
    "std::process",
    "std::net",
    "std::env",
    "std::time::SystemTime",
    "Instant::now",
    "std::thread",
    " nix::",
];

fn sources(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("a directory")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "no source below {below}");
    found
}

fn lines_with(path: &Path, words: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a source file");
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    let hits = code.filter(|line| {
        !line.trim_start().starts_with("//") && words.iter().any(|word| line.contains(word))
    });
    hits.map(|line| format!("{}: {line}", path.display())).collect()
}

#[test]
fn what_decides_and_what_knows_dbt_names_no_input_or_output() {
    // `nix::sys::signal::Signal` is a name for a number, not a call.
    let allowed = |line: &String| !line.contains("nix::sys::signal::Signal");
    let hits = ["src/dbt", "src/decide"].iter().flat_map(|layer| sources(layer));
    let hits: Vec<String> = hits.flat_map(|path| lines_with(&path, &IO)).filter(allowed).collect();
    assert_eq!(hits, Vec::<String>::new());
}

#[test]
fn the_environment_is_read_in_one_place() {
    let readers: Vec<String> = sources("src")
        .iter()
        .flat_map(|path| lines_with(path, &["env::var", "env::vars"]))
        .collect();
    assert_eq!(readers.len(), 1, "{readers:#?}");
    assert!(readers[0].contains("src/environment.rs"), "{readers:#?}");
}

#[test]
fn every_source_file_says_first_what_it_is_for() {
    let silent =
        |path: &PathBuf| !fs::read_to_string(path).expect("a source file").starts_with("//!");
    let all = ["src", "tests"].iter().flat_map(|below| sources(below));
    assert_eq!(all.filter(silent).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}
