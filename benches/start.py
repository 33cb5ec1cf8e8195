#!/usr/bin/env python3
"""The unchanged start: ours against dbt's own comparison and against what scripts do.

    start.py [--dbt PATH] [--binary PATH] [--rounds N] [--tests N] [--only WAY] [MODELS…]

Prints, for generated projects of so many models (10, 500, 2000) with so many tests each (1), the
median of wall and CPU seconds of each way, and ratios to ours; what the adoption of the project took;
and, where GNU time is installed, the most memory that our process holds. All ways of one round run one after the other, so that a noisy
machine is noisy for all of them.
"""

import argparse
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
GNU_TIME = pathlib.Path("/usr/bin/time")
sys.path.insert(0, str(ROOT / "benches"))
import generate  # noqa: E402


def timed(words, **options):
    """Wall and CPU seconds of a process and its children, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, **options)
        # Not yet reaped, it still tells what it took itself, its children left out.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - start
        own = own_seconds(process.pid)
        code = process.wait()
        out.seek(0)
        said = out.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        sys.exit(f"{words}: {code}\n{said}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Times(wall, cpu, own), said


class Times(typing.NamedTuple):
    wall: float
    cpu: float
    own: float
    """Processor time of the process itself, all of its threads."""


def own_seconds(pid):
    """proc(5): utime and stime are fields 14 and 15, in clock ticks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, directory, models, dbt, binary, tests=1):
        self.project = directory / "project"
        self.state = directory / "state"
        self.script_state = directory / "script"
        self.dbt, self.binary = str(dbt), str(binary)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_ENTRYPOINT_DBT": self.dbt,
            "DBT_ENTRYPOINT_STATE_DIR": str(self.state),
            "DBT_ENTRYPOINT_ALLOW_EPHEMERAL": "yes",
        }
        generate.project(self.project, models, tests)
        self.state.mkdir()
        self.script_state.mkdir()

    def run(self, *words):
        return timed([str(word) for word in words], cwd=self.project, env=self.environment)

    def prepare(self):
        """A baseline of the project as it stands; nothing is built, nothing has to be. Returns what that
        took."""
        adoption, _ = self.run(self.binary, "--on-empty", "adopt", "run")
        _, done = self.run(self.binary, "run")
        assert "dbt is not started" in done, done
        shutil.copy(self.state / "manifest.json", self.script_state)
        return adoption

    def ours(self):
        return self.run(self.binary, "run")[0]

    def peak(self):
        """The most memory that an unchanged start holds, in MB. What a small program starts has no more
        than that program at first."""
        _, said = self.run(GNU_TIME, "--format=%M", self.binary, "run")
        return int(said.split()[-1]) / 1024

    def changed_by_dbt(self):
        """dbt's own way, warm: its partial-parse file lies in target/."""
        words = ("run", "-s", "state:modified+", "--state", self.script_state)
        return self.run(self.dbt, *words)[0]

    def changed_by_dbt_cold(self):
        shutil.rmtree(self.project / "target", ignore_errors=True)
        return self.changed_by_dbt()

    def script(self):
        """In a fresh container: parse, run what changed, copy the manifest."""
        shutil.rmtree(self.project / "target", ignore_errors=True)
        parse = self.run(self.dbt, "parse")[0]
        run = self.changed_by_dbt()
        copy = self.run("cp", "target/manifest.json", self.script_state)[0]
        return Times(*map(sum, zip(parse, run, copy)))

    def hash_tool(self):
        """The physical limit: sha256sum over the files of the project."""
        find = "find . -path ./target -prune -o -path ./logs -prune -o -type f ! -name '*.duckdb' -print0"
        return self.run("sh", "-c", f"{find} | xargs -0 sha256sum")[0]


WAYS = {
    "ours, unchanged": Bench.ours,
    "sha256sum of the project": Bench.hash_tool,
    "dbt run -s state:modified+, warm": Bench.changed_by_dbt,
    "dbt run -s state:modified+, cold": Bench.changed_by_dbt_cold,
    "script: parse, run, cp": Bench.script,
}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--dbt", default=ROOT / ".cache/dbt-1.11/bin/dbt")
    target = "x86_64-unknown-linux-musl"
    options.add_argument("--binary", default=ROOT / f"target/{target}/release/dbt-entrypoint")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--tests", type=int, default=1)
    options.add_argument("--only", action="append", help="a way by its beginning")
    options.add_argument("models", type=int, nargs="*", default=[10, 500, 2000])
    asked = options.parse_args()
    print("| models | way | wall s | CPU s | × ours, wall | × ours, CPU |\n|---|---|---|---|---|---|")
    for models in asked.models:
        with tempfile.TemporaryDirectory() as directory:
            bench = Bench(pathlib.Path(directory), models, asked.dbt, asked.binary, asked.tests)
            wall, cpu, own = bench.prepare()
            beside = f"adoption, of which {own:.2f} s of CPU time beside dbt, {own / cpu:.1%}"
            print(f"| {models} | {beside} | {wall:.1f} | {cpu:.1f} | | |", flush=True)
            table(models, bench, asked)
            if GNU_TIME.exists():
                print(f"| {models} | ours, unchanged: at most {bench.peak():.1f} MB | | | | |")


def table(models, bench, asked):
    wanted = {
        name: way
        for name, way in WAYS.items()
        if not asked.only or any(name.startswith(only) for only in ["ours", *asked.only])
    }
    times = {name: [] for name in wanted}
    for _ in range(asked.rounds):
        for name, way in wanted.items():
            # What takes milliseconds is measured more often.
            repeats = 10 if name.startswith(("ours", "sha256sum")) else 1
            times[name] += [way(bench) for _ in range(repeats)]
    medians = {name: [statistics.median(part) for part in zip(*all)] for name, all in times.items()}
    ours = medians["ours, unchanged"]
    for name, (wall, cpu, _) in medians.items():
        ratios = f"{wall / ours[0]:.1f} | {cpu / ours[1]:.1f}"
        print(f"| {models} | {name} | {wall:.4f} | {cpu:.4f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
