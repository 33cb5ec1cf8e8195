//! What dbt's command line and files mean. Pure: names no I/O (a test sees to it).

pub mod command;
pub mod compare;
pub mod jinja;
pub mod manifest;
pub mod profile;
pub mod project;
pub mod reads;
pub mod results;
mod yaml;
