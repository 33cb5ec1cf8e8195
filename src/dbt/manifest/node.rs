//! The nodes, sources and macros of a manifest, reduced to the fields that decisions depend on.

use super::text::{Text, json_text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A model, seed, snapshot, test, unit test, function, analysis or operation.
///
/// A field that is `null` and a field that is missing are the same here. A [`RawValue`] is the JSON
/// of a field exactly as the file has it.
#[derive(Debug, Deserialize)]
pub struct Node<'a> {
    /// `model`, `seed`, `snapshot`, `test`, `unit_test`, `function`, `analysis`, `operation`.
    #[serde(borrow)]
    pub resource_type: Text<'a>,
    /// The name of the node within its package.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The project that the node belongs to: the root project or an installed package.
    #[serde(borrow)]
    pub package_name: Text<'a>,
    /// The path of its file relative to the root of its package: `models/marts/orders.sql`.
    #[serde(borrow)]
    pub original_file_path: Text<'a>,
    /// `sql` or `python`; `None` for seeds of dbt 1.x.
    #[serde(borrow, default)]
    pub language: Option<Text<'a>>,
    /// The full quoted name of the relation in the warehouse; `None` for ephemeral models and most
    /// tests.
    #[serde(borrow, default)]
    pub relation_name: Option<Text<'a>>,
    /// The database of the relation; some adapters have none.
    #[serde(borrow, default)]
    pub database: Option<Text<'a>>,
    /// The schema of the relation.
    #[serde(borrow, default)]
    pub schema: Option<Text<'a>>,
    /// The name of the relation in its schema.
    #[serde(borrow, default)]
    pub alias: Option<Text<'a>>,
    /// The nodes and sources that it reads, and the macros that it calls.
    #[serde(borrow, default)]
    pub depends_on: DependsOn<'a>,
    /// The configuration after rendering and merging, a JSON object.
    #[serde(borrow, default)]
    pub config: Option<&'a RawValue>,
    /// The configuration as the user wrote it, a JSON object. dbt before 1.12 renders part of it.
    #[serde(borrow, default)]
    pub unrendered_config: Option<&'a RawValue>,
    #[serde(borrow, default)]
    raw_code: Option<&'a RawValue>,
    /// For seeds `{name: sha256|path, checksum}`; for unit tests of dbt 1.x a string.
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
    /// Only generic tests have it.
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
    /// The macros that the node calls itself, as far as dbt recognized them when it parsed.
    #[serde(borrow, default)]
    pub macros: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct Materialized<'a> {
    #[serde(borrow, default)]
    materialized: Option<Text<'a>>,
}

/// Materializations of which a build keeps the existing rows unless it runs with `--full-refresh`:
/// incremental models and materialized views (including those of ClickHouse and Materialize). A
/// table or a view is created anew by every build.
pub const KEEPS_ROWS: [&str; 3] = ["incremental", "materialized_view", "distributed_incremental"];

/// Materializations of which every build replaces the whole relation.
const REPLACED: [&str; 5] = ["table", "view", "seed", "ephemeral", "test"];

#[derive(Deserialize)]
struct FullRefresh {
    #[serde(default)]
    full_refresh: Option<bool>,
}

#[derive(Deserialize)]
struct Enabled {
    #[serde(default)]
    enabled: Option<bool>,
}

impl<'a> Node<'a> {
    /// The SQL or Python of the node as written in its file; empty for seeds.
    #[must_use]
    pub fn raw_code(&self) -> Cow<'a, str> {
        self.raw_code.map_or(Cow::Borrowed(""), json_text)
    }

    /// Whether it is a model of another project, which a plugin of dbt has added (dbt-loom). dbt knows
    /// it by the same mark: it has no file (`ModelNode.is_external_node`).
    #[must_use]
    pub fn is_external(&self) -> bool {
        &*self.resource_type == "model" && self.original_file_path.is_empty()
    }

    /// Whether all compared fields have the same JSON text in both nodes. `true` means that the
    /// nodes are equal, which saves the exact comparison for most nodes; `false` means nothing.
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

    /// Whether a build leaves the existing rows in place. `full_refresh` says whether the command
    /// has `--full-refresh`; the node's `config.full_refresh` overrides it.
    #[must_use]
    pub fn keeps_rows(&self, full_refresh: bool) -> bool {
        let keeps = self.materialized().is_some_and(|kind| KEEPS_ROWS.contains(&&*kind));
        keeps && !self.full_refresh().unwrap_or(full_refresh)
    }

    /// `config.full_refresh`.
    fn full_refresh(&self) -> Option<bool> {
        let own = self.config.and_then(|raw| serde_json::from_str::<FullRefresh>(raw.get()).ok());
        own.and_then(|own| own.full_refresh)
    }

    /// Whether a build may leave rows of an earlier build in place. True for every materialization
    /// that is not known to replace the whole relation, including custom materializations.
    #[must_use]
    pub fn appends(&self) -> bool {
        matches!(&*self.resource_type, "model" | "snapshot")
            && self.materialized().is_some_and(|kind| !REPLACED.contains(&&*kind))
    }

    /// Whether `--full-refresh` makes the relation anew that a plain build would add to. It does
    /// not for a snapshot, nor where `config.full_refresh` is false.
    #[must_use]
    pub fn is_made_anew(&self) -> bool {
        self.appends() && &*self.resource_type == "model" && self.full_refresh() != Some(false)
    }

    /// Whether a build drops the relation, or one that it puts in its place. `is_changed` says
    /// whether the node has changed: a change of its configuration may ask for that.
    #[must_use]
    pub fn is_recreated(&self, full_refresh: bool, is_changed: bool) -> bool {
        match &*self.resource_type {
            "seed" => self.full_refresh().unwrap_or(full_refresh),
            "model" => is_changed || !self.keeps_rows(full_refresh),
            _ => false,
        }
    }

    /// Whether the relation may be a view, which goes with the relations that it reads.
    #[must_use]
    pub fn is_view(&self) -> bool {
        &*self.resource_type == "model"
            && self.materialized().is_none_or(|kind| &*kind != "ephemeral" && may_be_view(&kind))
    }

    /// Whether `config.enabled` says so. A full parse leaves tests of disabled nodes among the nodes;
    /// a partial parse moves them to `disabled`. dbt runs them in neither place.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        is_disabled(self.config)
    }

    /// The rendered `config.materialized`.
    #[must_use]
    pub fn materialized(&self) -> Option<Text<'a>> {
        serde_json::from_str::<Materialized<'a>>(self.config?.get()).ok()?.materialized
    }
}

/// Whether a configuration says that its node is disabled.
pub(super) fn is_disabled(config: Option<&RawValue>) -> bool {
    let json = config.map_or("", RawValue::get);
    let told = || serde_json::from_str::<Enabled>(json).ok()?.enabled;
    json.contains("\"enabled\"") && told() == Some(false)
}

/// Whether a materialization may leave a view.
#[must_use]
pub fn may_be_view(materialization: &str) -> bool {
    !["table", "incremental", "seed", "snapshot"].contains(&materialization)
}

/// A source, reduced to the fields that its readers depend on.
#[derive(Debug, Deserialize)]
pub struct Source<'a> {
    /// The first argument of `source('…', '…')`.
    #[serde(borrow)]
    pub source_name: Text<'a>,
    /// The second argument of `source('…', '…')`.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The full quoted name of the relation in the warehouse.
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

/// A macro, a generic test or a materialization.
#[derive(Debug, Deserialize)]
pub struct Macro<'a> {
    /// The name of the macro without its package.
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
    /// The text of the macro, including its `{% macro … %}` and `{% endmacro %}` tags.
    #[must_use]
    pub fn macro_sql(&self) -> Cow<'a, str> {
        json_text(self.macro_sql)
    }

    /// The `unique_id` of every macro that it calls, as far as dbt recognized them; those called
    /// by dispatch are included.
    #[must_use]
    pub fn calls(&self) -> &[Text<'a>] {
        &self.depends_on.macros
    }
}
