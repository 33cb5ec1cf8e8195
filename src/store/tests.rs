//! The store as a whole: what one holder of the lock leaves is what the next finds.

use super::*;
use crate::decide::record::FORMAT;
use crate::decide::retention::Retention;
use std::io::Write;

fn locked(dir: &Path) -> Locked {
    let store = Store::at(dir).unwrap();
    store.lock("a test", Duration::ZERO, &mut |_| None).unwrap()
}

fn record(written_at: u64) -> Record {
    Record {
        format: FORMAT,
        tool: "t".into(),
        written_at,
        identity: crate::dbt::profile::Identity::default(),
        salt: "s".into(),
        nodes: std::collections::BTreeMap::new(),
        left: std::collections::BTreeMap::new(),
        dropped: std::collections::BTreeMap::new(),
        settled: None,
        verified_at: None,
        populating: false,
        origin: None,
    }
}

/// Commit a manifest with this node; its digest.
fn commit(store: &Locked, node: &str, record: &Record) -> String {
    commit_keeping(Retention::default(), store, node, record)
}

fn commit_keeping(retention: Retention, store: &Locked, node: &str, record: &Record) -> String {
    let text = format!(
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}},
           "nodes": {{"{node}": {{}}}}, "sources": {{}}, "macros": {{}}, "docs": {{}},
           "exposures": {{}}, "metrics": {{}}}}"#
    );
    let next = Commit {
        manifest: &mut |out: &mut dyn Write| out.write_all(text.as_bytes()),
        record,
        retention,
        replaces: None,
        is_change: true,
        owes_publish: true,
    };
    store.commit(store.reserve(1 << 12).unwrap(), next).unwrap().digest
}

#[test]
fn earlier_baselines_are_listed_without_the_present_one_and_keep_their_records() {
    let dir = tempfile::tempdir().unwrap();
    let store = locked(dir.path());
    let digests: Vec<String> =
        (1..4).map(|time| commit(&store, &time.to_string(), &record(time))).collect();
    // The first one again: it stands in the history, too.
    commit(&store, "1", &record(1));
    let earlier = store.earlier().unwrap();
    let listed: Vec<&str> = earlier.iter().map(|entry| entry.digest.as_str()).collect();
    assert_eq!(listed, [&digests[2], &digests[1]]);
    assert_eq!(store.read_earlier(&earlier[0]).unwrap().1, Some(record(3)));
    assert_eq!(store.look().unwrap().digest.as_ref(), Some(&digests[0]));
}

#[test]
fn a_commit_removes_the_records_that_neither_it_nor_the_history_needs() {
    let dir = tempfile::tempdir().unwrap();
    let store = locked(dir.path());
    let bounds = Retention { number: 1, bytes: u64::MAX };
    let commit = |time: u64| commit_keeping(bounds, &store, &time.to_string(), &record(time));
    let digests: Vec<String> = (1..4).map(commit).collect();
    let records = std::fs::read_dir(store.path_of(RECORDS)).unwrap();
    let mut left: Vec<_> =
        records.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected = [&digests[1], &digests[2]].map(|digest| format!("{digest}.json"));
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn a_record_is_replaced_and_its_manifest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = locked(dir.path());
    let digest = commit(&store, "a", &record(1));
    store.write_record(&digest, &record(2)).unwrap();
    let stored = store.look().unwrap();
    assert_eq!((stored.digest, stored.record), (Some(digest), Some(record(2))));
}

#[test]
fn the_hook_is_owed_until_it_has_published_and_the_last_run_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = locked(dir.path());
    assert_eq!((store.is_publish_owed(), store.last_run()), (false, None));
    commit(&store, "a", &record(1));
    let summary = Summary::begin("run", 7);
    store.keep_summary(&summary);
    assert_eq!((store.is_publish_owed(), store.last_run()), (true, Some(summary)));
    store.published().unwrap();
    assert!(!store.is_publish_owed());
}

#[test]
fn the_group_may_read_the_baselines_and_the_summary_and_no_salt() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str| {
        let file = std::fs::metadata(dir.path().join(name)).unwrap();
        file.permissions().mode() & 0o7777
    };
    let files = |store: &Locked| {
        let mut history = Vec::new();
        for entry in std::fs::read_dir(store.path_of(HISTORY)).unwrap() {
            history.push(format!("{CONTROL}/{HISTORY}/{}", entry.unwrap().file_name().display()));
        }
        history.sort();
        let record = format!("{CONTROL}/{RECORDS}/{}.json", store.present_digest().unwrap());
        let last = format!("{CONTROL}/{LAST_RUN}");
        let lock = format!("{CONTROL}/lock");
        [MANIFEST, history.last().unwrap(), &last, &record, &lock].map(mode)
    };
    let directories = || {
        ["", CONTROL, &format!("{CONTROL}/{HISTORY}"), &format!("{CONTROL}/{RECORDS}")].map(mode)
    };
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(dir.path(), private).unwrap();
    let store = locked(dir.path());
    ["a", "b"].iter().for_each(|node| drop(commit(&store, node, &record(1))));
    store.keep_summary(&Summary::begin("run", 7));
    assert_eq!((files(&store), directories()), ([0o600; 5], [0o700; 4]));
    drop(store);
    let shown = StateMode::read("0640").unwrap();
    let store = Store::at(dir.path()).unwrap().with_mode(Some(shown));
    let store = store.lock("a test", Duration::ZERO, &mut |_| None).unwrap();
    // What was there, and what comes.
    for node in ["", "c"] {
        if !node.is_empty() {
            commit(&store, node, &record(1));
            store.keep_summary(&Summary::begin("run", 7));
        }
        let expected = ([0o640, 0o640, 0o640, 0o600, 0o600], [0o750, 0o750, 0o750, 0o700]);
        assert_eq!((files(&store), directories()), expected, "{node}");
    }
}

#[test]
fn the_lock_is_held_until_the_store_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = locked(dir.path());
    let holder = store.holder().unwrap();
    assert_eq!((holder.command.as_str(), holder.pid), ("a test", std::process::id()));
    drop(store);
    assert_eq!(Store::at(dir.path()).unwrap().holder(), None);
}
