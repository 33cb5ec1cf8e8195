"""A dbt without a warehouse: it reads a project, writes dbt's files, and starts in milliseconds.

It does what dbt-core 1.11 does as far as another process can see it: the order in which it
writes `manifest.json`, `semantic_manifest.json` and `run_results.json`, its log as JSON lines,
its exit codes, and how it selects nodes. It runs one node at a time, in a fixed order.

    BASE/env/bin/dbt         starts this file
    BASE/project/nodes.json  the nodes of the project; the code of each is in a file of its own
    BASE/scenario.json       what this dbt does apart from its work
    BASE/calls.jsonl         it writes a line for each start, each node begun, each node built

What `scenario.json` may say; a POINT is `start`, `parse`, `selected`, the name of a node that
has begun, `built` (all nodes, nothing written yet) or `end`:

    version, seconds         its version; how long each node is said to have taken
    target                   the project's target-path
    fails                    names of nodes whose build fails
    warehouse                {name of a node that fails: what the warehouse says}
    partly                   names of nodes of which some batches fail
    adapter                  the type of its adapter
    chatters                 how many lines of 2000 letters it writes for each node
    exits                    the exit code, whatever happened
    cannot_parse             the project has an error
    cannot_compile           the same for `compile`
    missing, cannot_ask      names of relations that are not in the warehouse; nor can it be asked
    parses_anew              the partial-parse file that it is given is no good
    warm                     {text: other}: what it makes of the manifest when it starts from the
                             partial-parse file in the target path
    cannot_start_warm        a parse from that file fails
    parse_size               how many bytes that file has at least
    keeps_manifest           the manifest has the invocation_id of the one that is there
    passes_gate              a FIFO in the place of semantic_manifest.json does not hold it
    leaves_out, cuts         names of artifacts that it does not write; that it writes by half
                             and is killed
    says                     {text of the manifest: what it says instead}
    edits                    {POINT: {file of the project: text that it writes there}}
    hangs_at, dies_at        the POINT at which it waits until it gets USR1, or is killed
    deaf                     where it hangs, it ignores INT
    lingers                  where it hangs, it notes each INT and goes on as told by it only after USR1
    stops_parent_at          the POINT at which its parent gets TERM
    selects_nothing          whatever the command says
    overtaken                a subcommand during which another dbt parses in the same target
                             path: before this one has, or after it for `parse`

`json`, `signal`, `re` and the like are not imported: they would double the time to start.
"""

import os
import sys
import time

from fake_parse import Options, Project, dumped, loaded, text_of

SELECTABLE = {
    "run": ["model"],
    "seed": ["seed"],
    "snapshot": ["snapshot"],
    "test": ["test", "unit_test"],
    "compile": ["model", "test"],
}
BUILDS = ["run", "build", "seed", "snapshot", "test", "retry"]


class Failed(Exception):
    """An error after which dbt does not go on; it ends with 2."""


class Dbt:
    """One start."""

    def __init__(self, base, argv):
        self.base, self.options = base, Options(argv)
        self.scenario = loaded(f"{base}/scenario.json") or {}
        self.root = os.path.abspath(self.options.one("project-dir", "DBT_PROJECT_DIR") or ".")
        target = self.options.one("target-path", "DBT_TARGET_PATH")
        self.target = os.path.join(self.root, target or self.scenario.get("target", "target"))
        self.log = self.options.one("log-path", "DBT_LOG_PATH") or f"{self.root}/logs"
        self.id = os.urandom(8).hex()
        self.results, self.early, self.clock = [], {}, 0.0
        self.which = self.options.subcommand
        environment = {name: value for name, value in os.environ.items() if name.startswith("DBT")}
        words = [word.encode("utf-8", "surrogateescape").decode("latin-1") for word in argv]
        self.note(start=words, environment=environment)

    def note(self, **what):
        line = dumped({"pid": os.getpid(), **what}) + "\n"
        with open(f"{self.base}/calls.jsonl", "a") as file:
            file.write(line)

    def reach(self, point):
        """What the scenario wants to happen at this point of the run."""
        for path, text in self.scenario.get("edits", {}).get(point, {}).items():
            with open(f"{self.root}/{path}", "w") as file:
                file.write(text)
        if self.scenario.get("stops_parent_at") == point:
            os.kill(os.getppid(), 15)
        if self.scenario.get("hangs_at") == point:
            import signal

            if self.scenario.get("deaf"):
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            released = []
            signal.signal(signal.SIGUSR1, lambda *_: released.append(True))
            print("began", file=sys.stderr, flush=True)
            told = []
            if self.scenario.get("lingers"):
                signal.signal(signal.SIGINT, lambda *_: told.append(self.note(told="INT")))
            while not released:
                signal.pause()
            if told:
                raise KeyboardInterrupt
        if self.scenario.get("dies_at") == point:
            os.kill(os.getpid(), 9)

    def write(self, name, text):
        if name in self.scenario.get("leaves_out", []):
            return
        os.makedirs(self.target, exist_ok=True)
        with open(f"{self.target}/{name}", "w") as file:
            if name in self.scenario.get("cuts", []):
                file.write(text[: len(text) // 2])
                file.flush()
                os.kill(os.getpid(), 9)
            file.write(text)

    def write_manifests(self):
        if self.options.on("write-json", True):
            manifest = dumped(self.project.manifest)
            for text, other in self.scenario.get("says", {}).items():
                manifest = manifest.replace(text, other)
            for text, other in self.scenario.get("warm", {}).items() if self.warm else []:
                manifest = manifest.replace(text, other)
            self.write("manifest.json", manifest)
            self.write("semantic_manifest.json", '{"semantic_models": []}')

    def write_results(self):
        if not self.options.on("write-json", True):
            return
        args = {"which": self.which, "empty": self.options.on("empty")}
        args.update({name: self.options.one(name) or None for name in ["vars", "target"]})
        results = {"metadata": {"invocation_id": self.id}, "args": args, "results": self.results}
        self.write("run_results.json", dumped(results))

    def event(self, name, id, status, seconds=0.0, level="info", **more):
        node = {"unique_id": id, "materialized": self.project.kind(id), "node_status": status}
        data = {"node_info": node, "status": status, "execution_time": seconds, **more}
        self.log_line(name, data, level)

    def log_line(self, name, data, level="info"):
        if self.options.one("log-format-file") != "json":
            return
        if level == "debug" and self.options.one("log-level-file") != "debug":
            return
        os.makedirs(self.log, exist_ok=True)
        info = {"name": name, "invocation_id": self.id, "level": level, "msg": ""}
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        line = {"data": data, "info": {**info, "ts": now}}
        with open(f"{self.log}/dbt.log", "a") as file:
            file.write(dumped(line) + "\n")

    def parse(self):
        self.reach("start")
        if self.scenario.get("cannot_parse"):
            raise Failed("Compilation Error")
        if self.scenario.get("keeps_manifest"):
            self.id = loaded(f"{self.target}/manifest.json")["metadata"]["invocation_id"]
        self.log_line("MainReportVersion", {})
        kept = f"{self.target}/partial_parse.msgpack"
        self.warm = os.path.exists(kept) and self.options.on("partial-parse", True)
        if self.warm and self.scenario.get("cannot_start_warm"):
            raise Failed("Compilation Error")
        self.note(warm=text_of(kept) if self.warm else None)
        is_overtaken = self.scenario.get("overtaken") == self.options.subcommand
        if is_overtaken and self.options.subcommand != "parse":
            self.overtake()
        self.project = Project(self.root, self.scenario, self.id)
        if self.scenario.get("passes_gate"):
            # As a dbt that replaces this file, and reads its state before it has parsed.
            for name in ["manifest.json", "run_results.json"]:
                self.early[name] = self.read_state(name)
            try:
                os.remove(f"{self.target}/semantic_manifest.json")
            except FileNotFoundError:
                pass
        self.reach("parse")
        known = self.options.one("partial-parse-file-path")
        if not known or not os.path.exists(known) or self.scenario.get("parses_anew"):
            size = self.scenario.get("parse_size", 0)
            self.write("partial_parse.msgpack", f"{self.id} of a parse".ljust(size, "."))
        self.write_manifests()
        if is_overtaken and self.options.subcommand == "parse":
            self.overtake()

    def overtake(self):
        """Another dbt parses in the same target path, up to its end."""
        other = os.fork()
        if other == 0:
            self.project = Project(self.root, self.scenario, "another")
            self.write_manifests()
            os._exit(0)
        os.waitpid(other, 0)

    def read_state(self, name):
        directory = self.options.one("state", "DBT_STATE")
        return loaded(f"{directory}/{name}") if directory else None

    def state(self, name):
        found = self.early[name] if name in self.early else self.read_state(name)
        if found is None:
            raise Failed(f"there is no comparison {name}")
        return found

    def method(self, method, value):
        nodes = self.project.nodes
        if method == "result":
            results = self.state("run_results.json")["results"]
            return {result["unique_id"] for result in results if result["status"] == value}
        if method == "state":
            return {id for id in nodes if self.is_modified(id)}
        if method == "selector":
            return set(self.project.file["selectors"][value])
        if method == "tag":
            tags = {id: nodes[id]["tags"] for id in nodes}
            if value.endswith("*"):
                return {id for id in nodes if any(t.startswith(value[:-1]) for t in tags[id])}
            return {id for id in nodes if value in tags[id]}
        if method == "fqn":
            value = value.split(".")[-1]
        return {id for id in nodes if value in (nodes[id]["name"], "*")}

    def is_modified(self, id):
        before = self.state("manifest.json")
        node, old = self.project.nodes[id], before["nodes"].get(id)
        if old is None:
            return True
        parts = ["raw_code", "checksum", "config"]
        macros = node["depends_on"]["macros"]
        return any(node[part] != old[part] for part in parts) or any(
            self.project.macros[macro] != before["macros"].get(macro) for macro in macros
        )

    def matching(self, terms):
        found = set()
        for term in terms:
            atoms = []
            for atom in term.split(","):
                bare = atom[:-1] if atom.endswith("+") else atom
                method, colon, value = bare.partition(":")
                ids = self.method(method, value) if colon else self.method("fqn", bare)
                atoms.append(self.project.downstream(ids) if atom.endswith("+") else ids)
            found |= set.intersection(*atoms)
        return found

    def selected(self):
        if self.scenario.get("selects_nothing"):
            return set()
        options, nodes = self.options, self.project.nodes
        select, exclude = options.words("select"), options.words("exclude")
        chosen = set(nodes) if select is None else self.matching(select)
        selector = options.one("selector")
        if selector is None and select is None and exclude is None:
            selector = self.project.file["default_selector"]
        if selector:
            chosen = set(self.project.file["selectors"][selector])
        if select is not None and options.one("indirect-selection") != "empty":
            tests = {id for id in nodes if id.startswith(("test.", "unit_test."))}
            chosen |= {id for id in tests if chosen.intersection(self.project.parents(id))}
        excluded = self.matching(exclude or [])
        tests = {id for id in nodes if id.startswith(("test.", "unit_test."))}
        excluded |= {id for id in tests if excluded.intersection(self.project.parents(id))}
        chosen -= excluded | {id for id in nodes if not nodes[id]["original_file_path"]}
        kinds = SELECTABLE.get(self.which) or options.words("resource-type")
        left_out = options.words("exclude-resource-type") or []
        return {
            id
            for id in chosen
            if (kinds is None or id.split(".")[0] in kinds) and id.split(".")[0] not in left_out
        }

    def to_retry(self):
        before = loaded(f"{self.target}/run_results.json")
        if before is None:
            raise Failed("there is nothing to retry")
        self.which = before["args"]["which"]
        good = ["success", "pass"]
        return {each["unique_id"] for each in before["results"] if each["status"] not in good}

    def result(self, id, status, message=None):
        seconds = self.scenario.get("seconds", {}).get(self.project.nodes[id]["name"], 1.0)
        result = {"unique_id": id, "status": status, "message": message}
        if status == "success" and self.project.nodes[id]["resource_type"] != "seed":
            result = {**result, "compiled": True, "compiled_code": self.project.compiled(id)}
        timing = [] if status == "skipped" else [self.timed(seconds)]
        self.results.append({**result, "execution_time": seconds, "timing": timing})
        return seconds

    def timed(self, seconds):
        """One node is built after the other."""
        began, self.clock = self.clock, self.clock + seconds
        day = "2026-01-01T{:02.0f}:{:02.0f}:{:09.6f}Z"
        at = [day.format(s // 3600, s % 3600 // 60, s % 60) for s in (began, self.clock)]
        return {"name": "execute", "started_at": at[0], "completed_at": at[1]}

    def build_node(self, id):
        """Whether it was built."""
        node = self.project.nodes[id]
        kind = "Test" if "test" in node["resource_type"] else node["resource_type"].capitalize()
        self.event("LogStartLine", id, "started")
        self.note(began=id)
        for _ in range(self.scenario.get("chatters", 0)):
            os.write(1, b"x" * 2000 + b"\n")
        self.reach(node["name"])
        partly = node["name"] in self.scenario.get("partly", [])
        fails = partly or node["name"] in self.scenario.get("fails", [])
        is_test = kind == "Test"
        status = ("fail" if is_test else "error") if fails else ("pass" if is_test else "success")
        status = "partial success" if partly else status
        if not fails:
            code = node["checksum"] if id[0] == "u" else node["checksum"]["checksum"]
            real = not self.options.on("empty")
            refreshed = self.options.on("full-refresh")
            relation = node.get("relation_name")
            self.note(built=id, code=code, real=real, refreshed=refreshed, relation=relation)
        message = self.scenario.get("warehouse", {}).get(node["name"]) if fails else None
        if message and not is_test:
            self.event("CatchableExceptionOnRun", id, "executing", level="debug", exc=message)
        self.event(f"Log{kind}Result", id, status, self.result(id, status, message))
        run_result = {"status": status, "message": message, "execution_time": 1.0}
        self.event("NodeFinished", id, status, level="debug", run_result=run_result)
        return not fails

    def build(self, ids):
        bad = set()
        for id in self.project.in_order(ids):
            if self.project.kind(id) == "ephemeral" or (id[0] == "u" and self.which != "test"):
                continue
            # `build` runs a unit test before its model, and only with it.
            units = [unit for unit in ids if unit[0] == "u" and id in self.project.parents(unit)]
            for unit in [] if id in bad else sorted(units):
                if not self.build_node(unit):
                    self.result(id, "skipped")
                    bad.add(id)
            if id in bad:
                continue
            if id in self.project.downstream(bad):
                self.result(id, "skipped")
                self.event("SkippingDetails", id, "skipped")
            elif bad and self.options.on("fail-fast"):
                self.result(id, "skipped", "Skipping due to fail_fast")
            elif not self.build_node(id):
                bad.add(id)
        return 1 if bad else 0

    def answer(self, jinja):
        """The types of the relations that it is asked for."""
        if self.scenario.get("cannot_ask"):
            raise Failed("permission denied for schema main")
        rows = eval(jinja.partition("{%- for at in ")[2].partition(" -%}")[0], {"none": None})
        kinds = {node["name"]: self.project.kind(id) for id, node in self.project.nodes.items()}
        missing = self.scenario.get("missing", [])
        types = ["view" if kinds.get(row[2]) == "view" else "table" for row in rows]
        said = [None if row[2] in missing else type for row, type in zip(rows, types)]
        os.makedirs(f"{self.target}/compiled", exist_ok=True)
        with open(f"{self.target}/compiled/inline_query", "w") as file:
            file.write(f"select '{dumped(said)}' as said")
        return 0

    def work(self):
        if self.which not in [*BUILDS, "parse", "ls", "compile"]:
            return 0
        self.parse()
        if self.which == "parse":
            return 0
        if self.options.one("inline"):
            return self.answer(self.options.one("inline"))
        ids = self.to_retry() if self.which == "retry" else self.selected()
        if self.options.subcommand == "ls":
            for id in sorted(ids):
                print(dumped({"unique_id": id}))
            return 0
        if not ids and (self.options.on("warn-error") or os.environ.get("DBT_WARN_ERROR")):
            raise Failed("The selection criterion does not match any enabled nodes")
        self.reach("selected")
        if self.which == "compile":
            if self.scenario.get("cannot_compile"):
                raise Failed("Runtime Error")
            for id in sorted(ids):
                self.result(id, "success")
            code = 0
        else:
            try:
                code = self.build(ids)
            except KeyboardInterrupt:
                self.write_results()
                raise
        self.reach("built")
        self.write_manifests()
        self.write_results()
        self.reach("end")
        return code

    def run(self):
        try:
            code = self.work()
        except Failed as error:
            print(f"Encountered an error:\n{error}")
            code = 2
        except KeyboardInterrupt:
            code = 2
        return self.scenario.get("exits", code)


def main():
    base = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0]))))
    code = Dbt(base, sys.argv[1:]).run()
    try:
        sys.stdout.flush()
    except OSError:
        pass
    os._exit(code)
