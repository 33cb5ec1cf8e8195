//! Where a node reads what it reads: in the code that `dbt compile` shows, or around it.
//!
//! `compiled_code` (dbt 1.8 to 1.13) is the node's own code, rendered. What its materialization, its
//! strategy and dbt's own overridden macros add when it is built is not in it.

use super::fingerprint::key;
use super::library::Library;
use super::walk::Walk;
use super::{Facet, objects};
use crate::dbt::manifest::Node;
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// The macros and values of a node, by where they take effect.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ByCode<'m> {
    /// Every macro that its code reaches, those of dbt and the adapter included.
    pub in_code: BTreeSet<&'m str>,
    /// The macros of the project and its packages that act around its code. A difference in one of
    /// these does not show in compiled code.
    pub around: BTreeSet<&'m str>,
    /// The values that these macros read, by the names of their fingerprints.
    pub values_around: BTreeSet<String>,
    /// They read others, whose names the code does not say.
    pub others_around: bool,
}

fn stands_for_others(facet: &Facet) -> bool {
    matches!(facet, Facet::EnvVarsOf(_) | Facet::VarsOf(_) | Facet::Source(_))
}

impl<'m> Library<'m> {
    /// The macros and values of a node of the same manifest, by where they take effect.
    #[must_use]
    pub fn by_code(&self, id: &str, node: &Node<'_>) -> ByCode<'m> {
        let walk = Walk::new(self, id, node);
        let mut found = ByCode::default();
        for closure in walk.code_closures() {
            found.in_code.extend(closure.macros.iter().filter_map(|at| self.id(*at)));
        }
        for closure in walk.closures_around() {
            found.around.extend(closure.macros.iter().filter_map(|at| self.own_id(*at)));
            found.values_around.extend(closure.facets.iter().map(|facet| self.key(facet)));
            found.others_around |= closure.facets.iter().any(stands_for_others);
        }
        let overrides = |id: &&&str| self.at(id).is_some_and(|at| self.overrides(at));
        let overriding: BTreeSet<&str> =
            found.in_code.iter().filter(overrides).copied().into_tree();
        found.around.extend(overriding);
        found
    }

    /// The name of the fingerprint of a value; see [`super::objects::key`].
    fn key(&self, facet: &Facet) -> String {
        if let Facet::Object(path) = facet {
            return objects::key(path, self.generation());
        }
        key(facet)
    }

    /// Whether a macro of the project or a package has the name of one of dbt's or the adapter's,
    /// which may then call it in its place: `default__create_table_as` for `create_table_as`.
    fn overrides(&self, at: usize) -> bool {
        let Some(id) = self.own_id(at) else { return false };
        let name = id.rsplit('.').next().unwrap_or(id);
        let base = name.split_once("__").map_or(name, |(_, base)| base);
        [name, base].into_iter().any(|name| self.namespace().is_of_dbt(name))
    }
}
