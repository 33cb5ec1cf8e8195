//! A project, a state volume, and a dbt without a warehouse (`fake_dbt.py`), so that a run of the
//! program takes milliseconds.
//!
//! After every run that leaves nothing to recover, [`Fake::run`] compares the baseline with what
//! the fake dbt built: the baseline must not claim anything else.

use super::project::Project;
use super::ran::{Call, Ran};
use crate::support::{binary, root};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{PipeReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A project with its volume.
pub(super) struct Fake {
    dir: TempDir,
    /// The environment of the program; nothing else is passed on.
    env: BTreeMap<OsString, OsString>,
    /// Written before every run.
    pub(super) project: Project,
    /// What the fake dbt does apart from its work: see `fake_dbt.py`.
    scenario: Map<String, Value>,
    /// Whether the baseline is compared with what was built.
    checked: bool,
}

impl Fake {
    /// A volume that is empty, and a dbt that has built nothing.
    pub(super) fn new(project: Project) -> Self {
        // In memory, where there is nothing to wait for: storage has tests of its own.
        let memory = tempfile::tempdir_in("/dev/shm");
        let dir = memory.or_else(|_| tempfile::tempdir()).expect("a temporary directory");
        for name in ["project", "state", "home"] {
            fs::create_dir(dir.path().join(name)).expect("a fresh directory");
        }
        install(&dir.path().join("env"));
        let (env, scenario) = (BTreeMap::new(), Map::new());
        let mut fake = Self { dir, env, project, scenario, checked: true };
        let path = format!("{}:/usr/bin:/bin", fake.base().join("env/bin").display());
        fake.env("PATH", path);
        fake.env("HOME", fake.base().join("home"));
        fake.env("DBT_ENTRYPOINT_STATE_DIR", fake.state());
        fake.env("DBT_ENTRYPOINT_ALLOW_EPHEMERAL", "yes");
        fake
    }

    /// The same after a first `build`, which built everything.
    #[track_caller]
    pub(super) fn populated(project: Project) -> Self {
        let fake = Self::new(project);
        fake.run(&["build"]).ends_with(0);
        assert_eq!(fake.pending(), [""; 0]);
        fake
    }

    /// Does not compare the baseline with what was built: for an operator's own word on it.
    pub(super) fn trust(&mut self) {
        self.checked = false;
    }

    /// Above the project, the volume and the fake dbt.
    pub(super) fn base(&self) -> &Path {
        self.dir.path()
    }

    /// The project, which is the working directory of every run.
    pub(super) fn root(&self) -> PathBuf {
        self.base().join("project")
    }

    /// The state directory.
    pub(super) fn state(&self) -> PathBuf {
        self.base().join("state")
    }

    /// A file of the volume.
    pub(super) fn on_the_volume(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    /// Sets a variable for all later runs.
    pub(super) fn env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// Says what the dbt of later runs does at certain points, by the names that it knows:
    /// `fails`, `hangs_at`, `dies_at`, `exits`…
    pub(super) fn dbt(&mut self, key: &str, value: impl Into<Value>) {
        self.scenario.insert(key.into(), value.into());
    }

    /// A dbt that does its work and nothing else.
    pub(super) fn dbt_is_well(&mut self) {
        self.scenario.clear();
    }

    /// Installs another version of dbt in the place of the one that is there.
    pub(super) fn upgrade(&mut self, version: &str) {
        let packages = self.base().join("env/lib/python3/site-packages");
        fs::remove_dir_all(&packages).expect("an installation");
        install_core(&packages, version);
        self.dbt("version", version);
    }

    /// The program with these arguments, ready to be started.
    pub(super) fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        self.project.write_to(&self.root());
        let scenario = Value::from(self.scenario.clone()).to_string();
        fs::write(self.base().join("scenario.json"), scenario).expect("a file");
        let mut command = Command::new(binary());
        command.args(words).current_dir(self.root()).env_clear().envs(&self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(super) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Ran {
        self.run_command(self.command(words))
    }

    /// As [`Fake::run`], for a command that a test has changed.
    #[track_caller]
    pub(super) fn run_command(&self, mut command: Command) -> Ran {
        let before = self.notes().len();
        let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        self.ended(before, &output)
    }

    #[track_caller]
    fn ended(&self, before: usize, output: &Output) -> Ran {
        let signal = output.status.signal().map(|signal| 128 + signal);
        let ran = Ran {
            code: output.status.code().or(signal).expect("a process exits or is killed"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            calls: Call::all(&self.notes()[before..]),
        };
        if self.checked && !self.leaves_doubt() {
            self.check(&ran);
        }
        ran
    }

    /// Whether the next run has something to take up, so that the baseline alone says too much.
    pub(super) fn leaves_doubt(&self) -> bool {
        let doubts = fs::read_dir(self.on_the_volume(".dbt-entrypoint/doubts"));
        self.on_the_volume(".dbt-entrypoint/run/intent.json").exists()
            || doubts
                .into_iter()
                .flatten()
                .flatten()
                .any(|doubt| !doubt.file_name().to_string_lossy().starts_with('.'))
    }

    /// The baseline claims nothing that was not built, as it was built.
    #[track_caller]
    fn check(&self, ran: &Ran) {
        let mut built: BTreeMap<String, (Value, Value)> = BTreeMap::new();
        for note in self.notes() {
            if let Some(id) = note["began"].as_str() {
                built.remove(id);
            }
            if let Some(id) = note["built"].as_str().filter(|_| note["real"] == true) {
                // What stood in its relation before is gone.
                built.retain(|_, (_, relation)| *relation != note["relation"]);
                let what = (note["code"].clone(), note["relation"].clone());
                built.insert(id.to_owned(), what);
            }
        }
        for (id, node) in self.baseline() {
            if node["config"]["materialized"] != "ephemeral" {
                let claimed = (node["checksum"]["checksum"].clone(), node["relation_name"].clone());
                assert_eq!(built.get(&id), Some(&claimed), "the baseline claims {id}: {ran:#?}");
            }
        }
    }

    /// What the fake dbt noted, of all runs.
    fn notes(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.base().join("calls.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// What was in each partial-parse file that a dbt started from, of all runs.
    pub(super) fn warm_parses(&self) -> Vec<String> {
        let notes = self.notes();
        notes.iter().filter_map(|note| note["warm"].as_str()).map(str::to_owned).collect()
    }

    /// The nodes of the baseline by `unique_id`, less those of other projects; none where there is no sound baseline.
    fn baseline(&self) -> Map<String, Value> {
        let text = fs::read(self.on_the_volume("manifest.json")).unwrap_or_default();
        let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
        let mut nodes = manifest["nodes"].as_object().cloned().unwrap_or_default();
        nodes.retain(|_, node| node["original_file_path"] != "");
        nodes
    }

    /// The names of the nodes that the baseline claims, in order.
    pub(super) fn claims(&self) -> Vec<String> {
        let nodes = self.baseline();
        let names = nodes.values().filter_map(|node| node["name"].as_str());
        names.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What `status --json` says.
    #[track_caller]
    pub(super) fn status(&self) -> Value {
        self.run(&["status", "--json"]).ends_with(0).json()
    }

    /// The names of the nodes that `status` says are still to be built, in order.
    #[track_caller]
    pub(super) fn pending(&self) -> Vec<String> {
        let status = self.status();
        let pending = status["pending"].as_object().expect("an object");
        pending.keys().filter_map(|id| id.rsplit('.').next()).map(str::to_owned).collect()
    }

    /// How many baselines the volume keeps.
    pub(super) fn history(&self) -> usize {
        fs::read_dir(self.on_the_volume(".dbt-entrypoint/history")).map_or(0, Iterator::count)
    }

    /// The bytes of the baseline; empty where there is none.
    pub(super) fn manifest(&self) -> Vec<u8> {
        fs::read(self.on_the_volume("manifest.json")).unwrap_or_default()
    }

    /// Every file of the volume with its content, but for the lock.
    pub(super) fn volume(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut open, mut files) = (vec![self.state()], BTreeMap::new());
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(path).expect("a directory");
                open.extend(entries.map(|entry| entry.expect("an entry").path()));
            } else if path.file_name().is_some_and(|name| name != "lock") {
                files.insert(path.clone(), fs::read(path).expect("a file"));
            }
        }
        files
    }
}

/// Runs that are interrupted.
impl Fake {
    /// Starts the program and returns once its dbt has come to the point where it hangs
    /// (`hangs_at`). The two are a process group of their own.
    pub(super) fn hang(&mut self, point: &str, words: &[&str]) -> Running {
        self.dbt("hangs_at", point);
        let before = self.notes().len();
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = self.command(words);
        command.process_group(0).stdout(writer.try_clone().expect("a descriptor")).stderr(writer);
        let child = command.spawn().expect("the program starts");
        // With it go our own ends of the pipe.
        drop(command);
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(b"began\n") {
            assert_eq!(reader.read(&mut byte).expect("a pipe"), 1, "it ended without hanging");
            said.extend(byte);
        }
        self.dbt_is_well();
        Running { child, reader, before, dbt: self.last_dbt() }
    }

    /// The end of a run that hung. Both its streams are taken for standard error.
    #[track_caller]
    pub(super) fn end(&self, mut running: Running) -> Ran {
        let mut stderr = Vec::new();
        running.reader.read_to_end(&mut stderr).expect("a pipe");
        let status = running.child.wait().expect("the program ends");
        self.ended(running.before, &Output { status, stdout: Vec::new(), stderr })
    }

    /// Kills the program together with its dbt, as a node that loses power does.
    pub(super) fn kill_all(&self, mut running: Running) {
        killpg(running.pid(), Signal::SIGKILL).expect("they live");
        running.child.wait().expect("it was killed");
        // Nobody has its other end any more, so that dbt is gone too.
        running.reader.read_to_end(&mut Vec::new()).expect("a pipe");
    }

    /// Kills the program alone. Its dbt goes on hanging, and is handed on.
    pub(super) fn orphan(&self, mut running: Running) -> Orphan {
        self.wait_for(".dbt-entrypoint/run", "manifest.json");
        running.signal(Signal::SIGKILL);
        running.child.wait().expect("it was killed");
        Orphan { pid: running.dbt, reader: running.reader }
    }

    /// Lets the last dbt that hangs go on, where the run is not [`Running`].
    pub(super) fn go_on(&self) {
        kill(self.last_dbt(), Signal::SIGUSR1).expect("it lives");
    }

    /// The signals that dbt noted while it hung (`lingers`).
    pub(super) fn told(&self) -> Vec<String> {
        let notes = self.notes();
        notes.iter().filter_map(|note| note["told"].as_str()).map(str::to_owned).collect()
    }

    fn last_dbt(&self) -> Pid {
        let started = self.notes().into_iter().rfind(|note| note["start"].is_array());
        let pid = started.and_then(|note| note["pid"].as_i64()).expect("a dbt");
        Pid::from_raw(i32::try_from(pid).expect("a pid"))
    }

    /// Lets the dbt of a run that hangs go on; the end of the run.
    #[track_caller]
    pub(super) fn finish(&self, running: Running) -> Ran {
        kill(running.dbt, Signal::SIGUSR1).expect("it lives");
        self.end(running)
    }

    /// From now on, nobody sees that the runs so far hold the lock: as on a volume whose locks hold
    /// on one node only.
    pub(super) fn lock_on_another_node(&self) {
        fs::remove_file(self.on_the_volume(".dbt-entrypoint/lock")).expect("it was taken");
    }

    /// A run that is killed together with its dbt at this point, once the volume has a copy of
    /// the manifest of the run.
    pub(super) fn killed_at(&mut self, point: &str, words: &[&str]) {
        let running = self.hang(point, words);
        self.wait_for(".dbt-entrypoint/run", "manifest.json");
        self.kill_all(running);
    }

    /// Returns once a directory of the volume has a file of this name.
    pub(super) fn wait_for(&self, directory: &str, name: &str) {
        let directory = self.on_the_volume(directory);
        let notices = Inotify::init(InitFlags::IN_CLOEXEC).expect("inotify");
        let kinds = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CREATE;
        notices.add_watch(&directory, kinds).expect("a directory");
        while !directory.join(name).exists() {
            notices.read_events().expect("inotify");
        }
    }
}

/// A run whose dbt hangs.
pub(super) struct Running {
    child: Child,
    /// Of its standard output and standard error, without what came before it hung.
    reader: PipeReader,
    /// How many notes there were before it.
    before: usize,
    /// The dbt that hangs.
    dbt: Pid,
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"))
    }

    /// Sends the program a signal.
    pub(super) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it lives");
    }

    /// Sends the program a signal again and again until it has ended.
    pub(super) fn signal_until_it_ends(&mut self, signal: Signal) {
        while self.child.try_wait().expect("our child").is_none() {
            let _ = kill(self.pid(), signal);
            std::thread::yield_now();
        }
    }
}

/// A dbt that hangs, and whose parent was killed.
pub(super) struct Orphan {
    pid: Pid,
    reader: PipeReader,
}

impl Orphan {
    /// Lets it go on, and waits for its end.
    pub(super) fn finish(mut self) {
        kill(self.pid, Signal::SIGUSR1).expect("it lives");
        self.reader.read_to_end(&mut Vec::new()).expect("a pipe");
    }
}

/// An installation of dbt as `pip` makes one in a virtual environment.
fn install(env: &Path) {
    install_core(&env.join("lib/python3/site-packages"), "1.11.16");
    fs::create_dir(env.join("bin")).expect("a directory");
    let (python, dbt) = (env.join("bin/python3"), env.join("bin/dbt"));
    symlink(installed_python(), &python).expect("a link");
    fs::write(env.join("pyvenv.cfg"), "home = /usr/bin\n").expect("a file");
    let script = format!(
        "#!{} -IS\nimport sys\nsys.pycache_prefix = {:?}\nsys.path.insert(0, {:?})\n\
         from fake_dbt import main\nmain()\n",
        python.display(),
        env!("CARGO_TARGET_TMPDIR"),
        root().join("tests/it/pipeline"),
    );
    fs::write(&dbt, script).expect("a file");
    fs::set_permissions(&dbt, PermissionsExt::from_mode(0o755)).expect("our own file");
}

fn install_core(packages: &Path, version: &str) {
    let name = format!("dbt_core-{version}.dist-info");
    fs::create_dir_all(packages.join(name)).expect("a directory");
}

/// The first `python3` on the PATH of the tests that is no script: those that choose between
/// several versions take a hundred milliseconds.
fn installed_python() -> PathBuf {
    let is_native = |path: &PathBuf| {
        let mut magic = [0; 4];
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && magic == *b"\x7fELF"
    };
    let mut all = which::which_all("python3").expect("a PATH");
    all.find(is_native).expect("python3 is installed")
}

/// A `run_results.json` or the like for a test to leave somewhere.
pub(super) fn results_of(invocation: &str, id: &str, status: &str) -> String {
    let result = json!({"unique_id": id, "status": status, "execution_time": 1.0});
    json!({
        "metadata": {"invocation_id": invocation},
        "args": {"which": "run"},
        "results": [result]
    })
    .to_string()
}
