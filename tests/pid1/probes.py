"""What a good init does: one function for each behaviour, named and grouped as in the table."""

import os
import signal

from harness import LISTENER, PYTHON, Failed, Job, check, children_of, shell, status_of, until

PROBES = []
FAULTS = {4, 5, 6, 7, 8, 11, 31}
ORDINARY = [n for n in range(1, 32) if n not in FAULTS | {9, 17, 19}]


def probe(group, name, modes="PN"):
    def note(function):
        PROBES.append((group, name, modes, function))
        return function

    return note


def code_of(init, words, mode, **how):
    with Job(init(words), mode == "P", **how) as job:
        return job.wait()


def listener(init, mode, **how):
    job = Job(init(LISTENER), mode == "P", **how)
    try:
        job.expect("ready")
    except BaseException:
        job.close()
        raise
    return job


# --- signals ----------------------------------------------------------------------------------


@probe("signals", "each ordinary signal is forwarded, once, as itself")
def ordinary(init, mode):
    with listener(init, mode) as job:
        for number in ORDINARY:
            if number not in (12, 20, 21, 22):
                forwarded(job, number)
        job.kill(12)
        before = job.expect("got 12.")
        check(b"got" not in before, f"a signal came twice: {before!r}")
        check(job.wait() == 7, "the exit code was lost")


def forwarded(job, number):
    job.kill(number)
    try:
        job.expect(f"got {number}.", 2)
    except Failed:
        raise Failed(f"signal {number} did not arrive") from None


@probe("signals", "TSTP, TTIN and TTOU sent by a process are forwarded")
def job_control_signals(init, mode):
    for number in (20, 21, 22):
        with listener(init, mode) as job:
            forwarded(job, number)


@probe("signals", "real-time signals 35, 37 and 64 are forwarded as themselves")
def real_time(init, mode):
    with listener(init, mode) as job:
        for number in (35, 37, 64):
            job.kill(number)
            job.expect(f"got {number}.", 2)


@probe("signals", "real-time signal 34, which musl keeps for itself, is forwarded")
def real_time_34(init, mode):
    with listener(init, mode) as job:
        job.kill(34)
        job.expect("got 34.", 1)


@probe("signals", "CHLD from outside is not forwarded and confuses nothing")
def chld(init, mode):
    with Job(init(PYTHON + ["""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {10, 17})
os.write(1, b"ready")
os.write(1, b"got %d." % signal.sigwaitinfo({10, 17}).si_signo)"""]), mode == "P") as job:
        job.expect("ready")
        job.kill(17)
        job.kill(10)
        check(job.rest() == "got 10.", "CHLD reached the child")
        check(job.wait() == 0, "the exit code was lost")


@probe("signals", "a burst of different signals arrives completely")
def burst(init, mode):
    with listener(init, mode) as job:
        numbers = [1, 2, 3, 10, 14, 15, 16, 18, 23, 28, 29, 30, 35, 64]
        job.kill(19)
        for number in numbers:
            job.kill(number)
        job.kill(18)
        text = b""
        while not all(b"got %d." % n in text for n in numbers):
            text += job.expect("\n", 2) + b"\n"


@probe("signals", "TERM twice reaches the child twice")
def twice(init, mode):
    with listener(init, mode) as job:
        for _ in range(2):
            job.kill(15)
            job.expect("got 15.", 2)


@probe("signals", "after a storm of 10,000 USR1, TERM still arrives")
def storm(init, mode):
    with listener(init, mode) as job:
        for _ in range(10_000):
            job.kill(10)
        job.kill(15)
        job.expect("got 15.")


@probe("signals", "TERM to a child without a handler ends in 143")
def default_action(init, mode):
    with Job(init(shell("echo ready; exec sleep 100")), mode == "P") as job:
        job.expect("ready")
        until(lambda: any("sleep" in status_of(c).get("Name", "") for c in children_of(job.pid)), "no sleep")
        job.kill(15)
        check((code := job.wait(2)) == 143, f"{code}")


@probe("signals", "an init that was stopped and continued forwards what came meanwhile")
def stopped(init, mode):
    with listener(init, mode) as job:
        job.kill(19)
        until(lambda: status_of(job.pid).get("State", "").startswith("T"), "not stopped")
        job.kill(15)
        job.kill(18)
        job.expect("got 15.", 2)


@probe("signals", "fault signals from outside: PID 1 lives on, another process dies")
def faults(init, mode):
    for number in (11, 6):
        with listener(init, mode) as job:
            job.kill(number)
            if mode == "P":
                job.kill(12)
                check(job.wait(2) == 7, f"died of {number}")
            else:
                check((code := job.wait(1)) == -number, f"{code} for {number}")


# --- zombies ----------------------------------------------------------------------------------

@probe("zombies", "an orphan is adopted and reaped within 100 ms")
def orphan(init, mode):
    reap(init, mode, 1, 0.1)


@probe("zombies", "500 orphans at once are adopted and reaped")
def orphans(init, mode):
    reap(init, mode, 500, 5)


def reap(init, mode, count, seconds):
    script = PYTHON + ["""
import os, sys, signal
inner, gate = os.pipe()
adopted, tell = os.pipe()
me = os.getpid()
for _ in range(int(sys.argv[1])):
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            os.close(gate)
            os.read(inner, 1)
            os.write(tell, b"%d " % os.getppid())
            os._exit(0)
        os._exit(0)
    os.waitpid(middle, 0)
os.close(tell)
os.write(1, b"waiting.")
os.close(gate)
text = b""
while more := os.read(adopted, 4096): text += more
os.write(1, b"parents " + b" ".join(sorted(set(text.split()))) + b".")
signal.pause()
""", str(count)]
    with Job(init(script), mode == "P") as job:
        job.expect("waiting.")
        parents = job.expect(".").split()[1:]
        own = b"1" if mode == "P" else b"%d" % job.pid
        check(parents == [own], f"adopted by {parents}, not by {own}")
        gone = lambda: "Z" not in children_of(job.pid).values()
        until(gone, "zombies are left", seconds)


@probe("zombies", "main child and orphan end at the same time, 100 times: the code is kept")
def together(init, mode):
    script = PYTHON + ["""
import os
a, b = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.close(b); os.read(a, 1); os._exit(9)
    os._exit(0)
os.wait()
os._exit(7)
"""]
    for _ in range(20 if mode == "P" else 80):
        check((code := code_of(init, script, mode)) == 7, f"{code}")


@probe("zombies", "a child that was there before the init does not confuse it")
def inherited_child(init, mode):
    def prepare():
        if os.fork() == 0:
            os._exit(9)

    check((code := code_of(init, shell("exit 7"), mode, prepare=prepare)) == 7, f"{code}")


@probe("zombies", "started with SIGCHLD ignored")
def chld_ignored(init, mode):
    prepare = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with Job(init(shell("exit 7")), mode == "P", prepare=prepare) as job:
        check((code := job.wait(2)) == 7, f"{code}")


@probe("zombies", "started with SIGCHLD and TERM blocked")
def chld_blocked(init, mode):
    prepare = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {15, 17})
    with Job(init(shell("exit 7")), mode == "P", prepare=prepare) as job:
        check((code := job.wait(2)) == 7, f"{code}")


@probe("zombies", "a living orphan does not delay the exit")
def living_orphan(init, mode):
    with Job(init(shell("(sleep 100 &) ; exit 7")), mode == "P") as job:
        check((code := job.wait(2)) == 7, f"{code}")


@probe("zombies", "what the main child leaves behind ends with it")
def leftovers(init, mode):
    # The pipe of the leftover closes when it is gone: output ends.
    with Job(init(shell("(sleep 100 &) ; (setsid sleep 100 &) ; exit 7")), mode == "P") as job:
        check(job.wait(2) == 7, "wrong code")
        job.rest(2)
