//! What a run notes on the volume before dbt starts. If the run is killed, the next start reads it to
//! record what had been built.

use crate::dbt::profile::Identity;
use crate::decide::needs::Scope;
use serde::{Deserialize, Serialize};

/// What a run set out to do: the content of `.dbt-entrypoint/run/intent.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The [`FORMAT`](crate::decide::record::FORMAT) of the program that wrote it.
    pub(crate) format: u32,
    /// Which nodes count as not built until this run has built them.
    pub(crate) scope: Scope,
    /// The option of dbt by which the run does not build the complete relations, such as `--empty`.
    pub(crate) unreal: Option<String>,
    /// The project and the place in the warehouse where it builds.
    pub(crate) identity: Identity,
    /// Whether dbt runs with `--full-refresh`.
    #[serde(default)]
    pub(crate) full_refresh: bool,
}
