//! From a node through its configuration and its macros to everything that it reads.

use super::Facets;
use super::namespace::{Namespace, Viewpoint};
use super::overrides::{Overrides, When};
use super::passed::{GivenArgument, Passed, Takers, hand_on};
use super::scan::{Mention, Named, Scan};
use super::walk::Walk;
use crate::dbt::manifest::MATERIALIZATION;
use crate::dbt::manifest::{Macro, Manifest, Node};
use crate::trees::IntoTree;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Macros of the project and its packages, by `unique_id`; each with the macro that the node
/// calls and through which it is reached, if that is another.
pub type Reached<'m> = BTreeMap<&'m str, Option<&'m str>>;

/// What a node reads beyond its own text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reads<'m> {
    /// Values of the environment and of vars.
    pub facets: Facets,
    /// The macros that its code, its configuration, its materialization and its strategy name.
    /// The same whether the manifest was written by a parse or at the end of a run.
    pub macros: Reached<'m>,
    /// Others, that only a macro in `depends_on.macros` leads to; by that macro. dbt 1.x lists
    /// what was called, which at the end of a run is more than while it parsed.
    pub listed: BTreeMap<&'m str, BTreeSet<&'m str>>,
    /// What dbt found for the node's own calls of `adapter.dispatch`, as far as it lists them.
    pub dispatched: BTreeSet<&'m str>,
}

/// Every macro of a manifest, with what it reads itself.
#[derive(Debug)]
pub struct Library<'m> {
    namespace: Namespace<'m>,
    /// Of dbt; see [`Manifest::generation`].
    generation: &'m str,
    ids: BTreeMap<&'m str, usize>,
    macros: Vec<MacroCode<'m>>,
    takers: Takers<'m>,
    /// Memory of [`Library::calls_of`], by the node's package and the macro.
    calls: Memory<'m, [usize]>,
    /// Memory of [`Library::closure`], likewise.
    closures: Memory<'m, Closure>,
}

type Memory<'m, T> = RefCell<BTreeMap<&'m str, BTreeMap<usize, Rc<T>>>>;

/// A macro's code.
#[derive(Debug)]
pub(super) struct MacroCode<'m> {
    pub(super) id: &'m str,
    pub(super) name: &'m str,
    /// `depends_on.macros`: what it calls in so many words (dbt 1.x), or part of that (2.0 alpha).
    pub(super) listed: Vec<usize>,
    pub(super) scan: Scan,
    pub(super) passed: BTreeSet<Passed>,
}

/// What one macro reads with all that it calls.
#[derive(Debug, Default)]
pub(super) struct Closure {
    /// Itself and the others, those of dbt among them; in ascending order.
    pub(super) macros: Vec<usize>,
    pub(super) facets: Facets,
    pub(super) picks_incremental_strategy: bool,
    pub(super) picks_snapshot_strategy: bool,
}

/// dbt's macro that finds the one for a snapshot's strategy.
const SNAPSHOT_STRATEGIES: &str = "strategy_dispatch";

impl<'m> Library<'m> {
    /// Of all macros of a manifest.
    #[must_use]
    pub fn new(manifest: &'m Manifest<'_>) -> Self {
        Self::of(manifest, When::Ever)
    }

    /// Of all macros, with what they read while dbt parses. What dbt lists is not only that.
    pub(super) fn while_parsed(manifest: &'m Manifest<'_>) -> Self {
        Self::of(manifest, When::Parsed)
    }

    fn of(manifest: &'m Manifest<'_>, when: When) -> Self {
        let namespace = Namespace::new(manifest);
        let ids: BTreeMap<&str, usize> =
            manifest.macros().enumerate().map(|(at, (id, _))| (id, at)).into_tree();
        let overrides = Overrides::of(&namespace, when);
        let code = |(at, (id, found))| {
            let counts = when == When::Ever || namespace.is_internal(at);
            let listed = if counts { listed(found, &ids) } else { Vec::new() };
            let scan = overrides.scan(at, found, &listed);
            let passed = Passed::all(&scan);
            MacroCode { id, name: &found.name, listed, scan, passed }
        };
        let mut macros: Vec<MacroCode<'_>> = manifest.macros().enumerate().map(code).collect();
        let takers = hand_on(&mut macros, &namespace);
        let (calls, closures) = (RefCell::default(), RefCell::default());
        let generation = manifest.generation().1;
        Self { namespace, generation, ids, macros, takers, calls, closures }
    }

    /// What a node of the same manifest reads.
    #[must_use]
    pub fn reads(&self, id: &str, node: &Node<'_>) -> Reads<'m> {
        Walk::new(self, id, node).reads()
    }

    /// Whether a node of the same manifest reaches one of these macros.
    #[must_use]
    pub fn reaches_any(&self, id: &str, node: &Node<'_>, macros: &BTreeSet<&str>) -> bool {
        let macros: Vec<usize> = macros.iter().filter_map(|id| self.at(id)).collect();
        Walk::new(self, id, node).reaches_any(&macros)
    }

    /// The macros that a macro calls itself, for a node of this package.
    fn calls_of(&self, package: &'m str, at: usize) -> Rc<[usize]> {
        remembered(&self.calls, package, at, || {
            let Some(code) = self.macros.get(at) else { return Rc::default() };
            let named = code.scan.mentions.iter().map(|mention| &mention.of);
            let named = named.flat_map(|named| self.meant(at, code, named, package));
            let found: BTreeSet<usize> = code.listed.iter().copied().chain(named).into_tree();
            found.into_iter().collect()
        })
    }

    /// Where dbt lists what `adapter.dispatch` found, it has searched the packages in their order;
    /// only for a node of another package that is not the last word.
    fn meant(&self, at: usize, code: &MacroCode<'_>, of: &Named, package: &'m str) -> Vec<usize> {
        if let Named::Dispatched(name) = of
            && self.lists_dispatched(&code.listed, name)
        {
            return self.namespace.dispatched(name, |searched| searched == package);
        }
        let code = self.namespace.package_of(at);
        self.namespace.resolve(of, Viewpoint { code, node: Some(package) })
    }

    fn lists_dispatched(&self, listed: &[usize], name: &str) -> bool {
        let candidates = self.namespace.dispatched(name, |_| true);
        candidates.iter().any(|at| listed.contains(at))
    }

    /// What a macro reads with all that it calls, for a node of this package.
    pub(super) fn closure(&self, package: &'m str, root: usize) -> Rc<Closure> {
        remembered(&self.closures, package, root, || {
            let mut closure = Closure::default();
            let mut seen = BTreeSet::from([root]);
            let mut open = vec![root];
            while let Some(at) = open.pop() {
                self.enter(at, &mut closure);
                open.extend(self.calls_of(package, at).iter().filter(|at| seen.insert(**at)));
            }
            closure.macros = seen.into_iter().collect();
            Rc::new(closure)
        })
    }

    fn enter(&self, at: usize, closure: &mut Closure) {
        let Some(code) = self.macros.get(at) else { return };
        closure.facets.extend(code.scan.facets.iter().cloned());
        closure.picks_incremental_strategy |= code.scan.picks_incremental_strategy;
        closure.picks_snapshot_strategy |= code.name == SNAPSHOT_STRATEGIES;
    }

    pub(super) fn generation(&self) -> &'m str {
        self.generation
    }

    pub(super) fn namespace(&self) -> &Namespace<'m> {
        &self.namespace
    }

    /// What these mentions and these macros are given for names; see [`Takers::given`].
    pub(super) fn given(&self, mentions: &[Mention], reached: &[usize]) -> Vec<GivenArgument> {
        self.takers.given(&self.macros, mentions, reached, &self.namespace)
    }

    pub(super) fn is_materialization(&self, at: usize) -> bool {
        self.macros.get(at).is_some_and(|code| code.name.starts_with(MATERIALIZATION))
    }

    pub(super) fn at(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// Its `unique_id`, if it is one of the project or its packages.
    pub(super) fn own_id(&self, at: usize) -> Option<&'m str> {
        self.id(at).filter(|_| !self.namespace.is_internal(at))
    }

    pub(super) fn id(&self, at: usize) -> Option<&'m str> {
        self.macros.get(at).map(|code| code.id)
    }
}

/// Many nodes call the same few macros.
fn remembered<'m, T: ?Sized>(
    memory: &Memory<'m, T>,
    package: &'m str,
    at: usize,
    find: impl FnOnce() -> Rc<T>,
) -> Rc<T> {
    let known = memory.borrow().get(package).and_then(|known| known.get(&at).cloned());
    known.unwrap_or_else(|| {
        let found = find();
        memory.borrow_mut().entry(package).or_default().insert(at, Rc::clone(&found));
        found
    })
}

fn listed(found: &Macro<'_>, ids: &BTreeMap<&str, usize>) -> Vec<usize> {
    found.calls().iter().filter_map(|id| ids.get(&**id).copied()).collect()
}

/// The values that reach each node that dbt can build or test, by `unique_id`.
#[must_use]
pub fn facets_of_nodes(manifest: &Manifest<'_>) -> BTreeMap<String, Facets> {
    let library = Library::new(manifest);
    let facets = |(id, node): (&str, _)| (id.to_owned(), Walk::new(&library, id, node).facets());
    manifest.nodes().map(facets).into_tree()
}

#[cfg(test)]
mod tests;
