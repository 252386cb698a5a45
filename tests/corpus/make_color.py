"""Writes images in color and their labels as IDX files, for checks with other programs.

    python make_color.py IMAGES LABELS

300 images of 16 x 16 pixels, (Images, Channels, Height, Width): a disk in one color on a ground in another, each of random
size, place and color. Its label is the strongest channel of the disk.
"""

import random
import struct
import sys

COUNT, SIDE = 300, 16


def image(stream):
    """The values of one image, channel by channel, and its label."""
    row, column, radius = stream.uniform(4, 12), stream.uniform(4, 12), stream.uniform(2, 6)
    ground, disk = ([stream.randrange(256) for _ in range(3)] for _ in range(2))
    inside = [(y - row) ** 2 + (x - column) ** 2 < radius**2 for y in range(SIDE) for x in range(SIDE)]
    values = [disk[channel] if one else ground[channel] for channel in range(3) for one in inside]
    return values, disk.index(max(disk))


def main():
    stream = random.Random(0)
    images = [image(stream) for _ in range(COUNT)]
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack(">HBB4I", 0, 0x08, 4, COUNT, 3, SIDE, SIDE))
        file.write(bytes(value for values, _ in images for value in values))
    with open(sys.argv[2], "wb") as file:
        file.write(struct.pack(">HBBI", 0, 0x08, 1, COUNT) + bytes(label for _, label in images))


if __name__ == "__main__":
    main()
