//! The plan that was refused last, so that an approval that came too late can be told what changed
//! since.

use crate::decide::plan::Plan;
use crate::trees::IntoTree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many nodes are named.
const NAMED: usize = 5;

/// A plan that exceeded the budget.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefusedPlan {
    /// What `--approve` takes.
    hash: String,
    /// What would have happened to the relation of each node, by `unique_id`.
    steps: BTreeMap<String, String>,
}

impl RefusedPlan {
    /// What is kept of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        let steps = plan.steps.iter().map(|step| (step.id.clone(), step.action.to_owned()));
        Self { hash: plan.hash.clone(), steps: steps.into_tree() }
    }

    /// What has changed since this plan was refused, if it is the one with this hash.
    pub(crate) fn changed_since(&self, approved: &str, plan: &Plan) -> Option<String> {
        if self.hash != approved {
            return None;
        }
        let now = Self::of(plan).steps;
        let more = now.keys().filter(|id| !self.steps.contains_key(*id));
        let fewer = self.steps.keys().filter(|id| !now.contains_key(*id));
        let other = now
            .iter()
            .filter(|(id, action)| self.steps.get(*id).is_some_and(|before| before != *action));
        let parts = [
            named("also built now: ", more.map(String::as_str).collect()),
            named("not built any more: ", fewer.map(String::as_str).collect()),
            named("built in another way: ", other.map(|(id, _)| id.as_str()).collect()),
        ];
        let told: Vec<String> = parts.into_iter().flatten().collect();
        Some(match told.is_empty() {
            true => "the code or the values of a node in it have changed since".to_owned(),
            false => format!("since then: {}", told.join("; ")),
        })
    }
}

fn named(words: &str, ids: Vec<&str>) -> Option<String> {
    let names = ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let rest = match ids.len().saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    (!ids.is_empty()).then(|| format!("{words}{names}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(steps: &[(&str, &str)]) -> RefusedPlan {
        let steps = steps.iter().map(|(id, action)| ((*id).to_owned(), (*action).to_owned()));
        RefusedPlan { hash: "0123".into(), steps: steps.collect() }
    }

    #[test]
    fn what_changed_is_told_of_the_plan_that_was_approved_and_of_no_other() {
        let now = Plan::of_nothing(3);
        let six: Vec<String> = (0..6).map(|n| format!("model.a{n}")).collect();
        let six: Vec<(&str, &str)> = six.iter().map(|id| (id.as_str(), "created")).collect();
        for (before, approved, told) in [
            (refused(&[]), "4567", None),
            (
                refused(&[]),
                "0123",
                Some("the code or the values of a node in it have changed since"),
            ),
            (
                refused(&six),
                "0123",
                Some(
                    "since then: not built any more: model.a0, model.a1, model.a2, model.a3, \
                     model.a4 and 1 more",
                ),
            ),
        ] {
            assert_eq!(before.changed_since(approved, &now).as_deref(), told);
        }
    }
}
