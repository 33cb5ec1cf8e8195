"""A dbt project in which every relation contains a signature of everything that went into it.

The signature is computed twice: by the warehouse, in the SQL of the project, from what dbt rendered
and from the signatures of the parents; and here, from the knobs. A knob is one thing that can be
changed: the version of a model's code, or the value of a variable.
"""

import hashlib
import json

ENVIRONMENT = ["E0", "E1", "E2", "E3"]
VARS = ["v0", "v1", "v2"]
# Mappings that differ in nothing but their order.
ORDERS = {"xy": {"x": 1, "y": 2}, "yx": {"y": 2, "x": 1}}
VERSIONS = [1, 2, 3]
STAMPS = ["config", "yaml", "yaml_env", "yaml_var", "project", "project_env"]
UNSET = "-"


class Model:
    def __init__(self, name, parents):
        self.name, self.parents = name, parents
        # What its SQL reads: ("macro" | "env" | "var", name).
        self.reads = []
        # Where its config `stamp` is set, and the name of the variable that it reads there, if any.
        self.stamp = self.stamp_reads = None
        # ("env" | "var", name) that its post-hook reads.
        self.hook = None
        # The environment variable that chooses between two first parents.
        self.switch = self.other = None


class World:
    """The project and the values of its knobs, determined by the random numbers that it is given."""

    def __init__(self, random):
        self.random, self.knobs, self.domains = random, {}, {}
        for name in ENVIRONMENT:
            self.knob(f"env:{name}", [None, "", "a", "b"])
        for name in VARS:
            self.knob(f"var:{name}", [None, "a", "b", *ORDERS])
            self.knob(f"cli:{name}", [None, "a", "c"], None)
        self.seeds = [f"s{n}" for n in range(random.randint(1, 2))]
        for seed in self.seeds:
            self.knob(f"seed:{seed}", VERSIONS)
        self.macros = self.make_macros()
        self.models = {}
        for n in range(random.randint(5, 9)):
            self.make_model(f"m{n}")
        self.make_swap()
        self.make_leavers()

    def knob(self, key, domain, value=...):
        self.domains[key] = domain
        self.knobs[key] = self.random.choice(domain) if value is ... else value

    def make_macros(self):
        """Make macros of which each may call the next one; all but the first may read a variable."""
        macros = {}
        for n in range(4):
            calls = f"k{n + 1}" if n < 3 and self.random.random() < 0.7 else None
            reads = self.value() if n and self.random.random() < 0.6 else None
            macros[f"k{n}"] = (calls, reads)
            self.knob(f"macro:k{n}", VERSIONS)
        return macros

    def value(self):
        kind = self.random.choice(["env", "var"])
        return kind, self.random.choice(ENVIRONMENT if kind == "env" else VARS)

    def make_model(self, name):
        random, earlier = self.random, [*self.seeds, *self.models]
        parents = sorted(random.sample(earlier, min(len(earlier), random.choice([1, 1, 2]))))
        model = self.models[name] = Model(name, parents)
        kinds = random.choice([["view"], ["table"], ["table"], ["view", "table"], ["ephemeral"],
                               ["table", "incremental"], ["incremental"]])
        self.knob(f"kind:{name}", kinds)
        self.knob(f"body:{name}", VERSIONS)
        self.knob(f"broken:{name}", [False, True], False)
        self.knob(f"tested:{name}", [False, True])
        for _ in range(random.choice([0, 1, 1, 2])):
            read = random.choice([("macro", random.choice(sorted(self.macros))), self.value()])
            if read not in model.reads:
                model.reads.append(read)
        if random.random() < 0.5:
            self.make_stamp(model)
        if kinds != ["ephemeral"]:
            self.make_relation(model, kinds)
        if random.random() < 0.25 and len(earlier) > 2:
            model.switch = random.choice(ENVIRONMENT)
            model.other = random.choice([other for other in earlier if other not in parents])

    def make_swap(self):
        """Let two models exchange their relations."""
        able = [name for name in self.models
                if f"alias:{name}" not in self.knobs and self.kind(name) != "ephemeral"]
        self.swapped = self.random.sample(able, 2) if len(able) > 1 else []
        if self.swapped:
            self.knob("swap:", [False, True], False)

    def make_leavers(self):
        """Let models that nothing reads leave the project and come back."""
        read = {parent for model in self.models.values() for parent in [*model.parents, model.other]}
        leaves = [name for name in self.models if name not in read]
        for name in self.random.sample(leaves, min(len(leaves), 2)):
            self.knob(f"gone:{name}", [False, True], False)

    def make_stamp(self, model):
        model.stamp = self.random.choice(STAMPS)
        if model.stamp.endswith("_env"):
            model.stamp_reads = self.random.choice(ENVIRONMENT)
        elif model.stamp.endswith("_var"):
            model.stamp_reads = self.random.choice(VARS)
        else:
            self.knob(f"stamp:{model.name}", VERSIONS)

    def make_relation(self, model, kinds):
        if self.random.random() < 0.3:
            self.knob(f"alias:{model.name}", ["", "_b"])
        if self.random.random() < 0.3:
            model.hook = self.value()
        if self.random.random() < 0.4:
            self.knob(f"check:{model.name}", ["none", "pass", "fail"], "pass")
        if "view" not in kinds:
            self.knob(f"gate:{model.name}", ["open", "gone"], "open")

    # The meaning of the knobs.

    def read(self, kind, name):
        if kind == "env":
            value = self.knobs[f"env:{name}"]
        else:
            cli = self.knobs[f"cli:{name}"]
            value = self.knobs[f"var:{name}"] if cli is None else cli
        value = UNSET if value is None else ORDERS.get(value, value)
        return str(value).replace("'", "")

    def macro(self, name):
        calls, reads = self.macros[name]
        parts = [f"{name}:{self.knobs[f'macro:{name}']}"]
        parts += [self.read(*reads)] if reads else []
        parts += [self.macro(calls)] if calls else []
        return "/".join(parts)

    def stamp(self, model):
        if model.stamp is None:
            return []
        if model.stamp_reads is None:
            return [str(self.knobs[f"stamp:{model.name}"])]
        kind = "env" if model.stamp.endswith("_env") else "var"
        return [self.read(kind, model.stamp_reads)]

    def parents(self, name):
        """Return the parents in the order of the SQL."""
        if name in self.seeds:
            return []
        model = self.models[name]
        if model.switch and self.read("env", model.switch) == "a":
            return [model.other, *model.parents[1:]]
        return model.parents

    def kind(self, name):
        return "seed" if name in self.seeds else self.knobs[f"kind:{name}"]

    def parts(self, name):
        """Return what a model adds to its signature, besides its parents' signatures."""
        model = self.models[name]
        values = [self.macro(what) if kind == "macro" else self.read(kind, what)
                  for kind, what in model.reads]
        return [f"{name}:{self.knobs[f'body:{name}']}", *values, *self.stamp(model)]

    def own(self, name):
        """Return everything that defines the node, without the contents of its parents."""
        if name in self.seeds:
            return self.knobs[f"seed:{name}"]
        model = self.models[name]
        knobs = [self.knobs.get(f"{key}:{name}") for key in ("kind", "broken")]
        knobs.append(self.relation(name))
        hook = self.read(*model.hook) if model.hook else None
        switch = self.read("env", model.switch) if model.switch else None
        return json.dumps([self.parts(name), self.parents(name), knobs, hook, switch])

    def signature(self, name):
        if name in self.seeds:
            return f"{name}:{self.knobs[f'seed:{name}']}"
        parts = self.parts(name) + [self.signature(parent) for parent in self.parents(name)]
        return hashlib.md5("|".join(parts).encode()).hexdigest()

    def relations(self):
        """Return what a build from scratch leaves in the warehouse: {relation: (type, signature)}."""
        found = {seed: ("BASE TABLE", self.signature(seed)) for seed in self.seeds}
        for name, model in self.present().items():
            kind = self.kind(name)
            if kind != "ephemeral":
                form = "VIEW" if kind == "view" else "BASE TABLE"
                found[self.relation(name)] = (form, self.signature(name))
            if model.hook:
                found[f"hook_{name}"] = ("BASE TABLE", self.read(*model.hook))
        return found

    def relation(self, name):
        if name in self.swapped and self.knobs["swap:"]:
            return self.swapped[1 - self.swapped.index(name)]
        return name + self.knobs.get(f"alias:{name}", "")

    def named(self, relation):
        """Return the node that is built into a relation."""
        names = {self.relation(name): name for name in self.nodes()}
        return names.get(relation, relation)

    def present(self):
        """Return the models that are in the project."""
        return {name: model for name, model in self.models.items()
                if not self.knobs.get(f"gone:{name}")}

    def nodes(self):
        """Return all nodes, parents first."""
        return [*self.seeds, *self.present()]

    def troubles(self):
        """Return the knobs that make a build fail now."""
        bad = {"broken": True, "gate": "gone", "check": "fail"}
        return [key for key, value in self.knobs.items()
                if value == bad.get(key.split(":")[0], ...)]
