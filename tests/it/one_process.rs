//! A changed run is one dbt process, which waits for the comparison before it selects; and
//! where it cannot, or does not, what is built is the same.

use crate::support::{Shop, dbt, shop::ALL};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const AFTER_ORDERS: [&str; 5] =
    ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];

/// The file at which dbt waits.
const GATE: &str = "target/semantic_manifest.json";

/// A populated shop, a fresh container's target path, and a dbt that notes how it is started
/// after doing `first`, a line of Python. It is a script for the Python of a real dbt, so that
/// its version can be told.
fn shop(version: &str, first: &str) -> Option<Shop> {
    let shop = Shop::with_dbt(version)?;
    let python = shop.dbt().with_file_name("python");
    let script = format!(
        "#!{} -IS\nimport os, sys\nwith open('calls', 'a') as calls:\n    \
         print(*sys.argv[1:], file=calls)\n{first}\ndbt = {:?}\n\
         os.execv(dbt, [dbt, *sys.argv[1:]])\n",
        python.display(),
        shop.dbt(),
    );
    Some(with_script(shop, &script))
}

/// Populated, in a fresh container, and with this script as its dbt.
fn with_script(mut shop: Shop, script: &str) -> Shop {
    shop.run(&["build"]).expect_built(&ALL);
    shop.write("noting-dbt", script);
    let path = shop.project().join("noting-dbt");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("our own file");
    shop.env("DBT_ENTRYPOINT_DBT", path);
    fs::remove_dir_all(shop.project().join("target")).expect("dbt wrote there");
    shop
}

/// The subcommands with which dbt was started since the last call.
fn calls(shop: &Shop) -> Vec<String> {
    let path = shop.project().join("calls");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_changed_run_starts_dbt_once_and_so_does_one_that_finds_nothing_to_build() {
    for version in ["1.9", "1.11", "1.12"] {
        let Some(mut shop) = shop(version, "") else { return };
        shop.touch("models/marts/orders.sql");
        shop.run(&["run"]).expect_built(&AFTER_ORDERS);
        assert_eq!(calls(&shop), ["run"], "{version}");

        shop.env("SHOP_LOYAL_ORDERS", "1");
        shop.run(&["build"]).expect_built(&["loyal_customers"]);
        assert_eq!(calls(&shop), ["build"], "{version}");

        fs::remove_dir_all(shop.project().join("target")).expect("dbt wrote there");
        shop.touch("tests/revenue_is_never_negative.sql");
        let nothing = shop.run(&["run"]);
        nothing.expect_built(&[]);
        assert!(nothing.stderr.contains("there is nothing to build"), "{nothing:#?}");
        assert!(!nothing.stdout.contains("Error"), "{nothing:#?}");
        assert!(!nothing.stderr.contains("resource_tracker"), "{nothing:#?}");
        assert_eq!(calls(&shop), ["run"], "{version}");
        let written = fs::read_to_string(shop.project().join(GATE)).expect("a plain file again");
        assert!(written.contains("semantic_models"), "{written}");
    }
}

#[test]
fn a_selection_that_is_narrowed_to_what_changed_takes_one_process() {
    let Some(shop) = shop("1.11", "") else { return };
    shop.touch("models/marts/orders.sql");
    shop.touch("models/marts/payment_methods.sql");
    let narrow = ["--only-changed", "run", "--select", "payment_methods stg_orders"];
    shop.run(&narrow).expect_built(&["payment_methods"]);
    assert_eq!(calls(&shop), ["run"]);
    shop.run(&["run"]).expect_built(&AFTER_ORDERS);
}

#[test]
fn a_budget_is_held_against_the_comparison_while_dbt_waits() {
    let Some(shop) = shop("1.11", "") else { return };
    shop.touch("models/marts/orders.sql");
    let before = fs::read(shop.state().join("manifest.json")).expect("a baseline");
    let refused = shop.run(&["--max-rebuild", "1", "run"]);
    refused.expect_code(77);
    assert!(refused.built.is_empty() && refused.stderr.contains("5 nodes would"), "{refused:#?}");
    assert_eq!(calls(&shop), ["run"]);
    assert_eq!(fs::read(shop.state().join("manifest.json")).expect("a baseline"), before);
    assert!(fs::metadata(shop.project().join(GATE)).expect("dbt wrote it").is_file());
    shop.run(&["--max-rebuild", "5", "run"]).expect_built(&AFTER_ORDERS);
    assert_eq!(calls(&shop), ["run"]);
}

#[test]
fn a_default_selector_is_kept_in_one_process_where_dbt_can_intersect_it() {
    let selectors = "selectors:\n  - name: most\n    default: true\n    definition:\n      \
        union: [{method: fqn, value: '*'}, {exclude: [daily_revenue]}]\n";
    for (version, processes) in [("1.12", vec!["run"]), ("1.11", vec!["parse", "ls", "run"])] {
        let Some(shop) = shop(version, "") else { return };
        shop.write("selectors.yml", selectors);
        shop.touch("models/marts/orders.sql");
        let built = ["customers", "loyal_customers", "orders", "revenue_by_country"];
        shop.run(&["run"]).expect_built(&built);
        assert_eq!(calls(&shop), processes, "{version}");
    }
}

#[test]
fn a_dbt_that_does_not_wait_builds_nothing_and_is_started_again() {
    let Some(shop) = shop("1.11", &format!("os.path.exists('{GATE}') and os.remove('{GATE}')"))
    else {
        return;
    };
    shop.touch("models/marts/orders.sql");
    let done = shop.run(&["run"]);
    done.expect_built(&AFTER_ORDERS);
    assert!(done.stderr.contains("did not wait"), "{done:#?}");
    assert_eq!(calls(&shop), ["run", "parse", "run"]);
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn a_dbt_behind_a_shell_script_is_not_known_and_never_held() {
    let Some(shop) = Shop::with_dbt("1.11") else { return };
    let dbt = shop.dbt().display().to_string();
    let script = format!("#!/bin/sh\necho \"$*\" >>calls\nexec {dbt} \"$@\"\n");
    let shop = with_script(shop, &script);
    shop.touch("models/marts/orders.sql");
    shop.run(&["run"]).expect_built(&AFTER_ORDERS);
    assert_eq!(calls(&shop), ["parse", "run"]);
    shop.run(&["run"]).expect_built(&[]);
}

/// dbt 1.12 then copies `semantic_manifest.json` before it has written a manifest, and ends with
/// exit code 2 where that is a FIFO.
#[test]
fn a_dbt_that_has_dbt_2_parse_is_never_held() {
    let Some(mut shop) = shop("1.12", "") else { return };
    let Some(parser) = dbt("v2") else { return };
    shop.env("DBT_ENGINE_USE_V2_PARSER", "true");
    shop.env("DBT_ENGINE_V2_PARSER", format!("{} parse", parser.display()));
    shop.touch("models/staging/stg_orders.sql");
    let narrow = ["--only-changed", "run", "--select", "stg_orders"];
    shop.run(&narrow).expect_built(&["stg_orders"]);
    assert_eq!(calls(&shop), ["parse", "run"]);
}

#[test]
fn a_project_that_cannot_be_parsed_is_told_once_with_dbts_code_and_loses_nothing() {
    let Some(shop) = shop("1.11", "") else { return };
    shop.write("models/marts/broken.sql", "select * from {{ ref('no_such_model') }}");
    let before = fs::read(shop.state().join("manifest.json")).expect("a baseline");
    let done = shop.run(&["run"]);
    done.expect_code(2);
    assert_eq!(calls(&shop), ["run"]);
    assert_eq!(fs::read(shop.state().join("manifest.json")).expect("a baseline"), before);
    assert!(!shop.project().join(GATE).exists(), "the gate is taken away");
    fs::remove_file(shop.project().join("models/marts/broken.sql")).expect("it is there");
    shop.run(&["run"]).expect_built(&[]);
}

#[test]
fn told_to_stop_before_it_has_parsed_dbt_builds_nothing() {
    let Some(shop) = shop("1.11", "os.kill(os.getppid(), 15)") else { return };
    shop.touch("models/marts/orders.sql");
    let done = shop.run(&["run"]);
    assert!([2, 130].contains(&done.code) && done.built.is_empty(), "{done:#?}");
    assert_eq!(calls(&shop), ["run"]);
    assert!(!shop.project().join(GATE).exists(), "the gate is taken away");
}

#[test]
fn the_gate_of_a_killed_run_holds_nobody() {
    let Some(shop) = shop("1.11", "") else { return };
    let target = shop.project().join("target");
    for words in [&["ls", "--quiet"][..], &["--no-state", "parse"], &["run", "-s", "orders"]] {
        fs::create_dir_all(&target).expect("a directory");
        let _ = fs::remove_file(shop.project().join(GATE));
        mkfifo(&shop.project().join(GATE), Mode::S_IRWXU).expect("a FIFO");
        shop.run(words).expect_code(0);
    }
}
