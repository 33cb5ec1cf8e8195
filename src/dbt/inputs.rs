//! The values from outside that a node depends on: which `env_var` and `var` names it reads,
//! and salted fingerprints of their values.
//!
//! dbt compares code, never these values (`state:modified`, dbt 1.8 to 2.0 alpha), so a node
//! whose values changed would stay as it was. The names come from the texts in
//! `manifest.json`: the node's code, its configuration as it was written, its hooks, and
//! every macro that it may reach.

mod calls;
mod closure;
pub mod dotenv;
pub mod fingerprint;
mod manifest;
mod python;
mod scan;
mod strings;
pub(super) mod tokens;
mod variables;
mod vars;

pub use closure::{Code, Library, MacroText, NodeText};
pub use fingerprint::{differing, fingerprints};
pub use manifest::of_manifest;
pub use strings::strings;
pub use variables::variables;
pub use vars::Vars;

use std::collections::BTreeSet;

/// Among the fingerprints of a seed: its file, where dbt does not look into it.
pub const SEED_CONTENT: &str = "seed:content";

/// Something that a node reads from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `env_var('NAME')`.
    Env(String),
    /// `env_var` with a name that is known only at run time: any of the environment.
    AnyEnv,
    /// `var('name')`.
    Var(String),
    /// `var` with a name that is known only at run time: any var.
    AnyVar,
}

/// Everything that a node reads from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub BTreeSet<Name>);

impl Names {
    /// Whether some name is known only at run time, so that the node depends on all values.
    #[must_use]
    pub fn computed(&self) -> bool {
        self.0.contains(&Name::AnyEnv) || self.0.contains(&Name::AnyVar)
    }
}

/// The names that a template reads, e.g. a line of `profiles.yml` or `dbt_project.yml`.
#[must_use]
pub fn names(text: &str) -> Names {
    scan::template(text, &|_| false).names
}
