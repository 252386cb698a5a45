#!/usr/bin/env python3
"""Measures vaex against PyTorch, in turn, and prints Markdown tables.

    cargo build --release
    python3 -m venv venv && venv/bin/pip install torch numpy
    python3 benches/compare.py --python venv/bin/python --cores 0,1

The peer is torch_vae.py beside this file, in each of PyTorch's ways: eager, with the fused Adam, channels_last,
compiled, and with bfloat16. vaex computes in float32, so its peer is the fastest float32 way; bfloat16 is beside it. In
each round every case is measured once with each way and with vaex, so that a machine that slows down slows all; a ratio
is of two measurements of the same round. All ratios are written so that a number above 1 is in favour of vaex. Progress
goes to standard error, the tables to standard output.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PEER = Path(__file__).resolve().parent / "torch_vae.py"
PINNED = hasattr(os, "sched_setaffinity")
EMBEDDED = ROOT / "src" / "data" / "fashion-mini" / "images.gz"
LATENT = {"conv": 2, "mlp": 20}
# Epochs of a trial with one thread that take some seconds; those of mlp are multiplied by the threads.
EPOCHS = {("conv", 128): 3, ("conv", 16): 3, ("mlp", 128): 30, ("mlp", 16): 10}
# PyTorch's ways, as torch_vae.py reads them.
WAYS = {
    "conv": ["eager", "fused", "fused+channels_last", "fused+compile", "fused+channels_last+compile",
             "bf16+fused+channels_last", "bf16+fused+compile", "bf16+fused+channels_last+compile"],
    "mlp": ["eager", "fused", "fused+compile", "bf16+fused", "bf16+fused+compile"],
}
# Floating-point operations of a training step for one image by the definition, as benches/speed.rs counts them: each
# product forward, and twice backward but for the gradient of the images.
PRODUCTS = {
    "conv": [28 * 28 * 9 * 32, 14 * 14 * 9 * 32 * 64, 14 * 14 * 9 * 64 * 64, 14 * 14 * 9 * 64 * 64, 12544 * 32,
             2 * 32 * 2, 2 * 12544, 14 * 14 * 9 * 64 * 32, 28 * 28 * 9 * 32],
    "mlp": [784 * 500, 2 * 500 * 20, 20 * 500, 500 * 784],
}
OPERATIONS = {model: 2 * (3 * sum(products) - products[0]) for model, products in PRODUCTS.items()}
# For the sweep: the fastest way that compiles nothing, and one that does.
SWEEP_WAYS = ["fused+channels_last", "fused+channels_last+compile"]
# The measurement of benches/speed.rs that is taken for the peak.
PEAK = "matrix product 512x512x512, gemm"
KL_WEIGHTS = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0]
# Of the 2,000 embedded images: whole batches of 128 and of 16 to train on, and those that are held out.
TRAINED, HELD = 1792, 208


class Machine:
    """Runs vaex and the peer on the chosen cores."""

    def __init__(self, vaex, python, cores, folder):
        self.vaex, self.python, self.cores, self.folder = vaex, python, cores, folder
        self.runs = self.started = 0
        # What torch.compile has compiled serves all rounds, and nothing is taken over from earlier days.
        self.variables = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled")}

    def start(self, command, stdin=subprocess.DEVNULL):
        """Starts a program; its output can be read as it appears, its errors are kept in a file."""
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
        """Ends with what a program said before it failed."""
        said = process.errors.read_text(errors="replace").strip() or output.strip()
        stop(f"{' '.join(process.args)}\nended with status {process.wait()}: {said[-2000:]}")

    def call(self, command):
        """Runs a program to its end: its output, seconds from outside, and largest resident memory in MiB."""
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
        """Writes a spec into a folder of its own: the command that runs it, but for options, and that folder."""
        self.runs += 1
        folder = self.folder / str(self.runs)
        folder.mkdir()
        spec = {"data.source": "fashion-mini", "data.validation": HELD, "train.optimizer": "adam",
                "train.learning_rate": 1e-3, **{key.replace("__", "."): value for key, value in keys.items()}}
        if "model.family" in spec:
            spec["model.latent_dim"] = LATENT[spec["model.family"]]
        lines = [f"{key} = {json.dumps(value)}" for key, value in spec.items() if value is not None]
        (folder / "compare.toml").write_text("\n".join(lines) + "\n" + sweep)
        return [self.vaex, "run", folder / "compare.toml", "--runs", folder / "runs"], folder

    def trained(self, model, batch, threads, epochs):
        """Training images per second of a trial: the median over its epochs except the first."""
        command, folder = self.spec(model__family=model, train__batch_size=batch, train__epochs=epochs)
        output = self.call([*command, "--jobs", 1, "--threads", threads, "--json"])[0]
        events = [json.loads(line) for line in output.splitlines()]
        shutil.rmtree(folder)
        return median([e["images_per_second"] for e in events if e["event"] == "epoch" and e["epoch"] > 1])

    def record(self, folder):
        """What the only trial of a folder left in its trial.json."""
        return json.loads(next((folder / "runs" / "compare").glob("*/trial.json")).read_text())


def stop(message):
    """Ends with an error."""
    sys.exit(f"compare.py: {message}")


def tell(text):
    """Says what goes on."""
    print(text, file=sys.stderr, flush=True)


def found(pattern, text):
    """The number that a pattern finds."""
    match = re.search(pattern, text)
    return float(match[1]) if match else stop(f"nothing like {pattern} in the output: {text}")


def ratios(values):
    """The median of ratios, with the lowest and the highest."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def rates(values):
    """The median of images per second, with the lowest and the highest."""
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


class Server:
    """A peer that stays, so that its start and what it compiles are not paid again in each round."""

    def __init__(self, machine, model, batch, threads):
        self.machine = machine
        self.command = [machine.python, PEER, "serve", "--model", model, "--batch", batch, "--threads", threads]

    def __enter__(self):
        self.process = self.machine.start(self.command, stdin=subprocess.PIPE)
        return self

    def ask(self, way, seconds):
        """Images per second of a way, or GFLOP/s of `matmul`."""
        try:
            self.process.stdin.write(f"{way} {seconds}\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended; its status says why
        answer = self.process.stdout.readline().split()
        if len(answer) != 2 or answer[0] != way:
            self.machine.failed(self.process, f"it did not measure {way}")
        return float(answer[1])

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.communicate()


def in_turn(items, turn):
    """The items, each round beginning with another one."""
    start = turn % len(items)
    return items[start:] + items[:start]


def table(title, note, heads, rows):
    """A Markdown table below its title."""
    lines = [f"### {title}", "", note, "", f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def peak(machine, args, server):
    """GFLOP/s of a 512 x 512 matrix product on one core: the crate gemm's where `--speed` is given, else PyTorch's."""
    if args.speed is None:
        return server.ask("matmul", 0.5)
    # Flags that criterion has for cargo.
    output = machine.call([args.speed, "--bench", PEAK])[0]
    return found(rf"{re.escape(PEAK)} +[\d.]+ +([\d.]+)", output)


def rounds_of(machine, args, model, batch, count):
    """Images per second of vaex and of each of PyTorch's ways in each round, and the peak of a core in GFLOP/s."""
    figures, peaks = {name: [] for name in ("vaex", *WAYS[model])}, []
    epochs = EPOCHS[model, batch] * (count if model == "mlp" else 1)
    with Server(machine, model, batch, count) as server, Server(machine, model, batch, 1) as alone:
        for way in WAYS[model]:
            server.ask(way, 0.01)  # compiles
        for turn in range(args.rounds):
            peaks.append(peak(machine, args, alone))
            for name in in_turn(list(figures), turn):
                if name == "vaex":
                    figures[name].append(machine.trained(model, batch, count, epochs))
                else:
                    figures[name].append(server.ask(name, args.seconds))
            now = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in figures.items())
            tell(f"step, {model} {batch}, threads {count}, round {turn + 1}: {now}; peak {peaks[-1]:.0f} GFLOP/s")
    return figures, peaks


def step(machine, args):
    """Training throughput of both, model by model."""
    # Threads that share a core would measure the system's scheduler.
    threads = [count for count in (1, 2) if count <= len(args.cores)]
    models = [model for model in WAYS if args.model in (None, model)]
    rows, shares, all_ways = [], [], {model: [] for model in models}
    for model, batch, count in [(model, batch, count) for model in models for batch in (128, 16) for count in threads]:
        figures, peaks = rounds_of(machine, args, model, batch, count)
        single, half = (max((way for way in WAYS[model] if ("bf16" in way) == is_half),
                            key=lambda way: median(figures[way])) for is_half in (False, True))
        case, row = [model, str(batch), str(count)], [rates(figures["vaex"])]
        for way in (single, half):
            against = [mine / peer for mine, peer in zip(figures["vaex"], figures[way])]
            row += [f"{rates(figures[way])} {way}", ratios(against)]
        rows.append(case + row)
        # Each core at its peak.
        most = count * median(peaks) * 1e9 / OPERATIONS[model]
        shares.append([*case, f"{median(peaks):.0f} ({min(peaks):.0f} to {max(peaks):.0f})",
                       *(f"{100 * median(figures[name]) / most:.0f} %" for name in ("vaex", single, half))])
        all_ways[model].append([*case[1:], *(rates(figures[way]) for way in WAYS[model])])
    return step_tables(args, models, threads, rows, shares, all_ways)


def step_tables(args, models, threads, rows, shares, all_ways):
    """The tables of the step."""
    note = (f"Training images per second: medians, with the lowest and the highest of {args.rounds} rounds. vaex: the "
            f"median over a trial's epochs except the first, each of {TRAINED:,} images in whole batches, drawn anew, "
            f"with metrics. PyTorch: the median step in {args.seconds:g} s on the same batch of noise again and again; "
            "float32 is the fastest of its ways with it, bf16 the fastest with bfloat16 autocast. Ratios are vaex by "
            "PyTorch.")
    if len(threads) == 1:
        note += " Two threads were left out, as there was one core."
    heads = ["model", "batch", "threads", "vaex", "PyTorch, float32", "ratio", "PyTorch, bf16", "ratio"]
    tables = [table("Step", note, heads, rows)]
    product = "the crate gemm" if args.speed else "torch.matmul"
    note = (f"The peak is what {product} reaches in the same rounds on one core with float32 matrices of 512 x 512, in "
            "GFLOP/s; the shares are of that times the threads. Operations are counted by the definition, "
            + " and ".join(f"{OPERATIONS[model] / 1e6:.1f} MFLOP an image of {model}" for model in models)
            + ": Winograd's filtering takes fewer, and bf16 has another peak, so both can pass 100 %.")
    tables.append(table("Share of the peak", note, [*heads[:3], "peak of a core", "vaex", "PyTorch, float32",
                                                    "PyTorch, bf16"], shares))
    for model in models:
        tables.append(table(f"PyTorch's ways, {model}", "Images per second of the same rounds.",
                            ["batch", "threads", *WAYS[model]], all_ways[model]))
    return "\n\n".join(tables)


def sweep(machine, args):
    """Wall time of eight trials."""
    cores = len(args.cores)
    ways = {"vaex": [], f"vaex --jobs 1 --threads {cores}": ["--jobs", 1, "--threads", cores],
            f"vaex --jobs {cores} --threads 1": ["--jobs", cores, "--threads", 1]}
    # The peer drops the images that do not fill a batch: it trains on 1,792 of 1,800, and measures the first 180.
    trained, held = TRAINED, 180
    figures = {name: [] for name in ways}
    peers = {way: ([], []) for way in SWEEP_WAYS}
    for turn in range(args.rounds):
        for way, (whole, inside) in peers.items():
            output, seconds, _ = machine.peer(
                "sweep", "--model", "conv", "--images", EMBEDDED, "--limit", 1800, "--batch", 128, "--epochs", 2,
                "--kl-weights", ",".join(map(str, KL_WEIGHTS)), "--threads", cores, "--way", way)
            whole.append(seconds)
            inside.append(found(r"trials=8 ([\d.]+) s", output))
            tell(f"sweep, round {turn + 1}: PyTorch, {way}, {seconds:.1f} s, {inside[-1]:.1f} s without its start")
            # Each sweep compiles what it needs, as a sweep that is run once does.
            shutil.rmtree(machine.folder / "compiled", ignore_errors=True)
        for name, options in ways.items():
            command, _ = machine.spec(
                f'\n[sweep.grid]\n"objective.kl_weight" = {KL_WEIGHTS}\n', data__limit=trained + held,
                data__validation=held, model__family="conv", train__batch_size=128, train__epochs=2)
            seconds = machine.call([*command, *options])[1]
            figures[name].append(seconds)
            tell(f"sweep, round {turn + 1}: {name} {seconds:.1f} s")
    rows = []
    for way, (whole, inside) in peers.items():
        rows += [[f"PyTorch, {way}, whole command", f"{median(whole):.1f}", "", ""],
                 [f"PyTorch, {way}, without its start", f"{median(inside):.1f}", "", ""]]
    best = min(peers, key=lambda way: median(peers[way][0]))
    for name, seconds in figures.items():
        against = [ratios([peer / mine for peer, mine in zip(side, seconds)]) for side in peers[best]]
        rows.append([f"`{name}`", f"{median(seconds):.1f}", *against])
    note = (f"Wall seconds for eight convolutional trials (eight KL weights, 2 epochs, batch 128) on {cores} "
            f"core{'s' * (cores > 1)}, measured from outside. Both take 14 steps an epoch and then measure 180 images, "
            "vaex with all its metrics, PyTorch by a forward pass over images that it also trains on. PyTorch trains "
            f"one after the other in one process with --threads {cores}, compiles once where it compiles, and keeps "
            "nothing; vaex has a process for "
            "each trial and writes tables, TensorBoard, pictures, checkpoints and weights, and the report. Ratios are "
            f"the faster of PyTorch's two ways, {best}, by vaex.")
    return table("Sweep", note, ["", "seconds", "ratio to the whole command", "ratio without PyTorch's start"], rows)


def memory(machine, args):
    """Largest resident memory of convolutional training, measured once."""
    images, threads = args.images or EMBEDDED, len(args.cores)
    if not Path("/proc/self/status").exists():
        stop("memory is measured on Linux alone")
    # Whatever more than all is all.
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
            f"on {f'the first {args.limit:,}' if args.limit else 'all'} images of {images.name}; vaex holds the last "
            "tenth out. A trial's is from its trial.json; `vaex run` waits beside it. PyTorch's is what the system "
            "tells at its end; it runs eager, and holds the images as bytes and as floats. Measured once. Ratios are "
            "PyTorch by vaex's sum.")
    return table("Memory", note, ["", "training process", "`vaex run` beside it", "ratio"], rows)


def until(machine, command, reached):
    """Seconds from the start of a program to the line of its output that is waited for; it is then ended."""
    begin = time.perf_counter()
    process = machine.start(command)
    for line in process.stdout:
        if reached(line):
            seconds = time.perf_counter() - begin
            process.terminate()
            process.communicate()
            return seconds
    return machine.failed(process, "it did not tell of its first step")


def start(machine, args):
    """How long it takes until something happens."""
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
    rows.append(["`vaex run`, whole, of an mlp trial of one step", f"{median(whole):.3f}", "", ""])
    rows.append(["`vaex plan` of 10,000 trials", f"{median(plan):.3f}", "", ""])
    note = ("Wall seconds with 1 thread. The first step is from the start of the program to the event with which `vaex "
            "run --json` tells that step 1 is done, all data read, checked and hashed. PyTorch's is to the end of its "
            "fourth step, the first that it tells of, eager, with noise for images. Ratios are PyTorch by vaex.")
    return table("Start", note, ["", "vaex", "PyTorch, fourth step", "ratio"], rows)


def setting(machine):
    """Checks that both programs run; what they are, and where."""
    asked = [machine.python, "-c", "import numpy, platform, torch; print(torch.__version__, platform.python_version())"]
    try:
        torch, python = machine.call(asked)[0].split()
    except SystemExit as error:
        stop(f"no PyTorch to compare with: name a Python that has torch and numpy with --python\n{error}")
    version = machine.call([machine.vaex, "--version"])[0].strip()
    return f"{version}, PyTorch {torch}, Python {python}; {place(machine)}"


def place(machine):
    """The processor and the cores."""
    numbers = ", ".join(map(str, sorted(machine.cores))) + ("" if PINNED else " (not pinned)")
    return f"{processor()}; cores {numbers}"


def processor():
    """The processor's name and what tells apart those of one name, and its widest vectors."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    fields = dict(re.findall(r"^(.+?)\s*: (.*)$", text, re.MULTILINE))
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    flags = fields.get("flags", "").split()
    vectors = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in flags), "no AVX2")
    return f"{fields['model name']} (family {fields.get('cpu family')}, model {fields.get('model')}; {vectors})"


def arguments():
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vaex", type=Path, default=ROOT / "target" / "release" / "vaex", help="the program")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch and numpy")
    parser.add_argument("--speed", type=Path, help="the program of benches/speed.rs (`cargo bench --no-run` names it), "
                        "for the peak of the crate gemm; without it the peak is torch.matmul's")
    parser.add_argument("--model", choices=WAYS, help="of the step: this model alone")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each case (%(default)s)")
    parser.add_argument("--cores", help="cores to run on, as in 0,1; by default the first two that there are")
    parser.add_argument("--only", choices=PARTS, help="measure this alone")
    parser.add_argument("--seconds", type=float, default=4, help="of the peer's step (%(default)s)")
    parser.add_argument("--images", type=Path, help="IDX file for memory, plain or .gz; by default the embedded images")
    parser.add_argument("--limit", type=int, help="only the first images for memory")
    args = parser.parse_args()
    if not args.vaex.is_file():
        parser.error(f"there is no {args.vaex}; build it with `cargo build --release`, or name it with --vaex")
    for file in (args.images, args.speed):
        if file and not file.is_file():
            parser.error(f"there is no {file}")
    if args.rounds < 1 or args.seconds <= 0 or (args.limit is not None and args.limit < 1):
        parser.error("rounds, seconds and images are above 0")
    # vaex takes paths in a spec from the spec's folder.
    args.vaex, args.images = args.vaex.resolve(), args.images and args.images.resolve()
    args.speed = args.speed and args.speed.resolve()
    args.cores = cores(parser, args.cores)
    return args


def cores(parser, text):
    """The cores that `--cores` names, or the first two."""
    allowed = os.sched_getaffinity(0) if PINNED else range(os.cpu_count() or 1)
    try:
        chosen = set(map(int, text.split(","))) if text else set(sorted(allowed)[:2])
        if PINNED:
            os.sched_setaffinity(0, chosen)
            os.sched_setaffinity(0, allowed)
    except (OSError, ValueError, OverflowError) as error:
        parser.error(f"--cores {text}: {error}")
    return chosen


PARTS = {"step": step, "sweep": sweep, "memory": memory, "start": start}


def main():
    """Measures what was asked for, and prints it."""
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="vaex-compare-") as folder:
        machine = Machine(args.vaex, args.python, args.cores, Path(folder))
        about = setting(machine)
        parts = [PARTS[name](machine, args) for name in ([args.only] if args.only else PARTS)]
    print("\n\n".join([f"{about}; rounds: {args.rounds}. Medians; ratios with the lowest and the highest of the "
                       "rounds, above 1 in favour of vaex.", *parts]))


if __name__ == "__main__":
    main()
