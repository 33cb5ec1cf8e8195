//! The macros of one manifest: their texts, and which of them each node reaches.
//!
//! Macros of dbt and of the adapter are passed through, because they call overrides in the
//! project, but are not compared: they change with an upgrade, not with the project.

use crate::dbt::manifest::{Macro, Manifest, Node};
use crate::dbt::reads::{ByCode, Library, Reached, Reads};
use crate::digest::Pieces;
use crate::trees::IntoTree;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Macros<'m, 'a> {
    manifest: &'m Manifest<'a>,
    /// Made when the first node is looked at.
    code: OnceCell<Library<'m>>,
    /// Of the macros of the project and its packages; likewise.
    digests: OnceCell<BTreeMap<&'m str, String>>,
}

impl<'m, 'a> Macros<'m, 'a> {
    pub(super) fn new(manifest: &'m Manifest<'a>) -> Self {
        Self { manifest, code: OnceCell::new(), digests: OnceCell::new() }
    }

    /// What stands for the text of a macro of the project or its packages; `None` when there is
    /// none such.
    pub(super) fn digest(&self, id: &str) -> Option<&str> {
        self.digests.get_or_init(|| digests(self.manifest)).get(id).map(String::as_str)
    }

    /// What a node of this manifest reads.
    pub(super) fn reads(&self, id: &str, node: &Node<'_>) -> Reads<'m> {
        self.code().reads(id, node)
    }

    /// See [`Library::reaches_any`].
    pub(super) fn reaches_any(&self, id: &str, node: &Node<'_>, macros: &BTreeSet<&str>) -> bool {
        !macros.is_empty() && self.code().reaches_any(id, node, macros)
    }

    /// See [`Library::by_code`].
    pub(super) fn by_code(&self, id: &str, node: &Node<'_>) -> ByCode<'m> {
        self.code().by_code(id, node)
    }

    fn code(&self) -> &Library<'m> {
        self.code.get_or_init(|| Library::new(self.manifest))
    }

    /// The macros whose code or calls differ; `None` where one of them is new or gone, so that
    /// names may mean others.
    pub(super) fn changed(&self, now: &Self) -> Option<BTreeSet<&'m str>> {
        let mut changed = BTreeSet::new();
        let mut others = now.manifest.macros();
        for (id, own) in self.manifest.macros() {
            let (_, other) = others.next().filter(|(other, _)| *other == id)?;
            if own.package_name != other.package_name
                || own.calls() != other.calls()
                || own.macro_sql() != other.macro_sql()
            {
                changed.insert(id);
            }
        }
        others.next().is_none().then_some(changed)
    }
}

fn digests<'m>(manifest: &'m Manifest<'_>) -> BTreeMap<&'m str, String> {
    // 2.0 alpha lists snapshots among the macros.
    let ours =
        |(id, found): &(&str, &Macro<'_>)| id.starts_with("macro.") && !manifest.is_internal(found);
    manifest.macros().filter(ours).map(|(id, found)| (id, digest(found))).into_tree()
}

fn digest(found: &Macro<'_>) -> String {
    let mut digest = Pieces::new();
    digest.add(found.macro_sql().trim().as_bytes());
    digest.short_hex(16)
}

/// What a node reads of macros, before and now.
pub(super) struct Reach<'m> {
    before: Reads<'m>,
    now: Reads<'m>,
    /// What dbt lists for the node now. The end of a run lists more than a parse, so what is
    /// listed only before says nothing.
    listed_now: BTreeSet<&'m str>,
}

impl<'m> Reach<'m> {
    pub(super) fn new(before: Reads<'m>, now: Reads<'m>, node_now: &'m Node<'_>) -> Self {
        let listed_now = node_now.depends_on.macros.iter().map(|id| &**id).into_tree();
        Self { before, now, listed_now }
    }

    /// Every macro that the node reaches, before or now; with the one through which.
    pub(super) fn all(&self) -> Reached<'m> {
        let mut all = Reached::new();
        for reads in [&self.before, &self.now] {
            for (root, found) in &reads.listed {
                all.extend(found.iter().map(|id| (*id, (id != root).then_some(*root))));
            }
        }
        for reads in [&self.before, &self.now] {
            all.extend(&reads.macros);
        }
        all
    }

    /// Whether the node reaches this macro in one of the two only.
    pub(super) fn is_other(&self, id: &str) -> bool {
        let was = self.before.macros.contains_key(id) || self.is_listed(&self.before, id);
        let is = self.now.macros.contains_key(id) || self.is_listed(&self.now, id);
        let found_elsewhere =
            self.now.dispatched.contains(id) && !self.before.dispatched.contains(id);
        was != is || found_elsewhere
    }

    fn is_listed(&self, reads: &Reads<'_>, id: &str) -> bool {
        let mut roots = reads.listed.iter();
        roots.any(|(root, found)| self.listed_now.contains(root) && found.contains(id))
    }
}
