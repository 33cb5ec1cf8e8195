//! The rebuild budget: how much a run may build without the approval of an operator.

use crate::count::counted;
use crate::dbt::manifest::Manifest;
use crate::decide::plan::{Plan, Step};
use strsim::damerau_levenshtein as slips;

/// What a run may build without approval. A limit that is `None` or empty does not apply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// `--max-rebuild`: the largest number of nodes.
    pub nodes: Option<Limit>,
    /// `--max-rebuild-time`: the longest that the builds may take, in seconds.
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
                "{} of {} would be built only because something differs that they may not even \
                 read, and without a limit of yours no more than {limit} of them are allowed",
                plan.doubtful,
                counted(plan.nodes, "nodes")
            )
        })
    }

    /// The first term of `--protect` that matches nothing, with the name of the node that is nearest
    /// to it.
    #[must_use]
    pub fn protects_nothing<'b>(
        &'b self,
        manifest: &Manifest<'_>,
    ) -> Option<(&'b str, Option<String>)> {
        let nodes = || manifest.names();
        let matches = |term: &&String| nodes().any(|(id, _)| manifest.is_matched_by(id, term));
        let term = self.protected.iter().find(|term| !matches(term))?;
        let nearest = nodes().map(|(_, name)| name).min_by_key(|name| slips(name, term));
        Some((term, nearest.map(str::to_owned)))
    }

    /// How the plan exceeds the budget, as one message for each limit and protected node. Empty if
    /// the plan is within the budget. While a first population is not complete, nodes that were never
    /// built do not count (`is_populating`).
    #[must_use]
    pub fn exceeded(
        &self,
        plan: &Plan,
        manifest: &Manifest<'_>,
        is_populating: bool,
    ) -> Vec<String> {
        let counts = |step: &&Step| !is_populating || step.seconds.is_some();
        let steps: Vec<&Step> = plan.steps.iter().filter(counts).collect();
        let count = steps.len();
        let mut beyond = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
        let (many, share) = (count as f64, 100.0 * count as f64 / plan.nodes.max(1) as f64);
        match self.nodes {
            Some(Limit::Nodes(limit)) if count > limit => {
                beyond.push(format!(
                    "{} would be built, but --max-rebuild allows {limit}",
                    counted(count, "nodes")
                ));
            }
            Some(Limit::Percent(limit)) if many > 0.0 && share > limit => beyond.push(format!(
                "{count} of {} ({share:.0} %) would be built, but --max-rebuild allows {limit} %",
                counted(plan.nodes, "nodes")
            )),
            _ => {}
        }
        let expected = plan.estimate.wall_seconds;
        if let Some(limit) = self.seconds.filter(|limit| expected > *limit) {
            beyond.push(format!(
                "building these nodes would take about {expected:.1} s{}, but --max-rebuild-time allows {limit} s",
                plan.estimate.with_threads()
            ));
        }
        for step in steps {
            if let Some(term) =
                self.protected.iter().find(|term| manifest.is_matched_by(&step.id, term))
            {
                beyond.push(format!("{} would be built, but --protect {term} forbids it", step.id));
            }
        }
        beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::plan::Estimate;

    #[test]
    fn the_time_that_is_limited_is_that_of_the_wall() {
        let text = r#"{"metadata": {"dbt_schema_version": "/manifest/v12.json", "dbt_version": "1"},
            "nodes": {}, "sources": {}, "macros": {}}"#;
        let beyond = |limit, threads| {
            let estimate = Estimate {
                wall_seconds: 90.0,
                threads,
                work_seconds: 300.0,
                ..Estimate::default()
            };
            let plan = Plan { estimate, ..Plan::of_nothing(5) };
            let budget = Budget { seconds: Some(limit), ..Budget::default() };
            budget.exceeded(&plan, &Manifest::read(text).unwrap(), false)
        };
        assert_eq!(beyond(90.0, Some(4)), [""; 0]);
        let expected = |threads: &str| {
            format!(
                "building these nodes would take about 90.0 s{threads}, but --max-rebuild-time allows 60 s"
            )
        };
        assert_eq!(beyond(60.0, Some(4)), [expected(" with 4 threads")]);
        assert_eq!(beyond(60.0, None), [expected("")]);
    }
}
