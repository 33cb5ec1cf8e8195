//! One dbt command that builds, over the state: the pipeline of `lib.rs`, stage by stage.
//!
//! [`mod@open`] admits the state and reads it, [`mod@start`] decides what to start from,
//! [`mod@parse`] has dbt parse the project, [`mod@plan`] compares and decides what to build, and
//! [`mod@carry_out`] runs dbt and commits what it built.

mod adopt;
mod artifacts;
mod ask;
mod attempt;
mod carry_out;
mod commit;
mod compare;
mod doubt;
mod driver;
mod follow;
mod journal;
mod open;
mod orphans;
mod overlap;
mod parse;
mod plan;
mod probe;
mod progress;
mod publish;
mod recover;
mod stage;
mod start;
mod unchanged;
mod values;
mod verify;
mod warm;

pub(crate) use adopt::{GivenManifest, adopt};
pub(crate) use carry_out::carry_out;
pub(crate) use doubt::settle;
pub(crate) use driver::{Driver, run_without_state};
pub(crate) use open::{Access, Opened, hold, last_run, store};
pub(crate) use orphans::{Order, Orphans, orphans};
pub(crate) use parse::parse;
pub(crate) use plan::{compare, plan, within_budget};
pub(crate) use publish::publish;
pub(crate) use start::start;
pub(crate) use verify::verify;
pub(crate) use warm::keep as keep_parse;
