//! The decisions, as values. Pure: names no I/O (a test sees to it).

pub mod baseline;
pub mod budget;
pub mod comparison;
pub mod needs;
pub mod next;
pub(crate) mod notes;
pub mod passes;
pub mod plan;
pub mod record;
pub mod retention;
pub mod settle;
pub mod start;
pub mod stop;
pub mod summary;
pub mod telling;
