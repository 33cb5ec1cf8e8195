//! What is mounted, seen from inside real containers.

use crate::support::docker::{Container, Volume, docker, docker_ok, engine, unique};
use crate::support::tool;
use crate::volume_tool::{commit, state, volume_tool, words};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An image with nothing but the tool, removed at the end.
struct Image {
    tag: String,
}

impl Image {
    fn new() -> Option<Self> {
        engine()?;
        let dir = tempfile::tempdir().unwrap();
        fs::copy(volume_tool(), dir.path().join("volume")).unwrap();
        let tar = dir.path().join("tar");
        let mut pack = Command::new("tar");
        pack.arg("-cf").arg(&tar).arg("-C").arg(dir.path()).arg("volume");
        assert!(pack.status().unwrap().success());
        let image = Self { tag: unique("volume-tool") };
        let entrypoint = r#"ENTRYPOINT ["/volume"]"#;
        docker_ok(&["import", "--change", entrypoint, text(&tar), &image.tag]);
        Some(image)
    }

    /// Runs the tool to its end: its exit code and what it said.
    fn run(&self, options: &[&str], args: &[&str]) -> (Option<i32>, String) {
        let output = docker(&[&["run", "--rm"], options, &[&self.tag], args].concat());
        (output.status.code(), words(&output))
    }

    /// Where the tool finds itself.
    fn place(&self, options: &[&str], dir: &str) -> String {
        let (_, said) = self.run(options, &["look", dir]);
        said.lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.tag]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A volume in memory, of so many bytes and inodes.
fn memory_volume(options: &str) -> Volume {
    Volume::new(&["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", &format!("o={options}")])
}

#[test]
fn only_a_mount_that_outlives_the_container_lasts() {
    let Some(image) = Image::new() else { return };
    let (named, memory) = (Volume::new(&[]), memory_volume("size=1m"));
    let dir = tempfile::tempdir().unwrap();
    let empty_dir = dir.path().join("kubernetes.io~empty-dir");
    fs::create_dir(&empty_dir).unwrap();
    let (bind, empty_dir) =
        (format!("{}:/state", text(dir.path())), format!("{}:/state", text(&empty_dir)));

    assert_eq!(image.place(&[], "/state"), "Missing");
    assert_eq!(image.place(&[], "/etc"), "NotMounted");
    let lasting = "Lasting { warning: None }";
    assert_eq!(image.place(&["-v", &named.at("/state")], "/state"), lasting);
    assert_eq!(image.place(&["--read-only", "-v", &named.at("/state")], "/state"), lasting);
    assert_eq!(image.place(&["-v", &bind], "/state"), lasting);
    assert_eq!(image.place(&["--tmpfs", "/state"], "/state"), r#"Ephemeral("tmpfs")"#);
    assert_eq!(image.place(&["-v", &memory.at("/state")], "/state"), r#"Ephemeral("tmpfs")"#);
    let anonymous = image.place(&["-v", "/state"], "/state");
    assert!(anonymous.contains("Lasting") && anonymous.contains("anonymous volume"), "{anonymous}");
    let empty_dir = image.place(&["-v", &empty_dir], "/state");
    assert!(empty_dir.contains("Lasting") && empty_dir.contains("emptyDir"), "{empty_dir}");
}

#[test]
fn a_mount_that_cannot_be_written_is_told_apart_from_one_that_does_not_last() {
    let Some(image) = Image::new() else { return };
    let (named, dir) = (Volume::new(&[]), tempfile::tempdir().unwrap());
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let bind = |path: &Path, at: &str| format!("{}:{at}", text(path));

    assert_eq!(image.place(&["-v", &named.at("/state:ro")], "/state"), "ReadOnly");
    assert_eq!(image.place(&["-v", &bind(&file, "/state")], "/state"), "NotADirectory");
    let as_user = image.place(&["--user", "10001:10001", "-v", &named.at("/state")], "/state");
    assert!(
        as_user.starts_with("Unwritable { why: \"cannot use /state: Permission denied"),
        "{as_user}"
    );
    assert!(
        as_user.contains("10001:10001 may not read and write everything in /state"),
        "{as_user}"
    );
    assert!(as_user.contains("belongs to 0:0 with mode 755"), "{as_user}");
    let (whole, part) = (bind(dir.path(), "/state"), bind(&file, "/state/manifest.json"));
    let mounted_file = image.place(&["-v", &whole, "-v", &part], "/state");
    assert!(mounted_file.contains("a separate mount"), "{mounted_file}");
}

#[test]
fn a_commit_is_seen_by_the_next_container_on_the_volume() {
    let Some(image) = Image::new() else { return };
    let volume = Volume::new(&[]);
    let mount = volume.at("/state");
    let (_, before) = image.run(&["-v", &mount], &["look", "/state"]);
    assert!(before.contains("Empty None"), "{before}");
    let committed = image.run(&["-v", &mount], &["commit", "/state", "orders"]);
    assert_eq!(committed, (Some(0), String::new()));
    let (_, after) = image.run(&["-v", &mount], &["look", "/state"]);
    assert!(after.contains(r#"Some("orders")"#), "{after}");
}

#[test]
fn a_volume_that_cannot_take_the_baseline_is_found_before_dbt_starts() {
    let Some(image) = Image::new() else { return };
    let (root, full) = (Volume::new(&[]), memory_volume("size=32k"));
    let no_inodes = memory_volume("size=1m,nr_inodes=4");
    for (options, remedy) in [
        (vec!["-v", &root.at("/state:ro")], "is read-only"),
        (
            vec!["-v", &root.at("/state"), "--user", "10001:10001"],
            "10001:10001 may not read and write",
        ),
        (vec!["-v", &full.at("/state")], "is full"),
        (vec!["-v", &no_inodes.at("/state")], "no free space or no free inodes"),
    ] {
        let (code, said) = image.run(&options, &["commit", "/state", "orders", "wait"]);
        assert_eq!(code, Some(73), "{options:?}: {said}");
        assert!(said.contains(remedy) && !said.contains("reserved"), "{options:?}: {said}");
        let (_, look) = image.run(&options, &["look", "/state"]);
        assert!(look.contains("Empty"), "{options:?}: {look}");
    }
}

/// A commit that has its room and waits, where dbt would run.
fn reserved(command: &mut Command) -> Child {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "reserved\n");
    child
}

/// The rest of that commit.
fn resumed(mut child: Child) -> (Option<i32>, String) {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_volume_that_is_deleted_under_a_running_container_is_reported() {
    let Some(image) = Image::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "-i", "-v", &format!("{}:/state", text(&state)), &image.tag]);
    let child = reserved(docker.args(["commit", "/state", "orders", "wait"]));
    fs::remove_dir_all(&state).unwrap();
    let (code, said) = resumed(child);
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("is no longer there"), "{said}");
}

#[test]
fn a_volume_that_is_unmounted_meanwhile_is_reported_and_nothing_is_written_below_it() {
    let Some(mount) = tool("mount") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new(mount).args(["-t", "tmpfs", "tmpfs"]).arg(dir.path()).output();
    let mounted = mounted.unwrap();
    if !mounted.status.success() {
        return crate::support::skip(&format!("nothing can be mounted: {}", words(&mounted)));
    }
    commit(dir.path(), "old");
    assert_eq!(state(dir.path()), "old");
    let child =
        reserved(Command::new(volume_tool()).arg("commit").arg(dir.path()).args(["new", "wait"]));
    let unmounted = Command::new("umount").arg("--lazy").arg(dir.path()).output().unwrap();
    assert!(unmounted.status.success(), "{}", words(&unmounted));
    let (code, said) = resumed(child);
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("is not the directory that it was"), "{said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn containers_with_the_same_host_name_and_pid_exclude_each_other() {
    let Some(image) = Image::new() else { return };
    let volume = Volume::new(&[]);
    let mount = volume.at("/state");
    let start = || {
        let options = ["--interactive", "--hostname", "twin", "-v", &mount];
        Container::start(&image.tag, &options, &["lock", "/state", "60"])
    };
    let first = start();
    first.wait_for_line("locked");
    let second = start();
    let waiting = second.wait_for_line("waiting");
    assert!(waiting.contains(r#"on host "twin" (pid 1"#), "{waiting}");
    first.signal("KILL");
    second.wait_for_line("locked");
}
