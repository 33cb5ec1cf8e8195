//! What is noted about a run before dbt starts, for whoever has to record it if it is killed.

use crate::dbt::profile::Identity;
use crate::decide::needs::Scope;
use serde::{Deserialize, Serialize};

/// What a run set out to do: the content of `.dbt-entrypoint/run/intent.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// [`FORMAT`](crate::decide::record::FORMAT) of the program that wrote it.
    pub(crate) format: u32,
    /// What counts as unbuilt until this run has built it.
    pub(crate) scope: Scope,
    /// The option of dbt that makes the run build something other than the real relations, such
    /// as `--empty`.
    pub(crate) unreal: Option<String>,
    /// Where it builds.
    pub(crate) identity: Identity,
    /// Whether dbt runs with `--full-refresh`.
    #[serde(default)]
    pub(crate) full_refresh: bool,
}
