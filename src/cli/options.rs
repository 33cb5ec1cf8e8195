//! All options that stand before dbt's command, in groups.

mod budget;
mod build;
mod process;
mod reports;
mod state;
mod warehouse;

use super::argv;
use super::definition::{Definition, Doc, Initial, Value, Variable};
use super::{Config, help};
use std::ffi::OsStr;

/// Options that belong together, as readers find them in the manual page.
#[derive(Debug)]
pub struct Group {
    /// A heading.
    pub title: &'static str,
    definitions: &'static [&'static Definition<Config>],
    printing: &'static [&'static Definition<String>],
}

impl Group {
    /// Its options, in order.
    pub fn options(&self) -> impl Iterator<Item = &'static Doc> + Clone + use<> {
        let settings = self.definitions.iter().map(|definition| &definition.doc);
        settings.chain(self.printing.iter().map(|definition| &definition.doc))
    }
}

static GROUPS: [Group; 7] = [
    Group { title: "What is built", definitions: &build::OPTIONS, printing: &[] },
    Group { title: "The state volume", definitions: &state::OPTIONS, printing: &[] },
    Group { title: "Limits on a rebuild", definitions: &budget::OPTIONS, printing: &[] },
    Group { title: "What the warehouse holds", definitions: &warehouse::OPTIONS, printing: &[] },
    Group { title: "Running and stopping dbt", definitions: &process::OPTIONS, printing: &[] },
    Group { title: "Reports and hooks", definitions: &reports::OPTIONS, printing: &[] },
    Group { title: "Help", definitions: &[], printing: &[&HELP, &VERSION] },
];

/// Every option that stands before dbt's command, in groups.
#[must_use]
pub fn groups() -> &'static [Group] {
    &GROUPS
}

/// An option of ours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ours {
    /// It is a setting.
    Setting(&'static Definition<Config>),
    /// It prints a text, and nothing else is done.
    Printing(&'static Definition<String>),
}

static HELP: Definition<String> = Definition {
    doc: Doc {
        name: "help",
        common: true,
        letter: Some('h'),
        value: Value::Optional("TOPIC"),
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "show this, all, or one option or verb",
        manual: "Shows a short help, and ends. TOPIC is the name of an option, a variable or a \
                 verb, or `all` for everything: `--help=max-rebuild`, `--help=all`. Behind a verb \
                 it explains the verb: `dbt-entrypoint plan --help`. Behind one of dbt's commands \
                 it is dbt's own `--help`: `dbt-entrypoint run --help`. Help is shown even if a \
                 variable has a wrong value.",
    },
    set: |text, topic| {
        *text = help::about(topic)?;
        Ok(())
    },
};

static VERSION: Definition<String> = Definition {
    doc: Doc {
        name: "version",
        common: true,
        letter: Some('V'),
        value: Value::Switch,
        default: Initial::Unset(""),
        variable: Variable::None,
        help: "show the version",
        manual: "Shows the version of dbt-entrypoint, and ends. Behind one of dbt's commands it is \
                 dbt's own `--version`, and `dbt-entrypoint -- --version` shows that of dbt. \
                 `dbt-entrypoint status` shows which versions wrote the baseline.",
    },
    set: |text, _| {
        *text = help::version();
        Ok(())
    },
};

/// All settings.
pub(super) fn all() -> impl Iterator<Item = &'static Definition<Config>> + Clone {
    GROUPS.iter().flat_map(|group| group.definitions.iter().copied())
}

/// The documentation of all options, those that print included.
pub(super) fn docs() -> impl Iterator<Item = &'static Doc> + Clone {
    GROUPS.iter().flat_map(Group::options)
}

/// The option with this name.
pub(super) fn named(name: &str) -> Option<&'static Doc> {
    docs().find(|doc| doc.name == name)
}

/// The option that a word gives, its value aside.
pub(super) fn of_word(word: &OsStr) -> Option<Ours> {
    let name = argv::long_name(word);
    let is_given = |doc: &Doc| {
        let short = doc.letter.map(|letter| format!("-{letter}"));
        name == Some(doc.name) || short.is_some_and(|short| word == short.as_str())
    };
    let setting = all().find(|definition| is_given(&definition.doc)).map(Ours::Setting);
    let printing = || GROUPS.iter().flat_map(|group| group.printing).copied();
    setting.or_else(|| printing().find(|option| is_given(&option.doc)).map(Ours::Printing))
}

/// The setting of this variable.
pub(super) fn of_variable(variable: &str) -> Option<&'static Definition<Config>> {
    all().find(|definition| definition.doc.variable().as_deref() == Some(variable))
}
