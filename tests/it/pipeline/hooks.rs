//! Programs of the operator's: the publish hook after a change, the probe before a run.

use super::harness::Fake;
use super::project::chain;
use std::fs;

/// A hook that copies the baseline to where a test looks for it.
const COPY: &str = "cp \"$DBT_ENTRYPOINT_MANIFEST\" outbox/manifest.json";

/// A volume that is empty, and the hook.
fn publishing() -> Fake {
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.env("DBT_ENTRYPOINT_PUBLISH", format!("sh -c '{COPY}'"));
    fake
}

fn published(fake: &Fake) -> Option<Vec<u8>> {
    fs::read(fake.root().join("outbox/manifest.json")).ok()
}

#[test]
fn a_changed_baseline_is_published_once() {
    let fake = publishing();
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    let ran = fake.run(&["build"]);
    assert_eq!(ran.ends_with(0).stdout, "");
    assert_eq!(published(&fake), Some(fake.manifest()));
    fs::remove_file(fake.root().join("outbox/manifest.json")).expect("it was published");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    fake.run(&["run"]).ends_with(0).starts(&["run"]);
    assert_eq!(published(&fake), None);
}

#[test]
fn a_hook_that_fails_fails_nothing_and_is_made_up_for() {
    let fake = publishing();
    fake.run(&["build"]).ends_with(0).says(&["--publish"]);
    assert_eq!((published(&fake), fake.claims().len()), (None, 2));
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    fake.run(&["build"]).ends_with(0).starts(&[]);
    assert_eq!(published(&fake), Some(fake.manifest()));
}

#[test]
fn a_run_that_fails_publishes_what_it_built() {
    let mut fake = publishing();
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    fake.dbt("fails", vec!["b"]);
    fake.run(&["build"]).ends_with(1);
    assert_eq!(published(&fake), Some(fake.manifest()));
}

#[test]
fn an_adoption_is_published_at_once_and_other_orders_by_the_next_run() {
    let mut fake = publishing();
    fake.trust();
    fs::create_dir(fake.root().join("outbox")).expect("a directory");
    fake.run(&["adopt"]).ends_with(0);
    assert_eq!(published(&fake), Some(fake.manifest()));
    fake.run(&["invalidate", "b"]).ends_with(0);
    assert_ne!(published(&fake), Some(fake.manifest()));
    fake.run(&["run"]).ends_with(0).builds(&["b"]);
    assert_eq!(published(&fake), Some(fake.manifest()));
}

#[test]
fn a_probe_that_fails_refuses_before_anything_is_spared_or_run() {
    let mut fake = Fake::populated(chain(&["a"]));
    let with = |fake: &Fake, probe: &str| fake.run(&["--probe", probe, "build"]);
    let spared = with(&fake, "echo there");
    assert_eq!(spared.ends_with(0).starts(&[]).stdout, "");
    with(&fake, "test -f 'no such file'").ends_with(78).starts(&[]).says(&["probe", "--full"]);
    fake.project.edit("a");
    with(&fake, "false").ends_with(78).starts(&[]);
    with(&fake, "no-such-program").ends_with(64).starts(&[]);
    with(&fake, "true").ends_with(0).builds(&["a"]);
}

#[test]
fn a_probe_has_no_say_where_everything_or_a_selection_is_built() {
    let fake = Fake::new(chain(&["a"]));
    for words in [&["build"][..], &["--full", "build"], &["build", "--select", "a"]] {
        fake.run(&[&["--probe", "false"], words].concat()).ends_with(0).builds(&["a"]);
    }
}
