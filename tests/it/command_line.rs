//! Our reading of dbt's command line against dbt's own click parser.
//!
//! Wherever `tests/setup.sh` has installed a dbt v1 in `.cache/dbt-VERSION`, its parser and
//! `dbt.cli.flags.Flags` say what they understand of generated lines, and of our edits of
//! them. What dbt refuses is not compared: it builds nothing.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod warm;

use corpus::{Case, corpus};
use dbt_entrypoint::dbt::command::{
    Arity, Command, Duty, Flag, Opt, SKIPPED, Selection, arity as arity_of,
};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::OnceLock;

const VERSIONS: [&str; 6] = ["1.8", "1.9", "1.10", "1.11", "1.12", "1.13"];

/// The version that gets most of the lines; the others get a share.
const MAIN_VERSION: &str = "1.11";

/// The Pythons of the installed dbts; a loud skip where there are none.
fn pythons() -> Vec<(&'static str, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = |version| root.join(format!(".cache/dbt-{version}/bin/python"));
    let installed: Vec<_> = VERSIONS
        .into_iter()
        .map(|version| (version, python(version)))
        .filter(|(_, path)| path.is_file())
        .collect();
    if installed.is_empty() {
        crate::support::skip("no dbt in .cache");
    }
    installed
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/command_line").join(name)
}

#[test]
fn every_option_of_every_subcommand_takes_as_many_words_as_we_think() {
    for (version, python) in pythons() {
        let output = Process::new(python).arg(script("options.py")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().count() > 1000, "{}", String::from_utf8_lossy(&output.stderr));
        for line in text.lines() {
            let [path, arity, names] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let arity: &[Arity] = match arity {
                "nothing" => &[Arity::Zero, Arity::ZeroOrMore],
                "one" => &[Arity::One],
                "many" => &[Arity::OneOrMore],
                other => panic!("{other}"),
            };
            let subcommand = path.split(' ').next().unwrap();
            for name in names.split(' ') {
                let ours =
                    arity_of(subcommand, name).unwrap_or_else(|| panic!("{version}: {line}"));
                assert!(arity.contains(&ours), "{version}: {line}: {ours:?}");
            }
        }
    }
}

/// One directory for all: its path is a default of some options. Each test is a process that
/// makes it anew while others read it, so the file is renamed into place and never seen empty.
fn project() -> &'static Path {
    static PROJECT: OnceLock<PathBuf> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command_line");
        std::fs::create_dir_all(&project).unwrap();
        let mut file = tempfile::NamedTempFile::new_in(&project).unwrap();
        file.write_all(b"name: p\nversion: '1'\n").unwrap();
        file.persist(project.join("dbt_project.yml")).unwrap();
        project
    })
}

/// The valid ones of the generated lines, with what a version of dbt understands of them.
struct Understood {
    version: &'static str,
    python: PathBuf,
    lines: Vec<(Case, Value)>,
}

fn understood_corpus() -> &'static [Understood] {
    static UNDERSTOOD: OnceLock<Vec<Understood>> = OnceLock::new();
    UNDERSTOOD.get_or_init(|| {
        let understand = |(version, python): (_, PathBuf)| {
            let cases = corpus(if version == MAIN_VERSION { 1500 } else { 400 });
            let answers = understood(&python, &cases);
            let lines = cases.into_iter().zip(answers).filter_map(|(case, dbt)| Some((case, dbt?)));
            Understood { version, lines: lines.collect(), python }
        };
        pythons().into_iter().map(understand).collect()
    })
}

/// What dbt understands of each; `None` where it refuses.
fn understood(python: &Path, cases: &[Case]) -> Vec<Option<Value>> {
    let mut child = Process::new(python)
        .arg(script("understood.py"))
        .current_dir(project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = cases
        .iter()
        .map(|case| json!({"words": case.words, "variables": case.variables}).to_string() + "\n")
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    answers.into_iter().map(|answer| answer.get("refused").is_none().then_some(answer)).collect()
}

const OPTIONS: [(Opt, &str); 8] = [
    (Opt::ProjectDir, "project_dir"),
    (Opt::ProfilesDir, "profiles_dir"),
    (Opt::Profile, "profile"),
    (Opt::Target, "target"),
    (Opt::TargetPath, "target_path"),
    (Opt::LogPath, "log_path"),
    (Opt::LogFormatFile, "log_format_file"),
    (Opt::DeferState, "defer_state"),
];

const FLAGS: [(Flag, &str); 4] = [
    (Flag::FullRefresh, "full_refresh"),
    (Flag::Empty, "empty"),
    (Flag::UseV2Parser, "use_v2_parser"),
    (Flag::Defer, "defer"),
];

/// Compare what both say about options and flags; what neither was told is not compared.
fn assert_same_values(case: &Case, dbt: &Value) {
    let command = case.command();
    for (option, name) in OPTIONS {
        let (ours, theirs) = (command.value(option).and_then(OsStr::to_str), &dbt[name]);
        // A subcommand without the option does not read its variable either.
        if let Some(ours) = ours.filter(|_| !theirs.is_null()) {
            assert_eq!(ours, theirs, "{name}: {case:?}");
        }
        let said = |value: &Value| value.as_str().is_some_and(|text| text == "from_variable");
        assert!(ours.is_some() || !said(theirs), "{name}: {case:?}");
    }
    for (flag, name) in FLAGS {
        if let (Some(ours), Some(theirs)) = (command.flag(flag), dbt[name].as_bool()) {
            let read = has_option(dbt, name);
            assert!(ours == theirs || !read, "{name}: {case:?}\n{dbt}");
        }
    }
}

/// `Flags` fills in defaults for options that the subcommand has not.
fn has_option(dbt: &Value, name: &str) -> bool {
    dbt["has"].as_array().unwrap().iter().any(|has| has == name)
}

fn terms(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap());
    let terms = words.flat_map(|word| word.split(' ')).filter(|term| !term.is_empty());
    terms.map(str::to_owned).collect()
}

fn assert_same_selection(case: &Case, dbt: &Value) {
    let command = case.command();
    let ours: Vec<String> = match command.selection() {
        Selection::None => {
            assert_eq!(dbt["select"].as_array().map_or(0, Vec::len), 0, "{case:?}");
            assert_eq!(dbt["selector"], Value::Null, "{case:?}");
            return;
        }
        Selection::Selector(name) => {
            assert_eq!(Some(dbt["selector"].as_str().unwrap()), name.to_str(), "{case:?}");
            return;
        }
        Selection::State => return assert_state_is_named(case, dbt),
        Selection::Terms(terms) => {
            terms.iter().map(|term| term.to_str().unwrap().to_owned()).collect()
        }
    };
    // `ls` keeps `--models` apart from `--select`.
    let (mut ours, mut theirs) = (ours, terms(&dbt["select"]));
    if dbt["models"].is_array() {
        theirs.extend(terms(&dbt["models"]));
        ours.sort();
        theirs.sort();
    }
    assert_eq!(ours, theirs, "{case:?}");
}

fn assert_state_is_named(case: &Case, dbt: &Value) {
    let method = [&dbt["select"], &dbt["exclude"], &dbt["models"]]
        .iter()
        .any(|value| value.to_string().contains("state:"));
    let option = dbt["state"].is_string() && dbt["state"] != "from_variable";
    assert!(method || option, "{case:?}\n{dbt}");
}

#[test]
fn we_understand_of_every_line_what_dbt_understands() {
    for Understood { version, lines, .. } in understood_corpus() {
        assert!(lines.len() > 100, "{version}: only {} lines were valid", lines.len());
        for (case, dbt) in lines {
            let which = dbt["which"].as_str().unwrap();
            let duty = match which {
                "run" | "build" | "seed" => Duty::BuildSelected,
                "snapshot" | "retry" => Duty::Build,
                _ => Duty::Bystander,
            };
            assert_eq!(case.command().duty(), duty, "{version}: {case:?}");
            assert_same_values(case, dbt);
            assert_same_selection(case, dbt);
            if which == "build" {
                assert_same_types(case, dbt);
            }
        }
    }
}

fn assert_same_types(case: &Case, dbt: &Value) {
    let (asked, left_out) = (terms(&dbt["resource_types"]), terms(&dbt["exclude_resource_types"]));
    for kind in ["model", "seed", "snapshot", "test", "unit_test"] {
        let asked = asked.is_empty() || asked.iter().any(|asked| asked == kind || asked == "all");
        let theirs = asked && !left_out.iter().any(|left_out| left_out == kind);
        assert_eq!(case.command().builds(kind), theirs, "{kind}: {case:?}");
    }
}

/// An edit, and what it must change of what dbt understands.
type Edit = (&'static str, fn(&Command) -> Option<Vec<OsString>>, fn(&mut Value));

const STATE: &str = "/state of/ours";

const EDITS: [Edit; 6] = [
    ("recorded", |command| Some(command.with_write_json()), |dbt| dbt["write_json"] = json!(true)),
    (
        "selecting",
        |command| {
            let free = *command.selection() == Selection::None;
            let terms = ["state:modified+".into(), "-x".into()];
            free.then(|| command.selecting(&terms, Some(Path::new(STATE))))
        },
        |dbt| {
            dbt["select"] = json!(["state:modified+", "-x"]);
            dbt["state"] = json!(STATE);
            dbt["write_json"] = json!(true);
        },
    ),
    (
        "selecting nothing",
        |command| {
            let free = *command.selection() == Selection::None;
            free.then(|| command.selecting(&[], None))
        },
        |dbt| {
            dbt["select"] = json!([""]);
            dbt["write_json"] = json!(true);
        },
    ),
    (
        "narrowed",
        |command| {
            let terms = matches!(command.selection(), Selection::Terms(_));
            terms.then(|| command.narrowed(SKIPPED, Path::new(STATE)).unwrap())
        },
        |dbt| {
            let narrow = |word: &Value| {
                let terms = word.as_str().unwrap().split(' ').map(|term| match term {
                    "" => String::new(),
                    term => format!("{term},result:skipped+"),
                });
                terms.collect::<Vec<_>>().join(" ")
            };
            dbt["select"] = dbt["select"].as_array().unwrap().iter().map(narrow).collect();
            dbt["state"] = json!(STATE);
            dbt["write_json"] = json!(true);
        },
    ),
    (
        "narrowed selector",
        |command| {
            let Selection::Selector(name) = command.selection() else { return None };
            command.narrowed_selector(name, SKIPPED, Path::new(STATE))
        },
        |dbt| {
            let name = dbt["selector"].as_str().unwrap();
            dbt["select"] = json!([format!("selector:{name},result:skipped+")]);
            dbt["selector"] = Value::Null;
            dbt["exclude"] = json!([]);
            dbt["state"] = json!(STATE);
            dbt["write_json"] = json!(true);
        },
    ),
    (
        "with",
        |command| Some(command.with_options(&["--log-format-file".into(), "json".into()])),
        |dbt| dbt["log_format_file"] = json!("json"),
    ),
];

/// A line, its edit, and what dbt should understand of the edited line.
struct Edited<'a> {
    name: &'static str,
    case: &'a Case,
    line: Case,
    expected: Value,
}

fn all_edits(lines: &[(Case, Value)]) -> Vec<Edited<'_>> {
    let builds = lines.iter().filter(|(case, _)| case.command().duty() == Duty::BuildSelected);
    let edits = builds.flat_map(|(case, dbt)| EDITS.map(|edit| (case, dbt, edit)));
    edits
        .filter_map(|(case, dbt, (name, edit, change))| {
            let line = case.with_words(edit(&case.command())?);
            let mut expected = dbt.clone();
            change(&mut expected);
            Some(Edited { name, case, line, expected })
        })
        .collect()
}

#[test]
fn an_edit_changes_what_it_says_and_nothing_else() {
    for Understood { version, python, lines } in understood_corpus() {
        let edited = all_edits(lines);
        let lines: Vec<Case> = edited.iter().map(|edited| edited.line.clone()).collect();
        for (edited, dbt) in edited.iter().zip(understood(python, &lines)) {
            let Edited { name, case, line, expected } = edited;
            let dbt = dbt.unwrap_or_else(|| panic!("{version} {name}: refused {line:?}"));
            assert_eq!(dbt, *expected, "{version} {name}:\n{case:?}\n{line:?}");
        }
        for (name, ..) in EDITS {
            let count = edited.iter().filter(|edited| edited.name == name).count();
            assert!(count > 3, "{version}: {name} was done to {count} lines only");
        }
    }
}

#[test]
fn parsing_and_listing_first_sees_the_same_project() {
    const SAME: [&str; 9] = [
        "project_dir",
        "profiles_dir",
        "profile",
        "target",
        "target_path",
        "vars",
        "partial_parse",
        "warn_error",
        "log_path",
    ];
    for Understood { version, python, lines } in understood_corpus() {
        let ours = lines.iter().filter(|(case, _)| case.command().duty() != Duty::Bystander);
        let first: Vec<(&Value, &str, Case)> = ours
            .flat_map(|(case, run)| {
                let command = case.command();
                [("parse", command.as_parse()), ("ls", command.as_list())]
                    .map(|(which, words)| (run, which, case.with_words(words)))
            })
            .collect();
        let lines: Vec<Case> = first.iter().map(|(.., line)| line.clone()).collect();
        for ((run, which, line), dbt) in first.iter().zip(understood(python, &lines)) {
            let dbt = dbt.unwrap_or_else(|| panic!("{version}: refused {line:?}"));
            assert_eq!((&dbt["which"], &dbt["quiet"]), (&json!(which), &json!(true)));
            for name in SAME {
                assert_eq!(dbt[name], run[name], "{version} {name}: {line:?}");
            }
            assert_eq!(dbt["write_json"], json!(*which == "parse"));
        }
    }
}
