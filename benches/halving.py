#!/usr/bin/env python3
"""What successive halving saves, and what it costs: three searches that were fixed beforehand, each once with halving and once with all
settings trained to the end. The choices of both are trained with fresh seeds, and their means are compared.

    python3 benches/halving.py VAEX [--out FOLDER]

Exit status 1 if the choice of halving is worse than that of the full training by more than one standard error of the difference, or if it
took more than a third of the epochs.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

BASE = """
[data]
source = "fashion-mini"
binarize = "dynamic"

[model]
{model}

[train]
batch_size = {batch}
epochs = 27

[sweep]
seeds = {seeds}
"""
SEARCH = """
[search]
method = "random"
trials = 27
metric = "{metric}"

[search.space]
{space}
"""
STOP = """
[search.stop]
method = "halving"
min_epochs = 3
factor = 3
"""
RATE = '"train.learning_rate" = { log_uniform = [1e-4, 1e-2] }\n'
SEARCHES = {
    "mlp": dict(
        model='family = "mlp"\nhidden = [256]', batch=32, metric="validation_elbo_nats",
        space=RATE + '"model.latent_dim" = { int_log = [2, 64] }\n"train.clip_norm" = { log_uniform = [1.0, 100.0], unset = true }\n',
    ),
    "conv": dict(
        model='family = "conv"', batch=32, metric="validation_elbo_nats",
        space=RATE + '"model.latent_dim" = { int_log = [2, 32] }\n"objective.kl_weight" = { log_uniform = [0.25, 4.0] }\n',
    ),
    "optimizers": dict(
        model='family = "mlp"\nhidden = [128]\nlatent_dim = 8', batch=64, metric="validation_loss",
        space='"train.learning_rate" = { log_uniform = [1e-4, 1e-1] }\n"train.optimizer" = { choice = ["adam", "rmsprop", "sgd"] }\n'
        '"train.momentum" = { uniform = [0.0, 0.95] }\n',
    ),
}
FRESH = list(range(100, 110))


def run(vaex, folder, name, text):
    spec = folder / f"{name}.toml"
    spec.write_text(text)
    subprocess.run([vaex, "run", spec, "--runs", folder / "runs", "--allow-failed"], check=True, capture_output=True)
    report = subprocess.run([vaex, "report", folder / "runs" / name, "--json"], check=True, capture_output=True, text=True)
    return json.loads(report.stdout)["experiments"][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vaex", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    folder = args.out or pathlib.Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    vaex = args.vaex.resolve()
    is_met = True
    print("| search | epochs of halving | of all | share | choice of halving | best of all | difference | standard error |")
    print("| --- | ---: | ---: | ---: | --- | --- | ---: | ---: |")
    for name, parts in SEARCHES.items():
        base = lambda seeds: BASE.format(seeds=seeds, **parts)
        search = SEARCH.format(**parts)
        halving = run(vaex, folder, f"{name}_halving", base(2) + search + STOP)
        whole = run(vaex, folder, f"{name}_whole", base(2) + search)
        choices = [one["settings"][0]["values"] for one in (halving, whole)]
        assert all(one["settings"][0]["done"] == 2 for one in (halving, whole))
        metric = parts["metric"].split("_", 1)[1]
        found = []
        for kind, choice in zip(("halving", "whole"), choices):
            keys = "".join(f'"{key}" = [{json.dumps(value)}]\n' for key, value in choice.items() if value is not None)
            fresh = run(vaex, folder, f"{name}_fresh_{kind}", base(FRESH) + "\n[sweep.zip]\n" + keys)
            found.append([trial["kept"]["validation"][metric] for trial in fresh["trials"]])
        sign = -1.0 if metric == "elbo_nats" else 1.0
        difference = sign * (statistics.mean(found[0]) - statistics.mean(found[1]))
        error = (sum(statistics.variance(one) / len(one) for one in found)) ** 0.5
        trained = [one["search"]["epochs"] for one in (halving, whole)]
        share = trained[0] / trained[1]
        is_met &= difference <= error and share <= 1 / 3
        shown = [" ".join(f"{key.split('.')[-1]}={value}" for key, value in one.items() if value is not None) for one in choices]
        same = " (the same)" if choices[0] == choices[1] else ""
        print(
            f"| {name} | {trained[0]} | {trained[1]} | {100 * share:.0f} % | {shown[0]}: {statistics.mean(found[0]):.2f} | "
            f"{shown[1]}: {statistics.mean(found[1]):.2f}{same} | {difference + 0.0:+.2f} | {error:.2f} |", flush=True
        )
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
