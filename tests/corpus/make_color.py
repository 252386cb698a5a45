"""Writes images in color as an IDX file, for checks with other programs: (Images, Channels, Height, Width), bytes.

    python make_color.py FILE

300 images of 16 x 16 pixels: a disk in one color on a ground in another, each of random size, place and color.
"""

import random
import struct
import sys

COUNT, SIDE = 300, 16


def image(stream):
    """The values of one image, channel by channel."""
    row, column, radius = stream.uniform(4, 12), stream.uniform(4, 12), stream.uniform(2, 6)
    ground, disk = ([stream.randrange(256) for _ in range(3)] for _ in range(2))
    inside = [(y - row) ** 2 + (x - column) ** 2 < radius**2 for y in range(SIDE) for x in range(SIDE)]
    return [disk[channel] if one else ground[channel] for channel in range(3) for one in inside]


def main():
    stream = random.Random(0)
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack(">HBB4I", 0, 0x08, 4, COUNT, 3, SIDE, SIDE))
        for _ in range(COUNT):
            file.write(bytes(image(stream)))


if __name__ == "__main__":
    main()
