//! On a terminal: the line that stays, and Ctrl-C. The terminal is that of `script`.

use super::harness::Fake;
use super::project::chain;
use crate::support::tool;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// A shell on a terminal that starts a build; the shell outlives Ctrl-C.
const SHELL: &str = "stty cols 80 rows 24; trap : INT; \"$PROGRAM\" build >out.txt; \
                     echo ended with $?; stty -a";

fn on_a_terminal(fake: &Fake) -> Child {
    let inner = fake.command(&[""; 0]);
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", SHELL, "/dev/null"]).current_dir(fake.root()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PROGRAM", inner.get_program()).env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Reads on until these words have come.
fn until(child: &mut Child, said: &mut String, words: &str) {
    let from = said.len();
    let (mut part, output) = ([0; 4096], child.stdout.as_mut().expect("a pipe"));
    while !said[from..].contains(words) {
        let length = output.read(&mut part).expect("a pipe");
        assert_ne!(length, 0, "{words:?} is not said: {said:?}");
        said.push_str(&String::from_utf8_lossy(&part[..length]));
    }
}

#[test]
fn ctrl_c_reaches_dbt_once_and_the_line_that_stayed_is_gone_afterwards() {
    if tool("script").is_none() {
        return;
    }
    let mut fake = Fake::new(chain(&["a", "b"]));
    fake.dbt("hangs_at", "b");
    fake.dbt("lingers", true);
    let mut child = on_a_terminal(&fake);
    let mut said = String::new();
    until(&mut child, &mut said, "\r1 of 2, 1 running \x1b[K");
    child.stdin.as_mut().expect("a pipe").write_all(b"\x03").expect("it reads");
    until(&mut child, &mut said, "another Ctrl-C ends it at once\r\n");
    assert!(said.contains("\r\x1b[Kdbt-entrypoint: stopping: "), "{said:?}");
    fake.go_on();
    until(&mut child, &mut said, "-extproc");
    child.wait().expect("it ends");
    let (_, end) = said.split_once("stopping: ").expect("it was told");
    let (shown, terminal) = end.split_once("ended with 2\r\n").expect("the exit code");
    for words in [
        "\r\x1b[Kdbt-entrypoint: baseline saved: 1 built",
        "interrupted with 2 after",
        "  interrupted: model.shop.b\r\n",
    ] {
        assert!(shown.contains(words), "{words}: {said:?}");
    }
    // Nothing is left of a line behind what was erased.
    let last_line = shown.rsplit("\r\x1b[K").next().expect("a line");
    assert!(!last_line.contains(" running"), "{said:?}");
    let settings: Vec<&str> = terminal.split_whitespace().collect();
    for setting in ["icanon", "echo", "isig"] {
        assert!(settings.contains(&setting), "{setting}: {terminal}");
    }
    assert_eq!(fake.told(), ["INT"]);
    assert_eq!(fake.pending(), ["b"]);
}
