"""Start an init as PID 1 of a new namespace or as an ordinary process, and watch it.

Standard library only. Nothing here sleeps to let something happen: every wait is for output,
for an exit or for a state in /proc, with a deadline that only a failure reaches.
"""

import ctypes
import glob
import os
import pty
import select
import signal
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
PR_SET_PDEATHSIG = 1
DEADLINE = 10.0


class Failed(Exception):
    """A probe was not answered as a good init answers it; the text says how."""


def check(condition, words):
    if not condition:
        raise Failed(words)


def until(condition, words, seconds=DEADLINE):
    """Wait for a state that nobody announces (in /proc)."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(words)
        select.select([], [], [], 0.002)


class Job:
    """One started init: its pid as we see it, its output, its end."""

    def __init__(self, argv, pid1=False, prepare=None, terminal=False, env=None, stdin=None, cwd=None, keep=None, errors=False):
        self.buffer = b""
        self.master = None
        if terminal:
            self.master, slave = pty.openpty()
            self.out = self.master
        else:
            self.out, write = os.pipe()
        report, reported = os.pipe()
        self.middle = os.fork()
        if self.middle == 0:
            try:
                os.close(self.out)
                os.close(report)
                ends = (slave,) * 3 if terminal else (stdin, write, write if errors else None)
                middle(argv, pid1, prepare, terminal, env, ends, reported, cwd, keep or {})
            except BaseException as error:  # the middle process must never return
                os.write(2, f"harness: {error!r}\n".encode())
            os._exit(99)
        os.close(reported)
        os.close(slave if terminal else write)
        self.report = os.fdopen(report, "rb")
        self.pid = int(self.report.readline() or b"0")
        check(self.pid, "the harness could not start it")

    def read(self, seconds=DEADLINE):
        """More output, b'' at its end."""
        ready, _, _ = select.select([self.out], [], [], seconds)
        if not ready:
            raise Failed(f"no output in time; so far {self.buffer[-200:]!r}")
        try:
            return os.read(self.out, 65536)
        except OSError:  # the terminal of a job that ended
            return b""

    def expect(self, word, seconds=DEADLINE):
        """Read until this word has come, and return what came before it."""
        word = word.encode()
        end = time.monotonic() + seconds
        while word not in self.buffer:
            more = self.read(max(0.0, end - time.monotonic()))
            if not more:
                raise Failed(f"ended without {word!r}: {self.buffer[-300:]!r}")
            self.buffer += more
        before, _, self.buffer = self.buffer.partition(word)
        return before

    def rest(self, seconds=DEADLINE):
        """All output up to its end."""
        while more := self.read(seconds):
            self.buffer += more
        text, self.buffer = self.buffer, b""
        return text.decode(errors="replace")

    def kill(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=DEADLINE):
        """The exit code, or minus the signal that ended it."""
        ready, _, _ = select.select([self.report], [], [], seconds)
        check(ready, f"still running after {seconds:g} s")
        status = int(self.report.readline() or b"-1")
        check(status >= 0, "the harness lost it")
        return os.waitstatus_to_exitcode(status)

    def close(self):
        for pid in (*of_session(self.pid), self.pid, self.middle):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.middle, 0)
        self.report.close()
        os.close(self.out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def of_session(leader):
    """What an init that was ended by a signal has left behind, outside a namespace of its own."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stat:
                pid, rest = stat.read().split(" ", 1)
        except OSError:  # it has ended
            continue
        if int(rest.rpartition(")")[2].split()[3]) == leader:
            yield int(pid)


def middle(argv, pid1, prepare, terminal, env, ends, reported, cwd, keep):
    """Parent of the init: makes its namespace, reports its pid and its end."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if pid1:
        uid, gid = os.getuid(), os.getgid()
        flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER
        if LIBC.unshare(flags) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    pid = os.fork()
    if pid == 0:
        try:
            become(argv, pid1, prepare, terminal, env, ends, cwd, keep)
        except BaseException as error:
            os.write(2, f"harness: {error!r}\n".encode())
        os._exit(98)
    for fd in set(ends) - {None}:
        os.close(fd)
    os.write(reported, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(reported, f"{status}\n".encode())
    os._exit(0)


def become(argv, pid1, prepare, terminal, env, ends, cwd, keep):
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # A session of its own: what the probes send to groups must not reach us.
    os.setsid()
    if pid1 and LIBC.mount(b"proc", b"/proc", b"proc", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount /proc")
    if terminal:
        import fcntl
        import termios

        fcntl.ioctl(ends[0], termios.TIOCSCTTY, 0)
    null = os.open("/dev/null", os.O_RDWR)
    for target, fd in enumerate(ends):
        os.dup2(null if fd is None else fd, target)
    kept = {number: os.dup2(fd, 200 + number) for number, fd in keep.items()}
    os.closerange(3, 200)
    for number, fd in kept.items():
        os.dup2(fd, number)
    os.closerange(200, 256)
    # Python ignores these two; an init should find what a shell would hand it.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(cwd or "/")
    if prepare:
        prepare()
    os.execve(argv[0], argv, os.environ if env is None else env)


# --- children -------------------------------------------------------------------------------

PYTHON = [sys.executable, "-S", "-E", "-c"]

# Says every signal that it gets; ends with 7 on signal 12 (USR2).
LISTENER = PYTHON + [
    """
import os, signal
all = set(range(1, 65)) - {9, 19, 32, 33}
signal.pthread_sigmask(signal.SIG_BLOCK, all)
os.write(1, b"ready\\n")
while True:
    info = signal.sigwaitinfo(all)
    if info.si_signo == 17: continue
    os.write(1, b"got %d.\\n" % info.si_signo)
    if info.si_signo == 12: os._exit(7)
"""
]


def shell(script):
    return ["/bin/sh", "-c", script]


# --- /proc ------------------------------------------------------------------------------------


def status_of(pid):
    """The lines of /proc/PID/status as a dictionary; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def children_of(pid):
    """Pid and state of each child."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        status = status_of(name)
        if status.get("PPid") == str(pid):
            found[int(name)] = status.get("State", "?")[0]
    return found


def set_of(mask):
    return {n for n in range(1, 65) if int(mask, 16) >> (n - 1) & 1}
