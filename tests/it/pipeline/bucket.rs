//! State volumes that are no local disk: mounted by FUSE, with what buckets refuse.

use super::harness::Fake;
use super::project::chain;
use crate::support::{root, skip, tool};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A mount of `tests/fuse/bucket.py`, of rclone or of s3fs, until it is dropped.
struct Mount {
    point: PathBuf,
    server: Child,
    _s3: Option<S3>,
}

/// An S3 server in memory, until it is dropped.
struct S3(Child);

impl Mount {
    /// A bucket that refuses this (see `tests/fuse/bucket.py`), in the place of the state volume.
    fn bucket(fake: &Fake, refusals: &[&str]) -> Option<Self> {
        let script = root().join("tests/fuse/bucket.py");
        let mut server = Command::new(python()?);
        server.arg(script).arg(backing(fake)).arg(fake.state()).args(refusals);
        let mut mount = Self::start(fake, server)?;
        let mut line = String::new();
        let stdout = mount.server.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a pipe");
        assert_eq!(line, "mounted\n");
        Some(mount)
    }

    /// rclone over a directory, in the place of the state volume.
    fn rclone(fake: &Fake, cache: &str) -> Option<Self> {
        let mut server = Command::new(tool("rclone")?);
        server.arg("mount").arg(backing(fake)).arg(fake.state());
        server.args(["--vfs-cache-mode", cache, "--config", "/dev/null", "--cache-dir"]);
        server.arg(fake.base().join("cache"));
        let mount = Self::start(fake, server)?;
        while !is_mounted(&mount.point) {
            std::thread::yield_now();
        }
        Some(mount)
    }

    /// s3fs over an S3 server in memory, in the place of the state volume.
    fn s3fs(fake: &Fake) -> Option<Self> {
        let mut server = Command::new(tool("s3fs")?);
        let (s3, url) = S3::start()?;
        server.arg("state").arg(fake.state()).arg("-f");
        server.args(["-o", "use_path_request_style", "-o", &format!("url={url}")]);
        server.env("AWS_ACCESS_KEY_ID", "any").env("AWS_SECRET_ACCESS_KEY", "any");
        let mut mount = Self::start(fake, server)?;
        mount._s3 = Some(s3);
        while !is_mounted(&mount.point) {
            std::thread::yield_now();
        }
        Some(mount)
    }

    fn start(fake: &Fake, mut server: Command) -> Option<Self> {
        tool("fusermount")?;
        if File::options().read(true).write(true).open("/dev/fuse").is_err() {
            skip("there is no /dev/fuse");
            return None;
        }
        let server = server.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Some(Self { point: fake.state(), server: server.expect("it starts"), _s3: None })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("fusermount").arg("-uz").arg(&self.point).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

impl S3 {
    /// With the bucket `state`, and its URL.
    fn start() -> Option<(Self, String)> {
        let mut server = Command::new(python()?);
        server.arg(root().join("tests/fuse/s3.py")).arg("state");
        server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = server.spawn().expect("it starts");
        let stdout = server.stdout.take().expect("a pipe");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("a pipe");
        Some((Self(server), url.trim_end().to_owned()))
    }
}

impl Drop for S3 {
    /// It ends with its standard input.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Python with what the file systems and the S3 server need.
fn python() -> Option<PathBuf> {
    let python = root().join(".cache/fuse/bin/python");
    if !python.exists() {
        skip("there is no .cache/fuse");
        return None;
    }
    Some(python)
}

fn backing(fake: &Fake) -> PathBuf {
    let directory = fake.base().join("bucket");
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

fn is_mounted(point: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    mounts.lines().any(|line| line.split(' ').nth(4) == point.to_str())
}

/// A first build, a changed one, one that changes nothing, and a killed one.
#[track_caller]
fn does_its_work(fake: &mut Fake) {
    let once = "a run on another node does not wait for this one";
    fake.run(&["build"]).ends_with(0).says(&[once]).builds(&["a", "b"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.project.edit("b");
    fake.run(&["build"]).ends_with(0).builds(&["b"]);
    assert_eq!(unfinished(&fake.state()), [""; 0]);
    fake.project.edit("b");
    let running = fake.hang("b", &["build"]);
    assert!(!fake.status()["at_work"].is_null(), "{}", fake.status());
    fake.run(&["--lock-timeout", "0", "build"]).ends_with(75).says(&["was in use by"]);
    fake.kill_all(running);
    fake.run(&["build"]).ends_with(0).says(&["last run"]).builds(&["b"]);
    fake.run(&["build"]).ends_with(0).starts(&[]);
}

fn unfinished(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("one"));
    let below = |path: PathBuf| match path.is_dir() {
        true => unfinished(&path),
        false => vec![path.display().to_string()],
    };
    entries.flat_map(|entry| below(entry.path())).filter(|name| name.ends_with(".new")).collect()
}

#[test]
fn a_bucket_that_refuses_everything_but_writing_once_and_renaming_is_enough() {
    let all = ["rewrite", "truncate", "rename-open", "link", "hides"];
    for refusals in [&all[..], &["truncate"], &["rename-open"], &["rewrite"], &[]] {
        let mut fake = Fake::new(chain(&["a", "b"]));
        let Some(_mount) = Mount::bucket(&fake, refusals) else { return };
        does_its_work(&mut fake);
    }
}

#[test]
fn rclone_is_enough_with_and_without_its_cache() {
    for cache in ["off", "writes"] {
        let mut fake = Fake::new(chain(&["a", "b"]));
        let Some(_mount) = Mount::rclone(&fake, cache) else { return };
        does_its_work(&mut fake);
    }
}

#[test]
fn s3fs_is_enough() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    let Some(_mount) = Mount::s3fs(&fake) else { return };
    does_its_work(&mut fake);
}

#[test]
fn a_bucket_that_cannot_rename_is_refused_before_dbt_starts_and_left_clean() {
    let fake = Fake::new(chain(&["a", "b"]));
    let Some(_mount) = Mount::bucket(&fake, &["rename", "rewrite"]) else { return };
    for _ in 0..2 {
        let ran = fake.run(&["build"]);
        ran.ends_with(73).starts(&[]).says(&["cannot rename a file", "docs/volumes.md"]);
    }
    let bucket = fake.base().join("bucket");
    assert_eq!(unfinished(&bucket), [""; 0]);
    let ours = fs::read_dir(bucket.join(".dbt-entrypoint")).expect("a directory");
    let names: Vec<_> = ours.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["lock"]);
}

#[test]
fn where_a_shared_lock_is_required_a_bucket_is_refused() {
    let fake = Fake::new(chain(&["a"]));
    let Some(_mount) = Mount::bucket(&fake, &[]) else { return };
    let ran = fake.run(&["--shared-lock", "required", "build"]);
    ran.ends_with(78).starts(&[]).says(&["fuse.bucket", "concurrencyPolicy: Forbid"]);
    assert!(!ran.stderr.contains("--full") && !ran.stderr.contains("rollback"));
}

#[test]
fn a_mount_whose_server_has_died_is_worth_another_pod() {
    let fake = Fake::new(chain(&["a"]));
    let Some(mut mount) = Mount::bucket(&fake, &[]) else { return };
    mount.server.kill().expect("it lives");
    mount.server.wait().expect("it was killed");
    let ran = fake.run(&["build"]);
    ran.ends_with(75).starts(&[]).says(&["has ended", "start another pod"]);
}
