//! Decides what to do with a signal: how the child is stopped step by step, and what job control on
//! a terminal requires.
//!
//! [`step`] is a pure function from a state and an event to the next state and an action. The passing
//! of time is an event too, so every path can be tested without waiting.

use anyhow::{Context, Result, anyhow};
use core::time::Duration;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;

/// What to do with the signals that this process receives while a child runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// By signal number: the number that is forwarded instead; 0 drops the signal.
    pub rewrite: BTreeMap<i32, i32>,
    /// Who gets the forwarded signals.
    pub target: SignalTarget,
    /// The time from the first stop signal to KILL. With `None`, signals are only forwarded, and
    /// whoever stops this process (Docker, the kubelet, systemd) decides when to kill.
    pub grace: Option<Duration>,
    /// Whether to give INT its default action in the child. A process that a shell started in the
    /// background ignores INT, and so would dbt.
    pub restore_int: bool,
}

/// Who gets the forwarded signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTarget {
    /// Only the child, which stays in the process group of this process.
    Child,
    /// The process group of the child, which is a new one.
    Group,
}

impl Policy {
    /// The policy for dbt: TERM is forwarded as `stop_signal`, only to the child. KILL follows after
    /// `grace`.
    #[must_use]
    pub fn dbt(stop_signal: Signal, grace: Duration) -> Self {
        let rewrite = BTreeMap::from([(Signal::SIGTERM as i32, stop_signal as i32)]);
        Self { rewrite, target: SignalTarget::Child, grace: Some(grace), restore_int: true }
    }

    /// The policy for any other program: signals are forwarded unchanged, and nothing is killed.
    #[must_use]
    pub fn exec() -> Self {
        Self {
            rewrite: BTreeMap::new(),
            target: SignalTarget::Child,
            grace: None,
            restore_int: false,
        }
    }

    /// Add a rule `FROM:TO`. Signals are names with or without `SIG`, or numbers. With 0 as `TO`, the
    /// signal is dropped.
    ///
    /// # Errors
    /// One side is not a signal. The message quotes the rule.
    pub fn add_rewrite(&mut self, rule: &str) -> Result<()> {
        let (from, to) = rule.split_once(':').ok_or_else(|| anyhow!("{rule:?} is not FROM:TO"))?;
        let from = signal_number(from).with_context(|| format!("in {rule:?}"))?;
        let to = if to == "0" {
            0
        } else {
            signal_number(to).with_context(|| format!("in {rule:?}"))?
        };
        self.rewrite.insert(from, to);
        Ok(())
    }

    /// The number of the signal that is forwarded for this one; `None` if a rule drops it.
    #[must_use]
    pub fn sent_for(&self, signal: i32) -> Option<i32> {
        Some(*self.rewrite.get(&signal).unwrap_or(&signal)).filter(|sent| *sent != 0)
    }
}

/// The number of a signal that is written as `TERM`, `SIGTERM`, `15`, `RTMIN+3` or `RTMAX-1`. RTMIN
/// is 34 and RTMAX is 64, as for Docker and systemd.
fn signal_number(word: &str) -> Result<i32> {
    let unknown = || anyhow!("{word:?} is not a signal (TERM, SIGTERM, 15, RTMIN+3)");
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(above) = name.strip_prefix("RTMIN") {
        return real_time_signal(34, above).ok_or_else(unknown);
    }
    if let Some(below) = name.strip_prefix("RTMAX") {
        return real_time_signal(64, below).ok_or_else(unknown);
    }
    if let Ok(number) = name.parse::<i32>() {
        return if (1..=64).contains(&number) { Ok(number) } else { Err(unknown()) };
    }
    format!("SIG{name}").parse::<Signal>().map(|signal| signal as i32).map_err(|_| unknown())
}

/// The real-time signal with this offset (`+3`, `-1` or nothing) from RTMIN or RTMAX.
fn real_time_signal(base: i32, offset: &str) -> Option<i32> {
    let offset = if offset.is_empty() { 0 } else { offset.parse::<i32>().ok()? };
    Some(base + offset).filter(|number| (34..=64).contains(number))
}

/// Whether the signal is one by which a user or a system asks a process to end.
#[must_use]
pub fn is_stop_signal(signal: i32) -> bool {
    STOP_SIGNALS.iter().any(|stop| *stop as i32 == signal)
}

const STOP_SIGNALS: [Signal; 4] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// How this process and the child are related to sessions, process groups and the terminal
/// (credentials(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobControl {
    /// This process is PID 1 of its namespace, so it cannot be suspended.
    pub pid1: bool,
    /// This process is the leader of its session, which alone gets HUP when the terminal hangs up.
    pub session_leader: bool,
    /// The child is in the process group of this process, so signals of the terminal reach both.
    pub shares_group: bool,
    /// There is a terminal, and the child has a process group of its own.
    pub apart_on_terminal: bool,
}

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalOrigin {
    /// A process, by kill(2).
    Process,
    /// The kernel (`SI_KERNEL`, sigaction(2)): a key, a resize or a hang-up of the terminal, or an
    /// expired timer.
    Kernel,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This process received the signal with this number, which is not CHLD.
    Signal(i32, SignalOrigin),
    /// The time of [`deadline_in`] has passed.
    Deadline,
    /// The signal with this number suspended the child.
    Suspended(i32),
    /// The child was continued.
    Continued,
}

/// How far the stop of the child has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has asked the child to end.
    Running,
    /// It was asked to end less than [`ECHO`] ago. Another request counts as an echo of the first
    /// one: timeout(1) signals the process and then its process group.
    JustAsked,
    /// It was asked to end, and the rest of the grace time is running.
    Asked,
    /// It got KILL.
    Killed,
}

/// The state of the child, as far as the decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// How far the stop has come.
    pub phase: Phase,
    /// Whether any signal has asked to end, including Ctrl-C, which the child got by itself.
    pub stopped: bool,
    /// Whether the terminal asked this process to suspend itself, which it does when the child is
    /// suspended.
    pub suspend: bool,
    /// Whether the child is suspended.
    pub suspended: bool,
}

/// The state when the child has just been started.
pub const START: State =
    State { phase: Phase::Running, stopped: false, suspend: false, suspended: false };

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Send the signal with this number to [`Policy::target`].
    Send(i32),
    /// Send KILL to [`Policy::target`].
    Kill,
    /// Suspend this process as the child is suspended, so that the shell notices.
    Suspend,
    /// Give the terminal to the child, which was suspended because it used it, if this process has
    /// it.
    LendTerminal,
    /// Stop waiting for the child, which hangs in the kernel and did not end after KILL.
    GiveUp,
}

/// A second stop signal within this time counts as an echo of the first one.
pub const ECHO: Duration = Duration::from_millis(100);

/// How long to wait for the end of a child after KILL.
pub const AFTER_KILL: Duration = Duration::from_secs(1);

/// The next state and what to do, after an event.
#[must_use]
pub fn step(
    policy: &Policy,
    job_control: JobControl,
    state: State,
    event: Event,
) -> (State, Action) {
    match event {
        Event::Signal(signal, SignalOrigin::Kernel) => {
            from_kernel(policy, job_control, state, signal)
        }
        Event::Signal(signal, SignalOrigin::Process) => forward(policy, state, signal),
        Event::Deadline => deadline(state),
        Event::Suspended(signal) => child_suspended(job_control, state, signal),
        Event::Continued => (State { suspended: false, suspend: false, ..state }, Action::Nothing),
    }
}

/// How long after the start of a phase [`Event::Deadline`] is due; `None` for never.
#[must_use]
pub fn deadline_in(phase: Phase, policy: &Policy) -> Option<Duration> {
    let grace = policy.grace?;
    match phase {
        Phase::Running => None,
        Phase::JustAsked => Some(ECHO.min(grace)),
        Phase::Asked => Some(grace.saturating_sub(ECHO)),
        Phase::Killed => Some(AFTER_KILL),
    }
}

/// The step for [`Event::Deadline`].
fn deadline(state: State) -> (State, Action) {
    match state.phase {
        Phase::Running => (state, Action::Nothing),
        Phase::JustAsked => (State { phase: Phase::Asked, ..state }, Action::Nothing),
        Phase::Asked => (State { phase: Phase::Killed, ..state }, Action::Kill),
        Phase::Killed => (state, Action::GiveUp),
    }
}

/// Whether this is the first Ctrl-C to a dbt, which has got it from the terminal itself: it then has all
/// the time it needs. `next` is what [`step`] makes of the event.
#[must_use]
pub fn is_ctrl_c_of_dbt(
    policy: &Policy,
    state: State,
    event: Event,
    next: (State, Action),
) -> bool {
    let is_key = matches!(event, Event::Signal(signal, SignalOrigin::Kernel) if signal == Signal::SIGINT as i32);
    is_key
        && next.0.stopped
        && !state.stopped
        && next.1 == Action::Nothing
        && policy.grace.is_some()
}

/// The step for a signal that the child has not received.
fn forward(policy: &Policy, state: State, signal: i32) -> (State, Action) {
    let Some(sent) = policy.sent_for(signal) else { return (state, Action::Nothing) };
    if !is_stop_signal(signal) {
        return (state, Action::Send(sent));
    }
    let state = State { stopped: true, ..state };
    if policy.grace.is_none() {
        return (state, Action::Send(sent));
    }
    match state.phase {
        Phase::Running => (State { phase: Phase::JustAsked, ..state }, Action::Send(sent)),
        Phase::JustAsked => (state, Action::Nothing),
        Phase::Asked | Phase::Killed => (State { phase: Phase::Killed, ..state }, Action::Kill),
    }
}

/// The step for a signal that the kernel sent. If it came from the terminal, the child may have
/// received it too.
fn from_kernel(
    policy: &Policy,
    job_control: JobControl,
    state: State,
    signal: i32,
) -> (State, Action) {
    // A hang-up of the terminal is signalled only to the session leader; its other signals go to the
    // whole foreground process group (Linux drivers/tty/tty_jobctrl.c). Timers signal only this
    // process.
    let known = Signal::try_from(signal).ok();
    let child_has_it = job_control.shares_group
        && match known {
            Some(Signal::SIGHUP | Signal::SIGCONT) => !job_control.session_leader,
            Some(s) => TERMINAL_SIGNALS.contains(&s),
            None => false,
        };
    if !child_has_it {
        return forward(policy, state, signal);
    }
    match known {
        // The user is at the terminal, and another Ctrl-C reaches the child as well. So there is no
        // grace time and no KILL.
        Some(Signal::SIGINT | Signal::SIGQUIT) => {
            (State { stopped: true, ..state }, Action::Nothing)
        }
        Some(Signal::SIGHUP) => (forward(policy, state, signal).0, Action::Nothing),
        Some(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU) if !job_control.pid1 => {
            suspend_with_child(State { suspend: true, ..state })
        }
        Some(_) | None => (state, Action::Nothing),
    }
}

/// The signals that a terminal sends to its foreground process group.
const TERMINAL_SIGNALS: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGWINCH,
];

/// The step for [`Event::Suspended`].
fn child_suspended(job_control: JobControl, state: State, signal: i32) -> (State, Action) {
    let state = State { suspended: true, ..state };
    match Signal::try_from(signal) {
        Ok(Signal::SIGTSTP) if job_control.apart_on_terminal && !job_control.pid1 => {
            (state, Action::Suspend)
        }
        Ok(Signal::SIGTTIN | Signal::SIGTTOU) if job_control.apart_on_terminal => {
            (state, Action::LendTerminal)
        }
        Ok(_) | Err(_) => suspend_with_child(state),
    }
}

/// Suspend this process if the terminal asked for it and the child is suspended: the two may happen in
/// either order.
fn suspend_with_child(state: State) -> (State, Action) {
    if state.suspend && state.suspended {
        (State { suspend: false, ..state }, Action::Suspend)
    } else {
        (state, Action::Nothing)
    }
}

#[cfg(test)]
mod tests;
