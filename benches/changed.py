#!/usr/bin/env python3
"""One changed model in a fresh container: ours against what scripts do, and against bare dbt.

    changed.py [--dbt PATH] [--binary PATH] [--rounds N] [MODELS…]

Every round edits a model that nobody reads, and removes target/ before each way: a container
begins without it. All ways build that one model; with `--warm on`, ours starts from dbt's parse of the
round before, which is on a volume of its own. Prints medians, their ratios to the script and to a bare dbt that parses
in full; and what ours takes beside dbt: the processor time of its own process, as a share of the whole
run.
"""

import argparse
import pathlib
import shutil
import statistics
import tempfile

import start


class Bench(start.Bench):
    def prepare(self):
        """Everything is built once, so that the edited model finds its parents."""
        self.environment["DBT_ENTRYPOINT_WARM"] = "on"
        self.run(self.binary, "build")
        self.warm = self.state.with_name("warm")
        shutil.copytree(self.state, self.warm, symlinks=True)
        shutil.copy(self.state / "manifest.json", self.script_state)
        models = self.project.glob("models/*/m*.sql")
        self.edited = max(models, key=lambda path: int(path.stem[1:]))
        self.edits = 0

    def edit(self):
        self.edits += 1
        text = self.edited.read_text().partition("--")[0]
        self.edited.write_text(f"{text}-- {self.edits}\n")
        shutil.rmtree(self.project / "target", ignore_errors=True)

    def ours(self, warm="off"):
        self.edit()
        state = self.warm if warm == "on" else self.state
        self.environment |= {"DBT_ENTRYPOINT_STATE_DIR": str(state), "DBT_ENTRYPOINT_WARM": warm}
        times, done = self.run(self.binary, "run")
        is_warm = "in full" not in done and "Unable" not in done
        assert "1 node" in done and is_warm == (warm == "on"), done
        return times

    def ours_warm(self):
        return self.ours("on")

    def dbt_cold(self):
        self.edit()
        return self.changed_by_dbt()

    def as_scripts_do(self):
        self.edit()
        return self.script()


WAYS = {
    "script: parse, run, cp": Bench.as_scripts_do,
    "ours": Bench.ours,
    "ours, --warm on": Bench.ours_warm,
    "dbt run -s state:modified+, cold": Bench.dbt_cold,
}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--dbt", default=start.ROOT / ".cache/dbt-1.11/bin/dbt")
    binary = "target/x86_64-unknown-linux-musl/release/dbt-entrypoint"
    options.add_argument("--binary", default=start.ROOT / binary)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("models", type=int, nargs="*", default=[10, 500, 2000])
    asked = options.parse_args()
    print("| models | way | wall s | CPU s | ÷ script, wall | CPU | ÷ dbt, wall | CPU | beside dbt |")
    print("|---|---|---|---|---|---|---|---|---|")
    for models in asked.models:
        with tempfile.TemporaryDirectory() as directory:
            bench = Bench(pathlib.Path(directory), models, asked.dbt, asked.binary)
            bench.prepare()
            rounds = [{name: way(bench) for name, way in WAYS.items()} for _ in range(asked.rounds)]
            medians = {
                name: [statistics.median(part) for part in zip(*(r[name] for r in rounds))]
                for name in WAYS
            }
            script, *_, bare = medians.values()
            for name, (wall, cpu, own) in medians.items():
                ratios = " | ".join(
                    f"{wall / other[0]:.2f} | {cpu / other[1]:.2f}" for other in (script, bare)
                )
                beside = f"{own:.2f} s, {own / wall:.2%}" if name.startswith("ours") else ""
                row = f"| {models} | {name} | {wall:.2f} | {cpu:.2f} | {ratios} | {beside} |"
                print(row, flush=True)


if __name__ == "__main__":
    main()
