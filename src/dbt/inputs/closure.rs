//! From a node through its configuration and its macros to the names that reach it.

use super::calls::{Argument, Call};
use super::scan::{self, Reader, Scan};
use super::{Name, Names, python};
use crate::trees::IntoTree;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A node's own code, `raw_code` with its `language`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code<'a> {
    /// SQL with Jinja in it; also a seed's empty text.
    Sql(&'a str),
    /// A Python model or function: no Jinja is rendered in it.
    Python(&'a str),
}

/// What a manifest says of a node, as far as it may name an `env_var` or a `var`.
#[derive(Debug, Clone)]
pub struct NodeText<'a> {
    /// `raw_code` and `language`.
    pub code: Code<'a>,
    /// The strings of `unrendered_config`, and the `sql` of the hooks in `config`
    /// (see [`strings`](super::strings())).
    pub config: Vec<Cow<'a, str>>,
    /// `depends_on.macros`.
    pub macros: Vec<&'a str>,
    /// `config.materialized`: dbt finds its macro by name and records no dependency.
    pub materialized: Option<&'a str>,
    /// `config.incremental_strategy`; likewise.
    pub strategy: Option<&'a str>,
}

/// What a manifest says of a macro.
#[derive(Debug, Clone)]
pub struct MacroText<'a> {
    /// Key in `macros`, e.g. `macro.dbt_utils.star`.
    pub id: &'a str,
    /// `name`, e.g. `star`.
    pub name: &'a str,
    /// `macro_sql`.
    pub text: &'a str,
    /// `depends_on.macros`.
    pub macros: Vec<&'a str>,
    /// Whose it is.
    pub origin: Origin,
}

/// Whose a macro is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The project's or a package's.
    Project,
    /// dbt's own or an adapter's: packages `dbt` and `dbt_<adapter>`. They look up macros by
    /// name at run time that a project may have overridden.
    Internal,
}

/// Every macro, with what it reads itself and through others.
#[derive(Debug)]
pub struct Library<'a> {
    by_id: BTreeMap<&'a str, usize>,
    /// The project's macros by name and, for `<adapter>__name`, by what `dispatch` finds
    /// them under.
    by_name: BTreeMap<&'a str, Vec<usize>>,
    /// Macros that dbt finds by a node's configuration.
    looked_up: Vec<(&'a str, usize)>,
    /// By index.
    names: Vec<Names>,
    /// By index: what a macro reads under a name that its caller passes.
    passed: Vec<BTreeSet<Passed>>,
}

/// `env_var(name)` in `{% macro m(name) %}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Passed {
    reader: Reader,
    position: usize,
    parameter: String,
}

impl<'a> Library<'a> {
    /// Of all macros of a manifest.
    #[must_use]
    pub fn new(macros: &[MacroText<'a>]) -> Self {
        let indexed = || macros.iter().enumerate();
        let by_config = |name: &str| name.contains(MATERIALIZATION) || name.contains(STRATEGY);
        let mut library = Self {
            by_id: indexed().map(|(at, found)| (found.id, at)).into_tree(),
            by_name: by_name(macros),
            looked_up: indexed()
                .filter(|(_, found)| by_config(found.name))
                .map(|(at, found)| (found.name, at))
                .collect(),
            names: Vec::new(),
            passed: Vec::new(),
        };
        let mut scans: Vec<Scan> = macros.iter().map(|found| library.scan(found)).collect();
        library.passed = scans.iter().map(passed).collect();
        let both = macros.iter().zip(&scans);
        let edges: Vec<Vec<usize>> =
            both.map(|(found, scan)| library.edges_of(found, scan)).collect();
        library.hand_on(&mut scans, &edges);
        library.names = (0..macros.len()).map(|at| names_through(at, &edges, &scans)).collect();
        library
    }

    /// What macros read under names that other macros pass becomes what those read, until
    /// nothing is handed on any more.
    fn hand_on(&mut self, scans: &mut [Scan], edges: &[Vec<usize>]) {
        loop {
            let mut changed = false;
            for (at, (scan, reached)) in scans.iter_mut().zip(edges).enumerate() {
                let (names, handed_on) = self.resolved(&scan.calls, reached);
                scan.names.0.extend(names);
                let position = |name: &String| scan.parameters.iter().position(|own| own == name);
                let own = handed_on.into_iter().filter_map(|(reader, parameter)| {
                    Some(Passed { reader, position: position(&parameter)?, parameter })
                });
                if let Some(passed) = self.passed.get_mut(at) {
                    let before = passed.len();
                    passed.extend(own);
                    changed |= passed.len() > before;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// What the macros that are reached read under names that these calls pass: names, and
    /// parameters of the caller.
    fn resolved(&self, calls: &[Call], reached: &[usize]) -> (Vec<Name>, Vec<(Reader, String)>) {
        let (mut names, mut handed_on) = (Vec::new(), Vec::new());
        for at in reached {
            for Passed { reader, position, parameter } in self.passed.get(*at).into_iter().flatten()
            {
                let here = calls.iter().filter(|call| self.named(&call.callee).contains(at));
                let mut arguments = here.map(|call| call.argument(*position, parameter)).peekable();
                // Reached in a way that the code does not show.
                if arguments.peek().is_none() {
                    names.push(reader.computed());
                }
                for argument in arguments {
                    match argument {
                        Argument::Literal(name) => names.push(reader.literal(name)),
                        Argument::Parameter(own) => handed_on.push((*reader, own.clone())),
                        Argument::Computed => names.push(reader.computed()),
                    }
                }
            }
        }
        (names, handed_on)
    }

    fn scan(&self, found: &MacroText<'_>) -> Scan {
        match found.origin {
            // A cheap look before a text is taken apart: few of dbt's macros read anything.
            Origin::Internal if !found.text.contains("var") => Scan::default(),
            Origin::Internal | Origin::Project => {
                scan::template(found.text, &|word| self.by_name.contains_key(word))
            }
        }
    }

    fn edges_of(&self, found: &MacroText<'_>, scan: &Scan) -> Vec<usize> {
        let mut edges = self.recorded(&found.macros);
        match found.origin {
            Origin::Project => edges.extend(self.mentioned(scan)),
            // dbt's macros call one another by name, and a project's of that name come first.
            Origin::Internal => edges.extend(self.named(base_name(found.name))),
        }
        edges
    }

    fn recorded(&self, ids: &[&str]) -> Vec<usize> {
        ids.iter().filter_map(|id| self.by_id.get(id).copied()).collect()
    }

    fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The project's macros that the code names without dbt recording it.
    fn mentioned(&self, scan: &Scan) -> Vec<usize> {
        if scan.any_macro {
            return self.by_name.values().flatten().copied().collect();
        }
        scan.calls.iter().flat_map(|call| self.named(&call.callee)).copied().collect()
    }

    /// The names that reach a node.
    #[must_use]
    pub fn of_node(&self, node: &NodeText<'_>) -> Names {
        let is_macro = |word: &str| self.by_name.contains_key(word);
        let code = match node.code {
            Code::Sql(text) => scan::template(text, &is_macro),
            Code::Python(text) => python::scan(text),
        };
        let config = node.config.iter().map(|text| scan::config_value(text, &is_macro));
        let mut names = Names::default();
        let mut calls = Vec::new();
        let mut reached = self.recorded(&node.macros);
        reached.extend(self.looked_up(node));
        for scan in config.chain([code]) {
            reached.extend(self.mentioned(&scan));
            names.0.extend(scan.names.0);
            calls.extend(scan.calls);
        }
        names.0.extend(self.resolved(&calls, &reached).0);
        for found in reached.iter().filter_map(|at| self.names.get(*at)) {
            names.0.extend(found.0.iter().cloned());
        }
        names
    }

    /// Macros that dbt finds by the node's configuration.
    fn looked_up(&self, node: &NodeText<'_>) -> Vec<usize> {
        let materialization = node.materialized.map(|name| format!("{MATERIALIZATION}{name}_"));
        let strategy = node.strategy.map(|name| format!("{STRATEGY}{name}_sql"));
        let wanted = |name: &str| {
            materialization.as_ref().is_some_and(|prefix| name.starts_with(prefix.as_str()))
                || strategy.as_deref().is_some_and(|full| base_name(name) == full)
        };
        self.looked_up.iter().filter(|(name, _)| wanted(name)).map(|(_, at)| *at).collect()
    }
}

const MATERIALIZATION: &str = "materialization_";

const STRATEGY: &str = "get_incremental_";

fn passed(scan: &Scan) -> BTreeSet<Passed> {
    let position = |name: &String| scan.parameters.iter().position(|own| own == name);
    let found = scan.passed.iter().filter_map(|(reader, parameter)| {
        Some(Passed {
            reader: *reader,
            position: position(parameter)?,
            parameter: parameter.clone(),
        })
    });
    found.into_tree()
}

/// What the macro reads, those that it calls included.
fn names_through(start: usize, edges: &[Vec<usize>], scans: &[Scan]) -> Names {
    let mut seen = vec![false; edges.len()];
    let mut open = vec![start];
    let mut names = Names::default();
    while let Some(at) = open.pop() {
        let Some(first @ false) = seen.get_mut(at) else { continue };
        *first = true;
        names.0.extend(scans.get(at).into_iter().flat_map(|scan| scan.names.0.iter().cloned()));
        open.extend(edges.get(at).into_iter().flatten());
    }
    names
}

fn by_name<'a>(macros: &[MacroText<'a>]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, found) in macros.iter().enumerate() {
        if found.origin == Origin::Project {
            by_name.entry(found.name).or_default().push(at);
            if base_name(found.name) != found.name {
                by_name.entry(base_name(found.name)).or_default().push(at);
            }
        }
    }
    by_name
}

/// `name` of `<adapter>__name`.
fn base_name(name: &str) -> &str {
    name.split_once("__").map_or(name, |(_, base)| base)
}

#[cfg(test)]
mod tests;
