"""Checks that the PyTorch example of a page loads a trial's weights and reconstructs the same images as vaex.

    python pytorch_check.py TRIAL_DIR PAGE.md

Needs numpy, torch and safetensors. The example is the python block of the page that defines load_vaex. The check runs
it unchanged, reconstructs `input` of TRIAL_DIR/images/reconstructions.safetensors, and compares the result with
`reconstruction` of that file: both are (Images, Values), in data units. Exit status 0 if they agree to 1e-4, else 1.
"""

import json
import re
import sys
from pathlib import Path

LIMIT = 1e-4


def fail(message):
    print(f"pytorch_check: {message}", file=sys.stderr)
    raise SystemExit(1)


def example(page):
    """The code of the block, after empty lines, so that error messages give the line numbers of the page."""
    text = page.read_text()
    blocks = [m for m in re.finditer(r"^```python[^\n]*\n(.*?)^```\s*$", text, re.S | re.M) if "def load_vaex" in m[1]]
    if len(blocks) != 1:
        fail(f"{page}: {len(blocks)} python blocks contain `def load_vaex`, expected one")
    return "\n" * text.count("\n", 0, blocks[0].start(1)) + blocks[0][1]


def main():
    if len(sys.argv) != 3:
        fail("usage: python pytorch_check.py TRIAL_DIR PAGE.md")
    trial, page = Path(sys.argv[1]), Path(sys.argv[2])
    model, pictures = trial / "model.safetensors", trial / "images" / "reconstructions.safetensors"
    for path in (page, model, pictures):
        if not path.is_file():
            fail(f"{path} is missing")
    code = example(page)

    import torch
    from safetensors.torch import load_file

    stored = load_file(pictures)
    for name in ("input", "reconstruction"):
        if name not in stored:
            fail(f"{pictures}: tensor `{name}` is missing; found {sorted(stored)}")
    x, expected = stored["input"].float(), stored["reconstruction"].float()
    if x.ndim != 2 or x.shape != expected.shape or 0 in x.shape:
        fail(f"{pictures}: shapes {tuple(x.shape)} and {tuple(expected.shape)}, expected (Images, Values) for both")
    record = trial / "trial.json"
    spec = json.loads(record.read_text())["spec"]

    names = {"__name__": "example"}
    exec(compile(code, str(page), "exec"), names)
    with torch.no_grad():
        ours = names["load_vaex"](str(model), spec).reconstruct(x)
    if ours.shape != expected.shape:
        fail(f"the example gives {tuple(ours.shape)}, expected {tuple(expected.shape)}")
    largest = (ours - expected).abs().max().item()
    print(f"{len(x)} images of {x.shape[1]} values: largest difference {largest:.3e} (limit {LIMIT:.0e}), "
          f"reconstructions from {expected.min():.3f} to {expected.max():.3f}")
    if not largest <= LIMIT:
        fail("the reconstructions differ")


if __name__ == "__main__":
    main()
