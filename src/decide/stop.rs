//! What to do with a signal: the stop ladder and the terminal's rules, as a pure step.
//!
//! `step` takes what we know and what happened, and says what to do. Times are given to it
//! as events, so that every path can be tested by value.

use anyhow::{Context, Result, anyhow};
use core::time::Duration;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;

/// What to do with signals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Signal number → number sent on instead; 0 drops it.
    pub rewrite: BTreeMap<i32, i32>,
    /// Who gets them.
    pub target: SignalTarget,
    /// From the first stopping signal to KILL; `None`: pass signals on and never kill, which
    /// leaves the patience to whoever stops us (docker, the kubelet, systemd).
    pub grace: Option<Duration>,
    /// Give INT its default action in the child, or a dbt started in the background is deaf.
    pub restore_int: bool,
}

/// Who gets the signals that are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTarget {
    /// The child alone, which stays in our process group.
    Child,
    /// The child's process group, a new one.
    Group,
}

impl Policy {
    /// For dbt: TERM becomes `stop_signal`, the child alone.
    #[must_use]
    pub fn dbt(stop_signal: Signal, grace: Duration) -> Self {
        let rewrite = BTreeMap::from([(Signal::SIGTERM as i32, stop_signal as i32)]);
        Self { rewrite, target: SignalTarget::Child, grace: Some(grace), restore_int: true }
    }

    /// For any other program: nothing rewritten, nothing killed.
    #[must_use]
    pub fn exec() -> Self {
        Self {
            rewrite: BTreeMap::new(),
            target: SignalTarget::Child,
            grace: None,
            restore_int: false,
        }
    }

    /// Add a rule `A:B`: names with or without SIG, or numbers; B may be 0 to drop the signal.
    ///
    /// # Errors
    /// When either side is not a signal.
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

    /// What is sent on for this signal; `None` when a rule drops it.
    #[must_use]
    pub fn sent_for(&self, signal: i32) -> Option<i32> {
        Some(*self.rewrite.get(&signal).unwrap_or(&signal)).filter(|sent| *sent != 0)
    }
}

/// `TERM`, `SIGTERM`, `15`, `RTMIN+3` or `RTMAX-1`, in the kernel's numbers (RTMIN is 34, as
/// docker and systemd count).
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

fn real_time_signal(base: i32, offset: &str) -> Option<i32> {
    let offset = if offset.is_empty() { 0 } else { offset.parse::<i32>().ok()? };
    Some(base + offset).filter(|number| (34..=64).contains(number))
}

/// Does a process that gets this signal normally end because somebody wants it to?
#[must_use]
pub fn is_stop_signal(signal: i32) -> bool {
    STOPS.iter().any(|stop| *stop as i32 == signal)
}

const STOPS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// Where we stand among processes; does not change while the child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobControl {
    /// PID 1 of our namespace: nothing can stop (suspend) us.
    pub pid1: bool,
    /// Leader of our session: the only one that a hang-up is told to.
    pub session_leader: bool,
    /// The child is in our process group, so a terminal's signals reach both of us.
    pub shares_group: bool,
    /// There is a terminal, and the child has a process group of its own on it.
    pub apart_on_terminal: bool,
}

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalOrigin {
    /// A process, by `kill`.
    Process,
    /// The kernel (`SI_KERNEL`): a terminal's key, resize or hang-up, or an expired timer.
    Kernel,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// We got a signal other than CHLD.
    Signal(i32, SignalOrigin),
    /// The deadline that the last state asked for has passed.
    Deadline,
    /// The child was suspended by this signal.
    Suspended(i32),
    /// The child runs again.
    Continued,
}

/// How far the stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody wants the child to end.
    Running,
    /// It was asked to end an instant ago; a second request may be an echo of the first:
    /// timeout(1) signals the process and then its group.
    JustAsked,
    /// It was asked to end and has the rest of the grace time.
    Asked,
    /// KILL was sent.
    Killed,
}

/// What we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// How far the stop has come.
    pub phase: Phase,
    /// Somebody asked for the end, in whatever way.
    pub stopped: bool,
    /// The terminal wants us suspended, once the child is.
    pub suspend: bool,
    /// The child is suspended.
    pub suspended: bool,
}

/// LastBuild anything happened.
pub const START: State =
    State { phase: Phase::Running, stopped: false, suspend: false, suspended: false };

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Send this signal to the target.
    Send(i32),
    /// Send KILL to the target.
    Kill,
    /// Suspend ourselves as the child is suspended, so that a job-control shell sees it.
    Suspend,
    /// The child wanted the terminal and was suspended for it: give it if it is ours to give.
    LendTerminal,
    /// KILL did not end the child (it hangs in the kernel): wait no longer.
    GiveUp,
}

/// A second request within this time is taken for an echo of the first.
pub const ECHO: Duration = Duration::from_millis(100);

/// How long a killed child may take to vanish.
pub const AFTER_KILL: Duration = Duration::from_secs(1);

/// One step.
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
        Event::Signal(signal, SignalOrigin::Process) => pass_on(policy, state, signal),
        Event::Deadline => deadline(state),
        Event::Suspended(signal) => child_suspended(job_control, state, signal),
        Event::Continued => (State { suspended: false, suspend: false, ..state }, Action::Nothing),
    }
}

/// How long after entering a phase [`Event::Deadline`] is due.
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

fn deadline(state: State) -> (State, Action) {
    match state.phase {
        Phase::Running => (state, Action::Nothing),
        Phase::JustAsked => (State { phase: Phase::Asked, ..state }, Action::Nothing),
        Phase::Asked => (State { phase: Phase::Killed, ..state }, Action::Kill),
        Phase::Killed => (state, Action::GiveUp),
    }
}

fn pass_on(policy: &Policy, state: State, signal: i32) -> (State, Action) {
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

fn from_kernel(
    policy: &Policy,
    job_control: JobControl,
    state: State,
    signal: i32,
) -> (State, Action) {
    // A terminal tells a hang-up to its session leader alone; its other signals go to the
    // whole foreground group (Linux drivers/tty/tty_jobctrl.c). Timers are ours alone.
    let known = Signal::try_from(signal).ok();
    let child_has_it = job_control.shares_group
        && match known {
            Some(Signal::SIGHUP | Signal::SIGCONT) => !job_control.session_leader,
            Some(s) => TERMINAL.contains(&s),
            None => false,
        };
    if !child_has_it {
        return pass_on(policy, state, signal);
    }
    match known {
        // The user sits there, and the next Ctrl-C reaches the child as well: no ladder.
        Some(Signal::SIGINT | Signal::SIGQUIT) => {
            (State { stopped: true, ..state }, Action::Nothing)
        }
        Some(Signal::SIGHUP) => (pass_on(policy, state, signal).0, Action::Nothing),
        Some(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU) if !job_control.pid1 => {
            suspend_with_child(State { suspend: true, ..state })
        }
        Some(_) | None => (state, Action::Nothing),
    }
}

const TERMINAL: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGWINCH,
];

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

fn suspend_with_child(state: State) -> (State, Action) {
    if state.suspend && state.suspended {
        (State { suspend: false, ..state }, Action::Suspend)
    } else {
        (state, Action::Nothing)
    }
}

#[cfg(test)]
mod tests;
