//! What is shipped as the binary: static, small, and at home in an image with nothing else.

use crate::support::docker::run;
use crate::support::shop::copy_tree;
use crate::support::{images, root, tool};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The numbers of the ELF specification and of the System V ABI that are looked for here.
mod elf {
    pub(super) const TYPE_SHARED: u16 = 3;
    pub(super) const X86_64: u16 = 62;
    pub(super) const AARCH64: u16 = 183;
    pub(super) const PROGRAM_INTERPRETER: u32 = 3;
    pub(super) const SYMBOL_TABLE: u32 = 2;
}

/// Size limit of the static binary in bytes. The README says less than 2 MB.
const MAX_SIZE: usize = 2_000_000;

/// What an ELF file's headers say of it.
#[derive(Debug, PartialEq, Eq)]
struct Headers {
    kind: u16,
    machine: u16,
    interpreter: bool,
    symbols: bool,
}

fn headers(file: &[u8]) -> Headers {
    let half = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let table = |start: usize, size: usize, count: usize| {
        let start = usize::try_from(long(start)).unwrap();
        (0..usize::from(half(count))).map(move |i| start + i * usize::from(half(size)))
    };
    Headers {
        kind: half(16),
        machine: half(18),
        interpreter: table(32, 54, 56).any(|at| word(at) == elf::PROGRAM_INTERPRETER),
        symbols: table(40, 58, 60).any(|at| word(at + 4) == elf::SYMBOL_TABLE),
    }
}

fn expect_static_pie(path: &Path, machine: u16) {
    let file = fs::read(path).unwrap();
    let expected = Headers { kind: elf::TYPE_SHARED, machine, interpreter: false, symbols: false };
    assert_eq!(headers(&file), expected, "{}", path.display());
    assert!(file.len() < MAX_SIZE, "{} has {} bytes", path.display(), file.len());
}

#[test]
fn the_x86_64_binary_is_static_position_independent_stripped_and_small() {
    let Some(binary) = images::static_binary("x86_64") else { return };
    expect_static_pie(&binary, elf::X86_64);
}

#[test]
fn the_arm64_binary_is_static_position_independent_stripped_and_small() {
    let Some(binary) = images::static_binary("aarch64") else { return };
    expect_static_pie(&binary, elf::AARCH64);
}

#[test]
fn the_arm64_binary_runs() {
    let Some(binary) = images::static_binary("aarch64") else { return };
    let mut command = match std::env::consts::ARCH {
        "aarch64" => Command::new(binary),
        _ => {
            let Some(emulator) = tool("qemu-aarch64-static") else { return };
            let mut command = Command::new(emulator);
            command.arg(binary);
            command
        }
    };
    let output = command.arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), version(), "{output:#?}");
}

#[test]
fn the_binary_runs_in_an_image_with_nothing_else() {
    let Some(image) = images::bin() else { return };
    let done = run(&image, &["--network", "none"], &["--version"]);
    done.expect_code(0);
    assert_eq!(done.stdout, version());
    let done = run(&image, &[], &["--no-state", "run"]);
    done.expect_code(127);
}

fn version() -> String {
    format!("dbt-entrypoint {}\n", env!("CARGO_PKG_VERSION"))
}

#[test]
fn what_the_dockerfile_copies_is_enough_to_compile_the_program() {
    let context = tempfile::tempdir().unwrap();
    let ignore = fs::read_to_string(root().join(".dockerignore")).unwrap();
    for kept in ignore.lines().filter_map(|line| line.strip_prefix('!')) {
        let (from, to) = (root().join(kept), context.path().join(kept));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if from.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
    // A target directory of its own that stays: the dependencies are checked once.
    let target = root().join("target/docker-context");
    let mut check = Command::new(env!("CARGO"));
    check.args(["check", "--locked", "--target-dir"]).arg(target).current_dir(context.path());
    let output = check.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
