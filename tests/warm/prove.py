"""Check whether a parse that starts from an earlier partial_parse.msgpack gives the manifest of a full
parse, for edits of the bodies of models.

    PYTHON_OF_A_DBT_1 tests/warm/prove.py --edits N [--seed S]

Each step edits the bodies of some or all models of a random project, and parses it from the file of the
step before and in full. The rules by which the program starts warm (`decide::warm`) are restated in
`eligible`, `accepted` and `lasts`. Where they allow the warm parse, both manifests have to be equal: each node,
source, macro, test, exposure, metric, with the order of their lists, but not the times of creation.
Edits that the rules exclude are tried as well, and what they would have come to is counted.

Prints each difference and, at the end, `differing N of M edits`. Exits with 1 if there is one.
"""

import argparse
import collections
import gc
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "convergence"))
import project
import warm_dbt

# What the body of a model decides.
OF_THE_BODY = {"raw_code", "checksum", "depends_on", "refs", "sources", "metrics", "functions", "direct_parents",
               "unrendered_config"}
# What the time or a build decides.
OF_THE_RUN = {"created_at", "compiled", "compiled_code", "compiled_path", "build_path", "extra_ctes", "extra_ctes_injected"}


def configs(text):
    """The calls of `config` in a text, up to their closing parentheses."""
    calls, at = [], text.find("config")
    while at >= 0:
        end, depth, quote = at + len("config"), 0, ""
        while end < len(text):
            c = text[end]
            if quote:
                quote = "" if c == quote else quote
            elif depth and c in "'\"":
                quote = c
            elif c == "(":
                depth += 1
            elif c == ")":
                depth -= 1
            end += 1
            if depth <= 0 and not (depth == 0 and c.isspace()):
                break
        calls.append(text[at:end])
        at = text.find("config", end)
    return calls


def eligible(old, new, version):
    """Whether an edit of the body of a model, from one text to another, is of a kind that may be parsed
    warm."""
    try:
        old, new = old.decode().strip(), new.decode().strip()
    except UnicodeDecodeError:
        return False
    differs = old.split() != new.split() if version >= (1, 12) else old != new
    return bool(old and new and differs and configs(old) == configs(new)
                and "graph" not in new)


def lasts(texts):
    """Whether another parse, at another time or for another command, makes the same of these texts."""
    return not any(code in text.decode(errors="ignore") for text in texts for code in project.FLEETING)


def check_rules():
    """The rules are those of the program: its unit tests read the same table."""
    for case in json.loads(pathlib.Path(__file__).with_name("eligible.json").read_text()):
        old, new = case["old"].encode(), case["new"].encode()
        for version in (1, 11), (1, 12):
            expected = version < (1, 12) if case["warm"] == "before 1.12" else case["warm"]
            assert eligible(old, new, version) == expected, (case, version)


def sections(manifest):
    """What a manifest says of each thing: {section: {id: value}}."""
    manifest = {key: value for key, value in manifest.items() if isinstance(value, dict)}
    maps = {"metadata", "parent_map", "child_map", "group_map"}
    found = {key: {name: without(value, OF_THE_RUN) for name, value in section.items()}
             for key, section in manifest.items() if key not in maps}
    # A full parse leaves tests of disabled nodes among the nodes, and a partial parse moves them.
    found["disabled"] = {name: [without(one, OF_THE_RUN) for one in all] for name, all in found["disabled"].items()}
    for name in disabled_tests(manifest):
        node = found["nodes"].pop(name, None)
        found["disabled"].setdefault(name, []).extend([node] if node else [])
    for all in found["disabled"].values():
        all.sort(key=json.dumps)
    return found


def disabled_tests(manifest):
    """By `unique_id`, wherever they stand."""
    left = [name for name, node in manifest["nodes"].items() if node["resource_type"] == "test" and not node["config"]["enabled"]]
    return {*left, *(name for name, all in manifest["disabled"].items() if all[0]["resource_type"] == "test")}


def without(value, keys):
    return {key: of for key, of in value.items() if key not in keys} if isinstance(value, dict) else value


def accepted(before, after, texts):
    """Whether the manifest of a warm parse agrees with the one that its file belongs to. `texts` are the
    edited models' by path."""
    graph = [text for text in texts.values() if any(call in text.decode() for call in project.GRAPH)]
    before, after = sections(before), sections(after)
    if graph:
        return False
    old, new = before.pop("nodes"), after.pop("nodes")
    if before != after or old.keys() != new.keys():
        return False
    left = dict(texts)
    for name in new:
        text = left.pop(new[name]["original_file_path"], None) if new[name]["resource_type"] == "model" else None
        if text is None and old[name] != new[name]:
            return False
        if text is not None and (new[name]["raw_code"] != text.decode().strip()
                                 or without(old[name], OF_THE_BODY) != without(new[name], OF_THE_BODY)):
            return False
    return not left


def differences(warm, cold):
    """The names of what differs between two manifests."""
    one, other = sections(warm), sections(cold)
    maps = ["parent_map", "child_map"]
    def links(manifest, key):
        off = disabled_tests(manifest)
        return {k: sorted(set(v) - off) for k, v in manifest[key].items() if k not in off}
    found = [key for key in maps if links(warm, key) != links(cold, key)]
    for key in one.keys() | other.keys():
        a, b = one.get(key, {}), other.get(key, {})
        for name in a.keys() | b.keys():
            if json.dumps(a.get(name)) != json.dumps(b.get(name)):
                fields = [f for f in (a.get(name) or {}) if not b.get(name) or a[name].get(f) != b[name].get(f)] \
                    if isinstance(a.get(name), dict) else []
                found.append(f"{name} {fields or 'order, or there at all'}")
    return found


class Laboratory:
    def __init__(self, root, version):
        self.root, self.version = pathlib.Path(root), version
        self.count = collections.Counter()

    def parse(self, name, *options):
        """The manifest of a parse into a fresh target path; None where dbt fails."""
        target = self.root / "out" / name
        shutil.rmtree(target, ignore_errors=True)
        child = os.fork()
        if child == 0:
            gc.disable()  # It ends before it has used much memory.
            os.chdir(self.root / "shop")
            quiet = os.open(self.root / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os._exit(warm_dbt.run(["parse", "--target-path", str(target), "--log-path", str(self.root / "logs"),
                                   "--profiles-dir", ".", *options]))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return json.loads((target / "manifest.json").read_text()) if code == 0 else None

    def history(self, seed, steps):
        """A chain of edits of one project. Returns the number of those that were parsed warm."""
        rng = random.Random(seed)
        shutil.rmtree(self.root / "shop", ignore_errors=True)
        models = project.create(self.root / "shop", rng)
        before = self.parse("cold", "--no-partial-parse")
        assert before, (self.root / "log.txt").read_text()
        file = self.root / "kept.msgpack"
        shutil.copy(self.root / "out/cold/partial_parse.msgpack", file)
        for step in range(steps):
            before = self.step(rng, f"seed {seed}, step {step}", models, before, file)

    def step(self, rng, label, models, before, file):
        edited, hostile, names = {}, rng.random() < 0.12, []
        some = rng.sample(models, rng.randint(1, 2) if hostile else rng.randint(4, len(models)) if rng.random() < 0.2 else len(models))
        texts = {path: path.read_bytes() for path in models}
        for path in some:
            edit = rng.choice(project.HOSTILE if hostile else project.EDITS)
            text = texts[path].decode()
            new = edit(rng, text, project.index_of(path), [text.decode() for other, text in texts.items()
                                                           if project.index_of(other) <= project.index_of(path)])
            new = new if isinstance(new, bytes) else new.encode()
            if new != texts[path] and (path.stem != "m5" or hostile) and (hostile or eligible(texts[path], new, self.version)):
                edited[path] = new
                names.append(edit.__name__)
                path.write_bytes(new)
        if not edited:
            return before
        tested = {name for test in before["unit_tests"].values() for name in test["depends_on"]["nodes"]}
        tested = {before["nodes"][name]["original_file_path"] for name in tested if name in before["nodes"]}
        # A full parse checks each unit test against its model, and a partial parse does not.
        may = not any(str(path.relative_to(self.root / "shop")) in tested for path in edited)
        may = may and all(eligible(texts[path], new, self.version) for path, new in edited.items())
        warm = self.parse("warm", "--partial-parse-file-path", str(file))
        cold = self.parse("cold", "--no-partial-parse")
        relative = {str(path.relative_to(self.root / "shop")): new for path, new in edited.items()}
        may_not = "excluded" if not may else None
        if may and warm and not accepted(before, warm, relative):
            may_not = "caught"
        if cold and warm:
            found = differences(warm, cold)
        else:
            found = [] if bool(cold) == bool(warm) else [f"warm {bool(warm)}, cold {bool(cold)}"]
            # What fails warm is parsed again in full.
            may_not = may_not or (None if warm else "failed")
        kind = may_not or "warm"
        self.count[kind] += len(edited)
        self.count[kind, "differing"] += bool(found)
        self.count["steps"] += 1
        if found and kind == "warm":
            print(f"{label}: {names}: {found[:4]}", flush=True)
        # Where what a parse makes does not last, the program keeps no file.
        if not cold or hostile or not lasts(edited.values()):
            for path in edited:
                path.write_bytes(texts[path])
            return before
        chained = kind == "warm" and rng.random() < 0.85
        shutil.copy(self.root / f"out/{'warm' if chained else 'cold'}/partial_parse.msgpack", file)
        return warm if chained else cold


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--edits", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--steps", type=int, default=20, help="steps for each project")
    options = arguments.parse_args()
    check_rules()
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    from dbt.version import __version__
    with tempfile.TemporaryDirectory() as directory:
        here = os.getcwd()
        warm_dbt.warm_up(directory + "/empty")
        os.chdir(here)
        laboratory = Laboratory(directory, tuple(int(part) for part in __version__.split(".")[:2]))
        seed, count = options.seed, laboratory.count
        while count["warm"] < options.edits:
            laboratory.history(seed, options.steps)
            seed += 1
            print(f"  seed {seed - 1}: {dict(count)}", file=sys.stderr, flush=True)
    differing = count["warm", "differing"]
    print(f"dbt {__version__}, seeds {options.seed} to {seed - 1}: differing {differing} of {count['warm']} edits; "
          f"parsed in full: {count['excluded']} excluded ({count['excluded', 'differing']} steps would differ), "
          f"{count['caught']} caught ({count['caught', 'differing']}), {count['failed']} failed ({count['failed', 'differing']})")
    sys.stdout.flush()
    os._exit(bool(differing))  # At an ordinary exit, DuckDB's module would print warnings.


if __name__ == "__main__":
    main()
