#!/usr/bin/env python3
"""Measures whether one build of vaex trains as fast as another, in many short rounds.

    python3 benches/rounds.py OLD NEW

OLD and NEW are two vaex programs. In each round, both train the same networks on the embedded images, directly one
after the other. They take turns in starting, so that a slow machine affects both. Prints a Markdown table: for each
network the median of NEW's images per second divided by OLD's in the same round, and its 95 % bootstrap interval. Exit
status 1 if a median is below `--floor`.
"""
import argparse
import random
import sys
import tempfile
from pathlib import Path
from statistics import median

from compare import Machine, cores, place, table, tell

CASES = [("conv", 16), ("conv", 128), ("mlp", 16), ("mlp", 128)]
# Epochs of a trial with one thread, to train for a second or two. For mlp they are multiplied by the number of threads.
EPOCHS = {("conv", 16): 3, ("conv", 128): 3, ("mlp", 16): 8, ("mlp", 128): 20}
DRAWS = 10_000


def interval(ratios):
    """The 95 % bootstrap interval of the median, with a fixed seed."""
    draw = random.Random(0)
    medians = sorted(median(draw.choices(ratios, k=len(ratios))) for _ in range(DRAWS))
    return medians[round(0.025 * (DRAWS - 1))], medians[round(0.975 * (DRAWS - 1))]


def arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="the old vaex program")
    parser.add_argument("new", type=Path, help="the new vaex program")
    parser.add_argument("--rounds", type=int, default=15, help="measurements per network and program (default %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of each program; by default the number of cores")
    parser.add_argument("--cores", help="cores to run on, for example 0,1; by default the first two")
    parser.add_argument("--floor", type=float, default=0.97, help="the lowest accepted ratio (default %(default)s)")
    parser.add_argument("--case", action="append", choices=[f"{model}-{batch}" for model, batch in CASES],
                        help="only this network and batch; may be given several times")
    args = parser.parse_args()
    for program in (args.old, args.new):
        if not program.is_file():
            parser.error(f"no file {program}")
    if args.rounds < 2:
        parser.error("--rounds must be at least 2")
    args.cores = cores(parser, args.cores)
    args.threads = args.threads or len(args.cores)
    return args


def main():
    """Runs the measurements and prints the table."""
    args = arguments()
    cases = [case for case in CASES if not args.case or "-".join(map(str, case)) in args.case]
    measured = {case: [] for case in cases}
    with tempfile.TemporaryDirectory(prefix="vaex-rounds-") as folder:
        machines = []
        for name, program in (("old", args.old), ("new", args.new)):
            own = Path(folder) / name
            own.mkdir()
            machines.append(Machine(program.resolve(), None, args.cores, own))
        versions = [machine.call([machine.vaex, "--version"])[0].strip() for machine in machines]
        for turn in range(args.rounds):
            for (model, batch), pairs in measured.items():
                epochs = EPOCHS[model, batch] * (args.threads if model == "mlp" else 1) + 1
                pair = {}
                for which in ((0, 1) if turn % 2 == 0 else (1, 0)):
                    pair[which] = machines[which].trained(model, batch, args.threads, epochs)
                pairs.append((pair[0], pair[1]))
                old, new = pairs[-1]
                tell(f"round {turn + 1}: {model} {batch}: old {old:,.0f}, new {new:,.0f}, {new / old:.3f}")
    rows, slow = [], []
    for (model, batch), pairs in measured.items():
        ratios = [new / old for old, new in pairs]
        old, new = (f"{median(side):,.0f}" for side in zip(*pairs))
        low, high = interval(ratios)
        if median(ratios) < args.floor:
            slow.append(f"{model}, batch {batch}")
        rows.append([model, str(batch), old, new, f"{median(ratios):.3f}", f"{low:.3f} to {high:.3f}"])
    note = (f"Old: {versions[0]}; new: {versions[1]}; {place(machines[0])}; threads {args.threads}; {args.rounds} "
            "rounds in turn. Median training images per second, the median of the ratios of the rounds (above 1: the new "
            "build is faster), and its 95 % bootstrap interval.")
    print(table("New build compared with old build", note, ["model", "batch", "old", "new", "new / old", "95 %"], rows))
    if slow:
        sys.exit(f"rounds.py: ratio below {args.floor:g}: {'; '.join(slow)}")


if __name__ == "__main__":
    main()
