//! How much room a directory takes.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of every file below, each counted once however many names it has; what cannot be
/// read counts nothing.
pub(super) fn bytes(dir: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let mut open = vec![dir.to_owned()];
    let mut total = 0;
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.path().symlink_metadata() else { continue };
            if metadata.is_dir() {
                open.push(entry.path());
            } else if seen.insert((metadata.dev(), metadata.ino())) {
                total += metadata.len();
            }
        }
    }
    total
}
