//! The texts of a manifest in which an `env_var` or a `var` may be named.

use super::Names;
use super::closure::{Code, Library, MacroText, NodeText, Origin};
use super::strings::strings;
use crate::dbt::manifest::{Macro, Manifest, Node, Text};
use crate::trees::IntoTree;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The names that reach each node that dbt can build or test, by `unique_id`.
#[must_use]
pub fn of_manifest(manifest: &Manifest<'_>) -> BTreeMap<String, Names> {
    let macros: Vec<(&str, &Macro<'_>, Cow<'_, str>)> =
        manifest.macros().map(|(id, found)| (id, found, found.macro_sql())).collect();
    let macros: Vec<MacroText<'_>> =
        macros.iter().map(|(id, found, text)| macro_text(manifest, id, found, text)).collect();
    let library = Library::new(&macros);
    let names = |node| library.of_node(&NodeParts::of(node).text());
    manifest.nodes().map(|(id, node)| (id.to_owned(), names(node))).into_tree()
}

/// What [`NodeText`] borrows.
struct NodeParts<'a> {
    node: &'a Node<'a>,
    code: Cow<'a, str>,
    config: Config<'a>,
}

/// The parts of the rendered configuration that name macros, or are rendered at run time.
#[derive(Default, Deserialize)]
struct Config<'a> {
    #[serde(borrow, default)]
    materialized: Option<Text<'a>>,
    #[serde(borrow, default)]
    incremental_strategy: Option<Text<'a>>,
    #[serde(borrow, default, rename = "pre-hook")]
    pre_hook: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "post-hook")]
    post_hook: Option<&'a RawValue>,
}

impl<'a> NodeParts<'a> {
    fn of(node: &'a Node<'a>) -> Self {
        let config = node.config.and_then(|config| serde_json::from_str(config.get()).ok());
        Self { node, code: node.raw_code(), config: config.unwrap_or_default() }
    }

    fn text(&self) -> NodeText<'_> {
        let python = self.node.language.as_deref() == Some("python");
        let code = if python { Code::Python(&self.code) } else { Code::Sql(&self.code) };
        let written = [self.node.unrendered_config, self.config.pre_hook, self.config.post_hook];
        let config = written.into_iter().flatten().flat_map(|json| strings(json.get()));
        NodeText {
            code,
            config: config.map(Cow::Owned).collect(),
            macros: self.node.depends_on.macros.iter().map(|id| &**id).collect(),
            materialized: self.config.materialized.as_deref(),
            strategy: self.config.incremental_strategy.as_deref(),
        }
    }
}

fn macro_text<'a>(
    manifest: &Manifest<'_>,
    id: &'a str,
    found: &'a Macro<'_>,
    text: &'a str,
) -> MacroText<'a> {
    let origin = if manifest.is_internal(found) { Origin::Internal } else { Origin::Project };
    MacroText {
        id,
        name: &found.name,
        text,
        macros: found.calls().iter().map(|id| &**id).collect(),
        origin,
    }
}
