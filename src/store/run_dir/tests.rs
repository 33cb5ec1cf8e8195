//! What the journal of a run keeps, and what it tells of one that was killed.

use super::*;
use crate::dbt::profile::Identity;
use crate::decide::intent::{RunReach, Todo};
use crate::decide::needs::Scope;
use crate::decide::record::FORMAT;

fn run() -> (tempfile::TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path()).unwrap();
    let run = RunDir::of(&store, Arc::new(Turn::of(&store).unwrap()));
    (dir, run)
}

fn notes(full_refresh: bool) -> Intent {
    let (scope, unreal) = (Scope::Everything(["model".to_owned()].into()), None);
    let (identity, reach) = (Identity::default(), Some(RunReach::nothing()));
    Intent {
        format: FORMAT,
        scope,
        unreal,
        identity,
        full_refresh,
        reach,
        journal: None,
        todo: Todo::default(),
        origin: None,
        unsaved: None,
    }
}

#[test]
fn a_run_is_unfinished_from_its_beginning_to_its_end_and_leaves_nothing_to_the_next() {
    let (_dir, run) = run();
    assert_eq!((run.is_there(), run.notes()), (false, None));
    run.begin(&notes(true), None).unwrap();
    run.keep(b"manifest", b"inputs").unwrap();
    assert_eq!((run.is_there(), run.notes()), (true, Some(notes(true))));
    run.finish().unwrap();
    assert!(!run.is_there());
    assert_eq!(run.manifest().as_deref(), Some("manifest"));
    run.begin(&notes(false), None).unwrap();
    assert_eq!((run.manifest(), run.inputs(), run.log_after(0)), (None, None, vec![]));
}

#[test]
fn notes_of_a_version_that_noted_less_are_understood() {
    let (_dir, run) = run();
    let text = serde_json::to_string(&notes(false)).unwrap();
    let (older, _) = text.split_once(",\"full_refresh\"").unwrap();
    run.store().write_file(INTENT, format!("{older}}}").as_bytes()).unwrap();
    assert_eq!(run.notes(), Some(Intent { reach: None, ..notes(false) }));
}

#[test]
fn a_log_is_whole_as_long_as_nothing_of_it_is_lost() {
    let (_dir, run) = run();
    let begun_on = run.begun_on();
    let notes = Intent { journal: begun_on.clone(), ..notes(false) };
    run.begin(&notes, Some(LogForm::Events)).unwrap();
    let is_whole = || run.is_whole(begun_on.as_deref());
    assert!(is_whole() && !run.is_whole(None) && !run.is_whole(Some("another boot")));
    let path = run.log_dir().join("dbt.log");
    let whole = [FIRST_LINE, b"{}\n{}\n"].concat();
    fs::write(&path, &whole).unwrap();
    run.note_length().unwrap();
    assert!(is_whole());
    fs::write(&path, [&whole[..], b"{}\n"].concat()).unwrap();
    assert!(is_whole(), "it may have grown since");
    for lost in [&b""[..], b"{}\n{}\n", FIRST_LINE, &whole[..whole.len() - 1]] {
        fs::write(&path, lost).unwrap();
        assert!(!is_whole(), "{}", String::from_utf8_lossy(lost));
    }
    fs::remove_file(&path).unwrap();
    assert!(!is_whole());
    fs::write(&path, &whole).unwrap();
    run.store().remove_file(LENGTH).unwrap();
    assert!(!is_whole());
}

#[test]
fn a_log_of_spans_is_whole_only_with_dbts_end() {
    let (_dir, run) = run();
    let begun_on = run.begun_on();
    let notes = Intent { journal: begun_on.clone(), ..notes(false) };
    run.begin(&notes, Some(LogForm::Spans)).unwrap();
    assert_eq!(run.log_after(0), FIRST_LINE);
    assert!(!run.is_whole(begun_on.as_deref()), "dbt may have written, and lost it");
    let end = r#"{"record_type":"SpanEnd","trace_id":"t","event_type":"x.process.Process"}"#;
    fs::write(run.spans(), [FIRST_LINE, end.as_bytes(), b"\n"].concat()).unwrap();
    assert!(run.is_whole(begun_on.as_deref()));
    run.begin(&notes, Some(LogForm::Events)).unwrap();
    assert!(!run.spans().exists() && run.is_whole(begun_on.as_deref()));
}

#[test]
fn the_log_is_read_from_where_the_reader_left_off() {
    let (_dir, run) = run();
    assert_eq!((run.length(), run.log_after(0)), (0, vec![]));
    fs::create_dir_all(run.log_dir()).unwrap();
    fs::write(run.log_dir().join("dbt.log"), "a\nb\n").unwrap();
    assert_eq!((run.length(), run.log_after(2)), (4, b"b\n".to_vec()));
    assert_eq!(run.log_after(9), b"");
}

#[test]
fn a_log_of_everything_needs_plenty_of_room() {
    let (dir, _) = run();
    let store = Store::at(dir.path()).unwrap();
    assert!(store.has_room_for_long_logs(Some(1 << 10)));
    assert!(!store.has_room_for_long_logs(Some(usize::MAX)));
}

#[test]
fn a_scratch_file_is_empty() {
    let (_dir, run) = run();
    let (_, path) = run.scratch_file("ls.jsonl").unwrap();
    fs::write(&path, "of the last run").unwrap();
    let (file, again) = run.scratch_file("ls.jsonl").unwrap();
    assert_eq!((again, file.metadata().unwrap().len()), (path, 0));
}
