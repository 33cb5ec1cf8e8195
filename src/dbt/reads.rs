//! What a node reads beyond its own text: macros, and the values of `env_var` and `var`.
//!
//! dbt compares a node's own code and the macros that it saw called while it parsed
//! (`state:modified`, dbt 1.8 to 2.0 alpha). It sees no values, and no macro that is called only
//! when the node is built: under `{% if execute %}` or `{% if is_incremental() %}`, in a hook, by
//! its materialization or by its incremental or snapshot strategy. So the texts in
//! `manifest.json` are read here: the node's code and configuration, its hooks, and every macro
//! that they reach.
//!
//! The reading is generous where it must be: code in a branch that is never taken counts. A name
//! too many costs a rebuild when that macro or value changes; a name too few would leave a table
//! as it was.

mod by_code;
mod calls;
mod computed;
pub mod dotenv;
mod execution;
mod fingerprint;
mod library;
mod moment;
mod namespace;
mod node;
mod objects;
mod overrides;
mod passed;
mod python;
mod scan;
mod strings;
pub(super) mod tokens;
mod value;
pub mod variables;
mod vars;
mod volatile;
mod walk;

pub use by_code::ByCode;
pub use computed::{computes_names, hands_on_object};
pub use fingerprint::fingerprints;
pub(crate) use fingerprint::keyed_digest;
pub use library::{Library, Reached, Reads, facets_of_nodes};
pub use moment::{check_lasts, is_momentary, is_momentary_yaml, reader_of_the_graph};
pub use objects::{Objects, asks_for_the_command};
pub use vars::Vars;

use std::collections::BTreeSet;

/// Among the fingerprints of a seed: its file, where dbt does not look into it.
pub const SEED_CONTENT: &str = "seed:content";

/// A value that a node reads and that is neither in its own text nor in a macro's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// `env_var('NAME')`.
    EnvVar(String),
    /// `env_var` with a name of which only the beginning is known, or not even that: any variable
    /// of the environment that begins so.
    EnvVars(String),
    /// `env_var` with the value of a var for its name, or for a part of it.
    EnvVarsOf(NameOf),
    /// `var('name')`.
    Var(String),
    /// Likewise: any var that begins so.
    Vars(String),
    /// Likewise.
    VarsOf(NameOf),
    /// An object of dbt's Jinja context, or a part of it: `graph`, `target.name`.
    Object(String),
    /// `source('NAME', 'TABLE')`, as `NAME.TABLE`; `NAME.*` and `*` where they are computed.
    Source(String),
}

/// Names that the value of a var gives: the value itself, its items or its keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameOf {
    before: String,
    var: String,
    after: String,
}

/// Every value that a node, or a piece of text, reads.
pub type Facets = BTreeSet<Facet>;

/// The values that a template reads itself, e.g. a line of `profiles.yml` or `dbt_project.yml`.
#[must_use]
pub fn facets(text: &str) -> Facets {
    scan::template(text, &scan::NoMacros).facets
}
