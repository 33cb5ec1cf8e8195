"""Play random histories of generated dbt projects, and check that they converge and build no more
than necessary.

    converge.py --program DBT-ENTRYPOINT [--histories N] [--seed S] [--steps N] [--jobs N]
                [--way entrypoint|script] [--dbt DBT] [--keep DIR] [--verbose]

Run it with the Python of an environment that has dbt-duckdb. History n has the seed S+n. Prints a line
for each history and, at the end, `converged N/N, minimal N/N, idempotent N/N`. Exits with 0 if all
three are complete. With --dbt, each command starts this program; without, it forks a Python process
that has already imported dbt.
"""

import argparse
import concurrent.futures
import pathlib
import sys
import tempfile
import time
import traceback

import ways
from history import History
from warm_dbt import WarmDbt

ASPECTS = ["converged", "minimal", "idempotent"]


def main():
    words = arguments()
    with tempfile.TemporaryDirectory(prefix="convergence-") as work:
        warm = None if words.dbt else WarmDbt(work)
        try:
            directory = pathlib.Path(words.keep or work).absolute()
            return report(play_all(words, directory, words.dbt or warm.program))
        finally:
            if warm:
                warm.close()


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--way", choices=["entrypoint", "script"], default="entrypoint")
    parser.add_argument("--histories", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dbt")
    parser.add_argument("--keep")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def play_all(words, directory, dbt):
    seeds = range(words.seed, words.seed + words.histories)
    with concurrent.futures.ThreadPoolExecutor(words.jobs) as pool:
        played = [pool.submit(play, seed, words, directory, dbt) for seed in seeds]
        for history in concurrent.futures.as_completed(played):
            yield history.result()


def play(seed, words, directory, dbt):
    began = time.monotonic()
    place = directory / f"history-{words.way}-{seed}"
    way = (ways.Entrypoint(place, dbt, words.program) if words.way == "entrypoint"
           else ways.Script(place, dbt))
    history = History(seed, way, words.steps)
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
