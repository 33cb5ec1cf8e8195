//! Whether a lock on a mount also keeps out processes on other machines.

use super::mount::Mount;

/// File systems in user space whose locks their servers keep.
const SHARED_IN_USER_SPACE: [&str; 4] =
    ["fuse.ceph-fuse", "fuse.glusterfs", "fuse.juicefs", "fuse.moosefs"];

/// File systems by which a host shares a directory with its guests, each of which has its own locks.
const OF_A_HOST: [&str; 5] = ["9p", "virtiofs", "vboxsf", "prl_fs", "fakeowner"];

/// Options by which the client keeps the locks (nfs(5), mount.cifs(8), and those of Lustre, OCFS2
/// and GFS2).
const LOCAL: [&str; 6] =
    ["nolock", "nobrl", "local_lock=flock", "local_lock=all", "localflock", "localflocks"];

/// Why a lock on this mount holds on this machine only; `None` where it holds everywhere, or where
/// no other machine has the volume.
pub(crate) fn local_because(mount: &Mount) -> Option<String> {
    let kind = mount.fs_type.as_str();
    if let Some(option) = mount.options.iter().find(|option| LOCAL.contains(&option.as_str())) {
        return Some(format!("{kind}, mounted with `{option}`"));
    }
    let in_user_space = kind == "fuse" || kind.starts_with("fuse.");
    let is_local =
        OF_A_HOST.contains(&kind) || in_user_space && !SHARED_IN_USER_SPACE.contains(&kind);
    is_local.then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_local(fs_type: &str, options: &str) -> bool {
        let options = options.split(',').map(str::to_owned).collect();
        let (root, point, fs_type) = ("/".into(), "/state".into(), fs_type.to_owned());
        local_because(&Mount { id: 1, root, point, options, fs_type }).is_some()
    }

    #[test]
    fn locks_hold_everywhere_only_where_a_server_keeps_them() {
        for (fs_type, options) in [
            ("fuse.gcsfuse", "rw,user_id=0"),
            ("fuse.rclone", "rw"),
            ("fuse.s3fs", "rw"),
            ("fuse", "rw"),
            ("virtiofs", "rw"),
            ("9p", "rw,trans=virtio"),
            ("cifs", "rw,vers=3.1.1,nobrl"),
            ("nfs", "rw,vers=3,nolock,local_lock=all"),
            ("nfs", "rw,vers=3,local_lock=flock"),
            ("lustre", "rw,localflock"),
        ] {
            assert!(is_local(fs_type, options), "{fs_type} {options}");
        }
        for (fs_type, options) in [
            ("ext4", "rw"),
            ("nfs4", "rw,vers=4.2,local_lock=none"),
            ("nfs", "rw,vers=3,local_lock=posix"),
            ("cifs", "rw,vers=3.1.1"),
            ("ceph", "rw"),
            ("fuse.ceph-fuse", "rw"),
            ("fuseblk", "rw"),
        ] {
            assert!(!is_local(fs_type, options), "{fs_type} {options}");
        }
    }
}
