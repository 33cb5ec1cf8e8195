//! Whether files can be made somewhere, without trying.

use nix::unistd::AccessFlags;
use std::path::Path;

/// Whether something can be made at this path, or in it, as far as permissions and mounts tell.
pub(crate) fn is_writable(path: &Path) -> bool {
    let there = path.ancestors().find(|path| path.exists());
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    there.is_some_and(|there| there.is_dir() && nix::unistd::eaccess(there, flags).is_ok())
}
