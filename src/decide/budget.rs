//! How much may be rebuilt without asking.

use crate::dbt::manifest::Manifest;
use crate::decide::plan::Plan;

/// What may be built without asking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// `--max-rebuild`: so many nodes.
    pub nodes: Option<Limit>,
    /// `--max-rebuild-time`: so many seconds, by the last builds.
    pub seconds: Option<f64>,
    /// `--protect`: none of these.
    pub protected: Vec<String>,
}

/// A number of nodes, or a part of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Nodes.
    Nodes(usize),
    /// Percent of the nodes of the project.
    Percent(f64),
}

impl Budget {
    /// Whether anything is limited at all.
    #[must_use]
    pub fn limits(&self) -> bool {
        *self != Self::default()
    }

    /// What of a plan goes beyond it; nothing where it is within.
    #[must_use]
    pub fn exceeded(&self, plan: &Plan, manifest: &Manifest<'_>) -> Vec<String> {
        let count = plan.steps.len();
        let mut beyond = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
        let (many, share) = (count as f64, 100.0 * count as f64 / plan.nodes.max(1) as f64);
        match self.nodes {
            Some(Limit::Nodes(limit)) if count > limit => {
                beyond.push(format!("{count} nodes would be built, and --max-rebuild allows {limit}"));
            }
            Some(Limit::Percent(limit)) if many > 0.0 && share > limit => beyond.push(format!(
                "{count} of {} nodes ({share:.0} %) would be built, and --max-rebuild allows {limit} %",
                plan.nodes
            )),
            _ => {}
        }
        if let Some(limit) = self.seconds.filter(|limit| plan.seconds > *limit) {
            beyond.push(format!(
                "the last builds of these nodes took {:.1} s, and --max-rebuild-time allows {limit} s",
                plan.seconds
            ));
        }
        for step in &plan.steps {
            if let Some(term) =
                self.protected.iter().find(|term| manifest.is_matched_by(&step.id, term))
            {
                beyond.push(format!("{} would be built, and --protect {term} forbids it", step.id));
            }
        }
        beyond
    }
}
