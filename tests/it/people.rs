//! What people and their programs read of real runs: plans, summaries, and the JSON of both.

use crate::support::root;
use crate::support::shop::{Done, Shop};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// What Python's `jsonschema`, which every dbt v1 brings, says against a value; empty if nothing.
pub(crate) fn against_schema(shop: &Shop, schema: &str, value: &Value) -> String {
    let python = shop.dbt().with_file_name("python");
    let schema = root().join("docs/schemas").join(schema);
    let code = "import json, sys, jsonschema; schema = json.load(open(sys.argv[1])); \
                jsonschema.Draft202012Validator.check_schema(schema); \
                [print(e.message) for e in \
                 jsonschema.Draft202012Validator(schema).iter_errors(json.load(sys.stdin))]";
    let mut command = Command::new(python);
    command.args(["-c", code]).arg(schema).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let text = value.to_string();
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn conforms(shop: &Shop, schema: &str, done: &Done) -> Value {
    let value: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(against_schema(shop, schema, &value), "", "{value:#}");
    value
}

#[test]
fn a_plan_names_what_was_edited_added_and_removed_and_its_json_has_a_schema() {
    let Some(shop) = Shop::warm() else { return };
    shop.run(&["build"]).expect_code(0);
    let staged = "models/staging/stg_customers.sql";
    shop.edit(staged, |text| format!("{text}-- an edit\n"));
    shop.write("models/fresh.sql", "select 1 as one\n");
    std::fs::remove_file(shop.project().join("models/marts/loyal_customers.sql")).expect("a file");
    let plan = shop.run(&["plan", "--diff"]);
    plan.expect_code(10);
    for words in [
        "1 new, 1 edited, ",
        ", 1 removed\n",
        "+ fresh  models/fresh.sql  created, never built\n",
        "~ stg_customers  models/staging/stg_customers.sql  view replaced, ",
        "downstream of stg_customers (",
        "- model.shop.loyal_customers: its relation stays: \"shop\".",
        "\nbody: its SQL or Python code\n",
        "+++ models/staging/stg_customers.sql\n@@ line ",
        "\n+-- an edit\n",
    ] {
        assert!(plan.stdout.contains(words), "{words}: {plan:#?}");
    }
    conforms(&shop, "history.json", &shop.run(&["history", "--json"]));
    conforms(&shop, "diff.json", &shop.run(&["diff", "0", "--json"]));
    assert_ne!(against_schema(&shop, "history.json", &serde_json::json!([{"steps": -1}])), "");
    assert_ne!(against_schema(&shop, "diff.json", &serde_json::json!({"added": []})), "");
    let json = shop.run(&["plan", "--json"]);
    let json = conforms(&shop, "plan.json", json.expect_code(10));
    assert_eq!(json["removed"][0]["id"], "model.shop.loyal_customers");
    let wrong = serde_json::json!({ "hash": "x" });
    assert_ne!(against_schema(&shop, "plan.json", &wrong), "");
}

#[test]
fn a_failed_test_is_named_with_its_message_and_gates_until_it_passes() {
    let Some(shop) = Shop::warm() else { return };
    shop.write("tests/never_passes.sql", "select 1 as wrong\n");
    let events = shop.state().with_file_name("events.jsonl");
    let failed = shop.run(&["--events", &events.display().to_string(), "build"]);
    failed.expect_code(1);
    let events = std::fs::read_to_string(events).expect("a stream");
    for name in ["run_started", "node_started", "node_succeeded", "node_failed", "committed"] {
        assert!(events.contains(&format!("\"event\":\"{name}\"")), "{name}: {events}");
    }
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(against_schema(&shop, "event.json", &event), "", "{event:#}");
    }
    let unknown = serde_json::json!({ "time": "now", "run_id": "", "event": "node_started" });
    assert_ne!(against_schema(&shop, "event.json", &unknown), "");
    let named = "failed: test.shop.never_passes: Got 1 result, configured to fail if != 0\n";
    assert!(failed.stderr.contains(named), "{failed:#?}");
    let status = shop.run(&["status"]);
    assert!(status.stdout.contains("failed     test.shop.never_passes: Got 1 "), "{status:#?}");
    let status = conforms(&shop, "status.json", &shop.run(&["status", "--json"]));
    let message = "Got 1 result, configured to fail if != 0";
    assert_eq!(status["last_run"]["failed"]["test.shop.never_passes"], message);
    let plan = shop.run(&["plan", "build"]);
    assert_eq!(plan.expect_code(11).stdout, "there is nothing to build, 1 test would be run\n");
    shop.write("tests/never_passes.sql", "select 1 as wrong where false\n");
    shop.run(&["build"]).expect_code(0);
    shop.run(&["plan", "build"]).expect_code(0);
}
