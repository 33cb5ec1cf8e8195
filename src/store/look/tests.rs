//! What is found on volumes in every condition.

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
    let many = |dir: &Path| (0..9).try_for_each(|name| fs::write(dir.join(name.to_string()), ""));
    assert!(damage(many).contains(r#"contains "0", "1", "2", others, but"#));
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
}

#[test]
fn what_the_system_does_not_let_us_read_is_an_error_and_not_damage() {
    let refusal = |prepare: &dyn Fn(&Path) -> io::Result<()>| {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        let text = Refusal::from(look(dir.path()).unwrap_err()).to_string();
        assert!(text.contains("what to do"), "{text}");
        text
    };
    let link = |at: &'static str| move |dir: &Path| symlink("/nowhere", dir.join(at));
    assert!(refusal(&link(CONTROL)).contains("symbolic links are not followed"));
    let history = |dir: &Path| {
        fs::create_dir(dir.join(CONTROL))?;
        symlink("/nowhere", dir.join(CONTROL).join(HISTORY))
    };
    assert!(refusal(&history).contains("cannot open .dbt-entrypoint/history"));
    let records = |dir: &Path| {
        fs::create_dir(dir.join(CONTROL))?;
        fs::write(dir.join(MANIFEST), SOUND)?;
        symlink("/nowhere", dir.join(CONTROL).join(RECORDS))
    };
    assert!(refusal(&records).contains("cannot open .dbt-entrypoint/records"));
    assert!(refusal(&|dir| fs::remove_dir(dir)).contains("is no longer there"));
}

#[test]
fn a_manifest_without_a_record_is_a_baseline_of_which_less_is_known() {
    let dir = tempfile::tempdir().unwrap();
    with_record(dir.path(), &"0".repeat(64), "not even read").unwrap();
    let expected = Stored {
        found: Found::Baseline(None),
        manifest: Some(SOUND.to_owned()),
        record: None,
        digest: Some(hex_of(SOUND.as_bytes())),
    };
    assert_eq!(look(dir.path()).unwrap(), expected);
}

#[test]
fn a_record_is_read_by_the_digest_of_its_manifest() {
    let here = hex_of(SOUND.as_bytes());
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
    let here = hex_of(SOUND.as_bytes());
    let text = r#"{"format": 1, "tool": "t", "written_at": 7, "salt": "ab", "nodes": {},
        "identity": {"project": "shop", "adapter": null, "target": null, "location": {}}}"#;
    let dir = tempfile::tempdir().unwrap();
    with_record(dir.path(), &here, text).unwrap();
    let glanced = glance(dir.path()).unwrap();
    assert_eq!((&glanced.manifest, &glanced.digest), (&None, &Some(here.clone())));
    assert_eq!(Stored { manifest: Some(SOUND.into()), ..glanced }, look(dir.path()).unwrap());
    assert_eq!(manifest(dir.path(), &here).unwrap(), SOUND);
    fs::write(dir.path().join(MANIFEST), SOUND.replace("nodes", "Nodes")).unwrap();
    let changed = manifest(dir.path(), &here).unwrap_err().to_string();
    assert!(changed.contains("without taking the lock"), "{changed}");
}

#[test]
fn a_record_that_cannot_be_read_is_damage_and_a_newer_one_is_named() {
    let here = hex_of(SOUND.as_bytes());
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
