"""Small images for test files. The same name always gives the same images, whatever other files are made."""

import zlib

import numpy as np


def random(name: str) -> np.random.Generator:
    """The random numbers of a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def noise(name: str, *shape: int) -> np.ndarray:
    """Bytes of all values, uint8."""
    return random(name).integers(0, 256, shape, dtype=np.uint8)


def floats(name: str, *shape: int) -> np.ndarray:
    """Numbers from 0 to 1, float32."""
    return random(name).random(shape, dtype=np.float32)


def bits(name: str, *shape: int) -> np.ndarray:
    """Zeros and ones, uint8."""
    return random(name).integers(0, 2, shape, dtype=np.uint8)


def labels(name: str, count: int, classes: int) -> np.ndarray:
    """Labels from 0 to `classes` - 1, int64. The first image has the largest one, so that all numbers of classes agree."""
    values = random(name).integers(0, classes, count)
    values[0] = classes - 1
    return values


def smooth(name: str, count: int, height: int, width: int, channels: int) -> np.ndarray:
    """Slow waves, uint8 (Images, Height, Width, Channels): what lossy formats are made for."""
    numbers = random(name)
    y, x = np.mgrid[0:height, 0:width]
    images = np.empty((count, height, width, channels))
    for image in range(count):
        for channel in range(channels):
            down, across, phase = numbers.uniform(0.5, 1.5, 3)
            wave = np.cos(2 * np.pi * (down * y / height + across * x / width + phase))
            images[image, :, :, channel] = 127.5 + 110 * wave
    return images.round().astype(np.uint8)


def blocks(name: str, count: int, side: int, block: int) -> np.ndarray:
    """Squares of random colors, uint8 (Images, Height, Width, 3): they compress well."""
    cells = random(name).integers(0, 256, (count, side // block, side // block, 3), dtype=np.uint8)
    return cells.repeat(block, axis=1).repeat(block, axis=2)


def nhwc(array: np.ndarray) -> np.ndarray:
    """Gray images (Images, Height, Width) with an axis of one channel; others as they are."""
    return array[..., np.newaxis] if array.ndim == 3 else array
