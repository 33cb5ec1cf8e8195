//! What a dbt command did to a node.

use std::collections::BTreeMap;

/// What a run did to a node. A node that is not named was not touched.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// As it now stands, in this many wall seconds.
    Built(f64),
    /// The warehouse may hold anything there; the words say why, e.g. `failed in the last run`.
    Touched(&'static str),
    /// It was being built when dbt was stopped or killed. Where that was its first build, a
    /// plain build may call the half-made relation a success.
    CutShort,
}

/// What a run did, by `unique_id`.
pub type Outcome = BTreeMap<String, Fate>;
