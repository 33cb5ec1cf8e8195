//! Starts a child with the signal mask and dispositions that it would have without this program.
//!
//! It uses posix_spawn(3), which sets the child's mask and default actions between fork and exec
//! without unsafe code. Both glibc and musl block every signal meanwhile, so a signal to the whole
//! process group never finds the child with the dispositions of this program.

use super::{Child, SignalTarget, Stdout, Variables};
use crate::environment;
use crate::exit::Failure;
use anyhow::{Context, Error, Result, anyhow};
use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The shell that runs a script without `#!`, as for execvp(3).
const SHELL: &str = "/bin/sh";

/// Start a child with this signal mask.
///
/// # Errors
/// 127 if the program was not found, 126 if it cannot be executed: the codes that POSIX defines for
/// `env` and `nohup`.
pub(super) fn spawn(child: &Child<'_>, mask: &SigSet) -> Result<Pid, Failure> {
    let words = std::iter::once(&child.name).chain(&child.args).cloned();
    match start(child, &child.program, words.collect(), mask).map_err(Failure::internal)? {
        Err(Errno::ENOEXEC) if !is_binary(&child.program) => start_by_shell(child, mask),
        Ok(pid) => Ok(pid),
        Err(errno) => Err(explain(&child.program, errno)),
    }
}

/// Start a script that has no `#!` line.
fn start_by_shell(child: &Child<'_>, mask: &SigSet) -> Result<Pid, Failure> {
    let script = child.program.as_os_str().to_owned();
    let words = [OsString::from(SHELL), script].into_iter().chain(child.args.iter().cloned());
    start(child, Path::new(SHELL), words.collect(), mask)
        .map_err(Failure::internal)?
        .map_err(|_| explain(&child.program, Errno::ENOEXEC))
}

fn start(
    child: &Child<'_>,
    program: &Path,
    words: Vec<OsString>,
    mask: &SigSet,
) -> Result<Result<Pid, Errno>> {
    let args = words.into_iter().map(c_string).collect::<Result<Vec<_>>>()?;
    let environment = environment_block(child.environment)?;
    let file_actions = file_actions(child)?;
    let attributes = attributes(child, mask)?;
    let spawn = || posix_spawn(program, &file_actions, &attributes, &args, &environment);
    Ok(match spawn() {
        Err(Errno::E2BIG) => with_room_for_arguments(spawn),
        other => other,
    })
}

/// Linux refuses arguments and variables that take more than a quarter of the stack's limit, and more
/// than 6 MiB in any case (execve(2)). dbt gets the higher limit too.
fn with_room_for_arguments<T>(spawn: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let found = getrlimit(Resource::Stack);
    let most = 4 * MOST_ARGUMENTS;
    let raised = found.maximum.map_or(most, |hard| most.min(hard));
    let _ = setrlimit(Resource::Stack, Rlimit { current: Some(raised), ..found });
    let spawned = spawn();
    let _ = setrlimit(Resource::Stack, found);
    spawned
}

/// In bytes.
const MOST_ARGUMENTS: u64 = 6 << 20;

/// The signal mask, the signals with their default action, and the process group of the child.
fn attributes(child: &Child<'_>, mask: &SigSet) -> Result<PosixSpawnAttr> {
    let mut flags =
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    let mut default: SigSet = std::iter::once(Signal::SIGPIPE).collect();
    if child.policy.restore_int {
        default.add(Signal::SIGINT);
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigmask(mask)?;
    attributes.set_sigdefault(&default)?;
    if child.policy.target == SignalTarget::Group {
        flags |= PosixSpawnFlags::POSIX_SPAWN_SETPGROUP;
        attributes.set_pgroup(Pid::from_raw(0))?;
    }
    attributes.set_flags(flags)?;
    Ok(attributes)
}

fn file_actions(child: &Child<'_>) -> Result<PosixSpawnFileActions> {
    let mut actions = PosixSpawnFileActions::init()?;
    match &child.stdout {
        Stdout::Inherit => {}
        Stdout::ToStderr => actions.add_dup2(2, 1)?,
        Stdout::File(file) => actions.add_dup2(file.as_raw_fd(), 1)?,
    }
    if let Some(file) = &child.inherits {
        // Onto itself, which takes FD_CLOEXEC from the copy in the child (posix_spawn(3p)).
        actions.add_dup2(file.as_raw_fd(), file.as_raw_fd())?;
    }
    Ok(actions)
}

fn environment_block(environment: Variables<'_>) -> Result<Vec<CString>> {
    match environment {
        Variables::AsFound => environment::in_order().map(assignment).collect(),
        Variables::These(these) => these.clone().into_iter().map(assignment).collect(),
    }
}

/// `NAME=value`.
fn assignment((mut key, value): (OsString, OsString)) -> Result<CString> {
    key.push("=");
    key.push(value);
    c_string(key)
}

fn c_string(word: OsString) -> Result<CString> {
    CString::new(word.into_vec())
        .context("an argument or variable of the child contains a NUL byte")
}

fn is_binary(program: &Path) -> bool {
    let head = first_bytes(program);
    head.starts_with(b"\x7fELF") || head.contains(&0)
}

/// The first 256 bytes of a file; fewer if they cannot be read.
fn first_bytes(program: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = std::fs::File::open(program) {
        // If the read fails, the error message is less specific.
        let _ = file.take(256).read_to_end(&mut head);
    }
    head
}

/// The failure to report for an error of posix_spawn(3).
fn explain(program: &Path, errno: Errno) -> Failure {
    if matches!(errno, Errno::ENOENT | Errno::ENOTDIR) {
        return Failure::not_found(not_found(program));
    }
    let directory = errno == Errno::EACCES && program.is_dir();
    let known = REFUSALS.iter().find(|(known, _)| *known == errno);
    let why = if directory { "it is a directory" } else { known.map_or("refused", |(_, why)| why) };
    let what = format!("cannot run {}: {why}", program.display());
    Failure::not_executable(Error::new(errno).context(what))
}

const REFUSALS: [(Errno, &str); 5] = [
    (Errno::EACCES, "it is not executable, or its file system is mounted noexec"),
    (Errno::ENOEXEC, "it is damaged, or built for another machine"),
    (Errno::EAGAIN, "the limit of processes is reached (--pids-limit, ulimit -u)"),
    (Errno::EMFILE, "the limit of open files is reached (ulimit -n); 6 are enough"),
    (
        Errno::E2BIG,
        "its arguments and its environment together are longer than 6 MiB, or than a quarter of the hard limit of the stack (ulimit -Hs)",
    ),
];

/// What is missing: with ENOENT, the kernel does not distinguish a missing program from a missing
/// interpreter.
fn not_found(program: &Path) -> Error {
    if std::fs::symlink_metadata(program).is_err() {
        return anyhow!("{} was not found", program.display());
    }
    let name = program.display();
    match interpreter(&first_bytes(program)) {
        Some(interpreter) => {
            anyhow!("cannot run {name}: its interpreter {} was not found", interpreter.display())
        }
        None => anyhow!(
            "cannot run {name}: its dynamic loader was not found; it was built for a C library that this image does not have"
        ),
    }
}

/// The program that the `#!` line names, if there is such a line.
fn interpreter(head: &[u8]) -> Option<&Path> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| byte.is_ascii_whitespace()).find(|word| !word.is_empty())?;
    Some(Path::new(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_the_first_word_after_the_shebang() {
        let of = |head: &'static str| interpreter(head.as_bytes()).and_then(Path::to_str);
        assert_eq!(of("#! /usr/bin/env python3\nprint()"), Some("/usr/bin/env"));
        assert_eq!(of("#!/venv/bin/python"), Some("/venv/bin/python"));
        assert_eq!((of("#!\n"), of("echo"), of("")), (None, None, None));
    }

    #[test]
    fn arguments_beyond_a_quarter_of_the_stack_have_room_and_the_limit_is_as_before() {
        let before = getrlimit(Resource::Stack);
        let soft = Rlimit { current: Some(8 << 20), ..before };
        setrlimit(Resource::Stack, soft).expect("a lower limit");
        let start = || {
            let words = std::iter::repeat_n("x".repeat(100_000), 40);
            let child = std::process::Command::new("true").args(words).spawn();
            child.map_err(|error| Errno::from_raw(error.raw_os_error().expect("a code")))
        };
        assert_eq!(start().err(), Some(Errno::E2BIG));
        let ended = with_room_for_arguments(start).expect("a child").wait();
        assert!(ended.expect("an end").success());
        assert_eq!(getrlimit(Resource::Stack), soft);
        setrlimit(Resource::Stack, before).expect("the limit of before");
    }
}
