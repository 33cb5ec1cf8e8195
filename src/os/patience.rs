//! Writes to a pipe that perhaps nobody reads. A supervisor that blocks in write(2) would forward no
//! signals.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Write some of these bytes; how many. Where there is no room, wait for it as long as this.
///
/// # Errors
/// EAGAIN where there is no room, else those of write(2).
pub(super) fn write_part(to: impl AsFd, bytes: &[u8], patience: Duration) -> Result<usize, Errno> {
    let mut fds = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    if poll(&mut fds, timeout) == Ok(0) {
        return Err(Errno::EAGAIN);
    }
    // A pipe that is writable has room for a page (pipe(7)); what is longer is written in parts.
    nix::unistd::write(&to, bytes.get(..4096).unwrap_or(bytes))
}

/// Write all of these bytes. What was waited for is taken from `patience`.
///
/// # Errors
/// As [`write_part`]; some may have been written.
pub(super) fn write_all(to: impl AsFd, bytes: &[u8], patience: &mut Duration) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let began = Instant::now();
        let written = write_part(&to, rest, *patience);
        *patience = patience.saturating_sub(began.elapsed());
        match written {
            // Somebody else has filled it meanwhile.
            Err(Errno::EAGAIN) if !patience.is_zero() => {}
            written => rest = rest.get(written?..).unwrap_or_default(),
        }
    }
    Ok(())
}
