//! As PID 1 of real containers: of the static binary alone, and with a terminal.

use crate::support::{docker, images, skip, tool};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const PROGRAM: &str = "/dbt-entrypoint";

#[test]
fn an_image_of_the_binary_alone_is_enough_also_under_dockers_own_init() {
    let Some(image) = images::bin() else { return };
    for options in [&[][..], &["--init"]] {
        let entry = [&["--entrypoint", PROGRAM], options].concat();
        let words = ["exec", "--", PROGRAM, "exec", "--", PROGRAM, "--version"];
        let done = docker::run(&image, &entry, &words);
        assert_eq!(done.expect_code(0).stdout.split(' ').next(), Some("dbt-entrypoint"));
    }
}

#[test]
fn a_hardened_container_gets_the_same_codes() {
    let Some(image) = images::bin() else { return };
    let hardened = ["--entrypoint", PROGRAM, "--user", "12345:678", "--read-only"];
    let hardened = [&hardened[..], &["--cap-drop", "ALL"]].concat();
    let hardened = [&hardened[..], &["--security-opt", "no-new-privileges"]].concat();
    docker::run(&image, &hardened, &["exec", "/no/such"]).expect_code(127);
    docker::run(&image, &hardened, &["exec", "/etc"]).expect_code(126);
    docker::run(&image, &hardened, &["exec", PROGRAM, "--version"]).expect_code(0);
}

#[test]
fn where_no_second_process_is_allowed_the_reason_is_said() {
    let Some(image) = images::bin() else { return };
    let options = ["--entrypoint", PROGRAM, "--pids-limit", "1"];
    let done = docker::run(&image, &options, &["exec", PROGRAM, "--version"]);
    assert!(
        done.expect_code(126).stderr.contains("the limit of processes is reached"),
        "{done:#?}"
    );
}

/// How often INT is sent: of two that come together the kernel may make one.
const TIMES: usize = 10;

/// Counts INT, and says how often it came once a line has been read from its standard input.
const COUNTS_INT: &str = "
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print('ready', sys.stdin.isatty(), flush=True)
came = 0
while came < 10:
    signal.sigwait({signal.SIGINT})
    came += 1
    print('INT', came, flush=True)
line = sys.stdin.readline()
while signal.sigtimedwait({signal.SIGINT}, 0):
    came += 1
print('read', line.strip(), 'after', came, flush=True)
";

/// What happens once a word has been printed.
#[derive(Clone, Copy)]
enum Then<'a> {
    Type(&'a str),
    Interrupt(&'a str),
}

/// Interrupt it [`TIMES`] times, each time after it has told of the one before, and then type a
/// line; all that it printed.
fn conversation(command: &mut Command, interrupt: Then<'_>) -> String {
    let told = (1..TIMES).map(|count| format!("INT {count}\n"));
    let mut steps: Vec<(String, Then<'_>)> =
        std::iter::once("ready".into()).chain(told).map(|word| (word, interrupt)).collect();
    steps.push((format!("INT {TIMES}\n"), Then::Type("x\n")));
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut printed, mut steps) = (String::new(), steps.into_iter().peekable());
    for line in output.lines().map_while(Result::ok) {
        printed += &(line.trim_end().to_owned() + "\n");
        match steps.next_if(|(word, _)| printed.contains(word.as_str())) {
            Some((_, Then::Type(keys))) => input.write_all(keys.as_bytes()).expect("it listens"),
            Some((_, Then::Interrupt(name))) => {
                docker::docker_ok(&["kill", "--signal", "INT", name]);
            }
            None => {}
        }
    }
    child.wait().expect("our child");
    printed
}

#[test]
fn ctrl_c_on_a_containers_terminal_reaches_the_child_once() {
    let Some(image) = images::runtime() else { return };
    let Some(script) = tool("script") else { return skip("script(1) makes the terminal") };
    let name = docker::unique("terminal");
    let line = format!(
        "docker run --rm --interactive --tty --name {name} {image} exec -- python3 -c \"$PROGRAM\""
    );
    let mut command = Command::new(script);
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("PROGRAM", COUNTS_INT);
    let printed = conversation(&mut command, Then::Type("\x03"));
    assert!(printed.contains("ready True") && printed.contains("read x after 10\n"), "{printed}");
}

#[test]
fn without_a_terminal_the_child_reads_its_input_and_hears_what_docker_sends_once() {
    let Some(image) = images::runtime() else { return };
    let name = docker::unique("pipe");
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--interactive", "--name", &name, &image]);
    command.args(["exec", "--", "python3", "-c", COUNTS_INT]);
    let printed = conversation(&mut command, Then::Interrupt(&name));
    assert!(printed.contains("ready False") && printed.contains("read x after 10\n"), "{printed}");
}

#[test]
fn docker_stop_ends_a_deaf_child_by_our_ladder_and_a_good_one_by_its_own_code() {
    let Some(image) = images::runtime() else { return };
    let program = |term: &str| {
        format!(
            "import signal, time; signal.signal(signal.SIGTERM, {term}); print('ready', flush=True)\nwhile True: time.sleep(9)"
        )
    };
    for (term, code, killed) in [("lambda *_: exit(7)", 7, false), ("signal.SIG_IGN", 137, true)] {
        let words = ["exec", "--stop-grace", "1", "--", "python3", "-c", &program(term)];
        let container = docker::Container::start(&image, &[], &words);
        container.wait_for_line("ready");
        container.stop(60);
        let done = container.finish();
        done.expect_code(code);
        assert_eq!(done.stderr.contains("killing process"), killed, "{done:#?}");
    }
}
