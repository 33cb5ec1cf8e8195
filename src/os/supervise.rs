//! Runs one child process at a time, as PID 1 or not: forwards signals, reaps orphans, stops the
//! child in steps, and reports how it ended.
//!
//! Do not call this from a unit test: wait(2) would reap the children of other tests, and the signal
//! mask and handlers belong to the whole process. Test it through the binary.

mod child;
mod descendants;
mod signals;
mod spawn;
mod terminal;
mod tree;

pub use crate::decide::stop::{Policy, SignalTarget};
pub use child::{Child, ChildOutcome, GateOrEnd, Running, Stdout, Termination, Variables};

use crate::decide::stop::{self, Action, Event, JobControl, SignalOrigin};
use crate::exit::Failure;
use crate::os::{clock, gate::Gate};
use anyhow::Result;
use descendants::{Descendants, kill_on_panic};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid};
use signals::{ReceivedSignal, SignalQueue};
use std::collections::{BTreeSet, VecDeque};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use terminal::Terminal;
use tree::ChildEvent;

/// The owner of all signals and child processes of this process. There is only one.
#[derive(Debug)]
pub struct Supervisor {
    signals: SignalQueue,
    /// Signals that were received and have not been handled yet.
    queue: VecDeque<ReceivedSignal>,
    /// The first signal that asked this process to stop, and when it was received, in seconds since
    /// the epoch (UTC). It stays set.
    stop: Option<Signal>,
    stop_at: f64,
    /// Whether this process is PID 1 of its namespace.
    pid1: bool,
    descendants: Arc<Descendants>,
    /// A child that waits while another one runs, and how it ended if it did not wait.
    waiting: Option<(Pid, Option<Termination>)>,
}

impl Supervisor {
    /// Take over the signals and descendants of this process. It must be the first thing in `main`.
    ///
    /// From here on, every signal that can be blocked is received by the supervisor, and every
    /// orphaned descendant becomes a child of this process (`PR_SET_CHILD_SUBREAPER`, prctl(2), for
    /// when it is not PID 1). A panic kills the child and then runs the panic hook that was set
    /// before: a bug in this program must not leave the child behind, and the released binary does
    /// not unwind.
    ///
    /// # Errors
    /// The process cannot open another file descriptor.
    pub fn register() -> Result<Supervisor> {
        let signals = SignalQueue::open()?;
        if let Err(errno) = nix::sys::prctl::set_child_subreaper(true) {
            log::debug!("orphaned processes will not be reaped: {errno}");
        }
        let inherited = if tree::has_children() { tree::children() } else { BTreeSet::new() };
        let descendants = Arc::new(Descendants::new(inherited));
        kill_on_panic(Arc::clone(&descendants));
        let pid1 = getpid().as_raw() == 1;
        let (queue, stop, stop_at, waiting) = (VecDeque::new(), None, 0.0, None);
        Ok(Supervisor { signals, queue, stop, stop_at, pid1, descendants, waiting })
    }

    /// The first TERM, INT, HUP or QUIT that this process received, also while a child ran. Once
    /// there is one, every later call returns it. Does not block.
    pub fn stop_requested(&mut self) -> Option<Signal> {
        self.wait(Duration::ZERO)
    }

    /// When that signal was received, in seconds since the epoch (UTC).
    pub fn stop_requested_at(&mut self) -> Option<f64> {
        self.stop_requested().map(|_| self.stop_at)
    }

    /// Wait at most this long for a signal that asks to stop; return immediately if one has already
    /// been received. Orphans are reaped meanwhile.
    pub fn wait(&mut self, at_most: Duration) -> Option<Signal> {
        let end = Instant::now() + at_most;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = if self.stop.is_some() { Duration::ZERO } else { left };
            let failed = self.receive(Some(left)).is_err();
            self.take_stop_requests();
            while tree::next_event().is_some() {}
            if self.stop.is_some() || left.is_zero() || failed {
                return self.stop;
            }
        }
    }

    /// Run a child to its end. Signals are forwarded to it and orphans are reaped; afterwards, the
    /// processes that it left behind are killed.
    ///
    /// If a signal has already asked to stop, the child is not started. Other signals that were
    /// received before are forwarded to the child once it runs.
    ///
    /// # Errors
    /// [`Failure::Stopped`] if a signal asked to stop before the start; [`Failure::not_found`] (127)
    /// and [`Failure::not_executable`] (126) if the child cannot be started.
    pub fn run(&mut self, child: Child<'_>) -> Result<ChildOutcome, Failure> {
        let running = self.start(child)?;
        self.finish(running)
    }

    /// Run a child until it reaches the gate or ends, whichever comes first.
    ///
    /// # Errors
    /// Those of [`Supervisor::run`].
    pub fn run_to(&mut self, gate: &Gate, child: Child<'_>) -> Result<GateOrEnd, Failure> {
        let mut running = self.start(child)?;
        match self.wait_for_gate_or_end(gate, &mut running) {
            Ok(None) => Ok(GateOrEnd::Gate(running)),
            Ok(Some(outcome)) => self.conclude(running, Ok(outcome)).map(GateOrEnd::End),
            Err(error) => self.conclude(running, Err(error)).map(GateOrEnd::End),
        }
    }

    /// Run a child to its end, and kill it if it takes longer than `at_most`, while the child
    /// `beside` waits at the gate.
    ///
    /// # Errors
    /// Those of [`Supervisor::run`].
    pub fn run_beside(
        &mut self,
        beside: Option<&mut Running>,
        child: Child<'_>,
        at_most: Duration,
    ) -> Result<ChildOutcome, Failure> {
        self.waiting = beside.as_ref().map(|beside| (beside.pid, beside.end));
        self.descendants.wait_for(beside.as_ref().map(|beside| beside.pid));
        let ended = self.run_within(child, at_most);
        self.descendants.wait_for(None);
        if let (Some(beside), Some((_, end))) = (beside, self.waiting.take()) {
            beside.end = end;
            self.descendants.child.store(beside.pid.as_raw(), Ordering::SeqCst);
        }
        ended
    }

    /// Run a last child, even if a signal has asked to stop, and kill it if it takes longer than
    /// `at_most`.
    ///
    /// # Errors
    /// Those of [`Supervisor::run`].
    pub fn run_last(
        &mut self,
        child: Child<'_>,
        at_most: Duration,
    ) -> Result<ChildOutcome, Failure> {
        self.stop_requested();
        self.stop = None;
        self.run_beside(None, child, at_most)
    }

    fn run_within(&mut self, child: Child<'_>, at_most: Duration) -> Result<ChildOutcome, Failure> {
        let mut running = self.start(child)?;
        let end = Instant::now() + at_most;
        loop {
            if let Some(outcome) = self.handle_events(&mut running) {
                return self.conclude(running, Ok(outcome));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.end(running);
            }
            let next = running.time_left().map_or(left, |step| step.min(left));
            if let Err(error) = self.receive(Some(next)) {
                return self.conclude(running, Err(error));
            }
        }
    }

    /// Supervise a running child to its end, as [`Supervisor::run`] does.
    ///
    /// # Errors
    /// A system call failed, which is not expected to happen.
    pub fn finish(&mut self, mut running: Running) -> Result<ChildOutcome, Failure> {
        let ended = self.wait_for_end(&mut running);
        self.conclude(running, ended)
    }

    /// Kill a child that is no longer needed, and all processes that it started. Those go first: the
    /// resource tracker of Python's `multiprocessing` would otherwise report that its parent left
    /// semaphores behind.
    ///
    /// # Errors
    /// Those of [`Supervisor::finish`].
    pub fn end(&mut self, running: Running) -> Result<ChildOutcome, Failure> {
        for child in tree::children_of(running.pid) {
            tree::send(child, Signal::SIGKILL as i32);
        }
        tree::send(running.pid, Signal::SIGKILL as i32);
        self.finish(running)
    }

    /// Start a child, unless a signal has asked to stop.
    fn start(&mut self, child: Child<'_>) -> Result<Running, Failure> {
        self.stop_requested();
        let forwarded = |signal: &Signal| child.policy.sent_for(*signal as i32).is_some();
        if let Some(signal) = self.stop.filter(forwarded) {
            return Err(Failure::Stopped(signal));
        }
        let pid = spawn::spawn(&child, &self.signals.inherited_mask)?;
        self.descendants.child.store(pid.as_raw(), Ordering::SeqCst);
        let terminal = terminal::lend(child.policy.target, pid);
        let (policy, state) = (child.policy, stop::START);
        Ok(Running { pid, policy, terminal, state, deadline: None, end: None })
    }

    /// Clean up after a child: kill what it left behind and take the terminal back. A child that
    /// could not be supervised to its end is killed.
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

    /// The main loop: handle everything that has been received, in order, then wait for more.
    fn wait_for_end(&mut self, running: &mut Running) -> Result<ChildOutcome> {
        loop {
            if let Some(outcome) = self.handle_events(running) {
                return Ok(outcome);
            }
            self.receive(running.time_left())?;
        }
    }

    /// The same loop, which also ends with `None` when the child reaches the gate.
    fn wait_for_gate_or_end(
        &mut self,
        gate: &Gate,
        running: &mut Running,
    ) -> Result<Option<ChildOutcome>> {
        loop {
            // A child that waits at the gate has not ended; a child that has ended may have
            // passed it without waiting. So its end is looked for first.
            if let Some(outcome) = self.handle_events(running) {
                return Ok(Some(outcome));
            }
            if gate.is_reached()? {
                return Ok(None);
            }
            self.queue.extend(self.signals.collect_beside(gate.as_fd(), running.time_left())?);
            self.drop_child_signals();
        }
    }

    /// Handle all received signals and all state changes of the child. Returns its outcome once it
    /// has ended.
    fn handle_events(&mut self, running: &mut Running) -> Option<ChildOutcome> {
        let (pid, terminal) = (running.pid, running.terminal);
        // Signals come first: a child that has ended meanwhile is not reaped yet, so its pid still
        // exists, and a signal to it has no effect.
        let is_late = running.deadline.is_some_and(|at| at <= Instant::now());
        let mut late = is_late.then_some(Event::Deadline);
        while let Some(event) = self
            .next_signal(&running.policy)
            .or_else(|| late.take())
            .or_else(|| next_event_of(pid, &mut running.end, &mut self.waiting))
        {
            let place = job_control(event, pid, self.pid1, terminal);
            let (next, action) = stop::step(&running.policy, place, running.state, event);
            if next.phase != running.state.phase {
                let time = stop::deadline_in(next.phase, &running.policy);
                running.deadline = time.map(|time| Instant::now() + time);
            }
            if stop::is_ctrl_c_of_dbt(&running.policy, running.state, event, (next, action)) {
                log::info!("stopping: dbt cancels its queries; another Ctrl-C ends it at once");
            }
            if action == Action::GiveUp {
                log::warn!("process {pid} did not end after SIGKILL: it hangs in the kernel");
                running.end = running.end.or(Some(Termination::Signaled(Signal::SIGKILL as i32)));
                break;
            }
            running.state = next;
            act(action, pid, &running.policy, terminal);
        }
        running.end.map(|end| ChildOutcome { end, stopped: self.stop.is_some() })
    }

    /// The next received signal as an event. The first one that asks to stop is remembered.
    fn next_signal(&mut self, policy: &Policy) -> Option<Event> {
        let ReceivedSignal { signal, origin } = self.queue.pop_front()?;
        if self.stop.is_none() && stop::is_stop_signal(signal) && policy.sent_for(signal).is_some()
        {
            (self.stop, self.stop_at) = (Signal::try_from(signal).ok(), clock::precisely_now());
        }
        Some(Event::Signal(signal, origin))
    }

    /// Wait at most this long for signals and queue them; without a time, wait for the next one.
    fn receive(&mut self, at_most: Option<Duration>) -> Result<()> {
        match at_most {
            None => self.queue.extend(self.signals.next()?),
            Some(at_most) => self.queue.extend(self.signals.collect(at_most)?),
        }
        self.drop_child_signals();
        Ok(())
    }

    /// Drop CHLD from the queue: state changes of children are looked for after every wait anyway.
    fn drop_child_signals(&mut self) {
        self.queue.retain(|arrived| arrived.signal != Signal::SIGCHLD as i32);
    }

    /// Remove signals that ask to stop from the queue. The others stay for the next child.
    fn take_stop_requests(&mut self) {
        let asked = self.queue.iter().find(|arrived| stop::is_stop_signal(arrived.signal));
        let asked = asked.and_then(|arrived| Signal::try_from(arrived.signal).ok());
        if self.stop.is_none() && asked.is_some() {
            (self.stop, self.stop_at) = (asked, clock::precisely_now());
        }
        self.queue.retain(|arrived| !stop::is_stop_signal(arrived.signal));
    }

    fn sweep(&mut self) {
        let descendants = Arc::clone(&self.descendants);
        let mut waiting = self.waiting;
        let ended = |pid, how| note_end(&mut waiting, pid, how);
        descendants.sweep(ended, |at_most| self.receive(Some(at_most)));
        self.waiting = waiting;
    }
}

/// The next state change of the child. Other processes that have ended are only reaped. Nothing is
/// read after the child's own end, because its pid may then belong to another process.
fn next_event_of(
    child: Pid,
    end: &mut Option<Termination>,
    waiting: &mut Option<(Pid, Option<Termination>)>,
) -> Option<Event> {
    while end.is_none() {
        match tree::next_event()? {
            ChildEvent::Ended(pid, how) if pid == child => *end = Some(how),
            ChildEvent::Ended(pid, how) => note_end(waiting, pid, how),
            ChildEvent::Suspended(pid, signal) if pid == child => {
                return Some(Event::Suspended(signal));
            }
            ChildEvent::Continued(pid) if pid == child => return Some(Event::Continued),
            ChildEvent::Suspended(..) | ChildEvent::Continued(_) => {}
        }
    }
    None
}

/// Remember how the waiting child ended: wait(2) tells it only once.
fn note_end(waiting: &mut Option<(Pid, Option<Termination>)>, pid: Pid, how: Termination) {
    if let Some((_, end)) = waiting.as_mut().filter(|(waiting, _)| *waiting == pid) {
        *end = Some(how);
    }
}

/// Carry out what [`stop::step`] decided.
fn act(action: Action, pid: Pid, policy: &Policy, terminal: Option<Terminal>) {
    match action {
        Action::Nothing | Action::GiveUp => {}
        Action::Send(signal) => tree::send_to(policy.target, pid, signal),
        Action::Kill => {
            log::warn!("killing process {pid}: it was asked to stop and is still running");
            tree::send_to(policy.target, pid, Signal::SIGKILL as i32);
        }
        Action::Suspend => terminal::suspend(terminal, pid),
        Action::LendTerminal => terminal::lend_again(terminal, pid),
    }
}

/// The position of both processes in job control. It is looked up again for each event for which it
/// matters, because the child may leave the process group of this process at any time.
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
