//! Estimates as whole values.

use super::*;
use crate::graph::graph_of;

/// The estimate for steps `name seconds`, by a graph of lines `parent > child`.
fn estimate(lines: &[&str], steps: &str, earlier: &[&str], threads: usize) -> Estimate {
    let words: Vec<&str> = steps.split(' ').collect();
    let times = words.chunks(2).map(|step| (step[0], step[1].parse().unwrap())).into_tree();
    let run = |names: &&str| EarlierRun {
        full_refresh: true,
        nodes: names.split(' ').map(str::to_owned).into_tree(),
    };
    let earlier: Vec<EarlierRun> = earlier.iter().map(run).collect();
    Estimate::of(&graph_of(lines), &times, &earlier, Some(threads))
}

fn is(wall_seconds: f64, threads: usize, work_seconds: f64, chain: (f64, &str)) -> Estimate {
    let nodes = chain.1.split_whitespace().map(str::to_owned).collect();
    let chain = Chain { seconds: chain.0, nodes };
    Estimate { wall_seconds, threads: Some(threads), work_seconds, chain }
}

const DIAMOND: [&str; 4] = ["a > b", "a > c", "b > d", "c > d"];

#[test]
fn a_chain_takes_as_long_as_its_nodes_together_on_any_number_of_threads() {
    for threads in [1, 4] {
        let found = estimate(&["a > b", "b > c"], "a 1 b 2 c 4", &[], threads);
        assert_eq!(found, is(7.0, threads, 7.0, (7.0, "a b c")));
    }
}

#[test]
fn the_branches_of_a_diamond_are_built_at_the_same_time_if_there_are_two_threads() {
    let steps = "a 1 b 2 c 5 d 1";
    assert_eq!(estimate(&DIAMOND, steps, &[], 1), is(9.0, 1, 9.0, (7.0, "a c d")));
    assert_eq!(estimate(&DIAMOND, steps, &[], 2), is(7.0, 2, 9.0, (7.0, "a c d")));
    assert_eq!(estimate(&DIAMOND, steps, &[], 99), is(7.0, 99, 9.0, (7.0, "a c d")));
}

#[test]
fn a_free_thread_takes_the_node_with_the_longest_work_behind_it() {
    // By name or by its own time `a` would come first, and `y` would end at 13.
    let lines = ["x > y", "a > t", "b > t"];
    let found = estimate(&lines, "a 3 b 3 x 1 y 9", &[], 2);
    assert_eq!(found, is(10.0, 2, 16.0, (10.0, "x y")));
}

#[test]
fn what_ends_at_the_same_time_is_done_before_anything_begins() {
    // `z` waits, but `c` and `d` have more behind them, and `b` ends together with `a`.
    let lines = ["b > c", "b > d", "c > f", "d > f"];
    let found = estimate(&lines, "a 9 b 9 z 1 c 1 d 1 f 9", &[], 2);
    assert_eq!(found, is(19.0, 2, 30.0, (19.0, "b c f")));
}

#[test]
fn a_node_that_was_never_built_counts_as_nothing_and_is_waited_for() {
    let found = estimate(&["a > b", "b > c"], "a 1 b 0 c 4", &[], 2);
    assert_eq!(found, is(5.0, 2, 5.0, (5.0, "a b c")));
    assert_eq!(estimate(&["a > b"], "a 0 b 0", &[], 2), is(0.0, 2, 0.0, (0.0, "")));
}

#[test]
fn what_is_between_two_steps_and_is_not_built_takes_no_time_and_no_thread() {
    for between in ["e", "x"] {
        let lines = [format!("a > {between}"), format!("{between} > b"), format!("y > {between}")];
        let lines = lines.each_ref().map(String::as_str);
        let found = estimate(&lines, "a 2 b 3 c 4", &[], 3);
        assert_eq!(found, is(5.0, 3, 9.0, (5.0, "a b")), "{between}");
    }
}

#[test]
fn runs_of_dbt_follow_each_other() {
    let lines = ["a > r", "r > b", "f > t"];
    let steps = "a 1 r 2 b 3 f 6";
    assert_eq!(estimate(&lines, steps, &[], 4), is(6.0, 4, 12.0, (6.0, "a r b")));
    // 1, then 2, then `b` beside `f`.
    assert_eq!(estimate(&lines, steps, &["a", "r"], 4), is(9.0, 4, 12.0, (6.0, "a r b")));
}

#[test]
fn without_a_limit_everything_begins_once_its_parents_are_built() {
    let times = Times::from([("a", 1.0), ("b", 2.0), ("c", 3.0)]);
    let graph = graph_of(&["a > b", "c > t"]);
    let chain = Chain { seconds: 3.0, nodes: vec!["a".into(), "b".into()] };
    let expected = Estimate { wall_seconds: 3.0, threads: None, work_seconds: 6.0, chain };
    assert_eq!(Estimate::of(&graph, &times, &[], None), expected);
    assert_eq!(Estimate::of(&graph, &Times::new(), &[], Some(4)), Estimate::default());
}

#[test]
fn ten_thousand_steps_and_a_cycle_in_a_damaged_manifest_come_to_an_end() {
    let line = |n: usize| format!("m{n} > m{}", n + 1);
    let lines: Vec<String> = (0..10_000).map(line).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let graph = graph_of(&lines);
    let times = graph.keys().map(|id| (id.as_str(), 1.0)).into_tree();
    assert!((Estimate::of(&graph, &times, &[], Some(4)).wall_seconds - 10_001.0).abs() < 1e-6);
    estimate(&["a > b", "b > c", "c > a"], "a 1 b 1 c 1", &[], 2);
}
