//! Compares what the baseline claims with what the warehouse holds.
//!
//! What a role may not see looks like something that is not there. So a warehouse that lacks much at
//! once is not believed, and neither is a schema of which nothing can be seen.

use crate::count::counted;
use crate::dbt::asked::Address;
use crate::dbt::manifest::{Manifest, Node};
use crate::decide::budget::Limit;
use crate::decide::record::NodeRecord;
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// `--verify`: when a run has the warehouse asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Never.
    Never,
    /// Before a run that starts dbt.
    Changed,
    /// Before every run.
    Always,
    /// Before a run, if the last look is at least so many seconds old.
    Older(u64),
}

impl Verify {
    /// Whether to ask before it is known that dbt has to be started. `last` is when the warehouse was
    /// asked last, `now` the time, both in seconds since the epoch.
    #[must_use]
    pub fn is_due(self, last: Option<u64>, now: u64) -> bool {
        match self {
            Self::Never | Self::Changed => false,
            Self::Always => true,
            // A clock that was set back says nothing.
            Self::Older(age) => last.is_none_or(|last| last > now || now - last >= age),
        }
    }
}

/// Materializations after which a relation of a known type is there.
const TABLES: [&str; 4] = ["table", "incremental", "seed", "snapshot"];

/// Other materializations after which there is a relation.
const OTHERS: [&str; 7] = [
    "materialized_view",
    "dynamic_table",
    "streaming_table",
    "distributed_table",
    "distributed_incremental",
    "dictionary",
    "external",
];

/// What type the relation of a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// `view`.
    View,
    /// `table`.
    Table,
    /// This type, which is neither.
    Other(&'static str),
    /// A type that depends on the adapter.
    Something,
    /// Perhaps there is no relation: the materialization is the project's own.
    Unknown,
}

impl Expected {
    /// What a materialization of dbt's or the adapter's leaves.
    #[must_use]
    pub fn of(materialization: &str) -> Self {
        match materialization {
            "view" => Self::View,
            kind if TABLES.contains(&kind) => Self::Table,
            kind if OTHERS.contains(&kind) => Self::Something,
            _ => Self::Unknown,
        }
    }

    /// The same, more exactly, where the types are known that this adapter lists.
    #[must_use]
    pub fn on(adapter: Option<&str>, materialization: &str) -> Self {
        match (adapter, materialization) {
            (Some("clickhouse"), "dictionary") => Self::Other("dictionary"),
            // A materialized view is listed as the table that it writes into.
            (Some("clickhouse"), kind) if OTHERS.contains(&kind) => Self::Table,
            (Some("postgres"), "materialized_view") => Self::Other("materialized_view"),
            (_, kind) => Self::of(kind),
        }
    }

    /// Whether a relation of this type is another one than was built.
    #[must_use]
    pub fn contradicts(self, found: &str) -> bool {
        match self {
            Self::View => matches!(found, "table" | "dictionary"),
            Self::Table => matches!(found, "view" | "dictionary" | "materialized_view"),
            Self::Other(_) => matches!(found, "table" | "view"),
            Self::Something | Self::Unknown => false,
        }
    }

    /// What is wrong if a relation of this type was found, or none.
    fn wrong(self, found: Option<&str>) -> Option<Wrong> {
        match found {
            None => (self != Self::Unknown).then_some(Wrong::Missing),
            Some(found) => {
                self.contradicts(found).then(|| Wrong::OtherType(found.to_owned(), self))
            }
        }
    }
}

/// A relation that the baseline claims to be in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The `unique_id` of the node that was built into it.
    pub id: String,
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub expected: Expected,
}

/// The relations that a baseline claims, in the order of the manifest. Ephemeral models, tests,
/// functions and models of other projects claim none.
#[must_use]
pub fn claims(manifest: &Manifest<'_>) -> Vec<Claim> {
    let own = manifest.own_materializations();
    let claim = |(id, node): (&str, &Node<'_>)| {
        let is_built = matches!(&*node.resource_type, "model" | "seed" | "snapshot");
        node.relation_name.as_ref().filter(|_| is_built && !node.is_external())?;
        let kind = node.materialized();
        let kind = kind.as_deref().unwrap_or(&node.resource_type);
        let expected = match kind {
            "ephemeral" => return None,
            kind if own.contains(kind) => Expected::Unknown,
            kind => Expected::on(manifest.adapter_type(), kind),
        };
        let address = Address {
            database: node.database.as_deref().map(str::to_owned),
            schema: node.schema.as_deref()?.to_owned(),
            identifier: node.alias.as_deref().unwrap_or(&node.name).to_owned(),
        };
        Some(Claim { id: id.to_owned(), address, expected })
    };
    manifest.nodes().filter_map(claim).collect()
}

/// The relations that nodes were last built into which are still to be built, whose old relation counts
/// if their change is reverted.
#[must_use]
pub fn waiting(manifest: &Manifest<'_>, nodes: &BTreeMap<String, NodeRecord>) -> Vec<Claim> {
    let own = manifest.own_materializations();
    let claim = |(id, node): (&String, &NodeRecord)| {
        node.pending.as_ref()?;
        let expected = match node.materialized.as_deref() {
            // Something was there, and an earlier version did not note what.
            None => Expected::Something,
            Some(kind) if own.contains(kind) => Expected::Unknown,
            Some(kind) => Expected::on(manifest.adapter_type(), kind),
        };
        let address = Address::of_name(node.relation.as_deref()?)?;
        Some(Claim { id: id.clone(), address, expected })
    };
    nodes.iter().filter_map(claim).collect()
}

/// What is wrong with a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is not there.
    Missing,
    /// Another type of relation is there, and this is not what was built.
    OtherType(String, Expected),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not in the warehouse"),
            Self::OtherType(found, expected) => {
                let built = match expected {
                    Expected::View => "view",
                    Expected::Other(kind) => kind,
                    Expected::Table | Expected::Something | Expected::Unknown => "table",
                };
                write!(f, "in the warehouse as a {found}, but built as a {built}")
            }
        }
    }
}

impl Wrong {
    /// The record of a node that has to be built again for this, or for what it has to be built anyway.
    /// No row of it is left.
    #[must_use]
    pub fn record(&self, old: NodeRecord) -> NodeRecord {
        let NodeRecord { inputs, seconds, pending, .. } = old;
        let pending = pending.or_else(|| Some(self.to_string()));
        NodeRecord { inputs, seconds, pending, unbuilt: true, ..NodeRecord::default() }
    }
}

/// What the warehouse said after a run of the nodes that the next baseline would claim, and of those
/// that are still to be built, by their `unique_id`.
#[derive(Debug, Default)]
pub struct SeenAfter {
    /// Those whose relation is there as it was built.
    pub there: BTreeSet<String>,
    /// What is wrong with the relations of others, in words.
    pub lacking: BTreeMap<String, String>,
}

/// What the warehouse holds of what the baseline claims.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// How many relations are claimed, those of [`Look::unseen`] left out.
    pub claimed: usize,
    /// By `unique_id`: what is wrong.
    pub wrong: Vec<(String, Wrong)>,
    /// Nodes of which no relation is there, and perhaps never was.
    pub unseen: Vec<String>,
    /// Nodes that are still to be built, and whose earlier relation is wrong.
    pub lost: Vec<(String, Wrong)>,
    /// Schemas of which no relation can be seen, with how many are claimed there.
    pub blind: Vec<(String, usize)>,
}

impl Look {
    /// Compare. `types` are those of the claims and then of the [`waiting`] ones, in their order; `None`
    /// where there is no relation.
    #[must_use]
    pub fn of(claims: &[Claim], waiting: &[Claim], types: &[Option<String>]) -> Self {
        let mut look = Self::default();
        let mut seen: Vec<(String, usize, usize)> = Vec::new();
        for (Claim { id, address, expected }, found) in claims.iter().zip(types) {
            if *expected == Expected::Unknown && found.is_none() {
                look.unseen.push(id.clone());
                continue;
            }
            let schema = address.full_schema();
            let is_it = |(known, ..): &(String, usize, usize)| *known == schema;
            let at = seen.iter().position(is_it).unwrap_or(seen.len());
            if at == seen.len() {
                seen.push((schema, 0, 0));
            }
            if let Some((_, claimed, there)) = seen.get_mut(at) {
                *claimed += 1;
                *there += usize::from(found.is_some());
            }
            look.claimed += 1;
            look.wrong.extend(expected.wrong(found.as_deref()).map(|wrong| (id.clone(), wrong)));
        }
        let types = types.get(claims.len()..).unwrap_or_default();
        for (Claim { id, address, expected }, found) in waiting.iter().zip(types) {
            let schema = address.full_schema();
            // Where nothing can be seen, nothing is known to be gone.
            let is_seen = found.is_some()
                || seen.iter().any(|(known, _, there)| *known == schema && *there > 0);
            let wrong = expected.wrong(found.as_deref()).filter(|_| is_seen);
            look.lost.extend(wrong.map(|wrong| (id.clone(), wrong)));
        }
        let blind = seen.into_iter().filter(|(.., there)| *there == 0);
        look.blind.extend(blind.map(|(schema, claimed, _)| (schema, claimed)));
        look
    }

    /// The same for a run. Of what may have been dropped, only what was seen is there.
    #[must_use]
    pub fn asked(
        &self,
        claims: &[Claim],
        waiting: &[Claim],
        types: &[Option<String>],
    ) -> SeenAfter {
        let all = claims.iter().chain(waiting).zip(types);
        let there = all.filter(|(_, found)| found.is_some()).map(|(claim, _)| claim.id.clone());
        let wrong = self.wrong.iter().chain(&self.lost);
        let lacking: BTreeMap<String, String> =
            wrong.map(|(id, wrong)| (id.clone(), wrong.to_string())).into_tree();
        let there = there.filter(|id| !lacking.contains_key(id)).into_tree();
        SeenAfter { there, lacking }
    }

    /// How many relations are not there.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.wrong.iter().filter(|(_, wrong)| *wrong == Wrong::Missing).count()
    }

    /// Why the warehouse is not believed; empty if it is. `most` is `--max-missing`.
    #[must_use]
    pub fn not_believed(&self, most: Option<Limit>) -> Vec<String> {
        let (missing, claimed) = (self.missing(), self.claimed);
        let mut reasons = Vec::new();
        #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
        let share = 100.0 * missing as f64 / claimed.max(1) as f64;
        let (is_beyond, allowed) = match most.unwrap_or(Limit::Percent(50.0)) {
            Limit::Nodes(limit) => (missing > limit, limit.to_string()),
            Limit::Percent(limit) => (missing > 0 && share > limit, format!("{limit} %")),
        };
        if is_beyond {
            reasons.push(format!(
                "not in the warehouse: {missing} of {}, but --max-missing allows {allowed}",
                counted(claimed, "relations")
            ));
        }
        let blind = self.blind.iter().filter(|_| most.is_none());
        reasons.extend(blind.map(|(schema, count)| {
            format!("nothing can be seen of the schema {schema}, where the baseline has {count}")
        }));
        reasons
    }
}

#[cfg(test)]
mod tests;
