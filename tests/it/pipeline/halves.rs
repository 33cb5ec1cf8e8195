//! A first build that did not succeed as a whole, of a node whose build adds to what is there.

use super::harness::Fake;
use super::project::{chain, project};

/// A volume on which the first build of this node went wrong in this way.
fn half_made(kind: &str, wrong: &str) -> Fake {
    let mut fake = Fake::populated(chain(&["a"]));
    let other = std::mem::take(&mut fake.project);
    fake.project = other.model("m").as_(kind).reads("a").model("b").reads("m");
    match wrong {
        "fails" | "partly" => fake.dbt(wrong, vec!["m"]),
        "dies" => fake.dbt("dies_at", "m"),
        option => {
            fake.run(&["run", option]);
            return fake;
        }
    }
    fake.run(&["run"]);
    fake.dbt_is_well();
    fake
}

const WRONGS: [&str; 7] = [
    "fails",
    "partly",
    "dies",
    "--empty",
    "--sample=1 day",
    "--event-time-start=2026-01-01",
    "--event-time-end=2026-01-02",
];

#[test]
fn whatever_goes_wrong_in_a_first_build_it_is_made_up_for_with_full_refresh() {
    for kind in ["incremental", "materialized_view", "of_our_own"] {
        for wrong in WRONGS {
            let fake = half_made(kind, wrong);
            assert!(fake.pending().contains(&"m".to_owned()), "{kind} {wrong}");
            let ran = fake.run(&["run"]);
            ran.ends_with(0);
            let refreshed: Vec<&String> =
                ran.calls.iter().flat_map(|call| &call.refreshed).collect();
            assert_eq!(refreshed, ["m"], "{kind} {wrong} {ran:#?}");
            assert_eq!(fake.pending(), [""; 0], "{kind} {wrong}");
            fake.run(&["--always-start", "run"]).ends_with(0).builds(&[]);
        }
    }
}

#[test]
fn a_table_is_replaced_by_any_build() {
    for wrong in WRONGS {
        let ran = half_made("table", wrong).run(&["run"]);
        assert!(ran.ends_with(0).calls.iter().all(|call| call.refreshed.is_empty()), "{ran:#?}");
    }
}

#[test]
fn a_build_of_the_users_own_adds_to_a_half_made_relation_and_does_not_make_it_whole() {
    let fake = half_made("incremental", "fails");
    fake.run(&["run", "--select", "m"]).ends_with(0).builds(&["m"]);
    assert!(fake.pending().contains(&"m".to_owned()));
    fake.run(&["run", "--full-refresh", "--select", "m"]).ends_with(0);
    assert!(!fake.pending().contains(&"m".to_owned()));
}

#[test]
fn a_later_build_that_fails_keeps_its_rows() {
    for wrong in ["fails", "partly"] {
        let mut fake = Fake::populated(chain(&["a"]).model("m").as_("incremental"));
        fake.project.edit("m");
        fake.dbt(wrong, vec!["m"]);
        let ran = fake.run(&["run"]);
        if wrong == "partly" {
            ran.says(&["model.shop.m was only partly rebuilt", "--full-refresh --select"]);
        }
        fake.dbt_is_well();
        let ran = fake.run(&["run"]);
        ran.ends_with(0).starts(&["run"]).builds(&["m"]);
        assert!(ran.last().refreshed.is_empty(), "{ran:#?}");
    }
}

#[test]
fn what_was_adopted_is_not_made_anew_when_it_fails() {
    let mut fake = Fake::new(chain(&["a"]).model("m").as_("incremental"));
    fake.trust();
    fake.run(&["adopt"]).ends_with(0);
    fake.project.edit("m");
    fake.dbt("fails", vec!["m"]);
    fake.run(&["run"]).ends_with(1);
    fake.run(&["run"]).ends_with(1);
    fake.dbt_is_well();
    let ran = fake.run(&["run"]);
    assert!(ran.ends_with(0).starts(&["run"]).last().refreshed.is_empty(), "{ran:#?}");
}

#[test]
fn a_full_refresh_that_fails_is_made_up_for_by_another() {
    let mut fake = Fake::populated(chain(&["a"]).model("m").as_("incremental"));
    fake.dbt("fails", vec!["m"]);
    fake.run(&["run", "--full-refresh", "--select", "m"]).ends_with(1);
    fake.dbt_is_well();
    let ran = fake.run(&["run"]);
    assert_eq!(ran.ends_with(0).calls[1].refreshed, ["m"], "{ran:#?}");
}

#[test]
fn a_snapshot_is_completed_by_a_plain_build_which_is_said() {
    let mut fake = Fake::new(project().snapshot("h"));
    fake.dbt("fails", vec!["h"]);
    fake.run(&["build"]).ends_with(1);
    fake.dbt_is_well();
    let ran = fake.run(&["build"]);
    ran.ends_with(0).builds(&["h"]).says(&["snapshot.shop.h had been built only in part"]);
    assert!(ran.last().refreshed.is_empty(), "{ran:#?}");
    fake.run(&["build"]).ends_with(0).builds(&[]);
}

#[test]
fn a_model_that_is_never_refreshed_is_named_as_incomplete() {
    let mut fake = Fake::new(project().model("m").as_("incremental").config("full_refresh", false));
    fake.dbt("partly", vec!["m"]);
    fake.run(&["build"]).ends_with(1);
    fake.dbt_is_well();
    fake.run(&["build"]).ends_with(0).says(&["model.shop.m had been built only in part"]);
    let words = "altered, history not rebuilt (the build that made its relation was not complete)";
    assert_eq!(fake.status()["altered"]["model.shop.m"], words);
}

#[test]
fn a_half_made_relation_is_so_for_a_node_that_comes_back_to_it() {
    let mut fake = half_made("incremental", "fails");
    let whole = |fake: &mut Fake| fake.project.configure("m", "alias", "m");
    fake.project.configure("m", "alias", "elsewhere");
    fake.run(&["run"]).ends_with(0);
    whole(&mut fake);
    let ran = fake.run(&["run"]);
    assert!(ran.calls.iter().any(|call| call.refreshed == ["m"]), "{ran:#?}");
}
