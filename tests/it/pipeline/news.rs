//! No news is not good news: what a run may have built, and of which nothing is known, is touched.

use super::harness::Fake;
use super::project::{chain, project};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;

const LOG: &str = ".dbt-entrypoint/run/log/dbt.log";
const INTENT: &str = ".dbt-entrypoint/run/intent.json";

/// The options by which the user has dbt's log for themselves.
const OWN_LOGS: [[&str; 2]; 4] = [
    ["--log-path", "elsewhere"],
    ["--log-level-file", "none"],
    ["--log-level-file", "error"],
    ["--log-format-file", "text"],
];

/// A run of `b` alone, which has not changed, that was killed while it built that.
fn killed_at_b(words: &[&str]) -> Fake {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    let running = fake.hang("b", &[&["run", "--select", "b"], words].concat());
    fake.kill_all(running);
    fake
}

#[test]
fn the_journal_tells_what_a_killed_selection_had_begun() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.killed_at("b", &["run", "--select", "b"]);
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn without_a_copy_of_the_manifest_the_journal_still_counts() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.killed_at("b", &["run", "--select", "b"]);
    fs::remove_file(fake.on_the_volume(".dbt-entrypoint/run/manifest.json")).expect("a copy");
    fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
}

#[test]
fn without_a_journal_everything_that_a_killed_selection_may_have_built_is_built_again() {
    for own in OWN_LOGS {
        let fake = killed_at_b(&own);
        fake.run(&["run"]).ends_with(0).says(&["built again"]).builds(&["a", "b", "c"]);
        fake.run(&["run"]).ends_with(0).builds(&[]);
    }
}

#[test]
fn without_a_journal_what_a_killed_run_was_told_to_build_is_built_again_and_nothing_else() {
    for own in OWN_LOGS {
        let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
        fake.project.edit("b");
        let running = fake.hang("c", &["run", own[0], own[1]]);
        fake.kill_all(running);
        fake.run(&["run"]).ends_with(0).builds(&["b", "c"]);
    }
}

#[test]
fn a_journal_that_lost_something_is_not_believed() {
    type Loss = fn(&[u8]) -> Option<Vec<u8>>;
    let lose: [(&str, Loss); 5] = [
        ("emptied", |_| Some(Vec::new())),
        ("vanished", |_| None),
        ("cut within a line", |log| Some(log[..log.len() / 2].to_vec())),
        ("cut behind a line", |log| {
            let end = log[..log.len() - 1].iter().rposition(|byte| *byte == b'\n');
            Some(log[..=end.expect("several lines")].to_vec())
        }),
        ("without its beginning", |log| {
            let first = log.iter().position(|byte| *byte == b'\n').expect("a line");
            Some(log[first + 1..].to_vec())
        }),
    ];
    for (how, lose) in lose {
        let mut fake = Fake::populated(chain(&["a", "b", "c"]));
        fake.killed_at("b", &["run", "--select", "b"]);
        let log = fake.on_the_volume(LOG);
        let whole = fs::read(&log).expect("a journal");
        match lose(&whole) {
            Some(rest) => fs::write(&log, rest).expect("the volume is writable"),
            None => fs::remove_file(&log).expect("a journal"),
        }
        let ran = fake.run(&["run"]);
        ran.ends_with(0).says(&["missing or incomplete"]);
        let is_built = ran.calls.iter().any(|call| call.built.iter().any(|name| name == "b"));
        assert!(is_built, "{how}: {ran:#?}");
        fake.run(&["run"]).ends_with(0).builds(&[]);
    }
}

#[test]
fn a_journal_is_not_believed_after_a_power_cut() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.killed_at("b", &["run", "--select", "b"]);
    let path = fake.on_the_volume(INTENT);
    let mut intent: Value = serde_json::from_slice(&fs::read(&path).expect("notes")).expect("JSON");
    intent["journal"] = "another boot".into();
    fs::write(&path, intent.to_string()).expect("the volume is writable");
    fake.run(&["run"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn notes_that_cannot_be_read_say_that_anything_may_have_been_built() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    fake.killed_at("b", &["run", "--select", "b"]);
    fs::write(fake.on_the_volume(INTENT), "").expect("the volume is writable");
    fs::remove_file(fake.on_the_volume(LOG)).expect("a journal");
    fake.run(&["run"]).ends_with(0).builds(&["a", "b", "c"]);
}

#[test]
fn notes_of_an_earlier_version_void_nothing_by_themselves() {
    let mut fake = killed_at_b(&["--log-path", "elsewhere"]);
    fake.trust();
    let path = fake.on_the_volume(INTENT);
    let mut intent: Value = serde_json::from_slice(&fs::read(&path).expect("notes")).expect("JSON");
    for field in ["reach", "journal"] {
        intent.as_object_mut().expect("an object").remove(field);
    }
    fs::write(&path, intent.to_string()).expect("the volume is writable");
    fake.run(&["run"]).ends_with(0).builds(&[]);
}

#[test]
fn a_first_build_of_which_nothing_is_known_is_refreshed() {
    let mut fake = Fake::new(project().model("a").model("i").as_("incremental").reads("a"));
    let running = fake.hang("i", &["run", "--log-path", "elsewhere"]);
    fake.kill_all(running);
    let ran = fake.run(&["run"]);
    ran.ends_with(0).builds(&["a", "i"]);
    let refreshed: Vec<&String> = ran.calls.iter().flat_map(|call| &call.refreshed).collect();
    assert!(refreshed.contains(&&"i".to_owned()), "{ran:#?}");
}

#[test]
fn a_half_made_node_that_a_killed_run_built_plainly_is_not_trusted() {
    let mut fake = Fake::new(project().model("i").as_("incremental"));
    fake.killed_at("i", &["build"]);
    fake.killed_at("built", &["run", "--select", "i"]);
    let ran = fake.run(&["run"]);
    ran.ends_with(0).builds(&["i"]);
    assert_eq!(ran.last().refreshed, ["i"]);
}

#[test]
fn a_dbt_that_dies_without_a_journal_leaves_what_it_may_have_built_to_be_built() {
    for own in OWN_LOGS {
        let mut fake = Fake::populated(chain(&["a", "b", "c"]));
        fake.dbt("dies_at", "b");
        fake.run(&["run", "--select", "b", own[0], own[1]]).ends_with(137);
        assert_eq!(fake.pending(), ["a", "b", "c"]);
        fake.dbt_is_well();
        fake.run(&["run"]).ends_with(0).builds(&["a", "b", "c"]);
    }
}

#[test]
fn an_interrupted_dbt_without_a_journal_does_not_name_the_node_that_it_was_building() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]));
    let words = ["run", "--select", "a", "b", "--log-path", "elsewhere"];
    let running = fake.hang("b", &words);
    running.signal(Signal::SIGINT);
    fake.end(running).ends_with(2).builds(&["a"]);
    assert_eq!(fake.pending(), ["b", "c"]);
}

#[test]
fn a_manifest_that_is_cut_off_after_the_build_without_a_journal_is_news_for_the_next_start() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    let running = fake.hang("built", &["run", "--select", "b", "--log-path", "elsewhere"]);
    let manifest = fake.root().join("target/manifest.json");
    let text = fs::read(&manifest).expect("dbt wrote it");
    fs::write(&manifest, &text[..text.len() / 2]).expect("our own file");
    running.signal(Signal::SIGTERM);
    fake.end(running).ends_with(2).says(&["is not known"]);
    fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn the_manifest_of_another_dbt_does_not_open_the_gate() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.dbt("overtaken", "run");
    let ran = fake.run(&["run"]);
    ran.ends_with(0).says(&["another dbt"]).builds(&["a", "b"]).starts(&["run", "parse", "run"]);
    assert_eq!((fake.claims().len(), fake.pending()), (2, vec![]));
}

#[test]
fn the_manifest_of_another_dbt_is_not_taken_for_that_of_a_parse() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    let before = fake.manifest();
    fake.project.edit("a");
    fake.dbt("overtaken", "parse");
    let words = ["run", "--full-refresh"];
    fake.run(&words).ends_with(78).says(&["another dbt", "--target-path"]).starts(&["parse"]);
    assert!(fake.manifest() == before);
    fake.dbt_is_well();
    fake.run(&words).ends_with(0).builds(&["a", "b"]);
}

#[test]
fn success_with_nothing_selected_is_no_success_while_something_is_to_be_built() {
    for words in [&["run"][..], &["run", "--full-refresh"]] {
        let mut fake = Fake::populated(chain(&["a", "b"]));
        fake.project.edit("a");
        fake.dbt("selects_nothing", true);
        fake.run(words).ends_with(74).says(&["model.shop.a", "did not report"]).builds(&[]);
        assert_eq!(fake.pending(), ["a"]);
        fake.dbt_is_well();
        fake.run(&["run"]).ends_with(0).builds(&["a", "b"]);
    }
}

#[test]
fn a_command_that_leaves_out_what_is_to_be_built_succeeds_with_nothing_selected() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("a");
    fake.run(&["run", "--exclude", "a", "b"]).ends_with(0).builds(&[]);
    assert_eq!(fake.pending(), ["a"]);
}

#[test]
fn a_dbt_that_outlives_the_program_holds_the_volume_and_is_recorded_after_its_end() {
    let commands: [&[&str]; 3] = [&["build"], &["run", "--select", "a", "b"], &["--full", "run"]];
    for words in commands {
        let mut fake = Fake::populated(chain(&["a", "b", "c"]));
        fake.project.edit("a");
        let running = fake.hang("b", words);
        let orphan = fake.orphan(running);
        let waiting = fake.run(&["--lock-timeout", "0", "build"]);
        waiting.ends_with(75).says(&["dbt ", "pid"]).starts(&[]);
        orphan.finish();
        let rest: &[&str] = if words.contains(&"--select") { &["c"] } else { &[] };
        fake.run(&["build"]).ends_with(0).builds(rest);
        assert_eq!((fake.claims().len(), fake.pending()), (3, vec![]));
        fake.run(&["build"]).ends_with(0).starts(&[]);
    }
}
