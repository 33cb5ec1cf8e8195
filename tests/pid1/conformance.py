#!/usr/bin/env python3
"""Ask every installed init the same questions, and print what each answers as a table.

    conformance.py [--ours PATH] [--only NAME]... [--probe WORD] [--modes PN] [--markdown] [--times]

Without --markdown one line for each answer that is not right, and exit code 1 if one of OURS is.
"""

import argparse
import shutil
import sys
import time

from harness import Failed
from probes import PROBES
import probes_exec  # noqa: F401  (each registers its probes)
import probes_odd  # noqa: F401

# What we cannot do, and why; these rows say so in the table.
KNOWN = {
    "real-time signal 34, which musl keeps for itself, is forwarded":
        "musl uses 32 to 34 internally and lets nobody block or handle them",
    "an inherited ignored PIPE is handed on":
        "Rust's runtime ignores PIPE before main and does not say what it found",
    "4 file descriptors, what a dynamic program needs to start, are enough":
        "we hold one for signals, and musl's posix_spawn needs two for a moment: 6 are enough",
    "fault signals from outside: PID 1 lives on, another process dies":
        "Rust's runtime handles SEGV and BUS for its stack guard, which takes the first one",
}


def inits(ours):
    """Name, version and how to put each in front of a command."""
    known = [
        ("tini", ["tini", "--"]),
        ("tini -s", ["tini", "-s", "--"]),
        ("dumb-init", ["dumb-init", "--"]),
        ("catatonit", ["catatonit", "--"]),
        ("docker --init", ["docker-init", "--"]),
    ]
    found = []
    for name, words in known:
        path = shutil.which(words[0])
        if path:
            found.append((name, [path] + words[1:]))
    if ours:
        found.append(("ours", [ours, "exec", "--"]))
    return found


def ask(words, function, mode):
    """None when the answer is right, else what was wrong."""
    try:
        function(lambda command: words + list(command), mode)
    except Failed as wrong:
        return str(wrong)
    except OSError as error:
        return repr(error)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours")
    parser.add_argument("--only", action="append")
    parser.add_argument("--probe", default="")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--times", action="store_true", help="seconds of each probe, on standard error")
    parser.add_argument("--modes", default="PN", help="P: as PID 1, N: as an ordinary process")
    options = parser.parse_args()
    asked = [i for i in inits(options.ours) if not options.only or i[0] in options.only]
    rows, bad = [], 0
    for group, name, modes, function in PROBES:
        if options.probe not in f"{group}: {name}":
            continue
        cells = []
        for init, words in asked:
            cell = []
            for mode in [mode for mode in modes if mode in options.modes]:
                start = time.monotonic()
                wrong = ask(words, function, mode)
                if options.times:
                    print(f"{time.monotonic() - start:6.2f} {init} {mode} {name}", file=sys.stderr)
                cell.append((mode, wrong))
                if wrong and not options.markdown:
                    known = " (known)" if init == "ours" and name in KNOWN else ""
                    print(f"{init} [{mode}] {group}: {name}: {wrong}{known}", flush=True)
                bad += bool(wrong and init == "ours" and name not in KNOWN)
            cells.append(cell)
        rows.append((group, name, cells))
    if options.markdown:
        markdown([name for name, _ in asked], rows)
    return 1 if bad else 0


def markdown(names, rows):
    print("| behaviour | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    wrong = [0] * len(names)
    last = None
    for group, name, cells in rows:
        if group != last:
            print(f"| **{group}** |" + " |" * len(names))
            last = group
        shown = []
        for number, cell in enumerate(cells):
            bad = [mode for mode, answer in cell if answer]
            wrong[number] += len(bad)
            shown.append("yes" if not bad else "no" if len(bad) == len(cell) else f"no ({bad[0]})")
        print(f"| {name} | " + " | ".join(shown) + " |")
    print("| **answers that are not right** | " + " | ".join(map(str, wrong)) + " |")


if __name__ == "__main__":
    sys.exit(main())
