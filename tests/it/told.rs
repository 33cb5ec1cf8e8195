//! What dbt is told by an earlier run, and what it writes that is no JSON, with real dbt.

use crate::support::Shop;

const MODEL: &str = "models/told.sql";

#[test]
fn a_retry_records_the_vars_of_the_run_that_it_retries() {
    let Some(shop) = Shop::warm() else { return };
    shop.write(MODEL, "select {{ var('v', 1) }} as v");
    shop.write("models/first.sql", "select {{ var('v', 1) }} as v, 1 as w");
    shop.run(&["build"]).expect_code(0);
    shop.write(MODEL, "select {{ var('v', 1) }} as v from no_such_table");
    shop.run(&["run", "--vars", "{v: 2}"]).expect_code(1);
    shop.write(MODEL, "select {{ var('v', 1) }} as v, 2 as w");
    // Not by `Shop::run`, which removes the results that dbt retries.
    let retried = shop.command(&["retry"]).output().expect("the program starts");
    assert!(retried.status.success(), "{retried:#?}");
    assert_eq!(shop.query("select v from told").trim(), "2");
    shop.run(&["run", "--vars", "{v: 2}"]).expect_built(&[]);
    shop.run(&["run"]).expect_built(&["first", "told"]);
    assert_eq!(shop.query("select v from told").trim(), "1");
}

#[test]
fn a_number_that_json_does_not_have_is_read_as_dbt_reads_it() {
    let Some(shop) = Shop::warm() else { return };
    let meta = |value: &str| {
        let meta = format!("{{a: {value}, b: .inf, c: -.inf}}");
        let text = format!("models:\n  - name: told\n    config: {{meta: {meta}}}\n");
        shop.write("models/told.yml", &text);
    };
    shop.write(MODEL, "select 1 as v");
    meta(".nan");
    shop.run(&["build"]).expect_code(0);
    let unchanged = shop.run(&["build"]);
    unchanged.expect_built(&[]);
    assert!(unchanged.stderr.contains("dbt is not started"), "{unchanged:#?}");
    shop.touch(MODEL);
    shop.run(&["build"]).expect_built(&["told"]);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn an_ephemeral_model_that_is_edited_after_the_approval_needs_another() {
    let Some(shop) = Shop::warm() else { return };
    shop.write("models/inner.sql", "{{ config(materialized='ephemeral') }} select 1 as v");
    shop.write(MODEL, "select v from {{ ref('inner') }}");
    shop.run(&["build"]).expect_code(0);
    shop.touch(MODEL);
    let refused = shop.run(&["--max-rebuild", "0", "run"]);
    refused.expect_code(77);
    let (_, rest) = refused.stderr.split_once("--approve ").expect("a hash");
    let hash = rest.split_whitespace().next().unwrap_or_default();
    shop.write("models/inner.sql", "{{ config(materialized='ephemeral') }} select 2 as v");
    let stale = shop.run(&["--max-rebuild", "0", "--approve", hash, "run"]);
    stale.expect_code(77);
    assert!(stale.stderr.contains("is for another plan"), "{stale:#?}");
    shop.write("models/inner.sql", "{{ config(materialized='ephemeral') }} select 1 as v");
    shop.run(&["--max-rebuild", "0", "--approve", hash, "run"]).expect_built(&["told"]);
}
