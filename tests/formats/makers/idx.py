"""IDX files, the file format of MNIST. NumPy and Pillow do not write them; `struct` does. torchvision reads them back."""

import gzip
import platform
import struct

import numpy as np
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from .images import bits, floats, labels, nhwc, noise
from .manifest import Manifest, whole, written

WRITER = f"Python {platform.python_version()} (struct)"
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encoded(array: np.ndarray) -> bytes:
    """The bytes of an IDX file: big-endian."""
    kind = array.dtype.str[1:]
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[kind], array.ndim, *array.shape)
    return header + array.astype(f">{kind}").tobytes()


def make(manifest: Manifest) -> None:
    folder = manifest.files / "idx"

    def write(name: str, array: np.ndarray) -> None:
        path = written(folder / name, encoded(array))
        if array.ndim < 4:  # torchvision reads no more axes.
            read = read_sn3_pascalvincent_tensor(str(path), strict=False).numpy()
            assert np.array_equal(read, array), name

    images, digits = noise("idx", 4, 6, 5), labels("idx", 4, 10).astype(np.uint8)
    write("train-images-idx3-ubyte", images)
    write("train-labels-idx1-ubyte", digits)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        written(folder / f"{name}.gz", gzip.compress((folder / name).read_bytes(), mtime=0))
    about = "MNIST's files: bytes, with the labels in a file of their own"
    for name, end in (("idx", ""), ("idx-gz", ".gz")):
        settings = {"labels": f"idx/train-labels-idx1-ubyte{end}"}
        columns = [whole("label", digits)]
        manifest.case(
            name, f"idx/train-images-idx3-ubyte{end}", nhwc(images), WRITER, about, settings=settings, columns=columns
        )

    for kind in ("i1", "i2", "i4"):
        values = noise(f"idx-{kind}", 3, 6, 5) // (2 if kind == "i1" else 1)
        write(f"images-{kind}", values.astype(kind))
        about = "signed whole numbers from 0 to 255 are bytes"
        manifest.case(f"idx-{kind}", f"idx/images-{kind}", nhwc(values.astype(np.uint8)), WRITER, about)
    for kind in ("f4", "f8"):
        values = floats(f"idx-{kind}", 3, 6, 5).astype(kind)
        write(f"images-{kind}", values)
        manifest.case(
            f"idx-{kind}", f"idx/images-{kind}", nhwc(values.astype(np.float32)), WRITER, "floats from 0 to 1"
        )

    color = noise("idx-color", 3, 6, 5, 3)
    write("color-nhwc", color)
    write("color-nchw", color.transpose(0, 3, 1, 2))
    manifest.case("idx-nhwc", "idx/color-nhwc", color, WRITER, "four axes, channels last")
    manifest.case("idx-nchw", "idx/color-nchw", color, WRITER, "four axes, channels first: found from the sizes")
    both = noise("idx-both", 2, 3, 5, 3)
    write("color-either", both)
    about = "the first and the last axis of an image can have the channels"
    manifest.case("idx-either-nhwc", "idx/color-either", both, WRITER, about, settings={"layout": "nhwc"})
    planar = both.transpose(0, 2, 3, 1)
    manifest.case("idx-either-nchw", "idx/color-either", planar, WRITER, about, settings={"layout": "nchw"})

    letters = noise("emnist", 4, 5, 6)
    write("emnist-balanced-train-images-idx3-ubyte", letters.transpose(0, 2, 1))
    path = "idx/emnist-balanced-train-images-idx3-ubyte"
    manifest.case(
        "idx-emnist",
        path,
        nhwc(letters),
        WRITER,
        "EMNIST stores height and width swapped",
        settings={"transpose": True},
    )

    digits = np.array(
        [[5, 0, 2611, 0, 35, 135, 0, 0], [0, 1, 2618, 14, 30, 402121, 1, 0], [4, 0, 2370, 3, 34, 814254, 0, 0]], "i4"
    )
    images = noise("qmnist", 3, 6, 5)
    write("qmnist-train-images-idx3-ubyte", images)
    write("qmnist-train-labels-idx2-int", digits)
    names = ["label", "series", "writer", "digit_of_writer", "class", "digit_index", "duplicate", "reserved"]
    columns = [whole(name, column) for name, column in zip(names, digits.T)]
    settings = {"labels": "idx/qmnist-train-labels-idx2-int"}
    path = "idx/qmnist-train-images-idx3-ubyte"
    manifest.case(
        "idx-qmnist",
        path,
        nhwc(images),
        WRITER,
        "QMNIST's labels have eight columns",
        settings=settings,
        columns=columns,
    )

    zeros_and_ones = bits("idx-bits", 3, 6, 5)
    write("binary-images", zeros_and_ones)
    about = "bytes of only 0 and 1, which need `stored`"
    manifest.case("idx-0-1", "idx/binary-images", nhwc(zeros_and_ones), WRITER, about, settings={"stored": [0, 1]})
