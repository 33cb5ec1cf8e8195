//! Checks whether a directory is writable without writing to it, so that a problem is reported
//! before dbt starts.

use nix::unistd::AccessFlags;
use std::path::Path;

/// Whether the permissions and the mount allow all of this (eaccess(3)). A sandbox that does not know
/// the system call answers EPERM, which says nothing of the directory: then the older call is asked,
/// and if that one says the same, nothing is known to be forbidden.
///
/// # Errors
/// As access(2), but for EPERM.
pub(crate) fn check(path: &Path, flags: AccessFlags) -> nix::Result<()> {
    let unknown = |error: &nix::Error| matches!(error, nix::Error::EPERM | nix::Error::ENOSYS);
    match nix::unistd::eaccess(path, flags) {
        Err(error) if unknown(&error) => match nix::unistd::access(path, flags) {
            Err(error) if unknown(&error) => Ok(()),
            answer => answer,
        },
        answer => answer,
    }
}

/// Whether this process may act on the files of others as their owners do: `CAP_FOWNER`, which root
/// has unless it was dropped (capabilities(7)).
pub(crate) fn may_act_as_any_owner() -> bool {
    const FOWNER: u64 = 1 << 3;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    match effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()) {
        Some(bits) => bits & FOWNER != 0,
        None => nix::unistd::geteuid().is_root(),
    }
}

/// Whether a file or directory can be created at or in `path`, by the permissions and mount of the
/// nearest directory above it that exists (eaccess(3)).
pub(crate) fn is_writable(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists());
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    existing.is_some_and(|path| path.is_dir() && check(path, flags).is_ok())
}
