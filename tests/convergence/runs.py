"""Run a command on a project, and signal it when a given line appears in its output."""

import json
import os
import queue
import signal
import subprocess
import threading

DEADLINE = 300


def pretend_slow(state):
    """Let the record on a state volume say that each node took a minute: a build that takes less than a
    compile is built rather than asked about."""
    for path in state.glob(".dbt-entrypoint/records/*.json"):
        record = json.loads(path.read_text())
        for node in record["nodes"].values():
            if node.get("seconds") is not None:
                node["seconds"] = 60.0
        path.write_text(json.dumps(record))


class Stuck(Exception):
    """A command did not end before the deadline."""


class Run:
    """A started command and its output, as events in order."""

    def __init__(self, argv, directory, environment, engine):
        self.engine, self.argv, self.lines, self.words = engine, argv, queue.Queue(), {"out": [], "err": []}
        self.process = subprocess.Popen(
            [str(word) for word in argv], cwd=directory, env=environment, preexec_fn=os.setpgrp,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        streams = {"out": self.process.stdout, "err": self.process.stderr}
        self.open = len(streams)
        for name, stream in streams.items():
            threading.Thread(target=self.pump, args=[name, stream], daemon=True).start()

    def pump(self, name, stream):
        with stream:
            for line in stream:
                self.lines.put((name, line.rstrip("\n")))
        self.lines.put(None)

    def until(self, wanted):
        """Read output until wanted(line) is true; return False if that never happens."""
        while self.open:
            try:
                got = self.lines.get(timeout=DEADLINE)
            except queue.Empty:
                self.signal(signal.SIGKILL)
                raise Stuck(f"{self.argv} did not end: {self.said()}") from None
            if got is None:
                self.open -= 1
                continue
            self.words[got[0]].append(got[1])
            if wanted(got[1]):
                return True
        return False

    def finish(self):
        """Read all output, until every writer has closed it, and return the exit code."""
        self.until(lambda line: False)
        return self.process.wait()

    def signal(self, number):
        """Send KILL to the whole group, as when a container is killed, and any other signal to the
        first process, as `docker stop` does."""
        try:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                os.kill(self.process.pid, number)
        except ProcessLookupError:
            pass

    def kill_first(self):
        """Kill the first process alone. What it started lives on."""
        self.process.kill()

    def events(self):
        return self.engine.events(self.words["out"])

    def said(self):
        """Return what explains an outcome; dbt 2 also says every statement, which is left out."""
        out = self.words["out"]
        if self.engine.is_native:
            out = [line for line in out if self.engine.events([line])]
        return "\n".join([" ".join(map(str, self.argv)), *self.words["err"], *out])


def journal(path, engine):
    """Return the same events from dbt's JSON log. An incomplete last line is ignored."""
    said = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        try:
            said.append(json.loads(line)["info"]["msg"])
        except (ValueError, KeyError):
            pass
    return engine.events(said)
