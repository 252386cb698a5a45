#!/usr/bin/env python3
"""Kills a search at random instants and resumes it until it ends: the proposals, the weights and the choice must be those of a search
that was never killed, with one process and with two.

    python3 tests/search_kills.py VAEX [--kills 200] [--seed 0]
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

SPEC = """
[data]
source = "fashion-mini"
limit = 300
[model]
family = "mlp"
hidden = [32]
[train]
epochs = 6
batch_size = 45
[sweep]
seeds = 2
[search]
method = "{method}"
trials = 18
parallel = 3
[search.space]
"train.learning_rate" = {{ log_uniform = [1e-4, 1e-2] }}
"model.latent_dim" = {{ int_log = [2, 16] }}
"train.clip_norm" = {{ uniform = [1.0, 5.0], unset = true }}
[search.stop]
method = "{stop}"
min_epochs = 2
"""


def outcome(experiment):
    """All of a search that must not depend on kills."""
    plan = json.loads((experiment / "plan.json").read_text())
    plan["search"].pop("seconds")
    trials = {}
    for record in sorted(experiment.glob("*/trial.json")):
        trial = json.loads(record.read_text())
        model = record.parent / "model.safetensors"
        digest = hashlib.sha256(model.read_bytes()).hexdigest() if model.exists() else None
        trials[trial["trial"]] = [trial["status"], trial["pruned"], digest]
    return {"search": plan["search"], "trials": trials}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vaex")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    vaex = os.path.abspath(args.vaex)
    draw = random.Random(args.seed)
    kills = runs = 0
    cases = [("tpe", "halving"), ("random", "halving"), ("tpe", "median")]
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        expected, took = {}, {}
        for case in cases:
            spec = root / "-".join(case) / "spec.toml"
            spec.parent.mkdir()
            spec.write_text(SPEC.format(method=case[0], stop=case[1]))
            start = time.monotonic()
            for jobs in (1, 2):
                runs_at = spec.parent / f"whole-{jobs}"
                subprocess.run([vaex, "run", spec, "--runs", runs_at, "--jobs", str(jobs)], check=True, capture_output=True)
                found = outcome(runs_at / "spec")
                if expected.setdefault(case, found) != found:
                    sys.exit(f"{case}: another result with {jobs} processes")
            took[case] = (time.monotonic() - start) / 2
        while kills < args.kills:
            case = cases[runs % len(cases)]
            runs += 1
            runs_at = root / "-".join(case) / f"killed-{runs}"
            while True:
                jobs = str(draw.choice([1, 2]))
                command = [vaex, "run", root / "-".join(case) / "spec.toml", "--runs", runs_at, "--jobs", jobs]
                process = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
                )
                try:
                    status = process.wait(timeout=draw.uniform(0.02, 0.5 * took[case]))
                    if status != 0:
                        sys.exit(f"{case}: exit status {status}")
                    break
                except subprocess.TimeoutExpired:
                    kills += 1
                    # With or without the processes of the trials.
                    if draw.random() < 0.5:
                        os.killpg(process.pid, signal.SIGKILL)
                    else:
                        process.kill()
                    process.wait()
            found = outcome(runs_at / "spec")
            if found != expected[case]:
                (pathlib.Path.cwd() / "search_kills.json").write_text(json.dumps([expected[case], found], indent=1))
                sys.exit(f"{case}: another result after kills; both are in search_kills.json")
    print(f"{kills} kills of {runs} searches: the same proposals, weights and choices")


if __name__ == "__main__":
    main()
