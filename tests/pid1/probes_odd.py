"""What a good init does in odd worlds, in races and on a terminal."""

import fcntl
import os
import random
import resource
import signal
import struct
import termios

from harness import LISTENER, PYTHON, Job, check, children_of, set_of, shell, status_of, until
from probes import code_of, listener, probe


# --- odd worlds -----------------------------------------------------------------------------------


@probe("odd worlds", "standard input is closed at the start")
def no_stdin(init, mode):
    check((code := code_of(init, shell("exit 7"), mode, prepare=lambda: os.close(0))) == 7, f"{code}")


@probe("odd worlds", "all three standard descriptors are closed at the start")
def no_stdio(init, mode):
    close = lambda: [os.close(fd) for fd in range(3)]
    check((code := code_of(init, shell("exit 7"), mode, prepare=close)) == 7, f"{code}")


def with_broken(fd):
    def prepare():
        read, write = os.pipe()
        os.dup2(write, fd)
        os.close(read)
        os.close(write)

    return prepare


@probe("odd worlds", "a broken pipe as standard error is survived, and the code kept")
def broken_stderr(init, mode):
    check((code := code_of(init, ["/no/such"], mode, prepare=with_broken(2))) == 127, f"{code}")
    check((code := code_of(init, shell("exit 7"), mode, prepare=with_broken(2))) == 7, f"{code}")


@probe("odd worlds", "a full pipe as standard error is survived")
def full_stderr(init, mode):
    def prepare():
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while os.write(write, b"x" * 65536):
                pass
        except BlockingIOError:
            pass
        os.set_blocking(write, True)
        os.dup2(write, 2)
        os.dup2(read, 9, inheritable=True)

    with Job(init(["/no/such"]), mode == "P", prepare=prepare) as job:
        check((code := job.wait(4)) == 127, f"{code}")


@probe("odd worlds", "32 MB of address space are enough")
def small_memory(init, mode):
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (32 << 20, 32 << 20))
    check((code := code_of(init, shell("exit 7"), mode, prepare=limit)) == 7, f"{code}")


@probe("odd worlds", "8 file descriptors are enough")
def eight_files(init, mode):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    check((code := code_of(init, shell("exit 7"), mode, prepare=limit)) == 7, f"{code}")


@probe("odd worlds", "4 file descriptors, what a dynamic program needs to start, are enough")
def four_files(init, mode):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
    check((code := code_of(init, shell("exit 7"), mode, prepare=limit)) == 7, f"{code}")


@probe("odd worlds", "without /proc: forwarding, reaping, exit code", "P")
def no_proc(init, mode):
    def prepare():
        from harness import LIBC

        check(LIBC.mount(b"none", b"/proc", b"tmpfs", 0, None) == 0, "mount")

    with listener(init, mode, prepare=prepare) as job:
        for number in (15, 37, 12):
            job.kill(number)
            job.expect(f"got {number}.", 2)
        check((code := job.wait(2)) == 7, f"{code}")


@probe("odd worlds", "an init inside an init")
def nested(init, mode):
    with Job(init(init(LISTENER)), mode == "P") as job:
        job.expect("ready")
        job.kill(15)
        job.expect("got 15.", 2)
        job.kill(12)
        check((code := job.wait(2)) == 7, f"{code}")


@probe("odd worlds", "one thread, and no wake-up while idle")
def idle(init, mode):
    with listener(init, mode) as job:
        check(status_of(job.pid)["Threads"] == "1", "more than one thread")
        job.kill(15)
        job.expect("got 15.", 2)
        until(lambda: status_of(job.pid)["State"].startswith("S"), "never idle")
        wakeups = lambda: int(status_of(job.pid)["voluntary_ctxt_switches"])
        before = wakeups()
        import select

        select.select([], [], [], 2.2)  # what is measured here is time itself
        check(wakeups() == before, f"{wakeups() - before} wake-ups in 2.2 s")


# --- races --------------------------------------------------------------------------------------


@probe("races", "a TERM that is pending at the start is not lost, 50 times")
def pending(init, mode):
    def prepare():
        signal.pthread_sigmask(signal.SIG_BLOCK, {15})
        os.kill(os.getpid(), 15)
        # Handed over blocked and pending, as by a shell that was just told to stop.

    for _ in range(50):
        with Job(init(LISTENER), mode == "P", prepare=prepare) as job:
            until(lambda: heard(job), "TERM is lost", 3)


def heard(job):
    """It ended before it started anything, or the child was told."""
    more = job.read(3)
    job.buffer += more
    return b"got 15." in job.buffer or (not more and job.wait(2) == 143)


@probe("races", "TERM to the whole group while the child is being started is not lost", "N")
def group_at_start(init, mode):
    lost = 0
    tries = 150
    for _ in range(tries):
        with Job(init(["/bin/sleep", "100"])) as job:
            until(lambda: status_of(job.pid).get("Name") not in ("python3", None), "never executed")
            spin(random.random() * 0.002)
            try:
                os.killpg(job.pid, 15)
            except ProcessLookupError:
                pass
            lost += lives_on(job)
    check(lost == 0, f"{lost} of {tries} lost")


def lives_on(job):
    """Whether it did not end by TERM. A busy machine may take more than half a second over that."""
    for seconds in (0.5, 5):
        try:
            return job.wait(seconds) not in (143, -15)
        except Exception:
            continue
    return True


@probe("races", "TERM to the init alone while the child is being started is not lost")
def term_at_start(init, mode):
    lost = 0
    tries = 150 if mode == "N" else 50
    for _ in range(tries):
        with Job(init(["/bin/sleep", "100"]), mode == "P") as job:
            until(lambda: hears_term(job.pid, mode), "never executed")
            spin(random.random() * 0.002)
            job.kill(15)
            lost += lives_on(job)
    check(lost == 0, f"{lost} of {tries} lost")


def hears_term(pid, mode):
    """The kernel drops what is sent to a PID 1 that has not yet said that it wants it."""
    status = status_of(pid)
    if status.get("Name", "python").startswith("python"):
        return False
    heard = set_of(status["SigBlk"]) | set_of(status["SigCgt"])
    return mode == "N" or 15 in heard


@probe("races", "TERM in the instant of the child's exit, 100 times: 0 or 143")
def term_at_exit(init, mode):
    for _ in range(100 if mode == "N" else 30):
        with Job(init(shell("echo ready")), mode == "P") as job:
            job.expect("ready")
            spin(random.random() * 0.0005)
            try:
                job.kill(15)
            except ProcessLookupError:
                pass
            check((code := job.wait(2)) in (0, 143), f"{code}")


def spin(seconds):
    import time

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


# --- terminal -------------------------------------------------------------------------------------


def on_terminal(init, mode, words=LISTENER):
    job = Job(init(words), mode == "P", terminal=True)
    try:
        job.expect("ready")
    except BaseException:
        job.close()
        raise
    return job


def exactly_once(job, number, act):
    """After the key, a marker sent by kill: between them the signal came once."""
    act()
    before = job.expect(f"got {number}.", 2)
    job.kill(10)
    before += job.expect("got 10.", 2)
    check(b"got" not in before, f"more than once, or others: {before!r}")


@probe("terminal", "Ctrl-C and Ctrl-\\ reach the child exactly once")
def keys(init, mode):
    with on_terminal(init, mode) as job:
        exactly_once(job, 2, lambda: os.write(job.master, b"\x03"))
        exactly_once(job, 3, lambda: os.write(job.master, b"\x1c"))


@probe("terminal", "a resize reaches the child exactly once")
def resize(init, mode):
    with on_terminal(init, mode) as job:
        size = struct.pack("HHHH", 50, 90, 0, 0)
        exactly_once(job, 28, lambda: fcntl.ioctl(job.master, termios.TIOCSWINSZ, size))


@probe("terminal", "no stray signal at the start, and the child can read the terminal")
def reads(init, mode):
    words = PYTHON + ["""
import os, signal
for n in set(range(1, 32)) - {9, 17, 19}: signal.signal(n, lambda n, _: os.write(1, b"stray %d." % n))
os.write(1, b"ready.")
line = input()
os.write(1, b"read " + line.encode() + b".")
"""]
    with on_terminal(init, mode, words) as job:
        os.write(job.master, b"hello\n")
        before = job.expect("read hello.", 2)
        check(b"stray" not in before, f"{before!r}")
        check(job.wait(2) == 0, "wrong code")


@probe("terminal", "hang-up reaches the child and ends everything")
def hang_up(init, mode):
    report, told = os.pipe()
    words = PYTHON + ["""
import os, signal
signal.signal(1, lambda *_: (os.write(9, b"hup"), os._exit(7)))
os.write(1, b"ready")
while True: signal.pause()
"""]

    job = Job(init(words), mode == "P", terminal=True, keep={9: told})
    os.close(told)
    try:
        job.expect("ready")
        os.close(job.master)
        job.out = os.open("/dev/null", os.O_RDONLY)
        check((code := job.wait(2)) in (7, 129), f"{code}")
        check(os.read(report, 9) == b"hup", "the child was not told")
    finally:
        os.close(report)
        job.close()


SHELL = ["/bin/bash", "--norc", "--noprofile", "-i"]


@probe("terminal", "a job-control shell works inside")
def job_control(init, mode):
    job = Job(init(SHELL), mode == "P", terminal=True, env=dict(os.environ, PS1="ready$ ", TERM="dumb"))
    with job:
        text = job.expect("ready$")
        check(b"no job control" not in text, "no job control")
        os.write(job.master, b"cat\n")
        until(lambda: in_foreground(job, "cat"), "cat never got the terminal")
        os.write(job.master, b"\x1a")
        job.expect("Stopped", 2)
        os.write(job.master, b"fg >/dev/null; echo ba''ck\n")
        until(lambda: in_foreground(job, "cat"), "cat did not come back")
        os.write(job.master, b"\x04")
        job.expect("back", 2)
        os.write(job.master, b"exit 7\n")
        check((code := job.wait(2)) == 7, f"{code}")


def in_foreground(job, name):
    try:
        group = os.tcgetpgrp(job.master)
    except OSError:
        return False
    return status_of(group).get("Name") == name


@probe("terminal", "under a job-control shell: Ctrl-Z suspends the job, fg continues it", "N")
def suspend(init, mode):
    script = PYTHON + ["import os, sys\nos.write(1, b'rea' b'dy.')\nos.write(1, b'line ' + input().encode() + b'.')\n"]
    with in_shell(init, script) as job:
        job.expect("ready.")
        os.write(job.master, b"\x1a")
        job.expect("Stopped", 2)
        job.expect("prompt$", 2)
        os.write(job.master, b"fg\n")
        until(lambda: os.tcgetpgrp(job.master) != job.pid, "not in the foreground")
        os.write(job.master, b"hello\n")
        job.expect("line hello.", 2)


@probe("terminal", "started in the background it does not take the terminal away", "N")
def background(init, mode):
    with in_shell(init, shell("echo rea''dy; exec sleep 100"), " &") as job:
        job.expect("ready")
        os.write(job.master, b"echo th''ere\n")
        job.expect("there", 2)
        check(os.tcgetpgrp(job.master) == job.pid, "the terminal was taken")


@probe("terminal", "stty tostop does not suspend an init that reports in the background", "N")
def tostop(init, mode):
    with in_shell(init, ["/no/such"], " & wait $!; echo c''ode $?", first=b"stty tostop\n") as job:
        job.expect("code 127", 3)


def in_shell(init, words, after="", first=b""):
    import shlex

    job = Job(SHELL, terminal=True, env=dict(os.environ, PS1="prompt$ ", TERM="dumb"))
    try:
        job.expect("prompt$")
        line = " ".join(shlex.quote(word) for word in init(words))
        # Written to a file: a line editor would wrap a long line.
        import tempfile

        job.script = tempfile.NamedTemporaryFile("w", suffix=".sh")
        job.script.write(f"exec {line}\n")
        job.script.flush()
        os.write(job.master, first + f"sh {job.script.name}{after}\n".encode())
    except BaseException:
        job.close()
        raise
    return job
