//! A partial-parse file is kept on a volume that is nearly full, by a program that is killed, or beside
//! files of somebody else.

use super::harness::Fake;
use super::project::chain;
use super::ran::Ran;
use crate::support::{binary, skip, tool};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: u64 = 4096;
/// The size of the partial-parse file.
const SIZE: u64 = 4 * PAGE;

fn kept(fake: &Fake) -> PathBuf {
    fake.on_the_volume(".dbt-entrypoint/warm/partial_parse.msgpack")
}

/// A volume that holds a baseline, and a parse that is kept.
fn populated(fake: &mut Fake) {
    fake.env("DBT_ENTRYPOINT_WARM", "on");
    fake.dbt("parse_size", SIZE);
    fake.run(&["build"]).ends_with(0);
    assert_eq!(fs::metadata(kept(fake)).expect("it was kept").len(), SIZE);
    fresh(fake);
}

/// A container begins without artifacts.
fn fresh(fake: &Fake) {
    let _ = fs::remove_dir_all(fake.root().join("target"));
}

/// A fresh container runs an edited `a`.
fn edited(fake: &mut Fake) -> Ran {
    fresh(fake);
    fake.project.edit("a");
    fake.run(&["run"])
}

/// No file that dbt was given was another than a whole one.
#[track_caller]
fn was_given_whole_files(fake: &Fake) {
    let is_whole = |text: &String| text.len() as u64 == SIZE && text.contains("of a parse");
    let all = fake.warm_parses();
    assert!(all.iter().all(is_whole), "{all:?}");
}

/// Whether the notes on the volume name the digest of the file.
fn is_of_its_notes(fake: &Fake) -> bool {
    let digest = Sha256::digest(fs::read(kept(fake)).unwrap_or_default());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let notes = fs::read_to_string(kept(fake).with_file_name("notes.json"));
    notes.unwrap_or_default().contains(&digest)
}

/// A tmpfs at the state directory.
struct SmallVolume(PathBuf);

impl SmallVolume {
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new(tool("mount")?);
        mount.args(["-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs"]).arg(at);
        if !mount.output().expect("mount starts").status.success() {
            skip("nothing can be mounted");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    /// Leave so much room.
    fn leave(&self, room: u64) {
        let ballast = self.0.join(".dbt-entrypoint/ballast");
        let _ = fs::remove_file(&ballast);
        let free = nix::sys::statvfs::statvfs(&self.0).expect("a mount");
        let free = free.blocks_available() * free.fragment_size();
        let file = File::create(&ballast).expect("there is room");
        let zeros = vec![0; usize::try_from(free.saturating_sub(room)).expect("a small volume")];
        std::io::Write::write_all(&mut &file, &zeros).expect("there is room");
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

/// The exit codes of three runs of an edited model on a volume with so many free pages, and whether
/// the first and the last kept the parse.
fn on_a_nearly_full_volume(warm: &str, pages: u64) -> Option<([i32; 3], [bool; 2])> {
    let mut fake = Fake::new(chain(&["a", "b"]));
    let volume = SmallVolume::mount(&fake.state())?;
    fake.dbt("parse_size", SIZE);
    fake.run(&["build"]).ends_with(0);
    fake.env("DBT_ENTRYPOINT_WARM", warm);
    volume.leave(pages * PAGE);
    let first = edited(&mut fake);
    let keeps = kept(&fake).exists();
    let ran = [first, edited(&mut fake), edited(&mut fake)];
    was_given_whole_files(&fake);
    let found = (ran.each_ref().map(|ran| ran.code), [keeps, kept(&fake).exists()]);
    // With more room, all is well.
    volume.leave(2000 * PAGE);
    edited(&mut fake).ends_with(0);
    was_given_whole_files(&fake);
    assert_eq!(kept(&fake).exists(), warm == "on");
    Some(found)
}

#[test]
fn a_volume_that_is_nearly_full_holds_the_baseline_first() {
    let mut seen = [false; 3];
    for pages in [0, 3, 6, 8, 10, 13, 20, 500, 800] {
        let Some((without, _)) = on_a_nearly_full_volume("off", pages) else { return };
        let Some((with, keeps)) = on_a_nearly_full_volume("on", pages) else { return };
        assert!(without.iter().all(|code| [0, 73].contains(code)), "{pages} pages: {without:?}");
        assert_eq!(with, without, "{pages} pages");
        seen[0] |= without.contains(&73);
        seen[1] |= without == [0; 3] && !keeps[0];
        seen[2] |= keeps[0];
    }
    assert_eq!(seen, [true; 3], "no room for a baseline, room for that alone, room for both");
}

#[test]
fn a_kill_at_any_rename_leaves_a_whole_file_or_none() {
    let Some(strace) = tool("strace") else { return };
    let mut was_apart = false;
    for (killed, count) in (1..100).enumerate() {
        let mut fake = Fake::new(chain(&["a", "b"]));
        populated(&mut fake);
        fake.project.edit("a");
        let ours = fake.command(&["run"]);
        let mut traced = Command::new(&strace);
        traced.args(["-qq", "-o", "/dev/null", "-e"]);
        traced.arg(format!("inject=?rename,?renameat,?renameat2:signal=KILL:when={count}"));
        traced.arg(binary()).arg("run").current_dir(fake.root()).env_clear();
        traced.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // The dbt that outlives it waits for it in vain; a container would end with it.
        traced.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = traced.spawn().expect("strace starts");
        let status = child.wait().expect("a child");
        let _ = killpg(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGKILL);
        let (fits, before) = (is_of_its_notes(&fake), fake.warm_parses().len());
        was_apart |= !fits;
        edited(&mut fake).ends_with(0);
        assert!(fits || fake.warm_parses().len() == before, "rename {count}");
        edited(&mut fake).ends_with(0);
        was_given_whole_files(&fake);
        if status.success() {
            assert!(killed > 3 && was_apart, "{killed}");
            return;
        }
    }
    panic!("a run renames without end");
}

/// What it is, and what makes it of the file that is kept.
type Damage<'d> = (&'d str, &'d dyn Fn(&Path));

#[test]
fn a_file_of_somebody_else_in_its_place_is_not_given_to_dbt() {
    let foreign = "another's parse".to_owned();
    let damages: [Damage<'_>; 6] = [
        ("another text", &|path| fs::write(path, &foreign).expect("a file")),
        ("a longer one", &|path| {
            let text = fs::read_to_string(path).expect("a text");
            fs::write(path, text + ".").expect("a file");
        }),
        ("cut", &|path| {
            File::options().write(true).open(path).expect("a file").set_len(9).expect("ours")
        }),
        ("a directory", &|path| {
            fs::remove_file(path).expect("a file");
            fs::create_dir(path).expect("a directory");
        }),
        ("a link to nothing", &|path| {
            fs::remove_file(path).expect("a file");
            symlink("nothing", path).expect("a link");
        }),
        ("one that nobody may read", &|path| {
            fs::set_permissions(path, Permissions::from_mode(0o000)).expect("ours");
        }),
    ];
    for (what, damage) in damages {
        let mut fake = Fake::new(chain(&["a", "b"]));
        populated(&mut fake);
        damage(&kept(&fake));
        edited(&mut fake).ends_with(0).builds(&["a", "b"]);
        was_given_whole_files(&fake);
        edited(&mut fake).ends_with(0).builds(&["a", "b"]);
        was_given_whole_files(&fake);
        assert!(
            !kept(&fake).exists() || kept(&fake).is_dir() || fs::read(kept(&fake)).is_ok(),
            "{what}"
        );
    }
}
