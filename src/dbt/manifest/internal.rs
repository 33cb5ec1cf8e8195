//! Tells the macros of dbt and of the adapter from those of the project and its packages.
//!
//! Macros of dbt and of the adapter change only with an upgrade, and an upgrade by itself must not
//! rebuild anything.

use super::{Macro, Manifest};
use crate::trees::IntoTree;
use std::collections::BTreeSet;

/// How the name of a macro begins that is a materialization. Its own name and that of an adapter, or
/// `default`, follow.
pub(in crate::dbt) const MATERIALIZATION: &str = "materialization_";

/// Adapters with the adapter on which they are based and whose macros they inherit.
const BASES: [(&str, &str); 8] = [
    ("databricks", "spark"),
    ("fabric", "sqlserver"),
    ("greenplum", "postgres"),
    ("materialize", "postgres"),
    ("redshift", "postgres"),
    ("risingwave", "postgres"),
    ("synapse", "fabric"),
    ("yellowbrick", "postgres"),
];

impl Manifest<'_> {
    /// The adapter of the project, followed by those from which it inherits macros, nearest first.
    #[must_use]
    pub fn adapters(&self) -> Vec<&str> {
        let mut adapters: Vec<&str> = self.adapter_type().into_iter().collect();
        while let Some((_, base)) = BASES.iter().find(|(name, _)| adapters.last() == Some(name)) {
            adapters.push(base);
        }
        adapters
    }

    /// The materializations that the project or its packages define. They may leave no relation.
    #[must_use]
    pub fn own_materializations(&self) -> BTreeSet<String> {
        let own = self.macros().filter(|(_, found)| !self.is_internal(found));
        let kind = |name: &str| {
            let name = name.strip_prefix(MATERIALIZATION)?;
            Some(name.rsplit_once('_').map_or(name, |(kind, _adapter)| kind).to_owned())
        };
        own.filter_map(|(_, found)| kind(&found.name)).into_tree()
    }

    /// Whether the macro comes with dbt or the adapter: its package is `dbt` or, for example,
    /// `dbt_duckdb`. `dbt_utils` is a package of the user.
    #[must_use]
    pub fn is_internal(&self, found: &Macro<'_>) -> bool {
        let package = &*found.package_name;
        let adapter = package.strip_prefix("dbt_");
        package == "dbt" || adapter.is_some_and(|adapter| self.adapters().contains(&adapter))
    }
}
