//! dbt-clickhouse on a real ClickHouse engine, with the example in the manner of Aspects: what
//! a change of code or environment builds, and what the engine is really told to do.

use crate::support::clickhouse::Aspects;

const ALL: [&str; 5] =
    ["course_activity", "course_names", "enrollments", "learners", "video_plays"];

/// Whether one of the statements has all these words.
fn any(statements: &[String], words: &[&str]) -> bool {
    statements.iter().any(|statement| words.iter().all(|word| statement.contains(word)))
}

#[test]
fn aspects_is_populated_once_and_an_unchanged_start_reaches_neither_dbt_nor_the_engine() {
    let Some(aspects) = Aspects::new() else { return };
    let first = aspects.run(&["run"]);
    first.expect_built(&ALL);
    assert_eq!(aspects.query("select count() from xapi.video_plays"), "30");
    let mark = aspects.mark();
    let second = aspects.run(&["run"]);
    second.expect_built(&[]);
    assert_eq!(second.stdout, "", "dbt was started: {second:#?}");
    assert_eq!(aspects.mark(), mark, "{:?}", aspects.changes_since(mark));
}

#[test]
fn unit_tests_that_the_default_selector_leaves_out_are_never_run() {
    let Some(aspects) = Aspects::new() else { return };
    let first = aspects.run(&["build"]);
    first.expect_built(&ALL);
    assert!(!first.stdout.contains("a_learner_is_counted_once"), "{first:#?}");
    // The comparison takes the unit test for one that is still to be run: dbt is asked once
    // whether its selector leaves it out, and no more.
    let second = aspects.run(&["build"]);
    second.expect_built(&[]);
    assert!(!second.stdout.contains("a_learner_is_counted_once"), "{second:#?}");
    let mark = aspects.mark();
    let third = aspects.run(&["build"]);
    third.expect_code(0);
    assert_eq!((third.stdout.as_str(), aspects.mark()), ("", mark), "dbt was started: {third:#?}");
}

#[test]
fn a_changed_ttl_or_cluster_builds_what_uses_it_and_what_is_downstream() {
    let Some(mut aspects) = Aspects::new() else { return };
    aspects.run(&["run"]).expect_built(&ALL);

    aspects.env("ASPECTS_DATA_TTL_EXPRESSION", "emitted + INTERVAL 3 YEAR");
    let mark = aspects.mark();
    aspects.run(&["run"]).expect_built(&["enrollments", "learners"]);
    let sent = aspects.changes_since(mark);
    assert!(any(&sent, &["alter table `xapi`.`enrollments`", "modify ttl"]), "{sent:#?}");
    assert!(!any(&sent, &["video_plays"]), "{sent:#?}");
    let table = aspects.query("show create table xapi.enrollments");
    assert!(table.contains("toIntervalYear(3)"), "{table}");

    // The dictionary asks for no engine.
    aspects.env("CLICKHOUSE_CLUSTER_NAME", "c1");
    let mark = aspects.mark();
    aspects.run(&["run"]).expect_built(&[
        "course_activity",
        "enrollments",
        "learners",
        "video_plays",
    ]);
    let sent = aspects.changes_since(mark);
    assert!(any(&sent, &["create table `reports`.`learners", "replicatedmergetree"]), "{sent:#?}");
    assert!(any(&sent, &["modify ttl", "on cluster 'c1'"]), "{sent:#?}");
    assert_eq!(aspects.query("select count() from xapi.enrollments"), "60");
}

#[test]
fn a_changed_materialized_view_keeps_its_history_and_plan_and_status_say_so() {
    let Some(aspects) = Aspects::new() else { return };
    aspects.run(&["run"]).expect_built(&ALL);
    aspects.replace("models/base/video_plays.sql", "1 as plays", "2 as plays");

    let plan = aspects.run(&["plan", "run"]);
    plan.expect_code(10);
    let said = "~ video_plays  models/base/video_plays.sql  altered, history not rebuilt, ";
    assert!(plan.stdout.contains(said), "{plan:#?}");

    let mark = aspects.mark();
    aspects.run(&["run"]).expect_built(&["course_activity", "video_plays"]);
    let sent = aspects.changes_since(mark);
    assert!(any(&sent, &["alter table `xapi`.`video_plays_mv` modify query"]), "{sent:#?}");
    assert!(!any(&sent, &["insert into"]), "{sent:#?}");
    let rows = "select plays, count() from xapi.video_plays group by plays order by plays";
    assert_eq!(aspects.query(rows), "1\t30", "the rows of before");
    aspects.query("insert into landing.events values (1000, 'a', 'ann', 'played', now())");
    assert_eq!(aspects.query(rows), "1\t30\n2\t1", "a row from now on");
    let said = "model.aspects.video_plays: altered, history not rebuilt (body)";
    let status = aspects.run(&["status"]);
    assert!(status.stdout.contains(said), "{status:#?}");

    // The positive choice, and what it heals.
    aspects
        .run(&["run", "--full-refresh", "--select", "video_plays"])
        .expect_built(&["video_plays"]);
    assert_eq!(aspects.query(rows), "2\t31");
    let status = aspects.run(&["status"]);
    assert!(!status.stdout.contains("altered"), "{status:#?}");
}

#[test]
fn full_refresh_drops_and_makes_anew_what_changed_and_nothing_else() {
    let Some(aspects) = Aspects::new() else { return };
    aspects.run(&["run"]).expect_built(&ALL);
    aspects.replace("models/base/video_plays.sql", "1 as plays", "2 as plays");
    let mark = aspects.mark();
    aspects.run(&["run", "--full-refresh"]).expect_built(&["course_activity", "video_plays"]);
    let sent = aspects.changes_since(mark);
    assert!(any(&sent, &["drop", "video_plays_mv"]), "{sent:#?}");
    assert!(any(&sent, &["insert into", "video_plays"]), "{sent:#?}");
    assert!(!any(&sent, &["enrollments"]) && !any(&sent, &["learners"]), "{sent:#?}");
    assert_eq!(aspects.query("select min(plays), count() from xapi.video_plays"), "2\t30");
}

#[test]
fn after_a_failed_model_only_it_and_its_downstream_are_built() {
    let Some(aspects) = Aspects::new() else { return };
    let [good, bad] = ["verb = 'played'", "verb = no_such_function()"];
    aspects.replace("models/base/video_plays.sql", good, bad);
    let failed = aspects.run(&["run"]);
    failed.expect_code(1);
    let mark = aspects.mark();
    aspects.replace("models/base/video_plays.sql", bad, good);
    // dbt may have made the view and its table before the failure, so it is made anew, in a run ahead
    // of the last one.
    let done = aspects.run(&["run"]);
    done.expect_built(&["course_activity"]);
    assert!(done.stderr.contains(
        "the build that made their relations was not complete: model.aspects.video_plays"
    ));
    assert!(done.stderr.contains(": 2 built, 0 failed, 0 still to be built"), "{done:#?}");
    let sent = aspects.changes_since(mark);
    assert!(!any(&sent, &["enrollments"]) && !any(&sent, &["learners"]), "{sent:#?}");
    assert_eq!(aspects.query("select count() from xapi.video_plays"), "30");
}

#[test]
fn what_was_dropped_is_found_and_an_orphaned_materialized_view_is_said_to_go_on_writing() {
    let Some(aspects) = Aspects::new() else { return };
    aspects.run(&["run"]).expect_built(&ALL);
    aspects.run(&["verify"]).expect_code(0);
    let place =
        "select concat(database, '.', name) from system.tables where name = 'course_activity'";
    let name = aspects.query(place);
    let engine = aspects.query("select engine from system.tables where name = 'course_activity'");
    let word = if engine == "View" { "view" } else { "table" };
    aspects.query(&format!("drop {word} {name}"));
    let found = aspects.run(&["verify", "--record"]);
    let said = "model.aspects.course_activity  not in the warehouse";
    assert!(found.expect_code(10).stdout.contains(said), "{found:#?}");
    aspects.run(&["run"]).expect_built(&["course_activity"]);
    aspects.run(&["verify"]).expect_code(0);

    for file in ["models/base/video_plays.sql", "models/reports/course_activity.sql"] {
        std::fs::remove_file(aspects.project().join(file)).expect("a model");
    }
    let found = aspects.run(&["orphans"]);
    found.expect_code(10);
    let words = &found.stdout;
    assert!(words.contains("its materialized views go on writing into it"), "{found:#?}");
    let hash = words.split("--approve ").nth(1).and_then(|rest| rest.split(' ').next());
    aspects.run(&["orphans", "--drop", "--approve", hash.expect("a hash")]).expect_code(0);
    let left = "select name from system.tables where database = 'xapi' or name = 'course_activity' \
                order by name";
    let left = aspects.query(left);
    assert!(left.contains("video_plays_mv") && !left.contains("course_activity"), "{left}");
    aspects.query("insert into landing.events values (1000, 'a', 'ann', 'played', now())");
    assert_eq!(aspects.query("select count() from xapi.video_plays"), "31");
}
