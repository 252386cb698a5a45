"""Checks that onnxruntime computes with exported networks what vaex does.

    python onnx_check.py VAEX TRIAL_DIR...

Needs numpy, onnx, onnxruntime, pyarrow and safetensors. Each trial is exported with the program VAEX. Its reconstructions
(images/reconstructions.safetensors: `input` and `reconstruction`, in the data's range) are compared with decoder.onnx of
the mean of encoder.onnx, and the posteriors that `vaex embed` writes with those of encoder.onnx, in batches of several
sizes. Exit status 0 if all agree to 1e-4, else 1.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
from safetensors.numpy import load_file

LIMIT = 1e-4


def outputs(session, x, sizes):
    """All outputs of x, given in batches of these sizes in turn; constants are given once."""
    found, at, turn = {}, 0, 0
    (name,) = [one.name for one in session.get_inputs()]
    while at < len(x):
        batch = x[at : at + sizes[turn % len(sizes)]]
        for output, values in zip(session.get_outputs(), session.run(None, {name: batch})):
            found.setdefault(output.name, []).append(values)
        at, turn = at + len(batch), turn + 1
    return {name: values[0] if name == "log_var" and values[0].ndim == 1 else np.concatenate(values)
            for name, values in found.items()}


def check(vaex, trial, folder):
    subprocess.run([vaex, "export", trial, "--format", "onnx", "-o", folder], check=True, stdout=subprocess.DEVNULL)
    embeddings = Path(folder) / "embeddings.parquet"
    subprocess.run([vaex, "embed", trial, "-o", embeddings], check=True, stdout=subprocess.DEVNULL)
    paths = {name: Path(folder) / f"{name}.onnx" for name in ("encoder", "decoder")}
    sessions = {}
    for name, path in paths.items():
        onnx.checker.check_model(str(path), full_check=True)
        sessions[name] = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    stored = load_file(Path(trial) / "images" / "reconstructions.safetensors")
    posterior = outputs(sessions["encoder"], stored["input"], [1, 7])
    pixels = outputs(sessions["decoder"], posterior["mean"], [3, 1, 16])
    spec = json.loads((Path(trial) / "trial.json").read_text())["spec"]
    bernoulli = spec["model.likelihood"] == "bernoulli"
    differences = {"reconstruction": np.abs(pixels["probabilities" if bernoulli else "mean"] - stored["reconstruction"]).max()}
    if bernoulli:
        differences["logits"] = np.abs(1 / (1 + np.exp(-pixels["logits"])) - stored["reconstruction"]).max()
    table = pq.read_table(embeddings).slice(0, len(stored["input"]))
    latent = spec["model.latent_dim"]
    column = lambda name: np.stack([table[f"{name}_{axis}"].to_numpy() for axis in range(latent)], 1)
    differences["mean"] = np.abs(posterior["mean"] - column("mean")).max()
    if spec["model.posterior"] == "gaussian":
        how = {p.key: p.value for p in onnx.load(str(paths["encoder"])).metadata_props}["deviation"]
        deviation = {"exp(log_var / 2)": np.exp(posterior["log_var"] / 2), "exp(log_var)": np.exp(posterior["log_var"])}[how]
        differences["deviation"] = np.abs(deviation - column("deviation")).max()
    worst = max(differences.values())
    varied = ", ".join(f"{key}={spec[key]}" for key in ("model.family", "model.likelihood", "model.posterior"))
    print(f"{Path(trial).name} ({varied}): largest difference {worst:.1e} (limit {LIMIT:.0e})")
    if not worst <= LIMIT:
        print(f"onnx_check: {trial}: {differences}", file=sys.stderr)
        return False
    return True


def main():
    vaex, *trials = sys.argv[1:]
    good = True
    for trial in trials:
        with tempfile.TemporaryDirectory() as folder:
            good = check(vaex, trial, folder) and good
    return 0 if good and trials else 1


if __name__ == "__main__":
    sys.exit(main())
