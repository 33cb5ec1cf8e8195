//! Evaluates the plainest selections of dbt: names, `tag:` and `resource_type:`, joined as a selector
//! of `selectors.yml` joins them. `None` means that only dbt can tell (graph operators, patterns,
//! other methods). A wrong answer would leave a node unbuilt, so anything unfamiliar is `None`.

use super::terms::tags;
use super::{Manifest, Node};
use crate::graph::Graph;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Selector {
    definition: Value,
}

impl Manifest<'_> {
    /// The nodes of `graph` that remain without those that these terms of `--exclude` match. dbt
    /// excludes the tests of an excluded node with it.
    #[must_use]
    pub fn without_excluded(&self, graph: &Graph, terms: &[String]) -> Option<BTreeSet<String>> {
        let is_excluded = |node: &Node<'_>| any(terms.iter().map(|term| matches_term(term, node)));
        let left = self.decide(graph, |node| is_excluded(node).map(|excluded| !excluded))?;
        let is_test_of_excluded =
            |id: &String| graph.is_test(id) && !graph.parents(id).all(|id| left.contains(id));
        let mut remaining = left.clone();
        remaining.retain(|id| !is_test_of_excluded(id));
        Some(remaining)
    }

    /// The nodes of `graph` that the selector of this name selects.
    #[must_use]
    pub fn selected_by(&self, graph: &Graph, selector: &str) -> Option<BTreeSet<String>> {
        let selector = self.file.selectors.get(selector)?.get();
        let selector: Selector = serde_json::from_str(selector).ok()?;
        self.decide(graph, |node| is_in(&selector.definition, node))
    }

    fn decide(
        &self,
        graph: &Graph,
        includes: impl Fn(&Node<'_>) -> Option<bool>,
    ) -> Option<BTreeSet<String>> {
        let mut included = BTreeSet::new();
        for id in graph.keys() {
            if includes(self.node(id)?)? {
                included.insert(id.clone());
            }
        }
        Some(included)
    }
}

/// A definition as dbt writes it to its manifest: `{"union": […]}`, `{"intersection": […]}` or one
/// method, each with an `exclude` beside or among it.
fn is_in(definition: &Value, node: &Node<'_>) -> Option<bool> {
    let parts = definition.as_object()?;
    let list = |name: &str| parts.get(name).and_then(Value::as_array);
    let (included, members) = if let Some(union) = list("union") {
        (any(union.iter().filter(|part| !excludes(part)).map(|part| is_in(part, node)))?, union)
    } else if let Some(all) = list("intersection") {
        let mut others = all.iter().filter(|part| !excludes(part));
        (others.try_fold(true, |sum, part| Some(is_in(part, node)? && sum))?, all)
    } else {
        let ["method", "value"] = parts.keys().map(String::as_str).collect::<Vec<_>>()[..] else {
            return None;
        };
        let (method, value) = (parts.get("method")?.as_str()?, parts.get("value")?.as_str()?);
        return matches(method, value, node);
    };
    let excluded = members.iter().filter_map(|part| part.get("exclude"));
    let excluded = any(excluded.flat_map(|list| match list.as_array() {
        Some(list) => list.iter().map(|part| is_in(part, node)).collect(),
        None => vec![None],
    }))?;
    Some(included && !excluded && parts.len() == 1)
}

fn excludes(part: &Value) -> bool {
    part.get("exclude").is_some() && part.as_object().is_some_and(|part| part.len() == 1)
}

/// Whether any of them is true; `None` if any is unknown.
fn any(mut each: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    each.try_fold(false, |sum, one| Some(one? || sum))
}

fn matches_term(term: &str, node: &Node<'_>) -> Option<bool> {
    let (method, value) = term.split_once(':').unwrap_or(("fqn", term));
    matches(method, value, node)
}

fn matches(method: &str, value: &str, node: &Node<'_>) -> Option<bool> {
    if (method, value) == ("fqn", "*") {
        return Some(true);
    }
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    match method {
        "fqn" => matches_name(value, node),
        "tag" => Some(tags(node.config).iter().any(|tag| tag == value)),
        "resource_type" => Some(&*node.resource_type == value),
        _ => None,
    }
}

/// dbt matches a bare name with the last part of the fqn, with the package, and with the folder
/// below it (`is_selected_node` in dbt/graph/selector_methods.py). A version is a part of its own.
fn matches_name(name: &str, node: &Node<'_>) -> Option<bool> {
    let fqn: Vec<String> = serde_json::from_str(node.fqn?.get()).ok()?;
    let is_plain = |part: &String| !part.contains('.');
    let last = fqn.last()?;
    if !fqn.iter().all(is_plain) || (&*node.resource_type == "model" && *last != *node.name) {
        return None;
    }
    Some(last == name || fqn.iter().take(2).any(|part| part == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text() -> String {
        let node = |kind: &str, name: &str, folder: &str, tag: &str, parents: &[&str]| {
            json!({
                "resource_type": kind, "name": name, "package_name": "shop",
                "original_file_path": "n.sql", "fqn": ["shop", folder, name],
                "config": {"tags": [tag]}, "depends_on": {"nodes": parents}
            })
        };
        let exclude = json!({"exclude": [{"method": "fqn", "value": "b"}]});
        json!({
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                "dbt_version": "1.12.0"
            },
            "nodes": {
                "model.shop.a": node("model", "a", "marts", "nightly", &[]),
                "model.shop.b": node("model", "b", "raw", "hourly", &["model.shop.a"]),
                "test.shop.t": node("test", "t", "raw", "", &["model.shop.b"])
            },
            "sources": {}, "macros": {},
            "selectors": {
                "most": {"definition": {"union": [{"method": "fqn", "value": "*"}, exclude]}},
                "both": {"definition": {"intersection": [
                    {"method": "tag", "value": "nightly"}, {"method": "fqn", "value": "marts"}
                ]}},
                "one": {"definition": {"method": "resource_type", "value": "model"}},
                "walks": {"definition": {"method": "fqn", "value": "a", "children": true}}
            }
        })
        .to_string()
    }

    fn names(found: Option<BTreeSet<String>>) -> Option<String> {
        let ids = found?;
        Some(ids.iter().filter_map(|id| id.rsplit('.').next()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn plain_terms_of_an_exclusion_take_tests_along_and_others_are_for_dbt_to_evaluate() {
        let text = text();
        let manifest = Manifest::read(&text).unwrap();
        let graph = manifest.graph();
        for (terms, remaining) in [
            ("b", Some("a")),
            ("a", Some("b t")),
            ("t", Some("a b")),
            ("marts", Some("b t")),
            ("shop", Some("")),
            ("nothing", Some("a b t")),
            ("tag:nightly b", Some("")),
            ("resource_type:test", Some("a b")),
            ("b+", None),
            ("1+b", None),
            ("a,b", None),
            ("*", Some("")),
            ("b*", None),
            ("path:models", None),
            ("shop.raw.b", None),
            ("tag:night*", None),
            ("source:x", None),
            ("b path:x", None),
        ] {
            let terms: Vec<String> = terms.split(' ').map(str::to_owned).collect();
            let found = names(manifest.without_excluded(&graph, &terms));
            assert_eq!(found.as_deref(), remaining, "{terms:?}");
        }
    }

    #[test]
    fn a_selector_is_a_union_an_intersection_or_a_method() {
        let text = text();
        let manifest = Manifest::read(&text).unwrap();
        let graph = manifest.graph();
        let of = |selector: &str| names(manifest.selected_by(&graph, selector));
        assert_eq!(of("most").as_deref(), Some("a t"));
        assert_eq!(of("both").as_deref(), Some("a"));
        assert_eq!(of("one").as_deref(), Some("a b"));
        assert_eq!((of("walks"), of("no such selector")), (None, None));
    }
}
