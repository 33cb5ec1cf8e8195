//! Every form of a plan, as whole texts.

use super::groups::duration;
use super::*;
use crate::decide::plan::{Cause, Chain, Estimate, Removed, Step};

fn step(name: &str, cause: Cause, reason: &str, parents: &[&str]) -> Step {
    let id = |name: &str| format!("model.shop.{name}");
    Step {
        id: id(name),
        name: name.into(),
        path: format!("models/{name}.sql"),
        materialized: "table".into(),
        reason: reason.into(),
        cause,
        origin: parents.first().filter(|_| cause == Cause::Downstream).map(|name| id(name)),
        parents: parents.iter().map(|name| id(name)).collect(),
        action: if cause == Cause::New { "created" } else { "table replaced" },
        altered: false,
        seconds: (cause != Cause::New).then_some(12.0),
    }
}

fn plan_of(steps: Vec<Step>) -> Plan {
    let unknown = steps.iter().filter(|step| step.seconds.is_none());
    let work_seconds = steps.iter().filter_map(|step| step.seconds).sum();
    Plan {
        hash: "0123456789abcdef".into(),
        estimate: Estimate {
            wall_seconds: work_seconds,
            threads: Some(4),
            work_seconds,
            chain: chain_of(&steps),
        },
        unknown: unknown.map(|step| step.id.clone()).collect(),
        meanings: [("body", "its SQL or Python code")].into(),
        steps,
        ..Plan::of_nothing(200)
    }
}

/// The first step that reads another one, and that one.
fn chain_of(steps: &[Step]) -> Chain {
    let reader = steps.iter().find(|step| !step.parents.is_empty());
    let nodes = reader.map(|step| vec![step.parents[0].clone(), step.id.clone()]);
    Chain { seconds: 24.0, nodes: nodes.unwrap_or_default() }
}

fn few() -> Plan {
    let steps = vec![
        step("orders", Cause::Edited, "body", &[]),
        step("regions", Cause::New, "new", &[]),
        step("sales", Cause::Downstream, "downstream of model.shop.orders (body)", &["orders"]),
        step("report", Cause::Downstream, "downstream of model.shop.orders (body)", &["orders"]),
    ];
    let removed = Removed {
        id: "model.shop.old".into(),
        relation: "\"db\".\"main\".\"old\"".into(),
        taken_by: None,
    };
    Plan { removed: vec![removed], tests: 3, orphans: 2, ..plan_of(steps) }
}

/// A node that was edited, and `count` downstream of it.
fn many(count: usize) -> Plan {
    let mut steps = vec![step("orders", Cause::Edited, "body", &[])];
    let name = |n: usize| format!("a_rather_long_name_of_a_model_{n:03}");
    steps.extend((0..count).map(|n| step(&name(n), Cause::Downstream, "downstream", &["orders"])));
    plan_of(steps)
}

const WIDE: PlanView = PlanView { width: 80, colour: false, all: false };

#[test]
fn a_plan_begins_with_the_summary_and_groups_nodes_by_what_changed() {
    let expected = "\
1 new, 1 edited, 2 downstream, 1 removed
4 of 200 nodes would be built, 3 tests would be run
about 36 s with 4 threads, not counting 1 that was never built
longest chain 24 s over 2 nodes: orders … sales

new (1)
  + regions  models/regions.sql  created, never built

edited: body (1)
  ~ orders  models/orders.sql  table replaced, 12 s

downstream of orders (2)
  ~ sales, report

removed (1): dbt drops nothing
  - model.shop.old: its relation stays: \"db\".\"main\".\"old\"

waiting: they have to be built, but this command does not build them
    seed.shop.raw

no node is built into 2 relations any more: dbt-entrypoint orphans

body: its SQL or Python code
plan 0123456789abcdef
";
    assert_eq!(plan(&few(), &["seed.shop.raw".into()], &WIDE), expected);
}

#[test]
fn two_hundred_nodes_fit_a_screen_unless_all_are_asked_for() {
    let plan_of_many = many(199);
    let text = plan(&plan_of_many, &[], &WIDE);
    assert!(text.lines().count() <= 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("and 196 more\n"), "{text}");
    let all = plan(&plan_of_many, &[], &PlanView { all: true, ..WIDE });
    assert!((0..199).all(|n| all.contains(&format!("model_{n:03}"))), "{all}");
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let coloured = plan(&few(), &[], &PlanView { colour: true, ..WIDE });
    assert!(coloured.contains("\x1b[32m+\x1b[0m regions"), "{coloured}");
    assert!(!plan(&few(), &[], &WIDE).contains('\x1b'));
}

#[test]
fn the_time_is_said_as_far_as_it_is_known() {
    let said = |threads, steps: &[(&str, Cause)]| {
        let steps = steps.iter().map(|(name, cause)| step(name, *cause, "", &[]));
        let mut plan = plan_of(steps.collect());
        plan.estimate.threads = threads;
        super::plan(&plan, &[], &WIDE).lines().nth(2).map(str::to_owned)
    };
    let (old, new) = (("a", Cause::Edited), ("b", Cause::New));
    let lines = [
        (said(Some(1), &[old]), "about 12 s with 1 thread"),
        (said(None, &[old, old]), "about 24 s"),
        (
            said(Some(2), &[old, new, new]),
            "about 12 s with 2 threads, not counting 2 that were never built",
        ),
        (
            said(Some(2), &[new]),
            "how long that takes is not known, because nothing of it was ever built",
        ),
    ];
    for (line, expected) in lines {
        assert_eq!(line.as_deref(), Some(expected));
    }
}

#[test]
fn nothing_to_build_is_said_and_so_are_tests_that_have_to_run() {
    let of_tests = |tests| plan(&Plan { tests, ..Plan::of_nothing(5) }, &[], &WIDE);
    assert_eq!(of_tests(0), "there is nothing to build\n");
    assert_eq!(of_tests(2), "there is nothing to build, 2 tests would be run\n");
}

#[test]
fn markdown_has_a_line_for_each_group_that_opens_it() {
    let expected = "\
### dbt plan: 1 edited, 1 downstream

2 of 200 nodes would be built\x20\x20
about 24 s with 4 threads\x20\x20
longest chain 24 s over 2 nodes: orders … a_rather_long_name_of_a_model_000

<details><summary>edited: body (1)</summary>

| | node | file | what happens |
|---|---|---|---|
| ~ | `orders` | `models/orders.sql` | table replaced, 12 s |

</details>

<details><summary>downstream of orders (1)</summary>

| | node | file | what happens |
|---|---|---|---|
| ~ | `a_rather_long_name_of_a_model_000` | `models/a_rather_long_name_of_a_model_000.sql` | table replaced, 12 s |

</details>

plan `0123456789abcdef`
";
    assert_eq!(plan_as_markdown(&many(1)), expected);
}

#[test]
fn markdown_stays_below_what_a_comment_may_have() {
    for count in [500, 700, 5000] {
        let text = plan_as_markdown(&many(count));
        assert!(text.chars().count() < 65_000, "{count}: {}", text.len());
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
    let mut own: Vec<Step> = Vec::new();
    own.extend((0..5000).map(|n| step("m", Cause::Edited, &format!("config {n}"), &[])));
    assert!(plan_as_markdown(&plan_of(own)).len() < 65_000);
}

#[test]
fn the_graph_is_drawn_for_mermaid_and_graphviz() {
    let plan = many(1);
    let expected = "\
flowchart LR
  n0[\"orders<br/>body\"]
  style n0 fill:#ffd166,color:#000,stroke:#666
  n1[\"a_rather_long_name_of_a_model_000\"]
  style n1 fill:#e9ecef,color:#000,stroke:#666
  n0 --> n1
";
    assert_eq!(mermaid(&plan), expected);
    let expected = "\
digraph plan {
  rankdir=LR;
  node [shape=box, style=filled];
  n0 [label=\"orders\\nbody\", fillcolor=\"#ffd166\"];
  n1 [label=\"a_rather_long_name_of_a_model_000\", fillcolor=\"#e9ecef\"];
  n0 -> n1;
}
";
    assert_eq!(dot(&plan), expected);
}

#[test]
fn an_svg_has_a_box_for_each_node_and_a_curve_for_each_that_reads_another() {
    let mut plan = few();
    plan.steps[0].name = "a<b & c".into();
    let text = svg(&plan);
    assert_eq!((text.matches("<g>").count(), text.matches("<path ").count()), (4, 2));
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{text}");
    assert!(text.contains(">a&lt;b &amp; c</text>"), "{text}");
    let (x, y) = ("x=\"12\"", "y=\"64\"");
    assert!(text.contains(&format!("<rect {x} {y}")), "{text}");
    // What is two lines on a screen is one here.
    let heads = text.lines().filter(|line| line.contains("y=\"34\""));
    let heads: Vec<&str> = heads.collect();
    let [head] = heads[..] else { panic!("{text}") };
    let height = |text: &str| text.split('"').nth(9).map(str::to_owned);
    assert_eq!(height(&svg(&many(300))), height(&svg(&many(40))));
    assert!(head.contains("would be run; about ") && head.ends_with("</text>"), "{head}");
}

#[test]
fn durations_are_said_as_people_say_them() {
    for (seconds, words) in [
        (0.42, "0.4 s"),
        (12.3, "12 s"),
        (89.0, "89 s"),
        (90.0, "2 min"),
        (1500.0, "25 min"),
        (11_100.0, "3 h 5 min"),
    ] {
        assert_eq!(duration(seconds), words);
    }
}
