//! The Aspects example as a fixture: a copy of it, a state directory, a ClickHouse of its own.

use super::shop::{Done, copy_tree};
use super::{binary, root, skip, variable};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What was there before dbt: events as they arrived, and the names of courses.
const LANDING: [&str; 5] = [
    "create database landing",
    "create table landing.events (event_id UInt32, course String, actor String, verb String, \
     emitted DateTime) engine = MergeTree order by event_id",
    "insert into landing.events select number, if(number % 2, 'a', 'b'), toString(number % 10), \
     ['registered', 'played', 'unregistered'][1 + number % 3], now() from numbers(90)",
    "create table landing.course_names (course String, name String) \
     engine = MergeTree order by course",
    "insert into landing.course_names values ('a', 'Algebra')",
];

/// A private copy of `examples/aspects` with its own engine, state directory and HOME.
pub(crate) struct Aspects {
    engine: Child,
    port: u16,
    env: BTreeMap<OsString, OsString>,
    dir: TempDir,
}

impl Aspects {
    /// A fresh copy and an engine with [`LANDING`]; `None` (a loud skip) where either of the
    /// two environments is not installed.
    pub(crate) fn new() -> Option<Self> {
        let [dbt, python] =
            [installed("dbt-clickhouse/bin/dbt")?, installed("clickhouse/bin/python")?];
        let dir = tempfile::tempdir().expect("a temporary directory");
        copy_tree(&root().join("examples/aspects"), &dir.path().join("aspects"));
        for private in ["state", "home"] {
            fs::create_dir(dir.path().join(private)).expect("a fresh directory");
        }
        let (engine, port) = serve(&python, dir.path());
        let mut aspects = Self { engine, port, env: BTreeMap::new(), dir };
        aspects.env("PATH", variable("PATH").unwrap_or_default());
        aspects.env("HOME", aspects.dir.path().join("home"));
        aspects.env("DBT_USE_COLORS", "false");
        aspects.env("CLICKHOUSE_PORT", port.to_string());
        aspects.env("DBT_ENTRYPOINT_STATE_DIR", aspects.dir.path().join("state"));
        aspects.env("DBT_ENTRYPOINT_DBT", dbt);
        aspects.env("DBT_ENTRYPOINT_ALLOW_EPHEMERAL", "yes");
        for statement in LANDING {
            aspects.query(statement);
        }
        Some(aspects)
    }

    /// Sets a variable for all later runs; nothing but these variables is passed on.
    pub(crate) fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// Replaces a piece of text that must be in a file of the project.
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.project().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replace(from, to)).expect("the project is writable");
    }

    /// Runs the program with these arguments to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        let mut command = Command::new(binary());
        command.args(args);
        self.finish(command)
    }

    /// Runs a command in the project, with the fixture's variables, to its end.
    pub(crate) fn finish(&self, mut command: Command) -> Done {
        let results = self.project().join("target/run_results.json");
        // Left over from an earlier run, the file would be taken for this one's.
        let _ = fs::remove_file(&results);
        command.current_dir(self.project()).env_clear().envs(&self.env);
        let output = command.output().expect("the program starts");
        Done::new(&output, &fs::read(results).unwrap_or_default())
    }

    /// What the engine answers, without the last newline.
    ///
    /// # Panics
    /// When the statement fails.
    pub(crate) fn query(&self, statement: &str) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let length = statement.len();
        write!(
            connection,
            "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{statement}"
        )
        .expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{statement}: {body}");
        body.trim_end().to_owned()
    }

    /// How many statements the engine has been sent.
    pub(crate) fn mark(&self) -> usize {
        self.log().lines().count()
    }

    /// What dbt sent since then that changes or fills models, with single spaces, in lower
    /// case, and without the comment that dbt writes before it.
    pub(crate) fn changes_since(&self, mark: usize) -> Vec<String> {
        self.log().lines().skip(mark).filter_map(change).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("queries")).expect("the engine logs")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("aspects")
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Where the engine answers.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Aspects {
    fn drop(&mut self) {
        let _ = self.engine.kill();
        let _ = self.engine.wait();
    }
}

fn change(line: &str) -> Option<String> {
    let entry = serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
    let text = entry["query"].as_str()?;
    let text = text.rsplit("*/").next()?.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.to_lowercase();
    let verb = text.split(' ').next()?;
    let changes = ["alter", "create", "drop", "exchange", "insert", "rename", "truncate"];
    // dbt tries out on tables of its own whether the engine can exchange two.
    (changes.contains(&verb) && !text.contains("__dbt_exchange_test")).then_some(text)
}

/// Starts the engine; returns once it answers, with its port.
fn serve(python: &Path, dir: &Path) -> (Child, u16) {
    let mut engine = Command::new(python)
        .arg(root().join("tests/clickhouse/server.py"))
        .arg("--path")
        .arg(dir.join("data"))
        .arg("--query-log")
        .arg(dir.join("queries"))
        .args(["--rewrite", " ON CLUSTER '[^']*'=>"])
        .args(["--rewrite", r"\bReplicated(?=\w*MergeTree)=>"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut line = String::new();
    let said = engine.stdout.take().expect("a pipe");
    BufReader::new(said).read_line(&mut line).expect("it says its port");
    (engine, line.trim().parse().expect("a port"))
}

/// A file below `.cache`, or a loud skip.
pub(crate) fn installed(path: &str) -> Option<PathBuf> {
    let path = root().join(".cache").join(path);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing", path.display()));
    None
}
