"""Where the GPU is: one group of rows after the other."""

import datetime
import time

from bench_gpu.machine import Machine
from bench_gpu.rows import GROUPS, alone, gpu


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def run(args, folder):
    groups = [make for make in GROUPS if make is gpu or make.__name__ in (args.rows or [make.__name__])]
    machine = Machine(folder, args.minutes, args.threads)

    def rows_of(make):
        """Each has its share of the time that is left."""
        now = time.monotonic()
        shares = [GROUPS[later][0] for later in groups[groups.index(make):]]
        machine.deadline = now + (machine.overall - now) * shares[0] / sum(shares)
        return alone(make.__name__, make(machine))

    measured = list(rows_of(gpu))
    no_gpu = measured[0][1]
    if "no CUDA device was found" in no_gpu:
        raise SystemExit(f"bench-gpu: {no_gpu.split(': ', 1)[1]}")
    print(datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))
    print_row("what", "figure", "share", "goal")
    print_row("---", "---:", "---:", "---:")
    for row in measured:
        print_row(*row)
    machine.begin_writing_weights(dict.fromkeys(name for make in groups for name in GROUPS[make][1]))
    for make in groups[1:]:
        for row in rows_of(make):
            print_row(*row)
    machine.stop_writing_weights()
