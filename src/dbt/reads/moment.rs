//! What a parse may make of the moment and of the command: another parse of the same project may come
//! out in another form.
//!
//! dbt's partial parser keeps what it came to for each file that did not change. A full parse renders
//! everything anew. If all that dbt reads is the same, the two can differ only where code that dbt
//! renders *while it parses* asks for the time, the invocation or the command. What it renders is the
//! code of each node with the macros that it calls, the macros that name relations, and the values in
//! YAML. It keeps no rendered code of a node: only what the code hands on counts, to `config`, to `ref`,
//! to a condition, to a variable.

mod asks;

use super::execution::parsed_part;
use super::library::Library;
use super::namespace::Viewpoint;
use super::scan::{self, Mention, Scan, Vocabulary as _};
use super::strings::strings;
use super::{Facet, facets_of_nodes};
use crate::dbt::manifest::{Manifest, Node, Text};
use crate::dbt::yaml;
use crate::trees::IntoTree;
use anyhow::{Context as _, Result, ensure};
use asks::{CodeOf, MOMENTARY, NOW};
use serde_json::Value;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// dbt names relations by these macros, from any package.
const NAMING: [&str; 3] = ["generate_alias_name", "generate_schema_name", "generate_database_name"];

/// Keys of `dbt_project.yml` and of properties whose values dbt renders only when it runs something.
/// What stands under the last two is the code of nodes.
const OF_A_RUN: [&str; 7] = [
    "pre-hook",
    "post-hook",
    "pre_hook",
    "post_hook",
    "query-comment",
    "on-run-start",
    "on-run-end",
];

/// Whether a value of a `--vars` may be another one in each parse.
#[must_use]
pub fn is_momentary(text: &str) -> bool {
    CodeOf::Value.asks(text, &|_| false)
}

/// Whether a value in a YAML file may be another one in each parse.
#[must_use]
pub fn is_momentary_yaml(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    if !MOMENTARY.iter().chain(&NOW).any(|word| text.contains(word)) {
        return false;
    }
    yaml::document(&text).map_or_else(|_| is_momentary(&text), |all| is_momentary_in(&all))
}

fn is_momentary_in(value: &Value) -> bool {
    match value {
        Value::String(text) => is_momentary(text),
        Value::Array(items) => items.iter().any(is_momentary_in),
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            !OF_A_RUN.contains(&key.trim_start_matches('+')) && is_momentary_in(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Check that another parse of the same project, at another time or for another command, gives the
/// same manifest.
///
/// # Errors
/// Says of what it may give something else.
pub fn check_lasts(manifest: &Manifest<'_>) -> Result<()> {
    let macros = Library::while_parsed(manifest);
    let parse = ParseCode { manifest, macros: &macros, known: RefCell::default() };
    for (id, node) in manifest.nodes() {
        parse.check(id, node)?;
    }
    let disabled = manifest.sections().remove("disabled");
    let disabled: Result<BTreeMap<Text<'_>, Vec<Node<'_>>>, _> =
        disabled.map_or(Ok(BTreeMap::new()), |raw| serde_json::from_str(raw.get()));
    let disabled = disabled.context("what is disabled cannot be read")?;
    for (id, node) in disabled.iter().flat_map(|(id, all)| all.iter().map(move |node| (id, node))) {
        parse.check(id, node)?;
    }
    let names = |name: &str| {
        let name = name.split_once("__").map_or(name, |(_, name)| name);
        NAMING.contains(&name)
    };
    for (id, found) in manifest.macros().filter(|(_, found)| names(&found.name)) {
        let package = macros.namespace().viewpoint_of(&found.package_name);
        ensure!(
            macros.at(id).is_none_or(|at| parse.lasts_from(package, at)),
            "{id} asks for the time or the command"
        );
        ensure!(!found.macro_sql().contains("graph"), "{id} asks for the graph");
    }
    Ok(())
}

/// The code that dbt renders while it parses.
struct ParseCode<'l, 'm> {
    manifest: &'m Manifest<'m>,
    macros: &'l Library<'m>,
    /// Whether a macro lasts.
    known: RefCell<BTreeMap<usize, bool>>,
}

impl ParseCode<'_, '_> {
    fn check(&self, id: &str, node: &Node<'_>) -> Result<()> {
        if node.language.as_deref() == Some("python") {
            return Ok(());
        }
        let namespace = self.macros.namespace();
        let is_package = |word: &str| namespace.is_package(word);
        let code = node.raw_code();
        let code = parsed_part(&code);
        let is_own = CodeOf::Node.asks(&code, &is_package);
        ensure!(!is_own, "{id} asks for the time or the command");
        let mut scan = scan::template(&code, namespace);
        // The arguments of a generic test are rendered too.
        for text in node.test_metadata.map(RawValue::get).into_iter().flat_map(strings) {
            let is_so = CodeOf::Value.asks(&text, &is_package);
            ensure!(!is_so, "{id} asks for the time or the command");
            scan.absorb(scan::config_value(&text, namespace));
        }
        let package = namespace.viewpoint_of(&node.package_name);
        let lasts =
            self.called(scan.mentions, package).iter().all(|at| self.lasts_from(package, *at));
        ensure!(lasts, "{id} calls a macro that asks for the time or the command");
        Ok(())
    }

    /// The macros that code of a package names, or gives other macros to look for.
    fn called(&self, mut mentions: Vec<Mention>, package: &str) -> BTreeSet<usize> {
        loop {
            let mut more = Scan::default();
            for (reader, argument) in self.macros.given(&mentions, &[]) {
                more.take(reader, argument);
            }
            more.mentions.retain(|mention| !mentions.contains(mention));
            if more.mentions.is_empty() {
                break;
            }
            mentions.append(&mut more.mentions);
        }
        let from = Viewpoint { code: package, node: Some(package) };
        let namespace = self.macros.namespace();
        mentions.iter().flat_map(|mention| namespace.resolve(&mention.of, from)).into_tree()
    }
}

impl<'m> ParseCode<'_, 'm> {
    /// Whether a macro lasts with all that it calls.
    fn lasts_from(&self, package: &'m str, root: usize) -> bool {
        self.macros.closure(package, root).macros.iter().all(|at| self.lasts(*at))
    }

    fn lasts(&self, at: usize) -> bool {
        let known = self.known.borrow().get(&at).copied();
        known.unwrap_or_else(|| {
            let lasts = !self.is_momentary(at);
            self.known.borrow_mut().insert(at, lasts);
            lasts
        })
    }

    fn is_momentary(&self, at: usize) -> bool {
        let namespace = self.macros.namespace();
        let found = self.macros.id(at).and_then(|id| self.manifest.macro_by_id(id));
        let Some(text) = found.map(|found| found.macro_sql()) else { return true };
        let of = if namespace.is_internal(at) { CodeOf::Dbt } else { CodeOf::Value };
        of.asks(&parsed_part(&text), &|word| namespace.is_package(word))
    }
}

/// One of these nodes that reads the graph of all nodes. While dbt parses in full, that is empty; a
/// partial parse begins with the graph of the earlier parse.
#[must_use]
pub fn reader_of_the_graph(
    manifest: &Manifest<'_>,
    is_meant: impl Fn(&str) -> bool,
) -> Option<String> {
    let is_graph = |facet: &Facet| matches!(facet, Facet::Object(path) if path.split('.').next() == Some("graph"));
    let mut all = facets_of_nodes(manifest).into_iter();
    all.find(|(id, facets)| is_meant(id) && facets.iter().any(is_graph)).map(|(id, _)| id)
}

#[cfg(test)]
mod tests;
