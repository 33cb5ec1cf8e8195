//! What is known of the terminal behind standard output.

use crate::environment::{self, Environment};
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal, stdout};

/// The width of the terminal behind standard output, in characters; `None` if it is no terminal. One
/// that does not tell its width is taken for the usual one.
pub(crate) fn width_of_stdout() -> Option<usize> {
    let width = || match tcgetwinsize(stdout()).map(|size| size.ws_col) {
        Ok(0) | Err(_) => 80,
        Ok(width) => width.into(),
    };
    stdout().is_terminal().then(width)
}

/// Whether a terminal may be written to in colours (<https://no-color.org>).
pub(crate) fn allows_colour(environment: &Environment) -> bool {
    let term = environment::value(environment, "TERM");
    environment::value(environment, "NO_COLOR").is_none() && term.is_none_or(|term| term != "dumb")
}
