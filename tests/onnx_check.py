"""Checks that exported networks give the same results in onnxruntime as in vaex.

    python onnx_check.py VAEX TRIAL_DIR...

Needs numpy, onnx, onnxruntime, pyarrow and safetensors. The program VAEX exports each trial. The check compares, in batches
of several sizes,
- the reconstructions of vaex (images/reconstructions.safetensors: `input` and `reconstruction`, in the data's range) with
  the output of decoder.onnx for the mean of encoder.onnx;
- the posteriors that `vaex embed` writes with those of encoder.onnx;
- `log_var` or `log_scale` of the decoder, if all images have the same, with model.safetensors or the spec;
- `mean` of a continuous Bernoulli and of a discretized logistic likelihood with its definition, also for large outputs.
Then it changes each array of the weights in turn: it reverses the array, and adds 0.1 to an array with one axis (other axes
may have the size 1), because the numbers of such an array may all be equal. The comparison must detect each change. Exit status 0 if all values agree to
1e-4 (relative for values above 1) and every change is detected, else 1.
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
from onnx import numpy_helper
from safetensors.numpy import load_file

LIMIT = 1e-4
# Outputs of the decoder that are the same for all images, unless the decoder computes them.
SCALES = {"log_var": "model.variance", "log_scale": "model.scale"}


def outputs(session, x, sizes):
    """All outputs for x, computed in batches of these sizes in turn. A constant output is returned once."""
    found, at, turn = {}, 0, 0
    (name,) = [one.name for one in session.get_inputs()]
    while at < len(x):
        batch = x[at : at + sizes[turn % len(sizes)]]
        for output, values in zip(session.get_outputs(), session.run(None, {name: batch})):
            found.setdefault(output.name, []).append(values)
        at, turn = at + len(batch), turn + 1
    return {name: values[0] if name in SCALES and values[0].ndim == 1 else np.concatenate(values)
            for name, values in found.items()}


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def reference(trial, embeddings, spec):
    """The input images, and the arrays that vaex computed, by name."""
    stored = load_file(Path(trial) / "images" / "reconstructions.safetensors")
    table = pq.read_table(embeddings).slice(0, len(stored["input"]))
    column = lambda name: np.stack([table[f"{name}_{axis}"].to_numpy() for axis in range(spec["model.latent_dim"])], 1)
    known = {"reconstruction": stored["reconstruction"], "mean": column("mean")}
    if spec["model.posterior"] == "gaussian":
        known["deviation"] = column("deviation")
    if spec["model.likelihood"] == "bernoulli":
        known["logits"] = stored["reconstruction"]
    for name, key in SCALES.items():
        if spec.get(key) not in (None, "decoder", "optimal_per_image"):
            learned = load_file(Path(trial) / "model.safetensors").get(f"likelihood.{name}")
            known[name] = np.log([spec[key]]) if learned is None else learned
    return stored["input"], known


def computed(encoder, decoder, x, deviation):
    """The arrays that the networks compute, by the same names."""
    posterior = outputs(encoder, x, [1, 7])
    pixels = outputs(decoder, posterior["mean"], [3, 1, 16])
    found = {"reconstruction": pixels.get("probabilities", pixels.get("mean")), "mean": posterior["mean"]}
    if "log_var" in posterior:
        found["deviation"] = np.exp(posterior["log_var"] * {"exp(log_var / 2)": 0.5, "exp(log_var)": 1}[deviation])
    if "probabilities" in pixels:
        found["logits"] = 1 / (1 + np.exp(-pixels["logits"]))
    found.update({name: pixels[name] for name in SCALES if name in pixels and pixels[name].ndim == 1})
    return found


def formula(decoder, latent):
    """The largest difference of the mean of a continuous Bernoulli likelihood from its definition, with codes of many sizes."""
    stream = np.random.default_rng(0)
    codes = stream.normal(size=(200, latent)) * 10.0 ** stream.uniform(-3, 6, size=(200, 1))
    logits, mean = decoder.run(["logits", "mean"], {"z": codes.astype(np.float32)})
    a = logits.astype(np.float64)
    near = np.abs(a) < 0.01
    safe = np.where(near, 1, np.clip(a, -700, 700))
    defined = np.where(near, 0.5 + a / 12 - a**3 / 720, -1 / np.expm1(-safe) - 1 / np.where(near, 1, a))
    assert np.abs(a).max() > 20 and near.any()
    return np.abs(mean - defined).max()


def cut_mean(decoder, latent, range_of_data):
    """The largest difference of the mean of a discretized logistic likelihood from its definition, an integral, with codes of
    many sizes."""
    stream = np.random.default_rng(0)
    codes = stream.normal(size=(50, latent)) * 10.0 ** stream.uniform(-3, 2, size=(50, 1))
    names = ["location", "log_scale", "mean"]
    location, log_scale, mean = (a.astype(np.float64) for a in decoder.run(names, {"z": codes.astype(np.float32)}))
    places = np.linspace(-1, 1, 4001)
    location, log_scale = location[:, ::37], np.broadcast_to(log_scale, location.shape)[:, ::37]
    above = 0.5 * (1 + np.tanh(0.5 * (location[..., None] - places) / np.exp(log_scale)[..., None]))
    low, high = range_of_data
    return np.abs(mean[:, ::37] - low - (high - low) * np.trapezoid(above, places) / 2).max()


def differences(found, known):
    shapes = lambda arrays: {name: values.shape for name, values in arrays.items()}
    if shapes(found) != shapes(known):
        return {"shapes": np.inf}
    # Standard deviations are exponentials: values above 1 are compared relative to their size.
    size = {name: np.maximum(1, np.abs(values)) for name, values in known.items()}
    return {name: float((np.abs(values - known[name]) / size[name]).max()) for name, values in found.items()}


def changes(model):
    """The model with each of its arrays changed in turn."""
    for index, constant in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(constant)
        if array.dtype == np.float32 and array.ndim > 0:  # a number is part of a formula
            changed = onnx.ModelProto()
            changed.CopyFrom(model)
            wrong = array.ravel()[::-1].reshape(array.shape) + np.float32(0.1 if max(array.shape) == array.size else 0)
            changed.graph.initializer[index].CopyFrom(numpy_helper.from_array(wrong, constant.name))
            yield constant.name, changed


def check(vaex, trial, folder):
    subprocess.run([vaex, "export", trial, "--format", "onnx", "-o", folder], check=True, stdout=subprocess.DEVNULL)
    embeddings = Path(folder) / "embeddings.parquet"
    subprocess.run([vaex, "embed", trial, "-o", embeddings], check=True, stdout=subprocess.DEVNULL)
    models = {name: onnx.load(Path(folder) / f"{name}.onnx") for name in ("encoder", "decoder")}
    for model in models.values():
        onnx.checker.check_model(model, full_check=True)
    spec = json.loads((Path(trial) / "trial.json").read_text())["spec"]
    x, known = reference(trial, embeddings, spec)
    deviation = {p.key: p.value for p in models["encoder"].metadata_props}["deviation"]
    encoder, decoder = session(models["encoder"]), session(models["decoder"])
    found = differences(computed(encoder, decoder, x, deviation), known)
    if spec["model.likelihood"] == "continuous_bernoulli":
        found["formula"] = formula(decoder, spec["model.latent_dim"])
    # The scale of each channel is not an array of the same axes.
    if spec["model.likelihood"] == "discretized_logistic" and spec["model.scale"] != "per_channel":
        found["formula"] = cut_mean(decoder, spec["model.latent_dim"], spec["data.range"])
    worst = max(found.values())
    keys = ("model.family", "model.preset", "model.likelihood", "model.posterior")
    varied = ", ".join(f"{key}={spec[key]}" for key in keys if key in spec)
    print(f"{Path(trial).name} ({varied}): largest difference {worst:.1e} (limit {LIMIT:.0e})")
    if not worst <= LIMIT:
        print(f"onnx_check: {trial}: {found}", file=sys.stderr)
        return False
    unnoticed = []
    sessions = {"encoder": encoder, "decoder": decoder}
    for network in sessions:
        for array, changed in changes(models[network]):
            wrong = {**sessions, network: session(changed)}
            found = computed(wrong["encoder"], wrong["decoder"], x, deviation)
            if max(differences(found, known).values()) <= LIMIT:
                unnoticed.append(array)
    if unnoticed:
        print(f"onnx_check: {trial}: changes of {', '.join(unnoticed)} are not detected", file=sys.stderr)
    return not unnoticed


def main():
    vaex, *trials = sys.argv[1:]
    good = True
    for trial in trials:
        with tempfile.TemporaryDirectory() as folder:
            good = check(vaex, trial, folder) and good
    return 0 if good and trials else 1


if __name__ == "__main__":
    sys.exit(main())
