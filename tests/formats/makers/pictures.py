"""Folders of pictures: kinds of PNG, JPEG, WebP, BMP and PNM files, and ways to put them into folders.

The expected values are those of Pillow, in the order of torchvision's `ImageFolder`: palettes become RGB, alpha channels are
dropped without blending, CMYK becomes RGB as `convert("RGB")` does it, bits become 0 and 255, 16-bit values v become v / 65535. The
orientation of Exif is not applied, as in torchvision.
"""

import io
import json
import platform
import struct
import tempfile
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import PIL
import png
from PIL import Image
from torchvision.datasets import ImageFolder

from .images import blocks, noise, smooth
from .manifest import Manifest, lossy, ranked, whole, written

PILLOW = f"Pillow {PIL.__version__}"
PYPNG = f"pypng {png.__version__}"
PYTHON = f"Python {platform.python_version()}"


def pixels(file) -> np.ndarray:
    """What Pillow reads: (Height, Width, Channels), bytes, or floats for 16-bit gray values."""
    with Image.open(file) as image:
        image.load()
    if image.mode.startswith("I"):
        values = np.asarray(image).astype("f4") / np.float32(65535)
    elif image.mode in ("1", "L", "LA"):
        values = np.asarray(image.convert("L"))
    else:
        # By way of RGBA where a palette has alpha values.
        image = image.convert("RGBA") if isinstance(image.info.get("transparency"), bytes) else image
        values = np.asarray(image.convert("RGB"))
    return values.reshape(*values.shape[:2], -1)


def encoded(image: Image.Image, kind: str, **how) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def make(manifest: Manifest) -> None:
    png_files(manifest)
    jpeg_files(manifest)
    webp_files(manifest)
    bmp_files(manifest)
    pnm_files(manifest)
    folders(manifest)
    metadata(manifest)


class Folder:
    """Writes flat folders of two pictures of the same kind."""

    def __init__(self, manifest: Manifest, ending: str):
        self.manifest, self.ending = manifest, ending

    def case(
        self, name: str, files: list[bytes], writer: str, about: str, expected: np.ndarray | None = None, **more
    ) -> None:
        """`expected` is what Pillow reads, unless it is given."""
        folder = f"{self.ending}/{name}"
        paths = [
            written(self.manifest.files / folder / f"{number}.{self.ending}", file) for number, file in enumerate(files)
        ]
        if expected is None:
            expected = np.stack([pixels(path) for path in paths])
        self.manifest.case(f"{self.ending}-{name}", folder, expected, writer, about, **more)


def png_files(manifest: Manifest) -> None:
    folder = Folder(manifest, "png")
    gray, color = noise("png-gray", 2, 6, 5), noise("png-color", 2, 6, 5, 3)
    alpha = noise("png-alpha", 2, 6, 5, 1)

    def pillow(name: str, images: list[Image.Image], about: str, **how) -> None:
        folder.case(name, [encoded(image, "png", **how) for image in images], PILLOW, about)

    grays = [Image.fromarray(image) for image in gray]
    colors = [Image.fromarray(image) for image in color]
    pillow("gray-1", [image.convert("1", dither=Image.Dither.NONE) for image in grays], "1 bit")
    pillow("gray-8", grays, "gray")
    pillow("gray-8-transparent", grays, "gray, of which one value is transparent", transparency=7)
    pillow("gray-alpha", [Image.fromarray(np.dstack([one, a])) for one, a in zip(gray, alpha)], "gray and alpha")
    pillow("rgb-8", colors, "color")
    pillow(
        "rgb-8-transparent", colors, "color, of which one is transparent", transparency=tuple(color[0, 0, 0].tolist())
    )
    pillow("rgba-8", [Image.fromarray(np.dstack([one, a])) for one, a in zip(color, alpha)], "color and alpha")
    palette = noise("png-palette", 16, 3)
    for bits in (1, 2, 4, 8):
        images = [Image.fromarray(image % min(2**bits, 16), "P") for image in gray]
        for image in images:
            image.putpalette(palette[: 2**bits].tobytes())
        pillow(f"palette-{bits}", images, f"a palette, {bits} bits", bits=bits)
    pillow("palette-transparent", images, "a palette with transparent colors", transparency=bytes([0, 128, 255]))
    for image in images:
        image.putpalette(bytes(value for index in range(16) for value in [17 * index] * 3))
    pillow("palette-gray", images, "a palette of grays, which is color all the same")
    pillow(
        "gray-16",
        [Image.fromarray(noise(f"png-16-{index}", 6, 10).view(">u2").astype("u2")) for index in range(2)],
        "16 bits, gray",
    )

    def pypng(
        name: str, values: np.ndarray, about: str, depth: int = 8, interlace: bool = False, expected=None
    ) -> None:
        files = []
        for image in values:
            height, width, channels = image.shape
            stream = io.BytesIO()
            writer = png.Writer(
                width, height, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=depth, interlace=interlace
            )
            writer.write(stream, image.reshape(height, -1).tolist())
            rows = png.Reader(bytes=stream.getvalue()).read()[2]
            assert np.array_equal(np.vstack([np.array(row) for row in rows]).reshape(image.shape), image), name
            files.append(stream.getvalue())
        folder.case(name, files, PYPNG, about, expected)

    def of_words(words: np.ndarray) -> np.ndarray:
        return (words.astype("f4") / np.float32(65535))[..., : 3 if words.shape[-1] > 2 else 1]

    for bits in (2, 4):
        pypng(f"gray-{bits}", gray[..., np.newaxis] % 2**bits, f"{bits} bits, gray", bits)
    words = noise("png-words", 2, 6, 5, 8).view("u2")
    pypng("gray-alpha-16", words[..., :2], "16 bits, gray and alpha", 16, expected=of_words(words[..., :2]))
    pypng("rgb-16", words[..., :3], "16 bits, color", 16, expected=of_words(words[..., :3]))
    pypng("rgba-16", words, "16 bits, color and alpha", 16, expected=of_words(words))
    wide = noise("png-interlaced", 2, 11, 13, 3)
    pypng("interlaced-rgb", wide, "interlaced, color", interlace=True)
    pypng("interlaced-gray", wide[..., :1], "interlaced, gray", interlace=True)
    pypng("interlaced-1", wide[..., :1] % 2, "interlaced, 1 bit", 1, interlace=True)


def jpeg_files(manifest: Manifest) -> None:
    """Decoders of JPEG differ in the last bits of their transforms, and in how they enlarge the channels of color."""
    folder = Folder(manifest, "jpg")
    waves = smooth("jpeg", 2, 21, 18, 4)
    colors = [Image.fromarray(image) for image in waves[..., :3]]
    grays = [Image.fromarray(image) for image in waves[..., 0]]

    def case(name: str, images: list[Image.Image], about: str, largest: float, mean: float, **how) -> None:
        files = [encoded(image, "jpeg", quality=90, **how) for image in images]
        folder.case(name, files, PILLOW, about, tolerance=lossy(largest, mean))

    case("gray", grays, "gray", 1, 0.1)
    case("rgb-444", colors, "color", 3, 0.2, subsampling="4:4:4")
    case("rgb-422", colors, "color with half the resolution across", 9, 0.5, subsampling="4:2:2")
    case("rgb-420", colors, "color with half the resolution", 14, 0.8, subsampling="4:2:0")
    case("progressive", colors, "progressive", 14, 0.8, progressive=True, subsampling="4:2:0")
    case("restarts", colors, "with restart markers", 3, 0.2, restart_marker_blocks=1, subsampling="4:4:4")
    case("stored-rgb", colors, "red, green and blue without conversion, as Adobe's marker says", 1, 0.1, keep_rgb=True)
    case("cmyk", [Image.fromarray(image, "CMYK") for image in waves], "CMYK, inverted as Adobe has it", 2, 0.2)
    exif = Image.Exif()
    exif[0x0112] = 6
    case(
        "orientation", colors, "to be turned by its Exif tag, which is not done", 3, 0.2, exif=exif, subsampling="4:4:4"
    )


def webp_files(manifest: Manifest) -> None:
    folder = Folder(manifest, "webp")
    color = noise("webp", 2, 6, 5, 4)
    colors = [Image.fromarray(image) for image in color[..., :3].copy()]
    folder.case("lossless", [encoded(image, "webp", lossless=True) for image in colors], PILLOW, "lossless")
    alphas = [Image.fromarray(image) for image in color]
    files = [encoded(image, "webp", lossless=True, exact=True) for image in alphas]
    folder.case("lossless-alpha", files, PILLOW, "lossless with alpha")
    waves = [Image.fromarray(image) for image in smooth("webp", 2, 21, 18, 3)]
    files = [encoded(image, "webp", quality=90) for image in waves]
    folder.case("lossy", files, PILLOW, "lossy", tolerance=lossy(1, 0.1))


def bmp_files(manifest: Manifest) -> None:
    folder = Folder(manifest, "bmp")
    gray, color = noise("bmp-gray", 2, 6, 5), noise("bmp-color", 2, 6, 5, 4)
    grays = [Image.fromarray(image) for image in gray]
    bits = [encoded(image.convert("1", dither=Image.Dither.NONE), "bmp") for image in grays]
    folder.case("gray-1", bits, PILLOW, "1 bit with the palette black, white, which Pillow reads as gray")
    folder.case(
        "gray-8", [encoded(image, "bmp") for image in grays], PILLOW, "a palette of grays, which Pillow reads as gray"
    )
    palette = noise("bmp-palette", 256, 3)
    images = [Image.fromarray(image, "P") for image in gray]
    for image in images:
        image.putpalette(palette.tobytes())
    folder.case("palette-8", [encoded(image, "bmp") for image in images], PILLOW, "a palette")
    nibbles = gray % 16
    files = [indexed_bmp(image, palette[:16]) for image in nibbles]
    folder.case("palette-4", files, PYTHON + " (struct)", "a palette, 4 bits", palette[nibbles])
    folder.case("rgb-24", [encoded(Image.fromarray(image), "bmp") for image in color[..., :3].copy()], PILLOW, "color")
    folder.case(
        "rgba-32", [encoded(Image.fromarray(image), "bmp") for image in color], PILLOW, "color and alpha, 32 bits"
    )


def indexed_bmp(image: np.ndarray, palette: np.ndarray) -> bytes:
    """A BMP file of 4 bits per pixel, from the last row to the first one."""
    height, width = image.shape
    across = (width + 7) // 8 * 8
    padded = np.pad(image, ((0, 0), (0, across - width)))[::-1]
    rows = (padded[:, ::2] << 4 | padded[:, 1::2]).tobytes()
    colors = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    start = 54 + len(colors)
    file = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    file += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 4, 0, len(rows), 2835, 2835, 16, 0)
    file += colors + rows
    assert np.array_equal(pixels(io.BytesIO(file)), palette[image])
    return file


def pnm_files(manifest: Manifest) -> None:
    gray, color = noise("pnm-gray", 2, 6, 5), noise("pnm-color", 2, 6, 5, 3)

    def case(ending: str, name: str, files: list[bytes], writer: str, about: str, expected=None) -> None:
        Folder(manifest, ending).case(name, files, writer, about, expected)

    def text(magic: str, numbers: np.ndarray, most: str = "") -> bytes:
        height, width = numbers.shape[:2]
        rows = "\n".join(" ".join(str(value) for value in row.ravel()) for row in numbers)
        return f"{magic}\n# a comment\n{width} {height}\n{most}{rows}\n".encode()

    case("pbm", "text", [text("P1", (image < 128).astype("u1")) for image in gray], PYTHON, "P1: 1 is black")
    bits = [Image.fromarray(image).convert("1", dither=Image.Dither.NONE) for image in gray]
    case("pbm", "binary", [encoded(image, "ppm") for image in bits], PILLOW, "P4: 1 is black")
    case("pgm", "text", [text("P2", image, "255\n") for image in gray], PYTHON, "P2")
    case("pgm", "binary", [encoded(Image.fromarray(image), "ppm") for image in gray], PILLOW, "P5")
    case(
        "pgm",
        "maximum-15",
        [b"P5 5 6 15\n" + (image % 16).tobytes() for image in gray],
        PYTHON,
        "P5 with the maximum 15",
    )
    words = noise("pnm-words", 2, 6, 10).view("u2")
    files = [encoded(Image.fromarray(image), "ppm") for image in words]
    assert all(b"65535" in file[:20] for file in files)
    case("pgm", "binary-16", files, PILLOW, "P5 of 16 bits", (words.astype("f4") / np.float32(65535))[..., np.newaxis])
    case("ppm", "text", [text("P3", image, "255\n") for image in color], PYTHON, "P3")
    case("ppm", "binary", [encoded(Image.fromarray(image), "ppm") for image in color], PILLOW, "P6")


def folders(manifest: Manifest) -> None:
    """Folders of classes."""
    root = manifest.files / "folders"

    def write(folder: Path, files: list[str]) -> None:
        for name in files:
            ending = name.rpartition(".")[2].lower()
            image = Image.fromarray(noise(f"{folder.name}/{name}", 6, 5, 3))
            kind = {"ppm": "ppm", "bmp": "bmp", "webp": "webp", "jpg": "jpeg"}.get(ending, "png")
            how = {"lossless": True} if kind == "webp" else {}
            written(folder / name, encoded(image, kind, **how))

    def of_torchvision(folder: Path) -> tuple[np.ndarray, list[dict]]:
        found = ImageFolder(folder, loader=pixels)
        classes = [found.classes[label] for _, label in found.samples]
        return np.stack([found.loader(path) for path, _ in found.samples]), [ranked("label", classes)]

    files = [
        "dog/b.png",
        "dog/a.PNG",
        "dog/10.png",
        "dog/9.png",
        "cat/z.bmp",
        "cat/kittens/a.ppm",
        "cat/kittens/1/b.webp",
        "Ox/1.png",
    ]
    files += ["cat-like/1.png", "cat/kittens-2/a.png"]
    write(root / "classes", files)
    for name in ("README.md", "dog/Thumbs.db", "dog/.DS_Store", "dog/._b.png", ".git/config"):
        written(root / "classes" / name.replace(".git/", ".hidden/"), b"no picture")
    # torchvision also takes hidden files for pictures, which are not: it reads a copy without them.
    with tempfile.TemporaryDirectory() as copy:
        write(Path(copy) / "classes", files)
        images, columns = of_torchvision(Path(copy) / "classes")
    about = "root/class/name of torchvision: folders in classes, endings in capitals, other files"
    manifest.case("folder-classes", "folders/classes", images, PILLOW, about, columns=columns)

    write(root / "one-class", ["faces/b.png", "faces/a.png"])
    images, _ = of_torchvision(root / "one-class")
    manifest.case("folder-one-class", "folders/one-class", images, PILLOW, "one class, which says nothing")

    names = ["000010.png", "000002.png", "000001.png"]
    write(root / "flat", names)
    images = np.stack([pixels(root / "flat" / name) for name in sorted(names)])
    manifest.case("folder-flat", "folders/flat", images, PILLOW, "no classes, as CelebA")
    manifest.case("folder-pattern", "folders/flat/*.png", images, PILLOW, "a pattern of pictures")
    manifest.case("folder-picture", "folders/flat/000002.png", images[1:2], PILLOW, "a single picture")

    for name, validation in (("parts", "val"), ("long-parts", "validation")):
        files = [
            f"{part}/{kind}/{index}.png"
            for part in ("train", validation, "test")
            for kind in ("cat", "dog")
            for index in (0, 1)
        ]
        write(root / name, files)
        training, held, test = (of_torchvision(root / name / part) for part in ("train", validation, "test"))
        about = f"train, {validation} and test above the classes"
        images, columns = training
        manifest.case(
            f"folder-{name}", f"folders/{name}", images, PILLOW, about, columns=columns, validation=held, test=test
        )
    write(root / "flat-parts", [f"{part}/{index}.png" for part in ("train", "test") for index in (0, 1)])
    training, test = (
        np.stack([pixels(root / "flat-parts" / part / f"{index}.png") for index in (0, 1)])
        for part in ("train", "test")
    )
    manifest.case(
        "folder-flat-parts", "folders/flat-parts", training, PILLOW, "train and test without classes", test=(test, [])
    )
    manifest.case(
        "folder-part",
        "folders/parts/test",
        of_torchvision(root / "parts" / "test")[0],
        PILLOW,
        "one part of several",
        columns=of_torchvision(root / "parts" / "test")[1],
    )
    write(root / "fewer-classes", ["train/a/0.png", "train/b/0.png", "train/c/0.png", "test/a/0.png", "test/c/0.png"])
    training, test = (of_torchvision(root / "fewer-classes" / part) for part in ("train", "test"))
    # torchvision numbers the classes of each part by themselves: c would be 1 among the test images.
    test = (test[0], [training[1][0] | {"values": [0, 2]}])
    about = "a class that the test images do not have: classes have the numbers of the training images"
    manifest.case(
        "folder-fewer-classes", "folders/fewer-classes", training[0], PILLOW, about, columns=training[1], test=test
    )


def metadata(manifest: Manifest) -> None:
    """Folders with metadata, as the `imagefolder` of Hugging Face has them."""
    rows = [
        {
            "file_name": "3.png",
            "caption": 'a cat, "sleeping"',
            "shape": "square",
            "size": 0.5,
            "digit": 3,
            "is_old": True,
        },
        {"file_name": "1.png", "caption": "a dog", "shape": "heart", "size": 1.5, "digit": 0, "is_old": False},
        {"file_name": "2.png", "caption": "an ox", "shape": "square", "size": 0.5, "digit": 7, "is_old": True},
        {"file_name": "more/4.png", "caption": "a hen", "shape": "heart", "size": 1, "digit": 1, "is_old": False},
    ]
    order = [1, 2, 0, 3]
    in_order = [rows[index] for index in order]
    columns = [
        ranked("shape", [row["shape"] for row in in_order]),
        ranked("size", [float(row["size"]) for row in in_order]),
    ]
    columns += [whole("digit", [row["digit"] for row in in_order])]
    booleans = whole("is_old", [row["is_old"] for row in in_order])
    for ending in ("csv", "jsonl"):
        folder = manifest.files / "folders" / f"metadata-{ending}"
        for row in rows:
            written(folder / row["file_name"], encoded(Image.fromarray(noise(row["file_name"], 6, 5, 3)), "png"))
        if ending == "csv":
            pd.DataFrame(rows).drop(columns="is_old").to_csv(folder / "metadata.csv", index=False)
        else:
            lines = "".join(json.dumps(row | {"boxes": {"x": [1, 2]}}) + "\n" for row in rows)
            written(folder / "metadata.jsonl", lines.encode())
        with tempfile.TemporaryDirectory() as cache:
            read = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=cache)
            read = {row["caption"]: (np.asarray(row["image"]), row["digit"]) for row in read}
        images = np.stack([pixels(folder / row["file_name"]) for row in in_order])
        for row, image in zip(in_order, images):
            assert np.array_equal(read[row["caption"]][0], image) and read[row["caption"]][1] == row["digit"]
        about = f"metadata.{ending} with the column file_name; captions that are all different are no labels"
        more = [booleans] if ending == "jsonl" else []
        manifest.case(
            f"folder-metadata-{ending}", f"folders/metadata-{ending}", images, PILLOW, about, columns=columns + more
        )

    folder = manifest.files / "folders" / "metadata-parts"
    parts = []
    for part, digits in (("train", [2, 0, 1]), ("test", [1, 1])):
        images = blocks(f"metadata-{part}", len(digits), 6, 3)
        for number, image in enumerate(images):
            written(folder / part / f"{number}.png", encoded(Image.fromarray(image), "png"))
        text = "file_name,digit\n" + "".join(f"{number}.png,{digit}\n" for number, digit in enumerate(digits))
        written(folder / part / "metadata.csv", text.encode())
        parts.append((images, [whole("digit", digits)]))
    (images, columns), test = parts
    about = "metadata in each part"
    manifest.case("folder-metadata-parts", "folders/metadata-parts", images, PILLOW, about, columns=columns, test=test)

    folder = manifest.files / "folders" / "metadata-above-parts"
    images = blocks("metadata-above", 4, 6, 3)
    names = ["train/a.png", "train/b.png", "test/a.png", "test/b.png"]
    for name, image in zip(names, images):
        written(folder / name, encoded(Image.fromarray(image), "png"))
    text = "file_name,digit\n" + "".join(f"{name},{digit}\n" for name, digit in zip(names, [2, 0, 1, 0]))
    written(folder / "metadata.csv", text.encode())
    about = "metadata above the parts"
    says = ["metadata.csv", "put one into each"]
    manifest.refused("folder-metadata-above-parts", "folders/metadata-above-parts", says, PILLOW, about)
