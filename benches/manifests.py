#!/usr/bin/env python3
"""Large manifests: promotion and our whole decision against Python's json, and jq.

    cargo build --release --target x86_64-unknown-linux-musl --example decide
    benches/manifests.py [--example PATH] [MEGABYTES…]

A promotion reads one manifest and writes it without a twentieth of its nodes; a decision reads
two, compares them node by node and writes one. Python's json.load and json.dump, and jq where it
is installed, read one and write it. Prints wall and CPU seconds, the peak of memory, and ratios.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "target/x86_64-unknown-linux-musl/release/examples/decide"
# A model with its test has some 6.2 kB in a manifest.
MODELS_PER_MEGABYTE = 161
PYTHON = """import json, sys
json.dump(json.load(open(sys.argv[1])), open("/dev/null", "w"))
print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")))"""


def measured(words):
    """Wall seconds, CPU seconds and peak megabytes of a process.

    The peak is what the program itself tells (VmHWM); of one that tells nothing, the kernel's
    number, which is never below what this process held when it started it.
    """
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(word) for word in words], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{words}: {process.returncode}")
        out.seek(max(0, out.seek(0, os.SEEK_END) - 500))
        told = re.search(r"VmHWM:\s+(\d+) kB", out.read())
    peak = int(told.group(1)) if told else usage.ru_maxrss
    return wall, usage.ru_utime + usage.ru_stime, peak / 1024


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--example", default=EXAMPLE)
    options.add_argument("megabytes", type=int, nargs="*", default=[1, 50, 500])
    asked = options.parse_args()
    print("| file | way | wall s | CPU s | peak MB | × promotion, CPU | peak ÷ what is read |")
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
                "ours: promotion, one read and written": (1, [asked.example, "promote", now]),
                "ours: decision, two read and compared, one written": (2, [asked.example, before, now]),
                "Python: one read and written": (1, [sys.executable, "-c", PYTHON, now]),
            }
            if shutil.which("jq"):
                # To a file it would be the disk that is measured.
                ways["jq: one read and written"] = (1, ["sh", "-c", 'exec jq -c . "$0" >/dev/null', now])
            rows = {name: (files, measured(words)) for name, (files, words) in ways.items()}
            ours = next(iter(rows.values()))[1]
            for name, (files, (wall, cpu, peak)) in rows.items():
                ratios = f"{cpu / ours[1]:.1f} | {peak / size / files:.1f}"
                print(f"| {size:.0f} MB | {name} | {wall:.3f} | {cpu:.3f} | {peak:.0f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
