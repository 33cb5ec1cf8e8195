//! One child, as PID 1 or not: signals, reaping, the stop ladder, its end.
//!
//! Never call this in-process from a test: `wait` takes other tests' children, and handlers
//! are process-wide. Test through the binary.

mod descendants;
mod signals;
mod spawn;
mod terminal;
mod tree;

pub use crate::decide::stop::{Policy, SignalTarget};

use crate::decide::stop::{self, Action, Event, JobControl, SignalOrigin};
use crate::environment::Environment;
use crate::exit::{self, Failure};
use crate::os::gate::Gate;
use anyhow::Result;
use descendants::{Descendants, kill_on_panic};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid};
use signals::{ReceivedSignal, SignalQueue};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};
use terminal::Terminal;
use tree::ChildEvent;

/// What to start.
#[derive(Debug)]
pub struct Child<'a> {
    /// The file to execute; not looked for.
    pub program: PathBuf,
    /// `argv[0]`: the word by which it was asked for.
    pub name: OsString,
    /// Without `argv[0]`.
    pub args: Vec<OsString>,
    /// The whole environment of the child.
    pub environment: Variables<'a>,
    /// Where its standard output goes.
    pub stdout: Stdout,
    /// Its signals.
    pub policy: Policy,
}

/// A child's environment.
#[derive(Debug, Clone, Copy)]
pub enum Variables<'a> {
    /// Ours as we found it, in its order.
    AsFound,
    /// Exactly these.
    These(&'a Environment),
}

/// Where a child's standard output goes.
#[derive(Debug)]
pub enum Stdout {
    /// Ours.
    Inherit,
    /// Our standard error: for a process that the user did not ask for.
    ToStderr,
    /// A file.
    File(std::fs::File),
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// `exit(code)`.
    Exited(u8),
    /// Killed by this signal number, real-time ones included.
    Signaled(i32),
}

impl Termination {
    /// As a shell has it: the code, or 128 + the signal's number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(signal) => exit::of_signal(signal),
        }
    }
}

/// What became of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildOutcome {
    /// Its end.
    pub end: Termination,
    /// A signal asked us to stop while it ran.
    pub stopped: bool,
}

/// A child that has been started, and has not ended as far as we know.
#[derive(Debug)]
#[must_use = "nobody sees to its end when this is dropped"]
pub struct Running {
    pid: Pid,
    policy: Policy,
    terminal: Option<Terminal>,
    state: stop::State,
    deadline: Option<Instant>,
    end: Option<Termination>,
}

impl Running {
    /// Until the stop ladder's next step.
    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// What a child came to first.
#[derive(Debug)]
pub enum GateOrEnd {
    /// The gate: it waits there.
    Gate(Running),
    /// Its end.
    End(ChildOutcome),
}

/// The one owner of signals and child processes.
#[derive(Debug)]
pub struct Supervisor {
    signals: SignalQueue,
    /// ReceivedSignal and not yet looked at.
    queue: VecDeque<ReceivedSignal>,
    /// The first request to stop; never forgotten.
    stop: Option<Signal>,
    pid1: bool,
    descendants: Arc<Descendants>,
}

impl Supervisor {
    /// GateOrEnd thing in main: every catchable signal is ours from here on, and so is every orphan
    /// below us (`PR_SET_CHILD_SUBREAPER`, for when we are not PID 1). A panic kills the child
    /// before it goes on to the panic hook that there is already: a bug of ours must not strand
    /// the child, and nothing unwinds in the released binary.
    ///
    /// # Errors
    /// When the system allows not even one more descriptor.
    pub fn register() -> Result<Supervisor> {
        let signals = SignalQueue::open()?;
        if let Err(errno) = nix::sys::prctl::set_child_subreaper(true) {
            log::debug!("orphans will not come to us: {errno}");
        }
        let inherited = if tree::has_children() { tree::children() } else { BTreeSet::new() };
        let descendants = Arc::new(Descendants { inherited, child: AtomicI32::new(0) });
        kill_on_panic(Arc::clone(&descendants));
        let pid1 = getpid().as_raw() == 1;
        Ok(Supervisor { signals, queue: VecDeque::new(), stop: None, pid1, descendants })
    }

    /// The first TERM, INT, HUP or QUIT that came, also while a child ran. Does not block; once
    /// there, it stays.
    pub fn stop_requested(&mut self) -> Option<Signal> {
        self.wait(Duration::ZERO)
    }

    /// Wait at most this long; return at once when a request to stop comes or has come.
    /// Orphans are reaped meanwhile.
    pub fn wait(&mut self, at_most: Duration) -> Option<Signal> {
        let end = Instant::now() + at_most;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = if self.stop.is_some() { Duration::ZERO } else { left };
            let failed = self.collect(Some(left)).is_err();
            self.note_stop();
            while tree::next_event().is_some() {}
            if self.stop.is_some() || left.is_zero() || failed {
                return self.stop;
            }
        }
    }

    /// Run a child to its end, forwarding and reaping, then kill what it left behind.
    ///
    /// A request to stop that came before, or during an earlier child, is not lost: nothing is
    /// started. Other signals that came before are passed to the child once it runs.
    ///
    /// # Errors
    /// [`Failure::Stopped`] as said; [`Failure::not_found`] (127) and [`Failure::not_executable`]
    /// (126) when it cannot be started.
    pub fn run(&mut self, child: Child<'_>) -> Result<ChildOutcome, Failure> {
        let running = self.start(child)?;
        self.finish(running)
    }

    /// As [`Supervisor::run`], no further than to the gate.
    ///
    /// # Errors
    /// As [`Supervisor::run`].
    pub fn run_to(&mut self, gate: &Gate, child: Child<'_>) -> Result<GateOrEnd, Failure> {
        let mut running = self.start(child)?;
        match self.attend_to(gate, &mut running) {
            Ok(None) => Ok(GateOrEnd::Gate(running)),
            Ok(Some(outcome)) => self.conclude(running, Ok(outcome)).map(GateOrEnd::End),
            Err(error) => self.conclude(running, Err(error)).map(GateOrEnd::End),
        }
    }

    /// Stay with a child to its end, as [`Supervisor::run`] does.
    ///
    /// # Errors
    /// The system's, none of which is to be expected.
    pub fn finish(&mut self, mut running: Running) -> Result<ChildOutcome, Failure> {
        let ended = self.attend(&mut running);
        self.conclude(running, ended)
    }

    /// Kill a child that is not needed any more, with all that it started.
    ///
    /// # Errors
    /// As [`Supervisor::finish`].
    pub fn end(&mut self, running: Running) -> Result<ChildOutcome, Failure> {
        tree::send(running.pid, Signal::SIGKILL as i32);
        self.finish(running)
    }

    fn start(&mut self, child: Child<'_>) -> Result<Running, Failure> {
        self.stop_requested();
        if let Some(signal) = self.stop.filter(|s| child.policy.sent_for(*s as i32).is_some()) {
            return Err(Failure::Stopped(signal));
        }
        let pid = spawn::spawn(&child, &self.signals.inherited_mask)?;
        self.descendants.child.store(pid.as_raw(), Ordering::SeqCst);
        let terminal = terminal::lend(child.policy.target, pid);
        let (policy, state) = (child.policy, stop::START);
        Ok(Running { pid, policy, terminal, state, deadline: None, end: None })
    }

    fn conclude(
        &mut self,
        running: Running,
        ended: Result<ChildOutcome>,
    ) -> Result<ChildOutcome, Failure> {
        if ended.is_err() {
            tree::send(running.pid, Signal::SIGKILL as i32);
        }
        self.descendants.child.store(0, Ordering::SeqCst);
        self.sweep();
        terminal::take_back(running.terminal, running.pid);
        ended.map_err(Failure::internal)
    }

    /// The loop: everything that came, in order, then one wait.
    fn attend(&mut self, running: &mut Running) -> Result<ChildOutcome> {
        loop {
            if let Some(outcome) = self.take_in(running) {
                return Ok(outcome);
            }
            self.collect(running.time_left())?;
        }
    }

    /// [`Supervisor::attend`], which the gate ends as well.
    fn attend_to(&mut self, gate: &Gate, running: &mut Running) -> Result<Option<ChildOutcome>> {
        loop {
            // A child that waits there has not ended, and one that has ended may have come by.
            if let Some(outcome) = self.take_in(running) {
                return Ok(Some(outcome));
            }
            if gate.is_reached()? {
                return Ok(None);
            }
            self.queue.extend(self.signals.collect_beside(gate.as_fd(), running.time_left())?);
            self.leave_out_news();
        }
    }

    /// Act on what has come; the outcome, once there is one.
    fn take_in(&mut self, running: &mut Running) -> Option<ChildOutcome> {
        let (pid, terminal) = (running.pid, running.terminal);
        // Signals first: to one that has ended meanwhile they do nothing, it is not reaped yet.
        let is_late = running.deadline.is_some_and(|at| at <= Instant::now());
        let mut late = is_late.then_some(Event::Deadline);
        while let Some(event) = self
            .asked(&running.policy)
            .or_else(|| late.take())
            .or_else(|| next_event_of(pid, &mut running.end))
        {
            let job_control = job_control(event, pid, self.pid1, terminal);
            let (next, action) = stop::step(&running.policy, job_control, running.state, event);
            if next.phase != running.state.phase {
                let time = stop::deadline_in(next.phase, &running.policy);
                running.deadline = time.map(|time| Instant::now() + time);
            }
            running.state = next;
            if action == Action::GiveUp {
                log::warn!("process {pid} does not die of KILL: it hangs in the kernel");
                running.end = running.end.or(Some(Termination::Signaled(Signal::SIGKILL as i32)));
                break;
            }
            act(action, pid, &running.policy, terminal);
        }
        running.end.map(|end| ChildOutcome { end, stopped: self.stop.is_some() })
    }

    /// The next signal that arrived; that one asked us to stop is remembered.
    fn asked(&mut self, policy: &Policy) -> Option<Event> {
        let ReceivedSignal { signal, origin } = self.queue.pop_front()?;
        if self.stop.is_none() && stop::is_stop_signal(signal) && policy.sent_for(signal).is_some()
        {
            self.stop = Signal::try_from(signal).ok();
        }
        Some(Event::Signal(signal, origin))
    }

    /// Take in what arrives at most this long from now; for ever, until the next signal.
    fn collect(&mut self, at_most: Option<Duration>) -> Result<()> {
        match at_most {
            None => self.queue.extend(self.signals.next()?),
            Some(at_most) => self.queue.extend(self.signals.collect(at_most)?),
        }
        self.leave_out_news();
        Ok(())
    }

    /// ChildEvent of children is asked for whatever woke us.
    fn leave_out_news(&mut self) {
        self.queue.retain(|arrived| arrived.signal != Signal::SIGCHLD as i32);
    }

    /// Take requests to stop out of the queue; the rest waits for the next child.
    fn note_stop(&mut self) {
        let asked = self.queue.iter().find(|arrived| stop::is_stop_signal(arrived.signal));
        let asked = asked.and_then(|arrived| Signal::try_from(arrived.signal).ok());
        self.stop = self.stop.or(asked);
        self.queue.retain(|arrived| !stop::is_stop_signal(arrived.signal));
    }

    fn sweep(&mut self) {
        let descendants = Arc::clone(&self.descendants);
        descendants.sweep(|at_most| self.collect(Some(at_most)));
    }
}

/// The next thing that happened to the child; everybody else's end is only reaped. Nothing is
/// read after the child's own end: its pid may then belong to another.
fn next_event_of(child: Pid, end: &mut Option<Termination>) -> Option<Event> {
    while end.is_none() {
        match tree::next_event()? {
            ChildEvent::Ended(pid, how) if pid == child => *end = Some(how),
            ChildEvent::Suspended(pid, signal) if pid == child => {
                return Some(Event::Suspended(signal));
            }
            ChildEvent::Continued(pid) if pid == child => return Some(Event::Continued),
            ChildEvent::Ended(..) | ChildEvent::Suspended(..) | ChildEvent::Continued(_) => {}
        }
    }
    None
}

fn act(action: Action, pid: Pid, policy: &Policy, terminal: Option<Terminal>) {
    match action {
        Action::Nothing | Action::GiveUp => {}
        Action::Send(signal) => send(pid, signal, policy.target),
        Action::Kill => {
            log::warn!("killing process {pid}: it was asked to end and has not");
            send(pid, Signal::SIGKILL as i32, policy.target);
        }
        Action::Suspend => terminal::suspend(terminal, pid),
        Action::LendTerminal => terminal::lend_again(terminal, pid),
    }
}

fn send(pid: Pid, signal: i32, target: SignalTarget) {
    match target {
        SignalTarget::Child => tree::send(pid, signal),
        SignalTarget::Group => tree::send_to_group(pid, signal),
    }
}

/// Looked at anew for each event that it matters to: the child may leave our group at any time.
fn job_control(event: Event, pid: Pid, pid1: bool, terminal: Option<Terminal>) -> JobControl {
    let apart_on_terminal = terminal.is_some();
    match event {
        Event::Signal(_, SignalOrigin::Kernel) | Event::Suspended(_) => JobControl {
            pid1,
            session_leader: getsid(None).is_ok_and(|session| session == getpid()),
            shares_group: getpgid(Some(pid)).is_ok_and(|group| group == getpgrp()),
            apart_on_terminal,
        },
        Event::Signal(_, SignalOrigin::Process) | Event::Deadline | Event::Continued => {
            JobControl { pid1, session_leader: false, shares_group: true, apart_on_terminal }
        }
    }
}
