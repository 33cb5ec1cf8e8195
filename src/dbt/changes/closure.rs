//! Which macros a node reaches: its own calls, theirs, and its materialization.
//!
//! Macros of dbt and of the adapter are passed through, because they dispatch to overrides in
//! the project, but are not compared: they change with an upgrade, not with the project.

use super::mentions::MacroNames;
use crate::dbt::manifest::{Macro, Manifest};
use crate::digest::Pieces;
use crate::trees::IntoTree;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Macros reached, by `unique_id`; with the called macro that leads there, if it is another.
pub(super) type Reached<'m> = BTreeMap<&'m str, Option<&'m str>>;

/// The macros of one manifest.
pub(super) struct Closures<'m, 'a> {
    manifest: &'m Manifest<'a>,
    /// The adapter and those it inherits from, the most special first.
    adapters: Vec<&'m str>,
    /// Of the macros of the project and its packages.
    digests: BTreeMap<&'m str, String>,
    /// By name: `materialization_table_default`…
    materializations: BTreeMap<&'m str, Vec<(&'m str, &'m Macro<'a>)>>,
    /// Where dbt does not tell all calls.
    names: Option<MacroNames<'m>>,
    /// Memory of [`Closures::reached_from`].
    known: RefCell<BTreeMap<&'m str, Rc<[&'m str]>>>,
}

impl<'m, 'a> Closures<'m, 'a> {
    pub(super) fn new(manifest: &'m Manifest<'a>) -> Self {
        let mut closures = Self {
            manifest,
            adapters: manifest.adapters(),
            digests: BTreeMap::new(),
            materializations: BTreeMap::new(),
            names: None,
            known: RefCell::default(),
        };
        for (id, found) in manifest.macros() {
            // 2.0 alpha lists snapshots among the macros.
            if id.starts_with("macro.") && !manifest.is_internal(found) {
                closures.digests.insert(id, digest(found));
            }
            if found.name.starts_with("materialization_") {
                closures.materializations.entry(&found.name).or_default().push((id, found));
            }
        }
        if manifest.dbt_version().starts_with("2.") {
            closures.names =
                Some(MacroNames::of(closures.digests.keys().copied(), &closures.adapters));
        }
        closures
    }

    /// The text of a macro of the project or its packages; `None` when there is none such.
    pub(super) fn digest(&self, id: &str) -> Option<&str> {
        self.digests.get(id).map(String::as_str)
    }

    /// The macros of the project and its packages that the node reaches.
    pub(super) fn reached(&self, id: &str) -> Reached<'m> {
        let mut reached = Reached::new();
        for root in self.roots(id) {
            for id in self.reached_from(root).iter() {
                let through = (*id != root).then_some(root);
                let known = reached.entry(*id).or_insert(through);
                *known = (*known).and(through);
            }
        }
        reached
    }

    /// The same for one called macro, remembered: many nodes call the same few.
    fn reached_from(&self, root: &'m str) -> Rc<[&'m str]> {
        if let Some(known) = self.known.borrow().get(root) {
            return Rc::clone(known);
        }
        let mut seen = BTreeSet::from([root]);
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            let Some(found) = self.manifest.macro_by_id(id) else { continue };
            let calls = found.calls().iter().map(|id| &**id);
            let named = self.names.iter().flat_map(|names| names.in_code(&found.macro_sql()));
            open.extend(calls.chain(named).filter(|id| seen.insert(id)));
        }
        let found: Rc<[&str]> =
            seen.into_iter().filter(|id| self.digests.contains_key(id)).collect();
        self.known.borrow_mut().insert(root, Rc::clone(&found));
        found
    }

    /// What the node calls itself, and its materialization. (Tests are not materialized.)
    fn roots(&self, id: &str) -> BTreeSet<&'m str> {
        let Some(node) = self.manifest.node(id) else { return BTreeSet::new() };
        let mut roots: BTreeSet<&str> = node.depends_on.macros.iter().map(|id| &**id).into_tree();
        if let Some(names) = &self.names {
            roots.extend(names.in_code(&node.raw_code()));
            roots.extend(names.in_code(node.config.map_or("", RawValue::get)));
        }
        let is_test = matches!(&*node.resource_type, "test" | "unit_test");
        if let Some(name) = node.materialized().filter(|_| !is_test) {
            roots.extend(self.materialization(&name));
        }
        roots
    }

    /// dbt's precedence: the most special adapter first, then the project before its packages
    /// before dbt. Whether a package may override a materialization of dbt's is a flag that the
    /// manifest does not tell; then both count.
    fn materialization(&self, name: &str) -> Vec<&'m str> {
        for adapter in self.adapters.iter().copied().chain(["default"]) {
            let name = format!("materialization_{name}_{adapter}");
            let found = self.materializations.get(&*name).map_or(&[][..], Vec::as_slice);
            let own = |(_, found): &&(&str, &Macro<'_>)| {
                Some(&*found.package_name) == self.manifest.project_name()
            };
            if let Some((id, _)) = found.iter().find(own) {
                return vec![id];
            }
            if !found.is_empty() {
                return found.iter().map(|(id, _)| *id).collect();
            }
        }
        Vec::new()
    }
}

fn digest(found: &Macro<'_>) -> String {
    let mut digest = Pieces::new();
    digest.add(found.macro_sql().trim().as_bytes());
    digest.short_hex(16)
}
