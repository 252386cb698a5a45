#!/usr/bin/env python3
"""Compares the speed of vaex and PyTorch, and prints Markdown tables.

    cargo build --release
    python3 -m venv venv && venv/bin/pip install torch numpy
    python3 benches/compare.py --python venv/bin/python --cores 0,1

The peer is the PyTorch program torch_vae.py. It runs in several ways: eager, with fused Adam, channels_last, compiled,
and with bfloat16. vaex computes in float32, so it is compared with the fastest float32 way; bfloat16 is also listed.
Each round measures every case once with each way and once with vaex, so that a slow machine affects all of them. A
ratio compares two measurements of the same round. All ratios are above 1 if vaex is better. Progress goes to standard
error, the tables to standard output.
"""
import argparse
import json
import math
import os
import platform
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from networks import NETWORKS, is_convolutional, operations

ROOT = Path(__file__).resolve().parent.parent
PEER = Path(__file__).resolve().parent / "torch_vae.py"
PINNED = hasattr(os, "sched_setaffinity")
EMBEDDED = ROOT / "src" / "data" / "source" / "fashion-mini" / "images.gz"
# The ways of PyTorch, as torch_vae.py names them.
CONV_WAYS = ["eager", "fused", "fused+channels_last", "fused+compile", "fused+channels_last+compile",
             "bf16+fused+channels_last", "bf16+fused+compile", "bf16+fused+channels_last+compile"]
DENSE_WAYS = ["eager", "fused", "fused+compile", "bf16+fused", "bf16+fused+compile"]
WAYS = {name: CONV_WAYS if is_convolutional(name) else DENSE_WAYS for name in NETWORKS}
OPERATIONS = {name: operations(name) for name in NETWORKS}
# Training images of the part `step`: whole batches of every size. There are as many validation images as elsewhere.
STEP_IMAGES = 2048
BATCHES = [128, 16]
# For the sweep: the fastest way that compiles nothing, and one that does.
SWEEP_WAYS = ["fused+channels_last", "fused+channels_last+compile"]
# Processes of PyTorch's data loader.
LOADERS = [0, 2]
# The measurement of benches/speed.rs that is used as the peak.
PEAK = "matrix product 512x512x512, gemm"
KL_WEIGHTS = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0]
# Training and validation images of the 2,000 embedded images. The training images fill whole batches of 128 and of 16.
TRAINED, HELD = 1792, 208


class Machine:
    """Runs vaex and the peer on the chosen cores."""

    def __init__(self, vaex, python, cores, folder):
        self.vaex, self.python, self.cores, self.folder = vaex, python, cores, folder
        self.runs = self.started = 0
        # Caches of compiled code and of prepared images for all rounds of this run, and for no other run.
        caches = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled"), "VAEX_CACHE": str(folder / "cache")}
        self.variables = {**os.environ, **caches}

    def start(self, command, stdin=subprocess.DEVNULL):
        """Starts a program. Its output can be read while it runs; its errors are written to a file."""
        pin = (lambda: os.sched_setaffinity(0, self.cores)) if PINNED else None
        self.started += 1
        path = self.folder / f"errors-{self.started}"
        try:
            with open(path, "wb") as errors:
                process = subprocess.Popen([str(word) for word in command], stdin=stdin, text=True, env=self.variables,
                                           stdout=subprocess.PIPE, stderr=errors, preexec_fn=pin)
        except OSError as error:
            stop(f"cannot run {command[0]}: {error}")
        process.errors = path
        return process

    def failed(self, process, output):
        """Stops with the last output of a program that failed."""
        said = process.errors.read_text(errors="replace").strip() or output.strip()
        stop(f"{' '.join(process.args)}\nended with status {process.wait()}: {said[-2000:]}")

    def call(self, command):
        """Runs a program to its end. Returns its output, the wall time in seconds and its peak memory in MiB."""
        begin = time.perf_counter()
        process = self.start(command)
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            self.failed(process, output)
        return output, seconds, usage.ru_maxrss / 1024

    def peer(self, *words):
        """Runs the peer to its end."""
        return self.call([self.python, PEER, *words])

    def spec(self, sweep="", **keys):
        """Writes a spec into a new folder. Returns the command that runs it, without options, and the folder."""
        self.runs += 1
        folder = self.folder / str(self.runs)
        folder.mkdir()
        spec = {"data.source": "fashion-mini", "data.validation": HELD, "train.optimizer": "adam",
                "train.learning_rate": 1e-3, **{key.replace("__", "."): value for key, value in keys.items()}}
        if "model.family" in spec:
            spec["model.latent_dim"] = NETWORKS[spec["model.family"]]["latent"]
        lines = [f"{key} = {json.dumps(value)}" for key, value in spec.items() if value is not None]
        (folder / "compare.toml").write_text("\n".join(lines) + "\n" + sweep)
        return [self.vaex, "run", folder / "compare.toml", "--runs", folder / "runs"], folder

    def trained(self, model, batch, threads, epochs):
        """Trains a trial. Returns its training images per second: the median over all epochs except the first."""
        network = NETWORKS[model]
        command, folder = self.spec(**{
            "data.source": "idx", "data.images": str(self.noise(network["side"], network["channels"])),
            "model.latent_dim": network["latent"], **network["keys"], "train.learning_rate": 1e-4,
            "train.batch_size": batch, "train.epochs": epochs})
        output = self.call([*command, "--jobs", 1, "--threads", threads, "--json"])[0]
        events = [json.loads(line) for line in output.splitlines()]
        shutil.rmtree(folder)
        return median([e["images_per_second"] for e in events if e["event"] == "epoch" and e["epoch"] > 1])

    def noise(self, side, channels):
        """An IDX file of images of noise."""
        path = self.folder / f"{side}-{channels}.idx"
        if not path.exists():
            sizes = (STEP_IMAGES + HELD, side, side, *([channels] if channels > 1 else []))
            header = struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes)
            path.write_bytes(header + random.Random(0).randbytes(math.prod(sizes)))
        return path

    def record(self, folder):
        """Reads the trial.json of the only trial in a folder."""
        return json.loads(next((folder / "runs" / "compare").glob("*/trial.json")).read_text())


def stop(message):
    """Exits with an error."""
    sys.exit(f"compare.py: {message}")


def tell(text):
    """Prints progress."""
    print(text, file=sys.stderr, flush=True)


def found(pattern, text):
    """Returns the number that a pattern matches."""
    match = re.search(pattern, text)
    return float(match[1]) if match else stop(f"the output does not match {pattern}: {text}")


def ratios(values):
    """The median of ratios, with the lowest and the highest."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def rates(values):
    """The median of images per second, with the lowest and the highest."""
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


class Server:
    """A peer process that is reused in all rounds, so that starting and compiling happen only once."""

    def __init__(self, machine, model, batch, threads):
        self.machine = machine
        self.command = [machine.python, PEER, "serve", "--model", model, "--batch", batch, "--threads", threads]

    def __enter__(self):
        self.process = self.machine.start(self.command, stdin=subprocess.PIPE)
        return self

    def ask(self, way, seconds):
        """Measures images per second of a way, or GFLOP/s of `matmul`."""
        try:
            self.process.stdin.write(f"{way} {seconds}\n")
            self.process.stdin.flush()
        except OSError:
            pass  # the process has ended; `failed` below reports why
        answer = self.process.stdout.readline().split()
        if len(answer) != 2 or answer[0] != way:
            self.machine.failed(self.process, f"it did not measure {way}")
        return float(answer[1])

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.communicate()


def in_turn(items, turn):
    """The items in turn: each round starts with another one."""
    start = turn % len(items)
    return items[start:] + items[:start]


def table(title, note, heads, rows):
    """A Markdown table with a title and a note."""
    lines = [f"### {title}", "", note, "", f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def peak(machine, args, server):
    """GFLOP/s of a 512 x 512 matrix product on one core: of the crate gemm with `--speed`, otherwise of PyTorch."""
    if args.speed is None:
        return server.ask("matmul", 0.5)
    # The flags that cargo bench passes.
    output = machine.call([args.speed, "--bench", PEAK])[0]
    return found(rf"{re.escape(PEAK)} +[\d.]+ +([\d.]+)", output)


def epochs_of(model, threads):
    """Epochs that take some seconds at half of the peak."""
    return 1 + max(2, round(3 * threads * 60e9 / (OPERATIONS[model] * STEP_IMAGES)))


def rounds_of(machine, args, model, batch, count):
    """Images per second of vaex and of each way of PyTorch in each round, and the peak of a core in GFLOP/s."""
    measured, peaks = {name: [] for name in ("vaex", *WAYS[model])}, []
    epochs = epochs_of(model, count)
    with Server(machine, model, batch, count) as server, Server(machine, model, batch, 1) as alone:
        for way in WAYS[model]:
            server.ask(way, 0.01)  # compiles
        for turn in range(args.rounds):
            peaks.append(peak(machine, args, alone))
            for name in in_turn(list(measured), turn):
                if name == "vaex":
                    measured[name].append(machine.trained(model, batch, count, epochs))
                else:
                    measured[name].append(server.ask(name, args.seconds))
            now = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in measured.items())
            tell(f"step, {model} {batch}, threads {count}, round {turn + 1}: {now}; peak {peaks[-1]:.0f} GFLOP/s")
    return measured, peaks


def step(machine, args):
    """Measures the training throughput of both programs for each model."""
    # With two threads on one core, the result would depend on the scheduler of the operating system.
    threads = [count for count in args.threads if count <= len(args.cores)]
    models = args.models
    rows, shares, all_ways = [], [], {model: [] for model in models}
    for model, batch, count in [(model, batch, count) for model in models for batch in args.batches for count in threads]:
        measured, peaks = rounds_of(machine, args, model, batch, count)
        single, half = (max((way for way in WAYS[model] if ("bf16" in way) == is_half),
                            key=lambda way: median(measured[way])) for is_half in (False, True))
        case, row = [model, str(batch), str(count)], [rates(measured["vaex"])]
        for way in (single, half):
            against = [mine / peer for mine, peer in zip(measured["vaex"], measured[way])]
            row += [f"{rates(measured[way])} {way}", ratios(against)]
        rows.append(case + row)
        # Images per second if each core reached its peak.
        most = count * median(peaks) * 1e9 / OPERATIONS[model]
        shares.append([*case, f"{median(peaks):.0f} ({min(peaks):.0f} to {max(peaks):.0f})",
                       *(f"{100 * median(measured[name]) / most:.0f} %" for name in ("vaex", single, half))])
        all_ways[model].append([*case[1:], *(rates(measured[way]) for way in WAYS[model])])
    return step_tables(args, models, threads, rows, shares, all_ways)


def step_tables(args, models, threads, rows, shares, all_ways):
    """The tables of the part `step`."""
    note = (f"Training images per second: medians, with the lowest and the highest of {args.rounds} rounds. vaex: the "
            f"median over all epochs of a trial except the first; an epoch has {STEP_IMAGES:,} images in whole batches, in a "
            f"new order, and includes the metrics. PyTorch: the median step in {args.seconds:g} s on one batch of noise, "
            "repeated. `PyTorch, float32` is its fastest way in float32, `PyTorch, bf16` its fastest way with bfloat16 "
            "autocast. Ratios are vaex / PyTorch.")
    heads = ["model", "batch", "threads", "vaex", "PyTorch, float32", "ratio", "PyTorch, bf16", "ratio"]
    tables = [table("Step", note, heads, rows)]
    product = "the crate gemm" if args.speed else "torch.matmul"
    note = (f"The peak is the speed of {product} in the same rounds on one core with float32 matrices of 512 x 512, in "
            "GFLOP/s. The shares are relative to the peak times the threads. Operations are counted by definition: "
            + " and ".join(f"{OPERATIONS[model] / 1e6:.1f} MFLOP per image for {model}" for model in models)
            + ". Shares can exceed 100 %, because Winograd's filtering needs fewer operations, and bf16 has another peak.")
    tables.append(table("Share of the peak", note, [*heads[:3], "peak of a core", "vaex", "PyTorch, float32",
                                                    "PyTorch, bf16"], shares))
    for model in models:
        tables.append(table(f"All ways of PyTorch, {model}", "Images per second of the same rounds.",
                            ["batch", "threads", *WAYS[model]], all_ways[model]))
    return "\n\n".join(tables)


def epoch(machine, args):
    """Measures epochs of both programs, PyTorch with its data loader."""
    threads, rows = len(args.cores), []
    for model, batch in [(model, batch) for model in args.models for batch in args.batches]:
        # The way that is fastest for most networks without compiling, and the loader with and without processes of its own.
        way = "fused+channels_last" if is_convolutional(model) else "fused"
        measured = {name: [] for name in ("vaex", *LOADERS)}
        count = epochs_of(model, threads)
        for _ in range(args.rounds):
            measured["vaex"].append(machine.trained(model, batch, threads, count))
            for workers in LOADERS:
                network = NETWORKS[model]
                output = machine.peer("epoch", "--model", model, "--batch", batch, "--threads", threads, "--way", way, "--epochs",
                                      count - 1, "--workers", workers, "--limit", STEP_IMAGES, "--images",
                                      machine.noise(network["side"], network["channels"]))[0]
                measured[workers].append(found(r"(\d+) img/s", output))
        best = max(LOADERS, key=lambda workers: median(measured[workers]))
        ratio = ratios([mine / other for mine, other in zip(measured["vaex"], measured[best])])
        rows.append([model, str(batch), rates(measured["vaex"]), *(rates(measured[workers]) for workers in LOADERS), ratio])
        tell(f"epoch: {model}, batch {batch}: {rows[-1]}")
    note = (f"Training images per second of the median epoch after the first, with {threads} threads; an epoch has {STEP_IMAGES:,} "
            "images. PyTorch reads images with its DataLoader, one at a time from a dataset, in the main process or in processes "
            "of its own (the number in the head), and trains with Adam in one kernel. The ratio is to the faster loader.")
    return table("Epoch with a data loader", note,
                 ["model", "batch", "vaex", *(f"PyTorch, {workers} loaders" for workers in LOADERS), "ratio"], rows)


def script(title, machine, *command):
    """The Markdown that another program of this folder prints, which uses the cores that it is given."""
    pin = (lambda: os.sched_setaffinity(0, machine.cores)) if PINNED else None
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, preexec_fn=pin)
    if done.returncode != 0:
        stop(f"{title} failed")
    # Lines that are no table are a list.
    lines = [line if line.startswith("|") else f"- {line}" for line in done.stdout.splitlines()]
    return "\n".join([f"### {title}", "", *lines])


def nll(machine, args):
    """Runs nll.py."""
    return script("NLL", machine, sys.executable, ROOT / "benches/nll.py", "--vaex", args.vaex, "--python", args.python, "--rounds", args.rounds)


def data(machine, args):
    """Runs data.py, if there is a folder of pictures."""
    if args.pictures is None:
        return "The preparation of pictures was not measured: --pictures names no folder."
    return script("Preparation of pictures", machine, args.python, ROOT / "benches/data.py", args.vaex, args.pictures, args.rounds)


def sweep(machine, args):
    """Measures the wall time of eight trials."""
    cores = len(args.cores)
    ways = {"vaex": [], f"vaex --jobs 1 --threads {cores}": ["--jobs", 1, "--threads", cores],
            f"vaex --jobs {cores} --threads 1": ["--jobs", cores, "--threads", 1]}
    # The peer drops images that do not fill a batch: it trains on 1,792 of 1,800 images, and validates on the first 180.
    trained, held = TRAINED, 180
    measured = {name: [] for name in ways}
    peers = {way: ([], []) for way in SWEEP_WAYS}
    for turn in range(args.rounds):
        for way, (whole, inside) in peers.items():
            output, seconds, _ = machine.peer(
                "sweep", "--model", "conv", "--images", EMBEDDED, "--limit", 1800, "--batch", 128, "--epochs", 2,
                "--kl-weights", ",".join(map(str, KL_WEIGHTS)), "--threads", cores, "--way", way)
            whole.append(seconds)
            inside.append(found(r"trials=8 ([\d.]+) s", output))
            tell(f"sweep, round {turn + 1}: PyTorch, {way}, {seconds:.1f} s, {inside[-1]:.1f} s without its start")
            # Each sweep compiles again, like a sweep that is run once.
            shutil.rmtree(machine.folder / "compiled", ignore_errors=True)
        for name, options in ways.items():
            command, _ = machine.spec(
                f'\n[sweep.grid]\n"objective.kl_weight" = {KL_WEIGHTS}\n', data__limit=trained + held,
                data__validation=held, model__family="conv", train__batch_size=128, train__epochs=2)
            seconds = machine.call([*command, *options])[1]
            measured[name].append(seconds)
            tell(f"sweep, round {turn + 1}: {name} {seconds:.1f} s")
    rows = []
    for way, (whole, inside) in peers.items():
        rows += [[f"PyTorch, {way}, whole command", f"{median(whole):.1f}", "", ""],
                 [f"PyTorch, {way}, without its start", f"{median(inside):.1f}", "", ""]]
    best = min(peers, key=lambda way: median(peers[way][0]))
    for name, seconds in measured.items():
        against = [ratios([peer / mine for peer, mine in zip(side, seconds)]) for side in peers[best]]
        rows.append([f"`{name}`", f"{median(seconds):.1f}", *against])
    note = (f"Wall seconds for eight convolutional trials (eight KL weights, 2 epochs, batch 128) on {cores} "
            f"core{'s' * (cores > 1)}, measured from outside. Both take 14 steps per epoch and validate on 180 images: "
            "vaex with all its metrics, PyTorch with a forward pass over images that it also trains on. PyTorch trains "
            f"the models one after the other in one process with --threads {cores}, compiles once if it compiles, and "
            "writes no files. vaex uses one process per trial, and writes tables, TensorBoard logs, pictures, "
            "checkpoints, weights and the report. Ratios are the time of the faster way of PyTorch, "
            f"{best}, divided by the time of vaex.")
    return table("Sweep", note, ["", "seconds", "ratio to the whole command", "ratio without PyTorch's start"], rows)


def memory(machine, args):
    """Measures the largest resident memory of convolutional training, once."""
    images, threads = args.images or EMBEDDED, len(args.cores)
    if not Path("/proc/self/status").exists():
        stop("memory can only be measured on Linux")
    # A limit above the number of images means all images.
    peer = machine.peer("sweep", "--model", "conv", "--images", images, "--limit", args.limit or 10**9, "--epochs", 1,
                        "--kl-weights", 1, "--batch", 128, "--threads", threads)[2]
    tell(f"memory: PyTorch {peer:.0f} MiB")
    rows = [["PyTorch, 1 epoch", f"{peer:.0f}", "", ""]]
    for epochs in (1, 3):
        command, folder = machine.spec(data__source="idx", data__images=str(images), data__limit=args.limit,
                                       data__validation=0.1, model__family="conv", train__epochs=epochs)
        command += ["--jobs", 1, "--threads", threads, "--json"]
        process, status = machine.start(command), ""
        for line in process.stdout:
            if json.loads(line)["event"] != "ended":
                status = Path(f"/proc/{process.pid}/status").read_text()
        if process.wait() != 0:
            machine.failed(process, "")
        parent = found(r"VmHWM:\s*(\d+) kB", status) / 1024
        trial = machine.record(folder)["peak_rss_mb"]
        tell(f"memory: vaex, {epochs} epochs, {trial:.0f} and {parent:.0f} MiB")
        rows.append([f"vaex, {epochs} epoch{'s' * (epochs > 1)}", f"{trial:.0f}", f"{parent:.0f}",
                     f"{peer / (trial + parent):.2f}"])
    note = (f"Largest resident memory in MiB, training the convolutional network at batch 128 with --threads {threads} "
            f"on {f'the first {args.limit:,}' if args.limit else 'all'} images of {images.name}; vaex uses the last "
            "tenth for validation. The memory of the trial is from its trial.json. `vaex run` is a second process that "
            "waits. The memory of PyTorch is from the operating system at its end; it runs eager, and holds the images "
            "as bytes and as floats. Measured once. Ratios are PyTorch / (trial + `vaex run`).")
    return table("Memory", note, ["", "training process", "`vaex run`", "ratio"], rows)


def until(machine, command, reached):
    """Starts a program, waits for a line of its output and stops it. Returns the seconds until that line."""
    begin = time.perf_counter()
    process = machine.start(command)
    for line in process.stdout:
        if reached(line):
            seconds = time.perf_counter() - begin
            process.terminate()
            process.communicate()
            return seconds
    return machine.failed(process, "it did not report its first step")


def start(machine, args):
    """Measures the time from the start of each program to its first step."""
    first = {"conv": [], "mlp": []}
    whole, plan = [], []
    grid = f'\n[sweep.grid]\n"objective.kl_weight" = {[n / 100 for n in range(100)]}\nseed = {list(range(100))}\n'
    for turn in range(args.rounds):
        for model, pairs in first.items():
            words = ["--model", model, "--batch", 16, "--threads", 1, "--seconds", 1e-6]
            peer = until(machine, [machine.python, "-u", PEER, "step", *words], lambda line: True)
            command, _ = machine.spec(model__family=model, train__batch_size=16, train__epochs=1)
            command += ["--jobs", 1, "--threads", 1, "--json"]
            pairs.append((until(machine, command, lambda line: json.loads(line).get("step") == 1), peer))
        command, _ = machine.spec(model__family="mlp", train__batch_size=TRAINED, train__epochs=1)
        whole.append(machine.call(command)[1])
        command, folder = machine.spec(grid, model__family="conv")
        plan.append(machine.call([machine.vaex, "plan", folder / "compare.toml"])[1])
        tell(f"start, round {turn + 1}: conv {first['conv'][-1][0]:.3f} s, plan {plan[-1]:.3f} s")
    rows = []
    for model, pairs in first.items():
        vaex, peer = (f"{median(side):.3f}" for side in zip(*pairs))
        rows.append([f"first step of {model}, batch 16", vaex, peer, ratios([peer / vaex for vaex, peer in pairs])])
    rows.append(["a whole `vaex run` of an mlp trial with one step", f"{median(whole):.3f}", "", ""])
    rows.append(["`vaex plan` of 10,000 trials", f"{median(plan):.3f}", "", ""])
    note = ("Wall seconds with 1 thread. vaex is measured from the start of the program to the event of `vaex run "
            "--json` that step 1 is done, with all data read, checked and hashed. PyTorch is measured to the end of its "
            "fourth step, the first that it reports; it is eager, with noise as images. Ratios are PyTorch / vaex.")
    return table("Start", note, ["", "vaex", "PyTorch, fourth step", "ratio"], rows)


def setting(machine):
    """Checks that both programs run. Returns their versions, the processor and the cores."""
    asked = [machine.python, "-c", "import numpy, platform, torch; print(torch.__version__, platform.python_version())"]
    try:
        torch, python = machine.call(asked)[0].split()
    except SystemExit as error:
        stop(f"PyTorch is missing: pass a Python that has torch and numpy with --python\n{error}")
    version = machine.call([machine.vaex, "--version"])[0].strip()
    return f"{version}, PyTorch {torch}, Python {python}; {place(machine)}"


def place(machine):
    """Names the processor and the cores."""
    numbers = ", ".join(map(str, sorted(machine.cores))) + ("" if PINNED else " (not pinned)")
    return f"{processor()}; cores {numbers}"


def processor():
    """The name, family and model of the processor, and its widest vector instructions."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    fields = dict(re.findall(r"^(.+?)\s*: (.*)$", text, re.MULTILINE))
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    flags = fields.get("flags", "").split()
    vectors = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in flags), "no AVX2")
    return f"{fields['model name']} (family {fields.get('cpu family')}, model {fields.get('model')}; {vectors})"


def arguments():
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vaex", type=Path, default=ROOT / "target" / "release" / "vaex", help="the vaex program")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch and numpy")
    parser.add_argument("--speed", type=Path, help="the program of benches/speed.rs (`cargo bench --no-run` names it), "
                        "to use the crate gemm as peak; by default the peak is that of torch.matmul")
    def listed(kind):
        return lambda text: [kind(word) for word in text.split(",")]

    parser.add_argument("--models", type=listed(str), default=["conv", "conv_rgb", "mlp"],
                        help=f"models of the parts `step` and `epoch`, of {','.join(NETWORKS)}, or `all` (default conv,conv_rgb,mlp)")
    parser.add_argument("--batches", type=listed(int), default=BATCHES, help="batch sizes of the same parts (default 128,16)")
    parser.add_argument("--threads", type=listed(int), default=[1, 2], help="threads of the part `step` (default 1,2)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each case (default %(default)s)")
    parser.add_argument("--cores", help="cores to run on, for example 0,1; by default the first two")
    parser.add_argument("--only", choices=PARTS, help="measure only this part")
    parser.add_argument("--seconds", type=float, default=4,
                        help="how long a way of PyTorch is measured in a round (default %(default)s)")
    parser.add_argument("--images", type=Path, help="IDX file for memory, plain or .gz; by default the embedded images")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG pictures for data")
    parser.add_argument("--limit", type=int, help="use only the first N images for memory")
    args = parser.parse_args()
    if not args.vaex.is_file():
        parser.error(f"no file {args.vaex}; build it with `cargo build --release`, or pass its path with --vaex")
    for file in (args.images, args.speed):
        if file and not file.is_file():
            parser.error(f"no file {file}")
    args.models = list(NETWORKS) if args.models == ["all"] else args.models
    for model in set(args.models) - set(NETWORKS):
        parser.error(f"there is no model {model}; there are {', '.join(NETWORKS)}")
    if args.pictures and not args.pictures.is_dir():
        parser.error(f"no folder {args.pictures}")
    if any(STEP_IMAGES % batch for batch in args.batches):
        parser.error(f"--batches must divide {STEP_IMAGES}")
    if args.rounds < 1 or args.seconds <= 0 or (args.limit is not None and args.limit < 1):
        parser.error("--rounds, --seconds and --limit must be above 0")
    # Paths in a spec are relative to the folder of the spec.
    args.vaex, args.images = args.vaex.resolve(), args.images and args.images.resolve()
    args.speed = args.speed and args.speed.resolve()
    args.cores = cores(parser, args.cores)
    return args


def cores(parser, text):
    """The cores of `--cores`, or the first two."""
    allowed = os.sched_getaffinity(0) if PINNED else range(os.cpu_count() or 1)
    try:
        chosen = set(map(int, text.split(","))) if text else set(sorted(allowed)[:2])
        if PINNED:
            os.sched_setaffinity(0, chosen)
            os.sched_setaffinity(0, allowed)
    except (OSError, ValueError, OverflowError) as error:
        parser.error(f"--cores {text}: {error}")
    return chosen


PARTS = {"step": step, "epoch": epoch, "sweep": sweep, "memory": memory, "start": start, "nll": nll, "data": data}


def main():
    """Runs the requested measurements and prints the tables."""
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="vaex-compare-") as folder:
        machine = Machine(args.vaex, args.python, args.cores, Path(folder))
        about = setting(machine)
        print(f"{about}; rounds: {args.rounds}. Medians; ratios with the lowest and the highest of the rounds; above 1 if "
              "vaex is better.", flush=True)
        for name in [args.only] if args.only else PARTS:
            print("\n" + PARTS[name](machine, args), flush=True)


if __name__ == "__main__":
    main()
