"""What a history knows of its runs, and what it checks."""

import json

import project
from runs import journal


class Checks:
    """The part of a history that looks at runs, the baseline and the warehouse."""

    def learn(self, run, killed_after=None, is_real=True):
        """Tell the oracle what a run built; after a kill, only what is certain."""
        seen = self.named(run.events())
        doubtful = set()
        if killed_after:
            log, copy = self.way.journal(), self.way.manifest_copy()
            fresh = log.exists() and log.stat().st_mtime >= killed_after
            journalled = self.named(journal(log, run.engine)) if fresh else []
            sure = {name for what, name in journalled if what == "OK"}
            seen += [event for event in journalled if event not in seen]
            doubtful = {name for _, name in seen} - (sure if copy.exists() else set())
        begun = {name for what, name in seen if what in ("START", "ERROR", "CANCEL", "PARTIALLY")}
        ended = [name for what, name in seen if what == "OK" and is_real]
        for name in begun | set(ended):
            self.oracle.began(name, ended)
        refreshed = "--full-refresh" in run.argv
        for name in ended:
            self.oracle.built(name, refreshed)
        self.begun_now |= begun | set(ended)
        self.oracle.touched |= (begun - set(ended)) | (doubtful & begun)
        # A selection is built as it stands: it adds to what an incomplete build has left.
        adds = "--select" in run.argv and "--only-changed" not in run.argv and not refreshed
        self.oracle.touched |= self.oracle.half & set(ended) if adds else set()
        self.oracle.half -= set() if adds else set(ended)
        self.oracle.half |= self.appending(begun - set(ended))
        self.oracle.sealed -= begun
        if not killed_after and not self.way.engine.is_native:
            self.oracle.sealed |= set(ended)

    def appending(self, names):
        """Return those of the nodes to whose relation a build may add a part, now or later."""
        kinds = {name: self.world.domains.get(f"kind:{name}", []) for name in names}
        return {name for name in names if {"incremental", "microbatch"}.intersection(kinds[name])}

    def named(self, events):
        """Return the events by node. dbt 2 tells of ephemeral models too; nothing is built for them."""
        named = [(what, self.world.named(relation)) for what, relation in events]
        return [(what, name) for what, name in named
                if self.world.knobs.get(f"kind:{name}") != "ephemeral"]

    def begun(self, run):
        return {name for what, name in self.named(run.events()) if what in ("START", "OK")}

    def counts(self, run):
        kinds = [what for what, _ in run.events()]
        words = [f"{kinds.count(kind)} {kind}" for kind in ("OK", "PARTIALLY", "ERROR", "SKIP")
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

    def expect_all(self, run, must):
        missed = sorted(must - self.begun(run))
        if missed and not self.world.knobs["selector:"]:
            self.fail("converged", f"{missed} had to be built\n{run.said()}")

    def check(self):
        """Check the warehouse after a successful default run; a second run must build nothing."""
        is_whole = not self.world.knobs["selector:"]
        if is_whole:
            self.seen["checked"] += 1
            self.compare("the warehouse")
            if self.wrong["converged"]:
                return
            self.oracle.clean()
        again = self.start(["build"])
        code = again.finish()
        if code != 0 or again.events():
            self.fail("idempotent", f"the next build was not empty:\n{again.said()}")
        self.learn(again)
        if is_whole:
            self.oracle.clean()

    def check_claims(self):
        """Check that each node that the baseline claims is there, and as it was built."""
        contents = self.warehouse.everything()
        for name in self.begun_now:
            self.held[name] = contents and contents.get(self.world.relation(name))
        text = self.baseline()
        if contents is None or text is None or self.way.is_interrupted():
            return
        for node in json.loads(text)["nodes"].values():
            name, relation = node["name"], node.get("relation_name") or ""
            relation = relation.split(".")[-1].strip('"')
            if node["resource_type"] not in ("model", "seed") or not relation:
                continue
            if relation not in contents:
                self.fail("converged", f"the baseline claims {name}, and there is no {relation}")
            elif self.held.get(name) not in (None, contents[relation]):
                self.fail("converged", f"the baseline claims {name}, and {relation} has "
                          f"{contents[relation]} instead of {self.held[name]}")

    def compare(self, what):
        expected = self.world.relations()
        found = self.warehouse.relations(expected)
        for name, (form, rows, columns) in sorted(expected.items()):
            seen = found.get(name)
            if columns is None and isinstance(seen, tuple):
                seen = (*seen[:2], None)
            if seen != (form, rows, columns):
                self.fail("converged", f"{what}: {name} is {seen}, not {expected[name]}")

    def from_scratch(self):
        """Check that plain dbt in an empty warehouse builds what we expect."""
        fresh = self.way.directory / "scratch"
        fresh.mkdir()
        self.warehouse = self.make_warehouse(fresh, "scratch")
        project.write(self.world, fresh, self.warehouse)
        self.way.project = fresh
        run = self.way.bare(self.world, ["build"])
        if run.finish() != 0:
            self.fail("converged", f"from scratch:\n{run.said()}")
        self.compare("a build from scratch")
