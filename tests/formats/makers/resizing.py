"""Images that are changed after they were read: `size`, `crop`, `color` and `transpose`.

Pillow resizes (`BILINEAR`, floats as mode F) and computes gray values (`convert("L")`); torchvision crops (`center_crop`).

Until version 12, Pillow always resized the width first, and rounded bytes before it resized the height. Since version 13, it resizes
the height first where that is cheaper, which changes the last bit of some bytes. Here every version of Pillow resizes the width first.
"""

import numpy as np
import PIL
import torchvision
from PIL import Image
from torchvision.transforms import functional

from .images import bits, floats, nhwc, noise
from .manifest import Manifest, lossy, written
from .numpy_files import saved

PILLOW = f"numpy {np.__version__}, read with Pillow {PIL.__version__}"
BOTH = f"{PILLOW} and torchvision {torchvision.__version__}"
#: Floats may differ in the last bit.
LAST_BIT = lossy(1.2e-7, 6e-8)


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (Height, Width, Channels), resized: floats one channel at a time, because Pillow has no color of floats."""

    def one(channel: int) -> np.ndarray:
        wide = Image.fromarray(image[..., channel]).resize((width, image.shape[0]), Image.Resampling.BILINEAR)
        return np.asarray(wide.resize((width, height), Image.Resampling.BILINEAR))

    return np.dstack([one(channel) for channel in range(image.shape[2])])


def resized_at_once(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """As `resized`, in the order of passes of this version of Pillow."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def cropped(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The central part of an image (Height, Width, Channels)."""
    one = [
        functional.center_crop(Image.fromarray(image[..., channel]), [height, width])
        for channel in range(image.shape[2])
    ]
    return np.dstack([np.asarray(channel) for channel in one])


def gray(image: np.ndarray) -> np.ndarray:
    """The gray values of an image (Height, Width, 3) of bytes."""
    return np.asarray(Image.fromarray(image).convert("L"))[..., np.newaxis]


def make(manifest: Manifest) -> None:
    sources = {
        "gray": nhwc(noise("resize-gray", 3, 11, 7)),
        "color": noise("resize-color", 2, 11, 8, 3),
        "float": nhwc(floats("resize-float", 2, 11, 7)),
        "float-color": floats("resize-float-color", 2, 11, 8, 3),
        "bool": nhwc(bits("resize-bool", 2, 11, 7).astype(bool)),
        "wide": noise("resize-wide", 2, 5, 12, 3),
    }
    for name, images in sources.items():
        written(manifest.files / "changes" / f"{name}.npy", saved(images))

    def case(source: str, name: str, about: str, settings: dict, change, writer: str = PILLOW, **more) -> None:
        expected = np.stack([change(image) for image in sources[source]])
        path = f"changes/{source}.npy"
        manifest.case(f"change-{source}-{name}", path, expected, writer, about, settings=settings, **more)

    for name, size, about in [
        ("down", [5, 4], "smaller"),
        ("up", [17, 13], "larger"),
        ("square", 6, "a square"),
        ("across", [11, 3], "narrower"),
        ("mixed", [4, 16], "lower and wider"),
        ("to-1", 1, "one pixel"),
        ("same", [11, 7], "no change"),
    ]:
        height, width = (size, size) if isinstance(size, int) else size
        for source in ("gray", "color", "float", "float-color"):
            tolerance = LAST_BIT if "float" in source else 0
            resize = lambda image: resized(image, height, width)
            case(source, name, about, {"size": size}, resize, tolerance=tolerance)
    about = "in the order of passes of this version of Pillow"
    case(
        "color",
        "at-once",
        about,
        {"size": [4, 16]},
        lambda image: resized_at_once(image, 4, 16),
        tolerance=lossy(1, 0.5),
    )
    about = "bits become bytes, because a mean of bits is neither 0 nor 1"
    case("bool", "down", about, {"size": [5, 4]}, lambda image: resized(image * np.uint8(255), 5, 4), element="bytes")
    manifest.case(
        "change-bool-same",
        "changes/bool.npy",
        sources["bool"].astype("u1"),
        PILLOW,
        "no change",
        element="bits",
        settings={"size": [11, 7]},
    )

    for source, size, part in [
        ("gray", [4, 4], "even"),
        ("gray", [8, 4], "odd"),
        ("color", [11, 5], "one-side"),
        ("wide", 3, "square"),
        ("wide", [2, 3], "mixed"),
    ]:
        height, width = (size, size) if isinstance(size, int) else size
        about = "the central part"
        case(source, f"crop-{part}", about, {"crop": size}, lambda image: cropped(image, height, width), BOTH)
    case("wide", "crop-center", "the central square", {"crop": "center"}, lambda image: cropped(image, 5, 5), BOTH)
    case("gray", "crop-center", "the central square", {"crop": "center"}, lambda image: cropped(image, 7, 7), BOTH)
    case("float", "crop-center", "the central square", {"crop": "center"}, lambda image: cropped(image, 7, 7), BOTH)
    settings = {"crop": "center", "size": 4}
    case(
        "color",
        "crop-size",
        "the central square, resized",
        settings,
        lambda image: resized(cropped(image, 8, 8), 4, 4),
        BOTH,
    )
    settings = {"crop": "center", "size": [4, 8]}
    about = "the central part with the proportions of `size`, resized"
    case("color", "crop-proportions", about, settings, lambda image: resized(cropped(image, 4, 8), 4, 8), BOTH)
    settings = {"crop": "center", "size": [3, 5]}
    case("wide", "crop-proportions", about, settings, lambda image: resized(cropped(image, 5, 8), 3, 5), BOTH)
    settings = {"crop": [9, 6], "size": [5, 5]}
    case("gray", "crop-part-size", "a part, resized", settings, lambda image: resized(cropped(image, 9, 6), 5, 5), BOTH)

    case("color", "gray", "the luminance", {"color": "gray"}, gray)
    case("gray", "rgb", "the same value in each channel", {"color": "rgb"}, lambda image: image.repeat(3, axis=2))
    case("gray", "keep-gray", "gray already", {"color": "gray"}, lambda image: image)
    weights = np.array([0.299, 0.587, 0.114], "f4")
    about = "the luminance of floats, with Pillow's weights"
    change = lambda image: (image * weights).sum(axis=2, keepdims=True, dtype="f4")
    case(
        "float-color",
        "gray",
        about,
        {"color": "gray"},
        change,
        f"numpy {np.__version__}",
        tolerance=lossy(2.5e-7, 1e-7),
    )
    case(
        "color",
        "gray-size",
        "gray before it is resized",
        {"color": "gray", "size": 5},
        lambda image: resized(gray(image), 5, 5),
    )
    case("color", "transpose", "height and width swapped", {"transpose": True}, lambda image: image.transpose(1, 0, 2))
    settings = {"transpose": True, "crop": "center", "color": "gray", "size": [3, 4]}
    about = "all of it: transpose, crop, color, size"
    change = lambda image: resized(gray(cropped(image.transpose(1, 0, 2).copy(), 8, 10)), 3, 4)
    case("color", "all", about, settings, change, BOTH)
