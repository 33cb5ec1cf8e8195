//! A real Docker engine for tests: containers and volumes that go away with their values.
//!
//! Names hold the test process's id, so that test processes running at the same time never
//! meet. What a test started it removes, also when it panics.

use super::shop::Done;
use super::skip;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where dbt writes its results in our runtime image.
const RUN_RESULTS: &str = "/tmp/dbt/target/run_results.json";

/// Whether a Docker engine answers; a loud skip where none does.
pub(crate) fn engine() -> Option<()> {
    let answer = Command::new("docker").arg("info").output();
    if answer.is_ok_and(|output| output.status.success()) {
        return Some(());
    }
    skip("no Docker engine answers");
    None
}

/// Runs the docker client to its end.
pub(crate) fn docker<S: AsRef<OsStr>>(args: &[S]) -> Output {
    // The legacy builder is the smallest common denominator: what it builds, all build.
    let mut command = Command::new("docker");
    command.args(args).env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Runs the docker client and expects success; its standard output without the last newline.
#[track_caller]
pub(crate) fn docker_ok<S: AsRef<OsStr>>(args: &[S]) -> String {
    let output = docker(args);
    let words = args.iter().map(|word| word.as_ref().to_string_lossy()).collect::<Vec<_>>();
    assert!(output.status.success(), "docker {}: {output:#?}", words.join(" "));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A name that no other test uses, in this process or another.
pub(crate) fn unique(kind: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("dbt-entrypoint-test-{}-{kind}{count}", std::process::id())
}

/// Runs a container to its end, as `docker run OPTIONS IMAGE ARGS` does.
///
/// [`Done::built`] is what the run results in the image's target path say.
pub(crate) fn run(image: &str, options: &[&str], args: &[&str]) -> Done {
    let container = Container { name: unique("run") };
    let mut words = vec!["run", "--name", &container.name];
    words.extend(options);
    words.push(image);
    words.extend(args);
    let output = docker(&words);
    Done::new(&output, &container.read(RUN_RESULTS).unwrap_or_default())
}

/// A container, removed by force together with its anonymous volumes.
pub(crate) struct Container {
    name: String,
}

impl Container {
    /// Starts a container in the background, as `docker run --detach` does.
    pub(crate) fn start(image: &str, options: &[&str], args: &[&str]) -> Self {
        let container = Self { name: unique("container") };
        let mut words = vec!["run", "--detach", "--name", &container.name];
        words.extend(options);
        words.push(image);
        words.extend(args);
        docker_ok(&words);
        container
    }

    /// Blocks until a line of its output contains `text`; that line.
    ///
    /// # Panics
    /// When the container ends without having written such a line.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let mut follow = Command::new("sh")
            .args(["-c", "exec docker logs --follow \"$0\" 2>&1", &self.name])
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker logs");
        let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
        let found = lines.find_map(|line| line.ok().filter(|line| line.contains(text)));
        let _ = follow.kill();
        let _ = follow.wait();
        found.unwrap_or_else(|| panic!("no line with {text:?}, but {:#?}", self.finish()))
    }

    /// Where other containers and this machine reach it.
    pub(crate) fn address(&self) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        docker_ok(&["inspect", "--format", format, &self.name])
    }

    /// Runs a program in it and expects success; its standard output without the last newline.
    #[track_caller]
    pub(crate) fn exec(&self, words: &[&str]) -> String {
        docker_ok(&[&["exec", &self.name], words].concat())
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        docker_ok(&["kill", "--signal", signal, &self.name]);
    }

    /// As `docker stop` does: TERM, and KILL after so many seconds.
    pub(crate) fn stop(&self, seconds: u32) {
        docker_ok(&["stop", "--time", &seconds.to_string(), &self.name]);
    }

    /// Blocks until it has ended; how it ended and what it wrote.
    pub(crate) fn finish(&self) -> Done {
        let code = docker_ok(&["wait", &self.name]);
        let output = docker(&["logs", &self.name]);
        let mut done = Done::new(&output, &self.read(RUN_RESULTS).unwrap_or_default());
        done.code = code.parse().expect("an exit code");
        done
    }

    /// The contents of a file in it, running or not; `None` where there is none.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let copy = dir.path().join("copy");
        let to = copy.to_str().expect("a path of our own");
        let output = docker(&["cp", &format!("{}:{path}", self.name), to]);
        output.status.success().then(|| fs::read(copy).expect("docker cp wrote it"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.name]);
    }
}

/// A named volume, removed at the end.
pub(crate) struct Volume {
    name: String,
}

impl Volume {
    /// An empty volume of the default driver; `options` go to `docker volume create`.
    pub(crate) fn new(options: &[&str]) -> Self {
        let name = unique("volume");
        let mut words = vec!["volume", "create"];
        words.extend(options);
        words.push(&name);
        docker_ok(&words);
        Self { name }
    }

    /// The argument of `--volume` that mounts it at `path`.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}:{path}", self.name)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        docker(&["volume", "rm", "--force", &self.name]);
    }
}
