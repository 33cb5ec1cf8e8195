"""One random history of a project: edits, runs and failures. Interruptions and checks are in files of
their own.

No random choice depends on what happened before, so a seed gives the same history whatever the
outcome, for the entrypoint and for the script alike.
"""

import json
import random
import shutil
import threading

import project
from checks import Checks
from interrupts import Interrupts
from kinds import EDITS
from oracle import Oracle
from world import World

# Each kind of edit once, and these more often.
CHOICES = [*EDITS, "env", "swap", "gone", "macro", "body", "kind"]
TROUBLES = {"broken": (True, False), "gate": ("gone", "open"), "batch": ("gone", "open"),
            "check": ("fail", "pass"), "badunit": (True, False)}
COMMANDS = {"build": 8, "kill": 6, "stop": 4, "orphan": 3, "retry": 3, "subset": 3, "revert": 3,
            "exclude": 2, "only_changed": 2, "run": 2, "beside": 2, "two": 1, "refresh": 1,
            "empty": 1, "orphans": 2}
FIRST = {"build": 2, "kill": 3, "stop": 1, "orphan": 1}
BESIDE = [["test"], ["compile"], ["ls"], ["parse"]]


class History(Interrupts, Checks):
    def __init__(self, seed, way, steps, warehouse):
        """`warehouse(project, purpose)` makes an empty one."""
        self.make_warehouse, self.warehouse = warehouse, warehouse(way.project, "first")
        self.random, self.seed, self.way, self.steps = random.Random(seed), seed, way, steps
        self.world = World(self.random, way.engine.cannot)
        self.oracle = Oracle(self.world)
        self.before = {}
        # What each node held when it was last built, and the nodes that this step began to build.
        self.held, self.begun_now = {}, set()
        self.log, self.wrong = [], {"converged": [], "minimal": [], "idempotent": []}
        self.seen = {"killed": 0, "stopped": 0, "orphaned": 0, "failed": 0, "checked": 0}

    # The history.

    def play(self):
        for step in range(self.steps):
            table = COMMANDS if step else FIRST
            command = self.random.choices(list(table), list(table.values()))[0]
            if step:
                self.harm_or_mend()
                self.edit(self.random.choice([2, 3] if command in FIRST else [0, 1, 1, 2]))
            if "retry" in self.way.engine.cannot and command == "retry":
                command = "build"
            self.take(command)
            if self.wrong["converged"]:
                return
        self.mend()
        self.edit(1)
        self.turn("selector:", None)
        self.take("build")
        if not self.wrong["converged"]:
            self.from_scratch()

    def take(self, command):
        project.write(self.world, self.way.project, self.warehouse)
        if self.random.random() < 0.25:
            self.log.append("a fresh target")
            shutil.rmtree(self.way.project / "target", ignore_errors=True)
        if self.way.program:
            self.way.pretend_slow()
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
            kind = self.random.choice(CHOICES)
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
        due, must = self.oracle.due(self.settles(words)), self.oracle.must()
        run = self.start(words)
        self.judge(" ".join(words), run, due, must, run.finish())

    def settles(self, words):
        """Return whether a run has dbt compile what may not have changed: dbt 2 cannot, and a run of
        two processes does not."""
        return not self.way.engine.is_native and "--full-refresh" not in words

    def judge(self, said, run, due, must, code):
        self.learn(run)
        self.expect_minimal(run, due)
        self.log.append(f"{said} -> {code}, {self.counts(run)}")
        if code == 0:
            self.expect_all(run, must)
            return self.check()
        self.seen["failed"] += 1
        if not self.is_troubled():
            self.fail("converged", f"{said} ended with {code}\n{run.said()}")

    def is_troubled(self):
        """Return whether a build may fail: also where a selector leaves a stale relation beside new ones,
        such as a view of a table that another model has replaced."""
        return bool(self.world.troubles() or self.world.knobs["selector:"])

    def run(self):
        self.partial(["run"])

    def exclude(self):
        self.partial(["build", "--exclude", self.some_node()])

    def only_changed(self):
        self.partial(["build", "--select", self.some_node() + "+"], options=["--only-changed"])

    def empty(self):
        self.partial(["build", "--empty"], is_real=False)

    def retry(self):
        """What is built again is what failed in the last command of dbt, whatever was built since."""
        run = self.start(["retry"])
        code = run.finish()
        self.learn(run)
        # dbt may take the variables of the command that it repeats.
        if any(value for key, value in self.world.knobs.items() if key.startswith("cli:")):
            self.oracle.touched |= self.begun_now
        self.log.append(f"retry -> {code}, {self.counts(run)}")

    def revert(self):
        """Edits, a build of a part, and the edits taken back: what was not built is as it was."""
        if self.oracle.touched or self.world.troubles():
            return self.subset()
        before = dict(self.world.knobs)
        self.edit(2)
        project.write(self.world, self.way.project, self.warehouse)
        self.subset()
        self.oracle.forget()
        for key, value in before.items():
            if self.world.knobs[key] != value:
                self.turn(key, value)
        project.write(self.world, self.way.project, self.warehouse)
        if self.way.program:
            self.way.pretend_slow()
        self.build()

    def orphans(self):
        """Drop what no node claims any more; nothing of the project may go with it."""
        before = self.warehouse.names() if self.warehouse.everything() is not None else set()
        if not self.way.program:
            return
        run = self.start(["orphans", "--json"], plain=True)
        code = run.finish()
        if code == 10:
            approved = json.loads("\n".join(run.words["out"]))["hash"]
            run = self.start(["orphans", "--drop", "--approve", approved], plain=True)
            code = run.finish()
        gone = before - self.warehouse.names() if before else set()
        self.log.append(f"orphans, dropped -> {code}, {sorted(gone)}")
        claimed = {*self.world.relations(), *map(self.world.relation, self.world.nodes())}
        if gone & claimed:
            self.fail("converged", f"orphans dropped {sorted(gone & claimed)}\n{run.said()}")

    def partial(self, words, options=(), is_real=True):
        due = self.oracle.due(is_real and self.settles(words))
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
        elif not self.is_troubled():
            self.fail("converged", f"{codes}\n{both[0].said()}\n{both[1].said()}")

    def start(self, words, options=(), target=None, plain=False):
        return self.way.start(self.world, words, options, target, plain)

    def some_node(self):
        return self.random.choice(self.world.nodes())
