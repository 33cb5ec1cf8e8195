//! What a commit leaves on the volume, and what keeps one from being made.

use super::*;
use crate::dbt::profile::Identity;
use crate::decide::record::FORMAT;
use crate::decide::start::Found;
use crate::store::NUMBER;
use crate::store::look::look;
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
        left: std::collections::BTreeMap::new(),
        dropped: std::collections::BTreeMap::new(),
        settled: None,
        verified_at: None,
        populating: false,
        origin: None,
    }
}

fn commit_text(dir: &Path, text: &str, record: &Record) -> Result<String, Failure> {
    commit_reserved(dir, reserve(dir, 1 << 16, Way::Allocated)?, text, record)
}

fn commit_reserved(
    dir: &Path,
    reservation: Reservation,
    text: &str,
    record: &Record,
) -> Result<String, Failure> {
    let mut manifest = |out: &mut dyn Write| out.write_all(text.as_bytes());
    let (retention, replaces) = (Retention::default(), None);
    let (is_change, owes_publish) = (true, false);
    let manifest = &mut manifest;
    let next = Commit { manifest, record, retention, replaces, is_change, owes_publish };
    commit_in_turn(&Store::at(dir).unwrap(), reservation, next).map(|saved| saved.digest)
}

fn commit_in_turn(
    store: &Store,
    reservation: Reservation,
    next: Commit<'_>,
) -> Result<Saved, Failure> {
    commit(store, &Turn::of(store)?, reservation, next)
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
        let names = [CONTROL, MANIFEST, POPULATED, RECORDS, NUMBER, &format!("{digest}.json")];
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
    drop(reserve(dir.path(), 1 << 16, Way::Allocated).unwrap());
    assert_eq!(all_names(dir.path()), [CONTROL, RECORDS]);
}

#[test]
fn leftovers_of_a_killed_process_are_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    commit_text(dir.path(), &manifest("a"), &record(1)).unwrap();
    let before = all_names(dir.path());
    fs::remove_file(dir.path().join(CONTROL).join(POPULATED)).unwrap();
    for killed in [".manifest.json.0123456789abcdef.new", ".dbt-entrypoint/.number.0.new"] {
        fs::write(dir.path().join(killed), "").unwrap();
    }
    leftovers::clean(dir.path());
    assert_eq!(all_names(dir.path()), before);
}

#[test]
fn the_files_of_a_run_that_lives_are_no_leftovers() {
    let dir = tempfile::tempdir().unwrap();
    let reservation = reserve(dir.path(), 10, Way::Allocated).unwrap();
    let before = all_names(dir.path());
    leftovers::clean(dir.path());
    assert_eq!(all_names(dir.path()), before);
    drop(reservation);
    assert_eq!(all_names(dir.path()), [CONTROL, RECORDS]);
}

#[test]
fn a_manifest_that_is_a_directory_is_found_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(MANIFEST)).unwrap();
    let failure = reserve(dir.path(), 10, Way::Allocated).unwrap_err();
    assert!(failure.code() == Failure::unwritable("").code(), "{failure}");
    assert!(failure.to_string().contains("is a directory"), "{failure}");
}

#[test]
fn symbolic_links_inside_the_state_directory_lead_nowhere() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(outside.path(), dir.path().join(CONTROL)).unwrap();
    let failure = reserve(dir.path(), 10, Way::Allocated).unwrap_err().to_string();
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
        assert_eq!(mode(&dir.path().join(MANIFEST)), of_file, "{of_dir:o}");
        assert_eq!(mode(&dir.path().join(CONTROL)), of_control, "{of_dir:o}");
    }
}

#[test]
fn a_publish_hook_is_owed_from_before_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path()).unwrap();
    let is_owed = || store.has_file(UNPUBLISHED);
    let mut seen = false;
    let mut write = |out: &mut dyn Write| {
        seen = is_owed();
        out.write_all(manifest("a").as_bytes())
    };
    let next = Commit {
        manifest: &mut write,
        record: &record(1),
        retention: Retention::default(),
        replaces: None,
        is_change: true,
        owes_publish: true,
    };
    commit_in_turn(&store, reserve(dir.path(), 10, Way::Allocated).unwrap(), next).unwrap();
    assert_eq!((seen, is_owed()), (true, true));
    commit_text(dir.path(), &manifest("b"), &record(2)).unwrap();
    assert!(is_owed(), "a later commit takes the mark away");
}

#[test]
fn a_directory_that_was_replaced_meanwhile_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let reservation = reserve(&state, 10, Way::Allocated).unwrap();
    fs::rename(&state, dir.path().join("old")).unwrap();
    fs::create_dir(&state).unwrap();
    let text = manifest("a");
    let outcome = commit_reserved(&state, reservation, &text, &record(1));
    let failure = outcome.unwrap_err().to_string();
    assert!(failure.contains("is not the directory that it was"), "{failure}");
    assert_eq!(all_names(&state), [""; 0]);
}

/// Bytes that the files below a directory take, as `ls` shows them.
fn room_taken(dir: &Path) -> u64 {
    let size = |entry: fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => room_taken(&entry.path()),
        false => entry.metadata().unwrap().len(),
    };
    fs::read_dir(dir).unwrap().map(|entry| size(entry.unwrap())).sum()
}

#[test]
fn a_reservation_grows_and_takes_an_eighth_more_than_the_manifest() {
    for way in [Way::Allocated, Way::Ballast] {
        let dir = tempfile::tempdir().unwrap();
        let mut reservation = reserve(dir.path(), 1 << 16, way).unwrap();
        assert_eq!(room_taken(dir.path()), (1 << 16) + (1 << 13), "{way:?}");
        reservation.extend(1 << 20).unwrap();
        reservation.extend(1 << 12).unwrap();
        assert_eq!(room_taken(dir.path()), (1 << 20) + (1 << 17), "{way:?}");
        let text = manifest("grown");
        commit_reserved(dir.path(), reservation, &text, &record(1)).unwrap();
        assert_eq!(look(dir.path()).unwrap().manifest, Some(text), "{way:?}");
    }
}
