//! A child process: what is started, how it runs, and how it ended.

use super::terminal::Terminal;
use crate::decide::stop::{self, Policy};
use crate::environment::Environment;
use crate::exit;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process to start.
#[derive(Debug)]
pub struct Child<'a> {
    /// The path of the file to execute; `PATH` is not searched.
    pub program: PathBuf,
    /// `argv[0]`: the name by which the program was requested.
    pub name: OsString,
    /// The arguments after `argv[0]`.
    pub args: Vec<OsString>,
    /// The complete environment of the child.
    pub environment: Variables<'a>,
    /// Where its standard output goes.
    pub stdout: Stdout,
    /// The only descriptor of this process that it inherits, besides the standard streams.
    pub inherits: Option<Arc<File>>,
    /// What to do with signals while it runs.
    pub policy: Policy,
}

/// A child's environment.
#[derive(Debug, Clone, Copy)]
pub enum Variables<'a> {
    /// The environment of this process as it was started, in the same order.
    AsFound,
    /// Exactly these variables.
    These(&'a Environment),
}

/// Where a child's standard output goes.
#[derive(Debug)]
pub enum Stdout {
    /// To the standard output of this process.
    Inherit,
    /// To the standard error of this process, for a child that the user did not ask for.
    ToStderr,
    /// To this file.
    File(File),
}

/// How a child ended (wait(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// It exited with this code.
    Exited(u8),
    /// The signal with this number killed it. Real-time signals are included.
    Signaled(i32),
}

impl Termination {
    /// The exit code that a shell reports: the code itself, or 128 + the number of the signal.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(signal) => exit::of_signal(signal),
        }
    }
}

/// The end of a child that was supervised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildOutcome {
    /// How it ended.
    pub end: Termination,
    /// Whether a signal had asked this process to stop by then.
    pub stopped: bool,
}

/// A child that has been started and whose end has not been reported yet.
#[derive(Debug)]
#[must_use = "a dropped child keeps running without supervision"]
pub struct Running {
    pub(super) pid: Pid,
    pub(super) policy: Policy,
    pub(super) terminal: Option<Terminal>,
    /// How far the stop has come.
    pub(super) state: stop::State,
    /// When [`stop::Event::Deadline`] is due.
    pub(super) deadline: Option<Instant>,
    /// How it ended, once known.
    pub(super) end: Option<Termination>,
}

impl Running {
    /// The time until the next step of the stop; `None` if there is none.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// What a child reached first: the gate, or its end.
#[derive(Debug)]
pub enum GateOrEnd {
    /// The gate. It waits there.
    Gate(Running),
    /// Its end.
    End(ChildOutcome),
}
