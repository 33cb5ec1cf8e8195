"""Predict which nodes a minimal run may build.

The rule is that of make. A node is due if it differs from what was last built, if its last build
failed or was interrupted, or if something that it reads was rebuilt with new content after it.
Everything downstream of a due node is due too. An ephemeral model is built with its readers.
"""


class Oracle:
    def __init__(self, world):
        self.world = world
        self.clock = 0
        self.built_own, self.built_at, self.renewed_at = {}, {}, {}
        self.touched = set()
        # Those to whose relation an incomplete build may have added only a part.
        self.half = set()
        # What may have been a reason to build each node, as it was then: it may say more, or less.
        self.built_vague = {}
        # The nodes that were last built by a run that ended in an orderly way.
        self.sealed = set()
        # The relation that each node was last built into.
        self.places = {}

    def due(self, settles=False):
        """Return the nodes that may be built now, by a run that settles doubts or does not."""
        due = set()
        for name in self.world.nodes():  # Parents come first.
            parents = self.world.parents(name)
            if due.intersection(parents) or self.is_due(name) or self.is_vague(name, settles):
                due.add(name)
        return due

    def must(self):
        """Return the nodes that a whole build may not leave as they are."""
        return {name for name in self.world.nodes()
                if name not in self.touched and self.world.kind(name) != "ephemeral"
                and self.built_own.get(name, ...) not in (..., self.world.own(name))}

    def is_vague(self, name, settles):
        settles = settles and name in self.sealed and self.world.is_told_by_code(name)
        return self.built_vague.get(name, {}).get(settles) != self.vague(name)[settles]

    def vague(self, name):
        """Return what may be a reason to build a node, by whether the run settles doubts."""
        return {settles: self.world.vague(name, settles) for settles in (False, True)}

    def is_due(self, name):
        return (name in self.touched or self.built_own.get(name) != self.world.own(name)
                or any(self.renewed_at.get(parent, 0) > self.built_at[name]
                       for parent in self.world.parents(name)))

    def began(self, name, ended):
        """Record that a node began to be built: what stood in its relation is gone."""
        place = self.world.relation(name)
        for other, held in self.places.items():
            if held == place and other != name and other not in ended:
                self.touched.add(other)
        self.places[name] = place

    def forget(self):
        """Record that nodes left the project: when they come back, they are new."""
        for name in set(self.built_own) - set(self.world.nodes()):
            del self.built_own[name]

    def built(self, name, refreshed=False):
        """Record that a node was built, and with it the ephemeral models that it reads."""
        for parent in self.world.parents(name):
            if self.world.kind(parent) == "ephemeral":
                self.built(parent)
        self.clock += 1
        # A change that may not matter gives new content too, unless it is settled.
        is_new = self.is_due(name) or self.is_vague(name, False)
        if is_new or (refreshed and self.world.kind(name) == "incremental"):
            self.renewed_at[name] = self.clock
        self.built_own[name] = self.world.own(name)
        self.built_vague[name] = self.vague(name)
        self.built_at[name] = self.clock
        self.touched.discard(name)

    def clean(self):
        """Record that every node is up to date."""
        for name in self.world.nodes():
            self.built(name)
        self.renewed_at.clear()
