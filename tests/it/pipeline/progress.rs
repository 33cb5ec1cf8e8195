//! What `status` says beside a run: how far dbt has come, and what it is at work on.

use super::harness::Fake;
use super::project::chain;
use serde_json::{Value, json};
use std::fs;

/// The counts of `status --json`, and the names of what dbt is at work on.
fn progress(fake: &Fake) -> (Value, Vec<String>) {
    let mut progress = fake.status()["progress"].take();
    let now = progress.as_object_mut().and_then(|progress| progress.remove("now"));
    let name = |one: &Value| {
        assert!(one["seconds"].is_f64(), "{one}");
        one["node"].as_str().expect("a name").to_owned()
    };
    let now = now.iter().filter_map(Value::as_array).flatten().map(name).collect();
    (progress, now)
}

fn counts(done: usize, total: Option<usize>, failed: usize, seconds_left: Option<f64>) -> Value {
    json!({
        "done": done, "total": total, "running": 1, "failed": failed, "tests_running": 0,
        "seconds_left": seconds_left,
    })
}

#[test]
fn status_beside_a_run_says_how_far_it_has_come() {
    let mut fake = Fake::new(chain(&["a", "b", "c"]).model("d").test("t"));
    fake.dbt("seconds", json!({"b": 0.0, "c": 3000.0}));
    assert_eq!(progress(&fake), (Value::Null, vec![]));
    fake.run(&["build"]).ends_with(0);
    fake.project.edit("b");
    let running = fake.hang("b", &["build"]);
    let now = vec!["model.shop.b".to_owned()];
    assert_eq!(progress(&fake), (counts(0, Some(2), 0, Some(3000.0)), now));
    let words = fake.run(&["status"]).ends_with(0).stdout.clone();
    assert!(words.contains("\nprogress   0 of 2, 1 running, about 50 min left\n"), "{words}");
    assert!(words.contains("\nrunning    model.shop.b for "), "{words}");
    // The baseline may be damaged; only how long a node takes is then not known.
    fs::write(fake.on_the_volume("manifest.json"), "{").expect("a file");
    assert_eq!(progress(&fake).0, counts(0, Some(2), 0, None));
    fake.kill_all(running);
    assert_eq!(progress(&fake), (Value::Null, vec![]));
}

#[test]
fn a_first_population_is_counted_once_its_manifest_is_there() {
    let mut fake = Fake::new(chain(&["a", "b"]).model("c").model("d").test("t"));
    fake.dbt("fails", vec!["a"]);
    let running = fake.hang("c", &["build"]);
    fake.wait_for(".dbt-entrypoint/run", "manifest.json");
    // `b` is passed over, because `a` failed.
    let now = vec!["model.shop.c".to_owned()];
    assert_eq!(progress(&fake), (counts(2, Some(4), 1, None), now));
    fake.finish(running).ends_with(1);
    assert_eq!(progress(&fake), (Value::Null, vec![]));
}

#[test]
fn what_a_selection_leaves_is_not_known_ahead() {
    let mut fake = Fake::new(chain(&["a", "b"]));
    for (words, total) in [(["build", "--select", "b"], None), (["run", "--threads", "1"], Some(2))]
    {
        let running = fake.hang("b", &words);
        fake.wait_for(".dbt-entrypoint/run", "manifest.json");
        let done = usize::from(total.is_some());
        assert_eq!(progress(&fake).0, counts(done, total, 0, None), "{words:?}");
        fake.kill_all(running);
    }
}

#[test]
fn without_a_journal_nothing_is_known() {
    let mut fake = Fake::new(chain(&["a"]));
    let running = fake.hang("a", &["build", "--log-path", "elsewhere"]);
    assert!(fake.status()["at_work"].is_object());
    assert_eq!(progress(&fake), (Value::Null, vec![]));
    fake.finish(running).ends_with(0);
}

#[test]
fn the_journal_of_a_killed_run_is_not_that_of_the_next() {
    let mut fake = Fake::populated(chain(&["a", "b"]));
    fake.project.edit("b");
    fake.killed_at("b", &["build"]);
    let journal = fake.on_the_volume(".dbt-entrypoint/run/log/dbt.log");
    let text = fs::read_to_string(&journal).expect("a journal");
    fs::write(&journal, text.replace("\"ts\": \"2", "\"ts\": \"1")).expect("a file");
    // Without its manifest, the project is parsed before the journal is taken up.
    fs::remove_file(fake.on_the_volume(".dbt-entrypoint/run/manifest.json")).expect("a file");
    let running = fake.hang("parse", &["build"]);
    assert!(fake.status()["at_work"].is_object());
    assert_eq!(progress(&fake), (Value::Null, vec![]));
    fake.finish(running).ends_with(0).builds(&["b"]);
}

#[test]
fn a_short_run_says_nothing_of_its_progress() {
    let fake = Fake::new(chain(&["a"]));
    for form in ["auto", "plain", "off"] {
        let ran = fake.run(&["--progress", form, "--full", "build"]);
        assert!(!ran.ends_with(0).stderr.contains("1 of 1"), "{ran:#?}");
    }
    fake.run(&["--progress", "much", "build"]).ends_with(64).says(&["plain"]);
}
