//! What a run of dbt did to a node, reduced to what the next baseline depends on.

use std::collections::BTreeMap;

/// What a run did to one node. The run did not touch nodes that have no fate.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// dbt built the node as the project now defines it, in this many wall-clock seconds. For a
    /// test: it ran, and passed or warned.
    Built(f64),
    /// dbt worked on the node without building it as a whole, so the state of its relation is
    /// unknown. The text says why, for example `failed in the last run`.
    Touched(&'static str),
    /// dbt was stopped or killed while it built the node. If that was the node's first build, a
    /// later build may append to the partial relation and report success.
    CutShort,
}

/// What a run did to each node that it touched, by `unique_id`.
pub type Outcome = BTreeMap<String, Fate>;
