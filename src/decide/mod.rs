//! The decisions of a run, as pure functions from values to values. This layer does no I/O; a test
//! checks that it names no system call.

pub mod baseline;
pub mod between;
pub mod budget;
pub mod comparison;
pub mod doubt;
pub mod earlier_runs;
pub mod event;
pub(crate) mod intent;
pub mod needs;
pub mod next;
pub mod origin;
pub mod orphans;
pub mod plan;
pub mod progress;
pub mod record;
pub(crate) mod refused_plan;
pub mod relations;
pub mod retention;
pub mod select_by;
pub mod settle;
pub mod start;
pub mod state_mode;
pub mod stop;
pub mod summary;
pub mod warehouse;
pub mod warm;
