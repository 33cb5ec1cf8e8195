//! What an error of the state volume means to the person who runs the container.

use nix::Error as Errno;
use std::io;
use std::path::Path;

/// The error, followed by what can be done about it.
pub(crate) fn explained(error: &anyhow::Error, dir: &Path) -> anyhow::Error {
    match errno(error).and_then(|errno| remedy(errno, dir)) {
        Some(remedy) => anyhow::anyhow!("{error:#}\n  what to do: {remedy}"),
        None => anyhow::anyhow!("{error:#}"),
    }
}

fn errno(error: &anyhow::Error) -> Option<Errno> {
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>())?;
    io_error.raw_os_error().map(Errno::from_raw)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a hundred errors have no remedy of ours")]
fn remedy(errno: Errno, dir: &Path) -> Option<String> {
    let dir = dir.display();
    Some(match errno {
        Errno::ENOSPC => format!(
            "the volume at {dir} is full (room or inodes): free some or make it larger; `df -h {dir}` and `df -i {dir}` show which"
        ),
        Errno::EDQUOT => format!("the quota of the volume at {dir} is used up: raise it"),
        Errno::EROFS => format!(
            "the volume at {dir} is read-only: mount it writable (without `:ro`, `readOnly: false`); if it was writable before, its file system met an error"
        ),
        Errno::EACCES | Errno::EPERM => format!(
            "uid {} may not write in {dir}: give the volume to it (chown, or fsGroup in Kubernetes) or run as its owner",
            nix::unistd::geteuid()
        ),
        Errno::EIO => format!(
            "the storage behind {dir} reports an error: look at the kernel's log and at the disk before the next run"
        ),
        Errno::EXDEV | Errno::EBUSY => format!(
            "something inside {dir} is a mount of its own: mount the directory as a whole, not manifest.json or a part of it"
        ),
        Errno::ENOENT | Errno::ESTALE | Errno::ENOTCONN | Errno::ENODEV | Errno::ENXIO => format!(
            "the volume at {dir} has vanished (unmounted, deleted, or its server is gone): mount it again"
        ),
        Errno::ELOOP | Errno::ENOTDIR => format!(
            "inside {dir} symbolic links are not followed: put the file or directory itself there"
        ),
        Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS => format!(
            "the file system of {dir} cannot lock files (NFS without its lock service, or `nolock`): use another one, or let only one container run at a time and mount it with local locks (`local_lock=flock`)"
        ),
        Errno::EFBIG => format!("the file system of {dir} does not take files of this size"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_remedy_is_found_below_any_number_of_contexts() {
        let bare: Result<(), io::Error> = Err(io::Error::from_raw_os_error(Errno::ENOSPC as i32));
        let error = bare.context("cannot write a").context("cannot commit").unwrap_err();
        let text = explained(&error, Path::new("/state")).to_string();
        assert!(text.starts_with("cannot commit: cannot write a: No space left"), "{text}");
        assert!(text.contains("what to do: the volume at /state is full"), "{text}");
    }

    #[test]
    fn an_error_without_a_remedy_stays_as_it_is() {
        let error = anyhow::anyhow!("odd");
        assert_eq!(explained(&error, Path::new("/state")).to_string(), "odd");
    }
}
