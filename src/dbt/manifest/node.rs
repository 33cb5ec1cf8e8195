//! Nodes, sources and macros as dbt writes them, reduced to what decisions need.

use super::text::{Text, json_text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Model, seed, snapshot, test, unit test, function, analysis or operation.
///
/// `null` and absent are the same here. Parts in their file's spelling are [`RawValue`]s.
#[derive(Debug, Deserialize)]
pub struct Node<'a> {
    /// `model`, `seed`, `snapshot`, `test`, `unit_test`, `function`, `analysis`, `operation`.
    #[serde(borrow)]
    pub resource_type: Text<'a>,
    /// Its name within its package.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The project that it belongs to: the root project or an installed package.
    #[serde(borrow)]
    pub package_name: Text<'a>,
    /// Relative to the root of its package, e.g. `models/marts/orders.sql`.
    #[serde(borrow)]
    pub original_file_path: Text<'a>,
    /// `sql` or `python`; seeds of dbt 1.x have none.
    #[serde(borrow, default)]
    pub language: Option<Text<'a>>,
    /// The database's full name for it, quoted; none for ephemeral models and most tests.
    #[serde(borrow, default)]
    pub relation_name: Option<Text<'a>>,
    /// What it reads and which macros it calls.
    #[serde(borrow, default)]
    pub depends_on: DependsOn<'a>,
    /// The configuration after rendering and merging: an object.
    #[serde(borrow, default)]
    pub config: Option<&'a RawValue>,
    /// What the user configured, an object; dbt before 1.12 renders part of it.
    #[serde(borrow, default)]
    pub unrendered_config: Option<&'a RawValue>,
    #[serde(borrow, default)]
    raw_code: Option<&'a RawValue>,
    /// Seeds: `{name: sha256|path, checksum}`; unit tests of dbt 1.x: a string.
    #[serde(borrow, default)]
    pub(crate) checksum: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) fqn: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) columns: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) constraints: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) latest_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) access: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) deprecation_date: Option<&'a RawValue>,
    /// Generic tests only.
    #[serde(borrow, default)]
    pub(crate) test_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) given: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) expect: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) overrides: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) returns: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) overloads: Option<&'a RawValue>,
}

/// `depends_on`, by `unique_id`.
#[derive(Debug, Default, Deserialize)]
pub struct DependsOn<'a> {
    /// Nodes and sources.
    #[serde(borrow, default)]
    pub nodes: Vec<Text<'a>>,
    /// Macros that it calls itself, as far as dbt could tell when it parsed.
    #[serde(borrow, default)]
    pub macros: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct Materialized<'a> {
    #[serde(borrow, default)]
    materialized: Option<Text<'a>>,
}

/// Materializations that keep the rows that are there, unless they are built with
/// `--full-refresh`. (ClickHouse's and Materialize's views included; a table or a plain view is
/// made anew each time.)
pub const KEEPS_ROWS: [&str; 3] = ["incremental", "materialized_view", "distributed_incremental"];

#[derive(Deserialize)]
struct FullRefresh {
    #[serde(default)]
    full_refresh: Option<bool>,
}

impl<'a> Node<'a> {
    /// SQL or Python as it stands in the file; empty for seeds.
    #[must_use]
    pub fn raw_code(&self) -> Cow<'a, str> {
        self.raw_code.map_or(Cow::Borrowed(""), json_text)
    }

    /// Whether every part that is ever compared is spelled alike, which for most nodes saves
    /// looking into them. `false` says nothing.
    #[must_use]
    pub fn spelled_alike(&self, other: &Self) -> bool {
        self.resource_type == other.resource_type
            && self.relation_name == other.relation_name
            && self.depends_on.nodes == other.depends_on.nodes
            && self.spelling() == other.spelling()
    }

    fn spelling(&self) -> [Option<&str>; 18] {
        [
            self.config,
            self.unrendered_config,
            self.raw_code,
            self.checksum,
            self.fqn,
            self.description,
            self.columns,
            self.constraints,
            self.latest_version,
            self.access,
            self.deprecation_date,
            self.test_metadata,
            self.given,
            self.expect,
            self.overrides,
            self.arguments,
            self.returns,
            self.overloads,
        ]
        .map(|part| part.map(RawValue::get))
    }

    /// Whether a build leaves the rows that are there as they are. `config.full_refresh` wins
    /// over the command line.
    #[must_use]
    pub fn keeps_rows(&self, full_refresh: bool) -> bool {
        let keeps = self.materialized().is_some_and(|kind| KEEPS_ROWS.contains(&&*kind));
        let own = self.config.and_then(|raw| serde_json::from_str::<FullRefresh>(raw.get()).ok());
        let refreshes = own.and_then(|own| own.full_refresh).unwrap_or(full_refresh);
        keeps && !refreshes
    }

    /// The rendered `config.materialized`.
    #[must_use]
    pub fn materialized(&self) -> Option<Text<'a>> {
        serde_json::from_str::<Materialized<'a>>(self.config?.get()).ok()?.materialized
    }
}

/// A source table: what its readers depend on.
#[derive(Debug, Deserialize)]
pub struct Source<'a> {
    /// `source_name` and `name` as `source('…', '…')` takes them.
    #[serde(borrow)]
    pub source_name: Text<'a>,
    /// See [`Source::source_name`].
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The database's full name for it, quoted.
    #[serde(borrow, default)]
    pub relation_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) identifier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) quoting: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) external: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) source_meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) config: Option<&'a RawValue>,
}

/// A macro, generic test or materialization.
#[derive(Debug, Deserialize)]
pub struct Macro<'a> {
    /// Its name without the package.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The project, package or adapter (`dbt`, `dbt_duckdb`) that defines it.
    #[serde(borrow)]
    pub package_name: Text<'a>,
    #[serde(borrow)]
    macro_sql: &'a RawValue,
    #[serde(borrow, default)]
    depends_on: DependsOn<'a>,
}

impl<'a> Macro<'a> {
    /// Its text, with the tags around it.
    #[must_use]
    pub fn macro_sql(&self) -> Cow<'a, str> {
        json_text(self.macro_sql)
    }

    /// `unique_id`s of the macros that it calls, as far as dbt could tell; dispatch included.
    #[must_use]
    pub fn calls(&self) -> &[Text<'a>] {
        &self.depends_on.macros
    }
}
