//! What the documents show is what the program says.
//!
//! A block that begins with `$ dbt-entrypoint …` shows a command and what it prints: a verb on standard
//! output, a run on standard error. It may end with `=> CODE`, and `…` stands for lines left out. Each
//! of them is carried out here, in the order of the document. Only times, hashes and the like may differ.
//!
//! The runs of a real dbt need `.cache/dbt-1.11`.

use super::harness::Fake;
use super::project::{chain, project};
use crate::support::{Shop, root};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const OPERATORS: &str = "docs/operators.md";

/// A command with what it prints.
struct Shown {
    command: String,
    lines: Vec<String>,
}

/// The blocks of a document, without their margin: indented by four, or within fences.
fn blocks(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut block, mut is_fenced) = (Vec::new(), Vec::new(), false);
    for line in text.lines().chain([""; 2]) {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        match line.strip_prefix("    ") {
            _ if is_fenced && !is_fence => block.push(line.trim_start().to_owned()),
            Some(inner) => {
                if inner.starts_with("$ ") {
                    all.push(std::mem::take(&mut block));
                }
                block.push(inner.to_owned());
            }
            None if line.is_empty() && !block.is_empty() => block.push(String::new()),
            None => all.push(std::mem::take(&mut block)),
        }
    }
    all.push(block);
    all.retain(|block| block.iter().any(|line| !line.is_empty()));
    all
}

fn shown(text: &str) -> Vec<Shown> {
    let session = |block: Vec<String>| {
        let command = block.first()?.strip_prefix("$ dbt-entrypoint ")?.to_owned();
        let mut lines = block[1..].to_vec();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        Some(Shown { command, lines })
    };
    blocks(text).into_iter().filter_map(session).collect()
}

/// What a command printed, as a block shows it.
fn printed(command: &str, said: &str, code: i32, state: &str) -> Shown {
    let mut lines: Vec<String> = said.replace(state, "/state").lines().map(str::to_owned).collect();
    lines.push(format!("=> {code}"));
    Shown { command: command.to_owned(), lines }
}

/// The line without what differs from one run to the next: times, sizes, hashes, hosts and versions.
fn lasting(line: &str) -> String {
    // Which chain is the longest depends on how long each node took.
    let line = if line.starts_with("longest chain") { "longest chain" } else { line };
    let line = line.split_once(" path=").map_or(line, |(before, _)| before);
    let words: Vec<&str> = line.split(' ').collect();
    let kept = words.iter().enumerate().map(|(at, word)| {
        let bare = word.trim_matches(|letter: char| ",;:()\"`".contains(letter));
        let next = words.get(at + 1).map(|next| next.trim_matches([',', ';', ':', ')']));
        let before = at.checked_sub(1).map_or("", |at| words[at]);
        let is_number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let is_hash = bare.len() >= 12 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let is_unit =
            next.is_some_and(|next| ["s", "min", "h", "kB", "MB", "bytes"].contains(&next));
        let is_time = bare.contains(['-', ':'])
            && bare.bytes().all(|b| b.is_ascii_digit() || b"-:".contains(&b));
        let is_named =
            ["dbt-entrypoint", "dbt", "host", "(pid"].contains(&before) && before != bare;
        match (is_number && is_unit, is_hash || is_time, is_named && bare != "on") {
            (true, ..) | (_, true, _) => word.replace(bare, "#"),
            (.., true) if is_number || before == "host" => word.replace(bare, "#"),
            _ => (*word).to_owned(),
        }
    });
    kept.collect::<Vec<_>>()
        .join(" ")
        .replace(" kB", " #")
        .replace(" bytes", " #")
        .replace(" min", " s")
}

/// Whether lines match those of a document, in which `…` stands for any lines.
fn matches(documented: &[String], printed: &[String]) -> bool {
    match documented.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == "…" => {
            (0..=printed.len()).any(|at| matches(rest, &printed[at..]))
        }
        Some((line, rest)) => printed
            .split_first()
            .is_some_and(|(said, others)| lasting(line) == lasting(said) && matches(rest, others)),
    }
}

/// The plan, and how far it was off.
fn an_edited_shop() -> Option<Vec<Shown>> {
    let mut shop = Shop::warm()?;
    shop.env("GIT_COMMIT", "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432");
    let state = shop.state().display().to_string();
    let say = |shop: &Shop, command: &str| {
        let done = shop.run(&command.split(' ').collect::<Vec<_>>());
        let is_run = ["build", "run"].contains(&command);
        let said = if is_run { &done.stderr } else { &done.stdout };
        printed(command, said, done.code, &state)
    };
    shop.run(&["build"]).expect_code(0);
    shop.edit("models/staging/stg_customers.sql", |text| format!("{text}-- an edit\n"));
    shop.env("SHOP_LOYAL_ORDERS", "1");
    shop.env("GIT_COMMIT", "1a2b3c4d5e6f708192a3b4c5d6e7f80912345678");
    let mut all = vec![say(&shop, "plan run"), say(&shop, "run")];
    fs::remove_file(shop.project().join("models/marts/loyal_customers.sql")).expect("a model");
    shop.run(&["build"]).expect_code(0);
    shop.query("drop table main.daily_revenue");
    let verbs = ["verify", "orphans", "history", "diff 2", "rollback 2"];
    all.extend(verbs.map(|verb| say(&shop, verb)));
    Some(all)
}

/// A first population in which a model fails.
fn a_shop_that_fails() -> Option<Vec<Shown>> {
    let shop = Shop::warm()?;
    let state = shop.state().display().to_string();
    shop.edit("models/marts/orders.sql", |text| text.replace("ordered_on", "order_on"));
    let build = shop.run(&["build"]);
    let status = shop.run(&["status"]);
    Some(vec![
        printed("build", &build.stderr, build.code, &state),
        printed("status", &status.stdout, status.code, &state),
    ])
}

/// A comment in a macro that models call.
fn a_comment() -> Shown {
    let macros = chain(&["orders", "report"]).a_macro("cents").model("payments").calls("cents");
    let mut fake = Fake::new(macros);
    fake.dbt("seconds", json!({"orders": 60.0, "report": 60.0, "payments": 60.0}));
    fake.run(&["build"]).ends_with(0);
    fake.trust();
    fake.project.comment("orders");
    fake.project.comment("payments");
    let ran = fake.run(&["--settle", "changes", "run"]);
    printed("--settle changes run", &ran.stderr, ran.code, &fake.state().display().to_string())
}

/// What `status` says while dbt is at work.
fn beside_a_run() -> Shown {
    let shop = project().model("broken").model("customers").model("orders");
    let mut fake = Fake::new(shop.model("report").reads("orders"));
    fake.dbt("seconds", json!({"orders": 900.0, "report": 180.0}));
    fake.run(&["build"]).ends_with(0);
    for name in ["broken", "customers", "orders"] {
        fake.project.edit(name);
    }
    fake.dbt("fails", vec!["broken"]);
    let said = "Runtime Error in model broken (models/broken.sql)\n  Binder Error: no column \"x\"";
    fake.dbt("warehouse", json!({"broken": said}));
    let running = fake.hang("orders", &["build"]);
    let status = fake.run(&["status"]);
    fake.kill_all(running);
    printed("status", &status.stdout, status.code, &fake.state().display().to_string())
}

#[test]
fn what_the_operators_read_is_what_the_program_says() {
    let (Some(edited), Some(failed)) = (an_edited_shop(), a_shop_that_fails()) else { return };
    let mut edited = edited.into_iter();
    let (plan, run) = (edited.next(), edited.next());
    let mut said: Vec<Shown> = plan.into_iter().chain([a_comment(), beside_a_run()]).collect();
    said.extend(failed.into_iter().chain(run).chain(edited));
    let text = fs::read_to_string(root().join(OPERATORS)).expect("a document");
    let documented = shown(&text);
    let commands = |all: &[Shown]| all.iter().map(|one| one.command.clone()).collect::<Vec<_>>();
    let differs = |(documented, said): (&Shown, &Shown)| {
        let differs =
            documented.command != said.command || !matches(&documented.lines, &said.lines);
        differs.then(|| {
            format!("    $ dbt-entrypoint {}\n    {}", said.command, said.lines.join("\n    "))
        })
    };
    let wrong: Vec<String> = documented.iter().zip(&said).filter_map(differs).collect();
    assert!(wrong.is_empty(), "{OPERATORS} does not show this:\n\n{}\n", wrong.join("\n\n"));
    assert_eq!(commands(&documented), commands(&said));
}

/// The shell commands of a step in the pipelines of a document: those between two lines.
fn steps(text: &str, first: &str, last: &str) -> String {
    let inner = text.split_once(first).and_then(|(_, rest)| rest.split_once(last));
    let (inner, _) = inner.unwrap_or_else(|| panic!("no {first} before {last}"));
    let lines = inner.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pipelines_for_a_pull_request_run_as_written() {
    let text = fs::read_to_string(root().join("docs/pull-requests.md")).expect("a document");
    let pipelines = [
        (steps(&text, "      - run: |\n", "```"), "summary.md"),
        (steps(&text, "  script:\n", "  artifacts:"), "plan.md"),
    ];
    let mut fake = Fake::populated(chain(&["a", "b"]).test("t"));
    let bin = fake.base().join("env/bin");
    std::os::unix::fs::symlink(crate::support::binary(), bin.join("dbt-entrypoint"))
        .expect("a link");
    let state = fake.state().display().to_string();
    let fetch = format!("#!/bin/sh\nexec cp {state}/manifest.json \"$1\"\n");
    fs::write(bin.join("fetch-baseline"), fetch).expect("a script");
    fs::set_permissions(bin.join("fetch-baseline"), PermissionsExt::from_mode(0o755))
        .expect("ours");
    let run = |fake: &Fake, script: &str, written: &str| {
        let baseline = tempfile::tempdir().expect("a directory").path().display().to_string();
        let inner = fake.command(&[""; 0]);
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &script.replace("/tmp/baseline", &baseline)]).env_clear();
        shell.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("DBT_ENTRYPOINT_STATE_DIR", &baseline).env("GITHUB_STEP_SUMMARY", "summary.md");
        let output = shell.current_dir(fake.root()).output().expect("a shell");
        let plan = fs::read_to_string(fake.root().join(written)).unwrap_or_default();
        let _ = (fs::remove_file(fake.root().join(written)), fs::remove_dir_all(&baseline));
        (output.status.success(), plan)
    };
    for (script, written) in &pipelines {
        let script = script.as_str();
        let (ended_well, plan) = run(&fake, script, written);
        assert!(ended_well && plan.starts_with("### dbt plan: "), "{script}: {plan}");
        fake.project.edit("b");
        let (ended_well, plan) = run(&fake, script, written);
        assert!(ended_well && plan.contains("1 edited") && plan.contains("| ~ | `b` |"), "{plan}");
        fake.project.edit("t");
        fake.run(&["build"]).ends_with(0);
        fake.project = chain(&["a", "b"]).test("t").test("another");
        fake.run(&["build"]).ends_with(0);
        fake.project.edit("another");
        let (ended_well, plan) = run(&fake, script, written);
        assert!(ended_well && plan.contains("1 test would be run"), "{script}: {plan}");
        fake.dbt("cannot_parse", true);
        assert!(!run(&fake, script, written).0, "{script}");
        fake.dbt_is_well();
        fake.project = chain(&["a", "b"]).test("t");
        fake.run(&["build"]).ends_with(0);
    }
}

/// The documents, and what is read first.
fn documents() -> Vec<std::path::PathBuf> {
    let listed = fs::read_dir(root().join("docs")).expect("documents");
    let listed = listed.map(|entry| entry.expect("a document").path());
    let listed = listed.filter(|path| path.extension().is_some_and(|end| end == "md"));
    listed.chain([root().join("README.md")]).collect()
}

#[test]
fn no_other_block_of_a_document_shows_what_the_program_says() {
    let progress = "dbt-entrypoint: 12 of 140, 3 running, 1 failed, about 18 min left";
    let is_said = |line: &String| line.starts_with("dbt-entrypoint: ") || line.starts_with("=> ");
    for path in documents() {
        let text = fs::read_to_string(&path).expect("a document");
        for block in blocks(&text) {
            let is_compared =
                path.ends_with(OPERATORS) && block[0].starts_with("$ dbt-entrypoint ");
            // A unit test compares that one.
            let is_said = block[0].starts_with("$ ") || block.iter().any(is_said);
            assert!(is_compared || !is_said || block[0] == progress, "{path:?}: {block:#?}");
        }
    }
}

#[test]
fn only_what_differs_from_run_to_run_may_differ() {
    for (one, other) in [
        (
            "since      2026-11-23 16:54 UTC, by dbt-entrypoint 0.1.0, dbt 1.11.16",
            "since      2027-01-02 03:04 UTC, by dbt-entrypoint 0.2.0, dbt 1.12.1",
        ),
        ("plan 1155ce55a3cb4def", "plan 0123456789abcdef"),
        ("about 25 min with 4 threads", "about 0.6 s with 4 threads"),
        (
            "at work    \"dbt build\" on host \"a\" (pid 1, for 9 min)",
            "at work    \"dbt build\" on host \"b\" (pid 77, for 0.1 s)",
        ),
    ] {
        assert_eq!(lasting(one), lasting(other));
    }
    for (one, other) in [
        ("4 of 12 nodes", "5 of 12 nodes"),
        ("model.a: new", "model.b: new"),
        ("with 4 threads", "with 2 threads"),
    ] {
        assert_ne!(lasting(one), lasting(other));
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\n…\nd"), &lines("a\nb\nc\nd")) && matches(&lines("…"), &[]));
    assert!(
        !matches(&lines("a\n…\nd"), &lines("a\nb\nc")) && !matches(&lines("a"), &lines("a\nb"))
    );
}
