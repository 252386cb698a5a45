"""npy and npz files, written and read back by NumPy, with the names of well-known data sets."""

import io
import warnings

import numpy as np

from .images import bits, floats, labels, nhwc, noise
from .manifest import RARE, Manifest, ranked, whole, written

WRITER = f"numpy {np.__version__}"


def saved(array: np.ndarray, version: tuple | None = None, fortran: bool = False) -> bytes:
    """The bytes of an npy file."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(stream, np.asfortranarray(array) if fortran else array, version=version)
    return stream.getvalue()


def make(manifest: Manifest) -> None:
    npy(manifest)
    npy_labels(manifest)
    npz(manifest)
    npz_factors(manifest)


def npy(manifest: Manifest) -> None:
    def case(
        name: str, array: np.ndarray, expected: np.ndarray, about: str, element=None, settings=None, **how
    ) -> None:
        path = written(manifest.files / "npy" / f"{name}.npy", saved(array, **how))
        read = np.load(path)
        assert np.array_equal(read, array) and read.dtype == array.dtype, name
        more = {"element": element, "settings": settings, "undecided": RARE if name in ("f2", "u8") else None}
        manifest.case(f"npy-{name}", f"npy/{name}.npy", expected, WRITER, about, **more)

    gray, color = noise("npy-gray", 3, 6, 5), noise("npy-color", 3, 6, 5, 3)
    planar = np.ascontiguousarray(color.transpose(0, 3, 1, 2))
    real, real_color = floats("npy-real", 3, 6, 5), floats("npy-real-color", 3, 6, 5, 3)
    case("u1-nhw", gray, nhwc(gray), "gray bytes")
    case("u1-nhwc", color, color, "channels last")
    case("u1-nchw", planar, color, "channels first: found from the sizes")
    case("u1-n1hw", gray[:, np.newaxis], nhwc(gray), "gray, with an axis of one channel before height and width")
    case("u1-nhw1", gray[..., np.newaxis], nhwc(gray), "gray, with an axis of one channel at the end")
    either = noise("npy-either", 3, 3, 5, 3)
    case("u1-either-nhwc", either, either, "two axes can have the channels", settings={"layout": "nhwc"})
    case(
        "u1-either-nchw",
        either,
        either.transpose(0, 2, 3, 1),
        "two axes can have the channels",
        settings={"layout": "nchw"},
    )
    case("bool", gray > 127, nhwc((gray > 127).astype(np.uint8)), "booleans", "bits")
    case("f4", real, nhwc(real), "floats from 0 to 1")
    case("f4-nhwc", real_color, real_color, "floats, channels last")
    case("f4-nchw", real_color.transpose(0, 3, 1, 2).copy(), real_color, "floats, channels first, as PyTorch has them")
    case("f4-stored", 2 * real - 1, nhwc(2 * real - 1), "floats from -1 to 1", settings={"stored": [-1, 1]})
    case("f8", real.astype("f8"), nhwc(real), "double precision")
    precise = np.random.default_rng(0).random((2, 4, 4))
    case("f8-rounded", precise, nhwc(precise.astype("f4")), "double precision that single precision does not have")
    case("f2", real.astype("f2"), nhwc(real.astype("f2").astype("f4")), "half precision")
    case("f4-big-endian", real.astype(">f4"), nhwc(real), "the other byte order")
    for kind in ("i2", "i4", "i8", "u2", "u4", "u8", ">i2"):
        name = kind.replace(">", "big-endian-")
        case(name, gray.astype(kind), nhwc(gray), f"whole numbers of the type {kind} from 0 to 255 are bytes")
    case("i1", (gray // 2).astype("i1"), nhwc(gray // 2), "signed bytes, all of them positive")
    large = gray.astype("i2") * 4
    case("i2-large", large, nhwc(large.astype("f4")), "whole numbers above 255 are floats", settings={"stored": [0, 1020]})
    case("fortran-u1", gray, nhwc(gray), "columns first in the file", fortran=True)
    case("fortran-u1-nhwc", color, color, "columns first in the file, with channels", fortran=True)
    case("fortran-f4", real, nhwc(real), "columns first in the file", fortran=True)
    case("version-2", gray, nhwc(gray), "the second version of the header", version=(2, 0))
    case("version-3", gray, nhwc(gray), "the third version of the header", version=(3, 0))
    zeros_and_ones = bits("npy-bits", 3, 6, 5)
    case(
        "u1-0-1",
        zeros_and_ones,
        nhwc(zeros_and_ones),
        "bytes of only 0 and 1, which need `stored`",
        settings={"stored": [0, 1]},
    )
    case(
        "rows",
        gray.reshape(3, 30),
        nhwc(gray),
        "rows of numbers, whose height and width are `size`",
        settings={"size": [6, 5]},
    )
    square = noise("npy-square", 3, 5, 5)
    case("rows-square", square.reshape(3, 25), nhwc(square), "rows of numbers of a square")
    rows = color.reshape(3, 90)
    case("rows-color", rows, color, "rows of numbers with channels", settings={"size": [6, 5], "layout": "nhwc"})
    rows = planar.reshape(3, 90)
    case(
        "rows-planar",
        rows,
        color,
        "rows of numbers, plane by plane, as CIFAR has them",
        settings={"size": [6, 5], "layout": "nchw"},
    )

    shards = noise("npy-shards", 5, 6, 5)
    for number, shard in enumerate((shards[:2], shards[2:])):
        written(manifest.files / "npy" / f"shard-{number}.npy", saved(shard))
    manifest.case(
        "npy-pattern", "npy/shard-*.npy", nhwc(shards), WRITER, "a pattern: several files in the order of their names"
    )


def npy_labels(manifest: Manifest) -> None:
    images = noise("npy-labeled", 4, 6, 5)
    written(manifest.files / "npy" / "labeled.npy", saved(images))
    digits = labels("npy-labels", 4, 5)
    real = np.array([0.5, -1.0, 0.5, 2.25])
    texts = np.array(["dog", "cat", "dog", "ox"])
    for name, array, columns, about in [
        ("i8", digits, [whole("label", digits)], "labels"),
        ("column", digits.reshape(4, 1), [whole("label", digits)], "labels (N, 1)"),
        ("u1", digits.astype("u1"), [whole("label", digits)], "labels as bytes"),
        ("negative", digits - 1, [ranked("label", digits - 1)], "labels below 0 are numbered by rank"),
        ("f8", real, [ranked("label", real)], "floats are numbered by rank"),
        ("texts", texts, [ranked("label", texts.tolist())], "texts are numbered by rank"),
        (
            "factors",
            np.stack([digits, digits % 2], 1),
            [whole("factor_0", digits), whole("factor_1", digits % 2)],
            "two columns",
        ),
    ]:
        written(manifest.files / "npy" / f"labels-{name}.npy", saved(array))
        settings = {"labels": f"npy/labels-{name}.npy"}
        manifest.case(
            f"npy-labels-{name}", "npy/labeled.npy", nhwc(images), WRITER, about, settings=settings, columns=columns
        )


def npz(manifest: Manifest) -> None:
    folder = manifest.files / "npz"
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, compressed: bool = False, /, **arrays: np.ndarray) -> str:
        (np.savez_compressed if compressed else np.savez)(folder / name, **arrays)
        with np.load(folder / name) as read:
            assert all(np.array_equal(read[key], array) for key, array in arrays.items() if array.dtype != object), name
        return f"npz/{name}"

    train, test = noise("keras-train", 5, 6, 5), noise("keras-test", 3, 6, 5)
    digits = [labels("keras-train", 5, 10).astype("u1"), labels("keras-test", 3, 9).astype("u1")]
    keras = {"x_train": train, "y_train": digits[0], "x_test": test, "y_test": digits[1]}
    held = (nhwc(test), [whole("label", digits[1])])
    for name, compressed in (("keras", False), ("keras-deflated", True)):
        path = save(f"{name}.npz", compressed, **keras)
        columns = [whole("label", digits[0])]
        manifest.case(
            f"npz-{name}", path, nhwc(train), WRITER, "the names of Keras's mnist.npz", columns=columns, test=held
        )
    about = "an array that is named"
    manifest.case("npz-key", "npz/keras.npz:x_test", nhwc(test), WRITER, about, columns=[whole("label", digits[1])])

    parts, named = {}, {}
    for part, count in (("train", 5), ("val", 2), ("test", 3)):
        images, digits = noise(f"medmnist-{part}", count, 6, 6, 3), labels(f"medmnist-{part}", count, 4).astype("u1")
        named |= {f"{part}_images": images, f"{part}_labels": digits.reshape(-1, 1)}
        parts[part] = (images, [whole("label", digits)])
    named = {
        name: named[name]
        for kind in ("images", "labels")
        for name in (f"{part}_{kind}" for part in ("train", "val", "test"))
    }
    path = save("medmnist.npz", True, **named)
    (images, columns), validation, test = parts.values()
    manifest.case(
        "npz-medmnist",
        path,
        images,
        WRITER,
        "MedMNIST: three parts, labels (N, 1)",
        columns=columns,
        validation=validation,
        test=test,
    )

    images, digits = noise("chestmnist", 4, 6, 6), bits("chestmnist", 4, 3)
    digits[0] = 1
    path = save("chestmnist.npz", True, train_images=images, train_labels=digits)
    columns = [whole(f"factor_{index}", digits[:, index]) for index in range(3)]
    manifest.case(
        "npz-chestmnist", path, nhwc(images), WRITER, "MedMNIST with several labels per image", columns=columns
    )

    color = noise("pythae", 3, 6, 5, 3)
    planar = color.transpose(0, 3, 1, 2).astype("f8")
    path = save("pythae-train_data.npz", data=planar)
    about = "pythae: doubles from 0 to 255, channels first"
    manifest.case("npz-pythae", path, color.astype("f4"), WRITER, about, settings={"stored": [0, 255]})

    images, digits = noise("kmnist", 4, 6, 5), labels("kmnist", 4, 10).astype("u1")
    np.savez_compressed(folder / "kmnist-train-imgs.npz", images)
    np.savez_compressed(folder / "kmnist-train-labels.npz", digits)
    settings, columns = {"labels": "npz/kmnist-train-labels.npz"}, [whole("label", digits)]
    path = "npz/kmnist-train-imgs.npz"
    manifest.case(
        "npz-kmnist", path, nhwc(images), WRITER, "KMNIST: the array has no name", settings=settings, columns=columns
    )

    images = noise("mpi3d", 4, 6, 6, 3)
    manifest.case("npz-mpi3d", save("mpi3d.npz", images=images), images, WRITER, "MPI3D: images only")
    images, digits = noise("npz-labels", 4, 6, 5), labels("npz-labels", 4, 3)
    path = save("labeled.npz", images=images, labels=digits)
    manifest.case("npz-labeled", path, nhwc(images), WRITER, "images and labels", columns=[whole("label", digits)])
    path = save("other-names.npz", faces=images, identity=digits)
    settings = {"labels": "npz/other-names.npz:identity"}
    columns = [whole("label", digits)]
    manifest.case(
        "npz-other-names",
        path + ":faces",
        nhwc(images),
        WRITER,
        "names that say nothing",
        settings=settings,
        columns=columns,
    )
    manifest.refused(
        "npz-unknown-names", path, ["faces", "identity"], WRITER, "names that say nothing: a spec must name the array"
    )


def npz_factors(manifest: Manifest) -> None:
    """The files of disentanglement."""
    classes = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 2, 39, 31, 5], [0, 2, 5, 20, 7, 31]], "i8")
    angles = np.linspace(0, 2 * np.pi, 40)[classes[:, 3]]
    places = classes[:, 4:] / 31
    values = np.column_stack([np.ones(3), classes[:, 1] + 1, 0.5 + classes[:, 2] / 10, angles, places])
    images = bits("dsprites", 3, 8, 8)
    about = {"title": "dSprites dataset", "latents_names": ("color", "shape", "scale", "orientation", "posX", "posY")}
    path = manifest.files / "npz" / "dsprites.npz"
    np.savez_compressed(
        path, metadata=np.array(about, object), imgs=images, latents_classes=classes, latents_values=values
    )
    names = ["color", "shape", "scale", "orientation", "position_x", "position_y"]
    columns = [whole(name, column) for name, column in zip(names, classes.T)]
    manifest.case(
        "npz-dsprites",
        "npz/dsprites.npz",
        nhwc(images),
        WRITER,
        "dSprites: classes of factors, and a pickled object to leave out",
        settings={"stored": [0, 1]},
        columns=columns,
        notes=["metadata"],
    )
    names = ["color", "shape", "scale", "orientation", "position_x", "position_y"]
    columns = [ranked(name, column.tolist()) for name, column in zip(names, values.T)]
    settings = {"stored": [0, 1], "labels": "npz/dsprites.npz:latents_values"}
    path = "npz/dsprites.npz:imgs"
    manifest.case(
        "npz-dsprites-values",
        path,
        nhwc(images),
        WRITER,
        "dSprites: values of factors",
        settings=settings,
        columns=columns,
    )
