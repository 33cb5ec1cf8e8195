//! Chooses the selection by which dbt gets the nodes to build, and writes the command line.
//!
//! dbt v1 looks the nodes up by `unique_id` in a `run_results.json` that reports them as skipped
//! (`result:skipped+`, dbt-core 1.8 to 1.12). Where that is not possible, each node is named on the
//! command line. dbt's own comparison (`state:modified`) is never used.

use crate::dbt::command::{Command, SKIPPED, Selection};
use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::decide::start::Approach;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// How dbt selects the nodes to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectBy {
    /// By `result:skipped+`, intersected with what limits the selection of the command.
    Result(Within),
    /// By a `--select` for each node.
    Name,
}

/// What limits the selection of a command, besides options that combine with any selection
/// (`--exclude`, `--resource-type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// Nothing.
    Everything,
    /// The terms of the user's `--select`.
    Terms,
    /// The selector of `selectors.yml` with this name: the user's `--selector`, or the default
    /// selector of the project.
    Selector(OsString),
}

impl SelectBy {
    /// The method for this dbt and command. `default_selector` is the name of the project's default
    /// selector if the command uses it.
    #[must_use]
    pub fn choose(
        engine: &Engine,
        command: &Command,
        approach: Approach,
        default_selector: Option<&str>,
    ) -> Self {
        // dbt would look in the given state directory for a manifest to defer to.
        if !engine.result_method() || command.defers_to_state() {
            return Self::Name;
        }
        let selector = match (approach, command.selection()) {
            (Approach::Narrowed, Selection::Terms(_)) => return Self::Result(Within::Terms),
            (Approach::Narrowed, Selection::Selector(name)) => Some(name.as_os_str()),
            _ => default_selector.map(OsStr::new),
        };
        match selector {
            None => Self::Result(Within::Everything),
            Some(name) if engine.selector_method() => {
                Self::Result(Within::Selector(name.to_owned()))
            }
            Some(_) => Self::Name,
        }
    }

    /// dbt's command line. `state` is the directory that contains the `run_results.json`. `None` for
    /// [`SelectBy::Name`]; use [`NodesByName::command_line`] then.
    #[must_use]
    pub fn command_line(&self, command: &Command, state: &Path) -> Option<Vec<OsString>> {
        match self {
            Self::Result(Within::Everything) => {
                Some(command.selecting(&[SKIPPED.into()], Some(state)))
            }
            Self::Result(Within::Terms) => command.narrowed(SKIPPED, state),
            Self::Result(Within::Selector(name)) => command.narrowed_selector(name, SKIPPED, state),
            Self::Name => None,
        }
    }
}

/// Nodes that are selected by a `--select` for each of them.
#[derive(Debug, Clone, Copy)]
pub struct NodesByName<'n, 'm> {
    /// The manifest of the project.
    pub manifest: &'n Manifest<'m>,
    /// The `unique_id` of every node. Tests must be included, because dbt selects no test
    /// indirectly then.
    pub nodes: &'n BTreeSet<String>,
}

impl NodesByName<'_, '_> {
    /// The command line with a `--select` for each node. An `--exclude` of the user stays in force
    /// if the user selected nothing.
    #[must_use]
    pub fn command_line(&self, command: &Command, approach: Approach) -> Vec<OsString> {
        let words = match approach {
            Approach::Changed => command.selecting(&self.terms(), None),
            Approach::Narrowed | Approach::AsGiven | Approach::Everything => {
                command.selecting_only(&self.terms())
            }
        };
        command.with_options_in(&words, &without_indirect_tests())
    }

    /// The command line that builds exactly these nodes, whatever the user selects and excludes.
    /// `refresh` adds `--full-refresh`.
    #[must_use]
    pub fn command_line_for_these_only(&self, command: &Command, refresh: bool) -> Vec<OsString> {
        let mut extra = without_indirect_tests();
        if refresh {
            extra.insert(0, "--full-refresh".into());
        }
        command.with_options_in(&command.selecting_only(&self.terms()), &extra)
    }

    /// The command line of a `dbt test` of exactly these tests.
    #[must_use]
    pub fn test_command_line(&self, command: &Command) -> Vec<OsString> {
        command.as_test(&self.terms())
    }

    fn terms(&self) -> Vec<OsString> {
        self.manifest.selection_terms(self.nodes).into_iter().map(OsString::from).collect()
    }
}

/// The options by which dbt runs no tests except those that are selected themselves.
fn without_indirect_tests() -> Vec<OsString> {
    ["--indirect-selection", "empty"].map(OsString::from).into()
}
