//! Finds the mount of a directory, and whether files there outlive the container.
//!
//! A baseline on a file system that goes away with the container means a full rebuild at the next
//! start, so such a state directory is refused. All information comes from `/proc/self/mountinfo`
//! (proc_pid_mountinfo(5)).

use crate::environment::Environment;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The id of the mount, unique in this mount namespace. `mnt_id` in `/proc/self/fdinfo`.
    pub(crate) id: u64,
    /// The directory of the file system that is mounted: `/var/lib/docker/volumes/NAME/_data`.
    pub(crate) root: PathBuf,
    /// The mount point.
    pub(crate) point: PathBuf,
    /// The options of the mount and of its file system, such as `rw` and `noexec`.
    pub(crate) options: Vec<String>,
    /// The type of the file system, such as `ext4`, `overlay` or `nfs4`.
    pub(crate) fs_type: String,
}

/// Whether this process runs in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// In a container: the root file system goes away with it.
    Container,
    /// On a host: the root file system stays.
    Host,
}

/// Find out whether this process runs in a container, by the variables and files that Docker, Podman,
/// Kubernetes and systemd-nspawn create, by its pid, and by the type of the root file system.
pub(crate) fn surroundings(environment: &Environment) -> Surroundings {
    let has_variable = ["KUBERNETES_SERVICE_HOST", "container"]
        .iter()
        .any(|name| environment.contains_key(OsStr::new(name)));
    let has_file =
        ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
    if has_variable || has_file || std::process::id() == 1 || root_is_an_overlay() {
        Surroundings::Container
    } else {
        Surroundings::Host
    }
}

fn root_is_an_overlay() -> bool {
    let mounts = mounts().unwrap_or_default();
    mounts
        .iter()
        .rfind(|mount| mount.point == Path::new("/"))
        .is_some_and(|root| root.fs_type.contains("overlay"))
}

/// All mounts in the namespace of this process; `None` if `/proc` cannot be read.
pub(crate) fn mounts() -> Option<Vec<Mount>> {
    let text = std::fs::read("/proc/self/mountinfo").ok()?;
    Some(text.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
}

/// The mount that contains a path, which need not be readable; `None` where that cannot be told.
pub(crate) fn of(path: &Path) -> Option<Mount> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut mounts = mounts()?;
    let found = match std::fs::File::open(&path) {
        Ok(dir) => containing(&mounts, &dir, &path),
        Err(_) => by_path(&mounts, &path),
    };
    let id = found?.id;
    mounts.retain(|mount| mount.id == id);
    mounts.pop()
}

/// The mount that contains an open directory. `path` is its absolute path without symbolic links. It
/// is used where `/proc/self/fdinfo` does not give the id of the mount (gVisor).
pub(crate) fn containing<'a>(
    mounts: &'a [Mount],
    dir: &std::fs::File,
    path: &Path,
) -> Option<&'a Mount> {
    let id = mount_id(dir);
    let by_id = id.and_then(|id| mounts.iter().find(|mount| mount.id == id));
    by_id.or_else(|| by_path(mounts, path))
}

fn mount_id(dir: &std::fs::File) -> Option<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", dir.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

/// The mount with the deepest mount point above the path. If several have the same mount point, the
/// last one hides the others.
fn by_path<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

/// Parse a line such as
/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = text(fields.next()?).parse().ok()?;
    let (root, point) = (fields.nth(2)?, fields.next()?);
    let options = fields.next()?;
    let mut after_dash = fields.skip_while(|field| *field != b"-").skip(1);
    let fs_type = text(after_dash.next()?);
    let super_options = after_dash.nth(1).unwrap_or_default();
    let options = [options, super_options].map(text).join(",");
    Some(Mount {
        id,
        root: unescaped(root).into(),
        point: unescaped(point).into(),
        options: options.split(',').map(str::to_owned).collect(),
        fs_type,
    })
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

/// Decode a field, in which space, tab, newline and backslash are written as `\040`, `\011`, `\012`
/// and `\134`.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.get(..3)).flatten();
        let value =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    OsString::from_vec(bytes)
}

/// How long what is written on a mount lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until somebody deletes it.
    Lasting,
    /// Longer than the container, but it is easily lost. The text says why, for a message.
    Fragile(&'static str),
    /// As long as the container: it is the root file system of the container.
    Container,
    /// As long as the container, because it is in memory. The type of the file system.
    Memory(String),
}

/// How long files on a mount last.
pub(crate) fn lifetime(mount: &Mount, surroundings: Surroundings) -> Lifetime {
    let in_memory = ["tmpfs", "ramfs", "devtmpfs"].contains(&mount.fs_type.as_str());
    match surroundings {
        Surroundings::Host if in_memory => {
            Lifetime::Fragile("it is in memory and will be empty after the next reboot")
        }
        Surroundings::Host => Lifetime::Lasting,
        Surroundings::Container if mount.point == Path::new("/") => Lifetime::Container,
        Surroundings::Container if in_memory => Lifetime::Memory(mount.fs_type.clone()),
        Surroundings::Container if is_anonymous(&mount.root) => Lifetime::Fragile(
            "it is an anonymous volume, which the next container will not get: use a named volume (-v NAME:/state)",
        ),
        Surroundings::Container if is_empty_dir(&mount.root) => Lifetime::Fragile(
            "it is an emptyDir, which is deleted with its pod: mount a PersistentVolumeClaim",
        ),
        Surroundings::Container => Lifetime::Lasting,
    }
}

/// Whether this is an anonymous volume of Docker or Podman, whose name has 64 hexadecimal digits.
fn is_anonymous(root: &Path) -> bool {
    let names: Vec<&OsStr> = root.iter().collect();
    names.windows(3).any(|window| {
        matches!(window, [volumes, name, data] if *volumes == "volumes"
            && *data == "_data"
            && name.len() == 64
            && name.as_bytes().iter().all(u8::is_ascii_hexdigit))
    })
}

/// Whether this is an emptyDir of Kubernetes: `…/pods/UID/volumes/kubernetes.io~empty-dir/NAME`.
fn is_empty_dir(root: &Path) -> bool {
    root.iter().any(|name| name == "kubernetes.io~empty-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> Mount {
        parse_line(line.as_bytes()).unwrap()
    }

    const VOLUME: &str = "612 590 254:1 /var/lib/docker/volumes/state/_data /state rw,relatime shared:3 master:1 - ext4 /dev/vda1 ro,discard";

    #[test]
    fn a_line_of_mountinfo_is_parsed_with_and_without_optional_fields() {
        let expected = Mount {
            id: 612,
            root: "/var/lib/docker/volumes/state/_data".into(),
            point: "/state".into(),
            options: ["rw", "relatime", "ro", "discard"].map(str::to_owned).into(),
            fs_type: "ext4".into(),
        };
        assert_eq!(mount(VOLUME), expected);
        assert_eq!(mount(&VOLUME.replace("shared:3 master:1 ", "")), expected);
    }

    #[test]
    fn escapes_are_decoded_and_other_bytes_are_kept() {
        assert_eq!(unescaped(b"/a\\040b\\134c"), OsString::from("/a b\\c"));
        assert_eq!(unescaped(b"/\xff\\04"), OsString::from_vec(b"/\xff\\04".to_vec()));
    }

    #[test]
    fn an_invalid_line_is_not_a_mount() {
        for line in ["", "x", "1 2 3:4 / /", "1 2 3:4 / / rw"] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn the_deepest_and_last_mount_contains_the_path() {
        let root = mount("1 0 0:1 / / rw - overlay overlay rw");
        let below = mount("2 1 0:2 / /state rw - tmpfs tmpfs rw");
        let above = mount("3 1 0:3 / /state rw - ext4 /dev/vda rw");
        let mounts = [root.clone(), below, above.clone()];
        assert_eq!(by_path(&mounts, Path::new("/state/a")), Some(&above));
        assert_eq!(by_path(&mounts, Path::new("/state2")), Some(&root));
    }

    #[test]
    fn only_named_volumes_on_disk_last_without_a_warning() {
        let lines = [
            (VOLUME.to_owned(), "Lasting"),
            (VOLUME.replace("/state/_data", &format!("/{}/_data", "0a".repeat(32))), "Fragile"),
            (
                VOLUME.replace(
                    "docker/volumes/state/_data",
                    "kubelet/pods/1/volumes/kubernetes.io~empty-dir/s",
                ),
                "Fragile",
            ),
            (VOLUME.replace("ext4", "tmpfs"), "Memory"),
            (VOLUME.replace(" /state ", " / "), "Container"),
        ];
        for (line, expected) in lines {
            let lifetime = lifetime(&mount(&line), Surroundings::Container);
            assert!(format!("{lifetime:?}").starts_with(expected), "{line}: {lifetime:?}");
        }
        let on_the_host = mount(&VOLUME.replace(" /state ", " / "));
        assert_eq!(lifetime(&on_the_host, Surroundings::Host), Lifetime::Lasting);
    }
}
