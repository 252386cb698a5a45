"""Checks that TensorBoard shows everything that the trials in a runs folder have logged.

    python tensorboard_check.py RUNS_DIR [--wait SECONDS]

Needs numpy, pyarrow, pillow and tensorboard. It starts TensorBoard on RUNS_DIR and a free port, sends HTTP requests as
a browser would, and stops TensorBoard again. Every folder with a trial.json is a trial. A trial whose status is not
`done` may have logged less, so its content is not checked. Exit status 0 if everything is shown, else 1 with one line
per error.
"""

import argparse
import io
import json
import math
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

# The tags of all scalars in TensorBoard's order: validation metrics first. Each tag is a column of metrics.parquet for one
# split. The schedule is the same for both splits.
RESULTS = ["active_units", "elbo_nats", "kl_nats", "loss", "recon_nats"]
SCALARS = {
    **{f"1_validation/{column}": ("validation", column) for column in RESULTS},
    **{f"2_train/{column}": ("train", column) for column in sorted([*RESULTS, "grad_norm"])},
    **{f"images_per_second/{split}": (split, "images_per_second") for split in ("train", "validation")},
    **{f"schedule/{column}": ("train", column) for column in ("effective_beta", "kl_weight", "learning_rate")},
}
METRICS = ["1_validation/loss", "1_validation/elbo_nats"]
# The number of metrics that TensorBoard's HParams table shows by default.
SHOWN = 5
RELATIVE = 1e-6
# TensorBoard reads all run names first and their content later. The checks are repeated until they pass, or until
# nothing has changed for this many seconds.
SETTLED = 8.0


class Trial:
    def __init__(self, runs, folder):
        self.folder = folder
        self.run = folder.relative_to(runs).as_posix()
        self.record = json.loads((folder / "trial.json").read_text())
        self.spec = self.record["spec"]
        self.done = self.record["status"] == "done"
        self.gaussian = self.spec.get("model.posterior", "gaussian") == "gaussian"
        self.varied = self.record.get("varied", [])
        self.metrics = pq.read_table(folder / "metrics.parquet").to_pylist() if self.done else []

    def images(self):
        manifold = self.gaussian and self.spec.get("model.latent_dim") == 2
        return ["reconstructions", *(["samples"] if self.gaussian else []), *(["manifold"] if manifold else [])]

    def value(self, split, column, step):
        return self.series(split, column).get(step)

    def series(self, split, column):
        """Step -> value, without the rows that have no value."""
        rows = [row for row in self.metrics if row["split"] == split and row.get(column) is not None]
        return {row["step"]: float(row[column]) for row in rows}


class TensorBoard:
    """A TensorBoard process, and requests to it."""

    def __init__(self, runs, wait):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.output = tempfile.TemporaryFile()
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--host", "127.0.0.1",
                   "--port", str(port), "--load_fast=false", "--reload_interval", "2",
                   "--samples_per_plugin", "scalars=1000000,images=1000,histograms=100000,text=100"]
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT)
        try:
            self.await_answer(time.monotonic() + wait)
        except BaseException:
            print(self.stop(), file=sys.stderr)
            raise

    def await_answer(self, deadline):
        while True:
            try:
                self.get("data/environment")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("tensorboard_check: TensorBoard does not answer; its output is above")
                time.sleep(0.2)

    def stop(self):
        """Stops the process and returns its output."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def raw(self, route, body=None, **query):
        address = f"{self.address}/{route}" + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"} if data else {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def get(self, route, body=None, **query):
        return json.loads(self.raw(route, body, **query))


def same(a, b):
    a, b = float(a), float(b)
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return abs(a - b) <= RELATIVE * max(abs(a), abs(b))


class Check:
    """Runs all checks once. Problems are collected, not raised."""

    def __init__(self, board, trials):
        self.board, self.trials, self.done = board, trials, [t for t in trials if t.done]
        self.problems, self.counts = [], {}

    def wrong(self, message):
        self.problems.append(message)

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by

    def ask(self, what, route, body=None, **query):
        """The answer. If there is none, records a problem and returns None."""
        try:
            return self.board.get(route, body, **query)
        except (urllib.error.HTTPError, ValueError) as error:
            text = error.read()[:200].decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
            self.wrong(f"{what}: /{route} answers {error} {text}".rstrip())

    def all(self):
        self.runs()
        self.scalars()
        self.images()
        self.histograms()
        self.projector()
        self.custom_scalars()
        self.texts()
        self.hparams()
        return self.problems

    def runs(self):
        runs = set(self.ask("runs", "data/runs") or [])
        for trial in self.done:
            if trial.run not in runs:
                self.wrong(f"runs: `{trial.run}` is missing")
        for run in sorted(runs - {t.run for t in self.trials}):
            self.wrong(f"runs: `{run}` is listed, but is not a trial folder")
        self.count("runs listed", len(runs))

    def scalars(self):
        tags = self.ask("scalars", "data/plugin/scalars/tags") or {}
        for trial in self.done:
            found = tags.get(trial.run, {})
            for tag in SCALARS:
                if tag in found:
                    self.scalar(trial, tag, *SCALARS[tag])
                else:
                    self.wrong(f"{trial.run}: scalar `{tag}` is missing")
            for tag in sorted(set(found) - set(SCALARS)):
                # Further metrics have a group of their own.
                column, _, split = tag.rpartition("/")
                if trial.series(split, column):
                    self.scalar(trial, tag, split, column)
                else:
                    self.wrong(f"{trial.run}: scalar `{tag}` has no column in metrics.parquet, so it is not compared")

    def scalar(self, trial, tag, split, column):
        events = self.ask(trial.run, "data/plugin/scalars/scalars", run=trial.run, tag=tag) or []
        expected = trial.series(split, column)
        steps = [step for _, step, _ in events]
        if steps != sorted(expected):
            self.wrong(f"{trial.run}: scalar `{tag}` has steps {brief(steps)}, metrics.parquet {brief(sorted(expected))}")
            return
        for _, step, value in events:
            self.count("scalar values compared")
            if not same(value, expected[step]):
                self.wrong(f"{trial.run}: scalar `{tag}` at step {step} is {value}, metrics.parquet has {expected[step]}")
        self.count("scalar series")

    def images(self):
        tags = self.ask("images", "data/plugin/images/tags") or {}
        for trial in self.done:
            found = tags.get(trial.run, {})
            for tag in trial.images():
                if tag not in found:
                    self.wrong(f"{trial.run}: image `{tag}` is missing")
                else:
                    self.image(trial, tag)

    def image(self, trial, tag):
        events = self.ask(trial.run, "data/plugin/images/images", run=trial.run, tag=tag, sample=0)
        if not events:
            self.wrong(f"{trial.run}: image `{tag}` has no events")
            return
        last = max(events, key=lambda event: event["step"])
        steps = [row["step"] for row in trial.metrics]
        if steps and last["step"] != max(steps):
            self.wrong(f"{trial.run}: image `{tag}` has step {last['step']}, the last step is {max(steps)}")
        path = trial.folder / "images" / f"{tag}.png"
        if not path.is_file():
            self.wrong(f"{trial.run}: {path} is missing")
            return
        try:
            data = self.board.raw("data/plugin/images/individualImage?" + last["query"])
            shown, stored = Image.open(io.BytesIO(data)), Image.open(path)
            if shown.format != "PNG":
                self.wrong(f"{trial.run}: image `{tag}` is {shown.format}, expected PNG")
            ours, theirs = (np.asarray(picture.convert("RGBA")) for picture in (shown, stored))
        except OSError as error:
            self.wrong(f"{trial.run}: image `{tag}` cannot be fetched or decoded: {error}")
            return
        if ours.shape != theirs.shape or not np.array_equal(ours, theirs):
            self.wrong(f"{trial.run}: image `{tag}` ({shown.size}) has different pixels from {path} ({stored.size})")
        self.count("images compared")

    def histograms(self):
        tag = "kl_axis_nats/validation"
        tags = self.ask("histograms", "data/plugin/histograms/tags") or {}
        for trial in self.done:
            if not trial.gaussian:
                continue
            if tag not in tags.get(trial.run, {}):
                self.wrong(f"{trial.run}: histogram `{tag}` is missing")
                continue
            events = self.ask(trial.run, "data/plugin/histograms/histograms", run=trial.run, tag=tag) or []
            if not events:
                self.wrong(f"{trial.run}: histogram `{tag}` has no events")
            for _, step, buckets in events:
                held, kl = sum(count for _, _, count in buckets), trial.value("validation", "kl_nats", step)
                if kl is None or not math.isclose(held, kl, rel_tol=1e-5, abs_tol=1e-7):
                    self.wrong(f"{trial.run}: histogram `{tag}` at step {step} sums to {held}, kl_nats is {kl}")
            self.count("histograms", len(events))
        for trial in self.done:
            wanted = ["posterior/mean", *(["posterior/deviation"] if trial.gaussian else [])]
            for tag in wanted:
                events = self.ask(trial.run, "data/plugin/histograms/histograms", run=trial.run, tag=tag) or []
                counts = {round(sum(count for _, _, count in buckets)) for _, _, buckets in events}
                if len(counts) != 1:
                    self.wrong(f"{trial.run}: histogram `{tag}` counts {sorted(counts)} numbers, expected the same count at every step")
                self.count("histograms", len(events))

    def projector(self):
        runs = self.ask("projector", "data/plugin/projector/runs") or []
        for trial in self.done:
            if trial.run not in runs:
                self.wrong(f"{trial.run}: the projector does not list it")
                continue
            query = {"run": trial.run, "name": "posterior mean"}
            numbers = np.frombuffer(self.board.raw("data/plugin/projector/tensor", **query), dtype=np.float32)
            codes = np.loadtxt(trial.folder / "embedding" / "codes.tsv", ndmin=2, dtype=np.float32)
            if numbers.size != codes.size or not np.array_equal(numbers, codes.ravel()):
                self.wrong(f"{trial.run}: the projector has different numbers from codes.tsv")
            labels = self.board.raw("data/plugin/projector/metadata", **query).decode().splitlines()
            if len(labels) != len(codes):
                self.wrong(f"{trial.run}: the projector has {len(labels)} labels for {len(codes)} points")
            sprite = Image.open(io.BytesIO(self.board.raw("data/plugin/projector/sprite_image", **query)))
            if sprite.width * sprite.height < trial.record["height"] * trial.record["width"] * len(codes):
                self.wrong(f"{trial.run}: the projector's sprite {sprite.size} is too small for {len(codes)} images")
            if sprite.mode != {1: "L", 3: "RGB"}[trial.record["channels"]]:
                self.wrong(f"{trial.run}: the projector's sprite has the colors {sprite.mode}")
            self.count("projector points", len(codes))

    def custom_scalars(self):
        layout = self.ask("custom scalars", "data/plugin/custom_scalars/layout") or {}
        charts = {chart["title"]: chart for category in layout.get("category", []) for chart in category.get("chart", [])}
        tags = charts.get("Reconstruction and KL", {}).get("multiline", {}).get("tag", [])
        known = [f"{group}/{name}" for group in ("1_validation", "2_train") for name in ("recon_nats", "kl_nats")]
        if [tag for tag in known if any(re.fullmatch(pattern, tag) for pattern in tags)] != known:
            self.wrong(f"custom scalars: no chart of reconstruction and KL; found {sorted(charts)}")

    def texts(self):
        tags = self.ask("text", "data/plugin/text/tags") or {}
        for trial in self.done:
            if "spec" not in tags.get(trial.run, []):
                self.wrong(f"{trial.run}: text `spec` is missing")
                continue
            events = self.ask(trial.run, "data/plugin/text/text", run=trial.run, tag="spec", markdown="false") or []
            if not any("model" in event["text"] for event in events):
                self.wrong(f"{trial.run}: text `spec` does not contain the spec")
            self.count("texts", len(events))
            events = self.ask(trial.run, "data/plugin/text/text", run=trial.run, tag="summary", markdown="false") or []
            if not any("| validation |" in event["text"] for event in events):
                self.wrong(f"{trial.run}: text `summary` does not contain the metrics")

    def hparams(self):
        if not self.done:
            return
        experiment = self.ask("hparams", "data/plugin/hparams/experiment", body={}) or {}
        names = {info["name"] for info in experiment.get("hparamInfos", [])}
        metrics = {info["name"]["tag"] for info in experiment.get("metricInfos", []) if not info["name"].get("group")}
        for key in sorted({key for trial in self.done for key in trial.varied} - names - {"seed"}):
            self.wrong(f"hparams: `{key}` varies, but is not a hyperparameter; found {sorted(names)}")
        for metric in METRICS:
            if metric not in metrics:
                self.wrong(f"hparams: `{metric}` is not a metric")
        order = [info["name"]["tag"] for info in experiment.get("metricInfos", [])]
        if order[:SHOWN] != list(SCALARS)[:SHOWN]:
            self.wrong(f"hparams: the table shows the metrics {order[:SHOWN]}, expected {list(SCALARS)[:SHOWN]}")
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        body = {"startIndex": 0, "sliceSize": 1_000_000, "allowedStatuses": statuses, "colParams": []}
        groups = (self.ask("hparams", "data/plugin/hparams/session_groups", body=body) or {}).get("sessionGroups", [])
        sessions = {session["name"]: (session, group) for group in groups for session in group.get("sessions", [])}
        for name in sorted(set(sessions) - {trial.run for trial in self.trials}):
            self.wrong(f"hparams: session `{name}` is not a trial folder")
        for trial in self.done:
            if trial.run not in sessions:
                self.wrong(f"{trial.run}: no hparams session")
                continue
            self.session(trial, *sessions[trial.run])
        self.count("hparams sessions", len(sessions))

    def session(self, trial, session, group):
        if session.get("status") != "STATUS_SUCCESS":
            self.wrong(f"{trial.run}: hparams session has {session.get('status')}, expected STATUS_SUCCESS")
        members, same_setting = {one["name"] for one in group["sessions"]}, {
            other.run for other in self.trials if setting(other) == setting(trial)}
        if not members <= same_setting or not {t.run for t in self.done} & same_setting <= members:
            self.wrong(f"{trial.run}: its hparams group `{group['name']}` has {sorted(members)}, its setting has {sorted(same_setting)}")
        values = {m["name"]["tag"]: m for m in session.get("metricValues", []) if not m["name"].get("group")}
        for metric in METRICS:
            series = trial.series(*SCALARS[metric])
            if metric not in values:
                self.wrong(f"{trial.run}: hparams session has no metric `{metric}`")
            elif series and not same(values[metric].get("value", 0.0), series[max(series)]):
                self.wrong(f"{trial.run}: hparams metric `{metric}` is {values[metric].get('value')}, the last value is {series[max(series)]}")
        for key in trial.varied:
            if key == "seed":  # the trials of a group differ in their seed
                continue
            expected, given = trial.spec.get(key), group.get("hparams", {}).get(key)
            if (given is None) != (expected is None):
                self.wrong(f"{trial.run}: hparams session has {given!r} for `{key}`, the trial has {expected!r}")
            elif given is None:
                continue
            self.count("hyperparameters compared")
            number = isinstance(expected, (int, float)) and not isinstance(expected, bool)
            if number and (isinstance(given, (str, bool)) or not same(given, expected)):
                self.wrong(f"{trial.run}: hparams `{key}` is {given!r}, the trial has {expected!r}")
            if isinstance(expected, (str, bool)) and given != expected:
                self.wrong(f"{trial.run}: hparams `{key}` is {given!r}, the trial has {expected!r}")
            if isinstance(expected, list) and [str(n) for n in expected] != [
                    part for part in re.split(r"[\s,\[\]()\"']+", str(given)) if part]:
                self.wrong(f"{trial.run}: hparams `{key}` is {given!r}, the trial has {expected!r}")


def setting(trial):
    """The spec without its seed, and the data: equal for all trials of one hparams group."""
    return json.dumps({k: v for k, v in trial.spec.items() if k != "seed"}, sort_keys=True), trial.record["data_hash"]


def brief(steps):
    return str(steps) if len(steps) <= 8 else f"[{steps[0]}, {steps[1]}, ... {steps[-1]}] ({len(steps)})"


def main():
    parser = argparse.ArgumentParser(description="checks what TensorBoard shows of vaex's trials")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--wait", type=float, default=120, help="seconds for starting and loading (default 120)")
    options = parser.parse_args()
    runs = options.runs.resolve()
    trials = [Trial(runs, path.parent) for path in sorted(runs.rglob("trial.json"))]
    if not any(trial.done for trial in trials):
        raise SystemExit(f"tensorboard_check: no trial in {runs} is done ({len(trials)} trials)")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also stops TensorBoard
    board = TensorBoard(runs, options.wait)
    try:
        deadline, before, since = time.monotonic() + options.wait, None, time.monotonic()
        while True:
            check = Check(board, trials)
            if not check.all():
                break
            now = time.monotonic()
            state = (check.problems, check.counts)
            if state != before:
                before, since = state, now
            if now - since > SETTLED or now > deadline:
                break
            time.sleep(1)
    finally:
        log = board.stop()

    print(f"{len(trials)} trials, {len(check.done)} done, {len(trials) - len(check.done)} skipped")
    for what, number in check.counts.items():
        print(f"{number:8} {what}")
    for problem in check.problems:
        print(f"WRONG {problem}")
    if check.problems:
        complaints = [line for line in log.splitlines() if re.match(r"[WE]\d{4} |Traceback", line)]
        if complaints:
            print("output of TensorBoard:", *complaints[:20], sep="\n    ")
        print(f"{len(check.problems)} problems")
        raise SystemExit(1)
    print("everything is shown")


if __name__ == "__main__":
    main()
