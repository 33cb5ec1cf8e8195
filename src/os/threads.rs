//! Threads of our own, all started in one way.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Do some work in a thread of this name.
///
/// # Errors
/// There are no more threads.
pub(crate) fn start(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(work)
}
