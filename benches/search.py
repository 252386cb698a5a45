#!/usr/bin/env python3
"""Compares the proposals of a search with Optuna's on functions whose best value is known, without training, and prints a table.

    python3 benches/search.py --python venv/bin/python     # with numpy and optuna 5.0.0

For each function and each of 30 seeds, 100 settings are proposed one after the other; the regret is the difference of the best of their
values from the best value there is. The table has the median regrets, and the 95 % interval of the difference of the medians (bootstrap):
if it contains 0, the difference may be chance. `own` has kernels for each key (Optuna: multivariate=False), `shared` common ones (True, with
group=True). Exit status 1 if an interval is above 0: then Optuna is better.
"""
import argparse
import subprocess
import sys
from math import cos, log2, log10, pi
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS, PROPOSALS = 30, 100


def branin(trial):
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    return (y - 5.1 / (4 * pi**2) * x * x + 5 / pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10


def hartmann6(trial):
    import numpy as np

    a = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
    p = np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650],
                  [4047, 8828, 8732, 5743, 1091, 381]])
    x = np.array([trial.suggest_float(f"x{axis}", 0, 1) for axis in range(6)])
    return -float((np.array([1, 1.2, 3, 3.2]) * np.exp(-(a * (x - 1e-4 * p) ** 2).sum(1))).sum())


def conditional(trial):
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    common = 0.3 * (log10(trial.suggest_float("lr", 1e-5, 1, log=True)) + 3) ** 2
    if kind == "a":
        return common + 1 + 0.5 * (trial.suggest_float("pa", 0, 1) - 0.2) ** 2
    if kind == "b":
        return common + 0.5 * abs(log2(trial.suggest_int("pb", 1, 256, log=True)) - 5)
    return common + 0.4 + 2 * (trial.suggest_float("pc", 0, 1) - 0.7) ** 2


FUNCTIONS = {"branin": (branin, 0.39788735772973816), "hartmann6": (hartmann6, -3.322368011415515), "conditional": (conditional, 0.0)}


def peer():
    """Prints lines `regrets FUNCTION METHOD REGRET...`."""
    import warnings

    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {
        "own": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=False),
        "shared": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
        "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    }
    for name, (function, best) in FUNCTIONS.items():
        for method, sampler in samplers.items():
            regrets = []
            for seed in range(SEEDS):
                study = optuna.create_study(sampler=sampler(seed))
                study.optimize(function, n_trials=PROPOSALS)
                regrets.append(study.best_value - best)
            print("regrets", name, method, *regrets, flush=True)


def regrets_of(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("regrets ")]
    return {(name, method): [float(number) for number in numbers] for _, name, method, *numbers in lines}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--compare", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    if args.peer:
        return peer()
    if not args.compare:
        # numpy is in the other Python.
        test = ["cargo", "test", "--release", "--test", "it", "search::regrets", "--", "--ignored", "--nocapture"]
        mine, theirs = regrets_of(test), regrets_of([args.python, __file__, "--peer"])
        command = [args.python, __file__, "--compare", repr(mine), repr(theirs)]
        return sys.exit(subprocess.run(command).returncode)
    import ast

    import numpy as np

    mine, theirs = map(ast.literal_eval, args.compare)
    draws = np.random.default_rng(0)
    is_worse = False
    print("| function | kernels | vaex | Optuna | 95 % of the difference |")
    print("| --- | --- | --- | --- | --- |")
    for (name, method), regrets in mine.items():
        median = lambda values: np.median(draws.choice(values, len(values)))
        low, high = np.percentile([median(regrets) - median(theirs[name, method]) for _ in range(10_000)], [2.5, 97.5])
        is_worse |= method != "random" and low > 0
        print(f"| {name} | {method} | {np.median(regrets):.4g} | {np.median(theirs[name, method]):.4g} | {low:.2g} to {high:.2g} |")
    sys.exit(int(is_worse))


if __name__ == "__main__":
    main()
