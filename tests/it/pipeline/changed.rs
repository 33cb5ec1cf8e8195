//! A run over a baseline: dbt parses, waits for the comparison, and builds what changed.

use super::harness::Fake;
use super::project::chain;

#[test]
fn one_edit_is_built_with_what_reads_it_by_one_dbt() {
    let mut fake = Fake::populated(chain(&["a", "b", "c"]).model("d"));
    fake.project.edit("b");
    let ran = fake.run(&["run"]);
    ran.ends_with(0).starts(&["run"]).builds(&["b", "c"]);
    assert_eq!(ran.last().value("--select"), Some("result:skipped+"));
    assert_eq!(fake.claims(), ["a", "b", "c", "d"]);
}
