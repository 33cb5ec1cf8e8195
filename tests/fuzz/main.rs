//! Every parser on texts that nobody would write: it may refuse them, and must not panic, hang or take
//! more time than their length allows.
//!
//! A text is put together from pieces of real files and of the parser's own words, some of them
//! repeated thousands of times. Each test goes on for `FUZZ_SECONDS` seconds (10 without it); an hour
//! each:
//!
//! ```text
//! FUZZ_SECONDS=3600 cargo test --test fuzz
//! ```
//!
//! A failing text is made smaller and printed.

use dbt_entrypoint::dbt::command::{Command, Retried};
use dbt_entrypoint::dbt::jinja::Renderer;
use dbt_entrypoint::dbt::manifest::{self, Manifest};
use dbt_entrypoint::dbt::profile::{self, ProfileOverrides};
use dbt_entrypoint::dbt::project::{self, ProjectFile};
use dbt_entrypoint::dbt::reads::{Library, dotenv, variables::mentions};
use dbt_entrypoint::dbt::results::{Results, RunLog, listed_ids};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A piece is repeated up to so many bytes.
const REPEATED: usize = 20_000;

/// The text of files of the example project.
fn example(names: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let read = |name: &&str| fs::read_to_string(root.join(name)).expect("a file of the example");
    names.iter().map(read).collect()
}

/// Texts that are put together from slices of `seed` and from these words.
fn texts(seed: String, words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let starts: Vec<usize> = seed.char_indices().map(|(at, _)| at).collect();
    let slice = (prop::sample::select(starts), 0..400_usize).prop_map(move |(start, length)| {
        seed.get(start..).unwrap_or_default().chars().take(length).collect::<String>()
    });
    let word = || prop::sample::select(words).prop_map(str::to_owned);
    let repeated =
        (word(), 1..REPEATED).prop_map(|(word, size)| word.repeat(size / word.len() + 1));
    let piece = prop_oneof![
        6 => slice,
        12 => word(),
        1 => repeated,
        2 => any::<char>().prop_map(String::from),
        2 => "[ -~\n]{0,12}",
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// How long each parser is fuzzed.
#[expect(clippy::disallowed_methods, reason = "tests have no Config; this is their one reader")]
fn seconds() -> u64 {
    let given = std::env::var("FUZZ_SECONDS");
    given.map_or(Ok(10), |seconds| seconds.parse()).expect("a number of seconds")
}

/// Gives the parser texts until the time is over.
#[track_caller]
fn fuzz(seed: String, words: &'static [&'static str], parser: impl Fn(&str)) {
    let end = Instant::now() + Duration::from_secs(seconds());
    let texts = texts(seed, words);
    let mut round = 0_u64;
    while Instant::now() < end {
        round += 1;
        let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&round.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config, random);
        let outcome = runner.run(&texts, |text| {
            parser(&text);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

const JINJA: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{%-",
    "-%}",
    "'",
    "\"",
    "\\",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "|",
    "~",
    "=",
    "env_var(",
    "var(",
    "ref(",
    "source(",
    "config(",
    "if ",
    "else",
    "elif",
    "endif",
    "for x in ",
    "endfor",
    "set y = ",
    "endset",
    "macro m(a, b=1)",
    "endmacro",
    "call(c) m()",
    "endcall",
    "raw",
    "endraw",
    "do ",
    "not ",
    " in ",
    " is ",
    "none",
    "true",
    "1",
    "1.5e9",
    "x",
    "graph.nodes",
    "model.columns",
    "target.",
    "flags.",
    "caller()",
    "adapter.dispatch('m')",
    "loop.index",
    "as_bool",
    "default",
    "env_var( env_var(",
    "{{ [",
    "((((",
    "\n",
    " ",
];

#[test]
fn code_that_is_scanned() {
    let seed = example(&["models/marts/orders.sql", "models/marts/daily_revenue.sql"]);
    fuzz(seed, JINJA, |text| {
        let _ = mentions(text, "sql");
        let macros = json!({
            "macro.p.m": {"package_name": "p", "name": "m", "macro_sql": text,
                "depends_on": {"macros": []}},
        });
        let nodes = json!({
            "model.p.n": {"resource_type": "model", "name": "n", "package_name": "p",
                "language": "sql", "original_file_path": "models/n.sql", "raw_code": text,
                "depends_on": {"macros": ["macro.p.m"], "nodes": []}, "config": {}},
        });
        every_node(&whole_manifest(&nodes, &macros));
    });
}

#[test]
fn yaml_values_that_are_rendered() {
    let environment = [("A".into(), "1".into())].into_iter().collect();
    let renderer = Renderer::new(&environment, &Map::new(), None);
    fuzz(example(&["profiles.yml", "dbt_project.yml"]), JINJA, |text| {
        let _ = renderer.render(text);
        let _ = renderer.render_or_raw(text);
    });
}

const YAML: &[&str] = &[
    "a: ",
    "- ",
    "? ",
    "&x ",
    "*x",
    "!!str ",
    "!",
    "|\n  ",
    ">\n",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "#",
    "\n",
    "\n  ",
    "\n    ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "<<: *x",
    "~",
    "null",
    "0x1f",
    "1_000",
    ".inf",
    "1e3",
    "2001-01-01",
    "yes",
    "vars:\n  ",
    "name: shop\n",
    "profile: shop\n",
    "flags:\n  ",
    "models:\n  ",
    "outputs:\n",
    "target: dev\n",
    "type: duckdb",
    "{{ env_var('A') }}",
    "selectors:\n",
    "definition:\n",
    "default: true\n",
    "\t",
    "\u{feff}",
    "[[[[",
    "{{{{",
    "- - - ",
];

#[test]
fn project_files_and_profiles() {
    let seed = example(&["dbt_project.yml", "profiles.yml", "models/schema.yml"]);
    let environment = [("A".into(), "1".into())].into_iter().collect();
    let renderer = Renderer::new(&environment, &Map::new(), None);
    fuzz(seed, YAML, |text| {
        let _ = ProjectFile::parse(text).and_then(|project| project.with_vars_file(text));
        let _ = (project::spelled_vars(text), project::spelled_cli_vars(text));
        let _ = (project::cli_vars(text), profile::flag(text, "partial_parse"));
        let _ = mentions(text, "yml");
        let named = ProjectFile::parse("name: shop\nprofile: shop\n").expect("a project");
        let overrides = ProfileOverrides { profile: None, target: None };
        let resolve = |path: &Path| PathBuf::from(path);
        let here = Path::new("/project");
        let _ = profile::identity(Some(text), &named, overrides, &renderer, here, &resolve);
    });
}

const PYTHON: &[&str] = &[
    "import ",
    "from ",
    " as ",
    "def model(dbt, session):\n",
    "    ",
    "return ",
    "dbt.ref(",
    "dbt.source(",
    "dbt.config(",
    "dbt.config.get(",
    "os.environ",
    "os.getenv(",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "f'",
    "rb\"",
    "\\",
    "\\\n",
    "#",
    "\n",
    ",",
    ".",
    ":",
    "=",
    "lambda x: ",
    "for x in ",
    "if ",
    "else:\n",
    "class A:\n",
    "@",
    "->",
    "...",
    "\t",
    "0x",
    "é",
];

#[test]
fn python_code() {
    let seed = "import os\nimport pandas as pd\n\ndef model(dbt, session):\n    \
                dbt.config(materialized='table')\n    name = os.environ['A']\n    \
                return dbt.ref('orders')\n";
    fuzz(seed.to_owned(), PYTHON, |text| {
        let _ = mentions(text, "py");
        let nodes = json!({
            "model.p.n": {"resource_type": "model", "name": "n", "package_name": "p",
                "language": "python", "original_file_path": "models/n.py", "raw_code": text,
                "depends_on": {"macros": [], "nodes": []}, "config": {}},
        });
        every_node(&whole_manifest(&nodes, &json!({})));
    });
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\n",
    "\"nodes\":",
    "\"macros\":",
    "\"sources\":",
    "\"metadata\":",
    "\"model.p.n\":",
    "null",
    "true",
    "NaN",
    "-Infinity",
    "1e999",
    "-0",
    "\"info\":",
    "\"data\":",
    "\"node_info\":",
    "\"unique_id\":",
    "\"node_status\":",
    "\"invocation_id\":",
    "\"name\":\"LogModelResult\"",
    "\"results\":",
    "\"status\":\"success\"",
    "\"args\":",
    "\"which\":\"run\"",
    " ",
    "\n",
    "[[[[",
    "{\"a\":",
    "é",
    "\u{0}",
];

/// A small manifest as JSON.
fn whole_manifest(nodes: &serde_json::Value, macros: &serde_json::Value) -> String {
    json!({
        "metadata": {"dbt_schema_version": "https://x/manifest/v12.json",
            "dbt_version": "1.11.16", "project_name": "p", "adapter_type": "duckdb"},
        "nodes": nodes, "sources": {}, "macros": macros, "docs": {}, "exposures": {}, "metrics": {},
    })
    .to_string()
}

/// Asks for all that the nodes of a manifest read.
fn every_node(text: &str) {
    let Ok(manifest) = Manifest::read(text) else { return };
    let library = Library::new(&manifest);
    manifest.nodes().for_each(|(id, node)| drop(library.reads(id, node)));
}

#[test]
fn manifests() {
    let nodes = json!({"model.p.n": {"resource_type": "model", "name": "n", "package_name": "p",
        "original_file_path": "models/n.sql", "raw_code": "select 1", "config": {"a": [1]},
        "depends_on": {"macros": [], "nodes": []}}});
    let seed = whole_manifest(&nodes, &json!({}));
    fuzz(seed, JSON, |text| {
        let _ = manifest::is_whole(text);
        let _ = (manifest::invocation_id_of(text), manifest::dbt_version_of(text));
        every_node(text);
    });
}

#[test]
fn logs_and_results() {
    let event = json!({"info": {"name": "LogModelResult", "invocation_id": "i", "ts": "t"},
        "data": {"node_info": {"unique_id": "model.p.n", "node_status": "success"}}});
    let results = json!({"metadata": {"invocation_id": "i"}, "args": {"which": "run"},
        "results": [{"unique_id": "model.p.n", "status": "success", "execution_time": 1.0}]});
    fuzz(format!("{event}\n{results}\n"), JSON, |text| {
        let _ = RunLog::read(text.lines());
        let _ = (Results::read(text), listed_ids(text), Retried::read(text));
    });
}

const WORDS: &[&str] = &[
    "\u{1}",
    "build",
    "run",
    "retry",
    "--select",
    "-s",
    "--exclude",
    "--vars",
    "{a: 1}",
    "--target",
    "-t",
    "=",
    "--full-refresh",
    "--no-",
    "--",
    "-",
    "state:modified+",
    "@",
    "+",
    "--profiles-dir",
    "--defer",
    "--empty",
    "--sample",
    "1 day",
    "--selector",
    "--resource-type",
    "A=",
    "export ",
    "'",
    "\"",
    "${A}",
    "\n",
    "#",
    "\\",
    " ",
    "é",
];

#[test]
fn command_lines_and_dotenv_files() {
    fuzz("build\u{1}--select\u{1}a+\u{1}--vars\u{1}{a: 1}".to_owned(), WORDS, |text| {
        let environment = [("DBT_TARGET".into(), text.replace('\0', "").into())];
        let environment = environment.into_iter().collect();
        let words = text.split('\u{1}').map(Into::into).collect();
        let command = Command::parse(words, &environment);
        let _ = (command.duty(), command.exclusions(), command.as_parse(), command.refreshes());
        let _ = dotenv::effective_environment(&environment, Some(text));
    });
}
