//! What is known of the terminal behind standard output and standard error.

use crate::environment::{self, Environment};
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal, stdout};
use std::os::fd::AsFd;

/// The width of the terminal behind standard output, in characters; `None` if it is no terminal.
pub(crate) fn width_of_stdout() -> Option<usize> {
    stdout().is_terminal().then(|| width(stdout()))
}

/// The width of a terminal. One that does not tell its width is taken for the usual one.
pub(crate) fn width(of: impl AsFd) -> usize {
    match tcgetwinsize(of).map(|size| size.ws_col) {
        Ok(0) | Err(_) => 80,
        Ok(width) => width.into(),
    }
}

/// Whether a terminal may be written to in colours (<https://no-color.org>).
pub(crate) fn allows_colour(environment: &Environment) -> bool {
    let term = environment::value(environment, "TERM");
    environment::value(environment, "NO_COLOR").is_none() && term.is_none_or(|term| term != "dumb")
}
