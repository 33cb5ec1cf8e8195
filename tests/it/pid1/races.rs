//! Signals at every instant between our start and the child's end, a thousand times over.
//!
//! The instant is chosen at random over the first two milliseconds, in which we register, the
//! child is spawned and executes. Nothing may be lost: the child sleeps for longer than any test.

use crate::support::binary;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TRIES: u32 = 2000;

/// A busy machine makes fewer tries, but takes no longer.
const TIME: Duration = Duration::from_secs(8);

#[derive(Clone, Copy)]
enum Whom {
    Us,
    Group,
}

/// Start it, send TERM at a random instant, and say which ends there were.
fn ends(words: &[&str], whom: Whom) -> Vec<i32> {
    let mut seen = Vec::new();
    let mut chance: u32 = 12345;
    let start = Instant::now();
    for tries in 0..TRIES {
        if start.elapsed() > TIME {
            assert!(tries > 50, "hardly any try in {TIME:?}");
            break;
        }
        let mut command = Command::new(binary());
        command.args(words).process_group(0).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        spin(Duration::from_nanos(u64::from(chance >> 11)));
        let code = tell(child, whom);
        if !seen.contains(&code) {
            seen.push(code);
        }
    }
    seen.sort_unstable();
    seen
}

/// 0 to 2.1 ms; a sleep would be too coarse.
fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn tell(mut child: Child, whom: Whom) -> i32 {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    match whom {
        Whom::Us => kill(pid, Signal::SIGTERM),
        Whom::Group => killpg(pid, Signal::SIGTERM),
    }
    .expect("not reaped yet, so it is there");
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code().unwrap_or_else(|| 128 + status.signal().expect("an end"));
        }
        if Instant::now() > end {
            let _ = killpg(pid, Signal::SIGKILL);
            let _ = child.wait();
            panic!("TERM was lost");
        }
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

#[test]
fn term_at_any_instant_of_the_start_ends_the_child() {
    assert_eq!(ends(&["exec", "--", "/bin/sleep", "1000"], Whom::Us), [143]);
}

#[test]
fn term_to_the_whole_group_at_any_instant_of_the_start_ends_the_child() {
    assert_eq!(ends(&["exec", "--", "/bin/sleep", "1000"], Whom::Group), [143]);
}

#[test]
fn term_at_any_instant_of_dbts_start_ends_dbt_by_its_own_int_or_starts_none() {
    let seen = ends(&["--no-state", "--dbt=/bin/sleep", "1000"], Whom::Us);
    assert!(seen.iter().all(|code| [130, 143].contains(code)), "{seen:?}");
}

#[test]
fn term_in_the_instant_of_the_childs_end_is_either_its_code_or_the_signal() {
    let seen = ends(&["exec", "--", "/bin/true"], Whom::Us);
    assert!(seen.iter().all(|code| [0, 143].contains(code)), "{seen:?}");
}
