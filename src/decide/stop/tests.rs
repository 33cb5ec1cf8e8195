//! Tests of each rule for stopping the child and for the terminal.

use super::*;

const TERM: i32 = Signal::SIGTERM as i32;
const INT: i32 = Signal::SIGINT as i32;
const HUP: i32 = Signal::SIGHUP as i32;
const TSTP: i32 = Signal::SIGTSTP as i32;
const USR1: i32 = Signal::SIGUSR1 as i32;

const CONTAINER: JobControl =
    JobControl { pid1: true, session_leader: true, shares_group: true, apart_on_terminal: false };
const SHELL_JOB: JobControl =
    JobControl { pid1: false, session_leader: false, shares_group: true, apart_on_terminal: false };

fn dbt() -> Policy {
    Policy::dbt(Signal::SIGINT, Duration::from_secs(8))
}

/// The state after all events, and the action for each of them.
fn run_events(policy: &Policy, job_control: JobControl, events: &[Event]) -> (State, Vec<Action>) {
    let mut state = START;
    let mut actions = Vec::new();
    for event in events {
        let (next, action) = step(policy, job_control, state, *event);
        state = next;
        actions.push(action);
    }
    (state, actions)
}

fn kill(signal: i32) -> Event {
    Event::Signal(signal, SignalOrigin::Process)
}

fn key(signal: i32) -> Event {
    Event::Signal(signal, SignalOrigin::Kernel)
}

#[test]
fn term_is_forwarded_as_int_and_kill_follows_after_the_grace_time() {
    let events = [kill(TERM), Event::Deadline, Event::Deadline, Event::Deadline];
    let (state, actions) = run_events(&dbt(), CONTAINER, &events);
    assert_eq!(actions, [Action::Send(INT), Action::Nothing, Action::Kill, Action::GiveUp]);
    assert_eq!(state, State { phase: Phase::Killed, stopped: true, ..START });
}

#[test]
fn a_second_term_kills_at_once_and_an_echo_of_the_first_does_not() {
    let events = [kill(TERM), kill(TERM), Event::Deadline, kill(TERM)];
    let (_, actions) = run_events(&dbt(), CONTAINER, &events);
    assert_eq!(actions, [Action::Send(INT), Action::Nothing, Action::Nothing, Action::Kill]);
}

#[test]
fn without_a_grace_time_every_signal_is_forwarded_and_nothing_is_killed() {
    let events = [kill(TERM), kill(TERM), Event::Deadline, kill(37)];
    let (state, actions) = run_events(&Policy::exec(), CONTAINER, &events);
    assert_eq!(
        actions,
        [Action::Send(TERM), Action::Send(TERM), Action::Nothing, Action::Send(37)]
    );
    assert!(state.stopped);
}

#[test]
fn other_signals_are_forwarded_in_every_phase_and_do_not_change_it() {
    let mut events = vec![kill(TERM)];
    for _ in 0..4 {
        events.extend([kill(USR1), Event::Deadline]);
    }
    let (_, actions) = run_events(&dbt(), CONTAINER, &events);
    assert_eq!(actions.iter().filter(|action| **action == Action::Send(USR1)).count(), 4);
}

#[test]
fn ctrl_c_on_a_terminal_is_not_sent_twice_and_starts_no_grace_time() {
    let (state, actions) = run_events(&dbt(), CONTAINER, &[key(INT)]);
    assert_eq!((actions.as_slice(), state.phase), (&[Action::Nothing][..], Phase::Running));
    assert!(state.stopped);
    let apart = JobControl { shares_group: false, ..CONTAINER };
    assert_eq!(run_events(&dbt(), apart, &[key(INT)]).1, [Action::Send(INT)]);
}

#[test]
fn a_hang_up_is_forwarded_if_only_the_session_leader_got_it() {
    assert_eq!(run_events(&dbt(), CONTAINER, &[key(HUP)]).1, [Action::Send(HUP)]);
    let (state, actions) = run_events(&dbt(), SHELL_JOB, &[key(HUP)]);
    assert_eq!((actions.as_slice(), state.phase), (&[Action::Nothing][..], Phase::JustAsked));
}

#[test]
fn an_alarm_that_was_set_before_exec_is_forwarded_to_the_child() {
    let alarm = Signal::SIGALRM as i32;
    assert_eq!(run_events(&dbt(), CONTAINER, &[key(alarm)]).1, [Action::Send(alarm)]);
}

#[test]
fn ctrl_z_suspends_this_process_with_the_child_in_either_order_but_never_pid_1() {
    let both = [key(TSTP), Event::Suspended(TSTP)];
    assert_eq!(run_events(&dbt(), SHELL_JOB, &both).1, [Action::Nothing, Action::Suspend]);
    let swapped = [Event::Suspended(TSTP), key(TSTP)];
    assert_eq!(run_events(&dbt(), SHELL_JOB, &swapped).1, [Action::Nothing, Action::Suspend]);
    assert_eq!(run_events(&dbt(), CONTAINER, &both).1, [Action::Nothing, Action::Nothing]);
}

#[test]
fn a_child_that_suspends_itself_does_not_suspend_this_process() {
    let stop = Signal::SIGSTOP as i32;
    let (_, actions) = run_events(&dbt(), SHELL_JOB, &[Event::Suspended(stop), Event::Continued]);
    assert_eq!(actions, [Action::Nothing, Action::Nothing]);
}

#[test]
fn a_child_in_its_own_group_suspends_this_process_or_gets_the_terminal() {
    let apart = JobControl { shares_group: false, apart_on_terminal: true, ..SHELL_JOB };
    assert_eq!(run_events(&dbt(), apart, &[Event::Suspended(TSTP)]).1, [Action::Suspend]);
    let ttin = Signal::SIGTTIN as i32;
    assert_eq!(run_events(&dbt(), apart, &[Event::Suspended(ttin)]).1, [Action::LendTerminal]);
}

#[test]
fn a_dropped_signal_does_not_stop_the_child() {
    let mut policy = Policy::exec();
    policy.add_rewrite("TERM:0").unwrap();
    assert_eq!(run_events(&policy, CONTAINER, &[kill(TERM)]), (START, vec![Action::Nothing]));
}

#[test]
fn rules_take_names_numbers_and_real_time_signals() {
    let mut policy = Policy::exec();
    for rule in ["TERM:INT", "SIGHUP:15", "10:sigquit", "RTMIN+3:RTMAX-1", "2:0"] {
        policy.add_rewrite(rule).unwrap();
    }
    let expected = BTreeMap::from([(15, 2), (1, 15), (10, 3), (37, 63), (2, 0)]);
    assert_eq!(policy.rewrite, expected);
    for wrong in ["TERM", "0:TERM", "TERM:", "FOO:INT", "TERM:65", "RTMIN+31:1", "-1:1", ""] {
        assert!(policy.add_rewrite(wrong).is_err(), "{wrong}");
    }
    assert_eq!(policy.rewrite, expected);
}

#[test]
fn no_event_moves_back_to_an_earlier_phase() {
    let events = [
        kill(TERM),
        key(INT),
        kill(USR1),
        Event::Deadline,
        Event::Suspended(TSTP),
        Event::Continued,
        key(TSTP),
    ];
    let ranks = [Phase::Running, Phase::JustAsked, Phase::Asked, Phase::Killed];
    let rank = |phase| ranks.iter().position(|known| *known == phase);
    let mut seeds = vec![START];
    for _ in 0..4 {
        let mut next = Vec::new();
        for state in seeds {
            for event in events {
                let (after, _) = step(&dbt(), SHELL_JOB, state, event);
                assert!(rank(after.phase) >= rank(state.phase), "{state:?} {event:?}");
                assert!(after.stopped >= state.stopped);
                next.push(after);
            }
        }
        seeds = next;
    }
}
