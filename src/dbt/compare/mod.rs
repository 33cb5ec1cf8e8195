//! Which nodes differ between two manifests, and why.
//!
//! dbt's `state:modified` is the measure; where it is blind to what a warehouse will hold (values
//! behind `env_var` and `var`, `generate_*_name`, materializations, conditions around `ref`, macros
//! that are called only when a node is built)
//! this comparison is finer, and where it is confused by spelling (tuples, an upgrade of dbt,
//! defaults written out) coarser. `docs/agreement.md` has the table.

mod by_code;
mod hooks;
mod macros;
mod parts;
mod same;
mod values;

#[cfg(test)]
mod tests;

use crate::dbt::manifest::{Manifest, Node};
use crate::dbt::reads::Reads;
use crate::digest::Pieces;
use crate::trees::IntoTree;
pub use by_code::ByCompiledCode;
pub use hooks::changed_hooks;
use macros::{Macros, Reach};
use parts::{Keys, Part, PartKey, parts, user_keys};
pub(super) use parts::{is_fleeting, makes_sets, sorted_json};
use same::Spelling;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
pub use values::differing;

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
    /// Something of dbt's Jinja context that it reads: `graph`, `target.name`.
    Context(String),
    /// Not built by an earlier run, in its words: `failed in the last run`.
    Pending(String),
}

impl Reason {
    /// Whether this may not matter: what is known is only that something differs that the node could
    /// read.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        // Of a name that is computed only its beginning is known.
        if let Self::Env(name) | Self::Var(name) | Self::Source(name) = self {
            return name.ends_with('*');
        }
        matches!(self, Self::Computed | Self::Context(_))
    }

    /// The word that stands for it, and what that means; `None` where it says so itself.
    #[must_use]
    pub fn explained(&self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::New | Self::Pending(_) => return None,
            Self::Body => ("body", "its SQL or Python code"),
            Self::Config(_) => ("config", "this key of its rendered configuration"),
            Self::Relation => ("relation", "its name in the warehouse: database, schema or alias"),
            Self::Path => ("path", "its file moved"),
            Self::Contract => ("contract", "its enforced contract: columns and constraints"),
            Self::Macro(..) => ("macro", "a macro that it uses, directly or through another one"),
            Self::Description => ("persisted description", "a description kept in the warehouse"),
            Self::Version => ("version", "its version, access or deprecation"),
            Self::Parents => ("parents", "it reads other nodes than before"),
            Self::Source(_) => ("source", "a source that it reads points elsewhere"),
            Self::SeedContent => ("seed content", "its CSV file"),
            Self::Env(_) => ("env_var", "the value of a variable of the environment"),
            Self::Var(_) => ("var", "the value of a dbt variable"),
            Self::Computed => ("computed", "a variable whose name its code computes"),
            Self::Context(_) => ("context", "something of dbt's Jinja context that it may read"),
        })
    }
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
            Self::Context(name) => write!(f, "{name} changed"),
            Self::Pending(why) => f.write_str(why),
        }
    }
}

/// What has to be built and why, by `unique_id`: nodes that differ from the baseline themselves.
/// What is downstream of them is not in it.
pub type Needs = BTreeMap<String, Vec<Reason>>;

/// Nodes of `now` that are not as they were in `before`, each with every reason; what was
/// deleted has no entry, and descendants are not included.
///
/// Either manifest may be of a parse or of the end of a run.
#[must_use]
pub fn compare(before: &Manifest<'_>, now: &Manifest<'_>) -> Needs {
    let comparison = ManifestPair::new(before, now);
    let reasons = now.names().map(|(id, _)| (id.to_owned(), comparison.reasons(id)));
    reasons.filter(|(_, reasons)| !reasons.is_empty()).into_tree()
}

struct ManifestPair<'m, 'a> {
    before: &'m Manifest<'a>,
    now: &'m Manifest<'a>,
    macros_before: Macros<'m, 'a>,
    macros_now: Macros<'m, 'a>,
    /// Those whose code differs, unless names may mean other macros than before.
    changed_macros: Option<BTreeSet<&'m str>>,
    spelling: Spelling,
}

impl<'m, 'a> ManifestPair<'m, 'a> {
    fn new(before: &'m Manifest<'a>, now: &'m Manifest<'a>) -> Self {
        let (macros_before, macros_now) = (Macros::new(before), Macros::new(now));
        Self {
            before,
            now,
            changed_macros: macros_before.changed(&macros_now),
            macros_before,
            macros_now,
            spelling: if before.generation() == now.generation() {
                Spelling::Same
            } else {
                Spelling::Different
            },
        }
    }

    fn reasons(&self, id: &str) -> Vec<Reason> {
        let (Some(old), Some(new)) = (self.before.node(id), self.now.node(id)) else {
            return vec![Reason::New];
        };
        let alike = old.spelled_alike(new);
        let mut reasons = BTreeSet::new();
        if !(alike && self.reaches_the_same(id, old, new)) {
            reasons.extend(self.macros(id, old, new));
        }
        let is_elsewhere = |id: &str| {
            id.starts_with("source.") || self.now.node(id).is_some_and(Node::is_external)
        };
        let reads_elsewhere = new.depends_on.nodes.iter().any(|id| is_elsewhere(id));
        if reads_elsewhere || !alike {
            reasons.extend(self.differences(old, new));
        }
        reasons.into_iter().collect()
    }

    /// Whether a node of the same code cannot but reach the same macros.
    fn reaches_the_same(&self, id: &str, old: &Node<'_>, new: &Node<'_>) -> bool {
        old.depends_on.macros == new.depends_on.macros
            && self
                .changed_macros
                .as_ref()
                .is_some_and(|changed| !self.macros_now.reaches_any(id, new, changed))
    }

    fn differences(&self, old: &Node<'_>, new: &Node<'_>) -> BTreeSet<Reason> {
        let keys = user_keys(old).into_iter().chain(user_keys(new)).into_tree();
        let old = parts(self.before, old, Keys::Set(&keys));
        let new = parts(self.now, new, Keys::Set(&keys));
        let names: BTreeSet<_> = old.keys().chain(new.keys()).into_tree();
        let differs = |name: &&&PartKey| match (old.get(**name), new.get(**name)) {
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

    /// The macros for which the node has to be built: those that are new, gone or edited; within a
    /// generation of dbt also those that only one of the two reaches, for another override was
    /// found. (Generations resolve calls differently.)
    fn macros(&self, id: &str, old: &Node<'_>, new: &'m Node<'_>) -> Vec<Reason> {
        let reason = |(name, through): (&str, Option<&str>)| {
            Reason::Macro(self.short(name), through.map(|through| self.short(through)))
        };
        self.differing_macros(id, old, new).into_iter().map(reason).collect()
    }

    /// The same macros by `unique_id`, each with the one through which the node reaches it.
    fn differing_macros(
        &self,
        id: &str,
        old: &Node<'_>,
        new: &'m Node<'_>,
    ) -> Vec<(&'m str, Option<&'m str>)> {
        let (old, now) = (self.macros_before.reads(id, old), self.macros_now.reads(id, new));
        let reach = Reach::new(old, now, new);
        let differs = |(name, _): &(&str, Option<&str>)| {
            (self.spelling == Spelling::Same && reach.is_other(name))
                || self.macros_before.digest(name) != self.macros_now.digest(name)
        };
        reach.all().into_iter().filter(differs).collect()
    }

    /// `macro.shop.cents` is `cents` to the project `shop`.
    fn short(&self, id: &str) -> String {
        let name = id.strip_prefix("macro.").unwrap_or(id);
        let own = self.now.project_name().and_then(|project| name.strip_prefix(project));
        own.and_then(|rest| rest.strip_prefix('.')).unwrap_or(name).to_owned()
    }
}

/// By `unique_id`, of those that the manifest has: a digest of everything that [`compare`]
/// compares, so that a node that went back to what was built is recognised. Good within one
/// generation of dbt; between two, equal digests still mean equal nodes.
///
/// A digest costs ten times the comparison of a node, hence only of those asked for.
#[must_use]
pub fn fingerprints(manifest: &Manifest<'_>, ids: &[&str]) -> BTreeMap<String, String> {
    let macros = Macros::new(manifest);
    let fingerprint = |id: &str| {
        let node = manifest.node(id)?;
        let mut hash = Pieces::new();
        for ((reason, label), part) in parts(manifest, node, Keys::All) {
            hash.add(format!("{reason} {label}").as_bytes());
            hash.add(part.canonical().as_bytes());
        }
        let Reads { macros: reached, listed, dispatched, .. } = macros.reads(id, node);
        let names: BTreeSet<&str> =
            reached.into_keys().chain(listed.into_values().flatten()).into_tree();
        for name in names {
            hash.add(name.as_bytes());
            hash.add(macros.digest(name).unwrap_or_default().as_bytes());
        }
        for name in dispatched {
            hash.add(name.as_bytes());
        }
        Some((id.to_owned(), hash.short_hex(16)))
    };
    ids.iter().filter_map(|id| fingerprint(id)).into_tree()
}
