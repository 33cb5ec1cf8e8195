//! The decisions, as values. Pure: names no I/O (a test sees to it).

pub mod record;
pub mod stop;
