//! Writes to a pipe that perhaps nobody reads. A supervisor that blocks in write(2) would forward no
//! signals.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

/// How long to wait for room in a full pipe.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    None,
    Second,
}

/// Write some of these bytes; how many.
///
/// # Errors
/// EAGAIN where there is no room, else those of write(2).
pub(super) fn write_part(to: impl AsFd, bytes: &[u8], patience: Patience) -> Result<usize, Errno> {
    let patience = match patience {
        Patience::None => PollTimeout::ZERO,
        Patience::Second => PollTimeout::from(1000_u16),
    };
    let mut fds = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut fds, patience) == Ok(0) {
        return Err(Errno::EAGAIN);
    }
    // A pipe that is writable has room for a page (pipe(7)); what is longer is written in parts.
    nix::unistd::write(&to, bytes.get(..4096).unwrap_or(bytes))
}

/// Write all of these bytes.
///
/// # Errors
/// As [`write_part`]; some may have been written.
pub(super) fn write_all(to: impl AsFd, bytes: &[u8], patience: Patience) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = write_part(&to, rest, patience)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
