//! The way from one node to everything that it reads.

use super::library::{Closure, Library, Reached, Reads};
use super::namespace::Viewpoint;
use super::node::NodeCode;
use super::scan::{Mention, Named, Scan};
use super::{Facet, Facets};
use crate::dbt::manifest::Node;
use crate::graph::is_test_id;
use crate::trees::IntoTree;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What dbt adds to the code of a Python model (dbt 1.3 and later).
const PYTHON_POSTFIX: &str = "py_script_postfix";

/// Where a node begins to read.
pub(super) struct Walk<'l, 'm> {
    macros: &'l Library<'m>,
    /// From where its names are resolved.
    package: &'m str,
    /// What it reads without a macro, or gives a macro to read.
    own: Facets,
    /// The macros that its code and its configuration name.
    named: BTreeSet<usize>,
    /// Those of them that only its configuration names: its strategies.
    configured: BTreeSet<usize>,
    /// Those of them that its code names.
    in_code: BTreeSet<usize>,
    /// The macro of its materialization.
    materialization: Vec<usize>,
    /// Tests are not built: what is around their statement changes no table.
    is_built: bool,
    /// What dbt lists.
    listed: Vec<usize>,
    /// What dbt lists of its own calls of `adapter.dispatch`.
    dispatched: BTreeSet<&'m str>,
}

impl<'l, 'm> Walk<'l, 'm> {
    pub(super) fn new(macros: &'l Library<'m>, id: &str, node: &Node<'_>) -> Self {
        let namespace = macros.namespace();
        let mut code = NodeCode::new(node, namespace);
        let listed = node.depends_on.macros.iter().filter_map(|id| macros.at(id));
        let kind = code.materialized.as_deref();
        let mut walk = Self {
            macros,
            package: namespace.viewpoint_of(&node.package_name),
            own: std::mem::take(&mut code.scan.facets),
            named: BTreeSet::new(),
            configured: BTreeSet::new(),
            in_code: BTreeSet::new(),
            materialization: kind.map_or_else(Vec::new, |kind| namespace.materialization(kind)),
            is_built: !is_test_id(id),
            // The end of a run lists the materialization, which is found by its name.
            listed: listed.filter(|at| !macros.is_materialization(*at)).collect(),
            dispatched: BTreeSet::new(),
        };
        walk.dispatched = walk.listed_of(&code.scan.mentions);
        walk.follow(code);
        walk
    }

    /// Finds what the node names, until nothing more is given to macros as a name.
    fn follow(&mut self, mut code: NodeCode<'_>) {
        let mut mentions = std::mem::take(&mut code.scan.mentions);
        self.in_code = self.resolved(&mentions);
        let mut around = configured(&code);
        mentions.extend(around.iter().cloned());
        loop {
            self.named = self.resolved(&mentions);
            self.configured = self.resolved(&around);
            let mut more = Scan::default();
            for (reader, argument) in self.macros.given(&mentions, &self.listed) {
                more.take(reader, argument);
            }
            self.own.append(&mut more.facets);
            let given = self.resolved(&more.mentions);
            self.in_code.extend(given);
            let strategies = self.strategies(&code);
            around.extend(strategies.iter().cloned());
            more.mentions.extend(strategies);
            more.mentions.retain(|mention| !mentions.contains(mention));
            if more.mentions.is_empty() {
                return;
            }
            mentions.append(&mut more.mentions);
        }
    }

    pub(super) fn facets(self) -> Facets {
        let roots = self.named.iter().chain(&self.materialization).chain(&self.listed);
        let closures: Vec<Rc<Closure>> = roots.map(|root| self.closure(*root)).collect();
        let reached = closures.iter().flat_map(|closure| &closure.facets);
        let reached: BTreeSet<&Facet> =
            reached.filter(|facet| !self.own.contains(facet)).into_tree();
        let mut facets = self.own;
        facets.extend(reached.into_iter().cloned());
        facets
    }

    pub(super) fn reads(self) -> Reads<'m> {
        let macros = self.reached();
        let listed = self.only_listed(&macros);
        let dispatched = self.dispatched.clone();
        Reads { facets: self.facets(), macros, listed, dispatched }
    }

    pub(super) fn reaches_any(&self, macros: &[usize]) -> bool {
        let mut roots = self.built().chain(self.listed.iter().copied());
        roots.any(|root| {
            let closure = self.closure(root);
            macros.iter().any(|at| closure.macros.binary_search(at).is_ok())
        })
    }

    /// What its code calls.
    pub(super) fn code_closures(&self) -> impl Iterator<Item = Rc<Closure>> {
        self.in_code.iter().map(|root| self.closure(*root))
    }

    /// What its materialization and its strategies call.
    pub(super) fn closures_around(&self) -> impl Iterator<Item = Rc<Closure>> {
        self.materialization.iter().chain(&self.configured).map(|root| self.closure(*root))
    }

    fn closure(&self, root: usize) -> Rc<Closure> {
        self.macros.closure(self.package, root)
    }

    /// What the node's table depends on.
    fn built(&self) -> impl Iterator<Item = usize> {
        let materialization = self.materialization.iter().filter(|_| self.is_built);
        self.named.iter().chain(materialization).copied()
    }

    fn reached(&self) -> Reached<'m> {
        let mut reached = Reached::new();
        for root in self.built() {
            for at in &self.closure(root).macros {
                let Some(id) = self.macros.own_id(*at) else { continue };
                let through = if *at == root { None } else { self.macros.id(root) };
                let known = reached.entry(id).or_insert(through);
                *known = (*known).and(through);
            }
        }
        reached
    }

    fn only_listed(&self, known: &Reached<'m>) -> BTreeMap<&'m str, BTreeSet<&'m str>> {
        let beyond = |root: &usize| {
            let closure = self.closure(*root);
            let ids = closure.macros.iter().filter_map(|at| self.macros.own_id(*at));
            let ids: BTreeSet<&str> = ids.filter(|id| !known.contains_key(id)).into_tree();
            (!ids.is_empty()).then_some((self.macros.id(*root)?, ids))
        };
        self.listed.iter().filter_map(beyond).into_tree()
    }

    fn resolved(&self, mentions: &[Mention]) -> BTreeSet<usize> {
        let from = Viewpoint { code: self.package, node: Some(self.package) };
        let namespace = self.macros.namespace();
        mentions.iter().flat_map(|mention| namespace.resolve(&mention.of, from)).into_tree()
    }

    fn listed_of(&self, mentions: &[Mention]) -> BTreeSet<&'m str> {
        let names = mentions.iter().filter_map(|mention| match &mention.of {
            Named::Dispatched(name) => Some(name),
            Named::Plain(_)
            | Named::Packaged(..)
            | Named::Computed(..)
            | Named::ComputedDispatch(_) => None,
        });
        let candidates = names.flat_map(|name| self.macros.namespace().dispatched(name, |_| true));
        let listed = candidates.filter(|at| self.listed.contains(at));
        listed.filter_map(|at| self.macros.id(at)).into_tree()
    }

    /// The strategies that the macros found so far look for.
    fn strategies(&self, code: &NodeCode<'_>) -> Vec<Mention> {
        let roots = self.named.iter().chain(&self.materialization);
        let closures: Vec<Rc<Closure>> = roots.map(|root| self.closure(*root)).collect();
        let mut found = Vec::new();
        let unset = code.incremental_strategy.is_none();
        if unset && closures.iter().any(|closure| closure.picks_incremental_strategy) {
            let defaults = self.macros.namespace().default_strategies();
            found.extend(defaults.map(incremental_strategy));
        }
        if closures.iter().any(|closure| closure.picks_snapshot_strategy) {
            found.extend(code.snapshot_strategy.as_deref().map(snapshot_strategy));
        }
        found.into_iter().map(mention).collect()
    }
}

/// Macros that dbt finds by the node's configuration, whatever its materialization.
fn configured(code: &NodeCode<'_>) -> Vec<Mention> {
    let incremental = code.incremental_strategy.as_deref().map(incremental_strategy);
    let postfix = code.is_python.then(|| Named::Plain(PYTHON_POSTFIX.to_owned()));
    incremental.into_iter().chain(postfix).map(mention).collect()
}

fn mention(of: Named) -> Mention {
    Mention { of, arguments: None }
}

/// `get_incremental_delete_insert_sql` for `delete+insert` (dbt-adapters 1.x,
/// `get_incremental_strategy_macro`).
fn incremental_strategy(name: &str) -> Named {
    Named::Plain(format!("get_incremental_{}_sql", name.replace('+', "_")))
}

/// `snapshot_check_strategy` for `check`, and `package.name` for one of a package (dbt 1.8 to
/// 1.12, `strategy_dispatch`).
fn snapshot_strategy(name: &str) -> Named {
    let (package, name) =
        name.split_once('.').map_or((None, name), |(package, name)| (Some(package), name));
    let name = format!("snapshot_{name}_strategy");
    match package {
        Some(package) => Named::Packaged(package.to_owned(), name),
        None => Named::Plain(name),
    }
}
