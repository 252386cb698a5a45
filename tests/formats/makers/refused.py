"""Files of formats that vaex does not read, although many people have them: the message must say what they are."""

import bz2
import gzip
import io
import lzma
import pickle
import platform
import struct

import numpy as np
import py7zr
import scipy.io
import torch
import zstandard
from PIL import Image

from .archives import ZIP, zipped
from .images import noise
from .manifest import Manifest, written
from .numpy_files import WRITER as NUMPY
from .numpy_files import saved
from .pictures import PILLOW, encoded

PYTHON = f"Python {platform.python_version()}"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0123456789abcdef" * 4 + b"\nsize 12345678\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Quota exceeded</title></head><body>Too many users have viewed this file.</body></html>\n"


def make(manifest: Manifest) -> None:
    images = noise("refused", 2, 6, 5)
    npy = saved(images)

    def case(file: str, content: bytes, says: list[str], writer: str, about: str, settings=None) -> None:
        written(manifest.files / "refused" / file, content)
        manifest.refused(f"refused-{file}", f"refused/{file}", says, writer, about, settings)

    stream = io.BytesIO()
    scipy.io.savemat(stream, {"data": images})
    # The header has the time of writing.
    content = b"MATLAB 5.0 MAT-file, Platform: posix".ljust(116) + stream.getvalue()[116:]
    case("matlab.mat", content, ["matlab"], f"scipy {scipy.__version__}", "MATLAB version 5")
    for protocol in range(6):
        content = pickle.dumps({"images": images.tolist()}, protocol)
        case(f"protocol-{protocol}.pkl", content, ["pickle"], f"{PYTHON} (pickle)", f"a pickle of protocol {protocol}")
    content = pickle.dumps({"images": images.tolist()}, 2)
    case("mnist.pkl.gz", gzip.compress(content, mtime=0), ["pickle"], f"{PYTHON} (pickle, gzip)", "a gzipped pickle")
    case("pickle-without-ending", content, ["pickle"], f"{PYTHON} (pickle)", "a pickle whose name says nothing")
    for name, new in (("torch.pt", True), ("torch-old.pt", False)):
        stream = io.BytesIO()
        torch.save(torch.from_numpy(images), stream, _use_new_zipfile_serialization=new)
        about = "PyTorch, a zip file" if new else "PyTorch before 1.6: its start, because addresses of memory follow"
        content = stream.getvalue()
        content = content if new else content[: content.index(b"storage")]
        case(name, content, ["python objects" if new else "pickle"], f"torch {torch.__version__.split('+')[0]}", about)
    case(
        "images.npy.zst",
        zstandard.compress(npy),
        ["zstandard", "unzstd"],
        f"zstandard {zstandard.__version__}",
        "Zstandard",
    )
    case("images.npy.xz", lzma.compress(npy), ["xz", "unxz"], f"{PYTHON} (lzma)", "xz")
    case("images.npy.bz2", bz2.compress(npy), ["bzip2", "bunzip2"], f"{PYTHON} (bz2)", "bzip2")
    case(
        "images.npy.gz",
        gzip.compress(npy, mtime=0),
        ["gunzip"],
        f"{PYTHON} (gzip)",
        "a gzipped npy file: decompress it",
    )
    case(
        "twice.gz",
        gzip.compress(gzip.compress(npy, mtime=0), mtime=0),
        ["twice", "gunzip"],
        f"{PYTHON} (gzip)",
        "gzipped twice",
    )
    stream = io.BytesIO()
    with py7zr.SevenZipFile(stream, "w") as archive:
        archive.writestr(npy, "images.npy")
    # The rest has the times of its files.
    content = stream.getvalue()[:8] + bytes(24)
    case("images.7z", content, ["7z"], f"py7zr {py7zr.__version__}, the first bytes", "7z")
    case("images.rar", b"Rar!\x1a\x07\x01\0" + bytes(24), ["rar"], "by hand: the first bytes", "RAR")
    case("page.npz", PAGE, ["web page"], "by hand", "a web page that was saved as a file")
    case("page.png", PAGE, ["web page"], "by hand", "a web page that was saved as a picture")
    case("lfs.npz", LFS, ["git lfs pull"], "by hand", "a pointer of Git LFS")
    case("lfs.png", LFS, ["git lfs pull"], "by hand", "a pointer of Git LFS in place of a picture")
    picture = Image.fromarray(noise("refused-picture", 6, 5, 3))
    case("picture.gif", encoded(picture, "gif"), ["gif"], PILLOW, "GIF")
    case("picture.tif", encoded(picture, "tiff"), ["tiff"], PILLOW, "TIFF, little-endian")
    big = b"MM\0*" + struct.pack(">IHHHIIHHI", 8, 2, 256, 3, 1, 5 << 16, 257, 3, 1) + bytes(16)
    case("picture-big.tiff", big, ["tiff"], "by hand: the first bytes", "TIFF, big-endian")
    case("picture.jp2", encoded(picture, "jpeg2000"), [], PILLOW, "JPEG 2000")
    case("picture.avif", encoded(picture, "avif"), [], PILLOW, "AVIF")
    for magic, kind in ((0x1E3D4C55, "bytes"), (0x1E3D4C54, "i4"), (0x1E3D4C51, "f4")):
        content = struct.pack("<II4I", magic, 4, 2, 2, 3, 3) + bytes(2 * 2 * 3 * 3 * (1 if kind == "bytes" else 4))
        case(
            f"smallnorb-{kind}-dat.mat", content, ["smallnorb"], f"{PYTHON} (struct)", f"smallNORB's matrices of {kind}"
        )
    case("empty.npy", b"", ["empty"], "by hand", "an empty file")
    case("objects.npy", pickled_npy(), ["python object"], NUMPY, "an array of Python objects")
    records = np.array([(1, 0.5), (2, 0.25)], [("label", "i4"), ("value", "f4")])
    case("records.npy", saved(records), ["records"], NUMPY, "an array of records")
    case("complex.npy", saved(images.astype("c8")), ["type"], NUMPY, "complex numbers")
    case(
        "four-channels.npy", saved(noise("refused-four", 2, 6, 5, 4)), ["alpha"], NUMPY, "images with an alpha channel"
    )
    case("two-channels.npy", saved(noise("refused-two", 2, 6, 5, 2)), ["channels"], NUMPY, "images with two channels")
    case(
        "either.npy",
        saved(noise("refused-either", 2, 3, 5, 3)),
        ["nhwc", "nchw"],
        NUMPY,
        "two axes can have the channels",
    )
    case(
        "rows.npy",
        saved(noise("refused-rows", 2, 30)),
        ["size"],
        NUMPY,
        "rows of numbers that are no square, without `size`",
    )
    case("one-axis.npy", saved(noise("refused-axis", 7)), ["axis"], NUMPY, "one axis")
    case("five-axes.npy", saved(noise("refused-axes", 2, 3, 4, 4, 3)), ["4 axes"], NUMPY, "five axes")
    settings = {"layout": "nchw"}
    case(
        "not-nchw.npy",
        saved(noise("refused-nchw", 2, 6, 5, 3)),
        ["nchw"],
        NUMPY,
        "another layout than the spec says",
        settings,
    )
    case("dark.npy", saved(images % 2), ["stored"], NUMPY, "bytes of only 0 and 1 without `stored`")
    case("text-files.zip", zipped({"README.txt": b"no picture"}), ["no pictures"], ZIP, "an archive without pictures")
    case("unknown.bin", b"\x01\x02\x03\x04" * 10, ["01 02 03 04"], "by hand", "bytes that say nothing")
    case("readme.txt", b"These images are from a camera.\nThey are stored elsewhere.\n", [], "by hand", "a text")
    path = "refused/folder-of-gifs"
    for number in range(2):
        written(manifest.files / path / f"{number}.gif", encoded(picture, "gif"))
    manifest.refused("refused-folder-of-gifs", path, ["gif", "png"], PILLOW, "a folder of GIF pictures")
    path = "refused/folder-of-texts"
    written(manifest.files / path / "README.md", b"no picture")
    manifest.refused("refused-folder-of-texts", path, ["no pictures"], "by hand", "a folder without pictures")


def pickled_npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}, None], object), allow_pickle=True)
    return stream.getvalue()
