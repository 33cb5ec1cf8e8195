//! The whole pipeline over a dbt that starts in milliseconds: what is built, what the volume
//! then says, with which exit code, and how dbt was started for it.
//!
//! Real dbt proves elsewhere that the fake one does what dbt does.

mod artifacts;
mod bucket;
mod budget;
mod changed;
mod commands;
mod documents;
mod doubt;
mod events;
mod external;
mod failures;
mod first;
mod halves;
mod harness;
mod history;
mod hooks;
mod left_out;
mod monitoring;
mod news;
mod operators;
mod overlap;
mod process;
mod progress;
mod project;
mod ran;
mod reads;
mod recovery;
mod relations;
mod sandbox;
mod selection;
mod terminal;
mod told;
mod two;
mod unchanged;
mod unit_tests;
mod volume;
mod warehouse;
mod warm;
mod warm_volume;
