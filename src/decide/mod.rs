//! The decisions, as values. Pure: names no I/O (a test sees to it).

pub mod baseline;
pub mod forecast;
pub mod needs;
pub(crate) mod notes;
pub mod passes;
pub mod plan;
pub mod record;
pub mod retention;
pub mod skip;
pub mod stop;
pub mod summary;
