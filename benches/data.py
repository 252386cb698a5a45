"""Measures the preparation of pictures against torchvision, the second plan of a folder, and the memory of several trials.

    python benches/data.py VAEX FOLDER [ROUNDS]

FOLDER has a folder per class with JPEG pictures. Needs torch and torchvision. Both programs read all pictures, with all
cores that this program may use: torchvision with a process per core, which decode the pictures to tensors and stack them to batches of 512.
The rounds alternate. The page cache is warm.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def by_torchvision(folder: Path, workers: int) -> tuple[float, int]:
    """Seconds that torchvision takes for all pictures, and their number."""
    import torch
    from torchvision.io import decode_jpeg, read_file

    files = sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            return decode_jpeg(read_file(files[index]))

    start = time.perf_counter()
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=512, num_workers=workers)
    count = sum(len(batch) for batch in loader)
    return time.perf_counter() - start, count


def plan(vaex: str, spec: Path, cache: Path) -> float:
    """Seconds of `vaex plan`."""
    start = time.perf_counter()
    environment = os.environ | {"VAEX_CACHE": str(cache)}
    subprocess.run([vaex, "plan", str(spec)], check=True, env=environment, capture_output=True)
    return time.perf_counter() - start


def memory(vaex: str, spec: Path, cache: Path, jobs: int) -> None:
    """Prints the proportional set sizes of several trials that train at the same time."""
    environment = os.environ | {"VAEX_CACHE": str(cache)}
    sweep = spec.with_name("memory.toml")
    sweep.write_text(spec.read_text() + f"[sweep]\nseeds = {jobs}\n")
    run = [vaex, "run", str(sweep), "--jobs", str(jobs), "--threads", "1"]
    with tempfile.TemporaryDirectory() as runs, subprocess.Popen(
        run + ["--runs", runs], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(30)
        tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
        for child in " ".join(task.read_text() for task in tasks).split():
            parts = {"all": 0, "prepared images": 0}
            is_prepared = False
            for line in Path(f"/proc/{child}/smaps").read_text().splitlines():
                words = line.split()
                if "-" in words[0] and not words[0].endswith(":"):
                    is_prepared = line.endswith(".images")
                elif words[0] == "Pss:":
                    parts["all"] += int(words[1])
                    parts["prepared images"] += int(words[1]) * is_prepared
            print(f"trial {child}: " + ", ".join(f"{name} {kib / 1024:.0f} MiB" for name, kib in parts.items()))
        process.terminate()


def main() -> None:
    vaex, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    workers = len(os.sched_getaffinity(0))
    work = Path(tempfile.mkdtemp())
    spec = work / "data.toml"
    spec.write_text(
        f'[data]\nimages = {json.dumps(str(folder))}\nsplit = "random"\n[model]\nlatent_dim = 8\n[train]\nepochs = 100\n'
    )
    ratios = []
    for number in range(rounds):
        cache = work / f"cache-{number}"
        cache.mkdir(mode=0o700)
        own = plan(vaex, spec, cache)
        other, count = by_torchvision(folder, workers)
        ratios.append(other / own)
        print(f"{count} pictures: vaex {own:.2f} s, torchvision with {workers} processes {other:.2f} s, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f}")
    print("second plan: " + ", ".join(f"{plan(vaex, spec, cache):.2f} s" for _ in range(3)))
    memory(vaex, spec, cache, 4)


if __name__ == "__main__":
    main()
