//! The rules of the layout, checked by reading the source.

use crate::support::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which parts of the source may use which others. A part is a folder of `src/`, with the file
/// beside it, or a file there. Arrows go down only; what stands in nobody's list is used by nobody.
const ALLOWED: [(&str, &[&str]); 19] = [
    ("main", &["lib", "cli", "verbs", "run", "os", "environment", "exit", "log_style"]),
    ("lib", &["run", "session", "say", "cli", "os", "decide", "environment", "exit"]),
    (
        "verbs",
        &[
            "count", "run", "session", "cli", "say", "store", "os", "decide", "dbt", "graph",
            "exit", "trees",
        ],
    ),
    (
        "run",
        &[
            "count",
            "session",
            "cli",
            "say",
            "store",
            "os",
            "decide",
            "dbt",
            "graph",
            "environment",
            "exit",
            "log_style",
            "trees",
        ],
    ),
    ("session", &["cli", "os", "decide", "dbt", "environment", "exit"]),
    ("cli", &["decide", "dbt", "environment", "exit", "log_style", "trees"]),
    ("say", &["count", "decide", "dbt", "graph", "exit", "log_style", "trees"]),
    ("store", &["os", "decide", "dbt", "environment", "exit", "digest"]),
    ("os", &["decide", "dbt", "environment", "exit", "digest", "log_style", "trees"]),
    ("decide", &["count", "dbt", "graph", "exit", "digest", "trees"]),
    ("dbt", &["count", "graph", "environment", "exit", "digest", "trees"]),
    ("graph", &[]),
    ("environment", &[]),
    ("digest", &[]),
    ("exit", &[]),
    ("log_style", &[]),
    ("trees", &[]),
    ("count", &[]),
    ("crate", &[]),
];

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
            let entries = fs::read_dir(&path).expect("a directory");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "no source below {below}");
    found
}

/// The text of a source file without its unit tests and comments.
fn code(path: &Path) -> String {
    without_tests(&fs::read_to_string(path).expect("a source file"))
}

/// The code without comments and without each item that is marked `#[cfg(test)]`. Such an item ends
/// with the first line in the column of the mark that ends with `;` or `}`.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut test_item: Option<&str> = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let indent = line.split(|letter| letter != ' ').next().unwrap_or_default();
        match test_item {
            Some(mark) => {
                let is_end = line.ends_with([';', '}']);
                if is_end && indent == mark {
                    test_item = None;
                }
            }
            None if line.trim_start().starts_with("#[cfg(test)]") => test_item = Some(indent),
            None => kept.extend([line, "\n"]),
        }
    }
    kept
}

#[test]
fn only_the_items_that_are_tests_are_left_out() {
    let text = "\
//! What it is.
#[cfg(test)]
mod tests;
use crate::a;
#[cfg(test)]
#[must_use]
pub fn only_for_tests() -> u8 {
    let one = 1;
    one
}
impl A {
    #[cfg(test)]
    fn x() {}
    fn y();
    #[cfg(test)]
    fn z() {
        1;
    }
}
#[cfg(test)]
mod more {
    use crate::b;
}
use crate::c;
";
    assert_eq!(without_tests(text), "use crate::a;\nimpl A {\n    fn y();\n}\nuse crate::c;\n");
}

/// Files that are unit tests as a whole may use what they like.
fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn lines_with(path: &Path, words: &[&str]) -> Vec<String> {
    let code = code(path);
    let hits = code.lines().filter(|line| words.iter().any(|word| line.contains(word)));
    hits.map(|line| format!("{}: {line}", path.display())).collect()
}

/// The part of the source that a file belongs to.
fn part_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).expect("a file of src");
    let first = below.iter().next().and_then(|first| first.to_str()).expect("a name");
    first.trim_end_matches(".rs").to_owned()
}

/// The parts that a piece of code names: in `use` trees, and in paths of other lines.
fn parts_named(code: &str, part: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let prefixes = match part {
        "main" => vec!["dbt_entrypoint::"],
        "lib" => vec!["use ", "crate::"],
        _ => vec!["crate::"],
    };
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            let rest = code.get(at + prefix.len()..).unwrap_or_default();
            match rest.strip_prefix('{') {
                Some(tree) => named.extend(roots_of_tree(tree)),
                None => named.extend(first_word(rest)),
            }
        }
    }
    named.retain(|name| ALLOWED.iter().any(|(known, _)| known == name));
    named.remove(part);
    named
}

fn first_word(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
    Some(text.get(..end)?.to_owned())
}

/// `a::b, c::{d, e}}` names `a` and `c`.
fn roots_of_tree(tree: &str) -> Vec<String> {
    let (mut depth, mut start, mut roots) = (1, true, Vec::new());
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => start = true,
            letter if start && depth == 1 && letter.is_ascii_alphabetic() => {
                roots.extend(first_word(tree.get(at..).unwrap_or_default()));
                start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    roots
}

/// What the code in a file of a part uses and may not.
fn violations(path: &str, part: &str, code: &str) -> Vec<String> {
    let allowed = ALLOWED.iter().find(|(name, _)| *name == part).map(|(_, allowed)| *allowed);
    let Some(allowed) = allowed else { return vec![format!("{path}: {part} is in no layer")] };
    let named = parts_named(code, part).into_iter();
    let wrong = named.filter(|name| !allowed.contains(&name.as_str()));
    wrong.map(|name| format!("{path}: {part} uses {name}")).collect()
}

#[test]
fn every_part_uses_only_what_is_below_it() {
    let files = sources("src").into_iter().filter(|path| !is_test(path));
    let wrong = files
        .flat_map(|path| violations(&path.display().to_string(), &part_of(&path), &code(&path)));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_allowed_uses_have_no_circle() {
    let uses: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let reaches = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = uses[from].to_vec();
        while let Some(part) = open.pop() {
            if reached.insert(part) {
                open.extend(uses[part]);
            }
        }
        reached
    };
    let circles: Vec<&&str> = uses.keys().filter(|part| reaches(part).contains(**part)).collect();
    assert_eq!(circles, Vec::<&&str>::new());
}

#[test]
fn a_use_that_points_upward_is_found_wherever_it_stands() {
    for (part, line, found) in [
        ("dbt", "use crate::decide::record::Record;\n", "decide"),
        ("dbt", "use crate::{graph::Graph, decide::{needs, next}};\n", "decide"),
        ("decide", "    crate::store::Store::at(path)\n", "store"),
        ("os", "pub(crate) use crate::run::Driver;\n", "run"),
        ("store", "use crate::{\n    os::clock,\n    cli::Config,\n};\n", "cli"),
        ("lib", "use store::Store;\n", "store"),
    ] {
        let expected = vec![format!("x: {part} uses {found}")];
        assert_eq!(violations("x", part, line), expected, "{line}");
    }
    assert_eq!(violations("x", "dbt", "use crate::graph::Graph;\n"), Vec::<String>::new());
    assert_eq!(violations("x", "job", ""), ["x: job is in no layer"]);
}

#[test]
fn what_decides_and_what_knows_dbt_names_no_input_or_output() {
    // `nix::sys::signal::Signal` is a name for a number, not a call.
    let allowed = |line: &String| !line.contains("nix::sys::signal::Signal");
    let files = ["src/dbt", "src/decide", "src/say"].iter().flat_map(|layer| sources(layer));
    let files = files.chain([root().join("src/graph.rs"), root().join("src/dbt.rs")]);
    let files = files.filter(|path| path.exists() && !is_test(path));
    let hits: Vec<String> = files.flat_map(|path| lines_with(&path, &IO)).filter(allowed).collect();
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
    assert_eq!(hits, Vec::<String>::new());
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

/// Whether a text of this line has a number before a noun in the plural, so that it says `1 nodes`.
fn counts_by_itself(line: &str) -> bool {
    let nouns = [
        "nodes",
        "tests",
        "models",
        "relations",
        "baselines",
        "runs",
        "groups",
        "files",
        "rows",
        "orphans",
        "entries",
        "answers",
        "doubts",
        "changes",
        "lines",
        "variables",
        "processes",
    ];
    let mut texts = line.split('"').skip(1).step_by(2);
    texts.any(|text| {
        let after = text.split('}').skip(1).filter_map(|rest| rest.strip_prefix(' '));
        let noun = |rest: &str| {
            let words = rest.split(|c: char| !c.is_alphabetic()).take(2);
            words
                .take_while(|word| !["of", "would", "are"].contains(word))
                .any(|w| nouns.contains(&w))
        };
        after.into_iter().any(noun)
    })
}

#[test]
fn a_number_and_its_noun_are_put_together_in_one_place() {
    for line in [r#"format!("{count} nodes")"#, r#"line("{} of {all} earlier baselines")"#] {
        assert!(counts_by_itself(line), "{line}");
    }
    for line in [r#"format!("{nodes} to be built")"#, "let Self { nodes, .. } = self;"] {
        assert!(!counts_by_itself(line), "{line}");
    }
    let files = sources("src").into_iter().filter(|path| !is_test(path));
    let lines = files.flat_map(|path| lines_with(&path, &["}"]));
    // Constants are no counts.
    let is_count = |line: &String| counts_by_itself(line) && !line.contains("{MOST_");
    let hits: Vec<String> = lines.filter(is_count).collect();
    assert_eq!(hits, Vec::<String>::new());
}

#[test]
fn the_volume_is_known_to_the_store_alone() {
    let files = sources("src").into_iter().filter(|path| !is_test(path));
    let others = files.filter(|path| part_of(path) != "store");
    let names = [
        "\".dbt-entrypoint",
        "\"run/",
        "\"records",
        "\"history/",
        "\"record.json",
        "\"intent.json",
        "\"last-run.json",
        "\"refused-plan",
        "\"doubts",
        "\"unpublished",
    ];
    let hits = others.flat_map(|path| lines_with(&path, &names));
    assert_eq!(hits.collect::<Vec<_>>(), Vec::<String>::new());
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

#[test]
fn no_two_types_have_one_name() {
    let mut homes: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for path in sources("src").into_iter().filter(|path| !is_test(path)) {
        for line in code(&path).lines().filter(|line| !line.starts_with(' ')) {
            let words: Vec<&str> =
                line.split_whitespace().skip_while(|word| word.starts_with("pub")).collect();
            let [kind, name, ..] = words[..] else { continue };
            if ["struct", "enum", "trait", "type"].contains(&kind) {
                homes
                    .entry(first_word(&format!("{name} ")).unwrap_or_default())
                    .or_default()
                    .insert(path.clone());
            }
        }
    }
    assert!(homes.len() > 100, "{}", homes.len());
    homes.retain(|_, paths| paths.len() > 1);
    assert_eq!(homes, BTreeMap::new());
}
