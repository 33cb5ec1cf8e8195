"""Edit a real project, and record what dbt's state:modified selects after each round of edits.

    edits.py --work DIR [--rounds N] [--detailed N] [--seed S] [--dbt PROGRAM]

Run it with the Python of a dbt 1.x environment: one process then runs all commands. For dbt 2, name
the program with --dbt. The first rounds make every edit once; later rounds make random edits. Writes
to DIR: base.json, the manifest of the unedited project; and for each round n, <n>.json, the
manifest after the edits, and <n>.said.json:
{"edits": [names], "selected": {selector: [unique_ids]},
 "ours": [unique_ids that only we should find], "dbts": [those that only dbt should find],
 "rows": [rows of docs/agreement.md that explain the differences]}.
In the first --detailed rounds, the sub-selectors of state:modified are evaluated too.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SELECTORS = ["modified", "modified.body", "modified.configs", "modified.relation",
             "modified.macros", "modified.persisted_descriptions", "modified.contract", "new"]


class Edit:
    """One edit. `spot` names what it touches; a round contains at most one edit of each spot."""

    def __init__(self, spot, name, *changes, env=None, ours=(), dbts=(), row=None,
                 since=(1, 8), until=(9, 9), alone=False, v2=True):
        self.spot, self.name, self.changes, self.env = spot, name, changes, env or {}
        self.ours, self.dbts, self.row = ours, dbts, row
        self.since, self.until, self.alone, self.v2 = since, until, alone, v2

    def apply(self, project):
        for change in self.changes:
            change(project)

    def disagreement(self, version):
        """Return the ids that only we find and those that only dbt finds, for this version of dbt."""
        ours = self.ours(version) if callable(self.ours) else self.ours
        dbts = self.dbts(version) if callable(self.dbts) else self.dbts
        return list(ours), list(dbts)


def sub(path, old, new):
    def change(project):
        file = project / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))
    return change


def add(path, text):
    def change(project):
        file = project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)
    return change


def move(path, to):
    def change(project):
        (project / to).parent.mkdir(parents=True, exist_ok=True)
        (project / path).rename(project / to)
    return change


def remove(path):
    return lambda project: (project / path).unlink()


def model(name):
    return f"model.shop.{name}"


MARTS, STAGING = "models/marts/", "models/staging/"
SCHEMA = MARTS + "schema.yml"
# The nodes that read the source raw.orders.
READERS = [model("stg_orders"), "snapshot.shop.orders_history"]


V2 = (2, 0)
UNIT_TEST = "unit_test.shop.stg_customers.names_are_upper_case"
EVERY_TEST = ["test.shop." + name for name in [
    "no_orphans", "not_null_orders_id.84ef11d8fe", "not_null_stg_customers_id.6bd2c50f02",
    "positive_orders_amount.82707cf259", "unique_orders_id.1360ecc70e"]]


def blind(*ids):
    """Arguments for an edit that dbt 2.0 alpha does not see and dbt 1.x does."""
    return {"ours": lambda v: ids if v >= V2 else [], "row": "alpha"}


def unrendered(version):
    """Whether dbt compares configurations before rendering (1.12, 2.0), so that it sees no values."""
    return version >= (1, 12)


EDITS = [
    # Code.
    Edit("stg_customers", "body", sub(STAGING + "stg_customers.sql", "select id,", "select id + 0 as id,")),
    Edit("stg_customers", "SQL comment", add(STAGING + "stg_customers.sql", "-- nothing\n")),
    Edit("stg_customers", "Jinja comment", add(STAGING + "stg_customers.sql", "{# nothing #}\n")),
    Edit("stg_customers", "inner whitespace", sub(STAGING + "stg_customers.sql", "select id,", "select  id,"), **blind(model("stg_customers"))),
    Edit("stg_customers", "trailing newlines", add(STAGING + "stg_customers.sql", "\n\n")),
    Edit("eph_days", "body of an ephemeral model", add(STAGING + "eph_days.sql", "where true\n")),
    Edit("py_model", "body of a Python model", sub(MARTS + "py_model.py", "    return", "    # x\n    return")),
    Edit("py_model", "config of a Python model", sub(MARTS + "py_model.py", '["numpy"]', '["pandas"]')),
    Edit("tool_days", "body of a package's model", add("local_package/models/tool_days.sql", "where true\n")),
    # Macros.
    Edit("flavour", "nested macro", sub("macros/logic.sql", "adapter.dispatch('flavour', 'shop')(column)", "adapter.dispatch('flavour', 'shop')( column )")),
    Edit("flavour", "dispatched macro", sub("macros/logic.sql", "upper({{ column }})", "upper( {{ column }} )"), **blind(model("stg_customers"))),
    Edit("flavour", "dispatched macro of another adapter", sub("macros/logic.sql", "lower({{ column }})", "lower( {{ column }} )")),
    Edit("flavour", "macro nobody calls", add("macros/more.sql", "{% macro postgres__flavour(column) %}1{% endmacro %}\n")),
    Edit("flavour", "special override gone", sub("macros/logic.sql", "macro duckdb__flavour", "macro other__flavour"),
         ours=[model("stg_customers")], row="override-gone"),
    Edit("hundred", "nested macro of a package", sub("local_package/macros/tools.sql", "hundred() %}100", "hundred() %}100.0"), **blind(model("stg_orders"))),
    Edit("hundred", "unused macro of a package", sub("local_package/macros/tools.sql", "unused() %}0", "unused() %}1")),
    Edit("hundred", "whitespace around a macro", add("local_package/macros/tools.sql", "\n\n")),
    Edit("picky", "macro called only when executing", sub("macros/logic.sql", "only_executed() %}1", "only_executed() %}2")),
    Edit("picky", "macro of a hook", sub("macros/logic.sql", "nested_hook() %}42", "nested_hook() %}43"), **blind(model("hooked"))),
    Edit("pile", "materialization", sub("macros/materializations.sql", "{{ return(adapter", "{{  return(adapter"),
         ours=[model("piled")], row="materialization"),
    Edit("pile", "macro of a materialization", sub("macros/materializations.sql", "create or replace", "create  or replace"),
         ours=[model("piled")], row="materialization"),
    Edit("pile", "materialization of the adapter", add("macros/mine.sql", "{% materialization pile, adapter='duckdb' %}{{ return({'relations': []}) }}{% endmaterialization %}\n"),
         ours=[model("piled")], row="materialization"),
    Edit("late", "macro called only by a later run", sub("macros/logic.sql", "late_filter() %}true", "late_filter() %}(true)"),
         ours=[model("orders")], row="execution"),
    Edit("late", "incremental strategy", sub("macros/materializations.sql", "get_incremental_append_sql(arg_dict)", "get_incremental_append_sql( arg_dict )"),
         ours=[model("orders")], row="execution"),
    # Configurations.
    Edit("orders", "config in the file", sub(MARTS + "orders.sql", "'day']", "'amount']")),
    Edit("orders", "tuple in the file", sub(MARTS + "orders.sql", "('day', 'date')", "('day', 'text')"), v2=False),
    Edit("orders", "file moved", move(MARTS + "orders.sql", "models/moved/orders.sql")),
    Edit("orders-yaml", "tags", sub(SCHEMA, "      contract: {enforced: false}", "      contract: {enforced: false}\n      tags: [a]")),
    Edit("orders-yaml", "group", add("models/groups.yml", "groups: [{name: g, owner: {name: o}}]\n"),
         sub(SCHEMA, "      contract: {enforced: false}", "      contract: {enforced: false}\n      group: g")),
    Edit("orders-yaml", "alias", sub(SCHEMA, "      contract: {enforced: false}", "      contract: {enforced: false}\n      alias: other")),
    Edit("orders-yaml", "schema", sub(SCHEMA, "      contract: {enforced: false}", "      contract: {enforced: false}\n      schema: other")),
    Edit("orders-yaml", "persisted description", sub(SCHEMA, "All orders.", "All the orders.")),
    Edit("orders-yaml", "persisted description of a column", sub(SCHEMA, "The order.", "An order.")),
    Edit("orders-yaml", "test added", sub(SCHEMA, "          - positive", "          - positive\n          - not_null")),
    Edit("orders-yaml", "test's severity", sub(SCHEMA, "severity: warn", "severity: error"), **blind(EVERY_TEST[-1])),
    Edit("orders-yaml", "test's tags", sub(SCHEMA, "severity: warn", "severity: warn, tags: [x]"),
         dbts=lambda v: [EVERY_TEST[-1]] if v >= V2 else [], row="alpha"),
    Edit("orders-yaml", "default written out", sub(SCHEMA, "      contract: {enforced: false}", "      contract: {enforced: false}\n      on_schema_change: ignore"),
         dbts=lambda v: [model("orders")] if v < V2 else [],
         ours=lambda v: [model("orders")] if v >= V2 else [], row="default"),
    Edit("orders-yaml", "key of the user's own", sub(SCHEMA, "      contract: {enforced: false}", "      contract: {enforced: false}\n      colour: red"), v2=False),
    Edit("hooked", "description", sub(SCHEMA, "Not persisted.", "Still not persisted.")),
    Edit("hooked", "meta", sub(SCHEMA, "level: 3", "level: 4")),
    Edit("hooked", "1 for 1.0", sub(SCHEMA, "share: 1.0", "share: 1"),
         dbts=lambda v: [model("hooked")] if v >= V2 else [], row="numbers"),
    Edit("hooked", "order of keys", sub(SCHEMA, "share: 1.0, level: 3", "level: 3, share: 1.0")),
    Edit("hooked", "value in YAML", env={"SHOP_YAML": "blue"},
         ours=lambda v: [model("hooked")] if unrendered(v) else [], row="values"),
    Edit("hooked", "docs colour", sub(SCHEMA, "    description: Not persisted.\n    config:", "    description: Not persisted.\n    config:\n      docs: {node_color: red}")),
    Edit("stg_orders", "value in a config()", env={"SHOP_CONFIG": "black"},
         ours=lambda v: [model("stg_orders")] if unrendered(v) else [], row="values"),
    Edit("stg_orders", "value in SQL", env={"SHOP_BODY": "y"}),
    Edit("project", "config of a folder", sub("dbt_project.yml", "+materialized: view", "+materialized: table")),
    Edit("project", "tags of a folder", sub("dbt_project.yml", "+tags: [staging]", "+tags: [other]")),
    Edit("project", "literal for its expression", sub("dbt_project.yml", "+materialized: view", "+materialized: \"{{ 'view' }}\""),
         dbts=lambda v: [model("stg_customers"), model("stg_orders")] if v < V2 else [], row="spelling"),
    Edit("project", "seed config", sub("dbt_project.yml", "+quote_columns: false", "+quote_columns: true")),
    # Relations, parents, sources.
    Edit("choice", "condition around ref", env={"SHOP_CHOICE": "b"}, ours=[model("choice")], row="parents"),
    Edit("raw", "schema of a source", env={"SHOP_RAW": "raw2"}, ours=READERS, row="source"),
    Edit("raw", "identifier of a source", sub("models/sources.yml", "orders_v1", "orders_v2"), ours=READERS, row="source"),
    Edit("raw", "quoting of a source", sub("models/sources.yml", "identifier: orders_v1", "identifier: orders_v1\n        quoting: {identifier: false}"), ours=READERS, row="source"),
    Edit("raw", "freshness of a source", sub("models/sources.yml", "identifier: orders_v1", "identifier: orders_v1\n        loaded_at_field: at"), v2=False),
    Edit("raw", "meta of a source", sub("models/sources.yml", "identifier: orders_v1", "identifier: orders_v1\n        meta: {external_location: 'x.parquet'}"), ours=READERS, row="source-meta", v2=False),
    Edit("raw", "a source nobody reads", sub("models/sources.yml", "- name: events", "- name: events\n        identifier: e")),
    # Contracts and versions.
    Edit("agreed", "data type", sub(SCHEMA, "data_type: integer", "data_type: bigint"), **blind(model("agreed"))),
    Edit("agreed", "column", sub(SCHEMA, "        data_type: varchar", "        data_type: varchar\n      - name: more\n        data_type: text"), **blind(model("agreed"))),
    Edit("agreed", "constraint", sub(SCHEMA, "constraints: [{type: not_null}]", "constraints: []"), **blind(model("agreed"))),
    Edit("agreed", "order of columns", sub(SCHEMA, "      - name: id\n        data_type: integer\n        constraints: [{type: not_null}]\n      - name: name\n        data_type: varchar", "      - name: name\n        data_type: varchar\n      - name: id\n        data_type: integer\n        constraints: [{type: not_null}]"),
         ours=[model("agreed")], row="column-order", v2=False),
    Edit("agreed", "contract given up", sub(SCHEMA, "contract: {enforced: true}", "contract: {enforced: false}")),
    Edit("product", "latest version", sub(SCHEMA, "latest_version: 2", "latest_version: 1"), row="parents",
         ours=lambda v: [model("uses_product")] + ([model("product.v1"), model("product.v2")] if v >= V2 else [])),
    Edit("product", "access", sub(SCHEMA, "access: public", "access: protected")),
    Edit("product", "deprecation", sub(SCHEMA, "2099-01-01", "2098-01-01")),
    # Seeds, snapshots, tests, functions.
    Edit("customers", "seed", add("seeds/customers.csv", "3,Katherine\n")),
    Edit("customers", "seed's trailing newline", add("seeds/customers.csv", "\n")),
    Edit("customers_history", "snapshot's body", sub("snapshots/customers_history.sql", "select *", "select  *")),
    Edit("customers_history", "snapshot's config", sub("snapshots/customers_history.sql", "['name']", "'all'")),
    Edit("orders_history", "YAML snapshot's config", sub("snapshots/orders_history.yml", "updated_at: at", "updated_at: later"), since=(1, 9)),
    Edit("no_orphans", "singular test", add("tests/no_orphans.sql", "and true\n"), **blind(EVERY_TEST[0])),
    Edit("positive", "generic test's macro", sub("tests/generic/positive.sql", "<= 0", "< 0")),
    Edit("unit", "unit test", sub(STAGING + "schema.yml", "name: ADA", "name: Ada"), **blind(UNIT_TEST)),
    Edit("twice", "function's body", sub("functions/twice.sql", "x * 2", "2 * x"), since=(1, 11)),
    Edit("twice", "function's argument", sub("functions/schema.yml", "data_type: integer}]", "data_type: bigint}]"), since=(1, 11),
         **blind("function.shop.twice")),
    # Nodes that appear or disappear.
    Edit("new", "new model", add(MARTS + "fresh.sql", "select 1 as x")),
    Edit("gone", "deleted model", remove(MARTS + "uses_product.sql")),
    Edit("gone", "disabled model", add(MARTS + "uses_product.sql", "{{ config(enabled=false) }}")),
    Edit("gone", "renamed model", move(MARTS + "uses_product.sql", MARTS + "reads_product.sql")),
]
EVERY_TABLE = [model(name) for name in
               ["agreed", "choice", "hooked", "orders", "piled", "product.v1", "product.v2",
                "py_model", "stg_customers", "stg_orders", "uses_product"]]
OUTSIDE_STAGING = [model(name) for name in
                   ["choice", "hooked", "product.v1", "product.v2", "uses_product"]]


def FUNCTION_READER(version):
    return [model("uses_function")] if (1, 11) <= version < V2 else []


ALONE = [
    Edit("", "nothing"),
    Edit("", "generate_alias_name", sub("macros/naming.sql", "{{ node.name ~ '_v' ~", "{{ node.name ~ '_w' ~"),
         ours=[model("product.v1"), model("product.v2")], row="names"),
    Edit("", "schema of the target", env={"SHOP_SCHEMA": "other"}, row="names",
         ours=lambda v: EVERY_TABLE + FUNCTION_READER(v) + ["seed.shop.countries", "seed.shop.customers", "model.dbt_tools.tool_days", "snapshot.shop.orders_history"] + (["function.shop.twice"] if v >= (1, 12) else [])),
    Edit("", "value in dbt_project.yml", env={"SHOP_MATERIALIZED": "view"}, row="values",
         ours=lambda v: OUTSIDE_STAGING + FUNCTION_READER(v)),
    Edit("", "quoting", add("dbt_project.yml", "quoting: {identifier: false}\n"), row="names",
         ours=lambda v: EVERY_TABLE + FUNCTION_READER(v) + ["seed.shop.countries", "seed.shop.customers", "model.dbt_tools.tool_days", "snapshot.shop.customers_history", "snapshot.shop.orders_history"] + (["function.shop.twice"] if v >= (1, 12) else []),
         dbts=lambda v: EVERY_TEST if v >= V2 else []),
]


class InProcess:
    """dbt 1.x, imported once and called in this process."""

    def __init__(self):
        from dbt.cli.main import dbtRunner
        self.runner = dbtRunner()

    def run(self, words, env):
        with Environment(env):
            result = self.runner.invoke(words)
        if result.exception or not result.success:
            raise SystemExit(f"dbt {' '.join(words)}: {result.exception}")
        return result.result if isinstance(result.result, list) else []


class Program:
    """dbt 2.0 alpha, started for each command; it starts quickly."""

    def __init__(self, path):
        self.path = path

    def run(self, words, env):
        done = subprocess.run([self.path, *words], env={**os.environ, **env}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit(f"dbt {' '.join(words)}: {done.stdout}{done.stderr}")
        return [line for line in done.stdout.splitlines() if line.startswith("{")]


class Environment:
    def __init__(self, values):
        self.values = values

    def __enter__(self):
        os.environ.update(self.values)

    def __exit__(self, *_):
        for name in self.values:
            del os.environ[name]


class Laboratory:
    def __init__(self, dbt, version, work):
        self.dbt, self.version, self.work = dbt, version, work
        self.state = work / "state"
        self.state.mkdir(parents=True, exist_ok=True)

    def project(self):
        project = self.work / "project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(HERE / "project", project)
        if not (1, 11) <= self.version < V2:
            (project / MARTS / "uses_function.sql").unlink()
        if self.version >= V2:  # It supports neither custom keys nor dates in a config().
            sub(MARTS + "orders.sql", ", fields=[('id', 'integer'), ('day', 'date')]", "")(project)
        return project

    def words(self, *words):
        project = str(self.work / "project")
        return [*words, "--project-dir", project, "--profiles-dir", project, "--quiet"]

    def parse(self, env):
        full = [] if self.version >= V2 else ["--no-partial-parse"]
        self.dbt.run(self.words("deps"), {})
        self.dbt.run(self.words("parse", *full), env)
        return (self.work / "project/target/manifest.json").read_bytes()

    def base(self):
        self.project()
        manifest = self.parse({})
        (self.state / "manifest.json").write_bytes(manifest)
        (self.work / "base.json").write_bytes(manifest)

    def selected(self, selector, env):
        """Return what dbt selects. Starts from the partial parse, so tuples are not compared with lists."""
        words = self.words("ls", "--select", f"state:{selector}", "--state", str(self.state),
                           "--output", "json", "--output-keys", "unique_id",
                           "--indirect-selection", "empty")
        return sorted({json.loads(line)["unique_id"] for line in self.dbt.run(words, env)})

    def round(self, number, edits, selectors):
        project = self.project()
        env = {}
        for edit in edits:
            edit.apply(project)
            env.update(edit.env)
        manifest = self.parse(env)
        (self.work / f"{number}.json").write_bytes(manifest)
        ours, dbts, rows = set(), set(), set()
        if self.version < (1, 12):  # The config() contains a date, which is a string in JSON.
            dbts.add(model("stg_orders"))
            rows.add("not-json")
        for edit in edits:
            only_ours, only_dbts = edit.disagreement(self.version)
            ours.update(only_ours)
            dbts.update(only_dbts)
            rows.update([edit.row] if edit.row and (only_ours or only_dbts) else [])
        said = {"edits": [edit.name for edit in edits],
                "selected": {name: self.selected(name, env) for name in selectors},
                "ours": sorted(ours), "dbts": sorted(dbts), "rows": sorted(rows)}
        (self.work / f"{number}.said.json").write_text(json.dumps(said, indent=1))


def applicable(edit, version):
    return edit.since <= version <= edit.until and (edit.v2 or version < V2)


def rounds(version, seed):
    """Yield every edit once, edits of one spot in different rounds; then random edits, endlessly."""
    chance = random.Random(seed)
    spots = {}
    for edit in EDITS:
        if applicable(edit, version):
            spots.setdefault(edit.spot, []).append(edit)
    for number in range(max(map(len, spots.values()))):
        yield [edits[number] for edits in spots.values() if number < len(edits)]
    for edit in ALONE:
        yield [edit]
    while True:
        yield [chance.choice(edits) for edits in spots.values() if chance.random() < 0.5]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dbt", help="path of a dbt 2 program (default: the dbt of this Python)")
    arguments.add_argument("--work", type=pathlib.Path, required=True)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--detailed", type=int, default=0)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    work = options.work.resolve()
    if options.dbt:
        dbt, version = Program(options.dbt), V2
    else:
        from dbt.version import __version__
        dbt, version = InProcess(), tuple(int(part) for part in __version__.split(".")[:2])
    laboratory = Laboratory(dbt, version, work)
    laboratory.base()
    for number, edits in zip(range(options.rounds), rounds(version, options.seed)):
        laboratory.round(number, edits, SELECTORS if number < options.detailed else SELECTORS[:1])


if __name__ == "__main__":
    main()
