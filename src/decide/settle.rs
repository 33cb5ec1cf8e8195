//! Decides whether a command can end without starting dbt.
//!
//! If all inputs are the same as in a run that left nothing to build, dbt would select nothing. A
//! command *settles* these inputs when it leaves nothing to build, and a later start with the same
//! inputs does not need dbt. In any doubt dbt is started.

use crate::decide::record::{NodeRecord, Settled};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// Among the commands that are settled: every command that builds what changed. The digest of no
/// command line.
pub const ANY_COMMAND: &str = "*";

/// What dbt would read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentInputs {
    /// The salted digests by kind, as in [`Settled::inputs`].
    pub inputs: BTreeMap<String, String>,
    /// The salted digest of the command line; `None` for a command that always needs dbt.
    pub command: Option<String>,
}

/// Whether dbt has to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// No: it would find nothing to build.
    Skip,
    /// Yes, for this reason.
    Start(StartReason),
}

/// Why dbt has to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartReason {
    /// The record has no settled inputs.
    NothingSettled,
    /// Inputs of these kinds changed.
    Changed(Vec<String>),
    /// No earlier run of this command line is settled with these inputs.
    NewCommand,
    /// This many nodes still have to be built.
    Pending(usize),
}

/// Decide whether dbt has to be started. `builds` says whether the command builds a resource type.
pub fn verdict(
    settled: Option<&Settled>,
    now: &CurrentInputs,
    nodes: &BTreeMap<String, NodeRecord>,
    builds: impl Fn(&str) -> bool,
) -> Verdict {
    let Some(settled) = settled else { return Verdict::Start(StartReason::NothingSettled) };
    let changed = changed_kinds(&settled.inputs, &now.inputs);
    if !changed.is_empty() {
        return Verdict::Start(StartReason::Changed(changed));
    }
    let of = |key: &String| settled.commands.get(key).or_else(|| settled.commands.get(ANY_COMMAND));
    let Some(left_out) = now.command.as_ref().and_then(of) else {
        return Verdict::Start(StartReason::NewCommand);
    };
    match pending_for(nodes, builds).difference(left_out).count() {
        0 => Verdict::Skip,
        count => Verdict::Start(StartReason::Pending(count)),
    }
}

/// The kinds of input of which the digests differ, or that only one side has.
#[must_use]
pub fn changed_kinds(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<String> {
    let kinds: BTreeSet<&String> = before.keys().chain(now.keys()).into_tree();
    kinds.into_iter().filter(|kind| before.get(*kind) != now.get(*kind)).cloned().collect()
}

/// The nodes that still have to be built and that the command builds, by their resource type.
pub fn pending_for(
    nodes: &BTreeMap<String, NodeRecord>,
    builds: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let waiting = nodes.iter().filter(|(_, node)| node.pending.is_some() || node.half_made);
    let of_type = |id: &&String| id.split('.').next().is_some_and(&builds);
    waiting.map(|(id, _)| id).filter(of_type).cloned().into_tree()
}

/// How a command ended, as far as it decides whether the next start needs dbt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// dbt failed or was stopped, or what it did is not completely known.
    Incomplete,
    /// dbt ended with code 0. Its selection left these nodes out; others may still be pending.
    Succeeded(BTreeSet<String>),
    /// The comparison found nothing that this command builds. Nodes that are still pending are left
    /// out by its selection.
    NothingToBuild,
}

/// What is settled after a command. `before` stays settled if the inputs are the same, and the
/// command is added if it would build nothing the next time. `pending` are the nodes of
/// [`pending_for`] the command. `None` if nothing is settled.
#[must_use]
pub fn settled_after(
    before: Option<&Settled>,
    now: &CurrentInputs,
    ending: &Completion,
    pending: BTreeSet<String>,
) -> Option<Settled> {
    let same = before.filter(|before| before.inputs == now.inputs);
    let mut commands = same.map(|same| same.commands.clone()).unwrap_or_default();
    let complete = match ending {
        Completion::Incomplete => false,
        Completion::Succeeded(left_out) => pending.is_subset(left_out),
        Completion::NothingToBuild => true,
    };
    if let Some(command) = &now.command {
        match complete {
            true => commands.insert(command.clone(), pending),
            false => commands.remove(command),
        };
    }
    (!commands.is_empty()).then(|| Settled { inputs: now.inputs.clone(), commands })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(files: &str, command: &str) -> CurrentInputs {
        CurrentInputs {
            inputs: [("files", files), ("environment", "e")]
                .map(|(kind, digest)| (kind.to_owned(), digest.to_owned()))
                .into(),
            command: Some(command.to_owned()),
        }
    }

    fn waiting(ids: &[&str]) -> BTreeMap<String, NodeRecord> {
        let node = NodeRecord { pending: Some("failed".into()), ..NodeRecord::default() };
        ids.iter().map(|id| ((*id).to_owned(), node.clone())).collect()
    }

    fn succeeded() -> Completion {
        Completion::Succeeded(BTreeSet::new())
    }

    fn settled() -> Settled {
        settled_after(None, &looked("a", "run"), &succeeded(), BTreeSet::new()).unwrap()
    }

    fn run(kind: &str) -> bool {
        kind == "model"
    }

    #[test]
    fn dbt_is_not_started_if_inputs_and_command_are_the_same_and_nothing_is_pending() {
        let nothing = BTreeMap::new();
        let of =
            |settled: Option<&Settled>, now: &CurrentInputs| verdict(settled, now, &nothing, run);
        let settled = settled();
        assert_eq!(of(Some(&settled), &looked("a", "run")), Verdict::Skip);
        assert_eq!(
            of(Some(&settled), &looked("b", "run")),
            Verdict::Start(StartReason::Changed(vec!["files".into()]))
        );
        assert_eq!(
            of(Some(&settled), &looked("a", "seed")),
            Verdict::Start(StartReason::NewCommand)
        );
        assert_eq!(of(None, &looked("a", "run")), Verdict::Start(StartReason::NothingSettled));
        let always_needs_dbt = CurrentInputs { command: None, ..looked("a", "run") };
        assert_eq!(of(Some(&settled), &always_needs_dbt), Verdict::Start(StartReason::NewCommand));
    }

    #[test]
    fn a_kind_of_input_that_only_one_side_has_is_a_change() {
        let mut now = looked("a", "run");
        now.inputs.insert("more".into(), "m".into());
        let found = verdict(Some(&settled()), &now, &BTreeMap::new(), run);
        assert_eq!(found, Verdict::Start(StartReason::Changed(vec!["more".into()])));
    }

    #[test]
    fn pending_nodes_start_dbt_if_the_command_builds_them_and_does_not_leave_them_out() {
        let of = |settled: &Settled, ids: &[&str]| {
            verdict(Some(settled), &looked("a", "run"), &waiting(ids), run)
        };
        assert_eq!(of(&settled(), &["seed.p.s"]), Verdict::Skip);
        assert_eq!(of(&settled(), &["model.p.m"]), Verdict::Start(StartReason::Pending(1)));
        let mut nodes = waiting(&["model.p.m"]);
        nodes.get_mut("model.p.m").unwrap().pending = None;
        nodes.get_mut("model.p.m").unwrap().half_made = true;
        assert_eq!(pending_for(&nodes, run).len(), 1);
        let left_out = BTreeSet::from(["model.p.m".to_owned()]);
        let narrow =
            settled_after(None, &looked("a", "run"), &Completion::NothingToBuild, left_out)
                .unwrap();
        assert_eq!(of(&narrow, &["model.p.m"]), Verdict::Skip);
        assert_eq!(
            of(&narrow, &["model.p.m", "model.p.n"]),
            Verdict::Start(StartReason::Pending(1))
        );
    }

    #[test]
    fn a_command_is_settled_by_a_complete_run_and_others_stay_settled_with_the_same_inputs() {
        let none = BTreeSet::new;
        let one = || BTreeSet::from(["model.p.m".to_owned()]);
        let first = settled();
        assert_eq!(settled_after(None, &looked("a", "run"), &succeeded(), one()), None);
        assert_eq!(settled_after(None, &looked("a", "run"), &Completion::Incomplete, none()), None);
        let both = settled_after(Some(&first), &looked("a", "seed"), &succeeded(), none()).unwrap();
        assert_eq!(both.commands.keys().collect::<Vec<_>>(), ["run", "seed"]);
        let changed =
            settled_after(Some(&first), &looked("b", "seed"), &succeeded(), none()).unwrap();
        assert_eq!(changed.commands.keys().collect::<Vec<_>>(), ["seed"]);
        assert_eq!(
            settled_after(Some(&first), &looked("a", "run"), &Completion::Incomplete, none()),
            None
        );
        let always_needs_dbt = CurrentInputs { command: None, ..looked("a", "") };
        assert_eq!(
            settled_after(Some(&first), &always_needs_dbt, &succeeded(), none()),
            Some(first)
        );
    }
}
