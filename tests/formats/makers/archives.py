"""Zip and tar archives of pictures in folders, written by Python. Times and owners are left out."""

import gzip
import io
import platform
import tarfile
import zipfile

import numpy as np
from PIL import Image

from .images import noise
from .manifest import Manifest, ranked, whole, written
from .pictures import encoded

PYTHON = platform.python_version()
ZIP, TAR = f"Python {PYTHON} (zipfile)", f"Python {PYTHON} (tarfile)"


def picture(name: str) -> np.ndarray:
    """The picture of a file, by its name without folders above the class."""
    return noise(f"archive {name}", 6, 5, 3)


def png(name: str) -> bytes:
    return encoded(Image.fromarray(picture(name)), "png")


class Stream(io.RawIOBase):
    """Bytes that are written without going back: sizes are behind the files of an archive, not before them."""

    def __init__(self):
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, part) -> int:
        self.content += bytes(part)
        return len(part)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, stream=None) -> bytes:
    """A zip file. Names that end in a slash are folders."""
    stream = stream or io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_STORED if name.endswith("/") else method
            member.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
            archive.writestr(member, content)
    return stream.content if isinstance(stream, Stream) else stream.getvalue()


def tarred(members: dict[str, bytes | tarfile.TarInfo], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file. Names that end in a slash are folders. Other kinds of members are given whole."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name.rstrip("/"))
            member.mode = 0o644
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    # Programs fill tar files to 10,240 bytes. Two blocks of zeros are enough.
    return stream.getvalue().rstrip(b"\0").ljust(blocks_of(stream.getvalue()), b"\0")


def blocks_of(content: bytes) -> int:
    """The size of a tar file without padding: whole blocks of 512 bytes, and two blocks of zeros."""
    return -(-len(content.rstrip(b"\0")) // 512) * 512 + 1024


FILES = ["dog/b.png", "cat/a.png", "dog/a.PNG", "cat/kittens/1.png"]
LABELS = ["cat", "cat", "dog", "dog"]
ORDER = ["cat/a.png", "cat/kittens/1.png", "dog/a.PNG", "dog/b.png"]


def make(manifest: Manifest) -> None:
    members = {name: png(name) for name in FILES}
    images, columns = np.stack([picture(name) for name in ORDER]), [ranked("label", LABELS)]
    below = {"images/": b""} | {f"images/{name}": content for name, content in members.items()}
    extra = {"README.txt": b"text", "dog/Thumbs.db": b"no picture", "dog/.DS_Store": b"no picture"}
    macos = {f"__MACOSX/images/{name.replace('/', '/._')}": b"\0\5\x16\7 no picture" for name in FILES}
    macos |= {"__MACOSX/._images": b"no picture", "images/.DS_Store": b"no picture"}

    def case(
        kind: str, name: str, content: bytes, about: str, path: str = "", expected=images, of_labels=columns, **more
    ) -> None:
        ending = {"zip": "zip", "tar": "tar", "tgz": "tar.gz"}[kind]
        written(manifest.files / "archives" / f"{name}.{ending}", content)
        writer = ZIP if kind == "zip" else TAR
        path = f"archives/{name}.{ending}{path}"
        manifest.case(f"{kind}-{name}", path, expected, writer, about, columns=of_labels, **more)

    def both(name: str, members: dict[str, bytes], about: str, **more) -> None:
        case("zip", name, zipped(members), about, **more)
        case("tar", name, tarred(members), about, **more)

    both("classes", members, "folders of classes")
    case("zip", "one-folder", zipped(below), "all in one folder")
    case("zip", "other-files", zipped(members | extra), "files that are no pictures")
    case("zip", "macos", zipped(below | macos), "with the files that macOS adds")
    case("tgz", "macos", gzip.compress(tarred(below | macos), mtime=0), "gzipped, with the files that macOS adds")
    both("dot", {f"./{name}": content for name, content in members.items()}, "paths that begin with ./")
    case("zip", "stored", zipped(members, zipfile.ZIP_STORED), "not compressed")
    case("zip", "streamed", zipped(members, stream=Stream()), "written as a stream: sizes are behind the files")
    case("zip", "comment", zipped(members)[:-2] + b"\x07\0comment", "with a comment at the end")
    case("tgz", "classes", gzip.compress(tarred(members), mtime=0), "gzipped")
    case("tgz", "one-folder", gzip.compress(tarred(below), mtime=0), "gzipped, all in one folder")
    case("tar", "gnu", tarred(members, tarfile.GNU_FORMAT), "GNU's format")
    case("tar", "ustar", tarred(members, tarfile.USTAR_FORMAT), "POSIX's format")
    flat = {name.replace("/", "-"): content for name, content in members.items()}
    case(
        "zip", "flat", zipped(flat), "no folders", of_labels=None, expected=np.stack([picture(name) for name in ORDER])
    )
    nested = {f"a/b/{name}": content for name, content in members.items()}
    case("zip", "two-folders", zipped(nested), "all below two folders")
    case("zip", "folder-key", zipped(below | {"other/1.png": png("1.png")}), "a folder that is named", ":images")

    long = [f"{'cat' * 30}/{'kittens/' * 10}{name}.png" for name in ("a" * 90, "b" * 90)] + [
        f"{'dog' * 30}/{'c' * 120}.png"
    ]
    expected = np.stack([picture(name) for name in long])
    of_long = [ranked("label", [name.split("/")[0] for name in long])]
    members = {name: png(name) for name in long}
    for name, format in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        case(
            "tar",
            f"long-{name}",
            tarred(members, format),
            f"names of more than 256 bytes, {name}",
            expected=expected,
            of_labels=of_long,
        )
    split = [f"{'cat' * 30}/{'a' * 90}.png", f"{'dog' * 30}/{'b' * 90}.png"]
    content = tarred({name: png(name) for name in split}, tarfile.USTAR_FORMAT)
    of_split = [ranked("label", [name.split("/")[0] for name in split])]
    expected = np.stack([picture(name) for name in split])
    case("tar", "long-ustar", content, "names of more than 100 bytes, POSIX", expected=expected, of_labels=of_split)

    foreign = ["été/ä.png", "犬/1.png", "zebra/ö.png"]
    order = sorted(foreign)
    expected, of_foreign = (
        np.stack([picture(name) for name in order]),
        [ranked("label", [name.split("/")[0] for name in order])],
    )
    both(
        "utf-8",
        {name: png(name) for name in foreign},
        "names that are not ASCII",
        expected=expected,
        of_labels=of_foreign,
    )

    parts = [f"{part}/{name}" for part in ("train", "val", "test") for name in ("cat/1.png", "dog/1.png")]
    content = {name: png(name) for name in parts}
    (images, of_images), validation, test = (
        (np.stack([picture(name) for name in parts[2 * part : 2 * part + 2]]), [ranked("label", ["cat", "dog"])])
        for part in range(3)
    )
    about = "train, val and test above the classes"
    both("parts", content, about, expected=images, of_labels=of_images, validation=validation, test=test)
    content = {f"data/{name}": one for name, one in content.items()}
    about = "train, val and test in a folder"
    case(
        "zip",
        "parts-in-folder",
        zipped(content),
        about,
        expected=images,
        of_labels=of_images,
        validation=validation,
        test=test,
    )

    table = b"file_name,digit\nb.png,3\na.png,1\nmore/c.png,3\n"
    files = ["a.png", "b.png", "more/c.png"]
    content = {f"data/{name}": png(name) for name in files} | {"data/metadata.csv": table}
    expected, columns = np.stack([picture(name) for name in files]), [whole("digit", [1, 3, 3])]
    both("metadata", content, "metadata.csv in a folder", expected=expected, of_labels=columns)

    samples = ["000000", "000001"]
    content = {}
    for sample, label in zip(samples, (1, 0)):
        content |= {f"{sample}.png": png(sample), f"{sample}.cls": str(label).encode()}
    expected = np.stack([picture(sample) for sample in samples])
    columns, about = [whole("label", [1, 0])], "WebDataset: the label of a picture is in a file beside it"
    undecided = "the classes of WebDataset may be left out"
    case("tar", "webdataset-000000", tarred(content), about, expected=expected, of_labels=columns, undecided=undecided)
