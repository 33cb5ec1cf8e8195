//! A partial-parse file that is kept beside the state and given to the next container.

use super::harness::Fake;
use super::project::{Project, chain};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn file(fake: &Fake) -> PathBuf {
    fake.on_the_volume(".dbt-entrypoint/warm/partial_parse.msgpack")
}

/// With `--warm on`.
fn new(project: Project) -> Fake {
    let mut fake = Fake::new(project);
    fake.env("DBT_ENTRYPOINT_WARM", "on");
    fake
}

#[track_caller]
fn populated(project: Project) -> Fake {
    let fake = new(project);
    fake.run(&["build"]).ends_with(0);
    fake
}

/// A container begins without artifacts.
fn fresh(fake: &Fake) {
    let _ = fs::remove_dir_all(fake.root().join("target"));
}

/// A volume of which the last run kept a parse, and a fresh container.
fn kept(project: Project) -> Fake {
    let fake = populated(project);
    assert!(fs::read_to_string(file(&fake)).expect("it was kept").contains("of a parse"));
    fresh(&fake);
    fake
}

/// The next run of an edited `a` builds that, after a parse from nothing.
#[track_caller]
fn is_cold(mut fake: Fake, why: &str) {
    fake.project.edit("a");
    fake.env("DBT_ENTRYPOINT_LOG_LEVEL", "debug");
    let ran = fake.run(&["run"]);
    assert!(fake.warm_parses().is_empty(), "{why}: {ran:#?}");
    ran.ends_with(0).says(&[why]);
}

#[test]
fn the_next_container_starts_from_it_and_builds_what_changed() {
    let mut fake = kept(chain(&["a", "b"]).model("c"));
    for _ in 0..2 {
        let before = fs::read_to_string(file(&fake)).expect("it was kept");
        fake.project.edit("b");
        fake.run(&["run"]).ends_with(0).starts(&["run"]).builds(&["b"]);
        assert_eq!(fake.warm_parses().last(), Some(&before));
        assert_ne!(fs::read_to_string(file(&fake)).expect("it was kept"), before);
        fresh(&fake);
    }
    let mode = file(&fake).metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_start_with_nothing_edited_is_warm_as_well_and_two_processes_are() {
    let fake = kept(chain(&["a"]));
    fake.run(&["--always-start", "run"]).ends_with(0).builds(&[]);
    assert_eq!(fake.warm_parses().len(), 1);
    let mut fake = kept(chain(&["a"]));
    fake.project.edit("a");
    fake.run(&["run", "--full-refresh"]).ends_with(0).starts(&["parse", "run"]).builds(&["a"]);
    assert!(!fake.warm_parses().is_empty());
}

#[test]
fn what_a_run_with_another_flag_parsed_is_not_kept() {
    let fake = new(chain(&["a"]));
    fake.run(&["build", "--full-refresh"]).ends_with(0).starts(&["build"]);
    assert!(!file(&fake).exists());
}

#[test]
fn a_plan_starts_from_it_and_leaves_it() {
    let mut fake = kept(chain(&["a", "b"]));
    let before = fake.volume();
    fake.project.edit("b");
    fake.run(&["plan", "run"]).ends_with(10).starts(&["parse"]);
    assert_eq!(fake.warm_parses().len(), 1);
    assert_eq!(fake.volume(), before);
}

/// The next run, for which this file of the project has another line, starts from nothing.
#[track_caller]
fn is_cold_with(mut fake: Fake, path: &str) {
    fake.env("DBT_ENTRYPOINT_LOG_LEVEL", "debug");
    fake.project.edit("a");
    let command = fake.command(&["run"]);
    let changed = fake.root().join(path);
    fs::create_dir_all(changed.parent().expect("a parent")).expect("a directory");
    let text = fs::read_to_string(&changed).unwrap_or_default();
    fs::write(changed, text + "\n").expect("a file");
    let ran = fake.run_command(command);
    assert!(fake.warm_parses().is_empty(), "{path}: {ran:#?}");
    ran.ends_with(0).says(&[MORE]);
}

const MORE: &str = "more changed than bodies of models";

#[test]
fn whatever_else_changes_is_parsed_from_nothing() {
    for path in [
        "macros/m.sql",
        "models/schema.yml",
        "models/new.sql",
        "models/p.py",
        "seeds/s.csv",
        "snapshots/x.sql",
        "tests/t.sql",
        "models/docs.md",
        "profiles.yml",
        "dbt_project.yml",
        ".dbtignore",
        "packages.yml",
        "selectors.yml",
        "dbt_packages/p/macros/m.sql",
    ] {
        is_cold_with(kept(chain(&["a"])), path);
    }
    let mut fake = kept(chain(&["a"]));
    fake.upgrade("1.11.17");
    is_cold(fake, MORE);
    for (name, value) in [("DBT_SOMETHING", "x"), ("TZ", "UTC")] {
        let mut fake = kept(chain(&["a"]));
        fake.env(name, value);
        is_cold(fake, MORE);
    }
}

#[test]
fn other_words_that_shape_a_parse_are_parsed_from_nothing() {
    for words in
        [&["run", "--vars", "{x: 1}"][..], &["run", "--threads", "2"], &["run", "--warn-error"]]
    {
        let mut fake = kept(chain(&["a"]));
        fake.project.edit("a");
        fake.run(words).ends_with(0).builds(&["a"]);
        assert!(fake.warm_parses().is_empty(), "{words:?}");
    }
}

#[test]
fn a_variable_that_the_project_names_counts() {
    let named = || chain(&["a"]).model("n").says("-- {{ env_var('SHOP', 'x') }}");
    let mut fake = kept(named());
    fake.env("OTHER", "y");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.warm_parses().len(), 1);
    let mut fake = kept(named());
    fake.env("SHOP", "y");
    is_cold(fake, MORE);
}

#[test]
fn edits_that_are_more_than_a_body_are_parsed_from_nothing() {
    for (code, why) in [
        ("{{ config(tags=['x']) }}", "a config() in models/a.sql changed"),
        ("-- {{ graph.nodes }}", "models/a.sql reads the graph"),
        ("-- {{ env_var(name) }}", MORE),
    ] {
        let mut fake = kept(chain(&["a"]));
        fake.project = chain(&["a"]).says(code);
        fake.env("DBT_ENTRYPOINT_LOG_LEVEL", "debug");
        let ran = fake.run(&["run"]);
        assert!(fake.warm_parses().is_empty(), "{code}: {ran:#?}");
        ran.ends_with(0).says(&[why]).builds(&["a"]);
    }
}

#[test]
fn spaces_alone_are_parsed_from_nothing_where_dbt_does_not_see_them() {
    for (version, warm) in [("1.11.16", 1), ("1.12.0", 0)] {
        let mut fake = new(chain(&["a"]).says("select 1"));
        fake.upgrade(version);
        fake.run(&["build"]).ends_with(0);
        fresh(&fake);
        fake.project = chain(&["a"]).says("select  1");
        fake.run(&["run"]).ends_with(0).builds(&["a"]);
        assert_eq!(fake.warm_parses().len(), warm, "{version}");
    }
}

#[test]
fn a_dbt_for_which_nothing_is_proved_parses_from_nothing() {
    for version in ["1.8.9", "1.14.0"] {
        let mut fake = new(chain(&["a"]));
        fake.upgrade(version);
        fake.run(&["build"]).ends_with(0);
        assert!(!file(&fake).exists(), "{version}");
    }
}

#[test]
fn a_removed_model_is_parsed_from_nothing() {
    let mut fake = kept(chain(&["a"]).model("b"));
    fake.project.remove("b");
    fake.run(&["--always-start", "run"]).ends_with(0).builds(&[]);
    assert!(fake.warm_parses().is_empty());
}

#[test]
fn none_is_kept_of_a_project_of_which_each_parse_may_make_something_else() {
    for text in [
        "{% if run_started_at.day == 1 %}{% endif %}",
        "{{ x(flags.WHICH) }}",
        "{% set id = invocation_id %}",
        "{{ x(modules.datetime.datetime.now()) }}",
    ] {
        let fake = populated(chain(&["a"]).says(&format!("-- {text}")));
        assert!(!file(&fake).exists(), "{text}");
    }
    let setting = "query-comment: '{{ invocation_id }}'\nvars: {at: '{{ run_started_at }}'}";
    let fake = populated(chain(&["a"]).setting(setting));
    assert!(!file(&fake).exists());
}

#[test]
fn one_is_kept_where_what_each_run_has_anew_goes_nowhere() {
    for text in [
        "{{ run_started_at }}",
        "{{ flags.WHICH }}, {{ invocation_id }}",
        "{% if execute %}{{ x(invocation_id) }}{% endif %}",
        "{{ x(modules.re.match('a', 'b')) }}",
        "{% if flags.FULL_REFRESH %}{% endif %}",
    ] {
        kept(chain(&["a"]).says(&format!("-- {text}")));
    }
    kept(chain(&["a"]).setting("query-comment: '{{ invocation_id }}'"));
}

#[test]
fn none_is_kept_where_others_could_read_it_or_it_is_not_wanted() {
    let all: [(&str, &str); 5] = [
        ("DBT_ENTRYPOINT_WARM", "off"),
        ("DBT_ENTRYPOINT_STATE_MODE", "0640"),
        ("DBT_PARTIAL_PARSE", "false"),
        ("DBT_ENGINE_PARTIAL_PARSE", "0"),
        ("DBT_PARTIAL_PARSE_FILE_PATH", "x"),
    ];
    for (name, value) in all {
        let mut fake = new(chain(&["a"]));
        fake.env(name, value);
        fake.run(&["build"]).ends_with(0);
        assert!(!file(&fake).exists(), "{name}");
        // What an earlier run kept is removed.
        let mut fake = kept(chain(&["a"]));
        fake.env(name, value);
        fake.project.edit("a");
        fake.run(&["build"]).ends_with(0).builds(&["a"]);
        assert!(fake.warm_parses().is_empty() && !file(&fake).exists(), "{name}");
    }
    let shared = new(chain(&["a"]));
    fs::set_permissions(shared.state(), fs::Permissions::from_mode(0o2775)).expect("ours");
    shared.run(&["build"]).ends_with(0);
    assert!(!file(&shared).exists());
}

#[test]
fn a_flag_of_the_project_stands_as_it_is() {
    let flags = "flags:\n  partial_parse: false";
    let fake = populated(chain(&["a"]).setting(flags));
    assert!(!file(&fake).exists());
}

#[test]
fn what_an_edited_body_cannot_change_is_parsed_in_full() {
    let alias = "\"main\".\"b\"".replace('"', "\\\"");
    for (text, other) in [
        (alias.as_str(), "elsewhere"),
        ("model.shop.c", "model.shop.z"),
        ("materialization_table_default", "materialization_chair_default"),
    ] {
        let mut fake = kept(chain(&["a", "b"]).model("c"));
        fake.dbt("warm", json!({text: other}));
        fake.project.edit("a");
        let plan = fake.run(&["plan", "run"]);
        plan.ends_with(10).starts(&["parse", "parse"]).says(&["once more, in full"]);
        assert!(plan.stdout.contains("2 of 3 nodes"), "{plan:#?}");
        fresh(&fake);
        let ran = fake.run(&["run"]);
        ran.ends_with(0).starts(&["run", "run"]).builds(&["a", "b"]).says(&["once more, in full"]);
        assert!(ran.calls[0].built.is_empty() && ran.last().has("--no-partial-parse"), "{ran:#?}");
    }
}

#[test]
fn a_body_that_dbt_did_not_see_is_parsed_in_full() {
    let mut fake = kept(chain(&["a"]));
    let before = fake.project.file("a").1;
    fake.project.edit("a");
    let after = fake.project.file("a").1;
    let escaped = |text: &str| text.trim_end().replace('\n', "\\n");
    fake.dbt("warm", json!({escaped(&after): escaped(&before)}));
    fake.run(&["run"]).ends_with(0).starts(&["run", "run"]).builds(&["a"]);
    fresh(&fake);
    fake.project.edit("a");
    fake.dbt("cannot_start_warm", true);
    fake.run(&["run"]).ends_with(0).starts(&["run", "run"]).builds(&["a"]);
    fresh(&fake);
    fake.project.edit("a");
    fake.run(&["plan", "run"]).ends_with(10).starts(&["parse", "parse"]);
}

#[test]
fn a_damaged_file_is_not_used_and_soon_replaced() {
    for damage in ["", "half"] {
        let mut fake = kept(chain(&["a"]));
        fs::write(file(&fake), damage).expect("a file");
        fake.project.edit("a");
        fake.run(&["run"]).ends_with(0).builds(&["a"]);
        assert!(fake.warm_parses().is_empty());
        fresh(&fake);
        fake.project.edit("a");
        fake.run(&["run"]).ends_with(0).builds(&["a"]);
        assert_eq!(fake.warm_parses().len(), 1);
    }
    let mut fake = kept(chain(&["a"]));
    fs::write(file(&fake).with_file_name("notes.json"), "{").expect("a file");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert!(fake.warm_parses().is_empty());
}

#[test]
fn a_kill_while_it_is_written_leaves_nothing_that_is_used() {
    // Between the file and its notes.
    let mut fake = kept(chain(&["a"]));
    let notes = file(&fake).with_file_name("notes.json");
    let old = fs::read(&notes).expect("it was kept");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    fs::write(&notes, old).expect("a file");
    // And in the middle of a file.
    let half = file(&fake).with_file_name(".partial_parse.msgpack.0123456789abcdef.new");
    fs::write(&half, "half").expect("a file");
    fresh(&fake);
    let count = fake.warm_parses().len();
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.warm_parses().len(), count);
    assert!(!half.exists());
}

#[test]
fn where_it_cannot_be_kept_the_run_succeeds() {
    let mut fake = populated(chain(&["a"]));
    fs::remove_dir_all(fake.on_the_volume(".dbt-entrypoint/warm")).expect("it was kept");
    fs::write(fake.on_the_volume(".dbt-entrypoint/warm"), "").expect("a file in its place");
    fake.project.edit("a");
    fake.run(&["run"]).ends_with(0).builds(&["a"]);
    assert_eq!(fake.claims(), ["a"]);
}

#[test]
fn what_was_edited_while_dbt_ran_is_not_kept() {
    let mut fake = new(chain(&["a", "b"]));
    let (path, text) = fake.project.file("b");
    fake.dbt("edits", json!({"built": {path: text + "-- edited\n"}}));
    fake.run(&["build"]).ends_with(0);
    assert!(!file(&fake).exists());
}
