//! How a baseline came about. It is kept for people; no decision depends on it.

use crate::dbt::results::{Fate, Outcome};
use crate::graph::is_test_id;
use serde::{Deserialize, Serialize};

/// How many of the built nodes are named.
const NAMED: usize = 20;

/// What the command is called that takes the project for built.
pub const ADOPT: &str = "adopt";

/// What made a baseline what it is. Records of earlier versions have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// dbt's subcommand, or the verb, such as `build` or `invalidate`. Its options are left out because
    /// they may hold secrets. Empty if it is not known.
    pub command: String,
    /// For `adopt --from`: the manifest that was adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When that was, in seconds since the epoch (UTC).
    pub at: u64,
    /// How many nodes were built, tests left out.
    pub built: usize,
    /// The first of them, in alphabetical order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The commit of the project, if git or the CI service tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When the baseline was last restored from the history, in seconds since the epoch (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<u64>,
}

impl Origin {
    /// By a command that builds nothing.
    #[must_use]
    pub fn of_verb(command: &str, at: u64) -> Self {
        Self { command: command.to_owned(), at, ..Self::default() }
    }

    /// Add what was built.
    #[must_use]
    pub fn with_built(self, outcome: &Outcome) -> Self {
        let built = outcome.iter().filter(|(_, fate)| matches!(fate, Fate::Built(_)));
        let ids: Vec<&String> = built.map(|(id, _)| id).filter(|id| !is_test_id(id)).collect();
        let names = ids.iter().take(NAMED).map(|id| (*id).clone()).collect();
        Self { built: ids.len(), names, ..self }
    }

    /// Whether the warehouse is said to hold the baseline, and nobody built it.
    #[must_use]
    pub fn is_adoption(&self) -> bool {
        self.command == ADOPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_nodes_are_named_and_all_are_counted_but_tests_and_failures() {
        let mut outcome: Outcome =
            (10..35).map(|n| (format!("model.shop.m{n}"), Fate::Built(1.0))).collect();
        outcome.insert("model.shop.a".into(), Fate::Touched("failed in the last run"));
        outcome.insert("test.shop.t".into(), Fate::Built(1.0));
        outcome.insert("unit_test.shop.a.u".into(), Fate::Built(1.0));
        let origin = Origin::of_verb("build", 7).with_built(&outcome);
        let names = (10..30).map(|n| format!("model.shop.m{n}")).collect();
        let expected =
            Origin { command: "build".into(), at: 7, built: 25, names, ..Origin::default() };
        assert_eq!(origin, expected);
    }

    #[test]
    fn what_an_earlier_or_a_later_version_wrote_is_read_as_far_as_it_goes() {
        let read = |text| serde_json::from_str::<Origin>(text).unwrap();
        assert_eq!(read("{}"), Origin::default());
        let later = r#"{"command": "run", "at": 3, "built": 0, "mood": "good"}"#;
        assert_eq!(read(later), Origin::of_verb("run", 3));
    }
}
