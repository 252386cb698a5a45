"""The binary versions of CIFAR-10 and CIFAR-100, with few records, and the Python version, which is refused."""

import pickle
import platform

import numpy as np

from .images import blocks, labels
from .manifest import Manifest, whole, written

WRITER = f"numpy {np.__version__} (tobytes)"
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def records(images: np.ndarray, *columns: np.ndarray) -> bytes:
    """Labels, then the red values, the green ones and the blue ones of each image."""
    values = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.column_stack([*columns, values]).astype("u1").tobytes()


def make(manifest: Manifest) -> None:
    folder = manifest.files / "cifar-10-batches-bin"
    images, digits = blocks("cifar-10", 6, 32, 8), labels("cifar-10", 6, 10)
    for batch in range(5):
        part = slice(batch, batch + 1) if batch < 4 else slice(4, 6)
        written(folder / f"data_batch_{batch + 1}.bin", records(images[part], digits[part]))
    held, held_digits = blocks("cifar-10-test", 1, 32, 8), labels("cifar-10-test", 1, 9)
    written(folder / "test_batch.bin", records(held, held_digits))
    written(folder / "batches.meta.txt", ("\n".join(CLASSES) + "\n\n").encode())
    written(
        folder / "readme.html",
        b'<meta HTTP-EQUIV="REFRESH" content="0; url=http://www.cs.toronto.edu/~kriz/cifar.html">\n',
    )
    columns, test = [whole("label", digits, CLASSES)], (held, [whole("label", held_digits, CLASSES)])
    name = "cifar-10-batches-bin"
    manifest.case(
        "cifar-10", name, images, WRITER, "CIFAR-10: the folder as it is unpacked", columns=columns, test=test
    )
    one = [whole("label", digits[4:], CLASSES)]
    manifest.case("cifar-10-file", f"{name}/data_batch_5.bin", images[4:], WRITER, "one file of CIFAR-10", columns=one)
    about = "several files of CIFAR-10"
    manifest.case("cifar-10-pattern", f"{name}/data_batch_*.bin", images, WRITER, about, columns=columns)

    folder = manifest.files / "cifar-100-binary"
    coarse_names, fine_names = [f"group_{index}" for index in range(20)], [f"thing_{index}" for index in range(100)]
    written(folder / "coarse_label_names.txt", ("\n".join(coarse_names) + "\n").encode())
    written(folder / "fine_label_names.txt", ("\n".join(fine_names) + "\n").encode())
    parts = []
    for name, count in (("train", 2), ("test", 1)):
        images = blocks(f"cifar-100-{name}", count, 32, 8)
        coarse, fine = labels(f"cifar-100-{name}-coarse", count, 20), labels(f"cifar-100-{name}-fine", count, 100)
        written(folder / f"{name}.bin", records(images, coarse, fine))
        parts.append((images, [whole("coarse_label", coarse, coarse_names), whole("label", fine, fine_names)]))
    (images, columns), test = parts
    manifest.case("cifar-100", "cifar-100-binary", images, WRITER, "CIFAR-100: two labels", columns=columns, test=test)

    pickled = {
        b"batch_label": b"training batch 1 of 5",
        b"labels": [3, 5],
        b"data": np.zeros((2, 12), "u1"),
        b"filenames": [b"a", b"b"],
    }
    content = pickle.dumps(pickled, protocol=2)
    folder = manifest.files / "cifar-10-batches-py"
    for name in ("data_batch_1", "data_batch_2", "test_batch", "batches.meta"):
        written(folder / name, content)
    writer = f"Python {platform.python_version()} (pickle)"
    path = "cifar-10-batches-py"
    manifest.refused(
        "cifar-10-python",
        f"{path}/data_batch_1",
        ["pickle", "binary version"],
        writer,
        "the Python version of CIFAR-10: a file",
    )
    manifest.refused(
        "cifar-10-python-folder", path, ["binary version"], writer, "the Python version of CIFAR-10: the folder"
    )
