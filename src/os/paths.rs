//! Where a path really leads.

use std::path::{Path, PathBuf};

/// A path without links and `..`, as far as it exists: the same before and after its file is made.
#[must_use]
pub(crate) fn resolved(path: &Path) -> PathBuf {
    resolved_within(path, MOST_LINKS)
}

/// As many links in a row as Linux follows.
const MOST_LINKS: u8 = 40;

fn resolved_within(path: &Path, links: u8) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let Some(parent) = path.parent() else { return path.to_owned() };
    if let (Ok(link), Some(left)) = (path.read_link(), links.checked_sub(1)) {
        return resolved_within(&parent.join(link), left);
    }
    match path.components().next_back() {
        Some(last) => resolved_within(parent, links).join(last),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_the_same_before_and_after_its_file_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("real/below")).unwrap();
        symlink(base.join("real"), base.join("link")).unwrap();
        symlink("real/file", base.join("dangling")).unwrap();
        symlink("round", base.join("round")).unwrap();
        let expected = base.join("real/file");
        for made in [false, true] {
            for path in ["real/file", "link/file", "link/below/../file", "dangling"] {
                assert_eq!(resolved(&base.join(path)), expected, "{path} {made}");
            }
            fs::write(&expected, "").unwrap();
        }
        assert!(resolved(&base.join("round")).ends_with("round"));
    }
}
