"""Damaged and malicious files, all small. None may crash vaex, fill the memory or the disk, or read another file."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from .archives import png as colored_png
from .archives import tarred, zipped
from .idx import encoded as idx_encoded
from .images import floats, noise
from .manifest import Manifest, written
from .numpy_files import saved
from .parquet import png
from .pictures import encoded
from .refused import LFS, PAGE


class Hostile:
    """Writes hostile files."""

    def __init__(self, manifest: Manifest):
        self.manifest = manifest
        self.folder = manifest.hostile_files

    def file(self, path: str, content: bytes, about: str, says: list[str] | None = None, **more) -> None:
        written(self.folder / path, content)
        self.known(path, about, says, **more)

    def known(self, path: str, about: str, says: list[str] | None = None, name: str | None = None, **more) -> None:
        """A file or folder that was written."""
        self.manifest.hostile(f"hostile-{name or path.replace('/', '-')}", path, about, says, **more)


def make(manifest: Manifest) -> None:
    hostile = Hostile(manifest)
    for family in (
        arrays,
        archives_of_arrays,
        idx,
        pictures,
        folders,
        metadata,
        zips,
        tars,
        hdf5,
        parquet,
        tables,
        cifar,
    ):
        family(hostile)


def header(text: str, version: int = 1) -> bytes:
    """An npy file that has this header and nothing else."""
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode()


def described(kind: str, shape: str) -> bytes:
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")


def arrays(hostile: Hostile) -> None:
    """npy files."""
    whole = saved(noise("hostile", 3, 6, 5))
    hostile.file("npy/magic-only.npy", whole[:6], "ends after the first bytes")
    hostile.file("npy/header-cut.npy", whole[:60], "ends in the header")
    hostile.file("npy/data-cut.npy", whole[:-1], "ends in the data", ["ends"])
    hostile.file("npy/no-data.npy", whole[:128], "ends after the header", ["ends"])
    hostile.file("npy/claims-16-gib.npy", described("|u1", "(1048576, 128, 128)"), "claims 16 GiB", ["ends"])
    hostile.file(
        "npy/claims-a-petabyte.npy", described("|u1", "(1073741824, 1024, 1024)"), "claims a petabyte", ["ends after 0 bytes"]
    )
    hostile.file(
        "npy/sizes-overflow.npy",
        described("<f8", "(4294967296, 4294967296, 4294967296)"),
        "sizes of which the product overflows",
    )
    hostile.file(
        "npy/sizes-overflow-to-0.npy",
        described("|u1", "(4294967296, 4294967296, 1)"),
        "sizes of which the product is 2^64",
    )
    hostile.file("npy/negative-size.npy", described("|u1", "(-1, 6, 5)") + bytes(90), "a negative size")
    hostile.file(
        "npy/size-beyond-64-bits.npy", described("|u1", "(99999999999999999999, 6, 5)"), "a size of more than 64 bits"
    )
    hostile.file("npy/no-images.npy", saved(np.zeros((0, 6, 5), "u1")), "no images", ["empty"])
    hostile.file("npy/no-pixels.npy", saved(np.zeros((3, 0, 5), "u1")), "images of height 0", ["empty"])
    hostile.file("npy/no-axes.npy", saved(np.array(5, "u1")), "a single number", ["ax"])
    hostile.file(
        "npy/long-header.npy", b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1) + b"{", "claims a header of 4 GiB"
    )
    hostile.file("npy/version-9.npy", header("{}", 9), "a version that does not exist")
    hostile.file("npy/code.npy", header("__import__('os').system('touch evil')"), "a header that is a program")
    deep = b"\x93NUMPY\x02\0" + struct.pack("<I", 5000) + b"[" * 5000
    hostile.file("npy/nested-header.npy", deep, "a header of 5,000 brackets")
    sizes = "(" + "1, " * 1000 + ")"
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {sizes}, }}\n".encode()
    hostile.file("npy/many-axes.npy", b"\x93NUMPY\x02\0" + struct.pack("<I", len(text)) + text + b"\0", "1,000 axes")
    hostile.file("npy/huge-element.npy", described("<U1000000000", "(3,)"), "elements of 4 GB")
    for name, value in (("nan", np.nan), ("inf", np.inf), ("minus-inf", -np.inf)):
        real = floats(f"hostile-{name}", 3, 6, 5)
        real[1, 2, 3] = value
        hostile.file(f"npy/{name}.npy", saved(real), f"the value {name}", ["finite"])
        hostile.known(
            f"npy/{name}.npy",
            f"the value {name}, with `stored`",
            ["finite"],
            f"npy-{name}-stored",
            settings={"stored": [-1, 1]},
        )
        hostile.known(
            f"npy/{name}.npy", f"the value {name}, resized", ["finite"], f"npy-{name}-size", settings={"size": 3}
        )
    huge = floats("hostile-huge", 3, 6, 5).astype("f8")
    huge[1, 2, 3] = 1e300
    hostile.file("npy/huge.npy", saved(huge), "a value that single precision does not have", ["finite"])
    hostile.file(
        "npy/outside.npy", saved(2 * floats("hostile-outside", 3, 6, 5)), "floats up to 2 without `stored`", ["stored"]
    )
    hostile.file(
        "npy/below.npy", saved(floats("hostile-below", 3, 6, 5) - 1), "floats from -1 without `stored`", ["stored"]
    )
    settings = {"labels": "npy/labels-of-4.npy"}
    written(hostile.folder / "npy/labels-of-4.npy", saved(np.arange(4)))
    written(hostile.folder / "npy/images-of-3.npy", whole)
    hostile.known("npy/images-of-3.npy", "4 labels of 3 images", ["4", "3"], "labels-of-others", settings=settings)
    written(hostile.folder / "npy/nan-labels.npy", saved(np.array([0, np.nan, 1])))
    settings = {"labels": "npy/nan-labels.npy"}
    hostile.known(
        "npy/images-of-3.npy", "a label that is no number", name="nan-labels", settings=settings, outcome="either"
    )
    settings = {"labels": "npy/images-of-3.npy"}
    hostile.known("npy/images-of-3.npy", "images as labels", ["labels"], "images-as-labels", settings=settings)


def claiming(member: str, content: bytes, claimed: int) -> bytes:
    """A zip file that claims that a member has more bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo(member)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
        archive.filelist[0].file_size = claimed
    return stream.getvalue()


def archives_of_arrays(hostile: Hostile) -> None:
    """npz files."""
    stream = io.BytesIO()
    np.savez_compressed(stream, images=noise("hostile-npz", 3, 6, 5), labels=np.arange(3))
    whole = stream.getvalue()
    hostile.file("npz/cut.npz", whole[: len(whole) // 2], "ends in the middle")
    hostile.file("npz/directory-cut.npz", whole[:-30], "ends in the list of its files")
    hostile.file("npz/wrong-bytes.npz", whole[:90] + b"\xff" * 20 + whole[110:], "damaged in an array")
    stored = zipped({"images.npy": saved(noise("hostile-npz", 3, 6, 5))}, zipfile.ZIP_STORED)
    hostile.file("npz/wrong-checksum.npz", stored[:170] + b"\0" + stored[171:], "a byte was changed")
    zeros = described("|u1", "(10737418, 32, 32)") + bytes(1 << 20)
    hostile.file(
        "npz/claims-10-gib.npz", claiming("images.npy", zeros, 10 << 30), "claims 10 GiB, but has 1 MiB of zeros"
    )
    hostile.file(
        "npz/claims-60-mib.npz", claiming("images.npy", zeros, 60 << 20), "claims 60 MiB, but has 1 MiB of zeros"
    )
    members = {"../images.npy": saved(noise("hostile-npz", 3, 6, 5))}
    hostile.file("npz/path-outside.npz", zipped(members), "an array whose name leads out", outcome="either")
    hostile.file("npz/no-arrays.npz", zipped({}), "no arrays")
    stream = io.BytesIO()
    np.savez(stream, x_train=noise("hostile-npz", 3, 6, 5), y_train=np.arange(2))
    hostile.file("npz/too-few-labels.npz", stream.getvalue(), "2 labels of 3 images in one file", ["2", "3"])
    stream = io.BytesIO()
    np.savez(stream, x_train=noise("hostile-npz", 3, 6, 5), y_train=np.arange(5))
    hostile.file("npz/too-many-labels.npz", stream.getvalue(), "5 labels of 3 images in one file", ["5", "3"])
    stream = io.BytesIO()
    np.savez(stream, x_train=noise("hostile-npz", 3, 6, 5), x_test=noise("hostile-npz-test", 3, 6, 7))
    hostile.file("npz/other-shapes.npz", stream.getvalue(), "test images of another size")


def idx(hostile: Hostile) -> None:
    """IDX files."""
    whole = idx_encoded(noise("hostile-idx", 3, 6, 5))
    hostile.file("idx/header-cut", whole[:10], "ends in the header", ["ends"])
    hostile.file("idx/data-cut", whole[:-1], "ends in the data", ["ends"])
    hostile.file("idx/longer", whole + b"\0", "longer than its header says", ["longer"])
    hostile.file("idx/claims-much", struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**15, 2**15), "claims 2^61 bytes")
    hostile.file(
        "idx/overflow", struct.pack(">HBB4I", 0, 14, 4, *[2**32 - 1] * 4), "sizes of which the product overflows"
    )
    hostile.file("idx/no-images", struct.pack(">HBB3I", 0, 8, 3, 0, 6, 5), "no images", ["no images"])
    hostile.file("idx/no-pixels", struct.pack(">HBB3I", 0, 8, 3, 3, 0, 5), "images of height 0", ["no images"])
    hostile.file("idx/five-axes", struct.pack(">HBB5I", 0, 8, 5, 1, 2, 2, 2, 3) + bytes(24), "five axes")
    hostile.file(
        "idx/unknown-type", struct.pack(">HBB3I", 0, 0x0A, 3, 1, 2, 2) + bytes(8), "a type that does not exist"
    )
    packed = gzip.compress(whole, mtime=0)
    hostile.file("idx/cut.gz", packed[:-12], "a gzip file that ends early")
    hostile.file("idx/wrong-checksum.gz", packed[:-8] + b"\0\0\0\0" + packed[-4:], "a gzip file with a wrong checksum")
    hostile.file("idx/garbage-after.gz", packed + b"garbage", "other bytes after a gzip file", outcome="either")
    bomb = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 8000, 1024, 1024) + bytes(1 << 20), mtime=0)
    hostile.file("idx/bomb.gz", bomb, "claims 8 GB in a gzip file of 1 kB")
    hostile.file(
        "idx/long-bomb.gz",
        gzip.compress(whole + bytes(2 << 20), mtime=0),
        "2 MiB of zeros after the images",
        ["longer"],
    )
    written(hostile.folder / "idx/labels-of-2", idx_encoded(np.arange(2, dtype="u1")))
    written(hostile.folder / "idx/images-of-3", whole)
    settings = {"labels": "idx/labels-of-2"}
    hostile.known("idx/images-of-3", "2 labels of 3 images", ["2", "3"], "idx-labels-of-others", settings=settings)
    hostile.known("idx/labels-of-2", "labels as images", ["dimension"], "idx-labels-as-images")
    real = floats("hostile-idx", 3, 6, 5)
    real[0, 0, 0] = np.nan
    hostile.file("idx/nan", idx_encoded(real), "the value NaN", ["finite"])


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def claimed_png(width: int, height: int, depth: int = 8, color: int = 2, data: bytes = b"\0" * 100) -> bytes:
    """A PNG file that claims a size."""
    start = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def pictures(hostile: Hostile) -> None:
    """Single pictures."""
    image = Image.fromarray(noise("hostile-picture", 12, 10, 3))
    for ending, kind in (("png", "png"), ("jpg", "jpeg"), ("webp", "webp"), ("bmp", "bmp"), ("ppm", "ppm")):
        whole = encoded(image, kind)
        hostile.file(f"pictures/cut.{ending}", whole[: len(whole) * 2 // 3], f"{kind} that ends early")
        hostile.file(f"pictures/start.{ending}", whole[:14], f"{kind} that ends after its first bytes")
    whole = encoded(image, "jpeg", progressive=True)
    hostile.file("pictures/progressive-cut.jpg", whole[: len(whole) * 2 // 3], "progressive JPEG that ends early")
    whole = encoded(image, "jpeg")
    middle = len(whole) * 3 // 4
    hostile.file(
        "pictures/zeros.jpg",
        whole[:middle] + bytes(len(whole) - middle - 2) + whole[-2:],
        "JPEG with zeros in place of data",
        outcome="either",
    )
    whole = encoded(image, "png")
    place = whole.index(b"IDAT") + 12
    wrong = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    hostile.file("pictures/wrong-checksum.png", wrong, "PNG with a changed byte")
    for name, width, height in [
        ("100000x100000", 100_000, 100_000),
        ("largest", 2**31 - 1, 2**31 - 1),
        ("0x5", 0, 5),
        ("2000000x1", 2_000_000, 1),
    ]:
        about = f"PNG that claims {width} x {height} pixels"
        hostile.file(f"pictures/{name}.png", claimed_png(width, height), about)
    about = "PNG that claims 60000 x 60000 gray pixels"
    hostile.file("pictures/60000x60000.png", claimed_png(60_000, 60_000, 8, 0), about, ["pixels"])
    about = "PNG of 5 x 4 pixels with 1 MiB of data"
    hostile.file("pictures/too-much-data.png", claimed_png(5, 4, data=bytes(1 << 20)), about, outcome="either")
    start = struct.pack(">IIBBBBB", 5, 4, 8, 0, 0, 0, 0)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(4 << 20), 9))
    data = chunk(b"IDAT", zlib.compress(bytes(24)))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + text + data + chunk(b"IEND", b"")
    hostile.file("pictures/text-bomb.png", bomb, "PNG with 4 MiB of text", outcome="either")
    whole = encoded(Image.fromarray(noise("hostile-jpeg", 8, 8)), "jpeg")
    place = whole.index(b"\xff\xc0") + 5
    huge = whole[:place] + struct.pack(">HH", 65500, 65500) + whole[place + 4 :]
    hostile.file("pictures/65500x65500.jpg", huge, "JPEG that claims 65500 x 65500 pixels", ["pixels"])
    wide = whole[:place] + struct.pack(">HH", 8000, 8000) + whole[place + 4 :]
    hostile.file(
        "pictures/8000x8000.jpg",
        wide,
        "JPEG that claims 8000 x 8000 pixels, but has 8 x 8, which Pillow also reads",
        outcome="either",
    )
    none = whole[:place] + struct.pack(">HH", 0, 8) + whole[place + 4 :]
    hostile.file("pictures/0x8.jpg", none, "JPEG of height 0")
    start = struct.pack("<2sIHHI", b"BM", 60, 0, 0, 54)
    for name, width, height in [("100000x100000", 100_000, 100_000), ("negative", 5, -(2**31)), ("0x0", 0, 0)]:
        bmp = start + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(6)
        hostile.file(f"pictures/{name}.bmp", bmp, f"BMP that claims {width} x {height} pixels")
    for name, text in [
        ("100000x100000", "P6 100000 100000 255\n"),
        ("overflow", "P5 4294967295 4294967295 65535\n"),
        ("huge-number", f"P5 {'9' * 40} 5 255\n"),
        ("maximum-0", "P5 1 1 0\n\0"),
        ("maximum-70000", "P5 1 1 70000\n\0\0"),
        ("no-size", "P5\n"),
        ("words", "P2 2 1 255 a b\n"),
        ("above-maximum", "P2 2 1 10 5 200\n"),
        ("0x0", "P5 0 0 255\n"),
        ("long-comment", "P5 #" + "x" * 10000),
    ]:
        outcome = "either" if name == "above-maximum" else "refused"
        hostile.file(f"pictures/{name}.pgm", text.encode(), f"PNM: {name}", outcome=outcome)
    riff = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16383).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(riff)) + b"WEBP" + riff
    hostile.file("pictures/16384x16384.webp", webp, "WebP that claims 16384 x 16384 pixels and has none")
    hostile.file("pictures/page.png", PAGE, "a web page with the name of a picture", ["web page"])
    hostile.file("pictures/empty.png", b"", "an empty file with the name of a picture", ["empty"])
    hostile.file("pictures/text.jpg", b"no picture\n", "a text with the name of a picture")
    real = encoded(image, "jpeg")
    hostile.file("pictures/jpeg.png", real, "JPEG with the name of a PNG: its first bytes count", outcome="either")


def folders(hostile: Hostile) -> None:
    """Folders of pictures."""

    def case(name: str, files: dict[str, bytes], about: str, says: list[str], **more) -> None:
        for file, content in files.items():
            written(hostile.folder / "folders" / name / file, content)
        hostile.known(f"folders/{name}", about, says, **more)

    good = {f"{index}.png": png(noise(f"hostile-{index}", 6, 5, 3)) for index in range(4)}
    case(
        "sizes",
        good | {"2.png": png(noise("hostile-size", 7, 5, 3))},
        "pictures of different sizes",
        ["2.png", "7x5", "size"],
    )
    case(
        "colors",
        good | {"2.png": png(noise("hostile-gray", 6, 5))},
        "gray pictures among pictures in color",
        ["2.png", "grey", "color"],
    )
    words = encoded(Image.fromarray(noise("hostile-words", 6, 10).view("u2")), "png")
    grays = {f"{index}.png": png(noise(f"hostile-gray-{index}", 6, 5)) for index in range(3)}
    case("depths", grays | {"1.png": words}, "16 bits among 8 bits", ["1.png", "floats"])
    case("unreadable", good | {"1.png": good["1.png"][:60]}, "one damaged picture among many", ["1.png"])
    case(
        "two-unreadable",
        good | {"1.png": b"", "3.png": LFS},
        "an empty picture and a pointer of Git LFS",
        ["1.png", "3.png", "git lfs"],
    )
    case(
        "beside-folders",
        {"a/0.png": good["0.png"], "1.png": good["1.png"]},
        "a picture beside the folders of classes",
        ["beside", "1.png"],
    )
    parts = {"train/a/0.png": good["0.png"], "test/a/1.png": good["1.png"], "more/2.png": good["2.png"]}
    case("part-and-more", parts, "a folder beside train and test, which would become classes", [], outcome="either")
    case("only-hidden", {".0.png": good["0.png"]}, "only hidden pictures", ["no pictures"])
    settings = {"crop": [6, 6]}
    case("small", good, "pictures that are smaller than the part to crop", ["6x5", "6x6"], settings=settings)


def metadata(hostile: Hostile) -> None:
    """Folders with metadata that does not fit."""
    good = {f"{index}.png": png(noise(f"hostile-{index}", 6, 5, 3)) for index in range(3)}

    def case(name: str, text: str | bytes, about: str, says: list[str], file: str = "metadata.csv", **more) -> None:
        content = text.encode() if isinstance(text, str) else text
        for picture, content in (good | {file: content}).items():
            written(hostile.folder / "metadata" / name / picture, content)
        hostile.known(f"metadata/{name}", about, says, **more)

    case("missing", "file_name,digit\n0.png,1\n2.png,3\n", "a picture that is not listed", ["1.png"])
    case(
        "twice",
        "file_name,digit\n0.png,1\n1.png,3\n2.png,4\n1.png,5\n",
        "a picture that is listed twice",
        ["1.png", "twice"],
    )
    case("extra", "file_name,digit\n0.png,1\n1.png,3\n2.png,4\n3.png,5\n", "a picture that is not there", ["3.png"])
    case(
        "outside",
        "file_name,digit\n0.png,1\n1.png,3\n2.png,4\n../3.png,5\n",
        "a picture outside of the folder",
        ["3.png"],
    )
    case("no-names", "name,digit\n0.png,1\n", "no column file_name", ["file_name"])
    case("ragged", "file_name,digit\n0.png,1\n1.png\n2.png,4\n", "a row with too few cells", ["csv"])
    case("empty", "", "an empty table", ["file_name"])
    case("not-utf-8", b"file_name,digit\n0.png,1\n1.png,\xff\n2.png,4\n", "a table that is not UTF-8", [])
    case(
        "two-names",
        "file_name,file_name\n0.png,1.png\n1.png,2.png\n2.png,0.png\n",
        "two columns file_name",
        [],
        outcome="either",
    )
    lines = '{"file_name": "0.png", "digit": 1}\n{"file_name": "1.png"\n'
    case("bad-json", lines, "a line that is no JSON", ["line 2"], "metadata.jsonl")
    lines = '{"file_name": "0.png"}\n{"file_name": "1.png", "digit": 2}\n{"digit": 3}\n'
    case("no-name-in-a-line", lines, "a line without a name", ["2.png"], "metadata.jsonl")
    deep = '{"file_name": "0.png", "x": ' + "[" * 5000 + "]" * 5000 + "}\n"
    case("deep-json", deep, "JSON of 5,000 brackets", ["json"], "metadata.jsonl")
    csv = "file_name,digit\n0.png,1\n1.png,2\n2.png,3\n"
    written(hostile.folder / "metadata" / "both" / "metadata.jsonl", b'{"file_name": "0.png", "digit": 7}\n')
    case("both", csv, "metadata.csv and metadata.jsonl that differ", ["metadata.jsonl"])


def zips(hostile: Hostile) -> None:
    """Zip archives."""
    good = {f"{kind}/{index}.png": colored_png(f"{kind}/{index}.png") for kind in ("cat", "dog") for index in range(2)}
    evil = png(noise("evil", 6, 5, 3))
    whole = zipped(good)
    hostile.file("zip/cut.zip", whole[: len(whole) // 2], "ends in the middle")
    hostile.file("zip/start.zip", whole[:30], "ends after its first bytes")
    for name, member in [
        ("parent", "../evil.png"),
        ("inner-parent", "cat/../../evil.png"),
        ("absolute", "/tmp/evil.png"),
        ("backslashes", "..\\evil.png"),
    ]:
        hostile.file(f"zip/{name}.zip", zipped(good | {member: evil}), f"a path that leads out: {member}", ["evil.png"])
    hostile.file(
        "zip/drive.zip", zipped(good | {"C:\\evil.png": evil}), "an absolute path of Windows", outcome="either"
    )
    hostile.file("zip/twice.zip", twice(good, evil), "two files of one name", outcome="either")
    link = zipfile.ZipInfo("dog/link.png")
    link.external_attr = 0o120777 << 16
    stream = io.BytesIO(whole)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(link, "../../../../etc/passwd")
    hostile.file("zip/link.zip", stream.getvalue(), "a symbolic link", ["link"])
    hostile.file(
        "zip/claims-100-gb.zip", claiming("cat/0.png", good["cat/0.png"], 100 << 30), "a picture that claims 100 GiB"
    )
    hostile.file("zip/claims-less.zip", claiming("cat/0.png", good["cat/0.png"], 10), "a picture that claims 10 bytes")
    bomb = zipped({"cat/0.png": bytes(4 << 20)})
    hostile.file("zip/zeros.zip", bomb, "4 MiB of zeros as a picture")
    locked = bytearray(zipped({"cat/0.png": good["cat/0.png"]}))
    locked[6] |= 1
    locked[locked.index(b"PK\1\2") + 8] |= 1
    hostile.file("zip/encrypted.zip", bytes(locked), "encrypted files")
    for name, method in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        hostile.file(f"zip/{name}.zip", zipped(good, method), f"compressed with {name}", outcome="either")
    wrong = whole.replace(b"PK\1\2", b"PK\1\3", 1)
    hostile.file("zip/directory.zip", wrong, "damaged list of files")
    many = bytearray(whole)
    struct.pack_into("<HH", many, len(many) - 14, 65534, 65534)
    hostile.file("zip/claims-many.zip", bytes(many), "claims 65,534 files")


def twice(members: dict[str, bytes], other: bytes) -> bytes:
    """A zip file with two files of one name."""
    content = zipped(members | {"dog/X.png": other})
    return content.replace(b"dog/X.png", b"dog/0.png")


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member of a tar file that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tars(hostile: Hostile) -> None:
    """Tar archives."""
    good = {f"{kind}/0.png": colored_png(f"{kind}/0.png") for kind in ("cat", "dog")}
    evil = png(noise("evil", 6, 5, 3))
    whole = tarred(good)
    hostile.file("tar/cut.tar", whole[:1200], "ends in the middle of a file")
    hostile.file("tar/header-cut.tar", whole[: 1024 + 300], "ends in a header")
    hostile.file("tar/no-end.tar", tarred(good).rstrip(b"\0"), "without zeros at the end", outcome="either")
    for name, path in [
        ("parent", "../evil.png"),
        ("inner-parent", "cat/../../evil.png"),
        ("absolute", "/tmp/evil.png"),
    ]:
        hostile.file(f"tar/{name}.tar", tarred(good | {path: evil}), f"a path that leads out: {path}", ["evil.png"])
    links = [
        ("symbolic", tarfile.SYMTYPE, "/etc/passwd"),
        ("inner", tarfile.SYMTYPE, "0.png"),
        ("hard", tarfile.LNKTYPE, "dog/0.png"),
    ]
    for name, kind, target in links:
        content = tarred(good | {"dog/link.png": member("dog/link.png", kind, target)})
        hostile.file(f"tar/{name}-link.tar", content, f"a {name} link", ["link"])
    for name, kind in (("fifo", tarfile.FIFOTYPE), ("device", tarfile.CHRTYPE)):
        content = tarred(good | {"dog/other.png": member("dog/other.png", kind)})
        hostile.file(f"tar/{name}.tar", content, f"a {name} with the name of a picture", outcome="either")
    for name, size in (("claims-1-tib", 1 << 40), ("negative-size", -1)):
        info = tarfile.TarInfo("cat/9.png")
        info.size = max(size, 0)
        head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        if size < 0:
            head[124:136] = b"\xff" * 12
        head[148:156] = b" " * 8
        head[148:156] = f"{sum(head):06o}\0 ".encode()
        hostile.file(f"tar/{name}.tar", whole[:1024] + bytes(head) + bytes(1024), f"a file that {name}")
    info = member("long", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 33
    hostile.file("tar/long-name.tar", info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "a name of 8 GiB")
    packed = gzip.compress(whole, mtime=0)
    hostile.file("tar/cut.tar.gz", packed[: len(packed) // 2], "gzipped, ends in the middle")
    bomb = tarfile.TarInfo("cat/0.png")
    bomb.size = 20 << 30
    content = gzip.compress(bomb.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20), mtime=0)
    hostile.file("tar/bomb.tar.gz", content, "gzipped, with a file that claims 20 GiB")
    wrong = bytearray(whole)
    wrong[148] ^= 1
    hostile.file("tar/wrong-checksum.tar", bytes(wrong), "a header with a wrong checksum")
    hostile.file(
        "tar/twice.tar", two_of_a_name(good, evil), "two files of one name: the second one counts", outcome="either"
    )
    sparse = tarred({"cat/0.png": evil})
    head = bytearray(sparse[:512])
    head[156] = ord("S")
    head[257:265] = b"ustar  \0"
    head[386:410] = b"00000000000\x0000000000010\0"
    head[483:495] = b"77777777777\0"
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    hostile.file("tar/sparse.tar", bytes(head) + sparse[512:], "a sparse file of 8 GiB")


def two_of_a_name(members: dict[str, bytes], other: bytes) -> bytes:
    """A tar file with two files of one name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in [*members.items(), ("dog/0.png", other)]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()[:6144]


def hdf5(hostile: Hostile) -> None:
    """HDF5 files."""
    folder = hostile.folder / "hdf5"
    folder.mkdir(parents=True, exist_ok=True)
    gray, real = noise("hostile-h5", 3, 6, 5), floats("hostile-h5", 3, 6, 5)

    def case(name: str, fill, about: str, says: list[str] | None = None, **more) -> None:
        with h5py.File(folder / f"{name}.h5", "w") as file:
            fill(file)
        hostile.known(f"hdf5/{name}.h5", about, says, **more)

    def put(**arrays):
        return lambda file: [file.create_dataset(name, data=array) for name, array in arrays.items()]

    def packed(file: h5py.File) -> None:
        file.create_dataset("images", data=gray, chunks=(1, 6, 5), compression="gzip", fletcher32=True)

    case("whole", packed, "nothing is wrong with it: the other files are made of it", outcome="either")
    whole = (folder / "whole.h5").read_bytes()
    hostile.file("hdf5/cut.h5", whole[: len(whole) * 2 // 3], "ends early")
    hostile.file("hdf5/start.h5", whole[:20], "ends after its first bytes")
    place = whole.rindex(b"\x78\x9c") if b"\x78\x9c" in whole else len(whole) - 40
    hostile.file(
        "hdf5/wrong-checksum.h5", whole[: place + 12] + b"\xff" + whole[place + 13 :], "a changed byte in a chunk"
    )
    size = whole.index(b"TREE\x01") + 24
    beyond = whole[:size] + b"\0\0\xff\xff" + whole[size + 4 :]
    hostile.file("hdf5/chunk-beyond.h5", beyond, "a chunk that claims 4 GB", ["beyond the end"])
    with h5py.File(folder / "block.h5", "w", userblock_size=512) as file:
        packed(file)
    block = (folder / "block.h5").read_bytes()
    (folder / "block.h5").unlink()
    size = block.index(b"TREE\x01") + 24
    # The index cannot be listed: the second chunk has no address, and the block before the file would be added to it.
    hidden = block[:size] + b"\0\0\xff\xff" + block[size + 4 : size + 88] + b"\xff" * 8 + block[size + 96 :]
    hostile.file("hdf5/chunk-hidden.h5", hidden, "a chunk that claims 4 GB, in an index that cannot be listed")
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        values = real.copy()
        values[1, 2, 3] = value
        case(name, put(images=values), f"the value {name}", ["finite"])
    case("outside", put(images=2 * real), "floats up to 2 without `stored`", ["stored"])
    case("no-images", put(images=gray[:0]), "no images")
    case("no-pixels", put(images=gray[:, :0]), "images of height 0")
    case("no-axes", put(images=np.uint8(5)), "a single number")
    case("no-arrays", lambda file: file.create_group("images"), "no arrays", ["no arrays"])
    case("too-few-labels", put(images=gray, labels=np.arange(2)), "2 labels of 3 images", ["2", "3"])
    records = np.array([(1, 0.5)] * 3, [("label", "i4"), ("value", "f4")])
    case("records", put(images=records), "records")
    case("null", lambda file: file.create_dataset("images", data=h5py.Empty("u1")), "an array without a shape")
    sizes = (1 << 40, 1024, 1024)
    about = "claims 2^60 bytes that were never written, in a file of 1 kB"
    case("claims-much", lambda file: file.create_dataset("images", sizes, "u1"), about)
    case("claims-much-chunked", lambda file: file.create_dataset("images", sizes, "u1", chunks=(1, 1024, 1024)), about)
    about = "claims 1 TiB in images of 1 MiB that were never written"
    case(
        "claims-1-tib",
        lambda file: file.create_dataset("images", (1 << 20, 1024, 1024), "u1", chunks=(1, 1024, 1024)),
        about,
    )
    about = "claims chunks of 4 GB"
    case(
        "large-chunk",
        lambda file: file.create_dataset("images", (4, 30000, 30000), "u1", chunks=(4, 30000, 30000)),
        about,
    )

    def bomb(file: h5py.File) -> None:
        file.create_dataset(
            "images",
            data=np.zeros((1, 1024, 1024), "u1"),
            chunks=(1, 1024, 1024),
            compression="gzip",
            compression_opts=9,
        )

    case("zeros", bomb, "1 MiB of zeros in 1 kB", settings={"stored": [0, 255]}, outcome="either")

    def cycle(file: h5py.File) -> None:
        file["images"] = gray
        file.create_group("a")
        file["a/b"] = file["/"]

    case("cycle", cycle, "a group that contains itself", outcome="either")

    def wide_cycle(file: h5py.File) -> None:
        file["images"] = gray
        for index in range(20):
            file[f"group_{index}"] = file["/"]

    case("wide-cycle", wide_cycle, "a group that contains itself 20 times", outcome="either")

    def soft_cycle(file: h5py.File) -> None:
        file["images"] = h5py.SoftLink("/other")
        file["other"] = h5py.SoftLink("/images")

    case("soft-cycle", soft_cycle, "links that lead to each other")
    hostile.known("hdf5/soft-cycle.h5:/images", "links that lead to each other, by name", name="hdf5-soft-cycle-key")

    def external_link(file: h5py.File) -> None:
        file["images"] = h5py.ExternalLink("whole.h5", "/images")

    case("external-link", external_link, "a link to an array of another file")
    hostile.known(
        "hdf5/external-link.h5:/images", "a link to an array of another file, by name", name="hdf5-external-link-key"
    )
    (folder / "secret.bin").write_bytes(bytes(range(90)))

    def external_data(file: h5py.File) -> None:
        file.create_dataset("images", (3, 6, 5), "u1", external=[("secret.bin", 0, 90)])

    case("external-data", external_data, "values in another file")

    def virtual(file: h5py.File) -> None:
        space, how = h5py.h5s.create_simple((3, 6, 5)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_layout(h5py.h5d.VIRTUAL)
        how.set_virtual(space, b"whole.h5", b"images", space)
        how.set_obj_track_times(False)
        h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, how)

    case("virtual", virtual, "an array made of arrays of other files")

    def references(file: h5py.File) -> None:
        file["images"] = gray
        file.create_dataset("labels", data=[file.ref] * 3, dtype=h5py.ref_dtype)

    case("references", references, "labels that are references", outcome="either")


def parquet(hostile: Hostile) -> None:
    """Parquet files."""
    folder = hostile.folder / "parquet"
    folder.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    encoded_images = [png(noise(f"hostile-parquet-{index}", 6, 5, 3)) for index in range(3)]
    good = [{"bytes": one, "path": None} for one in encoded_images]

    def case(name: str, columns: dict, about: str, says: list[str] | None = None, **more) -> None:
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        hostile.known(f"parquet/{name}.parquet", about, says, **more)

    case(
        "whole",
        {"image": pa.array(good, kind), "label": pa.array([0, 1, 0])},
        "nothing is wrong with it",
        outcome="either",
    )
    whole = (folder / "whole.parquet").read_bytes()
    hostile.file("parquet/cut.parquet", whole[: len(whole) // 2], "ends early")
    hostile.file("parquet/start.parquet", whole[:4], "the first bytes only")
    hostile.file("parquet/no-end.parquet", whole[:-1] + b"X", "the last bytes are wrong")
    hostile.file("parquet/long-footer.parquet", whole[:-8] + b"\xff\xff\xff\x7fPAR1", "claims a footer of 2 GiB")
    hostile.file(
        "parquet/wrong-footer.parquet", whole[:-60] + b"\xff" * 20 + whole[-40:], "a damaged footer", outcome="either"
    )
    # The kind of the first page becomes that of an index.
    place = whole.index(b"\x15\x04\x15")
    missing = whole[:place] + b"\x15\x02\x15" + whole[place + 3 :]
    hostile.file("parquet/no-dictionary.parquet", missing, "a page whose dictionary is missing", ["damaged"])
    place = whole.index(b"IDAT")
    hostile.file(
        "parquet/wrong-picture.parquet", whole[: place + 8] + b"\xff" * 8 + whole[place + 16 :], "a damaged picture"
    )
    missing = [good[0], {"bytes": None, "path": "../../secret.png"}, good[2]]
    case("path-only", {"image": pa.array(missing, kind)}, "a picture that is only a path of another file")
    case("null-picture", {"image": pa.array([good[0], None, good[2]], kind)}, "a picture that is missing")
    case(
        "null-label",
        {"image": pa.array(good, kind), "label": pa.array([0, None, 1])},
        "a label that is missing",
        outcome="either",
    )
    case("no-rows", {"image": pa.array([], kind)}, "no images")
    case("no-images", {"label": pa.array([0, 1, 2])}, "no images, only labels")
    case("not-pictures", {"image": pa.array([b"no picture"] * 3)}, "bytes that are no pictures")
    case("texts", {"image": pa.array(["a.png", "b.png"])}, "names of pictures in place of pictures")
    ragged = [[1, 2, 3, 4], [1, 2, 3], [1, 2, 3, 4]]
    case("ragged", {"image": pa.array(ragged, pa.list_(pa.uint8()))}, "lists of different lengths")
    case(
        "null-pixel",
        {"image": pa.array([[1, 2, 3, 4], [1, None, 3, 4]], pa.list_(pa.uint8()))},
        "a pixel that is missing",
    )
    pixels = {f"pixel{index}": pa.array([index, 10, 200], pa.int64()) for index in range(4)}
    case("negative", pixels | {"pixel1": pa.array([1, -5, 3])}, "a pixel below 0")
    case("null-in-column", pixels | {"pixel1": pa.array([1, None, 3])}, "a pixel that is missing in a column")
    case(
        "nan", {f"pixel{index}": pa.array([0.5, float("nan"), 1.0]) for index in range(4)}, "the value NaN", ["finite"]
    )


def tables(hostile: Hostile) -> None:
    """Tables of text."""
    row = "1,2,3,4\n"
    for name, text, about, says in [
        ("ragged.csv", row + "1,2,3\n" + row, "a row with too few numbers", ["2"]),
        ("longer.csv", row + "1,2,3,4,5\n" + row, "a row with too many numbers", ["2"]),
        ("text-cell.csv", "label,a,b,c,d\n0,1,2,3,4\n1,1,x,3,4\n", "a text among numbers", ["x"]),
        ("empty-cell.csv", "label,a,b,c,d\n0,1,2,3,4\n1,1,,3,4\n", "an empty cell", []),
        ("nan.csv", "0.5,nan,0.25,0.125\n0.5,0.5,0.5,0.5\n", "the value NaN", []),
        ("large.csv", "1,2,3,256\n1,2,3,4\n", "a pixel of 256", ["256"]),
        ("negative.csv", "1,2,-3,4\n1,2,3,4\n", "a pixel below 0", ["-3"]),
        ("only-names.csv", "label,pixel0,pixel1,pixel2,pixel3\n", "no rows", []),
        ("only-labels.csv", "label\n1\n2\n", "no pixels", []),
        ("blank-lines.csv", "\n\n\n", "blank lines", []),
        (
            "no-square.csv",
            "1,2,3,4,5,6,7\n1,2,3,4,5,6,7\n",
            "numbers that are no square and no square with a label",
            [],
        ),
        ("overflow.csv", "1,2,3,1e400\n1,2,3,4\n", "a number that doubles do not have", []),
    ]:
        hostile.file(f"tables/{name}", text.encode(), about, says)
    hostile.file("tables/zero-bytes.csv", b"1,2,3,4\n1,2,\0,4\n", "zero bytes")
    hostile.file("tables/open-quote.csv", b'label,a,b,c,d\n"0,1,2,3,4\n1,1,2,3,4\n', "a quote without an end")
    packed = gzip.compress(b"1,2,3,4\n" * 200, mtime=0)
    hostile.file("tables/cut.csv.gz", packed[:-10], "a gzip file that ends early")
    hostile.file("tables/bomb.csv.gz", gzip.compress(b"0" * (2 << 20), mtime=0), "one cell of 2 MiB")


def cifar(hostile: Hostile) -> None:
    """CIFAR's binary files."""
    record = bytes([3]) + noise("hostile-cifar", 3072).tobytes()
    small = bytes([3]) + bytes(3072)
    hostile.file("cifar/cut.bin", small[:-1], "ends in a record")
    hostile.file("cifar/label-10.bin", bytes([10]) + bytes(3072), "a label of 10")
    written(hostile.folder / "cifar/batches/data_batch_1.bin", record)
    written(hostile.folder / "cifar/batches/data_batch_2.bin", small[:-5])
    hostile.known("cifar/batches", "one of the files ends early", ["data_batch_2.bin"])
