"""What the fake dbt reads: its command line, and the nodes of the project (see `fake_dbt.py`)."""

from _json import encode_basestring_ascii as quoted
import os

SWITCHES = (
    "full-refresh write-json quiet partial-parse empty defer favor-state fail-fast warn-error "
    "debug version help print use-colors version-check populate-cache introspect single-threaded"
).split()
MANY = "select exclude resource-type exclude-resource-type output-keys".split()
SHORT = {
    "s": "select",
    "m": "select",
    "t": "target",
    "q": "quiet",
    "f": "full-refresh",
    "x": "fail-fast",
}
ALIASES = {"models": "select", "model": "select", "resource-types": "resource-type"}


def dumped(value):
    """JSON."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)}: {dumped(value[key])}" for key in value) + "}"
    return "[" + ", ".join(map(dumped, value)) + "]"


def loaded(path):
    """The value of a JSON file without escapes beyond Python's own; None if it is not there."""
    try:
        with open(path) as file:
            return eval(file.read(), {"null": None, "true": True, "false": False})
    except FileNotFoundError:
        return None


def text_of(path):
    with open(path) as file:
        return file.read()


def without_comments(code):
    while "{#" in code:
        before, _, rest = code.partition("{#")
        code = before + rest.partition("#}")[2]
    return code


class Options:
    """A command line, as click reads it."""

    def __init__(self, words):
        self.subcommand, self.values = None, {}
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word.startswith("--"):
                name, equals, value = word[2:].partition("=")
                self.take(ALIASES.get(name, name), [value] if equals else None, rest)
            elif word.startswith("-") and len(word) > 1:
                self.take(SHORT.get(word[1], word[1]), [word[2:]] if word[2:] else None, rest)
            elif self.subcommand is None:
                self.subcommand = "ls" if word == "list" else word

    def take(self, name, values, rest):
        off = name.startswith("no-") and name[3:] in SWITCHES
        if off or name in SWITCHES:
            self.values[name[3:] if off else name] = not off
            return
        if values is None:
            values = [rest.pop(0)] if rest else []
            while name in MANY and rest and not rest[0].startswith("-"):
                values.append(rest.pop(0))
        self.values.setdefault(name, []).extend(values)

    def one(self, name, variable=None):
        given = self.values.get(name)
        return given[-1] if given else os.environ.get(variable or "")

    def words(self, name):
        """All words of an option that takes many; None where it is not given."""
        given = self.values.get(name)
        return None if given is None else " ".join(given).split()

    def on(self, name, default=False):
        return self.values.get(name, default)


def relation(node):
    """A model that is compiled into its readers has none."""
    config = node["config"]
    if config.get("materialized") == "ephemeral":
        return None
    return f'"main"."{config.get("alias", node["name"])}"'


class Project:
    """The project as dbt parses it."""

    def __init__(self, root, scenario, id):
        self.file = loaded(f"{root}/nodes.json")
        self.nodes = {node["unique_id"]: self.node(root, node) for node in self.file["nodes"]}
        self.macros = {
            f"macro.shop.{name}": {
                "unique_id": f"macro.shop.{name}",
                "name": name,
                "package_name": "shop",
                "original_file_path": f"macros/{name}.sql",
                "macro_sql": text_of(f"{root}/macros/{name}.sql"),
                "depends_on": {"macros": []},
            }
            for name in self.file["macros"]
        }
        for name in "table view incremental seed snapshot test".split():
            self.macros[f"macro.dbt.materialization_{name}_default"] = {
                "unique_id": f"macro.dbt.materialization_{name}_default",
                "name": f"materialization_{name}_default",
                "package_name": "dbt",
                "original_file_path": f"macros/{name}.sql",
                "macro_sql": f"{{% materialization {name}, default %}}{{% endmaterialization %}}",
                "depends_on": {"macros": []},
            }
        self.macros["macro.dbt.create_table_as"] = {
            "unique_id": "macro.dbt.create_table_as",
            "name": "create_table_as",
            "package_name": "dbt",
            "original_file_path": "macros/create_table_as.sql",
            "macro_sql": "{% macro create_table_as() %}{% endmacro %}",
            "depends_on": {"macros": []},
        }
        self.manifest = {
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                "dbt_version": scenario.get("version", "1.11.16"),
                "invocation_id": id,
                "project_name": "shop",
                "adapter_type": scenario.get("adapter", "duckdb"),
            },
            "nodes": self.section(lambda id: not id.startswith("unit_test.")),
            "unit_tests": self.section(lambda id: id.startswith("unit_test.")),
            "sources": {},
            "macros": self.macros,
            "selectors": {name: self.selector(name) for name in self.file["selectors"]},
            **{name: {} for name in "docs exposures metrics groups disabled".split()},
            **{name: {} for name in "parent_map child_map semantic_models".split()},
        }

    def section(self, belongs):
        return {id: node for id, node in self.nodes.items() if belongs(id)}

    def selector(self, name):
        names = [self.nodes[id]["name"] for id in self.file["selectors"][name]]
        methods = [{"method": "fqn", "value": name} for name in names]
        return {"name": name, "definition": {"union": methods}}

    @staticmethod
    def node(root, node):
        code = text_of(f"{root}/{node['file']}")
        kind = node["unique_id"].split(".")[0]
        if kind == "unit_test":
            return {
                "unique_id": node["unique_id"],
                "resource_type": kind,
                "name": node["name"],
                "package_name": "shop",
                "original_file_path": node["file"],
                "fqn": ["shop", node["name"]],
                "checksum": code,
                "config": {},
                "depends_on": {"nodes": node["reads"], "macros": []},
                "tags": [],
            }
        external = node["unique_id"].split(".")[1] != "shop"
        return {
            "unique_id": node["unique_id"],
            "resource_type": kind,
            "schema": "main",
            "name": node["name"],
            "package_name": "other" if external else "shop",
            "path": "" if external else node["file"],
            "original_file_path": "" if external else node["file"],
            "fqn": ["shop", node["name"]],
            "raw_code": "" if kind == "seed" or external else code.strip(),
            "language": "sql",
            "checksum": {"name": "sha256", "checksum": code},
            "config": node["config"],
            "unrendered_config": node["config"],
            "depends_on": {"nodes": node["reads"], "macros": node["macros"]},
            "relation_name": code if external else relation(node),
            "tags": node["config"].get("tags", []),
        }

    def compiled(self, id):
        """Its code as dbt compiles it: without comments of Jinja, with the text of the macros that
        it calls, and with the ephemeral models that it reads."""
        code = self.nodes[id]["raw_code"]
        for name, found in self.macros.items():
            if name.startswith("macro.shop."):
                text = without_comments(found["macro_sql"])
                body = text.partition("%}")[2].rpartition("{%")[0]
                code = code.replace("{{ " + found["name"] + "() }}", body)
        inlined = [parent for parent in self.parents(id) if self.kind(parent) == "ephemeral"]
        return "".join(map(self.compiled, inlined)) + without_comments(code).strip() + "\n"

    def kind(self, id):
        return self.nodes[id]["config"].get("materialized")

    def parents(self, id):
        return self.nodes[id]["depends_on"]["nodes"]

    def downstream(self, ids):
        found = set(ids)
        while True:
            more = {id for id in self.nodes if found.intersection(self.parents(id))} - found
            if not more:
                return found
            found |= more

    def in_order(self, ids):
        done = []

        def visit(id):
            for parent in self.parents(id):
                visit(parent)
            if id not in done:
                done.append(id)

        for id in sorted(self.nodes):
            visit(id)
        return [id for id in done if id in ids]
