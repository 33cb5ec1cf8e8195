//! dbt 2, a native program: what differs from dbt 1, and what has to be the same.
//!
//! That it builds what it should is the main job's tests, with `tests/matrix.sh v2 v2rc`.

use crate::support::{Shop, shop::ALL};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Stdio};

const AFTER_ORDERS: [&str; 5] =
    ["customers", "daily_revenue", "loyal_customers", "orders", "revenue_by_country"];

/// Both versions of dbt 2.
const VERSIONS: [&str; 2] = ["v2", "v2rc"];

/// A shop of each version.
fn shops() -> impl Iterator<Item = Shop> {
    VERSIONS.into_iter().filter_map(Shop::with_dbt)
}

/// The same whose warehouse and baseline hold everything.
fn populated() -> impl Iterator<Item = Shop> {
    shops().inspect(|shop| shop.run(&["build"]).expect_built(&ALL))
}

/// The names of the nodes that `status` says are pending.
fn pending(shop: &Shop) -> BTreeSet<String> {
    let status = shop.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let pending = status["pending"].as_object().expect("a table");
    pending.keys().map(|id| id.rsplit('.').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn dbt_2_goes_on_where_dbt_1_ended_and_back() {
    let Some(mut shop) = Shop::with_dbt("1.11") else { return };
    shop.run(&["build"]).expect_built(&ALL);
    for version in VERSIONS {
        let Some(()) = shop.change_dbt(version) else { return };
        shop.run(&["build"]).expect_built(&[]);
        shop.touch("models/marts/orders.sql");
        shop.run(&["build"]).expect_built(&AFTER_ORDERS);
    }
    let Some(()) = shop.change_dbt("1.11") else { return };
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn dbt_2_takes_every_option_on_either_side_of_its_command() {
    for shop in populated() {
        let project = shop.project();
        let project = project.to_str().expect("a path of our own");
        shop.touch("models/marts/orders.sql");
        // dbt 1 has these only behind the command.
        let before = ["--threads", "1", "--project-dir", project, "--vars", "{a: run}", "run"];
        shop.run(&before).expect_built(&AFTER_ORDERS);
        shop.touch("models/marts/orders.sql");
        let both = ["-q", "--select=orders", "run", "--target", "dev", "--full-refresh"];
        shop.run(&both).expect_built(&["orders"]);
        shop.run(&["--target=dev", "run", "--exclude", "customers+"])
            .expect_built(&["daily_revenue"]);
    }
}

#[test]
fn dbt_2_answers_with_its_own_words_and_exit_codes() {
    for shop in populated() {
        let seeds = ["--quiet", "ls", "--resource-type", "seed", "--output", "name"];
        let done = shop.run(&seeds);
        done.expect_code(0);
        assert_eq!(done.stdout, "raw_customers\nraw_orders\nraw_payments\n");
        shop.run(&["parse"]).expect_code(0);
        for (wrong, code) in
            [(&["run", "--bogus"][..], 1), (&["nonsense"], 2), (&["ls", "-s", "a:b"], 2)]
        {
            assert_eq!(shop.bare_dbt(wrong).code, code, "{wrong:?}");
            shop.run(wrong).expect_code(code);
        }
    }
}

#[test]
fn what_dbt_2_selects_with_the_volume_as_its_state_is_what_status_calls_pending() {
    for shop in shops() {
        shop.bare_dbt(&["build"]).expect_built(&ALL);
        shop.run(&["adopt", "--from", "target/manifest.json"]).expect_code(0);
        let state = shop.state();
        let state = state.to_str().expect("a path of our own");
        let selected = || -> BTreeSet<String> {
            let models = ["--resource-type", "model", "--output", "name", "--state", state];
            let ls = ["--quiet", "ls", "--select", "state:modified"];
            let done = shop.bare_dbt(&[&ls[..], &models].concat());
            done.expect_code(0).stdout.lines().map(str::to_owned).collect()
        };
        assert_eq!((selected(), pending(&shop)), Default::default());

        shop.run(&["invalidate", "payment_methods"]).expect_code(0);
        shop.touch("models/marts/orders.sql");
        shop.run(&["run", "--select", "stg_orders"]).expect_built(&["stg_orders"]);
        let expected = ["orders", "payment_methods"].map(str::to_owned).into();
        assert_eq!((selected(), pending(&shop)), (expected, selected()));
        assert_eq!(shop.run(&["plan"]).code, 10);
    }
}

#[test]
fn a_unit_test_that_is_run_alone_does_not_count_as_a_build_of_its_model() {
    for shop in populated() {
        let tested = "unit_tests: [{name: one_customer, model: stg_customers, given: [], \
                      expect: {rows: []}}]";
        shop.write("models/staging/tested.yml", tested);
        shop.touch("models/staging/stg_customers.sql");
        // dbt 2 says that the model was a success as well: it has rendered it.
        shop.run(&["build", "--select", "one_customer"]);
        assert!(pending(&shop).contains("stg_customers"), "{:#?}", shop.run(&["status"]));
        let done = shop.run(&["run"]);
        assert!(done.expect_code(0).built.contains("stg_customers"), "{done:#?}");
        // Nor is a model built for its unit test.
        shop.edit("models/staging/tested.yml", |text| text.replace("one_customer", "no_customer"));
        shop.run(&["build"]);
        assert_eq!(pending(&shop), BTreeSet::new());
    }
}

#[test]
fn when_dbt_2_cannot_reach_the_warehouse_nothing_is_taken_for_built() {
    for shop in populated() {
        shop.touch("models/marts/orders.sql");
        let [file, away] = ["shop.duckdb", "away"].map(|name| shop.project().join(name));
        fs::rename(&file, &away).expect("a warehouse");
        fs::create_dir(&file).expect("nothing that DuckDB can open");
        let code = shop.bare_dbt(&["run"]).code;
        assert_ne!(code, 0);
        shop.run(&["run"]).expect_code(code);
        assert!(pending(&shop).contains("orders"));
        fs::remove_dir(&file).expect("an empty directory");
        fs::rename(&away, &file).expect("the warehouse");
        shop.run(&["run"]).expect_built(&AFTER_ORDERS);
        shop.run(&["run"]).expect_built(&[]);
    }
}

/// Downstream of the rest; takes minutes while the file `block` is beside the project, and no time
/// without it.
const SLOW: &str = "
-- depends_on: {{ ref('loyal_customers') }} {{ ref('revenue_by_country') }}
-- depends_on: {{ ref('payment_methods') }} {{ ref('daily_revenue') }}
select count(*) as n from range(3000000000) a(x), range(1000) b(y), glob('../block')
where (x * y) % 7 = 3";

/// Both versions of dbt 2, each with a shop that has a model that takes minutes, and one that reads
/// it.
fn slow_shops() -> impl Iterator<Item = Shop> {
    shops().inspect(|shop| {
        shop.write("models/marts/slow.sql", SLOW);
        shop.write("models/marts/after_slow.sql", "select * from {{ ref('slow') }}");
        fs::write(shop.project().join("../block"), "").expect("a directory of our own");
    })
}

/// Starts a build in a process group of its own; returns once the slow model runs.
fn begun(shop: &Shop, words: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = shop
        .command(&[words, &["--log-level", "debug"]].concat())
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let begun = "Started running model main.slow";
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(begun))));
    (child, lines)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// dbt, the only child of the program.
fn dbt_of(child: &Child) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let text = fs::read_to_string(children).expect("the kernel lists children");
    Pid::from_raw(text.trim().parse().expect("one child"))
}

/// The next run builds what had not been built, and nothing else.
#[track_caller]
fn resumes(shop: &Shop) {
    fs::remove_file(shop.project().join("../block")).expect("it is there");
    shop.run(&["build"]).expect_built(&["after_slow", "slow"]);
    assert_eq!(shop.query("select n from slow"), "0\n");
    shop.run(&["build"]).expect_built(&[]);
}

/// A build that is killed with its dbt while it builds `slow`.
fn killed_as_a_whole(shop: &Shop) {
    let (mut child, lines) = begun(shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("it lives");
    lines.for_each(drop);
    child.wait().expect("a child");
}

#[test]
fn dbt_2_cancels_its_query_when_told_to_stop_and_what_it_had_built_is_not_called_failed() {
    for shop in slow_shops() {
        let (mut child, lines) = begun(&shop, &["--stop-grace", "60", "build"]);
        kill(pid(&child), Signal::SIGTERM).expect("it lives");
        // Till nobody holds the pipe any more: no query goes on behind our back.
        lines.for_each(drop);
        // Its own code, and no signal's: it has ended by itself.
        assert_eq!(child.wait().expect("a child").code(), Some(1));
        assert_eq!(pending(&shop), ["after_slow", "slow"].map(str::to_owned).into());
        resumes(&shop);
    }
}

#[test]
fn a_first_population_by_dbt_2_that_is_killed_as_a_whole_is_resumed() {
    for shop in slow_shops() {
        killed_as_a_whole(&shop);
        // Its target path was in the container.
        fs::remove_dir_all(shop.project().join("target")).expect("dbt wrote there");
        resumes(&shop);
    }
}

#[test]
fn a_later_run_of_which_only_dbt_2_is_killed_keeps_what_it_had_built() {
    for shop in slow_shops() {
        shop.run(&["build", "--exclude", "slow+"]).expect_built(&ALL);
        shop.touch("models/marts/orders.sql");
        let (mut child, lines) = begun(&shop, &["build"]);
        kill(dbt_of(&child), Signal::SIGKILL).expect("it lives");
        lines.for_each(drop);
        assert_eq!(child.wait().expect("a child").code(), Some(137));
        resumes(&shop);
    }
}

#[test]
fn what_a_killed_dbt_2_built_is_not_trusted_if_the_project_has_changed_since() {
    for shop in slow_shops() {
        killed_as_a_whole(&shop);
        fs::remove_file(shop.project().join("../block")).expect("it is there");
        // dbt 2 may have read the project before or after that.
        shop.touch("models/staging/stg_payments.sql");
        let done = shop.run(&["build"]);
        done.expect_code(0);
        let untrusted = "model.shop.orders: built in a run that was killed";
        assert!(done.stderr.contains(untrusted), "{done:#?}");
        shop.run(&["build"]).expect_built(&[]);
    }
}
