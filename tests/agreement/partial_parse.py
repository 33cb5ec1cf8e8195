"""Whether dbt's partial parsing, begun from a file of before some edits, sees what a parse of
everything sees.

    PYTHON_OF_A_DBT_1 tests/agreement/partial_parse.py --work DIR [--rounds N] [--seed S]

Every round edits the project as edits.py does, and goes back; both ways it parses once from
nothing and once from the partial_parse.msgpack of before, and compares the two manifests with
`cargo run --release --example decide`. A difference would rebuild what did not change, or leave
unbuilt what did: why a partial-parse file is never kept on the volume. Prints each difference,
and ends `differing N of M`.
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
    """Lines `unique_id<tab>reasons`; the last line is a summary."""
    decide = [ROOT / "target/release/examples/decide", one, other]
    done = subprocess.run(decide, text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines()[:-1]


class Laboratory(edits.Laboratory):
    def keep(self, name, manifest):
        (self.work / f"{name}.json").write_bytes(manifest)
        shutil.copy(self.work / PARTIAL, self.work / f"{name}.msgpack")

    def parse_from(self, name, env):
        """The manifest of a parse that begins from what was kept; None where dbt fails."""
        (self.work / PARTIAL).parent.mkdir(exist_ok=True)
        shutil.copy(self.work / f"{name}.msgpack", self.work / PARTIAL)
        self.dbt.run(self.words("deps"), {})
        try:
            self.dbt.run(self.words("parse"), env)
        except SystemExit:
            return None
        return (self.work / "project/target/manifest.json").read_bytes()

    def differs(self, start, end, env):
        """What a parse from `start` says otherwise than the one from nothing, `end`."""
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
