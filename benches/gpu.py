#!/usr/bin/env python3
"""Compares the speed of training of vaex and PyTorch on one GPU, and prints a Markdown table.

    tests/cuda.sh build
    python3 benches/gpu.py target/cuda/vaex [--quick]

The peer is the networks of torch_vae.py with what makes them fast on a GPU: the images stay there, a step takes its images by their
indices, Adam is fused, nothing is copied back; eager, compiled (also with autotuning), and with one or 16 whole steps as one CUDA
graph, in both layouts of convolutions. Both programs train on the same 20,480 images; vaex copies the terms of its losses back.
The ratio is that of images per second to those of PyTorch's fastest way in the same precision: the median of three rounds in turn,
and their range. Above 1, vaex is better. Ways that failed are in the table; the status is then 1. Without --quick, it takes
long, because each way is compiled for each case.
"""
import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))
import torch_vae
from networks import NETWORKS

BATCHES = [128, 1024, 4096]
IMAGES = 20_480
MODELS = {
    "mlp": 'family = "mlp"\nhidden = [500]',
    "conv": 'preset = "walkthrough"',
    "burgess": 'preset = "burgess"',
}


def model_of(net, channels_last):
    torch.manual_seed(0)
    model = torch_vae.Network(net, channels_last).cuda()
    return model.to(memory_format=torch.channels_last) if channels_last else model


def images_of(net):
    """Grey bytes, (Images, Values)."""
    draw = random.Random(1)
    return torch.frombuffer(bytearray(draw.randbytes(IMAGES * torch_vae.values(net))), dtype=torch.uint8).view(IMAGES, -1)


def torch_trainer(net, batch, precision, way):
    """A function of seconds that trains with PyTorch and returns images per second: the median of five chunks."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    torch._dynamo.reset()
    model = model_of(net, "channels_last" in way)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True, capturable=True)
    data = images_of(net).cuda().float() / 255
    total = torch.zeros((), device="cuda")
    steps = 16 if "graph16" in way else 1
    order = torch.zeros(steps * batch, dtype=torch.int64, device="cuda")
    permutation = torch.randperm(IMAGES).cuda().repeat(1 + steps * batch // IMAGES + 1)

    def loss_of(select):
        x = data.index_select(0, select)
        mean, log_var = model.encode(x)
        logits = model.decode(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
        recon = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        return recon - 0.5 * (1 + log_var - mean * mean - log_var.exp()).sum() / len(x)

    if "autotune" in way:
        loss_of = torch.compile(loss_of, dynamic=False, mode="max-autotune-no-cudagraphs")
    elif "compile" in way:
        loss_of = torch.compile(loss_of, dynamic=False)

    def train():
        for step in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(order[step * batch:(step + 1) * batch])
            loss.backward()
            optimizer.step()
            total.add_(loss.detach())

    place = [0]

    def pick():
        place[0] = (place[0] + steps * batch) % IMAGES
        order.copy_(permutation[place[0]:place[0] + steps * batch])

    run = train
    if "graph" in way:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                train()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            train()
        run = graph.replay

    def timed(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            pick()
            run()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(4)

    def rate(seconds):
        repeats = max(3, int(seconds / timed(5)))
        return median(repeats * steps * batch / timed(repeats) for _ in range(5))

    return rate


def vaex_trainer(program, folder, net, batch, precision):
    """A function of seconds that trains with vaex and returns images per second: the median of the epochs after the second one."""
    side = NETWORKS[net]["side"]
    images = folder / f"{net}.idx"
    if not images.exists():
        images.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, IMAGES, side, side) + images_of(net).numpy().tobytes())
    spec = folder / f"{net}-{batch}-{precision}.toml"

    def train(epochs):
        spec.write_text(
            f'[data]\nsource = "idx"\nimages = "{images}"\nvalidation = 0\n[model]\n{MODELS[net]}\nlatent_dim = {NETWORKS[net]["latent"]}\n'
            f'[train]\nbatch_size = {batch}\nepochs = {epochs}\ndevice = "cuda"\nprecision = "{precision}"\n'
        )
        command = [program, "run", spec, "--fresh", "--json", "--runs", folder / "runs"]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        events = map(json.loads, said.splitlines())
        return [event["images_per_second"] for event in events if event["event"] == "epoch"][2:]

    first = median(train(4))
    return lambda seconds: median(train(4 + int(seconds * first / IMAGES)))


KINDS = ["eager", "graph", "graph16", "compile", "compile+graph", "compile+graph16", "autotune+graph16"]
QUICK = ["eager", "graph", "graph16"]


def compare(arguments, folder, net, batch, precision):
    """Prints a line of the table; returns whether all ways ran."""
    trainers, rates, failed = {}, {}, []
    layouts = [""] if net == "mlp" else ["", "+channels_last"]
    for way in [kind + layout for kind in (QUICK if arguments.quick else KINDS) for layout in layouts]:
        try:
            trainers[way] = torch_trainer(net, batch, precision, way)
            rates[way] = trainers[way](arguments.seconds)
        except Exception as error:
            failed.append(way)
            print(f"{net} {batch} {precision} {way}: {error!r}"[:300], file=sys.stderr)
        best = max(rates, key=rates.get) if rates else None
        trainers = {way: trainer for way, trainer in trainers.items() if way == best}
        torch.cuda.empty_cache()
    own = vaex_trainer(arguments.program, folder, net, batch, precision)
    rounds = [(own(arguments.seconds), trainers[best](arguments.seconds)) for _ in range(3)]
    ratios = sorted(mine / theirs for mine, theirs in rounds)
    of = {
        group: max((rate for way, rate in rates.items() if test(way)), default=None)
        for group, test in [
            ("eager", lambda way: way.startswith("eager")),
            ("compiled", lambda way: "compile" in way and "graph" not in way),
            ("graphs", lambda way: "graph" in way),
        ]
    }
    mine = median(mine for mine, _ in rounds)
    cells = [net, f"{batch:,}", precision, f"{mine:,.0f}", f"{1e6 * batch / mine:,.0f}"]
    cells += ["-" if rate is None else f"{rate:,.0f}" for rate in of.values()]
    cells += [best, f"{ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})"]
    cells += [", ".join(failed) or "none"]
    print(f"| {' | '.join(cells)} |", flush=True)
    return not failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="vaex with the feature `cuda`")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--deadline", type=float, default=float("inf"), help="seconds after which cases are left out")
    parser.add_argument("--quick", action="store_true", help="without compiling: PyTorch is then not at its best")
    arguments = parser.parse_args()
    begin, complete = time.time(), True
    ways = "eager and with graphs only, not compiled" if arguments.quick else "at its best"
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__} {ways}, images per second\n")
    print("| network | batch | precision | vaex | us a step | eager | compiled | graphs | the fastest way | ratio | failed |")
    print("| --- | --: | --- | --: | --: | --: | --: | --: | --- | --: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for batch in BATCHES:
            for net in MODELS:
                for precision in ["f32", "tf32"]:
                    if time.time() - begin < arguments.deadline:
                        complete &= compare(arguments, Path(folder), net, batch, precision)
                    else:
                        print(f"left out: {net} {batch} {precision}", file=sys.stderr)
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    main()
