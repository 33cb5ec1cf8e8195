//! What an error on the state volume means to the person who runs the container.

use super::rehearsal::ANOTHER;
use crate::exit::{Failure, Refusal};
use crate::os::mount;
use nix::Error as Errno;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What an error means, and the steps to take.
pub(super) struct Advice {
    pub(super) meaning: String,
    pub(super) remedies: Vec<String>,
}

/// An error on the volume at `dir` with what it means and what to do, as far as its `errno` tells.
/// An error that is a [`Refusal`] keeps its own meaning and remedies.
pub(super) fn explained(error: anyhow::Error, dir: &Path) -> Refusal {
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    let Some(advice) = io_error.and_then(|error| advice_on(error, dir)) else {
        return Refusal::from(error);
    };
    let refusal = Refusal::new(format!("{error:#}")).meaning(advice.meaning);
    advice.remedies.into_iter().fold(refusal, Refusal::remedy)
}

/// The failure of a run that cannot use the volume at `dir`: 75 where another container may find the
/// volume well, 73 otherwise.
pub(super) fn unusable(error: anyhow::Error, dir: &Path) -> Failure {
    let is_gone = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_gone);
    let refusal = explained(error, dir);
    if is_gone { Failure::try_again(refusal) } else { Failure::unwritable(refusal) }
}

/// The mount has lost its server: the program that serves a FUSE mount has ended.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOTCONN as i32)
}

#[inline(never)]
pub(super) fn errno_of(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// What an error on the volume at `dir` means, as far as its `errno` tells.
pub(super) fn advice_on(error: &io::Error, dir: &Path) -> Option<Advice> {
    advice(errno_of(error)?, dir)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a hundred errors have no remedy of ours")]
fn advice(errno: Errno, dir: &Path) -> Option<Advice> {
    let shown = dir.display();
    let (meaning, remedies) = match errno {
        Errno::ENOSPC => (
            format!("the volume at {shown} is full: it has no free space or no free inodes"),
            vec![
                format!("df -h {shown}; df -i {shown}     (shows which of the two ran out)"),
                "free some, or make the volume larger".to_owned(),
            ],
        ),
        Errno::EDQUOT => (
            format!("the quota of the volume at {shown} is used up"),
            vec!["raise the quota, or delete files that count towards it".to_owned()],
        ),
        Errno::EROFS => (format!("the volume at {shown} is read-only"), writable(dir)),
        Errno::EACCES | Errno::EPERM => return Some(permission(dir)),
        Errno::EIO => (
            format!("the storage behind {shown} reported an error"),
            vec!["check the kernel's log and the disk before the next run".to_owned()],
        ),
        Errno::EXDEV | Errno::EBUSY => (
            format!("something inside {shown} is a separate mount"),
            vec!["mount the whole directory, not manifest.json or a subdirectory".to_owned()],
        ),
        _ => return advice_on_the_kind(errno, dir),
    };
    Some(Advice { meaning, remedies })
}

/// Where the volume is not there, or is not of a kind that we can use.
#[expect(clippy::wildcard_enum_match_arm, reason = "a hundred errors have no remedy of ours")]
fn advice_on_the_kind(errno: Errno, dir: &Path) -> Option<Advice> {
    let shown = dir.display();
    let another = "use a volume with another file system";
    let (meaning, remedies) = match errno {
        Errno::ENOTCONN => (
            format!("the program that serves the mount at {shown} has ended"),
            vec!["start another pod: its mount is a new one", "mount the volume again"],
        ),
        Errno::ENOENT | Errno::ESTALE | Errno::ENODEV | Errno::ENXIO => (
            format!(
                "the volume at {shown} is no longer there: it was unmounted or deleted, or its server is unreachable"
            ),
            vec!["mount the volume again"],
        ),
        Errno::ELOOP | Errno::ENOTDIR => (
            format!(
                "something inside {shown} is a file or a symbolic link where a directory should be; symbolic links are not followed there"
            ),
            vec!["replace it by the directory itself"],
        ),
        Errno::EOPNOTSUPP | Errno::ENOSYS => {
            (format!("the file system of {shown} cannot do this"), vec![ANOTHER])
        }
        Errno::EFBIG => {
            (format!("the file system of {shown} does not take files of this size"), vec![another])
        }
        _ => return None,
    };
    Some(Advice { meaning, remedies: remedies.into_iter().map(str::to_owned).collect() })
}

/// How a volume becomes writable.
pub(super) fn writable(dir: &Path) -> Vec<String> {
    vec![
        format!(
            "docker run -v dbt-state:{} …     (without `:ro`; in Kubernetes `readOnly: false`)",
            dir.display()
        ),
        "check the kernel's log, if it was writable before: after an error the kernel mounts a file system read-only".to_owned(),
    ]
}

/// Owner and mode are what the person who corrects it needs to know; how, depends on the mount.
fn permission(dir: &Path) -> Advice {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let (shown, owner) = (dir.display(), owner(dir).unwrap_or_default());
    let mount = mount::of(dir);
    let kind = mount.as_ref().map_or("", |mount| mount.fs_type.as_str());
    let has = |option: &str| {
        mount.as_ref().is_some_and(|mount| mount.options.iter().any(|other| other == option))
    };
    let run_as_the_owner =
        "docker run --user UID:GID …     (run as the owner of the volume)".to_owned();
    let remedies = match kind {
        _ if kind.starts_with("fuse") && !has("allow_other") => vec![format!(
            "mount it with `allow_other`: without, only the user who mounted it may use it ({kind})"
        )],
        _ if kind.starts_with("fuse") || kind == "cifs" || kind == "smb3" => vec![format!(
            "mount it with `uid={uid},gid={gid}` ({kind}: owner and mode are options of the mount)"
        )],
        _ if kind.starts_with("nfs") && uid.is_root() => vec![
            run_as_the_owner,
            "export it with `no_root_squash` (by default an NFS server takes root for nobody)"
                .to_owned(),
        ],
        _ if kind.starts_with("nfs") => vec![
            format!("chown -R {uid}:{gid} on the server (`fsGroup` changes nothing on NFS)"),
            run_as_the_owner,
        ],
        _ => vec![
            format!("chown -R {uid}:{gid} {shown}     (in Kubernetes: `fsGroup: {gid}`)"),
            run_as_the_owner,
        ],
    };
    let meaning = format!("{uid}:{gid} may not read and write everything in {shown}{owner}");
    Advice { meaning, remedies }
}

fn owner(dir: &Path) -> Option<String> {
    let of = dir.metadata().ok()?;
    let mode = of.mode() & 0o7777;
    Some(format!(", which belongs to {}:{} with mode {mode:o}", of.uid(), of.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_remedy_is_found_below_any_number_of_contexts() {
        let bare: Result<(), io::Error> = Err(io::Error::from_raw_os_error(Errno::EDQUOT as i32));
        let error = bare.context("cannot write a").context("cannot commit").unwrap_err();
        let found = format!("{error:#}");
        assert!(found.starts_with("cannot commit: cannot write a: Disk quota"), "{found}");
        let expected = Refusal::new(found)
            .meaning("the quota of the volume at /state is used up")
            .remedy("raise the quota, or delete files that count towards it");
        assert_eq!(explained(error, Path::new("/state")), expected);
    }

    #[test]
    fn an_error_without_a_remedy_stays_as_it_is_and_a_refusal_keeps_its_own() {
        let odd = explained(anyhow::anyhow!("odd"), Path::new("/state"));
        assert_eq!(odd, Refusal::new("odd"));
        let own = Refusal::new("found").remedy("do this");
        let error = anyhow::Error::from(own).context("outer");
        let expected = Refusal::new("outer: found").remedy("do this");
        assert_eq!(explained(error, Path::new("/state")), expected);
    }

    #[test]
    fn what_a_permission_or_a_mount_needs_is_never_a_full_run_or_a_rollback() {
        for errno in (1..134).map(Errno::from_raw) {
            let error = anyhow::Error::from(io::Error::from(errno));
            let text = explained(error, Path::new("/state")).to_string();
            assert!(!text.contains("--full") && !text.contains("rollback"), "{text}");
        }
    }
}
