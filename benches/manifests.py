#!/usr/bin/env python3
"""Large manifests: our whole decision against Python's json.load and json.dump.

    cargo build --release --target x86_64-unknown-linux-musl --example decide
    benches/manifests.py [--example PATH] [MEGABYTES…]

Ours reads two manifests, compares them node by node and writes the next baseline; Python
reads one and writes it. Prints wall and CPU seconds, the peak of memory, and ratios.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "target/x86_64-unknown-linux-musl/release/examples/decide"
# A model with its test has some 6.2 kB in a manifest.
MODELS_PER_MEGABYTE = 161
PYTHON = "import json, sys; json.dump(json.load(open(sys.argv[1])), open('/dev/null', 'w'))"


def measured(words):
    """Wall seconds, CPU seconds and peak megabytes of a process."""
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{words}: {process.returncode}")
    wall = time.monotonic() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--example", default=EXAMPLE)
    options.add_argument("megabytes", type=int, nargs="*", default=[1, 50, 500])
    asked = options.parse_args()
    print("| file | way | wall s | CPU s | peak MB | × ours, CPU | × the file |")
    print("|---|---|---|---|---|---|---|")
    for megabytes in asked.megabytes:
        with tempfile.TemporaryDirectory() as directory:
            before, now = (pathlib.Path(directory, name) for name in ("before.json", "now.json"))
            for path, edited in ((before, 0), (now, 5)):
                models = str(max(1, megabytes * MODELS_PER_MEGABYTE - 100))
                with path.open("w") as out:
                    words = [asked.example, "generate", models, str(edited)]
                    subprocess.run(words, stdout=out, check=True)
            size = now.stat().st_size / 1e6
            ways = {
                "ours: two read, compared, one written": [asked.example, before, now],
                "Python: one read and written": [sys.executable, "-c", PYTHON, now],
            }
            rows = {name: measured(words) for name, words in ways.items()}
            ours = next(iter(rows.values()))
            for name, (wall, cpu, peak) in rows.items():
                ratios = f"{cpu / ours[1]:.1f} | {peak / size:.1f}"
                print(f"| {size:.0f} MB | {name} | {wall:.3f} | {cpu:.3f} | {peak:.0f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
