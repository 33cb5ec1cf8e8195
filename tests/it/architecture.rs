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

/// Whether a line of code knows versions of dbt: one is spelled out in it, or compared.
fn compares_versions(line: &str) -> bool {
    let literals = || line.split('"').skip(1).step_by(2);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let names_one = |text: &str| {
        let stage = text.trim_start_matches(['-', '.']).trim_end_matches('.');
        ["alpha", "beta", "preview"].contains(&stage)
            || text.split_once('.').is_some_and(|(major, _)| is_number(major))
    };
    let compared = ["==", "!=", " < ", " > ", "<=", ">=", "cmp(", "starts_with(", "contains("];
    let takes_apart = ["split", "find(", ".parse", "Version::parse"];
    let names_the_version =
        ["dbt_version", "version()", "Version::"].map(|name| line.contains(name));
    literals().any(names_one)
        || names_the_version.contains(&true)
            && compared.iter().chain(&takes_apart).any(|word| line.contains(word))
}

#[test]
fn versions_of_dbt_are_compared_in_one_place() {
    let sources = sources("src");
    let others = sources.iter().filter(|path| {
        !path.starts_with(root().join("src/dbt/engine"))
            && !path.ends_with("src/dbt/engine.rs")
            && !path.ends_with("tests.rs")
    });
    let lines = others.flat_map(|path| lines_with(path, &[""]));
    let hits: Vec<String> = lines.filter(|line| compares_versions(line)).collect();
    let [only] = &hits[..] else { panic!("{hits:#?}") };
    assert!(only.contains("src/dbt/changes/closure.rs"), "{only}");
}

#[test]
fn a_comparison_of_versions_is_recognized() {
    for line in [
        r#"if manifest.dbt_version().starts_with("2.") {"#,
        r#"    (1, 12) <= numbers && !version.contains("alpha")"#,
        r#"match text { "1.11.16" => 1, _ => 2 }"#,
        "let same = old.dbt_version() == new.dbt_version();",
        "let mut parts = dbt_version.split('.');",
        "engine.version() >= Version::parse(least)",
        r#"let stage = version.find("-beta.");"#,
    ] {
        assert!(compares_versions(line), "{line}");
    }
    for line in [
        r#"let code = ("70", "a bug");"#,
        "let engine = self.engine.refined(manifest.dbt_version());",
        r#"println!("dbt {}", self.dbt_version.as_deref().unwrap_or("?"));"#,
        r#"let root = prefix.join("local/lib");"#,
        "if engine.version().is_none() {",
    ] {
        assert!(!compares_versions(line), "{line}");
    }
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
