//! What dbt's command line and files mean. Pure: names no I/O (a test sees to it).

pub mod changes;
pub mod command;
pub mod engine;
pub mod inputs;
pub mod jinja;
pub mod manifest;
pub mod profile;
pub mod project;
pub mod results;
mod yaml;
