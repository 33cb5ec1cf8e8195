//! Turns nodes into terms for dbt's `--select`, for commands where dbt has to be given the nodes
//! by name.

use super::{Manifest, Node};
use crate::trees::IntoTree;
use serde::Deserialize;
use std::collections::BTreeSet;

impl Manifest<'_> {
    /// One term for each of these nodes that the manifest has, in dbt's syntax. A term `fqn:` also
    /// selects a folder of the same name; if there is one, the term adds the path of the file.
    #[must_use]
    pub fn selection_terms(&self, ids: &BTreeSet<String>) -> Vec<String> {
        let named: Vec<_> =
            self.nodes().filter_map(|(id, node)| Some((id, node, fqn(node)?))).collect();
        let folders: BTreeSet<&str> =
            named.iter().flat_map(|(_, _, fqn)| folders_of(fqn)).into_tree();
        let term = |node: &Node<'_>, fqn: &str| {
            let own = Some(&*node.package_name) == self.project_name();
            if own && folders.contains(fqn) {
                format!("fqn:{fqn},path:{}", &*node.original_file_path)
            } else {
                format!("fqn:{fqn}")
            }
        };
        let wanted = named.iter().filter(|(id, _, _)| ids.contains(*id));
        wanted.map(|(_, node, fqn)| term(node, fqn)).collect()
    }

    /// Seeds whose checksum is their path instead of their content, because they exceed the size
    /// up to which dbt digests a seed (1 MiB by default). Each with its `unique_id`, its package,
    /// and its file relative to the root of that package.
    pub fn seeds_by_path(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let seeds = self.nodes().filter(|(_, node)| is_by_path(node));
        seeds.map(|(id, node)| (id, &*node.package_name, &*node.original_file_path))
    }
}

fn fqn(node: &Node<'_>) -> Option<String> {
    let parts: Vec<String> = serde_json::from_str(node.fqn?.get()).ok()?;
    Some(parts.join("."))
}

/// `a` and `a.b` of `a.b.c`.
fn folders_of(fqn: &str) -> impl Iterator<Item = &str> {
    fqn.match_indices('.').filter_map(|(end, _)| fqn.get(..end))
}

fn is_by_path(node: &Node<'_>) -> bool {
    #[derive(Deserialize)]
    struct Checksum {
        name: String,
    }
    let checksum = node.checksum.and_then(|raw| serde_json::from_str::<Checksum>(raw.get()).ok());
    &*node.resource_type == "seed" && checksum.is_some_and(|checksum| checksum.name == "path")
}
