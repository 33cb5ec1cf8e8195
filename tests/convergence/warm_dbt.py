"""A dbt that starts ten times faster: each start forks a Python process that has imported dbt.

Importing dbt takes two seconds, and a history starts dbt forty times. The program that stands in for
`dbt` is a small Python script. It sends its arguments, environment, working directory and standard
streams to the warm process, which forks. The fork becomes dbt, in the process group of the script.
The script forwards signals to it and exits with its exit code; if the script dies, so does the fork.
"""

import gc
import json
import os
import pathlib
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading

FRONT = '''#!{python} -IS
import array, json, os, signal, socket, struct, sys
line = socket.socket(socket.AF_UNIX)
line.connect({socket!r})
told = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), os.getpgrp()]).encode()
streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
line.sendmsg([struct.pack("!I", len(told))], streams)
line.sendall(told)
pid = struct.unpack("!I", line.recv(4, socket.MSG_WAITALL))[0]
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
code = line.recv(1)
if not code:
    os.kill(os.getpid(), signal.SIGKILL)
os._exit(code[0])
'''


class WarmDbt:
    """The warm process. `program` is the path of the stand-in for dbt."""

    def __init__(self, directory):
        path = pathlib.Path(directory) / "dbt.socket"
        self.program = pathlib.Path(directory) / "dbt"
        self.program.write_text(FRONT.format(python=sys.executable, socket=str(path)))
        self.program.chmod(0o755)
        # Killed forks leave semaphores behind. The resource tracker of multiprocessing, which all
        # forks share, removes them at the end and would print warnings.
        quiet = ["-W", "ignore:resource_tracker:UserWarning"]
        self.process = subprocess.Popen([sys.executable, *quiet, __file__, str(path)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "dbt cannot be imported"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def keep(directory):
    """Serve as long as standard input is open, with a `python` beside the stand-in as there is one
    beside dbt. Prints the path of the stand-in when it can be started."""
    warm = WarmDbt(directory)
    python = warm.program.with_name("python")
    # By a link, Python would not find its packages.
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    print(warm.program, flush=True)
    sys.stdin.read()
    warm.close()


def serve(path):
    warm_up(path + ".project")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    print("ready", flush=True)
    events = selectors.DefaultSelector()
    events.register(listener, selectors.EVENT_READ)
    events.register(sys.stdin, selectors.EVENT_READ)
    while all(key.fileobj is listener for key, _ in events.select()):
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            become_dbt(line)
        line.close()
    os._exit(0)  # At an ordinary exit, DuckDB's module would print warnings.


def warm_up(directory):
    """Parse an empty project twice, in full and partially, because dbt generates much of its code when
    it first needs it. Nothing is run, so no thread and no connection remains."""
    target = {"type": "duckdb", "path": "warm.duckdb"}
    try:
        import duckdb
    except ImportError:
        target = {"type": "postgres", "host": "none", "user": "none", "password": "none",
                  "port": 5432, "dbname": "none", "schema": "none"}
    os.mkdir(directory)
    pathlib.Path(directory, "dbt_project.yml").write_text(json.dumps({
        "name": "warm", "version": "1.0", "profile": "warm",
        "flags": {"send_anonymous_usage_stats": False}}))
    pathlib.Path(directory, "profiles.yml").write_text(json.dumps({
        "warm": {"target": "dev", "outputs": {"dev": target}}}))
    os.chdir(directory)
    for _ in range(2):
        assert run(["parse", "--quiet"]) == 0
    assert threading.active_count() == 1
    gc.freeze()


def become_dbt(line):
    """Run dbt in the fork; does not return."""
    header, streams, _, _ = socket.recv_fds(line, 4, 3)
    told = line.recv(struct.unpack("!I", header)[0], socket.MSG_WAITALL)
    arguments, environment, directory, group = json.loads(told)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    try:
        os.setpgid(0, group)
    except ProcessLookupError:
        os._exit(1)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line.sendall(struct.pack("!I", os.getpid()))
    threading.Thread(target=die_with, args=[line], daemon=True).start()
    code = run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    line.sendall(bytes([code & 255]))
    os._exit(code)


def die_with(line):
    if not line.recv(1):
        os.kill(os.getpid(), signal.SIGKILL)


def run(arguments):
    import dbt_common.invocation
    from dbt.cli.main import cli
    dbt_common.invocation.reset_invocation_id()
    sys.argv = ["dbt", *arguments]
    try:
        return cli() or 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


if __name__ == "__main__":
    keep(sys.argv[2]) if sys.argv[1] == "keep" else serve(sys.argv[1])
