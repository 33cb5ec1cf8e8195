//! `--verify`: what a run may have taken along is asked for, and guessed only where it cannot be.

use super::harness::Fake;
use super::project::{Project, project};
use serde_json::Value;

/// A table, a view on an ephemeral model on it, and a view on that; a table and a view beside them.
fn views() -> Project {
    project().table_under_views().model("t").model("u").as_("view").reads("t")
}

fn on(adapter: &str) -> Fake {
    let mut fake = Fake::new(views());
    fake.dbt("adapter", adapter);
    fake.run(&["build"]).ends_with(0);
    fake
}

fn why(fake: &Fake, name: &str) -> String {
    let id = fake.project.id(name);
    fake.status()["pending"][id].as_str().unwrap_or_default().to_owned()
}

const A_PART: [&str; 5] = ["--verify", "24h", "run", "--select", "a"];

#[test]
fn a_run_of_a_part_asks_before_and_after_and_what_is_there_stays() {
    let fake = on("postgres");
    let ran = fake.run(&["--verify", "always", "run", "--select", "a"]);
    ran.ends_with(0).starts(&["compile", "run", "compile"]).builds(&["a"]);
    assert_eq!(fake.pending(), [""; 0]);
    // The look after the run counts as the last one.
    let ran = fake.run(&A_PART);
    ran.ends_with(0).starts(&["run", "compile"]);
    assert!(ran.stderr.contains("in a dbt process of its own"), "{ran:#?}");
    assert_eq!(fake.pending(), [""; 0]);
}

#[test]
fn what_was_dropped_along_is_found_and_built() {
    let mut fake = on("postgres");
    fake.dbt("missing", vec!["v"]);
    fake.run(&["--verify", "changed", "run", "--select", "t"]).ends_with(0);
    assert_eq!(why(&fake, "v"), "not in the warehouse", "before the run");
    fake.dbt("missing", Vec::<Value>::new());
    fake.run(&["--verify", "24h", "run"]).ends_with(0).starts(&["run"]).builds(&["v", "w"]);
    fake.dbt("missing", vec!["w"]);
    fake.run(&A_PART).ends_with(0);
    assert_eq!(fake.pending(), ["w"]);
    assert_eq!(why(&fake, "w"), "dropped when model.shop.a was rebuilt");
}

#[test]
fn a_refresh_asks_on_every_warehouse() {
    let mut fake = on("duckdb");
    fake.run(&["--verify", "always", "run"]).ends_with(0);
    fake.dbt("missing", vec!["u"]);
    // Not before it: the last look is younger than that.
    fake.project.edit("t");
    let ran = fake.run(&["--verify", "24h", "run", "--full-refresh", "--exclude", "u"]);
    ran.ends_with(0).starts(&["parse", "run", "compile"]).builds(&["t"]);
    assert_eq!(why(&fake, "u"), "not in the warehouse");
    fake.dbt("missing", Vec::<Value>::new());
    fake.run(&["run"]).ends_with(0).builds(&["u"]);
    fake.project.edit("t");
    let ran = fake.run(&["--verify", "24h", "run"]);
    ran.ends_with(0).starts(&["run"]).builds(&["t", "u"]);
}

#[test]
fn a_built_relation_that_is_not_there_is_not_claimed() {
    let mut fake = on("duckdb");
    fake.run(&["--verify", "always", "run"]).ends_with(0);
    fake.dbt("missing", vec!["a"]);
    let ran = fake.run(&A_PART);
    ran.ends_with(0).builds(&["a"]);
    assert_eq!(fake.pending(), ["a"], "{ran:#?}");
}

#[test]
fn what_a_killed_run_took_along_is_asked_for_by_the_next() {
    let mut fake = on("postgres");
    fake.run(&["--verify", "always", "run"]).ends_with(0);
    fake.killed_at("end", &["run", "--select", "a"]);
    fake.dbt("missing", vec!["w"]);
    let ran = fake.run(&["--verify", "24h", "run", "--select", "t"]);
    ran.ends_with(0).builds(&["t"]);
    assert_eq!(fake.pending(), ["w"], "{ran:#?}");
}

#[test]
fn what_cannot_be_asked_is_guessed() {
    let mut fake = on("postgres");
    fake.run(&["--verify", "always", "run"]).ends_with(0);
    for key in ["cannot_ask", "missing"] {
        fake.dbt(key, vec!["a", "e", "v", "w", "t", "u"]);
        let ran = fake.run(&A_PART);
        ran.ends_with(0).builds(&["a"]).says(&["because dbt did not say"]);
        assert_eq!(fake.pending(), ["v", "w"]);
        fake.dbt_is_well();
        fake.dbt("adapter", "postgres");
        fake.run(&["run"]).ends_with(0).builds(&["v", "w"]);
    }
    // Nor is a warehouse believed that lacks much at once, before a run.
    fake.dbt("missing", vec!["a", "v", "w", "t", "u"]);
    fake.run(&["--verify", "always", "run", "--select", "a"]).ends_with(78).builds(&[]);
}

#[test]
fn a_failed_build_that_dropped_nothing_costs_nothing() {
    let mut fake = on("redshift");
    fake.dbt("fails", vec!["a"]);
    let ran = fake.run(&A_PART);
    ran.ends_with(1);
    assert_eq!(fake.pending(), ["a"], "{ran:#?}");
}

#[test]
fn an_old_relation_of_a_waiting_node_is_asked_for_so_that_a_revert_does_not_count_on_it() {
    for is_gone in [false, true] {
        let mut fake = on("duckdb");
        fake.project.edit("u");
        fake.run(&["run", "--exclude", "u"]).ends_with(0);
        fake.dbt("missing", if is_gone { vec!["u"] } else { vec![] });
        let looked = fake.run(&["verify", "--record"]);
        looked.ends_with(0);
        assert_eq!(
            looked.stdout.contains("still to be built anyway, and not in"),
            is_gone,
            "{looked:#?}"
        );
        fake.dbt_is_well();
        fake.project.revert("u");
        let ran = fake.run(&["run"]);
        ran.ends_with(0).builds(if is_gone { &["u"] } else { &[] });
    }
}

#[test]
fn a_waiting_table_does_not_go_with_what_it_read() {
    let mut fake = on("postgres");
    fake.project.edit("t");
    fake.run(&["run", "--select", "a"]).ends_with(0);
    assert_eq!(fake.pending(), ["t", "v", "w"]);
    // It is known to have been a table only now that it waits.
    fake.run(&["run", "--select", "a"]).ends_with(0);
    assert_eq!(why(&fake, "t"), "body");
    fake.project.revert("t");
    fake.run(&["run"]).ends_with(0).builds(&["v", "w"]);
}

#[test]
fn a_view_goes_with_what_it_read_through_an_ephemeral_model_that_waits() {
    let mut fake = on("postgres");
    fake.project.edit("e");
    fake.run(&["run", "--select", "t"]).ends_with(0);
    fake.run(&["run", "--select", "a"]).ends_with(0);
    fake.project.revert("e");
    fake.run(&["run"]).ends_with(0).builds(&["u", "v", "w"]);
}
