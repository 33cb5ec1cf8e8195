//! Which nodes are absent from the next baseline, in small graphs.

use super::*;
use crate::graph::graph_of as graph;

fn needs(ids: &[&str]) -> Needs {
    ids.iter().map(|id| ((*id).to_owned(), vec![Reason::Body])).collect()
}

fn built(ids: &[&str]) -> Outcome {
    ids.iter().map(|id| ((*id).to_owned(), Fate::Built(1.0))).collect()
}

fn verdict(graph: &Graph, needs: &Needs, outcome: &Outcome) -> BTreeMap<String, Absence> {
    absences(graph, needs, &BuiltInRun::of(graph, outcome), &Effects::default())
}

fn absent(graph: &Graph, needs: &Needs, outcome: &Outcome) -> Vec<String> {
    verdict(graph, needs, outcome).into_keys().collect()
}

#[test]
fn nothing_is_absent_if_a_changed_node_was_built_with_all_its_descendants() {
    let chain = graph(&["a > b", "b > c"]);
    assert!(absent(&chain, &needs(&["a"]), &built(&["a", "b", "c"])).is_empty());
}

#[test]
fn a_changed_node_that_was_not_built_is_absent_but_its_descendants_are_not() {
    let chain = graph(&["a > b", "b > c"]);
    assert_eq!(absent(&chain, &needs(&["a"]), &built(&["c"])), ["a"]);
}

#[test]
fn descendants_of_a_changed_node_that_was_rebuilt_without_them_are_absent() {
    let chain = graph(&["a > b", "b > c"]);
    let found = verdict(&chain, &needs(&["a"]), &built(&["a"]));
    assert_eq!(found, BTreeMap::from([("b".into(), Absence::Overtaken("a".into()))]));
    let found = verdict(&chain, &needs(&["a"]), &built(&["a", "b"]));
    assert_eq!(found, BTreeMap::from([("c".into(), Absence::Overtaken("b".into()))]));
}

#[test]
fn building_an_unchanged_node_again_makes_no_descendant_absent() {
    assert!(absent(&graph(&["a > b"]), &needs(&[]), &built(&["a"])).is_empty());
}

#[test]
fn a_failed_node_is_absent_whether_or_not_it_had_changed() {
    let outcome = Outcome::from([("a".into(), Fate::Touched("failed"))]);
    for needs in [needs(&[]), needs(&["a"])] {
        let found = verdict(&graph(&["a > b"]), &needs, &outcome);
        assert_eq!(found, BTreeMap::from([("a".into(), Absence::Touched("failed"))]));
    }
}

#[test]
fn an_ephemeral_model_counts_as_built_with_one_reader_and_overtakes_the_others() {
    let fork = graph(&["e > b", "e > c", "e > t1"]);
    assert_eq!(absent(&fork, &needs(&["e"]), &built(&["b", "c"])), ["t1"]);
    assert_eq!(absent(&fork, &needs(&["e"]), &built(&["b", "t1"])), ["c"]);
    assert_eq!(absent(&fork, &needs(&["e"]), &built(&[])), ["e"]);
}

#[test]
fn a_chain_of_ephemeral_models_is_built_with_the_reader_of_the_last_one() {
    let chain = graph(&["e1 > e2", "e2 > b"]);
    assert!(absent(&chain, &needs(&["e1"]), &built(&["b"])).is_empty());
}

#[test]
fn an_ephemeral_model_without_a_reader_is_never_absent() {
    assert!(absent(&graph(&["e > t1"]), &needs(&["e"]), &built(&["t1"])).is_empty());
}

#[test]
fn ephemeral_models_that_are_compiled_into_nothing_that_is_built_are_never_absent() {
    let graph = graph(&["a > e1", "e1 > e2", "e1 > e3", "e2 > e4", "e4 > t1"]);
    assert!(absent(&graph, &needs(&["a"]), &built(&["a", "t1"])).is_empty());
    assert_eq!(absent(&graph, &needs(&["e1", "e4"]), &built(&[])), ["t1"]);
    let graph = self::graph(&["a > e1", "e1 > e2", "e1 > e3", "e3 > b"]);
    assert_eq!(absent(&graph, &needs(&["a"]), &built(&["a"])), ["e1"]);
}

#[test]
fn a_changed_seed_stays_absent_when_dbt_run_does_not_load_it() {
    assert_eq!(absent(&graph(&["s > b"]), &needs(&["s"]), &built(&["b"])), ["s"]);
}

#[test]
fn a_node_that_was_built_before_its_parent_becomes_absent_when_the_parent_is_built() {
    let chain = graph(&["a > b", "b > c"]);
    assert_eq!(absent(&chain, &needs(&["a"]), &built(&["a", "c"])), ["b"]);
    assert_eq!(absent(&chain, &needs(&["b"]), &built(&["b"])), ["c"]);
}

#[test]
fn a_cycle_in_a_damaged_manifest_does_not_loop_forever() {
    let ring = graph(&["a > b", "b > a"]);
    assert_eq!(absent(&ring, &needs(&["a"]), &built(&["a"])), ["b"]);
}

#[test]
fn an_ephemeral_model_built_with_a_reader_has_the_current_inputs() {
    let chain = graph(&["e > b"]);
    let values = |value: &str| BTreeMap::from([("env_var:A".to_owned(), value.to_owned())]);
    let record = |value: &str| NodeRecord { inputs: values(value), ..NodeRecord::default() };
    let (needs, outcome) = (needs(&["e"]), built(&["b"]));
    let absent = verdict(&chain, &needs, &outcome);
    let before = BTreeMap::from([("e".to_owned(), record("old"))]);
    let now = BTreeMap::from([("e".to_owned(), values("new"))]);
    let built = BuiltInRun::of(&chain, &outcome);
    let records = node_records(&chain, &absent, &built, &now, &before, &BTreeMap::new());
    assert_eq!(records["e"], record("new"));
}

#[test]
fn a_node_that_a_full_run_did_not_reach_is_not_built_by_a_revert() {
    let chain = graph(&["a > b"]);
    let fingerprints = BTreeMap::from([("a".to_owned(), "old".to_owned())]);
    let built = |reasons: Vec<Reason>| {
        let needs = Needs::from([("a".to_owned(), reasons)]);
        let (outcome, none) = (Outcome::new(), BTreeMap::new());
        let absent = verdict(&chain, &needs, &outcome);
        let records = node_records(
            &chain,
            &absent,
            &BuiltInRun::of(&chain, &outcome),
            &BTreeMap::new(),
            &none,
            &fingerprints,
        );
        records["a"].built.clone()
    };
    let not_reached = || Reason::Pending("not yet built in the full run".to_owned());
    assert_eq!(built(vec![Reason::Body]), Some("old".to_owned()));
    assert_eq!(built(vec![not_reached()]), None);
    assert_eq!(built(vec![Reason::Body, not_reached()]), None);
}

#[test]
fn a_revert_is_recognized_only_if_the_node_was_not_touched() {
    let chain = graph(&["a > b"]);
    let fingerprints = BTreeMap::from([("a".to_owned(), "old".to_owned())]);
    let records = |outcome: &Outcome| {
        let absent = verdict(&chain, &needs(&["a"]), outcome);
        let none = BTreeMap::new();
        node_records(
            &chain,
            &absent,
            &BuiltInRun::of(&chain, outcome),
            &BTreeMap::new(),
            &none,
            &fingerprints,
        )
    };
    assert_eq!(records(&built(&[]))["a"].built, Some("old".into()));
    let failed = Outcome::from([("a".into(), Fate::Touched("failed"))]);
    assert_eq!(records(&failed)["a"].built, None);
}
