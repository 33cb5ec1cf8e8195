#!/usr/bin/env python3
"""Cost of the init: start and exit, idle memory, delay of a forwarded signal, against rivals.

    release/binary.sh x86_64-unknown-linux-musl
    benches/pid1.py target/x86_64-unknown-linux-musl/release/dbt-entrypoint

All programs are measured in turns within one run, so that a busy machine slows all alike;
what counts are the ratios.
"""

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROUNDS = 1000
SIGNALS = 500
# What is resident depends on where the addresses fall.
PROCESSES = 50

# Tells the instant of every USR1 by the clock that all processes share.
CHILD = [
    sys.executable, "-S", "-E", "-c",
    """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {10, 15})
os.write(1, b"%020d" % 0)
while signal.sigwait({10, 15}) == 10:
    os.write(1, b"%020d" % time.monotonic_ns())
""",
]


def programs(ours):
    known = {"tini": ["tini", "-s", "--"], "dumb-init": ["dumb-init", "--"], "catatonit": ["catatonit", "--"]}
    found = {name: words for name, words in known.items() if shutil.which(words[0])}
    return {"ours": [ours, "exec", "--"], **found}


def start_and_exit(words):
    """Milliseconds."""
    command = words + ["/bin/true"]
    begin = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    assert status == 0, command
    return (time.perf_counter() - begin) * 1e3


def idle_and_delays(words, count):
    """Kilobytes resident and private while idle, and microseconds from kill() to the child."""
    process = subprocess.Popen(words + CHILD, stdout=subprocess.PIPE)
    process.stdout.read(20)
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
        sizes = dict(line.split(":", 1) for line in status)
    resident = [int(sizes[key].split()[0]) for key in ("VmRSS", "RssAnon")]
    delays = []
    for _ in range(count):
        begin = time.monotonic_ns()
        process.send_signal(signal.SIGUSR1)
        delays.append((int(process.stdout.read(20)) - begin) / 1e3)
    process.terminate()
    process.wait()
    return resident, delays


def main():
    asked = programs(sys.argv[1])
    starts = {name: [] for name in asked}
    delays = {name: [] for name in asked}
    residents = {name: [] for name in asked}
    for number in range(ROUNDS + 20):
        for name in random.sample(list(asked), len(asked)):
            taken = start_and_exit(asked[name])
            if number >= 20:  # the first ones fill caches
                starts[name].append(taken)
    for _ in range(PROCESSES):
        for name in random.sample(list(asked), len(asked)):
            resident, some = idle_and_delays(asked[name], SIGNALS // PROCESSES)
            residents[name].append(resident)
            delays[name] += some
    print(f"Median of {ROUNDS} starts, {PROCESSES} idle processes, {SIGNALS} signals; in brackets: ours divided by it\n")
    print("| | start and exit, ms | idle resident, kB | of it private, kB | signal to child, µs |\n|---|---|---|---|---|")
    medians = {n: map(statistics.median, zip(*residents[n])) for n in asked}
    rows = {n: [statistics.median(starts[n]), *medians[n], statistics.median(delays[n])] for n in asked}
    for name, row in rows.items():
        cells = [f"{v:.{d}f} ({o / v:.2f})" for v, o, d in zip(row, rows["ours"], (2, 0, 0, 0))]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
