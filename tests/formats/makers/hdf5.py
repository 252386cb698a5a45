"""HDF5 files, written and read back by h5py: storage layouts, filters, groups, and the names of well-known data sets."""

import h5py
import numpy as np

from .images import bits, floats, labels, nhwc, noise
from .manifest import RARE, Manifest, ranked, whole

WRITER = f"h5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version})"


def make(manifest: Manifest) -> None:
    folder = manifest.files / "hdf5"
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, arrays: dict[str, np.ndarray], file: dict | None = None, **how) -> str:
        with h5py.File(folder / f"{name}.h5", "w", **(file or {})) as new:
            for key, array in arrays.items():
                new.create_dataset(key, data=array, **(how if array.ndim > 2 else {}))
        with h5py.File(folder / f"{name}.h5") as read:
            for key, array in arrays.items():
                values = read[key].asstr()[:] if h5py.check_string_dtype(read[key].dtype) else read[key][:]
                assert np.array_equal(values, array), (name, key)
        return f"hdf5/{name}.h5"

    storage(manifest)
    values(manifest, write)
    names(manifest, write)


def storage(manifest: Manifest) -> None:
    """Ways to store an array: several of them in a file."""
    gray = noise("hdf5", 7, 6, 5)
    layouts = {
        "contiguous": ("one block of bytes", {}),
        "compact": ("in the header", {"dcpl": compact()}),
        "chunked": ("chunks of whole images", {"chunks": (2, 6, 5)}),
        "gzip": ("gzip", {"chunks": (2, 6, 5), "compression": "gzip"}),
        "gzip-shuffle": ("gzip and shuffle", {"chunks": (2, 6, 5), "compression": "gzip", "shuffle": True}),
        "odd-chunks": ("chunks that do not divide any axis", {"chunks": (3, 4, 3), "compression": "gzip"}),
        "one-chunk": ("a single chunk", {"chunks": (7, 6, 5), "maxshape": (None, 6, 5)}),
        "small-chunks": ("chunks of a part of an image", {"chunks": (1, 3, 5)}),
        "resizable": ("an axis without an end", {"chunks": (2, 6, 5), "maxshape": (None, 6, 5)}),
        "resizable-twice": ("two axes without an end", {"chunks": (2, 6, 5), "maxshape": (None, None, 5)}),
        "fletcher32": ("checksums", {"chunks": (2, 6, 5), "fletcher32": True}),
        "lzf": ("h5py's own compression", {"chunks": (2, 6, 5), "compression": "lzf"}),
    }
    few = ("contiguous", "gzip", "resizable", "one-chunk", "resizable-twice")
    # Only some of them where the indices of chunks take much room.
    files = [("storage", "", {}, tuple(layout for layout in layouts if layout not in ("chunked", "one-chunk")))]
    files += [
        (f"user-block-{size}", f"after a block of {size} other bytes: ", {"userblock_size": size}, few[1:2])
        for size in (512, 2048)
    ]
    for version in ("v108", "v110", "v114", "latest"):
        files.append((f"libver-{version}", f"written with libver={version}: ", {"libver": version}, few))
    for name, start, how, chosen in files:
        path = manifest.files / "hdf5" / f"{name}.h5"
        with h5py.File(path, "w", **how) as file:
            for layout in chosen:
                file.create_dataset(layout, data=gray, **layouts[layout][1])
        with h5py.File(path) as file:
            assert all(np.array_equal(file[layout][:], gray) for layout in chosen), name
        for layout in chosen:
            case = layout if name == "storage" else f"{name}-{layout}"
            about = start + layouts[layout][0]
            is_new = name == "libver-latest" or (name.startswith("libver") and layout == "resizable-twice")
            undecided = "a new layout, which few readers know" if is_new else None
            manifest.case(f"hdf5-{case}", f"hdf5/{name}.h5:/{layout}", nhwc(gray), WRITER, about, undecided=undecided)


def compact() -> h5py.h5p.PropDCID:
    """The settings of data in the header of their array."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.COMPACT)
    return settings


def values(manifest: Manifest, write) -> None:
    """Types of values, and axes."""
    gray, color, real = noise("hdf5-types", 3, 6, 5), noise("hdf5-color", 3, 6, 5, 3), floats("hdf5-real", 3, 6, 5)

    arrays: dict[str, np.ndarray] = {}
    cases = []

    def case(name: str, array: np.ndarray, expected: np.ndarray, about: str, element=None, settings=None) -> None:
        arrays[name] = array
        undecided = RARE if name in ("f2", "u8") else None
        cases.append((name, expected, about, {"element": element, "settings": settings, "undecided": undecided}))

    case("nhwc", color, color, "channels last")
    case("nchw", color.transpose(0, 3, 1, 2), color, "channels first: found from the sizes")
    case("bool", gray > 127, nhwc((gray > 127).astype("u1")), "booleans, which h5py stores as an enumeration", "bits")
    case("f4", real, nhwc(real), "floats from 0 to 1")
    case("f8", real.astype("f8"), nhwc(real), "double precision")
    case("f2", real.astype("f2"), nhwc(real.astype("f2").astype("f4")), "half precision")
    case("f4-big-endian", real.astype(">f4"), nhwc(real), "the other byte order")
    for kind in ("i1", "i2", "i4", "i8", "u2", "u4", "u8"):
        array = (gray // 2 if kind == "i1" else gray).astype(kind)
        case(kind, array, nhwc(array.astype("u1")), f"whole numbers of the type {kind} from 0 to 255 are bytes")
    path = write("types", arrays)
    for name, expected, about, more in cases:
        manifest.case(f"hdf5-{name}", f"{path}:/{name}", expected, WRITER, about, **more)


def names(manifest: Manifest, write) -> None:
    """Names of arrays."""
    color = noise("3dshapes", 4, 6, 6, 3)
    factors = np.array(
        [[0, 0, 0, 0.75, 0, -30], [0, 0.1, 0, 0.75, 1, 0], [0.9, 0, 0.5, 1.25, 3, 30], [0.9, 0.1, 0.5, 1.25, 2, 30]]
    )
    columns = [ranked(f"factor_{index}", column.tolist()) for index, column in enumerate(factors.T)]
    path = write("3dshapes", {"images": color, "labels": factors})
    manifest.case("hdf5-3dshapes", path, color, WRITER, "3dshapes: values of factors as doubles", columns=columns)

    classes = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 2, 39, 31, 5], [0, 2, 5, 20, 7, 31]], "i8")
    images = bits("hdf5-dsprites", 3, 8, 8)
    arrays = {"imgs": images, "latents/classes": classes, "latents/values": classes / 4}
    names = ["color", "shape", "scale", "orientation", "position_x", "position_y"]
    columns = [whole(name, column) for name, column in zip(names, classes.T)]
    path = write("dsprites", arrays, chunks=(3, 2, 4), compression="gzip")
    about = "dSprites: groups, and chunks across the images"
    manifest.case("hdf5-dsprites", path, nhwc(images), WRITER, about, settings={"stored": [0, 1]}, columns=columns)

    arrays = {
        part: bits(f"binary-mnist-{part}", count, 25).astype("f4")
        for part, count in (("train", 5), ("valid", 2), ("test", 3))
    }
    path = write("binary_mnist", arrays)
    parts = [array.reshape(-1, 5, 5, 1) for array in arrays.values()]
    about = "three parts of rows of numbers, as in binary_mnist.h5"
    manifest.case("hdf5-binary-mnist", path, parts[0], WRITER, about, validation=(parts[1], []), test=(parts[2], []))
    manifest.case("hdf5-key", path + ":valid", parts[1], WRITER, "an array that is named")
    manifest.case("hdf5-key-slash", path + ":/valid", parts[1], WRITER, "an array that is named with a slash")

    gray, digits = noise("hdf5-groups", 3, 6, 5), labels("hdf5-groups", 3, 3)
    path = write("groups", {"a/b/faces": gray, "a/b/identity": digits, "noise": noise("hdf5-noise", 3, 2, 2)})
    settings, columns = {"labels": "hdf5/groups.h5:/a/b/identity"}, [whole("label", digits)]
    about = "arrays in groups"
    manifest.case("hdf5-groups", path + ":/a/b/faces", nhwc(gray), WRITER, about, settings=settings, columns=columns)
    manifest.refused(
        "hdf5-unknown-names", path, ["a/b/faces"], WRITER, "names that say nothing: a spec must name the array"
    )

    path = write("deep", {"a/b/c/d/e/f/images": gray})
    manifest.case("hdf5-deep", path + ":/a/b/c/d/e/f/images", nhwc(gray), WRITER, "an array below six groups")

    texts = np.array(["dog", "cat", "dog"], object)
    path = write("texts", {"images": gray, "labels": texts})
    columns = [ranked("label", texts.tolist())]
    manifest.case("hdf5-texts", path, nhwc(gray), WRITER, "labels as texts of any length", columns=columns)
    about = "labels as texts of three bytes"
    with h5py.File(manifest.files / "hdf5" / "short-texts.h5", "w") as file:
        file["images"], file["labels"] = gray, np.array([b"dog", b"cat", b"ox"])
    columns = [ranked("label", ["dog", "cat", "ox"])]
    manifest.case("hdf5-short-texts", "hdf5/short-texts.h5", nhwc(gray), WRITER, about, columns=columns)

    with h5py.File(manifest.files / "hdf5" / "soft-link.h5", "w") as file:
        file["stored/faces"] = gray
        file["images"] = h5py.SoftLink("/stored/faces")
    about = "an array that is named by a link inside of the file"
    manifest.case("hdf5-soft-link", "hdf5/soft-link.h5:/images", nhwc(gray), WRITER, about, undecided="links are rare")
