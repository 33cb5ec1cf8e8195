//! A typed view of dbt's `manifest.json` (schema versions up to 12: dbt 1.8 to 2.0 alpha).
//!
//! The view borrows from the text of the file. Parts that are rarely needed (code, configuration,
//! columns) stay slices of that text, so the view of a file of 50 MB takes about 10 MB. Fields
//! without a name here are skipped; `created_at`, `build_path` and `compiled_*`, which change with
//! every parse, are among them.

mod check;
mod chosen;
mod cut;
mod internal;
mod members;
mod node;
mod parsed;
mod select;
mod terms;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use check::{Fault, check};
pub(in crate::dbt) use internal::MATERIALIZATION;
pub use node::{KEEPS_ROWS, Macro, Node, Source, may_be_view};
pub use parsed::{ParsedNode, ParsedProject};
pub use text::{Text, json_text};

use crate::dbt::engine;
use crate::graph::{Graph, Member, Role};
use crate::trees::IntoTree;
use anyhow::{Context as _, Result};
use members::Members;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A parsed manifest. `'a` is the lifetime of the text of the file.
#[derive(Debug)]
pub struct Manifest<'a> {
    text: &'a str,
    file: ManifestFile<'a>,
    schema: u32,
}

#[derive(Debug, Deserialize)]
struct ManifestFile<'a> {
    #[serde(borrow)]
    metadata: ManifestMetadata<'a>,
    #[serde(borrow)]
    nodes: Members<'a>,
    #[serde(borrow, default)]
    unit_tests: Members<'a>,
    #[serde(borrow, default)]
    functions: Members<'a>,
    #[serde(borrow)]
    sources: BTreeMap<Text<'a>, Source<'a>>,
    #[serde(borrow)]
    macros: BTreeMap<Text<'a>, Macro<'a>>,
    /// Those of `selectors.yml`, in dbt's own notation.
    #[serde(borrow, default)]
    selectors: BTreeMap<Text<'a>, &'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct ManifestMetadata<'a> {
    #[serde(borrow)]
    dbt_schema_version: Text<'a>,
    #[serde(borrow)]
    dbt_version: Text<'a>,
    #[serde(borrow, default)]
    invocation_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    project_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    adapter_type: Option<Text<'a>>,
}

/// Only the metadata of a manifest, whatever the rest looks like.
#[derive(Deserialize)]
struct ManifestHeader<'a> {
    #[serde(borrow)]
    metadata: ManifestMetadata<'a>,
}

/// Whether the text is complete JSON with the metadata of a manifest. It distinguishes a manifest
/// that [`Manifest::read`] does not support from one that was truncated.
#[must_use]
pub fn is_whole(text: &str) -> bool {
    serde_json::from_str::<ManifestHeader<'_>>(text).is_ok()
}

/// `metadata.invocation_id` of a manifest, without parsing the rest. dbt writes `metadata` first;
/// as long as it does, the rest of the text may be truncated. `None` if there is no such id.
#[must_use]
pub fn invocation_id_of(text: &str) -> Option<String> {
    metadata(text)?.invocation_id.map(|id| id.0.into_owned())
}

/// `metadata.dbt_version` of a manifest, read in the same way as [`invocation_id_of`].
#[must_use]
pub fn dbt_version_of(text: &str) -> Option<String> {
    metadata(text).map(|metadata| metadata.dbt_version.0.into_owned())
}

fn metadata(text: &str) -> Option<ManifestMetadata<'_>> {
    first(text).or_else(|| Some(serde_json::from_str::<ManifestHeader<'_>>(text).ok()?.metadata))
}

/// The metadata if they are the first member of the file.
fn first(text: &str) -> Option<ManifestMetadata<'_>> {
    let inside = text.trim_start().strip_prefix('{')?.trim_start().strip_prefix("\"metadata\"")?;
    let value = inside.trim_start().strip_prefix(':')?;
    serde_json::Deserializer::from_str(value).into_iter().next()?.ok()
}

impl<'a> Manifest<'a> {
    /// Parse the text of a `manifest.json`.
    ///
    /// # Errors
    /// The text is not JSON, not a manifest, or of a schema version that this program does not
    /// accept. The message names the line and the column.
    pub fn read(text: &'a str) -> Result<Self> {
        let file: ManifestFile<'a> =
            serde_json::from_str(text).context("this is not a manifest that dbt wrote")?;
        let schema = check::schema_version(&file.metadata.dbt_schema_version)?;
        Ok(Self { text, file, schema })
    }

    /// `metadata.dbt_version`, for example `1.11.16` or `2.0.0-alpha.4`.
    #[must_use]
    pub fn dbt_version(&self) -> &str {
        &self.file.metadata.dbt_version
    }

    /// `metadata.invocation_id`. The `run_results.json` of the same command has the same id.
    #[must_use]
    pub fn invocation_id(&self) -> Option<&str> {
        self.file.metadata.invocation_id.as_deref()
    }

    /// `metadata.project_name`: the name of the root project.
    #[must_use]
    pub fn project_name(&self) -> Option<&str> {
        self.file.metadata.project_name.as_deref()
    }

    /// `metadata.adapter_type`, for example `clickhouse`.
    #[must_use]
    pub fn adapter_type(&self) -> Option<&str> {
        self.file.metadata.adapter_type.as_deref()
    }

    /// The full name of the relation of a node in the warehouse.
    #[must_use]
    pub fn relation_name(&self, id: &str) -> Option<&str> {
        self.node(id)?.relation_name.as_deref()
    }

    /// The schema version and dbt's minor version, for example `(12, "1.11")`. Two manifests of
    /// the same generation write the same project in the same way.
    #[must_use]
    pub fn generation(&self) -> (u32, &str) {
        (self.schema, engine::minor(self.dbt_version()))
    }

    /// Everything under `nodes`, `unit_tests` and `functions`, by `unique_id`. Analyses and
    /// operations are included.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        let ManifestFile { nodes, unit_tests, functions, .. } = &self.file;
        nodes
            .iter()
            .chain(unit_tests.iter())
            .chain(functions.iter())
            .map(|(id, node)| (&**id, &**node))
    }

    /// The one of [`Manifest::nodes`] with this `unique_id`.
    #[must_use]
    pub fn node(&self, id: &str) -> Option<&Node<'a>> {
        let ManifestFile { nodes, unit_tests, functions, .. } = &self.file;
        let found = nodes.get(id).or_else(|| unit_tests.get(id)).or_else(|| functions.get(id));
        found.map(|node| &**node)
    }

    /// Every section of the file (`nodes`, `sources`…) as the file has it.
    pub(in crate::dbt) fn sections(&self) -> BTreeMap<Text<'a>, &'a RawValue> {
        serde_json::from_str(self.text).unwrap_or_default()
    }

    /// Every source by `unique_id`.
    pub(in crate::dbt) fn sources(&self) -> impl Iterator<Item = (&str, &Source<'a>)> {
        self.file.sources.iter().map(|(id, found)| (&**id, found))
    }

    /// The full names of the relations of all sources.
    pub fn source_relations(&self) -> impl Iterator<Item = &str> {
        self.file.sources.values().filter_map(|source| source.relation_name.as_deref())
    }

    /// The source with this `unique_id`.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<&Source<'a>> {
        self.file.sources.get(id)
    }

    /// Every macro by `unique_id`, including those of dbt and of the adapter.
    pub fn macros(&self) -> impl Iterator<Item = (&str, &Macro<'a>)> {
        self.file.macros.iter().map(|(id, found)| (&**id, found))
    }

    /// The macro with this `unique_id`, for example `macro.dbt.is_incremental`.
    #[must_use]
    pub fn macro_by_id(&self, id: &str) -> Option<&Macro<'a>> {
        self.file.macros.get(id)
    }

    /// The rendered `config.materialized` of a node, for example `incremental`.
    #[must_use]
    pub fn materialized(&self, id: &str) -> Option<Text<'a>> {
        self.node(id)?.materialized()
    }

    /// Whether a build of the node may leave rows of an earlier build in place; see
    /// [`Node::appends`]. `false` for a node that is not in the manifest.
    #[must_use]
    pub fn appends(&self, id: &str) -> bool {
        self.node(id).is_some_and(Node::appends)
    }

    /// The `unique_id` and the name of every node that dbt can build or test.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes().filter(|(_, node)| role(node).is_some()).map(|(id, node)| (id, &*node.name))
    }

    /// The nodes that dbt can build or test, each with those of its parents that it can build or
    /// test as well.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let known: BTreeMap<&str, (Role, &Node<'_>)> =
            self.nodes().filter_map(|(id, node)| Some((id, (role(node)?, node)))).into_tree();
        let member = |role: Role, node: &Node<'_>| {
            let parents = node.depends_on.nodes.iter();
            let parents = parents.filter(|parent| known.contains_key(&***parent));
            Member { role, parents: parents.map(ToString::to_string).collect() }
        };
        known.iter().map(|(id, (role, node))| ((*id).to_owned(), member(*role, node))).collect()
    }
}

/// `None` for nodes that dbt neither builds nor tests: analyses, operations, SQL operations, models of
/// other projects, and tests of disabled nodes.
fn role(node: &Node<'_>) -> Option<Role> {
    match &*node.resource_type {
        _ if node.is_external() => None,
        "model" if node.materialized().as_deref() == Some("ephemeral") => Some(Role::Ephemeral),
        "model" => Some(Role::Model),
        "seed" => Some(Role::Seed),
        "snapshot" => Some(Role::Snapshot),
        "function" => Some(Role::Function),
        "test" if node.is_disabled() => None,
        "test" | "unit_test" => Some(Role::Test),
        _ => None,
    }
}
