#!/usr/bin/env python3
"""Measures what each objective costs beside `beta`, and beside PyTorch, and prints a Markdown table.

    cargo build --release
    python3 benches/objectives.py --python venv/bin/python [--models conv,burgess,mlp] [--batches 64,128] [--rounds 5]

Needs a Python with torch and numpy; the peer is this program itself with `--peer`, which trains the models of torch_vae.py in
float32 with fused Adam, the formulas written as people write them; convolutions in both layouts, of which the faster one counts. In
each round every objective is trained once by vaex and once by PyTorch, in turn. A cost is the time of a step relative to `beta` of
the same program and round. Two threads, latent size 10.
"""
import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
LATENT = 10
# Objectives by name: the keys of the spec.
OBJECTIVES = {
    "beta": {},
    "capacity": {"kind": "capacity"},
    "beta_tc": {"kind": "beta_tc"},
    "beta_tc, stratified": {"kind": "beta_tc", "estimator": "stratified"},
    "dip_i": {"kind": "dip_i"},
    "dip_ii": {"kind": "dip_ii"},
    "info": {"kind": "info"},
    "wae": {"kind": "wae"},
    "free bits": {"free_bits": 0.1},
    "iwae, 5 samples": {"kind": "iwae", "samples": 5},
    "iwae, 5 samples, dreg": {"kind": "iwae", "samples": 5, "gradient": "dreg"},
    "mixture of 10": {"model.prior": "mixture", "model.components": 10},
    "vamp of 50": {"model.prior": "vamp", "model.components": 50},
}
MODELS = {
    "conv": {"family": "conv", "channels": [32, 64, 64, 64], "strides": [1, 2, 1, 1], "hidden": [32]},
    "burgess": {"preset": "burgess"},
    "mlp": {"family": "mlp", "hidden": [500]},
}
# Epochs of 1,792 embedded images, for some seconds.
EPOCHS = {"conv": 2, "burgess": 3, "mlp": 20}


def toml(value):
    return json.dumps(value)


def by_vaex(vaex, folder, model, batch, keys):
    """Training images per second of the last epoch."""
    size = ["size = 32"] if model == "burgess" else []
    lines = ["name = \"one\"", "[data]", "limit = 1992", "validation = 200", *size, "[model]", f"latent_dim = {LATENT}"]
    of_model = {key.removeprefix("model."): value for key, value in keys.items() if key.startswith("model.")}
    lines += [f"{key} = {toml(value)}" for key, value in (MODELS[model] | of_model).items()]
    lines += ["[train]", f"batch_size = {batch}", f"epochs = {EPOCHS[model]}", "[objective]"]
    lines += [f"{key} = {toml(value)}" for key, value in keys.items() if not key.startswith("model.")]
    (folder / "one.toml").write_text("\n".join(lines) + "\n")
    runs = folder / f"runs-{time.monotonic_ns()}"
    command = [vaex, "run", folder / "one.toml", "--runs", runs, "--jobs", "1", "--threads", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rates = [event["images_per_second"] for event in map(json.loads, done.stdout.splitlines())
             if event.get("event") == "epoch" and event.get("images_per_second")]
    return median(rates[1:] or rates)


def by_pytorch(process, name, model, batch):
    process.stdin.write(f"{model} {batch} {name}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def peer():
    """Answers lines `MODEL BATCH OBJECTIVE` with images per second."""
    import torch
    import torch.nn.functional as F
    from torch_vae import Network, timed, values

    torch.set_num_threads(2)

    def log_normal(z, mean, log_var):
        return -0.5 * (math.log(2 * math.pi) + log_var + (z - mean) ** 2 / log_var.exp())

    def mmd(z):
        batch, size = len(z), 2.0 * z.shape[1]
        prior = torch.randn_like(z)

        def kernel(a, b):
            squared = torch.cdist(a, b) ** 2
            return sum(s * size / (s * size + squared) for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))

        within = kernel(z, z), kernel(prior, prior)
        within = sum(one.sum() - one.diagonal().sum() for one in within) / (batch * (batch - 1))
        return within - 2 * kernel(z, prior).mean()

    def log_prior(network, z, keys):
        """The log-density of a learned prior."""
        if keys["model.prior"] == "vamp":
            mean, log_var = network.encode(F.hardtanh(network.pseudo_inputs, 0.0, 1.0))
            log_weights = torch.full((len(mean),), -math.log(len(mean)))
        else:
            mean, log_var, log_weights = network.prior_mean, network.prior_log_var, network.prior_logits.log_softmax(0)
        return torch.logsumexp(log_weights + log_normal(z[:, None], mean, log_var).sum(2), 1)

    def loss_of(network, x, keys):
        kind, batch = keys.get("kind", "beta"), len(x)
        mean, log_var = network.encode(x)
        nats = lambda logits, x: F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        if kind == "iwae":
            k = keys["samples"]
            z = mean[:, None] + (0.5 * log_var).exp()[:, None] * torch.randn(batch, k, LATENT)
            recon = nats(network.decode(z.flatten(0, 1)), x.repeat_interleave(k, 0)).view(batch, k)
            prior = log_normal(z, torch.zeros(1), torch.zeros(1)).sum(2)
            if keys.get("gradient") == "dreg":
                log_w = -recon + prior - log_normal(z, mean[:, None].detach(), log_var[:, None].detach()).sum(2)
                shares = torch.softmax(log_w, 1).detach()
                z.register_hook(lambda gradient: shares[:, :, None] * gradient)
                return -(shares * log_w).sum(1).mean()
            log_w = -recon + prior - log_normal(z, mean[:, None], log_var[:, None]).sum(2)
            return -(torch.logsumexp(log_w, 1) - math.log(k)).mean()
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        recon = nats(network.decode(z), x).mean()
        if "model.prior" in keys:
            return recon + (log_normal(z, mean, log_var).sum(1) - log_prior(network, z, keys)).mean()
        axes = 0.5 * (mean**2 + log_var.exp() - log_var - 1)
        kl = axes.sum(1).mean()
        if kind == "capacity":
            return recon + 1000 * (kl - 25).abs()
        if kind == "beta_tc":
            images = 1792
            density = log_normal(z[:, None], mean[None], log_var[None])
            weights = torch.full((batch, batch), 1 / (images * batch))
            if keys.get("estimator") == "stratified":
                others = batch - 1
                weights = torch.full((batch, batch), 1 / others)
                rows = torch.arange(batch)
                weights[rows, rows] = 1 / images
                weights[rows, (rows + 1) % batch] = (images - others) / (images * others)
            log_weights = weights.log()
            whole = torch.logsumexp(log_weights + density.sum(2), 1)
            single = torch.logsumexp(log_weights[:, :, None] + density, 1).sum(1)
            own, prior = log_normal(z, mean, log_var).sum(1), log_normal(z, torch.zeros(1), torch.zeros(1)).sum(1)
            return recon + ((own - whole) + 6 * (whole - single) + (single - prior)).mean()
        if kind in ("dip_i", "dip_ii"):
            centered = mean - mean.mean(0)
            covariance = centered.T @ centered / batch
            if kind == "dip_ii":
                covariance = covariance + torch.diag(log_var.exp().mean(0))
            diagonal = covariance.diagonal()
            off = (covariance**2).sum() - (diagonal**2).sum()
            return recon + kl + 10 * off + (100 if kind == "dip_i" else 10) * ((diagonal - 1) ** 2).sum()
        if kind == "info":
            return recon + kl + 999 * mmd(z)
        if kind == "wae":
            return recon + 10 * mmd(z)
        if "free_bits" in keys:
            return recon + axes.mean(0).clamp(min=keys["free_bits"]).sum()
        return recon + kl

    def network_of(model, channels_last, keys):
        torch.manual_seed(0)
        network = Network(model, channels_last, LATENT)
        count = keys.get("model.components")
        if keys.get("model.prior") == "vamp":
            network.pseudo_inputs = torch.nn.Parameter(0.05 + 0.01 * torch.randn(count, values(model)))
        elif count:
            network.prior_mean = torch.nn.Parameter(0.5 * torch.randn(count, LATENT))
            network.prior_log_var = torch.nn.Parameter(torch.zeros(count, LATENT))
            network.prior_logits = torch.nn.Parameter(torch.zeros(count))
        return network.to(memory_format=torch.channels_last) if channels_last else network

    def rate(model, batch, channels_last, keys, seconds):
        network = network_of(model, channels_last, keys)
        optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
        x = torch.rand(batch, values(model))

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(network, x, keys)
            loss.backward()
            optimizer.step()
            return loss.item()

        return batch / median(timed(step, seconds))

    for line in sys.stdin:
        model, batch, name = line.strip().split(" ", 2)
        layouts = [False] if model == "mlp" else [False, True]
        print(max(rate(model, int(batch), layout, OBJECTIVES[name], 1.5) for layout in layouts), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--vaex", default=ROOT / "target/release/vaex")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--models", default="conv,burgess,mlp")
    parser.add_argument("--batches", default="64,128")
    parser.add_argument("--objectives", default=";".join(OBJECTIVES))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if args.peer:
        return peer()
    names = args.objectives.split(";")
    command = [args.python, __file__, "--peer"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for model in args.models.split(","):
            for batch in map(int, args.batches.split(",")):
                mine, theirs = ({name: [] for name in names} for _ in range(2))
                for turn in range(args.rounds):
                    for name in names[turn % len(names):] + names[: turn % len(names)]:
                        mine[name].append(by_vaex(args.vaex, Path(folder), model, batch, OBJECTIVES[name]))
                        theirs[name].append(by_pytorch(process, name, model, batch))
                        print(f"{model} {batch} {name}: {mine[name][-1]:,.0f}, PyTorch {theirs[name][-1]:,.0f}",
                              file=sys.stderr, flush=True)
                print(f"\n### {model}, batch {batch}\n")
                print("| objective | vaex, images/s | time beside `beta` | PyTorch, images/s | its time beside `beta` | ratio |")
                print("| --- | --- | --- | --- | --- | --- |")
                for name in names:
                    cost = [median(b / a for a, b in zip(of[name], of["beta"])) for of in (mine, theirs)]
                    ratio = median(a / b for a, b in zip(mine[name], theirs[name]))
                    print(f"| {name} | {median(mine[name]):,.0f} | {cost[0]:.2f} | {median(theirs[name]):,.0f} | {cost[1]:.2f} | {ratio:.2f} |",
                          flush=True)
        process.communicate()


if __name__ == "__main__":
    main()
