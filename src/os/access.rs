//! Checks whether a directory is writable without writing to it, so that a problem is reported
//! before dbt starts.

use nix::unistd::AccessFlags;
use std::path::Path;

/// Whether a file or directory can be created at or in `path`, by the permissions and mount of the
/// nearest directory above it that exists (eaccess(3)).
pub(crate) fn is_writable(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists());
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    existing.is_some_and(|path| path.is_dir() && nix::unistd::eaccess(path, flags).is_ok())
}
