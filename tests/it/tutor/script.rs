//! The script of the plugin by itself: what it hands over, and what it refuses. It has nothing
//! in it that Tutor would fill in.

use crate::support::shop::Done;
use crate::support::{binary, root, variable};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SCRIPT: &str =
    "contrib/tutor/tutordbtentrypoint/templates/aspects/apps/aspects/scripts/dbt.sh";

/// Says who started it, and with which words.
const DBT: &str = "#!/bin/sh\necho $PPID\nprintf '<%s>' \"$@\"\n";

/// The script, as in the image whose project is `here v1`, with these arguments and a dbt that
/// only says what it was told.
fn script(dir: &TempDir, branch: &str, args: &[&str]) -> Command {
    let path = |name: &str| dir.path().join(name);
    for fresh in ["bin", "project"] {
        fs::create_dir_all(path(fresh)).expect("a directory");
    }
    let text = fs::read_to_string(root().join(SCRIPT)).expect("the script");
    let project = path("project");
    fs::write(path("dbt.sh"), text.replace("/app/aspects-dbt", project.to_str().expect("UTF-8")))
        .expect("a file");
    fs::write(path("bin/dbt"), DBT).expect("a file");
    fs::set_permissions(path("bin/dbt"), fs::Permissions::from_mode(0o755)).expect("executable");
    if !path("bin/dbt-entrypoint").exists() {
        symlink(binary(), path("bin/dbt-entrypoint")).expect("a link");
    }
    let mut search = OsString::from(path("bin"));
    search.push(":");
    search.push(variable("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.arg(path("dbt.sh")).args(args).env_clear().env("PATH", search);
    command.env("ASPECTS_DBT", "here v1").env("DBT_REPOSITORY", "here").env("DBT_BRANCH", branch);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command) -> (u32, Done) {
    let child = command.spawn().expect("bash starts");
    (child.id(), Done::new(&child.wait_with_output().expect("it ends"), b""))
}

#[test]
fn the_script_becomes_the_binary_and_the_words_arrive_as_they_are() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for only_changed in ["True", "False"] {
        let words = [only_changed, "test", "--vars", "{a: 1}", "--exclude", "*", ""];
        let (pid, done) = run(script(&dir, "v1", &words));
        // One process from first to last: what the container is told, the binary is told.
        let expected = format!("{pid}\n<test><--vars><{{a: 1}}><--exclude><*><>");
        assert_eq!(done.expect_code(0).stdout, expected, "{done:#?}");
    }
}

#[test]
fn a_misspelt_only_changed_is_refused_and_never_the_expensive_branch() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for misspelt in [&["true", "run"][..], &["1", "run"], &["no", "run"], &["", "run"], &[]] {
        let (_, done) = run(script(&dir, "v1", misspelt));
        done.expect_code(64);
        assert!(done.stderr.contains("True or False"), "{done:#?}");
        assert_eq!(done.stdout, "", "dbt was started: {done:#?}");
    }
}

#[test]
fn another_project_than_the_images_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_, done) = run(script(&dir, "v2", &["True", "test"]));
    done.expect_code(78);
    assert!(done.stderr.contains("tutor images build aspects-dbt"), "{done:#?}");
    assert_eq!(done.stdout, "", "dbt was started: {done:#?}");
}
