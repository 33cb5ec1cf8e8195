//! Stopped, killed, or two at once: what had finished stays recorded, and nothing more.

use crate::support::{Shop, shop::ALL};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Output, Stdio};

/// Downstream of everything else, so that all that can be built before it has been. While
/// `block` is there it says through a pipe that it has begun, and never ends.
const SLOW: &str = r#"
import os, time

def model(dbt, session):
    dbt.config(materialized="MATERIALIZATION")
    for name in ["loyal_customers", "revenue_by_country", "payment_methods", "daily_revenue"]:
        dbt.ref(name)
    if os.path.exists("block"):
        with open("began", "w") as pipe:
            pipe.write("began")
        while True:
            time.sleep(1)
    return session.sql("select 1 as a")
"#;

/// A shop with a model that begins and never ends, and one downstream of it.
fn shop_with_a_slow_model(materialization: &str) -> Option<Shop> {
    let shop = Shop::new()?;
    // dbt resolves `dbt.ref` of a literal only.
    let refs: String =
        ["loyal_customers", "revenue_by_country", "payment_methods", "daily_revenue"]
            .map(|name| format!("    dbt.ref(\"{name}\")\n"))
            .concat();
    let looped = SLOW.find("    for name").expect("the loop");
    let end = SLOW.find("    if os").expect("the block");
    let code = format!("{}{refs}{}", &SLOW[..looped], &SLOW[end..]);
    shop.write("models/marts/slow.py", &code.replace("MATERIALIZATION", materialization));
    shop.write("models/marts/after_slow.sql", "select * from {{ ref('slow') }}\n");
    mkfifo(&shop.project().join("began"), Mode::S_IRWXU).expect("a pipe");
    block(&shop);
    Some(shop)
}

fn block(shop: &Shop) {
    fs::write(shop.project().join("block"), "").expect("the project is writable");
}

fn unblock(shop: &Shop) {
    fs::remove_file(shop.project().join("block")).expect("it was blocked");
}

/// Starts a build in a process group of its own and returns once the slow model has begun.
fn begun(shop: &Shop, words: &[&str]) -> Child {
    let child = shop
        .command(words)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = String::new();
    let mut pipe = fs::File::open(shop.project().join("began")).expect("the pipe");
    pipe.read_to_string(&mut said).expect("the pipe is read");
    assert_eq!(said, "began");
    child
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}

/// dbt, the only child of the program.
fn dbt_of(child: &Child) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let text = fs::read_to_string(children).expect("the kernel lists children");
    Pid::from_raw(text.trim().parse().expect("one child"))
}

fn end(child: Child) -> Output {
    child.wait_with_output().expect("the program ends")
}

fn names(built: &[&str]) -> BTreeSet<String> {
    built.iter().map(|name| (*name).to_owned()).collect()
}

/// Everything but the slow model was recorded: the next run builds it and its downstream alone.
#[track_caller]
fn resumes(shop: &Shop) {
    unblock(shop);
    shop.run(&["build"]).expect_built(&["after_slow", "slow"]);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_first_population_that_is_told_to_stop_is_resumed() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    let child = begun(&shop, &["--stop-grace", "5", "build"]);
    kill(pid(&child), Signal::SIGTERM).expect("it lives");
    let output = end(child);
    assert!(!output.status.success(), "{output:?}");
    resumes(&shop);
}

#[test]
fn a_first_population_whose_dbt_is_killed_is_resumed() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    let child = begun(&shop, &["build"]);
    kill(dbt_of(&child), Signal::SIGKILL).expect("it lives");
    assert_eq!(end(child).status.code(), Some(137));
    resumes(&shop);
}

#[test]
fn a_first_population_that_is_killed_as_a_whole_is_resumed() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    let child = begun(&shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    // A fresh container finds neither dbt's target directory nor its log.
    fs::remove_dir_all(shop.project().join("target")).expect("dbt wrote there");
    unblock(&shop);
    let done = shop.run(&["build"]);
    done.expect_built(&["after_slow", "slow"]);
    assert!(done.stderr.contains("the last run was killed"), "{done:#?}");
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn a_run_that_is_killed_names_what_had_failed_with_the_words_of_the_warehouse() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    shop.write("models/marts/broken.sql", "select no_such_column from {{ ref('stg_orders') }}\n");
    // dbt takes first what has more below it.
    for below in ["one", "two"] {
        let file = format!("models/marts/below_broken_{below}.sql");
        shop.write(&file, "select * from {{ ref('broken') }}\n");
    }
    shop.write("tests/never_passes.sql", "select 1 as wrong\n");
    let child = begun(&shop, &["build", "--threads", "1"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    let status = shop.run(&["status"]).stdout;
    for words in [
        "\nfailed     model.shop.broken: Runtime Error in model broken (models/marts/broken.sql)\n",
        "    Binder Error: Referenced column \"no_such_column\" not found in FROM clause!\n",
        "\nfailed     test.shop.never_passes: Got 1 result, configured to fail if != 0\n",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
}

#[test]
fn a_later_run_that_is_killed_keeps_what_it_had_built_and_what_stood_before() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    unblock(&shop);
    let mut all = ALL.to_vec();
    all.extend(["after_slow", "slow"]);
    shop.run(&["build"]).expect_built(&all);
    block(&shop);
    shop.touch("models/marts/payment_methods.sql");
    let child = begun(&shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    resumes(&shop);
}

#[test]
fn an_incremental_model_killed_in_a_later_build_is_named_with_the_command_that_repairs_it() {
    let Some(shop) = shop_with_a_slow_model("incremental") else { return };
    unblock(&shop);
    shop.run(&["build"]).expect_code(0);
    block(&shop);
    shop.touch("models/marts/payment_methods.sql");
    let child = begun(&shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    unblock(&shop);
    let done = shop.run(&["build"]);
    done.expect_built(&["after_slow", "slow"]);
    let repair = "dbt-entrypoint run --full-refresh --select fqn:shop.marts.slow";
    assert!(done.stderr.contains(repair), "{done:#?}");
}

#[test]
fn values_that_change_after_a_kill_are_not_taken_for_those_that_the_finished_nodes_read() {
    let Some(mut shop) = shop_with_a_slow_model("table") else { return };
    let child = begun(&shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    unblock(&shop);
    shop.env("SHOP_LOYAL_ORDERS", "1");
    shop.run(&["build"]).expect_built(&["after_slow", "loyal_customers", "slow"]);
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn an_incremental_model_killed_in_its_first_build_is_built_again_with_full_refresh() {
    let Some(shop) = shop_with_a_slow_model("incremental") else { return };
    let child = begun(&shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    unblock(&shop);
    let before = shop.files_of_the_volume();
    let plan = shop.run(&["plan", "build"]);
    plan.expect_code(10);
    let expected = "\nunfinished: cut short while it was being built (1)\n  \
        ~ slow  models/marts/slow.py  refreshed (dropped and rebuilt), never built\n\n\
        unfinished: new (1)\n  + after_slow  models/marts/after_slow.sql  created, never built\n";
    assert!(plan.stdout.starts_with("2 unfinished\n2 of 14 nodes"), "{plan:#?}");
    assert!(plan.stdout.contains(expected), "{plan:#?}");
    assert!(before == shop.files_of_the_volume(), "plan wrote on the volume");
    let done = shop.run(&["build"]);
    done.expect_built(&["after_slow"]);
    assert!(done.stderr.contains("first with --full-refresh"), "{done:#?}");
    assert!(done.stderr.contains("model.shop.slow"), "{done:#?}");
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn an_incremental_model_that_was_cut_short_is_not_trusted_to_a_plain_run_of_the_users() {
    let Some(shop) = shop_with_a_slow_model("incremental") else { return };
    let child = begun(&shop, &["build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    unblock(&shop);
    shop.run(&["run", "-s", "slow"]).expect_built(&["slow"]);
    let done = shop.run(&["build"]);
    assert!(done.stderr.contains("first with --full-refresh"), "{done:#?}");
}

#[test]
fn a_refresh_that_is_killed_is_a_refresh_again() {
    let Some(shop) = shop_with_a_slow_model("incremental") else { return };
    unblock(&shop);
    shop.run(&["build"]).expect_code(0);
    block(&shop);
    shop.edit("models/marts/slow.py", |code| format!("{code}# edited\n"));
    let child = begun(&shop, &["--refresh-changed", "incremental", "run"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    unblock(&shop);
    // The plan knows of the kill, and writes nothing.
    let plan = shop.run(&["--refresh-changed", "incremental", "plan", "run"]);
    plan.expect_code(10);
    assert!(
        plan.stdout.contains("~ slow  models/marts/slow.py  refreshed (dropped and rebuilt)"),
        "{plan:#?}"
    );
    let done = shop.run(&["--refresh-changed", "incremental", "run"]);
    done.expect_built(&["after_slow"]);
    // A refresh that is cut short leaves the relation half made, whatever it was before.
    assert!(done.stderr.contains("building first with --full-refresh"), "{done:#?}");
    assert_eq!(shop.query("select count(*) from main.slow"), "1\n");
}

#[test]
fn what_was_refreshed_before_a_kill_is_not_built_again_after_it() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    unblock(&shop);
    shop.run(&["build"]).expect_code(0);
    block(&shop);
    shop.touch("models/marts/daily_revenue.sql");
    let child = begun(&shop, &["--refresh-changed", "incremental", "build"]);
    killpg(pid(&child), Signal::SIGKILL).expect("they live");
    end(child);
    resumes(&shop);
    assert!(!shop.run(&["status"]).stdout.contains("altered"));
}

#[test]
fn the_second_of_two_at_once_waits_says_for_whom_and_does_what_is_left() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    let first = begun(&shop, &["build"]);
    let mut second = shop.command(&["build"]);
    let mut second =
        second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = second.stderr.take().expect("a pipe");
    wait_for(&mut stderr, "dbt build");
    let timeout = shop.run(&["--lock-timeout", "0", "build"]);
    timeout.expect_code(75);
    kill(dbt_of(&first), Signal::SIGKILL).expect("it lives");
    unblock(&shop);
    end(first);
    let output = end(second);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(built_in(&shop.project()), names(&["after_slow", "slow"]));
    shop.run(&["build"]).expect_built(&[]);
}

#[test]
fn waiting_for_the_lock_answers_a_request_to_stop_at_once() {
    let Some(shop) = shop_with_a_slow_model("table") else { return };
    let first = begun(&shop, &["build"]);
    let mut second = shop.command(&["build"]);
    let mut second =
        second.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = second.stderr.take().expect("a pipe");
    wait_for(&mut stderr, "dbt build");
    kill(pid(&second), Signal::SIGTERM).expect("it lives");
    assert_eq!(end(second).status.code(), Some(143));
    killpg(pid(&first), Signal::SIGKILL).expect("they live");
    end(first);
}

/// Reads until the words have been said; a closed pipe ends the test.
fn wait_for(stream: &mut impl Read, words: &str) {
    let mut said = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&said).contains(words) {
        let read = stream.read(&mut byte).expect("a readable pipe");
        assert_ne!(read, 0, "{words:?} was never said: {}", String::from_utf8_lossy(&said));
        said.extend(byte);
    }
}

fn built_in(project: &Path) -> BTreeSet<String> {
    crate::support::shop::built(
        &fs::read(project.join("target/run_results.json")).unwrap_or_default(),
    )
}
