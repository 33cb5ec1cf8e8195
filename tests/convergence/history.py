"""One random history of a project: edits, runs, failures and kills, with checks.

No random choice depends on what happened before, so a seed gives the same history whatever the
outcome, for the entrypoint and for the script alike.
"""

import json
import os
import random
import select
import shutil
import signal
import threading
import time

import duckdb

import project
from oracle import Oracle
from runs import DEADLINE, journal
from world import World

EDITS = ["env", "env", "var", "cli", "seed", "macro", "body", "stamp", "kind", "alias", "swap",
         "swap", "gone", "gone", "tested"]
TROUBLES = {"broken": (True, False), "gate": ("gone", "open"), "check": ("fail", "pass")}
COMMANDS = {"build": 8, "kill": 6, "stop": 4, "subset": 4, "exclude": 2, "only_changed": 2,
            "run": 2, "beside": 2, "two": 1, "refresh": 1, "empty": 1}
FIRST = {"build": 2, "kill": 3, "stop": 1}
MOMENTS = ["comparing", "to be built", "Concurrency", "Finished", "baseline saved"]
BESIDE = [["test"], ["compile"], ["ls"], ["parse"]]


class History:
    def __init__(self, seed, way, steps):
        self.random, self.seed, self.way, self.steps = random.Random(seed), seed, way, steps
        self.world = World(self.random)
        self.oracle = Oracle(self.world)
        self.before = {}
        # What each node held when it was last built, and the nodes that this step began to build.
        self.held, self.begun_now = {}, set()
        self.log, self.wrong = [], {"converged": [], "minimal": [], "idempotent": []}
        self.seen = {"killed": 0, "stopped": 0, "failed": 0, "checked": 0}

    # The history.

    def play(self):
        for step in range(self.steps):
            table = COMMANDS if step else FIRST
            command = self.random.choices(list(table), list(table.values()))[0]
            if step:
                self.harm_or_mend()
                self.edit(self.random.choice([2, 3] if command in FIRST else [0, 1, 1, 2]))
            self.take(command)
            if self.wrong["converged"]:
                return
        self.mend()
        self.edit(1)
        self.take("build")
        if not self.wrong["converged"]:
            self.from_scratch()

    def take(self, command):
        project.write(self.world, self.way.project)
        if self.random.random() < 0.25:
            self.log.append("a fresh target")
            shutil.rmtree(self.way.project / "target", ignore_errors=True)
        self.begun_now = set()
        getattr(self, command)()
        self.oracle.forget()
        if self.way.program:
            self.check_claims()

    def harm_or_mend(self):
        if self.world.troubles():
            if self.random.random() < 0.6:
                self.mend()
        elif self.random.random() < 0.2:
            self.harm()

    def edit(self, count):
        for _ in range(count):
            kind = self.random.choice(EDITS)
            keys = [key for key in self.world.knobs if key.startswith(f"{kind}:")
                    and len(self.world.domains[key]) > 1]
            back = [key for key in keys if key in self.before]
            if not keys:
                continue
            if back and self.random.random() < 0.4:
                key = self.random.choice(back)
                self.turn(key, self.before[key])
            else:
                key = self.random.choice(keys)
                values = [v for v in self.world.domains[key] if v != self.world.knobs[key]]
                self.turn(key, self.random.choice(values))

    def turn(self, key, value):
        self.log.append(f"{key} {self.world.knobs[key]!r} -> {value!r}")
        self.before[key] = self.world.knobs[key]
        self.world.knobs[key] = value

    def harm(self):
        kind = self.random.choice(list(TROUBLES))
        keys = [key for key in self.world.knobs if key.startswith(f"{kind}:")]
        if keys:
            self.turn(self.random.choice(keys), TROUBLES[kind][0])

    def mend(self):
        for key in self.world.troubles():
            self.turn(key, TROUBLES[key.split(":")[0]][1])

    # The commands.

    def build(self):
        self.whole(["build"])

    def refresh(self):
        self.whole(["build", "--full-refresh"])

    def whole(self, words):
        due = self.oracle.due()
        run = self.start(words)
        self.judge(" ".join(words), run, due, run.finish())

    def judge(self, said, run, due, code):
        self.learn(run)
        self.expect_minimal(run, due)
        self.log.append(f"{said} -> {code}, {self.counts(run)}")
        if code == 0:
            return self.check()
        self.seen["failed"] += 1
        if not self.world.troubles():
            self.fail("converged", f"{said} ended with {code}\n{run.said()}")

    def run(self):
        self.partial(["run"])

    def exclude(self):
        self.partial(["build", "--exclude", self.some_node()])

    def only_changed(self):
        self.partial(["build", "--select", self.some_node() + "+"], options=["--only-changed"])

    def empty(self):
        self.partial(["build", "--empty"], is_real=False)

    def partial(self, words, options=(), is_real=True):
        due = self.oracle.due()
        run = self.start(words, options)
        code = run.finish()
        self.learn(run, is_real=is_real)
        self.expect_minimal(run, due)
        self.log.append(f"{' '.join([*options, *words])} -> {code}, {self.counts(run)}")

    def subset(self):
        words = ["build", "--select", self.random.choice(["", "+"]) + self.some_node()
                 + self.random.choice(["", "+"])]
        words += self.random.choice([[], [], ["--full-refresh"]])
        run = self.start(words)
        code = run.finish()
        self.learn(run)
        self.log.append(f"{' '.join(words)} -> {code}, {self.counts(run)}")

    def beside(self):
        words = self.random.choice(BESIDE)
        baseline = self.baseline()
        code = self.start(words).finish()
        self.log.append(f"{' '.join(words)} -> {code}")
        if self.baseline() != baseline and self.way.program:
            self.fail("minimal", f"{words} changed the baseline")

    def two(self):
        """Start two builds at once: one builds everything, the other finds nothing to build."""
        due = self.oracle.due()
        if not self.way.program:
            return self.whole(["build"])
        both = [self.start(["build"]), self.start(["build"], target="target_of_another")]
        threads = [threading.Thread(target=run.finish) for run in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = [run.process.returncode for run in both]
        both.sort(key=lambda run: -len(run.events()))
        self.learn(both[0])
        self.expect_minimal(both[0], due)
        self.learn(both[1])
        self.log.append(f"two builds at once -> {codes}, {[self.counts(run) for run in both]}")
        if codes == [0, 0] and both[1].events():
            self.fail("minimal", f"both built:\n{both[0].said()}\n{both[1].said()}")
        if codes == [0, 0]:
            self.check()
        elif not self.world.troubles():
            self.fail("converged", f"{codes}\n{both[0].said()}\n{both[1].said()}")

    def kill(self):
        self.interrupt(signal.SIGKILL)

    def stop(self):
        self.interrupt(signal.SIGTERM)

    def interrupt(self, number):
        moment = self.random.choice([*MOMENTS, " START ", " OK ", "gate", "gate", "gate"])
        after, patience = self.random.choice([1, 1, 2, 3]), self.random.random() < 0.5
        after = 1 if moment in MOMENTS else after
        gates = [key[5:] for key, value in self.world.knobs.items()
                 if key.startswith("gate:") and value == "open"]
        gate = self.random.choice(gates) if moment == "gate" and gates else None
        pipe = self.way.project / "gates" / gate if gate else None
        if pipe:
            pipe.unlink()
            os.mkfifo(pipe)
            moment, after = f" START .* main.{self.world.relation(gate)} ", 1
        due, began = self.oracle.due(), time.time()
        run = self.start(["build"])
        hit = self.reached(run, moment, after)
        if hit and pipe and patience:
            self.wait_for_copy(run)
        if hit:
            run.signal(number)
        if pipe:
            self.open_gate(pipe, run)
        code = run.finish()
        if pipe:
            pipe.unlink()
            pipe.write_text("open\n")
        where = f"{moment.strip()} {after}{', gated' if pipe else ''}"
        said = f"build, {signal.Signals(number).name} at {where}"
        if not hit:
            return self.judge(f"{said} (missed)", run, due, code)
        self.seen["killed" if number == signal.SIGKILL else "stopped"] += 1
        self.learn(run, killed_after=began if number == signal.SIGKILL else None)
        self.expect_minimal(run, due)
        self.log.append(f"{said} -> {code}, {self.counts(run)}")

    def reached(self, run, moment, after):
        words = moment.split(".*")
        seen = 0

        def wanted(line):
            nonlocal seen
            seen += all(word in line + " " for word in words)
            return seen == after
        return run.until(wanted)

    def wait_for_copy(self, run):
        """Wait, for at most 2 s, until the manifest has been copied; nothing announces it."""
        end = time.monotonic() + 2
        while not self.way.manifest_copy().exists() and time.monotonic() < end:
            select.select([], [], [], 0.005)

    def open_gate(self, pipe, run):
        """Let the model that reads the pipe continue, whenever it opens the pipe."""
        def feed():
            with open(pipe, "w") as gate:
                gate.write("open\n")
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        run.finish()
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        feeder.join(DEADLINE)
        os.close(reader)

    def start(self, words, options=(), target=None):
        return self.way.start(self.world, words, options, target)

    def some_node(self):
        return self.random.choice(self.world.nodes())

    # What was seen.

    def learn(self, run, killed_after=None, is_real=True):
        """Tell the oracle what a run built; after a kill, only what is certain."""
        seen = self.named(run.events())
        doubtful = set()
        if killed_after:
            log, copy = self.way.journal(), self.way.manifest_copy()
            fresh = log.exists() and log.stat().st_mtime >= killed_after
            journalled = self.named(journal(log)) if fresh else []
            sure = {name for what, name in journalled if what == "OK"}
            seen += [event for event in journalled if event not in seen]
            doubtful = {name for _, name in seen} - (sure if copy.exists() else set())
        begun = {name for what, name in seen if what in ("START", "ERROR", "CANCEL")}
        ended = [name for what, name in seen if what == "OK" and is_real]
        for name in begun | set(ended):
            self.oracle.began(name, ended)
        for name in ended:
            self.oracle.built(name, refreshed="--full-refresh" in run.argv)
        self.begun_now |= begun | set(ended)
        self.oracle.touched |= (begun - set(ended)) | (doubtful & begun)

    def named(self, events):
        return [(what, self.world.named(relation)) for what, relation in events]

    def begun(self, run):
        return {name for what, name in self.named(run.events()) if what == "START"}

    def counts(self, run):
        kinds = [what for what, _ in run.events()]
        words = [f"{kinds.count(kind)} {kind}" for kind in ("OK", "ERROR", "SKIP")
                 if kind in kinds]
        return ", ".join(words) or "nothing built"

    def baseline(self):
        path = self.way.state / "manifest.json"
        return path.read_bytes() if path.exists() else None

    # What is checked.

    def fail(self, what, words):
        self.wrong[what].append(words)

    def expect_minimal(self, run, due):
        surplus = sorted(self.begun(run) - due)
        if surplus:
            self.fail("minimal", f"{surplus} did not have to be built, only {sorted(due)}\n{run.said()}")

    def check(self):
        """Check the warehouse after a successful default run; a second run must build nothing."""
        self.seen["checked"] += 1
        self.compare(self.way.project, "the warehouse")
        if self.wrong["converged"]:
            return
        self.oracle.clean()
        again = self.start(["build"])
        code = again.finish()
        if code != 0 or again.events():
            self.fail("idempotent", f"the next build was not empty:\n{again.said()}")
        self.learn(again)
        self.oracle.clean()

    def check_claims(self):
        """Check that each node that the baseline claims is there, and as it was built."""
        contents = everything(self.way.project / "world.duckdb")
        for name in self.begun_now:
            self.held[name] = contents and contents.get(self.world.relation(name))
        text = self.baseline()
        if contents is None or text is None or self.way.is_interrupted():
            return
        for node in json.loads(text)["nodes"].values():
            name, relation = node["name"], (node["relation_name"] or "").split(".")[-1].strip('"')
            if node["resource_type"] not in ("model", "seed") or not relation:
                continue
            if relation not in contents:
                self.fail("converged", f"the baseline claims {name}, and there is no {relation}")
            elif self.held.get(name) not in (None, contents[relation]):
                self.fail("converged", f"the baseline claims {name}, and {relation} has "
                          f"{contents[relation]} instead of {self.held[name]}")

    def compare(self, directory, what):
        expected = self.world.relations()
        found = relations(directory / "world.duckdb", expected)
        for name in sorted(expected):
            if found.get(name) != expected[name]:
                self.fail("converged", f"{what}: {name} is {found.get(name)}, not {expected[name]}")

    def from_scratch(self):
        """Check that plain dbt in an empty warehouse builds what we expect."""
        fresh = self.way.directory / "scratch"
        fresh.mkdir()
        project.write(self.world, fresh)
        self.way.project = fresh
        run = self.way.bare(self.world, ["build"])
        if run.finish() != 0:
            self.fail("converged", f"from scratch:\n{run.said()}")
        self.compare(fresh, "a build from scratch")


def everything(path):
    """Return {relation: rows of a table or SQL of a view}; None if the warehouse cannot be opened."""
    try:
        with duckdb.connect(str(path), read_only=True) as warehouse:
            views = dict(warehouse.sql("select view_name, sql from duckdb_views() "
                                       "where schema_name = 'main' and not internal").fetchall())
            names = warehouse.sql("select table_name from duckdb_tables() "
                                  "where schema_name = 'main'").fetchall()
            return views | {name: sorted(map(str, warehouse.sql(f"from main.{name}").fetchall()))
                            for name, in names}
    except duckdb.Error:
        return None


def relations(path, wanted):
    """Return {relation: (type, signature)}, with the error message if a relation cannot be read."""
    found = {}
    with duckdb.connect(str(path), read_only=True) as warehouse:
        types = dict(warehouse.sql("select table_name, table_type from information_schema.tables "
                                   "where table_schema = 'main'").fetchall())
        for name in wanted:
            try:
                rows = warehouse.sql(f"select signature from main.{name}").fetchall()
                found[name] = (types.get(name), rows[0][0] if len(rows) == 1 else rows)
            except duckdb.Error as error:
                found[name] = str(error).splitlines()[0]
    return found
