//! Whether a command can be answered without starting dbt.
//!
//! When every input of a complete run is unchanged and nothing is left to be built, dbt could not
//! select anything. Whatever is not known for certain starts dbt.

use crate::decide::record::{NodeRecord, Settled};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// What dbt would read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentInputs {
    /// Salted digests, by kind, as in [`Settled::inputs`].
    pub inputs: BTreeMap<String, String>,
    /// The salted digest of the command line, for a command that can be spared.
    pub command: Option<String>,
}

/// Whether dbt is started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It could not find anything to build.
    Skip,
    /// It may, for this reason.
    Start(StartReason),
}

/// Why dbt is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartReason {
    /// Nothing vouches for what is on the volume.
    NothingSettled,
    /// These kinds of input changed.
    Changed(Vec<String>),
    /// The command line has not been seen with these inputs.
    NewCommand,
    /// So many nodes wait to be built.
    Pending(usize),
}

/// Decide; `builds` says whether the command builds a resource type.
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
    let Some(left_out) = now.command.as_ref().and_then(|key| settled.commands.get(key)) else {
        return Verdict::Start(StartReason::NewCommand);
    };
    match pending_for(nodes, builds).difference(left_out).count() {
        0 => Verdict::Skip,
        count => Verdict::Start(StartReason::Pending(count)),
    }
}

/// The kinds of input that are not the same.
#[must_use]
pub fn changed_kinds(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<String> {
    let kinds: BTreeSet<&String> = before.keys().chain(now.keys()).into_tree();
    kinds.into_iter().filter(|kind| before.get(*kind) != now.get(*kind)).cloned().collect()
}

/// The nodes that wait and that the command builds.
pub fn pending_for(
    nodes: &BTreeMap<String, NodeRecord>,
    builds: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let waiting = nodes.iter().filter(|(_, node)| node.pending.is_some() || node.half_made);
    let of_type = |id: &&String| id.split('.').next().is_some_and(&builds);
    waiting.map(|(id, _)| id).filter(of_type).cloned().into_tree()
}

/// How a command ended, as far as it may be spared the next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// It did not come to its end, or what it says is not the whole.
    Incomplete,
    /// dbt ended well; what is still pending, it left.
    Succeeded,
    /// The comparison found nothing that this command builds; what is still pending, its
    /// selection leaves out.
    NothingToBuild,
}

/// What is settled after a command: what was, if the inputs are the same, and the command
/// itself, if nothing waits that it would build the next time.
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
        Completion::Succeeded => pending.is_empty(),
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

    fn settled() -> Settled {
        settled_after(None, &looked("a", "run"), &Completion::Succeeded, BTreeSet::new()).unwrap()
    }

    fn run(kind: &str) -> bool {
        kind == "model"
    }

    #[test]
    fn dbt_is_spared_when_inputs_and_command_are_the_same_and_nothing_waits() {
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
        let unsparable = CurrentInputs { command: None, ..looked("a", "run") };
        assert_eq!(of(Some(&settled), &unsparable), Verdict::Start(StartReason::NewCommand));
    }

    #[test]
    fn a_kind_of_input_that_one_side_does_not_know_is_a_change() {
        let mut now = looked("a", "run");
        now.inputs.insert("more".into(), "m".into());
        let found = verdict(Some(&settled()), &now, &BTreeMap::new(), run);
        assert_eq!(found, Verdict::Start(StartReason::Changed(vec!["more".into()])));
    }

    #[test]
    fn what_waits_starts_dbt_if_the_command_builds_it_and_does_not_leave_it_out() {
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
    fn only_a_complete_run_settles_its_command_and_the_same_inputs_keep_the_others() {
        let none = BTreeSet::new;
        let one = || BTreeSet::from(["model.p.m".to_owned()]);
        let first = settled();
        assert_eq!(settled_after(None, &looked("a", "run"), &Completion::Succeeded, one()), None);
        assert_eq!(settled_after(None, &looked("a", "run"), &Completion::Incomplete, none()), None);
        let both =
            settled_after(Some(&first), &looked("a", "seed"), &Completion::Succeeded, none())
                .unwrap();
        assert_eq!(both.commands.keys().collect::<Vec<_>>(), ["run", "seed"]);
        let changed =
            settled_after(Some(&first), &looked("b", "seed"), &Completion::Succeeded, none())
                .unwrap();
        assert_eq!(changed.commands.keys().collect::<Vec<_>>(), ["seed"]);
        assert_eq!(
            settled_after(Some(&first), &looked("a", "run"), &Completion::Incomplete, none()),
            None
        );
        let unsparable = CurrentInputs { command: None, ..looked("a", "") };
        assert_eq!(
            settled_after(Some(&first), &unsparable, &Completion::Succeeded, none()),
            Some(first)
        );
    }
}
