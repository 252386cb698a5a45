#!/usr/bin/env python3
"""Measures importance sampling of the likelihood beside PyTorch, and prints a Markdown table.

    cargo build --release
    python3 benches/nll.py --python venv/bin/python [--images 100] [--samples 5000] [--rounds 5]

Needs a Python with torch; the peer is this program itself with `--peer`: the network of the preset `iwae` (784-200-200-50 and back,
tanh) in float32, without gradients, each image encoded once, log-weights summed in double precision. It decodes 500, 5,000 or 20,000
samples at a time, eagerly or compiled; the fastest way counts. vaex evaluates a trial of the embedded images. Both take turns in each
round, with a thread for each core that this program may use. Start and reading of data are not counted.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
SPEC = """name = "nll"
data.binarize = "dynamic"
model.preset = "iwae"
train.epochs = 1
"""
CHUNKS = (500, 5_000, 20_000)
CORES = len(os.sched_getaffinity(0))


def by_vaex(vaex, trial, images, samples):
    """Samples per second, and the peak of resident memory in MB."""
    command = [vaex, "evaluate", trial, "--metrics", "nll", "--nll-images", str(images), "--nll-samples", str(samples), "--again",
               "--threads", str(CORES), "--json"]
    done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    seconds = next(event["seconds"] for event in events if event.get("event") == "evaluated")
    return images * samples / seconds, int(done.stderr.split()[-1]) / 1024


def peer():
    """Answers lines `WAY CHUNK IMAGES SAMPLES` with samples per second."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(CORES)
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 100))
    decoder = nn.Sequential(nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 784))

    def log_weights(x, mean, deviation, samples):
        noise = torch.randn(samples, 50)
        z = mean + deviation * noise
        logits = decoder(z)
        nats = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(1)
        return 0.5 * ((noise**2).sum(1) - (z**2).sum(1)) + deviation.log().sum() - nats

    ways = {"eager": log_weights, "compile": torch.compile(log_weights)}

    @torch.inference_mode()
    def nll(way, chunk, x, samples):
        mean, log_var = encoder(x).chunk(2, 1)
        deviation = (0.5 * log_var).exp()
        total = 0.0
        for image in range(len(x)):
            own = [ways[way](x[image], mean[image], deviation[image], min(chunk, samples - start))
                   for start in range(0, samples, chunk)]
            total -= (torch.logsumexp(torch.cat(own).double(), 0) - math.log(samples)).item()
        return total / len(x)

    for line in sys.stdin:
        way, chunk, images, samples = line.split()
        x = (torch.rand(int(images), 784) < 0.2).float()
        nll(way, int(chunk), x[:1], int(samples))
        start = time.perf_counter()
        nll(way, int(chunk), x, int(samples))
        print(int(images) * int(samples) / (time.perf_counter() - start), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="a Python with torch")
    parser.add_argument("--vaex", type=Path, default=ROOT / "target/release/vaex")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return peer()
    ways = [(way, chunk) for way in ("eager", "compile") for chunk in CHUNKS if chunk <= args.samples]
    measured = {way: [] for way in ways}
    own, memory = [], []
    with tempfile.TemporaryDirectory(prefix="vaex-nll-") as folder:
        folder = Path(folder)
        (folder / "nll.toml").write_text(SPEC)
        subprocess.run([args.vaex, "run", folder / "nll.toml", "--runs", folder / "runs"], capture_output=True, check=True)
        trial = next((folder / "runs/nll").glob("trial-*"))
        process = subprocess.Popen([args.python, __file__, "--peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(args.rounds):
            rate, peak = by_vaex(args.vaex, trial, args.images, args.samples)
            own.append(rate)
            memory.append(peak)
            for way in ways:
                process.stdin.write(f"{way[0]} {way[1]} {args.images} {args.samples}\n")
                process.stdin.flush()
                measured[way].append(float(process.stdout.readline()))
            print(f"round {number + 1}: {rate:,.0f} samples/s, PyTorch {max(rates[-1] for rates in measured.values()):,.0f}",
                  file=sys.stderr)
        process.stdin.close()
    print("| program | samples per second | vaex beside it |")
    print("| --- | --- | --- |")
    print(f"| vaex, at most {max(memory):.0f} MB | {median(own):,.0f} | |")
    for (way, chunk), rates in measured.items():
        ratio = median(mine / its for mine, its in zip(own, rates))
        print(f"| PyTorch, {way}, {chunk:,} samples at a time | {median(rates):,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
