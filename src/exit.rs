//! The one table of exit codes.
//!
//! dbt's own codes (0, 1, 2) and death by signal (128+n) pass through; everything that
//! only we can say has a code of `sysexits.h` that dbt never uses.

use nix::sys::signal::Signal;
use std::fmt;

/// Why we end without dbt's own exit code, each with its number.
#[derive(Debug)]
pub enum Failure {
    /// The command line or a variable of ours is wrong.
    Usage(anyhow::Error),
    /// A bug of ours, or a system call that failed where it never should.
    Internal(anyhow::Error),
    /// The state directory cannot be written (permission, read-only, full).
    StateUnwritable(anyhow::Error),
    /// dbt succeeded, but the baseline could not be saved.
    NotSaved(anyhow::Error),
    /// Another process held the lock for longer than `--lock-timeout`.
    LockTimeout(anyhow::Error),
    /// More would be rebuilt than the operator allows; nothing was run.
    BudgetExceeded(anyhow::Error),
    /// State missing, damaged or foreign, or the configuration cannot be used.
    Refused(anyhow::Error),
    /// The program was found but cannot be executed.
    NotExecutable(anyhow::Error),
    /// The program was not found.
    NotFound(anyhow::Error),
    /// A signal asked us to stop before there was a child to pass it to.
    Stopped(Signal),
}

impl Failure {
    /// The process's exit code: `sysexits.h` for ours, POSIX's 126, 127 and 128+n.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::Internal(_) => 70,
            Self::StateUnwritable(_) => 73,
            Self::NotSaved(_) => 74,
            Self::LockTimeout(_) => 75,
            Self::BudgetExceeded(_) => 77,
            Self::Refused(_) => 78,
            Self::NotExecutable(_) => 126,
            Self::NotFound(_) => 127,
            Self::Stopped(signal) => 128 + u8::try_from(*signal as i32).unwrap_or(0),
        }
    }
}

/// The exit code of an ended run, and the reason where the code is not dbt's.
#[must_use]
pub fn told(ended: &Result<u8, Failure>) -> (u8, Option<String>) {
    match ended {
        Ok(code) => (*code, None),
        Err(failure) => (failure.code(), Some(failure.to_string())),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why)
            | Self::Internal(why)
            | Self::StateUnwritable(why)
            | Self::NotSaved(why)
            | Self::LockTimeout(why)
            | Self::BudgetExceeded(why)
            | Self::Refused(why)
            | Self::NotExecutable(why)
            | Self::NotFound(why) => write!(f, "{why:#}"),
            Self::Stopped(signal) => write!(f, "stopped by {signal} before anything was started"),
        }
    }
}
