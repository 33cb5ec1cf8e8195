//! Which mount a directory is on, and whether what is written there outlives the container.
//!
//! Everything comes from `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use crate::environment::Environment;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Unique among the mounts of this namespace; `mnt_id` in `/proc/self/fdinfo`.
    pub id: u64,
    /// What of the file system is mounted, e.g. `/var/lib/docker/volumes/NAME/_data`.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Options of this mount and of its file system, e.g. `rw`, `noexec`.
    pub options: Vec<String>,
    /// `ext4`, `overlay`, `nfs4`…
    pub fs_type: String,
}

/// Where we run, as far as it changes what a mount means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surroundings {
    /// The root file system goes when we go.
    Container,
    /// It stays.
    Host,
}

/// Look for the marks that Docker, Podman, Kubernetes and systemd-nspawn leave.
#[must_use]
pub fn surroundings(environment: &Environment) -> Surroundings {
    let told = ["KUBERNETES_SERVICE_HOST", "container"]
        .iter()
        .any(|name| environment.contains_key(OsStr::new(name)));
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
    if told || marked || std::process::id() == 1 || root_is_an_overlay() {
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

/// All mounts that this process can see; `None` without a readable `/proc`.
#[must_use]
pub fn mounts() -> Option<Vec<Mount>> {
    let text = std::fs::read("/proc/self/mountinfo").ok()?;
    Some(text.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
}

/// The mount that an open directory is on. `path` must be absolute and without symbolic
/// links; it decides where `/proc/self/fdinfo` does not say (gVisor).
#[must_use]
pub fn containing<'a>(mounts: &'a [Mount], dir: &std::fs::File, path: &Path) -> Option<&'a Mount> {
    let id = mount_id(dir);
    let by_id = id.and_then(|id| mounts.iter().find(|mount| mount.id == id));
    by_id.or_else(|| by_path(mounts, path))
}

fn mount_id(dir: &std::fs::File) -> Option<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", dir.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

/// The deepest mount point above the path; of several on one point the last is on top.
fn by_path<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

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

/// Space, tab, newline and backslash are written as `\040`, `\011`, `\012`, `\134`.
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
pub enum Lifetime {
    /// As long as somebody keeps it.
    Lasting,
    /// It lasts, but its place is hard to come back to; why, in words.
    Fragile(&'static str),
    /// The container's own root file system.
    Container,
    /// In memory; the file system's name.
    Memory(String),
}

/// How long what is written there lasts.
#[must_use]
pub fn lifetime(mount: &Mount, surroundings: Surroundings) -> Lifetime {
    let in_memory = ["tmpfs", "ramfs", "devtmpfs"].contains(&mount.fs_type.as_str());
    match surroundings {
        Surroundings::Host if in_memory => {
            Lifetime::Fragile("it is in memory, and is gone after the next boot")
        }
        Surroundings::Host => Lifetime::Lasting,
        Surroundings::Container if mount.point == Path::new("/") => Lifetime::Container,
        Surroundings::Container if in_memory => Lifetime::Memory(mount.fs_type.clone()),
        Surroundings::Container if is_anonymous(&mount.root) => Lifetime::Fragile(
            "it is an anonymous volume, which the next container does not get: give it a name (-v NAME:/state)",
        ),
        Surroundings::Container if is_empty_dir(&mount.root) => Lifetime::Fragile(
            "it is an emptyDir, which is deleted with its pod: mount a PersistentVolumeClaim",
        ),
        Surroundings::Container => Lifetime::Lasting,
    }
}

/// Docker and Podman name a volume that nobody named by 64 hexadecimal digits.
fn is_anonymous(root: &Path) -> bool {
    let names: Vec<&OsStr> = root.iter().collect();
    names.windows(3).any(|window| {
        matches!(window, [volumes, name, data] if *volumes == "volumes"
            && *data == "_data"
            && name.len() == 64
            && name.as_bytes().iter().all(u8::is_ascii_hexdigit))
    })
}

/// `…/pods/UID/volumes/kubernetes.io~empty-dir/NAME`.
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
    fn a_line_of_mountinfo_is_read_with_and_without_optional_fields() {
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
    fn escaped_blanks_and_bytes_that_are_not_utf8_come_back() {
        assert_eq!(unescaped(b"/a\\040b\\134c"), OsString::from("/a b\\c"));
        assert_eq!(unescaped(b"/\xff\\04"), OsString::from_vec(b"/\xff\\04".to_vec()));
    }

    #[test]
    fn garbage_is_no_mount() {
        for line in ["", "x", "1 2 3:4 / /", "1 2 3:4 / / rw"] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn the_deepest_and_last_mount_is_the_one_on_top() {
        let root = mount("1 0 0:1 / / rw - overlay overlay rw");
        let below = mount("2 1 0:2 / /state rw - tmpfs tmpfs rw");
        let above = mount("3 1 0:3 / /state rw - ext4 /dev/vda rw");
        let mounts = [root.clone(), below, above.clone()];
        assert_eq!(by_path(&mounts, Path::new("/state/a")), Some(&above));
        assert_eq!(by_path(&mounts, Path::new("/state2")), Some(&root));
    }

    #[test]
    fn only_a_named_mount_that_is_not_in_memory_lasts_without_a_warning() {
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
