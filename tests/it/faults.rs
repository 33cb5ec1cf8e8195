//! A commit that is killed, or whose system calls fail, leaves the old or the new baseline.

use crate::support::tool;
use crate::volume_tool::{commit, kill_points, names, state, volume_tool, words};
use dbt_entrypoint::store::Store;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// A process under strace, and whether the fault was injected at all.
struct Injected {
    output: Output,
    happened: bool,
}

/// Commit `new` in the directory with this fault (strace(1), `inject=`).
fn commit_with(strace: &Path, fault: &str, dir: &Path) -> Injected {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(strace)
        .args(["-qq", "-f", "-e", &format!("inject={fault}"), "-o"])
        .arg(log.path())
        .arg(volume_tool())
        .arg("commit")
        .args([dir, Path::new("new")])
        .output()
        .unwrap();
    let happened = std::fs::read_to_string(log.path()).unwrap().contains("INJECTED");
    Injected { output, happened }
}

/// A state directory that holds a baseline of the node `old`, or nothing.
fn volume_with(old: Option<&str>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    old.into_iter().for_each(|node| commit(dir.path(), node));
    dir
}

fn expected(old: Option<&str>) -> String {
    old.map_or_else(|| "Empty".to_owned(), str::to_owned)
}

/// Kill at the first system call, at the second… and at the last.
fn sweep_kills(old: Option<&str>) {
    let Some(strace) = tool("strace") else { return };
    let mut outcomes = Vec::new();
    for point in kill_points(&strace, volume_with(old).path()) {
        let fault = point.fault;
        let dir = volume_with(old);
        let output = commit_with(&strace, &fault, dir.path()).output;
        // A thread that ends together with the process may have come less far this time.
        if output.status.success() {
            continue;
        }
        assert_eq!(output.status.signal(), Some(9), "{fault}: {}", words(&output));
        let found = state(dir.path());
        assert!([expected(old), "new".to_owned()].contains(&found), "{fault}: {found}");
        assert_recovers(dir.path(), &fault);
        if !point.is_of_any_thread {
            outcomes.push(found);
        }
    }
    let turn = outcomes.iter().position(|outcome| outcome == "new").unwrap();
    assert!(outcomes[turn..].iter().all(|outcome| outcome == "new"), "{outcomes:?}");
    assert!(turn > 40 && outcomes.len() - turn > 3, "too few kills: {outcomes:?}");
}

/// The next start cleans up, loses nothing, and commits.
fn assert_recovers(dir: &Path, fault: &str) {
    let before = state(dir);
    Store::at(dir).unwrap().lock("a test", Duration::ZERO, &mut |_| None).map(drop).unwrap();
    assert_eq!(state(dir), before, "{fault}");
    let left: Vec<String> = names(dir).into_iter().filter(|name| name.ends_with(".new")).collect();
    assert!(left.is_empty(), "{fault}: {left:?}");
    if before != "Empty" {
        let manifest = dir.join("manifest.json");
        let aside = dir.join(".aside");
        std::fs::rename(&manifest, &aside).unwrap();
        assert!(state(dir).contains("is gone"), "{fault}: {}", state(dir));
        std::fs::rename(&aside, &manifest).unwrap();
    }
    commit(dir, "next");
    assert_eq!(state(dir), "next", "{fault}");
}

#[test]
fn killed_at_any_system_call_a_commit_leaves_the_old_or_the_new_baseline() {
    sweep_kills(Some("old"));
}

#[test]
fn killed_at_any_system_call_a_first_commit_leaves_nothing_or_the_new_baseline() {
    sweep_kills(None);
}

/// Let each call of this name fail in turn; returns what was said in each case.
fn sweep_errors(strace: &Path, call: &str, errno: &str, old: Option<&str>) -> Vec<String> {
    let mut said = Vec::new();
    for turn in 1.. {
        let dir = volume_with(old);
        let fault = format!("{call}:error={errno}:when={turn}");
        let Injected { output, happened } = commit_with(strace, &fault, dir.path());
        if !happened {
            break;
        }
        let (text, state) = (words(&output), state(dir.path()));
        let context = format!("{fault} on {old:?} left {state}: {text}");
        match output.status.code() {
            Some(0) => assert_eq!(state, "new", "{context}"),
            Some(73 | 74) if text.contains("did not confirm") => {
                assert_eq!(state, "new", "{context}");
            }
            Some(73 | 74) => assert_eq!(state, expected(old), "{context}"),
            _ => panic!("{context}"),
        }
        said.push(text);
    }
    assert!(!said.is_empty(), "{call} is not called");
    said
}

#[test]
fn every_error_of_the_storage_is_told_with_a_remedy_and_leaves_the_old_baseline() {
    let Some(strace) = tool("strace") else { return };
    for (call, errno, remedy) in [
        ("fsync", "EIO", "reported an error"),
        ("fsync", "ENOSPC", "is full"),
        ("/rename", "EXDEV", "a separate mount"),
        ("/rename", "EBUSY", "a separate mount"),
        ("/rename", "EROFS", "is read-only"),
        ("/rename", "ENOENT", "is no longer there"),
        ("write", "ENOSPC", "is full"),
        ("write", "EDQUOT", "quota"),
        ("write", "EIO", "reported an error"),
        ("read", "EIO", "reported an error"),
        ("ftruncate", "EIO", "reported an error"),
        ("openat", "EROFS", "is read-only"),
        ("openat", "EACCES", "may not read and write"),
        ("openat", "ESTALE", "is no longer there"),
        ("fallocate", "ENOSPC", "is full"),
        ("fallocate", "EDQUOT", "quota"),
    ] {
        let said = sweep_errors(&strace, call, errno, Some("old"));
        for text in said.iter().filter(|text| !text.is_empty()) {
            assert!(text.contains(remedy), "{call} {errno}: {text}");
        }
        assert!(said.iter().any(|text| text.contains("what to do")), "{call} {errno}: {said:?}");
    }
}

#[test]
fn on_a_new_volume_an_error_leaves_it_empty() {
    let Some(strace) = tool("strace") else { return };
    for (call, errno) in [("mkdirat", "EROFS"), ("fsync", "EIO"), ("/rename", "EXDEV")] {
        sweep_errors(&strace, call, errno, None);
    }
}

#[test]
fn a_file_system_that_cannot_allocate_is_written_full_of_zeros_instead() {
    let Some(strace) = tool("strace") else { return };
    let said = sweep_errors(&strace, "fallocate", "EOPNOTSUPP", Some("old"));
    assert_eq!(said, ["", "", "", ""], "two files, and two of the rehearsal");
}

#[test]
fn a_file_system_without_directory_syncs_is_no_obstacle() {
    let Some(strace) = tool("strace") else { return };
    let said = sweep_errors(&strace, "fsync", "EINVAL", Some("old"));
    let tolerated = said.iter().filter(|text| text.is_empty()).count();
    // Three files, whose sync must not be missed; the rehearsal, which then tries another way; and
    // six directories.
    assert_eq!((said.len(), tolerated), (10, 7), "{said:?}");
}

/// An older sandbox answers EPERM for a system call that it does not know.
#[test]
fn a_system_call_that_a_sandbox_does_not_know_is_done_without() {
    let Some(strace) = tool("strace") else { return };
    for call in UNKNOWN {
        for errno in ["EPERM", "ENOSYS"] {
            let dir = volume_with(Some("old"));
            let fault = format!("{call}:error={errno}");
            let Injected { output, .. } = commit_with(&strace, &fault, dir.path());
            assert_eq!(output.status.code(), Some(0), "{fault}: {}", words(&output));
            assert_eq!(state(dir.path()), "new", "{fault}");
        }
    }
}

/// Those that came after the profiles of older sandboxes, or that these leave out.
const UNKNOWN: [&str; 9] = [
    "fallocate",
    "?faccessat2",
    "?statx",
    "?openat2",
    "?clone3",
    "?close_range",
    "?getrandom",
    "?copy_file_range",
    "?pidfd_open",
];
