//! The example project of the README as a fixture: a copy, a warehouse, a state directory.

use super::postgres::Postgres;
use super::warm::WarmDbt;
use super::{binary, dbt, dbt_env, root, variable};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Every node of the example that a full `build` or `seed` and `run` materializes.
pub(crate) const ALL: [&str; 12] = [
    "customers",
    "daily_revenue",
    "loyal_customers",
    "orders",
    "payment_methods",
    "raw_customers",
    "raw_orders",
    "raw_payments",
    "revenue_by_country",
    "stg_customers",
    "stg_orders",
    "stg_payments",
];

/// A private copy of `examples/shop` with its own warehouse, state directory and HOME.
pub(crate) struct Shop {
    // Before the directory that it uses goes.
    _warm: Option<WarmDbt>,
    dir: TempDir,
    dbt: PathBuf,
    /// The warehouse, unless it is DuckDB's file in the project.
    server: Option<Postgres>,
    env: BTreeMap<OsString, OsString>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit code; 128+n when a signal ended the program itself.
    pub(crate) code: i32,
    /// Standard output: dbt's.
    pub(crate) stdout: String,
    /// Standard error: ours, and what dbt writes there.
    pub(crate) stderr: String,
    /// Names of the models, seeds and snapshots that `target/run_results.json` says
    /// succeeded in this run; empty when this run wrote none.
    pub(crate) built: BTreeSet<String>,
}

impl Shop {
    /// A fresh copy for the default dbt; `None` (a loud skip) where it is not installed.
    pub(crate) fn new() -> Option<Self> {
        Self::with_dbt(&dbt_env::default())
    }

    /// A fresh copy for the dbt of that version, or for `postgres` with a server of its own.
    pub(crate) fn with_dbt(version: &str) -> Option<Self> {
        let dbt = dbt(version)?;
        let server = if version == "postgres" { Some(Postgres::new()?) } else { None };
        let dir = tempfile::tempdir().expect("a temporary directory");
        copy_tree(&root().join("examples/shop"), &dir.path().join("shop"));
        for private in ["state", "home"] {
            fs::create_dir(dir.path().join(private)).expect("a fresh directory");
        }
        let mut shop = Self { _warm: None, dir, dbt, server, env: BTreeMap::new() };
        shop.env("PATH", variable("PATH").unwrap_or_default());
        shop.env("HOME", shop.dir.path().join("home"));
        shop.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
        shop.env("DBT_USE_COLORS", "false");
        shop.env("DBT_ENTRYPOINT_STATE_DIR", shop.state());
        shop.env("DBT_ENTRYPOINT_DBT", shop.dbt.clone());
        // The tests may themselves run in a container, with their temporary files inside it.
        shop.env("DBT_ENTRYPOINT_ALLOW_EPHEMERAL", "yes");
        let settings = shop.server.as_ref().map(Postgres::settings);
        shop.env.extend(settings.into_iter().flatten());
        Some(shop)
    }

    /// The same for a test that starts dbt many times: each start of a dbt v1 with DuckDB takes half
    /// as long. What Python reads when it starts (`PYTHONPATH`, the installation) is as it was at the
    /// beginning.
    pub(crate) fn warm() -> Option<Self> {
        Self::with_warm_dbt(&dbt_env::default())
    }

    /// The same for the dbt of that version.
    pub(crate) fn with_warm_dbt(version: &str) -> Option<Self> {
        let mut shop = Self::with_dbt(version)?;
        if !version.starts_with("1.") {
            return Some(shop);
        }
        let warm = WarmDbt::new(&shop.dbt, &shop.dir.path().join("warm"));
        shop.dbt = warm.program().to_owned();
        shop.env("DBT_ENTRYPOINT_DBT", shop.dbt.clone());
        shop._warm = Some(warm);
        Some(shop)
    }

    /// The project, which is the working directory of every run.
    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Sets a variable for all later runs; nothing but these variables is passed on.
    pub(crate) fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// Points the project at another warehouse, which is empty.
    pub(crate) fn move_to(&mut self, name: &str) {
        if let Some(server) = &self.server {
            server.query(&format!("create database \"{name}\""));
        }
        self.env("SHOP_DATABASE", name);
    }

    /// Takes a variable away from all later runs.
    pub(crate) fn env_remove(&mut self, name: &str) {
        self.env.remove(OsStr::new(name));
    }

    /// All variables of later runs.
    pub(crate) fn environment(&self) -> &BTreeMap<OsString, OsString> {
        &self.env
    }

    /// Every file of the volume with its content, but for the lock.
    pub(crate) fn files_of_the_volume(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut open = vec![self.state()];
        let mut files = BTreeMap::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(
                    fs::read_dir(path)
                        .expect("a directory")
                        .map(|entry| entry.expect("an entry").path()),
                );
            } else if path.file_name().is_some_and(|name| name != "lock") {
                let bytes = fs::read(&path).expect("a file");
                files.insert(path, bytes);
            }
        }
        files
    }

    /// Has all later runs use the dbt of another version.
    pub(crate) fn change_dbt(&mut self, version: &str) -> Option<()> {
        self.dbt = dbt(version)?;
        self.env("DBT_ENTRYPOINT_DBT", self.dbt.clone());
        Some(())
    }

    /// The dbt that is run.
    pub(crate) fn dbt(&self) -> &Path {
        &self.dbt
    }

    /// Rewrites a file of the project; the edit must change something.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let path = self.project().join(file);
        let before = fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {file}: {e}"));
        let after = change(&before);
        assert_ne!(before, after, "the edit of {file} changes nothing");
        fs::write(path, after).expect("the project is writable");
    }

    /// Appends a SQL comment, which dbt counts as a change of the model.
    pub(crate) fn touch(&self, file: &str) {
        self.edit(file, |sql| format!("{sql}-- edited\n"));
    }

    /// Writes a new file into the project.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.project().join(file);
        fs::create_dir_all(path.parent().expect("a file in the project")).expect("a directory");
        fs::write(path, text).expect("the project is writable");
    }

    /// The program with these arguments, ready to be started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.prepare(binary(), args)
    }

    /// Runs the program with these arguments to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Done {
        self.finish(self.command(args))
    }

    /// Runs dbt itself, without the program, to its end.
    pub(crate) fn bare_dbt<S: AsRef<OsStr>>(&self, args: &[S]) -> Done {
        self.finish(self.prepare(&self.dbt, args))
    }

    /// What a query finds in the warehouse, one line a row; `dbt show` would need a compile.
    pub(crate) fn query(&self, sql: &str) -> String {
        if let Some(server) = &self.server {
            return server.query(sql);
        }
        let script = "import sys, duckdb\n\
            for row in duckdb.connect('shop.duckdb').sql(sys.argv[1]).fetchall():\n    \
            print(*row, sep='|')";
        let python = self.dbt.with_file_name("python");
        let done = self.finish(self.prepare(&python, &["-c", script, sql]));
        assert_eq!(done.code, 0, "{sql}: {}", done.stderr);
        done.stdout
    }

    fn prepare<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.project()).env_clear().envs(&self.env);
        command
    }

    fn finish(&self, mut command: Command) -> Done {
        // Left over from an earlier run, the file would be taken for this one's.
        let results = self.project().join("target/run_results.json");
        let _ = fs::remove_file(&results);
        let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Done::new(&output, &fs::read(results).unwrap_or_default())
    }
}

impl Done {
    /// The end of a process, with the text of the `run_results.json` it wrote, if any.
    pub(crate) fn new(output: &Output, run_results: &[u8]) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = output.status.signal().map(|signal| 128 + signal);
        Self {
            code: output.status.code().or(signal).expect("a process exits or is killed"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            built: built(run_results),
        }
    }

    /// Asserts that the run ended well and built exactly these nodes.
    #[track_caller]
    pub(crate) fn expect_built(&self, names: &[&str]) {
        assert_eq!(self.code, 0, "{self:#?}");
        let expected = names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(self.built, expected, "{self:#?}");
    }

    /// Asserts that the run ended with this exit code.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// Names of what a building command's `run_results.json` says it built.
pub(crate) fn built(run_results: &[u8]) -> BTreeSet<String> {
    let Ok(results) = serde_json::from_slice::<serde_json::Value>(run_results) else {
        return BTreeSet::new();
    };
    let which = results["args"]["which"].as_str().unwrap_or_default();
    if !["run", "build", "seed", "snapshot", "retry"].contains(&which) {
        return BTreeSet::new();
    }
    let all = results["results"].as_array().expect("run_results.json lists results");
    all.iter().filter(|result| result["status"] == "success").filter_map(name).collect()
}

/// `orders` of `model.shop.orders`; nothing for tests, hooks and operations.
fn name(result: &serde_json::Value) -> Option<String> {
    let mut words = result["unique_id"].as_str()?.splitn(3, '.');
    let kind = words.next()?;
    ["model", "seed", "snapshot"].contains(&kind).then(|| words.nth(1).map(str::to_owned))?
}

/// Copies a directory with all below it, less what runs of dbt left there.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.expect("a directory entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let left_over = ["target", "logs", "shop.duckdb"].iter().any(|n| entry.file_name() == *n);
        match entry.file_type().expect("a file type") {
            _ if left_over => {}
            kind if kind.is_dir() => copy_tree(&source, &target),
            _ => drop(fs::copy(&source, &target).expect("a copy")),
        }
    }
}
