//! Every system call.

pub mod commit;
pub mod lock;
pub mod mount;
pub mod project;
pub mod supervise;
pub mod volume;
