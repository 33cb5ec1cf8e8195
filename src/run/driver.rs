//! Starting dbt, and the other programs that a run needs.

use crate::decide::stop::Policy;
use crate::environment::Environment;
use crate::exit::Failure;
use crate::os::gate::{self, Gate};
use crate::os::supervise::{
    Child, ChildOutcome, GateOrEnd, Running, Stdout, Supervisor, Variables,
};
use crate::os::{access, program};
use crate::say;
use crate::session::{self, DbtCommand, Session};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// Starts programs for one session, one at a time.
pub(crate) struct Driver<'a> {
    session: &'a Session,
    supervisor: &'a mut Supervisor,
    /// The lock of the state, for dbt to hold as well.
    lock: Option<Arc<File>>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(session: &'a Session, supervisor: &'a mut Supervisor) -> Self {
        Self { session, supervisor, lock: None }
    }

    /// Have every dbt that is started from now on hold this lock until it ends.
    pub(super) fn lend(&mut self, lock: File) {
        self.lock = Some(Arc::new(lock));
    }

    pub(crate) fn session(&self) -> &'a Session {
        self.session
    }

    /// Signals, for whoever waits for something else than a program.
    pub(crate) fn supervisor(&mut self) -> &mut Supervisor {
        self.supervisor
    }

    /// The signal that asked us to stop, if one has.
    pub(super) fn stop_requested(&mut self) -> Option<Signal> {
        self.supervisor.stop_requested()
    }

    /// Run dbt to its end; its exit code, 128+n for a death by signal.
    ///
    /// # Errors
    /// 128+n where a signal came before it was started, 126 and 127 where it cannot be started.
    pub(super) fn run(&mut self, args: Vec<OsString>, stdout: Stdout) -> Result<u8, Failure> {
        if let Some(signal) = self.stop_requested() {
            return Err(Failure::Stopped(signal));
        }
        let child = self.dbt(args, stdout);
        Ok(self.supervisor.run(child)?.end.exit_code())
    }

    /// Start dbt and wait until it stands at the gate, or has ended.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub(super) fn run_to(
        &mut self,
        gate: &Gate,
        args: Vec<OsString>,
    ) -> Result<GateOrEnd, Failure> {
        let child = self.dbt(args, Stdout::Inherit);
        self.supervisor.run_to(gate, child)
    }

    /// Run dbt to its end while another one waits at the gate, and kill it if it takes longer than
    /// `at_most`; its exit code, 128+n for a death by signal.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub(super) fn run_beside(
        &mut self,
        waiting: Option<&mut Running>,
        args: Vec<OsString>,
        stdout: Stdout,
        at_most: Duration,
    ) -> Result<u8, Failure> {
        if let Some(signal) = self.stop_requested() {
            return Err(Failure::Stopped(signal));
        }
        let child = self.dbt(args, stdout);
        Ok(self.supervisor.run_beside(waiting, child, at_most)?.end.exit_code())
    }

    /// Wait for a dbt that was let through the gate.
    ///
    /// # Errors
    /// Those of wait(2), none of which is to be expected.
    pub(super) fn finish(&mut self, running: Running) -> Result<ChildOutcome, Failure> {
        self.supervisor.finish(running)
    }

    /// End a dbt that is not needed any more.
    ///
    /// # Errors
    /// As [`Driver::finish`].
    pub(super) fn end(&mut self, running: Running) -> Result<ChildOutcome, Failure> {
        self.supervisor.end(running)
    }

    fn dbt(&self, args: Vec<OsString>, stdout: Stdout) -> Child<'a> {
        let Session { config, installation, environment, .. } = self.session;
        Child {
            program: installation.program().to_owned(),
            name: config.dbt.clone(),
            args,
            environment: Variables::These(environment),
            stdout,
            inherits: self.lock.clone(),
            policy: Policy::dbt(config.stop_signal, config.stop_grace),
        }
    }

    /// Run a command of the operator's. Its standard output goes to our standard error: ours is
    /// dbt's.
    ///
    /// # Errors
    /// 126 and 127 where it cannot be started.
    pub(super) fn run_hook(
        &mut self,
        words: &[OsString],
        environment: &Environment,
    ) -> Result<ChildOutcome, Failure> {
        let Some((name, args)) = words.split_first() else {
            return Err(Failure::usage("the command is empty"));
        };
        let config = &self.session.config;
        let child = Child {
            program: program::find(name, environment)?,
            name: name.clone(),
            args: args.to_vec(),
            environment: Variables::These(environment),
            stdout: Stdout::ToStderr,
            inherits: None,
            policy: Policy::dbt(config.stop_signal, config.stop_grace),
        };
        self.supervisor.run(child)
    }
}

/// dbt alone: the state is neither read nor written.
///
/// # Errors
/// As [`Driver::run`].
pub(crate) fn run_without_state(
    invocation: &DbtCommand<'_>,
    supervisor: &mut Supervisor,
) -> Result<u8, Failure> {
    let DbtCommand { config, command, installation, environment: seen } = invocation;
    let mut environment = config.environment.clone();
    if let Ok(mut project) = session::locate(command, seen) {
        session::write_elsewhere(command, &mut project, &mut environment);
        // A run that was killed leaves its gate behind, and this dbt would wait there for ever.
        gate::clear(&project.target_path);
        for path in [&project.target_path, &project.log_path] {
            if !access::is_writable(path) {
                say::unwritable(path);
            }
        }
    }
    let child = Child {
        program: installation.program().to_owned(),
        name: config.dbt.clone(),
        args: command.words().to_vec(),
        environment: Variables::These(&environment),
        stdout: Stdout::Inherit,
        inherits: None,
        policy: Policy::dbt(config.stop_signal, config.stop_grace),
    };
    Ok(supervisor.run(child)?.end.exit_code())
}
