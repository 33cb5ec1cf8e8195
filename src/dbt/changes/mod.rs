//! Which nodes differ between two manifests, and why.
//!
//! dbt's `state:modified` is the measure; where it is blind to what a warehouse will hold (values
//! behind `env_var` and `var`, `generate_*_name`, materializations, conditions around `ref`)
//! this comparison is finer, and where it is confused by spelling (tuples, an upgrade of dbt,
//! defaults written out) coarser. `docs/agreement.md` has the table.

mod closure;
mod mentions;
mod parts;
mod same;

#[cfg(test)]
mod tests;

use crate::dbt::manifest::{Manifest, Node};
use crate::digest::Pieces;
use crate::trees::IntoTree;
use closure::Closures;
use parts::{Keys, Part, parts, user_keys};
use same::Spelling;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why a node has to be built; dbt's own sub-selectors where there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not in the baseline.
    New,
    /// `state:modified.body`.
    Body,
    /// A key of the rendered configuration.
    Config(String),
    /// The relation's name in the warehouse.
    Relation,
    /// The file moved.
    Path,
    /// The enforced contract.
    Contract,
    /// A macro that it reaches, with the one it calls it through, if any.
    Macro(String, Option<String>),
    /// A persisted description.
    Description,
    /// Version, access or deprecation.
    Version,
    /// It reads other nodes than before (a condition around `ref`).
    Parents,
    /// A source that it reads points elsewhere.
    Source(String),
    /// A seed's file.
    SeedContent,
    /// The value of an environment variable; never the value itself.
    Env(String),
    /// The value of a var.
    Var(String),
    /// A name that is computed at run time: some variable of the environment, or var, changed.
    Computed,
    /// Not built by an earlier run, in its words: `failed in the last run`.
    Pending(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::Body => f.write_str("body"),
            Self::Config(key) => write!(f, "config {key}"),
            Self::Relation => f.write_str("relation"),
            Self::Path => f.write_str("path"),
            Self::Contract => f.write_str("contract"),
            Self::Macro(name, None) => write!(f, "macro {name}"),
            Self::Macro(name, Some(through)) => write!(f, "macro {name} (through {through})"),
            Self::Description => f.write_str("persisted description"),
            Self::Version => f.write_str("version"),
            Self::Parents => f.write_str("parents"),
            Self::Source(name) => write!(f, "source {name}"),
            Self::SeedContent => f.write_str("seed content"),
            Self::Env(name) => write!(f, "env_var {name}"),
            Self::Var(name) => write!(f, "var {name}"),
            Self::Computed => f.write_str("an env_var or var whose name is computed"),
            Self::Pending(why) => f.write_str(why),
        }
    }
}

/// What has to be built and why, by `unique_id`: nodes that differ from the baseline themselves.
/// What is downstream of them is not in it.
pub type Needs = BTreeMap<String, Vec<Reason>>;

/// Nodes of `now` that are not as they were in `before`, each with every reason; what was
/// deleted has no entry, and descendants are not included.
#[must_use]
pub fn changes(before: &Manifest<'_>, now: &Manifest<'_>) -> Needs {
    let comparison = Comparison {
        before,
        now,
        closures_before: Closures::new(before),
        closures_now: Closures::new(now),
        spelling: if before.generation() == now.generation() {
            Spelling::Same
        } else {
            Spelling::Different
        },
    };
    let reasons = now.names().map(|(id, _)| (id.to_owned(), comparison.reasons(id)));
    reasons.filter(|(_, reasons)| !reasons.is_empty()).collect()
}

struct Comparison<'m, 'a> {
    before: &'m Manifest<'a>,
    now: &'m Manifest<'a>,
    closures_before: Closures<'m, 'a>,
    closures_now: Closures<'m, 'a>,
    spelling: Spelling,
}

impl Comparison<'_, '_> {
    fn reasons(&self, id: &str) -> Vec<Reason> {
        let (Some(old), Some(new)) = (self.before.node(id), self.now.node(id)) else {
            return vec![Reason::New];
        };
        let mut reasons = BTreeSet::from_iter(self.macros(id));
        let reads_sources = new.depends_on.nodes.iter().any(|id| id.starts_with("source."));
        if reads_sources || !old.spelled_alike(new) {
            reasons.extend(self.differences(old, new));
        }
        reasons.into_iter().collect()
    }

    fn differences(&self, old: &Node<'_>, new: &Node<'_>) -> BTreeSet<Reason> {
        let keys = user_keys(old).into_iter().chain(user_keys(new)).collect();
        let old = parts(self.before, old, Keys::Set(&keys));
        let new = parts(self.now, new, Keys::Set(&keys));
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let differs = |name: &&&parts::Name| match (old.get(**name), new.get(**name)) {
            (Some(old), Some(new)) => !old.same(new, self.spelling),
            (Some(part), None) | (None, Some(part)) => self.counts_alone(&name.0, part),
            (None, None) => false,
        };
        names.iter().filter(differs).map(|name| name.0.clone()).collect()
    }

    /// A part that one side lacks. Another generation of dbt may not write it at all, but every
    /// one writes a configuration that the user set. (All but `materialized` of a function.)
    fn counts_alone(&self, reason: &Reason, part: &Part<'_>) -> bool {
        let Reason::Config(key) = reason else { return self.spelling == Spelling::Same };
        self.spelling == Spelling::Same || (key != "materialized" && !part.is_null())
    }

    /// Macros that only one of the two reaches count as well: another override was found.
    /// Between generations of dbt, which resolve calls differently, they count only if the
    /// macro itself is new or gone.
    fn macros(&self, id: &str) -> Vec<Reason> {
        let old = self.closures_before.reached(id);
        let new = self.closures_now.reached(id);
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let differs = |name: &&str| {
            let resolved_alike = old.contains_key(name) == new.contains_key(name);
            (!resolved_alike && self.spelling == Spelling::Same)
                || self.closures_before.digest(name) != self.closures_now.digest(name)
        };
        let reason = |name: &str| {
            let through = new.get(name).or_else(|| old.get(name)).copied().flatten();
            Reason::Macro(self.short(name), through.map(|through| self.short(through)))
        };
        names.into_iter().filter(differs).map(reason).collect()
    }

    /// `macro.shop.cents` is `cents` to the project `shop`.
    fn short(&self, id: &str) -> String {
        let name = id.strip_prefix("macro.").unwrap_or(id);
        let own = self.now.project_name().and_then(|project| name.strip_prefix(project));
        own.and_then(|rest| rest.strip_prefix('.')).unwrap_or(name).to_owned()
    }
}

/// By `unique_id`, of those that the manifest has: a digest of everything that [`changes`]
/// compares, so that a node that went back to what was built is recognised. Good within one
/// generation of dbt; between two, equal digests still mean equal nodes.
///
/// A digest costs ten times the comparison of a node, hence only of those asked for.
#[must_use]
pub fn fingerprints(manifest: &Manifest<'_>, ids: &[&str]) -> BTreeMap<String, String> {
    if ids.is_empty() {
        return BTreeMap::new();
    }
    let closures = Closures::new(manifest);
    let fingerprint = |id: &str| {
        let node = manifest.node(id)?;
        let mut hash = Pieces::new();
        for ((reason, label), part) in parts(manifest, node, Keys::All) {
            hash.add(format!("{reason} {label}").as_bytes());
            hash.add(part.canonical().as_bytes());
        }
        for name in closures.reached(id).keys() {
            hash.add(name.as_bytes());
            hash.add(closures.digest(name).unwrap_or_default().as_bytes());
        }
        Some((id.to_owned(), hash.short_hex(16)))
    };
    ids.iter().filter_map(|id| fingerprint(id)).into_tree()
}
