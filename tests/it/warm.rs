//! A fresh container starts from the parse of an earlier one, with real dbt; and what dbt makes of that
//! is what it makes of a full parse (`tests/warm`).
//!
//! By hand: `.cache/dbt-1.11/bin/python tests/warm/prove.py --edits 2000`.

use crate::support::{Shop, dbt, root, shop::ALL};
use std::fs;
use std::process::Command;

const AFTER_ORDERS: [&str; 5] =
    ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];

/// The versions of dbt that may start from an earlier parse.
const VERSIONS: [&str; 5] = ["1.9", "1.10", "1.11", "1.12", "1.13"];

/// A container begins without artifacts.
fn fresh(shop: &Shop) {
    let _ = fs::remove_dir_all(shop.project().join("target"));
}

/// What most projects have: macros that ask for the time, the invocation or the command but that no
/// parse comes to, a model that does so to no effect, and disabled models and tests.
const OFTEN_THERE: [(&str, &str); 7] = [
    (
        "macros/often_there.sql",
        "{% macro pretty_time() %}{{ return(modules.datetime.datetime.now()) }}{% endmacro %}
         {% macro told(text) %}{{ log(pretty_time() ~ text ~ flags.WHICH, info=true) }}{% endmacro %}
         {% macro slug(text) %}{{ return(modules.re.sub('[^a-z]', '_', text)) }}{% endmacro %}
         {% macro audited() %}{% if execute %}{{ told(invocation_id) }}{% endif %}1{% endmacro %}
         {% macro replaces(text) %}{% if flags.FULL_REFRESH %}{{ text }}{% endif %}{% endmacro %}",
    ),
    (
        "models/audit.sql",
        "{{ config(materialized='table') }}
         select '{{ run_started_at }}' as at, '{{ invocation_id }}' as id, '{{ slug('A b') }}' as name,
           {{ audited() }} as n -- {{ replaces('x') }}",
    ),
    ("models/gone.sql", "{{ config(enabled=false) }} select 1 as n"),
    ("models/also_gone.sql", "select 1 as n"),
    (
        "models/gone.yml",
        "models:
          - {name: gone, columns: [{name: n, data_tests: [not_null, unique]}]}
          - {name: also_gone, config: {enabled: false}, columns: [{name: n, data_tests: [unique]}]}
          - {name: audit, columns: [{name: n, data_tests: [{unique: {config: {enabled: false}}}]}]}",
    ),
    ("tests/off_itself.sql", "{{ config(enabled=false) }} select * from {{ ref('audit') }}"),
    ("tests/of_gone.sql", "select * from {{ ref('gone') }}"),
];

#[test]
fn the_next_container_parses_what_was_edited_and_builds_what_depends_on_it() {
    for version in VERSIONS {
        let Some(mut shop) = Shop::with_dbt(version) else { return };
        shop.env("DBT_ENTRYPOINT_LOG_LEVEL", "debug");
        shop.env("DBT_ENTRYPOINT_WARM", "on");
        OFTEN_THERE.iter().for_each(|(path, text)| shop.write(path, text));
        shop.run(&["build"]).expect_built(&[&ALL[..], &["audit"]].concat());
        for _ in 0..2 {
            fresh(&shop);
            shop.edit("models/marts/orders.sql", |text| text.replace("select", "select /* */"));
            let ran = shop.run(&["run"]);
            ran.expect_built(&AFTER_ORDERS);
            ran.expect_code(0);
            let said = "edited since: 1 model";
            assert!(ran.stderr.contains(said), "{version}: {ran:#?}");
            let is_full = |text: &str| text.contains("in full") || text.contains("to do partial");
            assert!(!is_full(&ran.stderr) && !is_full(&ran.stdout), "{version}: {ran:#?}");
        }
        fresh(&shop);
        shop.run(&["run"]).expect_built(&[]);
        // Whether the tests of disabled nodes stand among the nodes is no difference.
        fresh(&shop);
        shop.run(&["build"]).expect_built(&[]);
        fresh(&shop);
        shop.env("DBT_ENTRYPOINT_WARM", "off");
        shop.run(&["--always-start", "plan", "build"]).expect_code(0);
    }
}

#[test]
fn a_warm_parse_gives_the_manifest_of_a_full_parse() {
    for version in ["1.9", "1.12"] {
        let Some(dbt) = dbt(version) else { return };
        let mut command = Command::new(dbt.with_file_name("python"));
        command.args(["-W", "ignore"]).arg(root().join("tests/warm/prove.py"));
        let done = command.args(["--edits", "40", "--steps", "1"]).output().expect("Python starts");
        let words =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(done.status.success() && words[0].contains("differing 0 of"), "{}", words.concat());
    }
}
