//! A power cut leaves the old or the new baseline, also with somebody else's fsync.
//!
//! The volume is an ext4 image on a loop device. Copying the image while it is mounted
//! keeps what the disk holds at that moment and loses what only memory holds, as a power
//! cut does; mounting the copy replays the journal, as the next boot does.

use crate::support::{skip, tool};
use crate::volume_tool::{commit, kill_points, state, volume_tool, words};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An ext4 image that is mounted until this is dropped. `noauto_da_alloc` takes away what
/// ext4 does for writers who forget to sync; `commit=300` keeps the journal from being
/// written before somebody asks.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Option<Self> {
        tool("mkfs.ext4")?;
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        File::create(disk.image()).unwrap().set_len(8 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()));
        disk.mount()
    }

    /// What the disk holds right now, as a disk of its own.
    fn after_power_cut(&self) -> Self {
        let copy = Self { dir: tempfile::tempdir().unwrap() };
        run(Command::new("cp").arg("--sparse=always").args([self.image(), copy.image()]));
        copy.mount().unwrap()
    }

    fn mount(self) -> Option<Self> {
        fs::create_dir(self.path()).unwrap();
        let mounted = Command::new("mount")
            .args(["-o", "loop,noauto_da_alloc,commit=300"])
            .args([self.image(), self.path()])
            .output()
            .unwrap();
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr);
            skip(&format!("no image can be mounted (root and loop devices are needed): {why}"));
            return None;
        }
        Some(self)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What others do on the same file system at the moment of the cut.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Others {
    Idle,
    /// One fsync writes the journal for everybody: names without their content.
    Sync,
}

impl Others {
    fn act(self, disk: &Path) {
        if self == Self::Sync {
            File::create(disk.join(".theirs")).unwrap().sync_all().unwrap();
        }
    }
}

/// Calls after which the disk or the directory may look different.
const CHANGES: [&str; 10] = [
    "openat",
    "mkdirat",
    "write",
    "ftruncate",
    "fallocate",
    "fsync",
    "renameat",
    "renameat2",
    "unlinkat",
    "exit_group",
];

/// Cut the power at each call that changes something, and at the end.
fn sweep(others: Others) {
    let Some(strace) = tool("strace") else { return };
    let Some(disk) = Disk::new() else { return };
    // The second one makes the directory of earlier baselines: later ones all go the same way.
    commit(&disk.path(), "first");
    commit(&disk.path(), "second");
    let mut outcomes = Vec::new();
    let points = kill_points(&strace, &disk.path());
    for point in points.iter().filter(|point| CHANGES.contains(&point.call.as_str())) {
        let fault = &point.fault;
        let old = format!("old{}", outcomes.len());
        commit(&disk.path(), &old);
        let killed = Command::new(&strace)
            .args(["-qq", "-f", "-o", "/dev/null", "-e", &format!("inject={fault}")])
            .args([volume_tool(), Path::new("commit"), &disk.path(), Path::new("new")])
            .output()
            .unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{fault}: {}", words(&killed));
        others.act(&disk.path());
        let found = state(&disk.after_power_cut().path());
        assert!([&old, "new"].contains(&found.as_str()), "{fault}, {others:?}: {found}");
        outcomes.push(found);
    }
    assert_eq!(outcomes.last().map(String::as_str), Some("new"), "not durable: {outcomes:?}");
    assert!(outcomes.len() > 15 && outcomes[0] == "old0", "{outcomes:?}");
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new_baseline() {
    sweep(Others::Idle);
}

#[test]
fn a_power_cut_while_others_sync_leaves_the_old_or_the_new_baseline() {
    sweep(Others::Sync);
}

/// The bench must be able to tell: a writer who forgets to sync loses the baseline here.
#[test]
fn a_writer_who_does_not_sync_is_found_out() {
    let Some(disk) = Disk::new() else { return };
    commit(&disk.path(), "old");
    let (manifest, beside) = (disk.path().join("manifest.json"), disk.path().join("beside"));
    fs::copy(&manifest, &beside).unwrap();
    fs::rename(&beside, &manifest).unwrap();
    Others::Sync.act(&disk.path());
    assert_eq!(state(&disk.after_power_cut().path()), r#"Damaged("manifest.json is empty")"#);
}
