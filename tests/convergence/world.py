"""A dbt project in which every relation contains a signature of everything that went into it.

The signature is computed twice: by the warehouse, in the SQL of the project, from what dbt rendered
and from the signatures of the parents; and here, from the knobs. A knob is one thing that can be
changed: the version of a model's code, or the value of a variable.
"""

import datetime
import hashlib
import json

ENVIRONMENT = ["E0", "E1", "E2", "E3"]
# Variables that are read under names that are computed.
COMPUTED = ["C0", "C1"]
VARS = ["v0", "v1", "v2"]
# Mappings that differ in nothing but their order.
ORDERS = {"xy": {"x": 1, "y": 2}, "yx": {"y": 2, "x": 1}}
VERSIONS = [1, 2, 3]
STAMPS = ["config", "yaml", "yaml_env", "yaml_var", "project", "project_env"]
UNSET = "-"
# The batches of a microbatch model: this year and the last. Both are built again in every run.
YEAR = datetime.datetime.now(datetime.timezone.utc).year


class Model:
    def __init__(self, name, parents):
        self.name, self.parents = name, parents
        # What its SQL reads: (kind, name), see `reads.py`.
        self.reads = []
        # Where its config `stamp` is set, and the name of the variable that it reads there, if any.
        self.stamp = self.stamp_reads = None
        # ("env" | "var", name) that its post-hook reads.
        self.hook = None
        # The environment variable that chooses between two first parents.
        self.switch = self.other = None
        # Whether it calls a macro only under is_incremental(), has a strategy of the project's own,
        # an enforced contract.
        self.guarded = self.custom = self.contract = False


class World:
    """The project and the values of its knobs, determined by the random numbers that it is given."""

    def __init__(self, random, cannot=()):
        """Leave out the kinds of edits that the dbt cannot."""
        self.random, self.knobs, self.domains, self.cannot = random, {}, {}, cannot
        for name in ENVIRONMENT:
            self.knob(f"env:{name}", [None, "", "a", "b"])
        for name in COMPUTED:
            self.knob(f"computed:{name}", [None, "a", "b"])
        for name in ("C9", "N0"):
            self.knob(f"noise:{name}", VERSIONS)
        for name in VARS:
            mappings = [] if "mapping" in cannot else list(ORDERS)
            self.knob(f"var:{name}", [None, "a", "b", 1, "1", *mappings])
            self.knob(f"cli:{name}", [None, "a", "c", 1, "1"], None)
        for name in ("caller:kc", "guard:kg", "strategy:ks"):
            self.knob(name, VERSIONS)
        self.knob("override:", [None, 1, 2], None)
        self.knob("threads:", [2, 3], 2)
        self.knob("settle:", ["doubt", "changes"], "doubt")
        self.knob("warm:", ["off", "on"])
        self.seeds = [f"s{n}" for n in range(random.randint(1, 2))]
        for seed in self.seeds:
            self.knob(f"seed:{seed}", VERSIONS)
        self.macros = self.make_macros()
        self.models = {}
        for n in range(random.randint(5, 9)):
            self.make_model(f"m{n}")
        self.make_swap()
        self.make_leavers()
        self.knob("selector:", [None, self.random.choice(sorted(self.models))], None)

    def knob(self, key, domain, value=...):
        """Add a knob; it stays as it is if the dbt cannot do that kind of edit."""
        self.knobs[key] = self.random.choice(domain) if value is ... else value
        if key.split(":")[0] in self.cannot:
            self.knobs[key] = None if None in domain else domain[0]
            domain = domain[:1]
        self.domains[key] = domain

    def make_macros(self):
        """Make macros of which each may call the next one; all but the first may read a variable."""
        macros = {}
        for n in range(4):
            calls = f"k{n + 1}" if n < 3 and self.random.random() < 0.7 else None
            reads = self.value() if n and self.random.random() < 0.6 else None
            macros[f"k{n}"] = (calls, reads)
            self.knob(f"macro:k{n}", VERSIONS)
            self.knob(f"mnote:k{n}", VERSIONS)
        return macros

    def value(self):
        kind = self.random.choice(["env", "var"])
        return kind, self.random.choice(ENVIRONMENT if kind == "env" else VARS)

    def make_model(self, name):
        random, earlier = self.random, [*self.seeds, *self.readable()]
        parents = sorted(random.sample(earlier, min(len(earlier), random.choice([1, 1, 2]))))
        model = self.models[name] = Model(name, parents)
        kinds = random.choice([["view"], ["table"], ["table"], ["view", "table"], ["ephemeral"],
                               ["table", "incremental"], ["incremental"], ["microbatch"]])
        if kinds == ["microbatch"] and "batch" in self.cannot:
            kinds = ["table"]
        self.knob(f"kind:{name}", kinds)
        self.knob(f"body:{name}", VERSIONS)
        self.knob(f"broken:{name}", [False, True], False)
        self.knob(f"tested:{name}", [False, True] if kinds != ["microbatch"] else [False])
        self.knob(f"text:{name}", VERSIONS)
        for kind in ("note", "space", "jnote"):
            self.knob(f"{kind}:{name}", [0, 1, 2], 0)
        for _ in range(random.choice([0, 1, 1, 2])):
            read = random.choice([("macro", random.choice(sorted(self.macros))), self.value(),
                                  self.rare_read()])
            if read not in model.reads:
                model.reads.append(read)
        if random.random() < 0.5:
            self.make_stamp(model)
        if kinds != ["ephemeral"]:
            self.make_relation(model, kinds)
        if random.random() < 0.25 and len(earlier) > 2:
            model.switch = random.choice(ENVIRONMENT)
            model.other = random.choice([other for other in earlier if other not in parents])
        self.make_columns(model, kinds)
        self.make_unit_test(model, kinds)

    def readable(self):
        """Return the models that others may read: those of one row."""
        return [name for name in self.models if self.kind(name) != "microbatch"]

    def rare_read(self):
        random = self.random
        name = random.choice(sorted(self.macros))
        return random.choice([
            ("typed", random.choice(VARS)), ("typed", random.choice(VARS)), ("execute", name),
            ("execute", name), ("call", "kc"), ("computed", random.choice(COMPUTED)),
            ("joined", random.choice(COMPUTED)), ("columns", ""), ("text", ""), ("target", ""),
            ("graph", "")])

    def make_columns(self, model, kinds):
        random = self.random
        model.contract = (kinds == ["table"] and random.random() < 0.3
                          and "order" not in self.cannot)
        if model.contract:
            self.knob(f"order:{model.name}", ["id signature", "signature id"])
        elif random.random() < 0.4:
            self.knob(f"columns:{model.name}", ["", "id", "id signature"])
        if "incremental" in kinds:
            model.guarded = random.random() < 0.4 and "guard" not in self.cannot
            model.custom = random.random() < 0.3 and "strategy" not in self.cannot

    def make_unit_test(self, model, kinds):
        """A unit test reads nothing but its own rows. (It would take a gate away from the model.)"""
        unable = {"ephemeral", "microbatch"}.intersection(
            [*kinds, *(self.kind(parent) for parent in [*model.parents, model.other] if parent)])
        if "incremental" in kinds and "unit_incremental" in self.cannot:
            return
        if ("graph", "") in model.reads:  # It is empty in a unit test.
            return
        if (unable or f"gate:{model.name}" in self.knobs or "unit" in self.cannot
                or self.random.random() < 0.3):
            return
        self.knob(f"unit:{model.name}", VERSIONS)
        self.knob(f"badunit:{model.name}", [False, True], False)

    def make_swap(self):
        """Let two models exchange their relations. A microbatch model would keep the row of the other:
        that a build keeps rows of another model is only noted (`--refresh-changed` refreshes it)."""
        able = [name for name in self.readable()
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
        if kinds == ["microbatch"]:
            self.knob(f"batch:{model.name}", ["open", "gone"], "open")
        elif "view" not in kinds and self.random.random() < 0.8:
            self.knob(f"gate:{model.name}", ["open", "gone"], "open")

    # The meaning of the knobs.

    def var(self, name):
        cli = self.knobs[f"cli:{name}"]
        value = self.knobs[f"var:{name}"] if cli is None else cli
        return UNSET if value is None else ORDERS.get(value, value)

    def read(self, kind, name):
        value = self.var(name) if kind == "var" else self.knobs[f"{kind}:{name}"]
        return str(UNSET if value is None else value).replace("'", "")

    def value_of(self, model, kind, name):
        """Return what a read of a model renders to."""
        if kind in ("macro", "execute"):
            return self.macro(name)
        if kind in ("env", "var"):
            return self.read(kind, name)
        if kind in ("computed", "joined"):
            return self.read("computed", name)
        return {"typed": lambda: str(isinstance(self.var(name), str)),
                "call": lambda: f"inner:{self.knobs['caller:kc']}",
                "columns": lambda: "+".join(self.columns(model)),
                "text": lambda: str(self.knobs[f"text:{model.name}"]),
                "target": lambda: "dev",
                "graph": lambda: "+".join(sorted(self.present()))}[kind]()

    def columns(self, model):
        """Return the columns in the YAML of a model."""
        names = self.knobs.get(f"order:{model.name}", self.knobs.get(f"columns:{model.name}", ""))
        names = names.split()
        extra = self.knobs[f"tested:{model.name}"] and "signature" not in names
        return [*names, "signature"] if extra else names

    def macro(self, name):
        calls, reads = self.macros[name]
        parts = [f"{name}:{self.knobs[f'macro:{name}']}"]
        parts += [self.read(*reads)] if reads else []
        parts += [self.macro(calls)] if calls else []
        return "/".join(parts)

    def macros_of(self, model):
        """Return the macros that a model reads, with those that they call."""
        found = set()
        for kind, name in model.reads:
            while kind in ("macro", "execute") and name:
                found.add(name)
                name = self.macros[name][0]
        return sorted(found)

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
        values = [self.value_of(model, kind, what) for kind, what in model.reads]
        return [f"{name}:{self.knobs[f'body:{name}']}", *values, *self.stamp(model)]

    def values_of(self, model):
        """Return the variables that a model reads, itself, in its macros, in its hook or in its stamp."""
        kinds = ("env", "var", "typed")
        stamp = ("var", model.stamp_reads) if model.stamp_reads in VARS else None
        reads = [*model.reads, model.hook, stamp]
        direct = [read for read in reads if read and read[0] in kinds]
        through = [self.macros[name][1] for name in self.macros_of(model)]
        return direct + [read for read in through if read]

    def own(self, name):
        """Return everything that defines the node, without the contents of its parents. If it differs
        from what the node was built from, the node has to be built."""
        if name in self.seeds:
            return self.knobs[f"seed:{name}"]
        model = self.models[name]
        knobs = [self.knobs.get(f"{key}:{name}") for key in ("kind", "broken", "order")]
        knobs.append(self.relation(name))
        hook = self.read(*model.hook) if model.hook else None
        return json.dumps([self.parts(name), self.parents(name), knobs, hook, self.merging(model)])

    def merging(self, model):
        """Return the macros that act when rows are added, which leave no trace in the relation."""
        if self.kind(model.name) != "incremental":
            return []
        guard = self.knobs["guard:kg"] if model.guarded else None
        return [guard, self.knobs["strategy:ks" if model.custom else "override:"]]

    def vague(self, name, is_told_by_code):
        """Return what may be a reason to build the node, though it does not change what is built.
        If the compiled code can tell, only what dbt compares itself (with `--settle doubt`)."""
        if name in self.seeds:
            return ""
        model, knobs = self.models[name], self.knobs
        found = [knobs[f"{kind}:{name}"] for kind in ("note", "space")]
        if not (is_told_by_code and knobs["settle:"] == "changes"):
            found.append(knobs[f"jnote:{name}"])
            found += [knobs[f"mnote:{name}"] for name in self.macros_of(model)]
            found += [repr(self.var(what)) for kind, what in self.values_of(model) if kind != "env"]
            found.append(self.read("env", model.switch) if model.switch else None)
        if not is_told_by_code:
            kinds = {kind for kind, _ in model.reads}
            found += [knobs] if kinds & {"graph"} else []
            found += [self.environment(kinds)] if kinds & {"computed", "joined"} else []
            found.append([knobs["guard:kg"], knobs["strategy:ks"], knobs["override:"]]
                         if "incremental" in self.domains[f"kind:{name}"] else None)
        return json.dumps(found, default=str)

    def environment(self, kinds):
        """Return the variables that may have the computed name."""
        names = ("computed:", "noise:C") if "joined" not in kinds else ("env:", "computed:", "noise:")
        return [value for name, value in self.knobs.items() if name.startswith(names)]

    def is_told_by_code(self, name):
        """Return whether the compiled code of a node shows everything that would be built."""
        if name in self.seeds:
            return False
        model = self.models[name]
        return (self.kind(name) in ("table", "view") and not model.hook
                and "incremental" not in self.domains[f"kind:{name}"])

    def signature(self, name):
        if name in self.seeds:
            return f"{name}:{self.knobs[f'seed:{name}']}"
        parts = self.parts(name) + [self.signature(parent) for parent in self.parents(name)]
        return hashlib.md5("|".join(parts).encode()).hexdigest()

    def relations(self):
        """Return what a build from scratch leaves in the warehouse:
        {relation: (type, signatures, columns or None)}."""
        found = {seed: ("BASE TABLE", [self.signature(seed)], None) for seed in self.seeds}
        for name, model in self.present().items():
            kind = self.kind(name)
            if kind != "ephemeral":
                form = "VIEW" if kind == "view" else "BASE TABLE"
                rows = [self.signature(name)] * (2 if kind == "microbatch" else 1)
                columns = self.knobs[f"order:{name}"].split() if model.contract else None
                found[self.relation(name)] = (form, rows, columns)
            if model.hook:
                found[f"hook_{name}"] = ("BASE TABLE", [self.read(*model.hook)], None)
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
        bad = {"broken": True, "gate": "gone", "batch": "gone", "check": "fail", "badunit": True}
        return [key for key, value in self.knobs.items()
                if value == bad.get(key.split(":")[0], ...)]
