//! What is on the state volume: facts, damage included.
//!
//! Only a volume that really holds nothing is [`Found::Empty`], because only that leads to
//! a full run that nobody asked for.

use crate::decide::start::Found;
use crate::decide::record::{FORMAT, Record};
use crate::digest::{self, hex, hex_of};
use crate::os::dir::{Dir, Opened};
use crate::os::soundness;
use anyhow::{Context, Result, anyhow, bail};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use crate::os::place::{Place, place};

/// The baseline.
pub const MANIFEST: &str = "manifest.json";
/// Our own directory on the volume.
pub const CONTROL: &str = ".dbt-entrypoint";
/// In [`CONTROL`]: what we know about a manifest, by its digest.
pub const RECORDS: &str = "records";
/// In [`CONTROL`]: there was a baseline once. A record alone does not say that: a first
/// commit that was killed leaves one behind.
pub(crate) const POPULATED: &str = "populated";
/// In [`CONTROL`]: earlier baselines.
pub(crate) const HISTORY: &str = "history";

/// More than any manifest; a sparse file of petabytes is not read.
const LARGEST: u64 = 2 << 30;

/// What is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What it amounts to.
    pub found: Found,
    /// The text of a sound manifest.json, where it was read.
    pub manifest: Option<String>,
    /// What we know of it; an operator's own manifest has none.
    pub record: Option<Record>,
    /// SHA-256 of the text, in hexadecimal.
    pub digest: Option<String>,
}

impl Stored {
    fn without_baseline(found: Found) -> Self {
        Self { found, manifest: None, record: None, digest: None }
    }
}

/// Read what is stored; to be called while holding the lock.
///
/// # Errors
/// When the directory itself cannot be read. A file in it that cannot be read is
/// [`Found::Damaged`].
pub fn look(dir: &Path) -> Result<Stored> {
    let mut stored = glance(dir)?;
    if let (None, Some(digest)) = (&stored.manifest, &stored.digest) {
        stored.manifest = Some(read(dir, digest)?);
    }
    Ok(stored)
}

/// As [`look`], without the text of a manifest that has a record: for a run that finds nothing to
/// do. [`read`] gives it.
///
/// # Errors
/// As [`look`].
pub fn glance(dir: &Path) -> Result<Stored> {
    let state = Dir::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    let digest_of = |mut file: File| match digest::of_reader(&mut file) {
        Ok(sum) => Ok(hex(&sum)),
        Err(error) => Err(unreadable(MANIFEST, &error)),
    };
    let digest = match file(&state, MANIFEST).and_then(|file| file.map(digest_of).transpose()) {
        Ok(Some(digest)) => digest,
        Ok(None) => return Ok(Stored::without_baseline(without_manifest(&state)?)),
        Err(why) => return Ok(Stored::without_baseline(Found::Damaged(why))),
    };
    match record(&state, &digest) {
        // It was found sound, byte for byte, before it was committed.
        Ok(Some(record)) => Ok(Stored {
            found: Found::Baseline(Some(record.identity.clone())),
            manifest: None,
            record: Some(record),
            digest: Some(digest),
        }),
        Ok(None) => Ok(unrecorded(&state)),
        Err(found) => Ok(Stored::without_baseline(found)),
    }
}

/// An operator's own manifest.
fn unrecorded(state: &Dir) -> Stored {
    let text = match text(state, MANIFEST) {
        Ok(text) => text.unwrap_or_default(),
        Err(why) => return Stored::without_baseline(Found::Damaged(why)),
    };
    if let Some(fault) = soundness::fault(&text) {
        return Stored::without_baseline(fault);
    }
    let digest = Some(digest(text.as_bytes()));
    Stored { found: Found::Baseline(None), manifest: Some(text), record: None, digest }
}

/// The text of the manifest that has this digest.
///
/// # Errors
/// When it cannot be read, or is another by now.
pub fn read(dir: &Path, expected: &str) -> Result<String> {
    let state = Dir::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    let text = text(&state, MANIFEST).map_err(|why| anyhow!(why))?.unwrap_or_default();
    if digest(text.as_bytes()) != expected {
        bail!(
            "{} was changed while it was read, by somebody who does not hold the lock",
            dir.join(MANIFEST).display()
        );
    }
    Ok(text)
}

/// SHA-256 in hexadecimal: the name of a manifest's record.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex_of(bytes)
}

fn unreadable(name: &str, error: &io::Error) -> String {
    format!("{name} cannot be read: {error}")
}

/// A regular file of a size that a manifest may have; `Err` says in words why what is there cannot
/// be used.
fn file(dir: &Dir, name: &str) -> Result<Option<File>, String> {
    let file = match dir.read(name).map_err(|error| unreadable(name, &error))? {
        Opened::File(file) => file,
        Opened::Missing => return Ok(None),
        Opened::Other(what) => return Err(format!("{name} is {what}, not a file")),
    };
    let length = file.metadata().map_err(|error| unreadable(name, &error))?.len();
    if length > LARGEST {
        return Err(format!("{name} has {length} bytes, more than any manifest"));
    }
    Ok(Some(file))
}

/// A whole file, likewise.
pub(crate) fn text(dir: &Dir, name: &str) -> Result<Option<String>, String> {
    let Some(mut file) = file(dir, name)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("{name} is not UTF-8 text (byte {at})")
    })
}

pub(crate) fn record(state: &Dir, digest: &str) -> Result<Option<Record>, Found> {
    let name = format!("{digest}.json");
    let damaged =
        |why: String| Found::Damaged(format!("the record of manifest.json is damaged: {why}"));
    let records = match state.enter(CONTROL).and_then(|ours| ours.enter(RECORDS)) {
        Ok(records) => records,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(format!("{CONTROL}/{RECORDS}: {error}"))),
    };
    let Some(text) = text(&records, &name).map_err(damaged)? else { return Ok(None) };
    let record = serde_json::from_str::<Record>(&text);
    // Its format says what its shape does not, if it is later than this program.
    let format = match &record {
        Ok(record) => record.format,
        Err(_) => serde_json::from_str::<Version>(&text).map_or(0, |version| version.format),
    };
    if format > FORMAT {
        return Err(Found::Newer(format!(
            "the record of manifest.json has format {format}; this version of dbt-entrypoint knows {FORMAT}"
        )));
    }
    record.map(Some).map_err(|error| damaged(format!("{name}: {error}")))
}

/// The part of a record that every later format keeps.
#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}

/// Nothing there is not yet nothing lost.
fn without_manifest(state: &Dir) -> Result<Found> {
    let path = state.path().display();
    match state.enter(CONTROL) {
        Ok(ours) if had_baseline(&ours)? => {
            return Ok(Found::Damaged(format!(
                "{MANIFEST} is gone from {path}, but {CONTROL} shows that there was one"
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Ok(Found::Damaged(format!("{CONTROL} cannot be used: {error}"))),
    }
    let strangers = strangers(state)?;
    Ok(match strangers.is_empty() {
        true => Found::Empty,
        false => Found::Damaged(format!(
            "{path} holds {}, but no {MANIFEST}: it may not be the state volume (an empty directory of its own is needed)",
            strangers.join(", ")
        )),
    })
}

fn had_baseline(ours: &Dir) -> Result<bool> {
    let history = match ours.enter(HISTORY) {
        Ok(history) => !history.names()?.is_empty(),
        Err(_) => false,
    };
    Ok(history || ours.has(POPULATED)?)
}

/// Names that neither we nor a file system put there. Hidden ones do not count: storage
/// has its own (`.snapshot`, `.nfs…`, `.Trash-0`), and so have images (`.gitkeep`).
fn strangers(state: &Dir) -> Result<Vec<String>> {
    let names = state.names().with_context(|| format!("cannot list {}", state.path().display()))?;
    let mut strangers: Vec<String> = names
        .iter()
        .map(|name| name.to_string_lossy())
        .filter(|name| !name.starts_with('.') && name != "lost+found")
        .map(|name| format!("{name:?}"))
        .collect();
    if strangers.len() > 4 {
        strangers.truncate(3);
        strangers.push("others".to_owned());
    }
    Ok(strangers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    const SOUND: &str = r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {}, "sources": {}, "macros": {}, "docs": {}, "exposures": {}, "metrics": {}}"#;

    /// What [`look`] finds after `prepare`.
    fn found(prepare: impl Fn(&Path) -> io::Result<()>) -> Found {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        look(dir.path()).unwrap().found
    }

    fn damage(prepare: impl Fn(&Path) -> io::Result<()>) -> String {
        let found = found(prepare);
        let Found::Damaged(why) = found else { panic!("not damaged but {found:?}") };
        why
    }

    fn with_record(dir: &Path, digest: &str, text: &str) -> io::Result<()> {
        fs::create_dir_all(dir.join(CONTROL).join(RECORDS))?;
        fs::write(dir.join(CONTROL).join(RECORDS).join(format!("{digest}.json")), text)?;
        fs::write(dir.join(MANIFEST), SOUND)
    }

    #[test]
    fn only_a_volume_without_anything_of_anybody_is_empty() {
        assert_eq!(found(|_| Ok(())), Found::Empty);
        assert_eq!(found(|dir| fs::create_dir(dir.join("lost+found"))), Found::Empty);
        assert_eq!(found(|dir| fs::write(dir.join(".gitkeep"), "")), Found::Empty);
        assert_eq!(found(|dir| fs::create_dir_all(dir.join(CONTROL).join(RECORDS))), Found::Empty);
    }

    #[test]
    fn files_of_others_without_a_manifest_are_not_empty() {
        let why = damage(|dir| fs::write(dir.join("run_results.json"), "{}"));
        assert!(why.contains("\"run_results.json\"") && why.contains("no manifest.json"), "{why}");
        let many =
            |dir: &Path| (0..9).try_for_each(|name| fs::write(dir.join(name.to_string()), ""));
        assert!(damage(many).contains(r#"holds "0", "1", "2", others, but"#));
    }

    #[test]
    fn a_baseline_that_is_gone_is_not_an_empty_volume() {
        let populated = |dir: &Path| {
            fs::create_dir(dir.join(CONTROL))?;
            fs::write(dir.join(CONTROL).join(POPULATED), "")
        };
        assert!(damage(populated).contains("gone"));
        let with_history = |dir: &Path| {
            fs::create_dir_all(dir.join(CONTROL).join(HISTORY))?;
            fs::write(dir.join(CONTROL).join(HISTORY).join("1-ab.json"), "")
        };
        assert!(damage(with_history).contains("gone"));
        assert!(damage(|dir| symlink("/nowhere", dir.join(CONTROL))).contains("cannot be used"));
    }

    #[test]
    fn a_manifest_without_a_record_is_a_baseline_of_which_less_is_known() {
        let dir = tempfile::tempdir().unwrap();
        with_record(dir.path(), &"0".repeat(64), "not even read").unwrap();
        let expected = Stored {
            found: Found::Baseline(None),
            manifest: Some(SOUND.to_owned()),
            record: None,
            digest: Some(digest(SOUND.as_bytes())),
        };
        assert_eq!(look(dir.path()).unwrap(), expected);
    }

    #[test]
    fn a_record_is_read_by_the_digest_of_its_manifest() {
        let here = digest(SOUND.as_bytes());
        let text = r#"{"format": 1, "tool": "0.1.0", "written_at": 7, "salt": "ab", "nodes": {},
            "identity": {"project": "shop", "adapter": null, "target": null, "location": {}}}"#;
        let dir = tempfile::tempdir().unwrap();
        with_record(dir.path(), &here, text).unwrap();
        let stored = look(dir.path()).unwrap();
        let record: Record = serde_json::from_str(text).unwrap();
        assert_eq!(stored.found, Found::Baseline(Some(record.identity.clone())));
        assert_eq!(stored.record, Some(record));
    }

    #[test]
    fn a_glance_leaves_a_text_that_has_a_record_to_be_read_while_it_is_the_same() {
        let here = digest(SOUND.as_bytes());
        let text = r#"{"format": 1, "tool": "t", "written_at": 7, "salt": "ab", "nodes": {},
            "identity": {"project": "shop", "adapter": null, "target": null, "location": {}}}"#;
        let dir = tempfile::tempdir().unwrap();
        with_record(dir.path(), &here, text).unwrap();
        let glanced = glance(dir.path()).unwrap();
        assert_eq!((&glanced.manifest, &glanced.digest), (&None, &Some(here.clone())));
        assert_eq!(Stored { manifest: Some(SOUND.into()), ..glanced }, look(dir.path()).unwrap());
        assert_eq!(read(dir.path(), &here).unwrap(), SOUND);
        fs::write(dir.path().join(MANIFEST), SOUND.replace("nodes", "Nodes")).unwrap();
        let changed = read(dir.path(), &here).unwrap_err().to_string();
        assert!(changed.contains("does not hold the lock"), "{changed}");
    }

    #[test]
    fn a_record_that_cannot_be_read_is_damage_and_a_newer_one_is_named() {
        let here = digest(SOUND.as_bytes());
        for text in ["", "{", "{}", r#"{"format": 1}"#, "\u{feff}{}"] {
            assert!(damage(|dir| with_record(dir, &here, text)).contains("record"), "{text:?}");
        }
        let newer = found(|dir| with_record(dir, &here, r#"{"format": 2, "nodes": []}"#));
        assert!(matches!(&newer, Found::Newer(why) if why.contains("format 2")), "{newer:?}");
    }

    #[test]
    fn whatever_is_not_a_regular_file_is_damage_and_never_waited_for() {
        let named = |what: &str, prepare: &dyn Fn(&Path) -> io::Result<()>| {
            let why = damage(|dir| prepare(&dir.join(MANIFEST)));
            assert!(why.contains(what), "{why}");
        };
        named("a directory", &|path| fs::create_dir(path));
        named("a symbolic link", &|path| symlink("/etc/hostname", path));
        named("a symbolic link", &|path| symlink("nowhere", path));
        named("a FIFO", &|path| Ok(nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)?));
        named("a socket", &|path| std::os::unix::net::UnixListener::bind(path).map(drop));
    }

    #[test]
    fn bytes_that_are_no_text_and_files_that_are_too_large_are_damage() {
        let text = |bytes: &'static [u8]| damage(move |dir| fs::write(dir.join(MANIFEST), bytes));
        assert!(text(b"").contains("empty"));
        assert!(text(b"{\"a\": \"\xff\"}").contains("not UTF-8 text (byte 7)"));
        let sparse = |dir: &Path| File::create(dir.join(MANIFEST))?.set_len(LARGEST + 1);
        assert!(damage(sparse).contains("more than any manifest"));
    }
}
