"""Check whether `--settle changes` spares only what a build from scratch would put there again.

    PYTHON_OF_A_DBT_1 tests/settle/prove.py --program PATH --edits N [--seed S] [--rounds R]

Each round edits most models of a random project (`project.py`), and some of its macros, values and
properties (`edits.py`). Then `dbt-entrypoint --settle changes build` builds into a warehouse that lasts
from round to round, and plain dbt builds everything into an empty one. Each relation of both has to be the
same: its kind, columns, types, constraints, comments, indexes and rows, and for a view its statement.

An edit of one model, macro or value counts as one. A node is spared if it was edited, or a macro that it
calls, and was not built.

Prints each round and each difference with the edits that led to it and, at the end, `spared N times,
differing N of M edits`. Exits with 1 if there is a difference.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "convergence"))
import edits
import project
import runs
import warm_dbt


class Laboratory:
    def __init__(self, root, program, verbose):
        self.root, self.program, self.verbose = pathlib.Path(root), os.path.abspath(program), verbose
        (self.root / "home").mkdir()
        self.dbt = warm_dbt.WarmDbt(self.root)
        self.count, self.kinds = collections.Counter(), collections.defaultdict(collections.Counter)

    def run(self, argv, world, place):
        """Run a command in the project. `place` has the warehouse and what dbt writes."""
        argv = [*argv, "build", *(["--vars", json.dumps(world.vars)] if world.by_option else [])]
        target = self.root / place / "target"
        shutil.rmtree(target, ignore_errors=True)  # As in a fresh container.
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root / "home"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": str(target), "PROVE_WAREHOUSE": str(self.root / place / "shop.duckdb"),
            "DBT_ENTRYPOINT_STATE_DIR": str(self.root / place / "state"), "DBT_ENTRYPOINT_ALLOW_EPHEMERAL": "yes",
            "DBT_ENTRYPOINT_DBT": str(self.dbt.program), **world.environment}
        done = subprocess.run(argv, cwd=self.root / "project", env=environment, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        results = target / "run_results.json"
        results = json.loads(results.read_text())["results"] if results.exists() else []
        return done, {result["unique_id"] for result in results if result["status"] == "success"}

    def settle(self, world):
        runs.pretend_slow(self.root / "lasting/state")
        return self.run([self.program, "--settle", "changes", "--yes"], world, "lasting")

    def project(self, seed, rounds, most):
        """Play the rounds of a project, until there were enough edits."""
        world = project.World(seed)
        for name in ("lasting", "project"):
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir()
        (self.root / "lasting/state").mkdir()
        self.write(world)
        done, _ = self.settle(world)
        assert done.returncode == 0, f"seed {seed}: {last(done)}"
        self.macros = texts(json.loads((self.root / "lasting/target/manifest.json").read_text())["macros"])
        for number in range(1, rounds + 1):
            if self.count["edits"] >= most:
                break
            self.round(world, f"seed {seed}, round {number}")

    def write(self, world):
        shutil.rmtree(self.root / "project")
        for name, text in world.files().items():
            path = self.root / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def round(self, world, label):
        made = edits.of_round(world)
        for edit in made:
            if edit.model:
                edit.model.log.append((label, edit.kind, edit.what, edit.model.text))
        self.write(world)
        done, built = self.settle(world)
        assert done.returncode == 0, f"{label}: {last(done)}"
        shutil.rmtree(self.root / "scratch", ignore_errors=True)
        (self.root / "scratch").mkdir()
        plain, _ = self.run([self.dbt.program], world, "scratch")
        assert plain.returncode == 0, f"{label}, from scratch: {last(plain)}"
        manifest = json.loads((self.root / "scratch/target/manifest.json").read_text())
        nodes = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] in ("model", "seed", "snapshot")}
        spared = self.spared(nodes, manifest["macros"], made, built)
        differing = self.compare(nodes, world, label, made, built)
        self.count.update(edits=len(made), spared=len(spared), built=len(built & nodes.keys()), differing=len(differing))
        kinds = collections.Counter(edit.kind for edit in made)
        print(f"{label}: {len(made)} edits ({', '.join(f'{kinds[kind]} {kind}' for kind in ('harmless', 'hidden', 'real'))}), "
              f"{len(spared)} nodes spared, {len(built & nodes.keys())} built, {len(differing)} differ", flush=True)
        if self.verbose and "not built, because" not in done.stdout:
            print("\n".join(line for line in done.stdout.splitlines() if line.startswith("dbt-entrypoint")))

    def spared(self, nodes, macros, made, built):
        """The nodes that were edited, or whose macros were, and not built. Counts what was spared by kinds."""
        named = {node["name"]: name for name, node in nodes.items()}
        edited = {named[edit.model.name]: edit for edit in made if edit.model}
        kinds = {edit.macro.split(".")[-1]: edit.kind for edit in made if edit.macro}
        # A macro that moved, or has a note beside it, is as it was.
        now, before = texts(macros), self.macros
        differ = [macro for macro in now if now[macro] != before.get(macro)]
        changed = {macro: kinds[macro.split(".")[-1]] for macro in differ if macro.split(".")[-1] in kinds}
        called = {name: sorted({changed[macro] for macro in calls(node, macros) & changed.keys()})
                  for name, node in nodes.items() if calls(node, macros) & changed.keys()}
        self.macros = now
        for name in filter(lambda name: is_built(nodes[name]), edited.keys() | called.keys()):
            if name in edited:
                edit = edited[name]
                beside = ", beside a hidden trait" if edit.kind == "harmless" and edit.model.trait in project.HIDDEN else ""
                kinds = [edit.kind + beside, f"{edit.kind}{beside}: {edit.what}"]
            else:
                kinds = [f"macros: {' and '.join(called[name])}"]
            for kind in kinds:
                # Below something that was built, everything is.
                self.kinds[kind].update(edits=1, free=int(not built & ancestors(name, nodes)), spared=int(name not in built))
        return {name for name in edited.keys() | called.keys() if name not in built and is_built(nodes[name])}

    def compare(self, nodes, world, label, made, built):
        """Print what differs from a build from scratch."""
        lasting, scratch = (contents(self.root / place / "shop.duckdb") for place in ("lasting", "scratch"))
        differing = []
        for name, node in nodes.items():
            if not is_built(node):
                continue
            relation = node["schema"], node["alias"]
            is_kept = node["resource_type"] == "snapshot"
            one, other = (current(of.get(relation), is_kept) for of in (lasting, scratch))
            if one == other and one is not None:
                continue
            differing.append(name)
            print(f"{label}: {name} ({'built' if name in built else 'not built'}) is {one}\n  and from scratch {other}")
            for model in world.models:
                if model.name == node["name"]:
                    print("  " + "\n  ".join(f"{where}: {kind}: {what}: {text!r}" for where, kind, what, text in model.log[-3:]))
        if differing:
            print(f"  edits besides: {[edit.what for edit in made if not edit.model]}", flush=True)
        return differing


def last(done):
    """What a command says at its end."""
    return "\n".join(done.stdout.splitlines()[-40:])


def is_built(node):
    return node["config"]["materialized"] != "ephemeral"


def ancestors(name, nodes):
    found, left = set(), [name]
    while left:
        parents = set(nodes[left.pop()]["depends_on"].get("nodes", [])) & nodes.keys()
        left += parents - found
        found |= parents
    return found


def texts(macros):
    return {name: macro["macro_sql"].strip() for name, macro in macros.items()}


def calls(node, macros):
    found, left = set(), list(node["depends_on"]["macros"])
    while left:
        macro = left.pop()
        if macro not in found and macro in macros:
            found.add(macro)
            left += macros[macro]["depends_on"]["macros"]
    return found


def contents(path):
    """What a warehouse has: {(schema, name): what there is to compare}."""
    import duckdb
    with duckdb.connect(str(path), read_only=True) as connection:
        def rows(sql):
            return connection.sql(sql).fetchall()
        found = {}
        for schema, name, comment in rows("select schema_name, table_name, comment from duckdb_tables()"):
            found[schema, name] = {"kind": "table", "comment": comment}
        views = "select schema_name, view_name, comment, sql from duckdb_views() where not internal"
        for schema, name, comment, sql in rows(views):
            found[schema, name] = {"kind": "view", "comment": comment, "sql": sql}
        per = {"columns": "select schema_name, table_name, column_name, data_type, is_nullable, comment "
                          "from duckdb_columns() where not internal order by column_index",
               "constraints": "select schema_name, table_name, constraint_text from duckdb_constraints() order by 3",
               "indexes": "select schema_name, table_name, expressions, is_unique from duckdb_indexes() order by 3"}
        for what, sql in per.items():
            for schema, name, *of in rows(sql):
                found[schema, name].setdefault(what, []).append(of)
        for (schema, name), relation in found.items():
            try:
                relation["names"] = [column[0] for column in relation["columns"]]
                relation["rows"] = sorted(rows(f'select * from "{schema}"."{name}"'), key=str)
            except duckdb.Error as error:
                relation["rows"] = str(error)
        return found


def current(relation, is_kept):
    """Without what a snapshot keeps of earlier builds."""
    if relation is None or not is_kept:
        return relation
    names = relation["names"]
    end = names.index("dbt_valid_to")
    own = [at for at, name in enumerate(names) if not name.startswith("dbt_")]
    return relation | {"rows": sorted([row[at] for at in own] for row in relation["rows"] if row[end] is None)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", required=True)
    arguments.add_argument("--edits", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=6, help="rounds for each project")
    arguments.add_argument("--verbose", action="store_true", help="say how much was spared, by kinds of edits")
    options = arguments.parse_args()
    from dbt.version import __version__
    with tempfile.TemporaryDirectory(prefix="settle-") as directory:
        laboratory = Laboratory(directory, options.program, options.verbose)
        seed, count = options.seed, laboratory.count
        try:
            while count["edits"] < options.edits:
                laboratory.project(seed, options.rounds, options.edits)
                seed += 1
        finally:
            laboratory.dbt.close()
    for kind, of in sorted(laboratory.kinds.items()) if options.verbose else []:
        print(f"  {kind}: {of['edits']} edits, {of['free']} below nothing that was built, {of['spared']} spared")
    harmless = laboratory.kinds["harmless"]
    print(f"dbt {__version__}, seeds {options.seed} to {seed - 1}: "
          f"{harmless['spared']} of {harmless['free']} harmless edits spared; spared {count['spared']} times, differing {count['differing']} of {count['edits']} edits")
    sys.exit(bool(count["differing"]))


if __name__ == "__main__":
    main()
