"""What a good init does: exit codes, finding and starting the program, the child's world."""

import os
import resource
import signal
import tempfile

from harness import PYTHON, Job, check, children_of, set_of, shell, until
from probes import code_of, listener, probe


# --- exit and exec ------------------------------------------------------------------------------


@probe("exit", "the child's codes 0 1 2 126 127 128 129 143 255 are ours")
def codes(init, mode):
    for wanted in (0, 1, 2, 126, 127, 128, 129, 143, 255):
        check((code := code_of(init, shell(f"exit {wanted}"), mode)) == wanted, f"{code} for {wanted}")


@probe("exit", "killed by signal n is 128+n, real-time ones included")
def killed(init, mode):
    for number in (9, 15, 11, 37, 64):
        words = PYTHON + [f"import os; os.kill(os.getpid(), {number})"]
        check((code := code_of(init, words, mode)) == 128 + number, f"{code} for {number}")


@probe("exit", "a suspended child is not an exit")
def suspended(init, mode):
    words = PYTHON + ["import os; print('pid', flush=True); os.kill(os.getpid(), 19); os._exit(7)"]
    with Job(init(words), mode == "P") as job:
        job.expect("pid")
        until(lambda: "T" in children_of(job.pid).values(), "no suspended child")
        os.kill(next(iter(children_of(job.pid))), 18)
        check((code := job.wait(2)) == 7, f"{code}")


@probe("exec", "not found is 127: a name, a path, an empty word")
def missing(init, mode):
    for word in ("no-such-program", "/no/such/program", ""):
        check((code := code_of(init, [word], mode)) == 127, f"{code} for {word!r}")


def file_with(directory, content, mode=0o755):
    path = os.path.join(directory, "program")
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


@probe("exec", "not executable is 126: a directory, no permission, a truncated binary")
def not_executable(init, mode):
    with tempfile.TemporaryDirectory() as directory:
        check((code := code_of(init, ["/tmp"], mode)) == 126, f"{code} for a directory")
        path = file_with(directory, b"#!/bin/sh\n", 0o644)
        check((code := code_of(init, [path], mode)) == 126, f"{code} without permission")
        path = file_with(directory, b"\x7fELF\x02\x01\x01\0\0\0")
        check((code := code_of(init, [path], mode)) == 126, f"{code} for a truncated binary")


@probe("exec", "a missing interpreter is 127 and named")
def interpreter(init, mode):
    with tempfile.TemporaryDirectory() as directory:
        with Job(init([file_with(directory, b"#!/no/such/python\n")]), mode == "P", errors=True) as job:
            text, code = job.rest(), job.wait()
        check(code == 127, f"{code}")
        check("/no/such/python" in text, "not named")


@probe("exec", "a script without #! is run by sh, as execvp does")
def no_shebang(init, mode):
    with tempfile.TemporaryDirectory() as directory:
        path = file_with(directory, b"exit $1\n")
        check((code := code_of(init, [path, "7"], mode)) == 7, f"{code}")


@probe("exec", "PATH with empty entries, and an empty PATH, mean the working directory")
def empty_path(init, mode):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        os.rename(file_with(directory, b"#!/bin/sh\nexit 7\n"), f"{directory}/only-here")
        for path in ("", ":/nowhere", "/nowhere::/usr/bin"):
            env = dict(os.environ, PATH=path)
            code = code_of(init, ["only-here"], mode, env=env, cwd=directory)
            check(code == 7, f"{code} for PATH={path!r}")


@probe("exec", "arguments verbatim: empty, newline, not UTF-8, dashes")
def arguments(init, mode):
    words = [b"", b"a\nb", b"\xff\xfe", b"--", b"--help", b"-s", b" "]
    script = PYTHON + ["import os, sys; os.write(1, b'|'.join(map(os.fsencode, sys.argv[1:])))"]
    with Job(init(script) + words, mode == "P") as job:
        check(job.rest().encode("utf-8", "replace") is not None, "no output")
        check(job.wait() == 0, "failed")
    with Job(init(shell('for w; do printf %s "$w" | od -An -tx1 | tr -d " \\n"; echo; done') + ["sh"]) + words, mode == "P") as job:
        check(job.rest().split("\n") == [w.hex() for w in words] + [""], "changed")


@probe("exec", "the environment is identical, order and odd entries included")
def environment(init, mode):
    env = {"ZZ": "1", "PATH": "/usr/bin:/bin", "AA": "x\ny", "ODD": "a=b", "EMPTY": ""}
    with Job(init(["/usr/bin/env", "-0"]), mode == "P", env=env) as job:
        wanted = "".join(f"{k}={v}\0" for k, v in env.items())
        check((text := job.rest()) == wanted, f"{text!r}")


# --- what the child finds -----------------------------------------------------------------------


def child_status(init, mode, prepare=None):
    with Job(init(["/bin/cat", "/proc/self/status"]), mode == "P", prepare=prepare) as job:
        lines = job.rest().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@probe("child", "nothing is blocked or ignored that was not, SIGPIPE included")
def clean(init, mode):
    status = child_status(init, mode)
    # glibc (a debug build of ours) ignores its two internal signals in what it spawns.
    left = set_of(status["SigBlk"]), set_of(status["SigIgn"]) - {32, 33}
    check(left == (set(), set()), f"blocked {left[0]}, ignored {left[1]}")


@probe("child", "inherited ignored signals are handed on (HUP, INT, USR1, TERM)")
def ignored(init, mode):
    numbers = {1, 2, 10, 15}
    prepare = lambda: [signal.signal(n, signal.SIG_IGN) for n in numbers]
    got = set_of(child_status(init, mode, prepare)["SigIgn"]) - {32, 33}
    check(got == numbers, f"{got}")


@probe("child", "a signal that was ignored is still forwarded")
def ignored_forwarded(init, mode):
    prepare = lambda: signal.signal(1, signal.SIG_IGN)
    with listener(init, mode, prepare=prepare) as job:
        job.kill(1)
        job.expect("got 1.", 2)


@probe("child", "an inherited ignored PIPE is handed on")
def ignored_pipe(init, mode):
    prepare = lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    check(set_of(child_status(init, mode, prepare)["SigIgn"]) == {13}, "PIPE has its default action")


@probe("child", "the inherited signal mask is handed on")
def mask(init, mode):
    numbers = {2, 10, 14, 15, 40}
    prepare = lambda: signal.pthread_sigmask(signal.SIG_SETMASK, numbers)
    got = set_of(child_status(init, mode, prepare)["SigBlk"])
    check(got == numbers, f"{got}")


@probe("child", "descriptors: extra ones are passed on, none is added")
def descriptors(init, mode):
    def prepare():
        fd = os.open("/dev/zero", os.O_RDONLY)
        os.dup2(fd, 7)
        os.closerange(3, 7)
        os.set_inheritable(7, True)

    script = PYTHON + ["import os; print([fd for fd in range(100) if os.path.exists(f'/proc/self/fd/{fd}')])"]
    with Job(init(script), mode == "P", prepare=prepare) as job:
        check((text := job.rest().strip()) == "[0, 1, 2, 7]", text)


@probe("child", "working directory, limits, nice and OOM score are handed on")
def handed_on(init, mode):
    def prepare():
        os.nice(5)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (77, 77))
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("321")

    script = shell("pwd; ulimit -n; ulimit -c; nice; cat /proc/self/oom_score_adj")
    with Job(init(script), mode == "P", prepare=prepare, cwd="/usr") as job:
        check((text := job.rest().split()) == ["/usr", "77", "0", "5", "321"], f"{text}")


@probe("child", "the same session as the init: nothing new unless asked")
def session(init, mode):
    with listener(init, mode) as job:
        (child,) = children_of(job.pid)
        check(os.getsid(child) == os.getsid(job.pid), "a new session")
