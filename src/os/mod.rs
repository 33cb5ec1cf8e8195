//! Every system call.

pub mod announce;
pub mod clock;
pub mod commit;
mod dir;
mod fault;
pub mod follow;
pub mod gate;
pub mod history;
pub mod inputs;
pub mod installation;
mod leftovers;
pub mod lock;
pub mod mount;
mod notes;
pub mod place;
pub mod private;
pub mod program;
pub mod project;
pub mod random;
mod soundness;
pub mod stderr;
pub mod supervise;
pub mod usage;
pub mod volume;
