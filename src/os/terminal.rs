//! What is known of the terminal behind standard output or standard error.

use crate::environment::{self, Environment};
use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::termios::tcgetwinsize;
use std::fs::File;
use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

/// The width of the terminal behind standard output, in characters; `None` if it is no terminal. One
/// that does not tell its width is taken for the usual one.
pub(crate) fn width_of_stdout() -> Option<usize> {
    width_of(&stdout())
}

/// The same for standard error.
pub(crate) fn width_of_stderr() -> Option<usize> {
    width_of(&stderr())
}

fn width_of(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let width = || match tcgetwinsize(stream).map(|size| size.ws_col) {
        Ok(0) | Err(_) => 80,
        Ok(width) => width.into(),
    };
    stream.is_terminal().then(width)
}

/// Whether nothing that a child writes to our standard output can come onto a terminal: it is a file
/// or `/dev/null`. What reads a pipe may show it.
pub(crate) fn is_stdout_out_of_sight() -> bool {
    let Ok(copy) = stdout().as_fd().try_clone_to_owned() else { return false };
    let Ok(kind) = File::from(copy).metadata().map(|metadata| metadata.file_type()) else {
        return false;
    };
    kind.is_file() || (kind.is_char_device() && !stdout().is_terminal())
}

/// Whether this process is the one that the terminal behind standard error listens to.
pub(crate) fn is_in_front() -> bool {
    tcgetpgrp(stderr()).is_ok_and(|group| group == getpgrp())
}

/// Whether the terminal knows how to erase a line.
pub(crate) fn erases(environment: &Environment) -> bool {
    environment::value(environment, "TERM").is_some_and(|term| term != "dumb")
}

/// Whether a terminal may be written to in colours (<https://no-color.org>).
pub(crate) fn allows_colour(environment: &Environment) -> bool {
    let term = environment::value(environment, "TERM");
    environment::value(environment, "NO_COLOR").is_none() && term.is_none_or(|term| term != "dumb")
}
