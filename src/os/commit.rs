//! The next baseline becomes the baseline, or nothing changes at all.
//!
//! The order is what makes it so: the new manifest is written beside the old one and synced;
//! its record is written under its digest and synced; then one rename(2) replaces
//! `manifest.json`, and the directory is synced. A record without its manifest is nobody's,
//! so that whoever dies on the way leaves the old baseline with the old record, or the new
//! with the new.

use crate::decide::record::Record;
use crate::decide::retention::Bounds;
use crate::exit::Failure;
use crate::os::dir::{Dir, Temporary};
use crate::os::fault::explained;
use crate::os::history;
use crate::os::soundness;
use crate::os::volume::{CONTROL, MANIFEST, POPULATED, RECORDS, digest};
use anyhow::{Context, Result, anyhow, bail};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use crate::os::leftovers::{clean, prune};
pub use crate::os::notes::{write_file, write_file_by, write_note};

/// The record's room, as a part of the manifest's: 1/4 (a node has some 8 kB there and some
/// hundred bytes of fingerprints here).
const RECORD_SHARE: u64 = 4;

/// Writes the text of a manifest.
pub type Writer<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Room on the volume for the next baseline; given back when dropped.
#[derive(Debug)]
#[must_use = "the room is given back when this is dropped"]
pub struct Reservation {
    path: PathBuf,
    state: Dir,
    ours: Dir,
    records: Dir,
    manifest: Temporary,
    record: Temporary,
    history: Bounds,
    replaced: Option<String>,
}

impl Reservation {
    /// With other bounds of the history than ten, and 256 MiB.
    pub fn keeping(self, history: Bounds) -> Self {
        Self { history, ..self }
    }

    /// In the place of a sound baseline with this digest.
    pub fn replacing(self, digest: &Option<String>) -> Self {
        Self { replaced: digest.clone(), ..self }
    }
}

/// Take the room for a manifest of so many bytes and its record, before dbt starts: a full
/// disk is found now rather than after hours of work.
///
/// # Errors
/// [`Failure::unwritable`], with what to do.
pub fn reserve(dir: &Path, bytes: u64) -> Result<Reservation, Failure> {
    try_reserve(dir, bytes)
        .with_context(|| {
            format!("no room for the next baseline ({bytes} bytes) can be had in {}", dir.display())
        })
        .map_err(|error| Failure::unwritable(explained(&error, dir)))
}

fn try_reserve(dir: &Path, bytes: u64) -> Result<Reservation> {
    let state = Dir::open(dir)?;
    is_replaceable(&state, dir)?;
    let ours = state.enter_or_create(CONTROL).context(CONTROL)?;
    let records = ours.enter_or_create(RECORDS).context(RECORDS)?;
    let mut manifest = state.temporary(MANIFEST)?;
    manifest.allocate(bytes)?;
    let mut record = records.temporary("record.json")?;
    record.allocate(bytes / RECORD_SHARE)?;
    let (path, history) = (dir.to_owned(), Bounds::default());
    Ok(Reservation { path, state, ours, records, manifest, record, history, replaced: None })
}

/// Remove the records that neither this manifest nor the history needs; they only take room.
pub fn prune_or_warn(dir: &Path, digest: &str) {
    if let Err(error) = prune(dir, &[digest]) {
        log::warn!("records of earlier baselines stay: {error:#}");
    }
}

/// What would make the last rename fail, after all the work.
fn is_replaceable(state: &Dir, path: &Path) -> Result<()> {
    let name = path.join(MANIFEST);
    if state.enter(MANIFEST).is_ok() {
        bail!(
            "{} is a directory (Docker makes one where a file to be mounted is missing): remove it",
            name.display()
        );
    }
    if state.guards(MANIFEST)? {
        bail!(
            "{} belongs to another user, and its directory is sticky, so that only that user may replace it: take the sticky bit away (chmod -t {}) or give the file to uid {}",
            name.display(),
            path.display(),
            nix::unistd::geteuid()
        );
    }
    Ok(())
}

/// A baseline that stands on the volume.
#[derive(Debug)]
pub struct Saved {
    /// The SHA-256 of its text, in hexadecimal.
    pub digest: String,
    /// Its text, as it was read back.
    pub text: String,
}

/// Make what `manifest` writes the baseline, with its record.
///
/// What this module's reader would not accept is not committed.
///
/// # Errors
/// [`Failure::not_saved`], with what to do; the old baseline is then what it was, unless the
/// message says that only the storage's confirmation is missing.
pub fn commit(
    reservation: Reservation,
    manifest: Writer<'_>,
    record: &Record,
) -> Result<Saved, Failure> {
    let dir = reservation.path.clone();
    replace(reservation, manifest, record)
        .context(
            "the new baseline could not be saved, so that the next run will build the same again",
        )
        .map_err(|error| Failure::not_saved(explained(&error, &dir)))
}

fn replace(reservation: Reservation, manifest: Writer<'_>, record: &Record) -> Result<Saved> {
    let Reservation {
        path,
        state,
        ours,
        records,
        manifest: mut next,
        record: mut beside,
        history: bounds,
        replaced,
    } = reservation;
    let name = path.join(MANIFEST);
    is_still_there(&state, &path)?;
    next.fill(manifest).with_context(|| format!("cannot write beside {}", name.display()))?;
    let saved = checked(&mut next)?;
    next.sync().with_context(|| format!("cannot sync the new {}", name.display()))?;
    beside
        .fill(&mut |out| Ok(serde_json::to_writer(out, record)?))
        .context("cannot write the record")?;
    beside.sync().context("cannot sync the record")?;
    beside.put(&format!("{}.json", saved.digest)).context("cannot rename the record")?;
    records.sync().context("cannot sync the directory of records")?;
    if let Err(error) = history::keep(&state, &ours, bounds, replaced) {
        let error = explained(&error, &path);
        log::warn!("the baseline before this one is not kept in the history: {error}");
    }
    is_still_there(&state, &path)?;
    next.put(MANIFEST).with_context(|| format!("cannot replace {}", name.display()))?;
    state.sync().with_context(|| {
        format!("{} was replaced, but the storage did not confirm it", name.display())
    })?;
    if let Err(error) = mark(&ours) {
        log::warn!("{}: {error}", path.join(CONTROL).join(POPULATED).display());
    }
    Ok(saved)
}

/// A volume that was unmounted or deleted while dbt ran, and is now something else.
fn is_still_there(state: &Dir, path: &Path) -> Result<()> {
    match state.is_still_at(path).with_context(|| format!("{}", path.display()))? {
        true => Ok(()),
        false => bail!(
            "{} is no longer the directory that it was when dbt was started: the volume was unmounted or replaced meanwhile; mount it again",
            path.display()
        ),
    }
}

fn checked(next: &mut Temporary) -> Result<Saved> {
    let bytes = next.read_back().context("cannot read the new baseline back")?;
    let text = String::from_utf8(bytes).context("the new baseline is not UTF-8 text")?;
    match soundness::fault(&text) {
        None => Ok(Saved { digest: digest(text.as_bytes()), text }),
        Some(fault) => Err(anyhow!("the new baseline would not be accepted: {fault:?}")),
    }
}

/// From now on a missing manifest.json is a loss.
pub(crate) fn mark(ours: &Dir) -> io::Result<()> {
    if ours.has(POPULATED)? {
        return Ok(());
    }
    ours.open_or_create(POPULATED)?;
    ours.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dbt::profile::Identity;
    use crate::decide::start::Found;
    use crate::decide::record::FORMAT;
    use crate::os::volume::look;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn manifest(node: &str) -> String {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}},
               "nodes": {{"{node}": {{}}}}, "sources": {{}}, "macros": {{}}, "docs": {{}},
               "exposures": {{}}, "metrics": {{}}}}"#
        )
    }

    fn record(written_at: u64) -> Record {
        let (identity, nodes) = (Identity::default(), std::collections::BTreeMap::new());
        Record {
            format: FORMAT,
            tool: "t".into(),
            written_at,
            identity,
            salt: "s".into(),
            nodes,
            settled: None,
        }
    }

    fn commit_text(dir: &Path, text: &str, record: &Record) -> Result<String, Failure> {
        commit(reserve(dir, 1 << 16)?, &mut |out| out.write_all(text.as_bytes()), record)
            .map(|saved| saved.digest)
    }

    fn all_names(dir: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            names.push(entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                names.extend(all_names(&entry.path()));
            }
        }
        names.sort();
        names
    }

    #[test]
    fn what_was_committed_is_found_with_its_record_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        for time in 1..3 {
            let text = manifest(&format!("model.{time}"));
            let digest = commit_text(dir.path(), &text, &record(time)).unwrap();
            let stored = look(dir.path()).unwrap();
            assert_eq!(stored.manifest, Some(text));
            assert_eq!(stored.record, Some(record(time)));
            assert_eq!(stored.digest, Some(digest.clone()));
            prune(dir.path(), &[&digest]).unwrap();
            let names = [CONTROL, MANIFEST, POPULATED, RECORDS, &format!("{digest}.json")];
            let mut expected = names.map(str::to_owned).to_vec();
            for entry in history::entries(dir.path()).unwrap() {
                let (number, digest) = (entry.number, entry.digest);
                expected.push(format!("{number}-{digest}.json"));
                expected.push(format!("{digest}.json"));
                expected.push("history".to_owned());
            }
            expected.sort();
            assert_eq!(all_names(dir.path()), expected);
        }
    }

    #[test]
    fn a_text_that_would_not_be_accepted_is_not_committed() {
        let dir = tempfile::tempdir().unwrap();
        let first = commit_text(dir.path(), &manifest("a"), &record(1)).unwrap();
        for text in ["", "{}", &manifest("b")[..50]] {
            let failure = commit_text(dir.path(), text, &record(2)).unwrap_err();
            assert!(failure.code() == Failure::not_saved("").code(), "{failure}");
            assert_eq!(look(dir.path()).unwrap().digest, Some(first.clone()));
        }
    }

    #[test]
    fn a_reservation_that_is_not_used_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(reserve(dir.path(), 1 << 16).unwrap());
        assert_eq!(all_names(dir.path()), [CONTROL, RECORDS]);
    }

    #[test]
    fn leftovers_of_a_killed_process_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        commit_text(dir.path(), &manifest("a"), &record(1)).unwrap();
        let before = all_names(dir.path());
        fs::remove_file(dir.path().join(CONTROL).join(POPULATED)).unwrap();
        std::mem::forget(reserve(dir.path(), 10).unwrap());
        assert_eq!(all_names(dir.path()).len(), before.len() + 1);
        clean(dir.path());
        assert_eq!(all_names(dir.path()), before);
    }

    #[test]
    fn a_manifest_that_is_a_directory_is_found_before_the_work() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(MANIFEST)).unwrap();
        let failure = reserve(dir.path(), 10).unwrap_err();
        assert!(failure.code() == Failure::unwritable("").code(), "{failure}");
        assert!(failure.to_string().contains("is a directory"), "{failure}");
    }

    #[test]
    fn symbolic_links_inside_the_state_directory_lead_nowhere() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), dir.path().join(CONTROL)).unwrap();
        let failure = reserve(dir.path(), 10).unwrap_err().to_string();
        assert!(failure.contains("symbolic links are not followed"), "{failure}");
        let target = outside.path().join("theirs");
        fs::write(&target, "theirs").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(&target, dir.path().join(MANIFEST)).unwrap();
        commit_text(dir.path(), &manifest("a"), &record(1)).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert!(matches!(look(dir.path()).unwrap().found, Found::Baseline(_)));
    }

    #[test]
    fn files_are_private_unless_the_directory_is_shared_with_its_group() {
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        for (of_dir, of_file, of_control) in [
            (0o700, 0o600, 0o700),
            (0o755, 0o600, 0o700),
            (0o775, 0o660, 0o770),
            (0o2770, 0o660, 0o2770),
            (0o2750, 0o640, 0o2750),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(of_dir)).unwrap();
            commit_text(dir.path(), &manifest("a"), &record(1)).unwrap();
            write_file(dir.path(), "run/intent.json", b"{}").unwrap();
            let control = dir.path().join(CONTROL);
            assert_eq!(mode(&dir.path().join(MANIFEST)), of_file, "{of_dir:o}");
            assert_eq!(mode(&control.join("run/intent.json")), of_file, "{of_dir:o}");
            assert_eq!(mode(&control), of_control, "{of_dir:o}");
            assert_eq!(mode(&control.join("run")), of_control, "{of_dir:o}");
        }
    }

    #[test]
    fn a_small_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["first, and longer", "second"] {
            write_file(dir.path(), "run/baseline/manifest.json", text.as_bytes()).unwrap();
            let path = dir.path().join(CONTROL).join("run/baseline/manifest.json");
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }
        let names = [CONTROL, "baseline", "manifest.json", "run"];
        assert_eq!(all_names(dir.path()), names);
    }

    #[test]
    fn a_directory_that_was_replaced_meanwhile_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let reservation = reserve(&state, 10).unwrap();
        fs::rename(&state, dir.path().join("old")).unwrap();
        fs::create_dir(&state).unwrap();
        let text = manifest("a");
        let outcome = commit(reservation, &mut |out| out.write_all(text.as_bytes()), &record(1));
        let failure = outcome.unwrap_err().to_string();
        assert!(failure.contains("no longer the directory"), "{failure}");
        assert_eq!(all_names(&state), [""; 0]);
    }
}
