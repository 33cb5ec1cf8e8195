//! The tool of `examples/volume.rs`, static as the real program is, and what it left behind.

use crate::support::binary;
use dbt_entrypoint::decide::start::Found;
use dbt_entrypoint::store::Store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Where Cargo put it; built on first use.
pub(crate) fn volume_tool() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "volume", "--target", &target])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(built.status.success(), "rustup target add {target}? {}", words(&built));
        let target_dir = binary().ancestors().nth(2).unwrap();
        target_dir.join(target).join("debug/examples/volume")
    })
}

/// What a process said on both streams.
pub(crate) fn words(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said)).concat()
}

/// Make a manifest with this node the baseline, undisturbed.
pub(crate) fn commit(dir: &Path, node: &str) {
    let output = Command::new(volume_tool()).arg("commit").args([dir, Path::new(node)]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", words(&output));
}

/// The node of the baseline, or what is wrong. A baseline with a record that does not
/// belong to it, or without its record, is wrong too.
pub(crate) fn state(dir: &Path) -> String {
    let stored = Store::at(dir).unwrap().look().unwrap();
    let Found::Baseline(Some(_)) = &stored.found else { return format!("{:?}", stored.found) };
    let (manifest, node) = (stored.manifest.unwrap(), stored.record.unwrap().tool);
    match manifest.contains(&format!(r#""{node}": {{"#)) {
        true => node,
        false => format!("the record of {node} beside {manifest:.300}"),
    }
}

/// Every name below a directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in dir.read_dir().unwrap().map(Result::unwrap) {
        names.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()));
        }
    }
    names
}

/// A place where strace(1) can kill a commit.
pub(crate) struct KillPoint {
    /// The name of the system call.
    pub(crate) call: String,
    /// For `inject=`.
    pub(crate) fault: String,
    /// Whether another thread makes this call too, so that nobody can tell how far the commit is.
    pub(crate) is_of_any_thread: bool,
}

/// Where strace can kill a commit in this directory: one place for each system call that it makes.
/// strace counts each system call by itself, so `all:…:when=5` would mean the fifth of whichever
/// comes first.
pub(crate) fn kill_points(strace: &Path, dir: &Path) -> Vec<KillPoint> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let traced = Command::new(strace)
        .args(["-qq", "-f", "-o"])
        .args([log.path(), volume_tool(), Path::new("commit"), dir, Path::new("traced")])
        .output()
        .unwrap();
    assert!(traced.status.success(), "{}", words(&traced));
    let (mut counts, mut points) = (BTreeMap::new(), Vec::<KillPoint>::new());
    let mut main = None;
    let trace = std::fs::read_to_string(log.path()).unwrap();
    // The first is strace becoming the tool. strace counts the calls of each thread by itself.
    for line in trace.lines().skip(1) {
        let Some((thread, call)) = line.split_once('(').and_then(|(call, _)| call.split_once(' '))
        else {
            continue;
        };
        let call = call.trim_start().to_owned();
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let count = counts.entry((thread, call.clone())).and_modify(|n| *n += 1).or_insert(1);
        let fault = format!("{call}:signal=KILL:when={count}");
        let is_of_any_thread = *main.get_or_insert(thread) != thread;
        match points.iter_mut().find(|point| point.fault == fault) {
            Some(known) => known.is_of_any_thread |= is_of_any_thread,
            None => points.push(KillPoint { call, fault, is_of_any_thread }),
        }
    }
    points
}
