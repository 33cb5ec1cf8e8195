"""Check whether dbt's partial parsing, started from a file older than some edits, gives the result of
a full parse.

    PYTHON_OF_A_DBT_1 tests/agreement/partial_parse.py --work DIR [--rounds N] [--seed S]

Each round edits the project as edits.py does, and then reverts the edits. Both times it parses once
in full and once from the earlier partial_parse.msgpack, and compares the two manifests with
target/release/examples/decide (`cargo build --release --example decide`). A difference would rebuild
unchanged nodes, or leave changed nodes unbuilt; this is why a partial-parse file that is kept on the
volume is used for edits of one kind alone (`tests/warm`). Prints each difference and, at the end, `differing N of M`.
"""

import argparse
import os
import pathlib
import shutil
import subprocess

import edits

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTIAL = "project/target/partial_parse.msgpack"


def differences(one, other):
    """Return the nodes that differ between two manifests, as lines `unique_id<tab>reasons`."""
    decide = [ROOT / "target/release/examples/decide", one, other]
    done = subprocess.run(decide, text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines()[:-1]


class Laboratory(edits.Laboratory):
    def keep(self, name, manifest):
        (self.work / f"{name}.json").write_bytes(manifest)
        shutil.copy(self.work / PARTIAL, self.work / f"{name}.msgpack")

    def parse_from(self, name, env):
        """Return the manifest of a parse that starts from the file kept as `name`; None if dbt fails."""
        (self.work / PARTIAL).parent.mkdir(exist_ok=True)
        shutil.copy(self.work / f"{name}.msgpack", self.work / PARTIAL)
        self.dbt.run(self.words("deps"), {})
        try:
            self.dbt.run(self.words("parse"), env)
        except SystemExit:
            return None
        return (self.work / "project/target/manifest.json").read_bytes()

    def differs(self, start, end, env):
        """Return how a parse that starts from `start` differs from the full parse `end`."""
        manifest = self.parse_from(start, env)
        if manifest is None:
            return ["dbt parse failed"]
        (self.work / "partial.json").write_bytes(manifest)
        return differences(self.work / f"{end}.json", self.work / "partial.json")

    def both_ways(self, some):
        project, env = self.project(), {}
        for edit in some:
            edit.apply(project)
            env.update(edit.env)
        self.keep("edited", self.parse(env))
        there = self.differs("base", "edited", env)
        self.project()
        return there, self.differs("edited", "base", {})


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", type=pathlib.Path, required=True)
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    from dbt.version import __version__
    version = tuple(int(part) for part in __version__.split(".")[:2])
    laboratory = Laboratory(edits.InProcess(), version, options.work.resolve())
    laboratory.project()
    laboratory.keep("base", laboratory.parse({}))
    count = 0
    for _, some in zip(range(options.rounds), edits.rounds(version, options.seed)):
        for way, found in zip(("to", "back from"), laboratory.both_ways(some)):
            if found:
                count += 1
                print(way, [edit.name for edit in some], found, flush=True)
    print(f"dbt {__version__}: differing {count} of {2 * options.rounds}")


if __name__ == "__main__":
    main()
