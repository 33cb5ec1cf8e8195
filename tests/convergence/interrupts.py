"""Builds that are killed, stopped or left alone, at a chosen moment."""

import select
import signal
import time

MOMENTS = ["comparing", "to be built", "Concurrency", "Finished", "baseline saved"]


class Interrupts:
    """The part of a history that interrupts builds."""

    def kill(self):
        self.interrupt(signal.SIGKILL)

    def stop(self):
        self.interrupt(signal.SIGTERM)

    def orphan(self):
        """Kill the entrypoint alone, and start another one at once, while dbt may live on."""
        if not self.way.program:
            return self.whole(["build"])
        self.interrupt(None)

    def interrupt(self, number):
        """Signal a build, or kill its entrypoint alone if `number` is None."""
        moment = self.random.choice([*MOMENTS, "START", "OK", "gate", "gate", "gate"])
        after, patience = self.random.choice([1, 1, 2, 3]), self.random.random() < 0.5
        after = 1 if moment in MOMENTS else after
        gates = [key[5:] for key, value in self.world.knobs.items()
                 if key.startswith("gate:") and value == "open" and key[5:] in self.world.nodes()]
        gate = self.random.choice(gates) if moment == "gate" and gates else None
        held = self.warehouse.hold(gate) if gate else None
        due, must, began = self.oracle.due(self.settles([])), self.oracle.must(), time.time()
        run = self.start(["build"])
        hit = self.reached(run, self.signs(moment, gate), 1 if gate else after)
        if hit and gate and patience:
            self.wait_for_copy()
        said = f"build, {signal.Signals(number).name if number else 'left alone'} at {moment} {after}"
        if hit and not number:
            return self.leave(said, run, held, due)
        if hit:
            run.signal(number)
        if held:
            held.release(run.finish)
        code = run.finish()
        if not hit:
            return self.judge(f"{said} (missed)", run, due, must, code)
        self.seen["killed" if number == signal.SIGKILL else "stopped"] += 1
        self.learn(run, killed_after=began if number == signal.SIGKILL else None)
        if self.way.engine.is_native:
            # It says that a node succeeded which it has only rendered. What a killed one has begun is
            # not known, and a stopped one says that it interrupted or failed nodes that it had not
            # begun. So everything that it may have built is built again, and may be half made.
            self.oracle.touched |= self.begun_now | due
            self.oracle.half |= self.appending(due)
            self.remove_unwritten_schemas()
        self.expect_minimal(run, due)
        self.log.append(f"{said} -> {code}, {self.counts(run)}")

    def remove_unwritten_schemas(self):
        """A killed dbt 2 leaves files of its cache of schemas empty, and ends at them ever after: as an
        operator has to, remove them."""
        for path in (self.way.project / "target/schemas").rglob("*.parquet"):
            if not path.stat().st_size:
                path.unlink()

    def leave(self, said, run, held, due):
        """The next entrypoint waits until the dbt of the first has ended, and records what it built."""
        run.kill_first()
        run.process.wait()
        is_copied = self.way.manifest_copy().exists()
        second = self.start(["build"])
        if held:
            held.release(run.finish)
        run.finish()
        code = second.finish()
        self.seen["orphaned"] += 1
        self.learn(run)
        self.expect_minimal(run, due)
        if not is_copied:
            self.oracle.touched |= {name for _, name in self.named(run.events())}
        self.log.append(f"{said} -> {self.counts(run)}")
        due = self.oracle.due()
        self.judge("the next build", second, due, set(), code)

    def signs(self, moment, gate):
        """Return the words of the line at which the build is interrupted."""
        if gate:
            return [self.way.engine.sign("START"), f" main.{self.world.relation(gate)} "]
        return [self.way.engine.sign(moment) if moment in ("START", "OK") else moment]

    def reached(self, run, words, after):
        seen = 0

        def wanted(line):
            nonlocal seen
            seen += all(word in line + " " for word in words)
            return seen == after
        return run.until(wanted)

    def wait_for_copy(self):
        """Wait, for at most 2 s, until the manifest has been copied; nothing announces it."""
        end = time.monotonic() + 2
        while not self.way.manifest_copy().exists() and time.monotonic() < end:
            select.select([], [], [], 0.005)
