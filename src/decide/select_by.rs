//! How dbt is told what to build.
//!
//! dbt v1 looks the nodes up by `unique_id` in a `run_results.json` that calls them skipped
//! (`result:skipped+`, dbt-core 1.8 to 1.12). Where that is not possible, the nodes are named one by
//! one. dbt's own comparison (`state:modified`) is never used.

use crate::dbt::command::{Command, SKIPPED, Selection};
use crate::dbt::engine::Engine;
use crate::dbt::manifest::Manifest;
use crate::decide::start::Approach;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The words that tell dbt what to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectBy {
    /// `result:skipped+`, within what else limits the command's selection.
    Result(Within),
    /// A `--select` for each node.
    Name,
}

/// What limits the selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// Nothing but the options that combine with any selection (`--exclude`, resource types).
    Everything,
    /// The terms of the user's `--select`.
    Terms,
    /// A selector of `selectors.yml`: the user's `--selector`, or the project's default.
    Selector(OsString),
}

impl SelectBy {
    /// The best way for this dbt and command. `default_selector` is the name of the project's
    /// default selector, where that is in force.
    #[must_use]
    pub fn choose(
        engine: &Engine,
        command: &Command,
        approach: Approach,
        default_selector: Option<&str>,
    ) -> Self {
        // dbt would look for a manifest to defer to in the directory that we give it.
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

    /// dbt's command line, where `state` is the directory with the `run_results.json`. `None` for
    /// [`SelectBy::Name`], for which [`NodesByName::command_line`] is.
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

/// Nodes to be named on dbt's command line.
#[derive(Debug, Clone, Copy)]
pub struct NodesByName<'n, 'm> {
    /// The project.
    pub manifest: &'n Manifest<'m>,
    /// By `unique_id`; tests included, since no test is selected indirectly beside them.
    pub nodes: &'n BTreeSet<String>,
}

impl NodesByName<'_, '_> {
    /// The command with a `--select` for each node.
    #[must_use]
    pub fn command_line(&self, command: &Command, approach: Approach) -> Vec<OsString> {
        let words = match approach {
            // `--exclude` stays in force beside our terms.
            Approach::Changed => command.selecting(&self.terms(), None),
            Approach::Narrowed | Approach::AsGiven | Approach::Everything => {
                command.selecting_only(&self.terms())
            }
        };
        command.with_options_in(&words, &exactly())
    }

    /// The command for these nodes alone, in the place of whatever it selects and excludes.
    #[must_use]
    pub fn command_line_for_these_only(&self, command: &Command, refresh: bool) -> Vec<OsString> {
        let mut extra = exactly();
        if refresh {
            extra.insert(0, "--full-refresh".into());
        }
        command.with_options_in(&command.selecting_only(&self.terms()), &extra)
    }

    fn terms(&self) -> Vec<OsString> {
        self.manifest.selection_terms(self.nodes).into_iter().map(OsString::from).collect()
    }
}

/// No tests but those that are named.
fn exactly() -> Vec<OsString> {
    ["--indirect-selection", "empty"].map(OsString::from).into()
}
