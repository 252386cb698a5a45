"""Parquet files: data sets of Hugging Face, and plain tables of pandas, pyarrow and polars."""

import io
import json

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from .images import labels, nhwc, noise
from .manifest import Manifest, ranked, whole

HUGGING_FACE = f"datasets {datasets.__version__} (pyarrow {pa.__version__})"
PYARROW, PANDAS, POLARS = f"pyarrow {pa.__version__}", f"pandas {pd.__version__}", f"polars {pl.__version__}"
NAMES = ["cat", "dog", "ox"]


def png(image: np.ndarray) -> bytes:
    """A PNG file of an image (Height, Width) or (Height, Width, 3)."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


def make(manifest: Manifest) -> None:
    (manifest.files / "parquet").mkdir(parents=True, exist_ok=True)
    hugging_face(manifest)
    plain(manifest)


def hugging_face(manifest: Manifest) -> None:
    """Encoded pictures, as `datasets` writes them."""
    folder = manifest.files / "parquet"
    gray, color, digits = noise("hf-gray", 5, 6, 5), noise("hf-color", 5, 6, 5, 3), labels("hf", 5, 3)

    def case(
        name: str, columns: dict, features: dict, expected: np.ndarray, about: str, of_labels: list[dict], **how
    ) -> None:
        data = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
        data.to_parquet(folder / f"{name}.parquet", **how)
        table = pq.read_table(folder / f"{name}.parquet")
        assert b"huggingface" in table.schema.metadata
        image = next(key for key, kind in features.items() if isinstance(kind, datasets.Image))
        read = [np.asarray(Image.open(io.BytesIO(one["bytes"]))) for one in table[image].to_pylist()]
        assert np.array_equal(nhwc(np.stack(read)), expected), name
        manifest.case(f"parquet-{name}", f"parquet/{name}.parquet", expected, HUGGING_FACE, about, columns=of_labels)

    images = [Image.fromarray(image) for image in gray]
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    label = [whole("label", digits, NAMES)]
    rows = {"image": images, "label": digits.tolist()}
    case("hf-mnist", rows, features, nhwc(gray), "columns `image` and `label` with names of classes", label)
    case("hf-row-groups", rows, features, nhwc(gray), "several row groups", label, batch_size=2)
    # This version of `datasets` does not compress pictures. Other versions compress everything.
    table = pq.read_table(folder / "hf-mnist.parquet")
    for compression in ("snappy", "gzip", "zstd", "brotli", "lz4"):
        name = f"hf-{compression}"
        pq.write_table(table, folder / f"{name}.parquet", compression=compression)
        about = f"all columns compressed with {compression}"
        undecided = None if compression in ("snappy", "gzip", "zstd") else "a rare compression"
        manifest.case(
            f"parquet-{name}",
            f"parquet/{name}.parquet",
            nhwc(gray),
            HUGGING_FACE,
            about,
            columns=label,
            undecided=undecided,
        )
    images = [Image.fromarray(image) for image in color]
    fine, coarse = labels("hf-fine", 5, 4), labels("hf-coarse", 5, 2)
    features = {
        "img": datasets.Image(),
        "fine_label": datasets.ClassLabel(num_classes=6),
        "coarse_label": datasets.Value("int64"),
    }
    rows = {"img": images, "fine_label": fine.tolist(), "coarse_label": coarse.tolist()}
    columns = [whole("fine_label", fine, [str(index) for index in range(6)]), whole("coarse_label", coarse)]
    case(
        "hf-cifar-100",
        rows,
        features,
        color,
        "columns `img`, `fine_label` (with numbers as names) and `coarse_label`",
        columns,
    )
    features = {
        "label": datasets.ClassLabel(names=NAMES),
        "image": datasets.Image(),
        "caption": datasets.Value("string"),
    }
    rows = {"label": digits.tolist(), "image": images, "caption": [f"a picture of {index}" for index in range(5)]}
    columns = [whole("label", digits, NAMES)]
    case(
        "hf-order",
        rows,
        features,
        color,
        "the label first, and texts, which are all different and so no labels",
        columns,
    )


def plain(manifest: Manifest) -> None:
    """Tables without the metadata of Hugging Face."""
    folder = manifest.files / "parquet"
    gray, digits = noise("parquet", 5, 6, 5), labels("parquet", 5, 4)
    rows, size, column = gray.reshape(5, 30), {"size": [6, 5]}, [whole("label", digits)]
    expected = nhwc(gray)

    def case(
        name: str, writer: str, about: str, columns: list[dict], pixels: np.ndarray = expected, **settings
    ) -> None:
        manifest.case(
            f"parquet-{name}", f"parquet/{name}.parquet", pixels, writer, about, settings=settings, columns=columns
        )

    small = noise("parquet-columns", 5, 2, 3)
    table = pd.DataFrame(small.reshape(5, 6), columns=[f"pixel{index}" for index in range(6)])
    table.insert(0, "label", digits)
    table.to_parquet(folder / "columns.parquet", index=False)
    case("columns", PANDAS, "columns label, pixel0, ..., of bytes", column, nhwc(small), size=[2, 3])
    table.astype("i8").to_parquet(folder / "columns-i8.parquet", compression="zstd", index=False)
    case(
        "columns-i8",
        PANDAS,
        "columns label, pixel0, ..., of 64-bit integers from 0 to 255, as from a CSV file",
        column,
        nhwc(small),
        size=[2, 3],
    )
    real = (rows / 255).astype("f4")
    shares = table.loc[:, "pixel0":].astype("f4").div(255)
    shares.assign(label=digits).to_parquet(folder / "columns-f4.parquet", index=False)
    case(
        "columns-f4",
        PANDAS,
        "columns of floats, and the label last",
        column,
        shares.to_numpy().reshape(5, 2, 3, 1),
        size=[2, 3],
    )
    pl.DataFrame(table).write_parquet(folder / "columns-polars.parquet")
    case(
        "columns-polars", POLARS, "columns label, pixel0, ..., as polars writes them", column, nhwc(small), size=[2, 3]
    )

    def arrow(
        name: str, images: pa.Array, about: str, shape: dict, pixels: np.ndarray = expected, of_labels=None, **how
    ) -> None:
        named = {"image": images, "label": pa.array(digits) if of_labels is None else pa.array(of_labels)}
        pq.write_table(pa.table(named), folder / f"{name}.parquet", **how)
        columns = column if of_labels is None else [ranked("label", of_labels)]
        case(name, PYARROW, about, columns, pixels, **shape)

    lists = pa.array(rows.tolist(), pa.list_(pa.uint8()))
    arrow("list", lists, "lists of bytes", size)
    arrow(
        "list-row-groups",
        lists,
        "lists of bytes in row groups of 2 rows, of Zstandard",
        size,
        row_group_size=2,
        compression="zstd",
    )
    arrow("fixed-size-list", pa.array(rows.tolist(), pa.list_(pa.uint8(), 30)), "lists of a fixed size", size)
    arrow("large-list", pa.array(rows.tolist(), pa.large_list(pa.uint8())), "large lists", size)
    arrow("list-f4", pa.array(real.tolist(), pa.list_(pa.float32())), "lists of floats", size, real.reshape(5, 6, 5, 1))
    arrow("nested-list", pa.array(gray.tolist(), pa.list_(pa.list_(pa.uint8()))), "lists of rows", {})
    encoded = [png(image) for image in gray]
    arrow("binary", pa.array(encoded, pa.binary()), "encoded pictures without a struct", {})
    arrow("large-binary", pa.array(encoded, pa.large_binary()), "encoded pictures, large", {})
    structs = [{"bytes": one, "path": f"{index}.png"} for index, one in enumerate(encoded)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    arrow(
        "struct",
        pa.array(structs, kind),
        "encoded pictures and paths without metadata",
        {},
        of_labels=["b", "a", "b", "c", "a"],
    )
    reversed_kind = pa.struct([("path", pa.string()), ("bytes", pa.binary())])
    arrow("struct-order", pa.array(structs, reversed_kind), "the path before the bytes", {})
    pl.DataFrame({"image": structs, "label": digits}).write_parquet(folder / "struct-polars.parquet")
    case("struct-polars", POLARS, "encoded pictures and paths, as polars writes them", column)
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": {"names": NAMES, "_type": "ClassLabel"}}}})}
    few = pa.table({"image": pa.array(structs, kind), "label": pa.array([-1, 0, 1, 2, -1])}).replace_schema_metadata(
        metadata
    )
    pq.write_table(few, folder / "unlabeled-test.parquet")
    about = "the label -1 of images without a label, as in test splits of Hugging Face"
    undecided = "-1 is none of the named classes"
    manifest.case(
        "parquet-unlabeled",
        "parquet/unlabeled-test.parquet",
        expected,
        PYARROW,
        about,
        columns=[ranked("label", [-1, 0, 1, 2, -1])],
        undecided=undecided,
    )
