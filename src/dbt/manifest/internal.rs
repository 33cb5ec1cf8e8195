//! Which macros come with dbt or the adapter, rather than with the project or its packages.

use super::{Macro, Manifest};

/// Adapters that are built on another one, whose macros they inherit.
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
    /// The adapter and those it inherits from, the most special first.
    #[must_use]
    pub fn adapters(&self) -> Vec<&str> {
        let mut adapters: Vec<&str> = self.adapter_type().into_iter().collect();
        while let Some((_, base)) = BASES.iter().find(|(name, _)| adapters.last() == Some(name)) {
            adapters.push(base);
        }
        adapters
    }

    /// Comes with dbt or the adapter: packages `dbt`, `dbt_duckdb`… `dbt_utils` is a user's.
    #[must_use]
    pub fn is_internal(&self, found: &Macro<'_>) -> bool {
        let package = &*found.package_name;
        let adapter = package.strip_prefix("dbt_");
        package == "dbt" || adapter.is_some_and(|adapter| self.adapters().contains(&adapter))
    }
}
