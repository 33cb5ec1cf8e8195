//! The values that a node reads, then and now.

use super::Reason;
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};

/// The values that changed, by their [fingerprints](crate::dbt::reads::fingerprints).
///
/// A name on one side only is no change of a value: the code that reads it is new or gone,
/// which is a change of its own, or another version of ours found more names.
#[must_use]
pub fn differing(
    recorded: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<Reason> {
    let changed = |(key, before): (&String, &String)| {
        now.get(key).filter(|value| *value != before).map(|_| reason(key))
    };
    let reasons: BTreeSet<Reason> = recorded.iter().filter_map(changed).into_tree();
    reasons.into_iter().collect()
}

fn reason(key: &str) -> Reason {
    match key.split_once(':') {
        Some(("seed", _)) => Reason::SeedContent,
        Some(("source", name)) => Reason::Source(name.to_owned()),
        Some((_, "*")) | None => Reason::Computed,
        Some(("env_var", name)) => Reason::Env(name.to_owned()),
        // Behind the `@` stands the generation of dbt.
        Some(("context", name)) => {
            Reason::Context(name.split('@').next().unwrap_or_default().to_owned())
        }
        Some((_, name)) => Reason::Var(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_value_that_differs_is_a_reason() {
        let of = |value: &str| {
            let keys = [
                "env_var:A",
                "env_var:*",
                "env_var:MB_*",
                "var:a:b",
                "var:*",
                "seed:content",
                "context:graph.nodes@1.11",
                "context:target",
                "source:raw.orders",
            ];
            keys.into_iter().map(|key| (key.to_owned(), value.to_owned())).into_tree()
        };
        let reasons = [
            Reason::Source("raw.orders".to_owned()),
            Reason::SeedContent,
            Reason::Env("A".to_owned()),
            Reason::Env("MB_*".to_owned()),
            Reason::Var("a:b".to_owned()),
            Reason::Computed,
            Reason::Context("graph.nodes".to_owned()),
            Reason::Context("target".to_owned()),
        ];
        assert_eq!(differing(&of("1"), &of("2")), reasons);
        assert_eq!(differing(&of("1"), &of("1")), []);
    }

    #[test]
    fn a_name_on_one_side_only_is_no_change_of_a_value() {
        let only = |key: &str| BTreeMap::from([(key.to_owned(), "1".to_owned())]);
        assert_eq!(differing(&only("env_var:A"), &only("env_var:B")), []);
    }
}
