//! Start a child as if we were not there.
//!
//! `posix_spawn`, because it sets the child's mask and default actions between fork and exec
//! without unsafe code, and because both libcs block every signal meanwhile: one sent to the
//! whole process group finds the child with its own dispositions, never with ours.

use super::{Child, SignalTarget, Stdout, Variables};
use crate::environment;
use crate::exit::Failure;
use anyhow::{Context, Error, Result, anyhow};
use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;
use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The shell that runs a script without `#!`, as execvp(3) does.
const SHELL: &str = "/bin/sh";

/// Start it with this signal mask; 126 and 127 as POSIX has them for `env` and `nohup`.
pub(super) fn spawn(child: &Child<'_>, mask: &SigSet) -> Result<Pid, Failure> {
    let words = std::iter::once(&child.name).chain(&child.args).cloned();
    match start(child, &child.program, words.collect(), mask).map_err(Failure::internal)? {
        Err(Errno::ENOEXEC) if !is_binary(&child.program) => by_shell(child, mask),
        Ok(pid) => Ok(pid),
        Err(errno) => Err(explain(&child.program, errno)),
    }
}

fn by_shell(child: &Child<'_>, mask: &SigSet) -> Result<Pid, Failure> {
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
    let environment = block(child.environment)?;
    let files = files(&child.stdout)?;
    let attributes = attributes(child, mask)?;
    Ok(posix_spawn(program, &files, &attributes, &args, &environment))
}

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

fn files(stdout: &Stdout) -> Result<PosixSpawnFileActions> {
    let mut files = PosixSpawnFileActions::init()?;
    match stdout {
        Stdout::Inherit => {}
        Stdout::ToStderr => files.add_dup2(2, 1)?,
        Stdout::File(file) => files.add_dup2(file.as_raw_fd(), 1)?,
    }
    Ok(files)
}

fn block(environment: Variables<'_>) -> Result<Vec<CString>> {
    match environment {
        Variables::AsFound => environment::in_order().map(pair).collect(),
        Variables::These(these) => these.clone().into_iter().map(pair).collect(),
    }
}

fn pair((mut key, value): (OsString, OsString)) -> Result<CString> {
    key.push("=");
    key.push(value);
    c_string(key)
}

fn c_string(word: OsString) -> Result<CString> {
    CString::new(word.into_vec()).context("a word for the child contains a NUL byte")
}

fn is_binary(program: &Path) -> bool {
    let head = head(program);
    head.starts_with(b"\x7fELF") || head.contains(&0)
}

fn head(program: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = std::fs::File::open(program) {
        // A short read only makes the explanation poorer.
        let _ = file.take(256).read_to_end(&mut head);
    }
    head
}

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
    (Errno::EACCES, "no permission to execute it, or its file system is mounted noexec"),
    (Errno::ENOEXEC, "it is damaged, or made for another machine"),
    (Errno::EAGAIN, "no more processes are allowed (--pids-limit, ulimit -u)"),
    (Errno::EMFILE, "too few file descriptors are allowed (ulimit -n); 6 are enough"),
    (Errno::E2BIG, "its arguments and environment are too long together"),
];

/// The kernel's ENOENT does not tell a missing program from a missing interpreter.
fn not_found(program: &Path) -> Error {
    if std::fs::symlink_metadata(program).is_err() {
        return anyhow!("{} was not found", program.display());
    }
    let name = program.display();
    match interpreter(&head(program)) {
        Some(interpreter) => {
            anyhow!("cannot run {name}: its interpreter {} was not found", interpreter.display())
        }
        None => anyhow!(
            "cannot run {name}: its dynamic loader was not found; it was built for another libc than this image has"
        ),
    }
}

/// The program of a `#!` line.
fn interpreter(head: &[u8]) -> Option<&Path> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| byte.is_ascii_whitespace()).find(|word| !word.is_empty())?;
    Some(Path::new(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_the_first_word_after_the_mark() {
        let of = |head: &'static str| interpreter(head.as_bytes()).and_then(Path::to_str);
        assert_eq!(of("#! /usr/bin/env python3\nprint()"), Some("/usr/bin/env"));
        assert_eq!(of("#!/venv/bin/python"), Some("/venv/bin/python"));
        assert_eq!((of("#!\n"), of("echo"), of("")), (None, None, None));
    }
}
