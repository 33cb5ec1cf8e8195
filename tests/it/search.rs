//! Which file a program's name means: the search along PATH, seen from outside.

use crate::support::{Done, binary};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

/// A working directory, and programs in it that say which of them was started.
struct Stage {
    dir: TempDir,
}

impl Stage {
    /// With an executable at each of these paths.
    fn with(programs: &[&str]) -> Self {
        let stage = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        programs.iter().for_each(|path| stage.put(path.as_ref(), 0o755));
        stage
    }

    fn put(&self, path: &OsStr, mode: u32) {
        let at = self.dir.path().join(path);
        fs::create_dir_all(at.parent().expect("a directory")).expect("a directory");
        fs::write(&at, format!("#!/bin/sh\necho '{}'\n", path.display())).expect("a file");
        fs::set_permissions(&at, PermissionsExt::from_mode(mode)).expect("a mode");
    }

    /// `exec NAME` in the working directory.
    fn exec(&self, name: &str, path: Option<&OsStr>) -> Done {
        let mut command = Command::new(binary());
        command.args(["exec", "--", name]).current_dir(self.dir.path());
        command.env_clear().env("HOME", self.dir.path().join("home"));
        path.map(|path| command.env("PATH", path));
        Done::new(&command.output().expect("it starts"), b"")
    }

    /// What `exec NAME` prints.
    fn found(&self, name: &str, path: &str) -> String {
        let done = self.exec(name, Some(path.as_ref()));
        done.expect_code(0);
        done.stdout.trim_end().to_owned()
    }
}

#[test]
fn the_first_executable_file_along_path_is_meant() {
    let stage = Stage::with(&["b/tool", "c/tool", "d/tool"]);
    stage.put("a/tool".as_ref(), 0o644);
    fs::create_dir_all(stage.dir.path().join("dir/tool")).expect("a directory");
    assert_eq!(stage.found("tool", "gone:a:dir:b:c"), "b/tool");
    assert_eq!(stage.found("tool", "d:c:b"), "d/tool");
    let absolute = stage.dir.path().join("c").display().to_string();
    assert_eq!(stage.found("tool", &absolute), "c/tool");
}

#[test]
fn an_empty_entry_is_the_working_directory_and_a_tilde_is_a_name() {
    let stage = Stage::with(&["tool", "a/tool", "~/other", "home/other", "home/third"]);
    for path in ["", ":a", "gone::a", "gone:"] {
        assert_eq!(stage.found("tool", path), "tool", "{path:?}");
    }
    assert_eq!(stage.found("tool", "a:"), "a/tool");
    assert_eq!(stage.found("other", "~"), "~/other");
    stage.exec("third", Some("~:~/".as_ref())).expect_code(127);
}

#[test]
fn a_name_with_a_slash_is_not_looked_for() {
    let stage = Stage::with(&["a/b/tool", "b/tool"]);
    assert_eq!(stage.found("b/tool", "a"), "b/tool");
    assert_eq!(stage.found("./a/b/tool", ""), "a/b/tool");
    stage.exec("./tool", Some("b".as_ref())).expect_code(127);
    stage.exec("./b", Some("b".as_ref())).expect_code(126);
}

#[test]
fn without_path_the_usual_directories_are_searched() {
    let stage = Stage::with(&["true"]);
    let done = stage.exec("true", None);
    done.expect_code(0);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_path_need_not_be_text() {
    let stage = Stage::with(&[]);
    let directory = OsString::from_vec(b"\xff".to_vec());
    stage.put(&[directory.as_os_str(), "/tool".as_ref()].join("".as_ref()), 0o755);
    stage.exec("tool", Some(&directory)).expect_code(0);
}

#[test]
fn a_file_that_cannot_be_executed_is_named_with_126_and_none_with_127() {
    let stage = Stage::with(&[]);
    stage.put("a/tool".as_ref(), 0o644);
    fs::create_dir_all(stage.dir.path().join("b/directory")).expect("a directory");
    for (name, code, word) in [
        ("tool", 126, "a/tool is there"),
        ("directory", 126, "b/directory is there"),
        ("nothing", 127, "nothing was not found on PATH (gone:a:b)"),
        ("", 127, "empty"),
    ] {
        let done = stage.exec(name, Some("gone:a:b".as_ref()));
        done.expect_code(code);
        assert!(done.stderr.contains(word), "{done:#?}");
    }
}
