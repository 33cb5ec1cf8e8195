//! Every system call, except those on the state volume: see [`store`](crate::store).

pub(crate) mod access;
pub(crate) mod announce;
pub mod boot;
pub mod clock;
mod events;
pub mod gate;
pub(crate) mod home;
pub mod inputs;
pub mod installation;
pub(crate) mod locks;
pub(crate) mod mount;
pub(crate) mod paths;
mod patience;
pub mod private;
pub mod program;
pub mod project;
pub mod random;
pub(crate) mod revision;
pub mod stderr;
pub mod supervise;
pub(crate) mod terminal;
pub(crate) mod threads;
