//! The hooks of a project: `on-run-start` and `on-run-end`. dbt runs them around whatever it builds,
//! so a change of theirs is for people to know, and no reason to build anything.

use super::ManifestPair;
use crate::dbt::manifest::Manifest;
use crate::trees::IntoTree;
use std::collections::BTreeSet;

const HOOKS: [&str; 2] = ["on-run-start", "on-run-end"];

/// Which of `on-run-start` and `on-run-end` are not as they were: in their texts, or in the macros
/// that they reach.
#[must_use]
pub fn changed_hooks(before: &Manifest<'_>, now: &Manifest<'_>) -> Vec<&'static str> {
    let pair = ManifestPair::new(before, now);
    HOOKS.into_iter().filter(|kind| pair.hook_changed(kind)).collect()
}

/// The hooks of a kind: `operation.shop.shop-on-run-end-0`.
fn hooks<'m>(manifest: &'m Manifest<'_>, kind: &str) -> BTreeSet<&'m str> {
    let is_hook = |id: &&str| id.starts_with("operation.") && id.contains(kind);
    manifest.nodes().map(|(id, _)| id).filter(is_hook).into_tree()
}

impl ManifestPair<'_, '_> {
    fn hook_changed(&self, kind: &str) -> bool {
        let known = hooks(self.now, kind);
        let differs = |id: &&str| match (self.before.node(id), self.now.node(id)) {
            (Some(old), Some(new)) => {
                old.raw_code() != new.raw_code()
                    || (!self.reaches_the_same(id, old, new)
                        && !self.macros(id, old, new).is_empty())
            }
            _ => true,
        };
        known != hooks(self.before, kind) || known.iter().any(differs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{between, shop};
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn hooks_of_the_project_that_changed_are_named_and_are_no_need() {
        let hook = |number: usize, kind: &str, code: &str, calls: &[&str]| {
            let id = format!("operation.shop.shop-{kind}-{number}");
            let node = json!({
                "resource_type": "operation", "name": id, "package_name": "shop", "language": "sql",
                "original_file_path": "./dbt_project.yml", "raw_code": code, "config": {},
                "depends_on": {"macros": calls}
            });
            (id, node)
        };
        let with = |hooks: Vec<(String, Value)>| {
            let mut all = shop();
            all["nodes"].as_object_mut().unwrap().extend(hooks);
            all
        };
        let start = || hook(0, "on-run-start", "{{ outer() }}", &["macro.shop.outer"]);
        let end = |code| hook(0, "on-run-end", code, &[]);
        let before = with(vec![start(), end("select 1")]);
        let changed = |now: &Value| {
            let (old, new) = (before.to_string(), now.to_string());
            let [old, new] = [&old, &new].map(|text| Manifest::read(text).unwrap());
            changed_hooks(&old, &new)
        };
        assert_eq!(changed(&before), [""; 0]);
        let now = with(vec![start(), end("select 2")]);
        assert_eq!((changed(&now), between(&before, &now)), (vec!["on-run-end"], vec![]));
        let more = with(vec![start(), end("select 1"), hook(1, "on-run-end", "select 3", &[])]);
        assert_eq!(changed(&more), ["on-run-end"]);
        assert_eq!(changed(&shop()), ["on-run-start", "on-run-end"]);
        let inner = "/macros/macro.dbt_utils.inner/macro_sql";
        let mut now = before.clone();
        *now.pointer_mut(inner).unwrap() = json!("{% macro inner() %}2{% endmacro %}");
        assert_eq!(changed(&now), ["on-run-start"]);
        let mut now = before.clone();
        now["nodes"]["model.shop.m"]["raw_code"] = json!("select 2");
        assert_eq!(changed(&now), [""; 0]);
    }
}
