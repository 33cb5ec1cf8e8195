//! First builds that did not succeed as a whole: the next run makes the relation whole, row by row.

use crate::support::Shop;
use std::fs;

/// One row a year.
const EVENTS: &str = "{{ config(materialized='table', event_time='happened') }}
select n as id, make_timestamp(2020 + n, 6, 1, 0, 0, 0.0) as happened, if(n = 1, 'x', '1') as word
from range(4) as years(n)";

/// An incremental model that asks its own relation how far it came.
const INCREMENTAL: &str = "{{ config(materialized='incremental') }}
select id from {{ ref('events') }}
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}";

/// A microbatch model in which the batch of 2021 fails.
const MICROBATCH: &str = "{{ config(materialized='incremental', incremental_strategy='microbatch',
    event_time='happened', batch_size='year', begin='2020-01-01') }}
select id, happened, cast(word as integer) as word from {{ ref('events') }}";

fn shop(model: &str) -> Option<Shop> {
    let shop = Shop::warm()?;
    for folder in ["models", "seeds", "tests", "snapshots"] {
        let _ = fs::remove_dir_all(shop.project().join(folder));
    }
    shop.write("models/events.sql", EVENTS);
    shop.write("models/m.sql", model);
    Some(shop)
}

#[track_caller]
fn is_made_whole(shop: &Shop) {
    let done = shop.run(&["run"]);
    done.expect_code(0);
    assert_eq!(shop.query("select count(*), count(distinct id) from m"), "4|4\n", "{done:#?}");
    assert!(!shop.run(&["status"]).stdout.contains("pending"), "{done:#?}");
}

#[test]
fn a_microbatch_model_of_which_a_batch_failed() {
    let Some(shop) = shop(MICROBATCH) else { return };
    let done = shop.run(&["run"]);
    assert!(done.expect_code(1).stdout.contains("PARTIAL SUCCESS"), "{done:#?}");
    shop.edit("models/m.sql", |sql| sql.replace("cast(", "try_cast("));
    is_made_whole(&shop);
}

#[test]
fn a_microbatch_model_that_was_built_for_a_range_of_time() {
    let Some(shop) = shop(&MICROBATCH.replace("cast(", "try_cast(")) else { return };
    let range = ["--event-time-start", "2022-01-01", "--event-time-end", "2023-01-01"];
    shop.run(&[&["run"], &range[..]].concat()).expect_code(0);
    assert_eq!(shop.query("select count(*) from m"), "1\n");
    is_made_whole(&shop);
}

#[test]
fn an_incremental_model_that_was_built_empty_or_of_a_sample() {
    for option in ["--empty", "--sample=1 year"] {
        let Some(shop) = shop(INCREMENTAL) else { return };
        shop.run(&["run", option]).expect_code(0);
        assert_eq!(shop.query("select count(*) from m"), "0\n", "{option}");
        is_made_whole(&shop);
    }
}

#[test]
fn an_incremental_model_whose_hook_failed_after_its_relation_was_made() {
    let hook = "{{ config(post_hook={'sql': 'select * from no_such', 'transaction': false}) }}\n";
    let model = "{{ config(materialized='incremental') }} select id from {{ ref('events') }}";
    let Some(shop) = shop(&format!("{hook}{model}")) else { return };
    shop.run(&["run"]).expect_code(1);
    assert_eq!(shop.query("select count(*) from m"), "4\n");
    shop.write("models/m.sql", model);
    is_made_whole(&shop);
}
