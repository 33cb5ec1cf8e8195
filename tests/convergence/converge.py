"""Play random histories of generated dbt projects, and check that they converge and build no more
than necessary.

    converge.py --program DBT-ENTRYPOINT [--histories N] [--seed S] [--steps N] [--jobs N]
                [--way entrypoint|script] [--dbt NAME] [--world duckdb|postgres] [--cold]
                [--keep DIR] [--verbose]
    converge.py --list

History n has the seed S+n. Prints a line for each history and, at the end, `converged N/N, minimal
N/N, idempotent N/N`. Exits with 0 if all three are complete. `--list` prints the kinds of edits and
steps.

`--dbt` (or CONVERGENCE_DBT) names an environment in .cache, such as 1.9 or v2; `--world` (or
CONVERGENCE_WORLD) says where the relations are. A dbt 1 is a fork of a Python process that has already
imported dbt, unless `--cold` is given.
"""

import argparse
import concurrent.futures
import os
import pathlib
import sys
import tempfile
import time
import traceback

import kinds
import ways
from engines import ENGINES
from history import History
from server import Server
from warehouse import DuckDb, Postgres
from warm_dbt import WarmDbt

ASPECTS = ["converged", "minimal", "idempotent"]


def main():
    words = arguments()
    if words.list:
        print("\n".join(f"{kind}: {what}" for kind, what in kinds.every().items()))
        return 0
    engine = ENGINES["postgres" if words.world == "postgres" else words.dbt]
    if pathlib.Path(sys.prefix) != engine.environment():
        os.execv(engine.python(), [engine.python(), *sys.argv])
    with tempfile.TemporaryDirectory(prefix="convergence-") as work:
        warm = None if words.cold or engine.is_native else WarmDbt(work)
        server = Server(work) if words.world == "postgres" else None
        try:
            directory = pathlib.Path(words.keep or work).absolute()
            dbt = warm.program if warm else engine.program()
            return report(play_all(words, directory, dbt, engine, server))
        finally:
            if warm:
                warm.close()
            if server:
                server.close()


def arguments():
    parser = argparse.ArgumentParser()
    told = os.environ.get
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--program", type=os.path.abspath)
    parser.add_argument("--way", choices=["entrypoint", "script"], default="entrypoint")
    parser.add_argument("--histories", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dbt", choices=ENGINES, default=told("CONVERGENCE_DBT", "1.11"))
    parser.add_argument("--world", choices=["duckdb", "postgres"],
                        default=told("CONVERGENCE_WORLD", "duckdb"))
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--keep")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def play_all(words, directory, *tools):
    seeds = range(words.seed, words.seed + words.histories)
    with concurrent.futures.ThreadPoolExecutor(words.jobs) as pool:
        played = [pool.submit(play, seed, words, directory, *tools) for seed in seeds]
        for history in concurrent.futures.as_completed(played):
            yield history.result()


def play(seed, words, directory, dbt, engine, server):
    began = time.monotonic()
    place = directory / f"history-{words.way}-{seed}"
    way = (ways.Entrypoint(place, dbt, engine, words.program) if words.way == "entrypoint"
           else ways.Script(place, dbt, engine))

    def warehouse(project, purpose):
        name = f"world_{words.way}_{seed}_{purpose}"
        return Postgres(server.connection, name) if server else DuckDb(project)
    history = History(seed, way, words.steps, warehouse)
    try:
        history.play()
    except Exception:
        history.fail("converged", traceback.format_exc())
    return history, time.monotonic() - began, words.verbose


def report(played):
    counts, total = dict.fromkeys(ASPECTS, 0), 0
    for history, seconds, verbose in played:
        total += 1
        verdicts = [aspect if not history.wrong[aspect] else f"not {aspect}" for aspect in ASPECTS]
        seen = ", ".join(f"{count} {what}" for what, count in history.seen.items())
        print(f"history {history.seed}: {len(history.world.nodes())} nodes, {history.steps} steps "
              f"({seen}): {', '.join(verdicts)}; {seconds:.0f} s", flush=True)
        for aspect in ASPECTS:
            counts[aspect] += not history.wrong[aspect]
        if verbose or any(history.wrong.values()):
            tell(history)
    print(", ".join(f"{aspect} {counts[aspect]}/{total}" for aspect in ASPECTS))
    return 0 if all(count == total for count in counts.values()) else 1


def tell(history):
    for line in history.log:
        print(f"    {line}")
    for aspect, texts in history.wrong.items():
        for text in texts:
            print(f"  not {aspect}: " + text.replace("\n", "\n    "))


if __name__ == "__main__":
    sys.exit(main())
