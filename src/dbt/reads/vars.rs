//! The values of `var()`: `--vars`, then what `dbt_project.yml` (or, since dbt 1.12,
//! `vars.yml`) of the root project says, then what the node's own package says.

use super::{Facet, Facets, NameOf, facets};
use crate::dbt::yaml;
use crate::trees::IntoTree;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Every var with its scope.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vars {
    cli: Map<String, Value>,
    root: String,
    /// `vars:` of each project by its name, the root's too.
    projects: BTreeMap<String, Map<String, Value>>,
    /// How all these are spelled, in the place of their values.
    spelled: Option<Box<Vars>>,
}

impl Vars {
    /// `cli` is the mapping of `--vars`; `projects` the `vars:` of every project and package
    /// by name, among them `root`.
    #[must_use]
    pub fn new(
        cli: Map<String, Value>,
        root: &str,
        projects: BTreeMap<String, Map<String, Value>>,
    ) -> Self {
        Self { cli, root: root.to_owned(), projects, spelled: None }
    }

    /// With the spellings of the same vars.
    #[must_use]
    pub fn spelled(self, spellings: Self) -> Self {
        Self { spelled: Some(Box::new(spellings)), ..self }
    }

    /// The value that `var(name)` has in a node of `package`, as JSON; `None` where it is not
    /// set, so that the default in the code applies.
    #[must_use]
    pub fn value(&self, package: &str, name: &str) -> Option<String> {
        self.find(package, name).map(Value::to_string)
    }

    /// What Python makes of the value beyond that: types and order. `None` where JSON tells all.
    pub(super) fn spelling(&self, package: &str, name: &str) -> Option<&str> {
        self.find(package, name).filter(|value| !yaml::tells_all(value))?;
        self.spelled.as_ref()?.find(package, name).map(yaml::spelling)
    }

    /// Of all vars whose names begin so, as far as JSON does not tell all.
    pub(super) fn spellings(&self, package: &str, start: &str) -> Vec<&str> {
        let names = self.scopes(package).flat_map(Map::keys);
        let names: BTreeSet<&String> = names.filter(|name| name.starts_with(start)).into_tree();
        names.into_iter().filter_map(|name| self.spelling(package, name)).collect()
    }

    /// In the order of precedence of dbt 1.8 to 1.12 (`ModelConfiguredVar`).
    fn find(&self, package: &str, name: &str) -> Option<&Value> {
        let mut scopes = self.scopes(package);
        scopes.find_map(|scope| scope.get(name))
    }

    fn scopes<'a>(
        &'a self,
        package: &str,
    ) -> impl DoubleEndedIterator<Item = &'a Map<String, Value>> {
        let [root_scoped, root] = self.of_project(&self.root, package);
        let [own_scoped, own] = self.of_project(package, package);
        [Some(&self.cli), root_scoped, root, own_scoped, own].into_iter().flatten()
    }

    fn of_project(&self, project: &str, package: &str) -> [Option<&Map<String, Value>>; 2] {
        let all = self.projects.get(project);
        [all.and_then(|vars| vars.get(package)?.as_object()), all]
    }

    /// All vars that a node of `package` sees and whose names begin so, as one JSON object.
    pub(super) fn all(&self, package: &str, start: &str) -> String {
        Value::Object(self.merged(package, start)).to_string()
    }

    fn merged(&self, package: &str, start: &str) -> Map<String, Value> {
        let entries = self.scopes(package).rev().flatten();
        let entries = entries.filter(|(name, _)| name.starts_with(start));
        entries.map(|(name, value)| (name.clone(), value.clone())).into_tree()
    }

    /// What the value of a var reads itself: dbt renders it where it is used, if it is a
    /// string.
    pub(super) fn facets_within(&self, package: &str, name: &str) -> Facets {
        self.find(package, name).map(facets_of).unwrap_or_default()
    }

    pub(super) fn facets_within_all(&self, package: &str, start: &str) -> Facets {
        self.merged(package, start).values().flat_map(facets_of).into_tree()
    }

    /// What has the names that the value of a var gives now; where it gives none that is known,
    /// all that begins as they do. A var that is not set gives none: what the code has for its
    /// default is known from the code.
    pub(super) fn names(
        &self,
        package: &str,
        name: &NameOf,
        literal: fn(String) -> Facet,
        beginning: fn(String) -> Facet,
    ) -> Vec<Facet> {
        let NameOf { before, var, after } = name;
        let of = |text: Option<&str>| match text {
            Some(text) if !text.contains('{') => literal(format!("{before}{text}{after}")),
            _ => beginning(before.clone()),
        };
        match self.find(package, var) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(|item| of(item.as_str())).collect(),
            Some(Value::Object(members)) => members.keys().map(|key| of(Some(key))).collect(),
            Some(value) => vec![of(value.as_str())],
        }
    }

    #[cfg(test)]
    pub(super) fn of_root(root: &str, cli: Value, vars: Value) -> Self {
        let map = |value: Value| value.as_object().unwrap().clone();
        Self::new(map(cli), root, BTreeMap::from([(root.to_owned(), map(vars))]))
    }
}

fn facets_of(value: &Value) -> Facets {
    value.as_str().map(facets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vars(cli: Value, root: Value, package: Value) -> Vars {
        let map = |value: Value| value.as_object().unwrap().clone();
        let projects =
            BTreeMap::from([("root".to_owned(), map(root)), ("pkg".to_owned(), map(package))]);
        Vars::new(map(cli), "root", projects)
    }

    #[test]
    fn the_nearest_scope_wins_in_the_order_of_dbt() {
        let own_scoped = json!({"a": 1, "pkg": {"a": 2}});
        let steps = [
            (vars(json!({}), json!({}), json!({"a": 1})), "1"),
            (vars(json!({}), json!({}), own_scoped.clone()), "2"),
            (vars(json!({}), json!({"a": 3}), own_scoped.clone()), "3"),
            (vars(json!({}), json!({"a": 3, "pkg": {"a": 4}}), own_scoped.clone()), "4"),
            (vars(json!({"a": 5}), json!({"a": 3, "pkg": {"a": 4}}), own_scoped), "5"),
        ];
        for (vars, value) in steps {
            assert_eq!(vars.value("pkg", "a").as_deref(), Some(value));
        }
    }

    #[test]
    fn a_scope_is_for_the_nodes_of_that_package_only() {
        let vars = vars(json!({}), json!({"a": 1, "pkg": {"a": 2}}), json!({"b": 3}));
        assert_eq!(vars.value("root", "a").as_deref(), Some("1"));
        assert_eq!(vars.value("pkg", "b").as_deref(), Some("3"));
        assert_eq!(vars.value("root", "b"), None);
        assert_eq!(vars.all("pkg", ""), r#"{"a":2,"b":3,"pkg":{"a":2}}"#);
    }
}
