//! The rebuild budget: how much a run may build without the approval of an operator.

use crate::dbt::manifest::Manifest;
use crate::decide::plan::Plan;

/// What a run may build without approval. A limit that is `None` or empty does not apply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// `--max-rebuild`: the largest number of nodes.
    pub nodes: Option<Limit>,
    /// `--max-rebuild-time`: the largest sum of the build times of the last builds, in seconds.
    pub seconds: Option<f64>,
    /// `--protect`: terms for nodes that must not be built, as [`Manifest::is_matched_by`] takes
    /// them.
    pub protected: Vec<String>,
}

/// A limit of the number of nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// This many nodes.
    Nodes(usize),
    /// This percentage of the nodes of the project.
    Percent(f64),
}

impl Budget {
    /// Whether there is any limit.
    #[must_use]
    pub fn limits(&self) -> bool {
        *self != Self::default()
    }

    /// How the plan exceeds what may be built in doubt, where there is no limit and no approval: a
    /// tenth of the project or 10 nodes, whichever is more. `None` if it does not.
    #[must_use]
    pub fn exceeded_by_doubt(plan: &Plan) -> Option<String> {
        let limit = (plan.nodes / 10).max(10);
        (plan.doubtful > limit).then(|| {
            format!(
                "{} of {} nodes would be built only because something differs that they may not even \
                 read, and without a limit of yours {limit} such nodes are allowed",
                plan.doubtful, plan.nodes
            )
        })
    }

    /// How the plan exceeds the budget, as one message for each limit and protected node. Empty if
    /// the plan is within the budget.
    #[must_use]
    pub fn exceeded(&self, plan: &Plan, manifest: &Manifest<'_>) -> Vec<String> {
        let count = plan.steps.len();
        let mut beyond = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
        let (many, share) = (count as f64, 100.0 * count as f64 / plan.nodes.max(1) as f64);
        match self.nodes {
            Some(Limit::Nodes(limit)) if count > limit => {
                beyond.push(format!("{count} nodes would be built, but --max-rebuild allows {limit}"));
            }
            Some(Limit::Percent(limit)) if many > 0.0 && share > limit => beyond.push(format!(
                "{count} of {} nodes ({share:.0} %) would be built, but --max-rebuild allows {limit} %",
                plan.nodes
            )),
            _ => {}
        }
        if let Some(limit) = self.seconds.filter(|limit| plan.seconds > *limit) {
            beyond.push(format!(
                "the last builds of these nodes took {:.1} s, but --max-rebuild-time allows {limit} s",
                plan.seconds
            ));
        }
        for step in &plan.steps {
            if let Some(term) =
                self.protected.iter().find(|term| manifest.is_matched_by(&step.id, term))
            {
                beyond.push(format!("{} would be built, but --protect {term} forbids it", step.id));
            }
        }
        beyond
    }
}
