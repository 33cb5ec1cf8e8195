//! Which macro a name means, as dbt 1.8 to 1.12 finds it when it builds (`MacroNamespace`).

use super::scan::{Named, Vocabulary};
use crate::dbt::manifest::{MATERIALIZATION, Manifest};
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// dbt's name for its own macros and the adapter's.
const DBT: &str = "dbt";

/// Adapters whose incremental materialization asks for another strategy than `default` where none
/// is configured.
const DEFAULT_STRATEGIES: [(&str, &str); 2] = [("databricks", "merge"), ("spark", "append")];

/// The macros of a manifest by their names; each stands for its index in the order of
/// [`Manifest::macros`].
#[derive(Debug)]
pub(super) struct Namespace<'m> {
    /// The project that dbt is run for.
    root: &'m str,
    /// What `adapter.dispatch` puts before a name, the most special first.
    prefixes: Vec<&'m str>,
    /// The package of each macro; `dbt` for those of dbt and the adapter.
    packages: Vec<&'m str>,
    /// By package, then by name.
    members: BTreeMap<&'m str, BTreeMap<&'m str, usize>>,
    /// By name, in every package.
    names: BTreeMap<&'m str, Vec<usize>>,
}

/// The package of the code in which a name stands, and that of the node which it is rendered for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Viewpoint<'p> {
    /// dbt resolves what a macro calls from its own package when it parses.
    pub(super) code: &'p str,
    /// And from the node's when it builds. `None` stands for every package.
    pub(super) node: Option<&'p str>,
}

impl<'m> Namespace<'m> {
    pub(super) fn new(manifest: &'m Manifest<'_>) -> Self {
        let mut prefixes = manifest.adapters();
        prefixes.push("default");
        let mut namespace = Self {
            root: manifest.project_name().unwrap_or_default(),
            prefixes,
            packages: Vec::new(),
            members: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for (at, (_, found)) in manifest.macros().enumerate() {
            let package = if manifest.is_internal(found) { DBT } else { &*found.package_name };
            namespace.packages.push(package);
            namespace.names.entry(&found.name).or_default().push(at);
            namespace.members.entry(package).or_default().entry(&found.name).or_insert(at);
        }
        namespace.replace_what_the_adapter_has(manifest);
        namespace
    }

    /// An adapter's macro replaces one of the same name of dbt or of the adapter that it is built
    /// on.
    fn replace_what_the_adapter_has(&mut self, manifest: &'m Manifest<'_>) {
        for adapter in manifest.adapters().into_iter().rev() {
            for (at, (_, found)) in manifest.macros().enumerate() {
                if found.package_name.strip_prefix("dbt_") == Some(adapter) {
                    self.members.entry(DBT).or_default().insert(&found.name, at);
                }
            }
        }
    }

    /// The names of all macros that are not dbt's.
    pub(super) fn names_of_the_project(&self) -> impl Iterator<Item = &'m str> {
        let packages = self.members.iter().filter(|(package, _)| **package != DBT);
        packages.flat_map(|(_, members)| members.keys().copied())
    }

    /// Whether dbt or the adapter has a macro of this name, or one that dispatches to it.
    pub(super) fn is_of_dbt(&self, name: &str) -> bool {
        self.member(DBT, name).is_some()
            || self.prefixes.iter().any(|prefix| {
                self.named(&format!("{prefix}__{name}")).iter().any(|at| self.is_internal(*at))
            })
    }

    pub(super) fn package_of(&self, at: usize) -> &'m str {
        self.packages.get(at).copied().unwrap_or(DBT)
    }

    /// Comes with dbt or the adapter.
    pub(super) fn is_internal(&self, at: usize) -> bool {
        self.package_of(at) == DBT
    }

    /// The package from which a node's names are resolved. All packages without macros see the
    /// same.
    pub(super) fn viewpoint_of(&self, package: &str) -> &'m str {
        self.members.get_key_value(package).map_or(self.root, |(package, _)| package)
    }

    /// What the code may mean, from there.
    pub(super) fn resolve(&self, named: &Named, from: Viewpoint<'_>) -> Vec<usize> {
        match named {
            Named::Plain(name) => self.plain(name, from),
            Named::Packaged(package, name) => self.member(package, name).into_iter().collect(),
            Named::Dispatched(name) => self.dispatched(name, |_| true),
            Named::Computed(package, start) => {
                let is_in = |at: &usize| {
                    package.as_deref().is_none_or(|package| self.package_of(*at) == package)
                };
                self.beginning_with(start).filter(is_in).collect()
            }
            Named::ComputedDispatch(start) => {
                let starts = self.prefixes.iter().map(|prefix| format!("{prefix}__{start}"));
                starts.flat_map(|start| self.beginning_with(&start).collect::<Vec<_>>()).collect()
            }
        }
    }

    fn member(&self, package: &str, name: &str) -> Option<usize> {
        self.members.get(package)?.get(name).copied()
    }

    fn named(&self, name: &str) -> &[usize] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    fn beginning_with(&self, start: &str) -> impl Iterator<Item = usize> {
        let from = (Bound::Included(start), Bound::Unbounded);
        let known =
            self.names.range::<str, _>(from).take_while(move |(name, _)| name.starts_with(start));
        let all: Vec<usize> = known.flat_map(|(_, found)| found.iter().copied()).collect();
        all.into_iter()
    }

    /// The node's package, then the project, then dbt; that of the code is where dbt looks when it
    /// parses. A name that is in none of them means whatever has it.
    fn plain(&self, name: &str, from: Viewpoint<'_>) -> Vec<usize> {
        let Some(node) = from.node else { return self.named(name).to_vec() };
        let seen =
            [node, self.root, DBT].into_iter().find_map(|package| self.member(package, name));
        let own = if from.code == DBT { None } else { self.member(from.code, name) };
        let found: BTreeSet<usize> = seen.into_iter().chain(own).into_tree();
        if found.is_empty() { self.named(name).to_vec() } else { found.into_iter().collect() }
    }

    /// Of each package the most special macro that `adapter.dispatch` finds by this name. In which
    /// order it searches the packages is said in `dbt_project.yml` and not in a manifest.
    pub(super) fn dispatched(&self, name: &str, is_seen: impl Fn(&str) -> bool) -> Vec<usize> {
        let mut packages = BTreeSet::new();
        let mut found = Vec::new();
        for prefix in &self.prefixes {
            for at in self.named(&format!("{prefix}__{name}")) {
                let package = self.package_of(*at);
                if is_seen(package) && packages.insert(package) {
                    found.push(*at);
                }
            }
        }
        found
    }

    /// The macro of a materialization, by dbt's precedence: the most special adapter first, then
    /// the project before its packages before dbt. Whether a package may override a
    /// materialization of dbt's is a flag that the manifest does not have; then both count.
    pub(super) fn materialization(&self, name: &str) -> Vec<usize> {
        for adapter in &self.prefixes {
            let found = self.named(&format!("{MATERIALIZATION}{name}_{adapter}"));
            if let Some(own) = found.iter().find(|at| self.package_of(**at) == self.root) {
                return vec![*own];
            }
            if !found.is_empty() {
                return found.to_vec();
            }
        }
        Vec::new()
    }
}

impl<'m> Namespace<'m> {
    /// The incremental strategies that a materialization may ask for where none is configured.
    pub(super) fn default_strategies(&self) -> impl Iterator<Item = &'static str> {
        let adapter = self.prefixes.first().copied();
        let own = DEFAULT_STRATEGIES.iter().filter(move |(name, _)| adapter == Some(name));
        own.map(|(_, strategy)| *strategy).chain(["default"])
    }
}

impl Vocabulary for Namespace<'_> {
    fn is_macro(&self, word: &str) -> bool {
        self.names.contains_key(word)
    }

    fn is_package(&self, word: &str) -> bool {
        self.members.contains_key(word)
    }

    fn hands_on(&self) -> bool {
        true
    }
}

/// dbt's own code calls macros, or looks for them by name; its other words are its variables,
/// which a project may have named a macro after.
pub(super) struct OnlyCalls<'n>(pub(super) &'n Namespace<'n>);

impl Vocabulary for OnlyCalls<'_> {
    fn is_macro(&self, word: &str) -> bool {
        self.0.is_macro(word)
    }

    fn is_package(&self, word: &str) -> bool {
        self.0.is_package(word)
    }

    fn hands_on(&self) -> bool {
        false
    }
}
