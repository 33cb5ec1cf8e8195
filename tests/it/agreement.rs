//! Our comparison against dbt's own `state:modified`, over edits of a real project
//! (`tests/agreement/edits.py`). Where the two differ, a row of `docs/agreement.md` says why.
//!
//! By hand: `AGREEMENT_ROUNDS=100 cargo test agreement`.

use crate::support::{dbt, root, variable};
use dbt_entrypoint::dbt::compare::Needs;
use dbt_entrypoint::dbt::compare::{Reason, compare, fingerprints};
use dbt_entrypoint::dbt::manifest::Manifest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

type Ids = BTreeSet<String>;

/// What `edits.py` says of one round.
#[derive(Deserialize)]
struct Said {
    edits: Vec<String>,
    selected: BTreeMap<String, Ids>,
    ours: Ids,
    dbts: Ids,
    rows: Vec<String>,
}

/// Runs `edits.py` into `work` with the Python of a dbt 1.x, or with a dbt 2.
fn edit(python: &Path, work: &Path, words: &[&str]) {
    let mut command = Command::new(python);
    command.arg(root().join("tests/agreement/edits.py")).arg("--work").arg(work).args(words);
    let done = command.output().expect("Python starts");
    let words = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(done.status.success(), "{}", words.concat());
}

/// The reasons that a sub-selector stands for.
fn belongs(selector: &str, reason: &Reason) -> bool {
    match selector {
        "modified" => true,
        "new" => *reason == Reason::New,
        "modified.body" => matches!(reason, Reason::Body | Reason::SeedContent | Reason::New),
        "modified.configs" => matches!(reason, Reason::Config(_) | Reason::New),
        "modified.relation" => matches!(reason, Reason::Relation | Reason::New),
        "modified.macros" => matches!(reason, Reason::Macro(..)),
        "modified.persisted_descriptions" => matches!(reason, Reason::Description | Reason::New),
        "modified.contract" => matches!(reason, Reason::Contract | Reason::New),
        unknown => panic!("edits.py asks for {unknown}"),
    }
}

/// What we find.
fn found(needs: &Needs, selector: &str) -> Ids {
    let some = |reasons: &&Vec<Reason>| reasons.iter().any(|reason| belongs(selector, reason));
    let ids = needs.iter().filter(|(_, reasons)| some(reasons)).map(|(id, _)| id.clone());
    ids.filter(|id| shared(id, selector)).collect()
}

/// What both sides have a view of. dbt selects sources as well, whose readers we find instead;
/// and under the sub-selectors tests whatever they are compared by, and functions never.
fn shared(id: &str, selector: &str) -> bool {
    let kind = id.split('.').next().unwrap_or_default();
    kind != "source"
        && (selector == "modified" || !["test", "unit_test", "function"].contains(&kind))
}

/// Compares every round in `work`; the disagreements that no edit explains.
fn unexplained(work: &Path) -> Vec<String> {
    let rounds = (0..).take_while(|round| work.join(format!("{round}.json")).exists());
    rounds.flat_map(|round| judge(work, round)).collect()
}

fn judge(work: &Path, round: usize) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(work.join(name)).expect("edits.py wrote it");
    let (before, now) = (read("base.json"), read(&format!("{round}.json")));
    let before = Manifest::read(&before).expect("dbt wrote it");
    let now = Manifest::read(&now).expect("dbt wrote it");
    let said: Said = serde_json::from_str(&read(&format!("{round}.said.json"))).expect("as above");
    let needs = compare(&before, &now);
    let mut wrong: Vec<String> = digests_disagree(&before, &now, &needs).into_iter().collect();
    wrong.extend(rows_are_missing(&said.rows));
    for (selector, ids) in &said.selected {
        let ours = found(&needs, selector);
        let dbts: Ids = ids.iter().filter(|id| shared(id, selector)).cloned().collect();
        let only_ours = ours.difference(&dbts).filter(|id| !said.ours.contains(*id));
        let only_dbts = dbts.difference(&ours).filter(|id| !said.dbts.contains(*id));
        let is_whole = |id: &&String| selector == "modified" && now.node(id).is_some();
        for (what, ids) in [
            ("only we find", only_ours.collect::<Vec<_>>()),
            ("only dbt finds", only_dbts.collect()),
            ("we do not find", said.ours.difference(&ours).filter(is_whole).collect()),
            ("dbt does not find", said.dbts.difference(&dbts).filter(is_whole).collect()),
        ] {
            let reasons: Vec<_> = ids.iter().map(|id| (id, needs.get(*id))).collect();
            if !ids.is_empty() {
                let edits = &said.edits;
                wrong.push(format!("state:{selector}: {what} {reasons:?} after {edits:?}"));
            }
        }
    }
    wrong
}

/// A node's digest is another exactly when the node has changed.
fn digests_disagree(before: &Manifest<'_>, now: &Manifest<'_>, needs: &Needs) -> Option<String> {
    let all: Vec<&str> = now.names().map(|(id, _)| id).collect();
    let (old, new) = (fingerprints(before, &all), fingerprints(now, &all));
    let other: Ids = new.keys().filter(|id| old.get(*id) != new.get(*id)).cloned().collect();
    let changed: Ids = needs.keys().cloned().collect();
    let odd: Vec<_> = other.symmetric_difference(&changed).collect();
    (!odd.is_empty()).then(|| format!("changed or another digest, but not both: {odd:?}"))
}

fn rows_are_missing(rows: &[String]) -> Option<String> {
    let table = fs::read_to_string(root().join("docs/agreement.md")).expect("the table is there");
    let missing: Vec<_> =
        rows.iter().filter(|row| !table.contains(&format!("| {row} |"))).collect();
    (!missing.is_empty()).then(|| format!("docs/agreement.md has no row {missing:?}"))
}

/// Lets dbt and us judge so many rounds of edits.
fn agrees(version: &str, rounds: &str, words: &[&str]) {
    let Some(dbt) = dbt(version) else { return };
    let rounds = variable("AGREEMENT_ROUNDS").unwrap_or_else(|| rounds.into());
    let rounds = rounds.to_str().expect("a number");
    let work = tempfile::tempdir().expect("room for a project");
    let words = [words, &["--rounds", rounds]].concat();
    edit(&dbt.with_file_name("python"), work.path(), &words);
    assert_eq!(unexplained(work.path()), Vec::<String>::new());
}

#[test]
fn every_disagreement_with_dbt_1_11_is_explained() {
    agrees("1.11", "17", &["--detailed", "1"]);
}

#[test]
fn every_disagreement_with_dbt_1_9_is_explained() {
    agrees("1.9", "3", &["--detailed", "1"]);
}

#[test]
fn every_disagreement_with_dbt_1_12_is_explained() {
    agrees("1.12", "3", &["--detailed", "1"]);
}

#[test]
fn every_disagreement_with_dbt_2_is_explained() {
    // A program, which the Python of its environment then starts.
    let Some(dbt) = dbt("v2") else { return };
    agrees("v2", "17", &["--dbt", dbt.to_str().expect("a path of our own")]);
}

#[test]
fn an_upgrade_of_dbt_and_the_way_back_change_nothing() {
    let versions = ["1.9", "1.11", "1.12"];
    let Some(dbts) = versions.map(dbt).into_iter().collect::<Option<Vec<_>>>() else { return };
    let manifests: Vec<String> = dbts
        .iter()
        .map(|dbt| {
            let work = tempfile::tempdir().expect("room for a project");
            edit(&dbt.with_file_name("python"), work.path(), &["--rounds", "0"]);
            fs::read_to_string(work.path().join("base.json")).expect("edits.py wrote it")
        })
        .collect();
    let manifests: Vec<_> =
        manifests.iter().map(|text| Manifest::read(text).expect("dbt wrote it")).collect();
    for before in &manifests {
        for now in &manifests {
            let mut needs = compare(before, now);
            // dbt 1.9 knows no functions.
            needs.retain(|_, reasons| *reasons != [Reason::New]);
            let (from, to) = (before.dbt_version(), now.dbt_version());
            assert_eq!(needs, Needs::new(), "{from} to {to}");
        }
    }
}
