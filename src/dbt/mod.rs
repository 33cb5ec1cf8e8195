//! What dbt's command line and files mean. This layer does no I/O: it turns text into values, and a
//! test checks that it names no system call.

pub mod asked;
pub mod command;
pub mod compare;
pub mod engine;
pub mod jinja;
pub mod json;
pub mod manifest;
mod place;
pub mod profile;
pub mod project;
pub mod reads;
pub mod results;
mod yaml;
