#!/usr/bin/env python3
"""Let a trained WGAN-GP draw 64 pictures, and save them as one.

    examples/wgan_gp/samples.py PROGRAM WEIGHTS OUT.png [SEED]
"""
import array
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

ROWS, SIDE, EDGE = 8, 28, 2


def write_npy(path, shape, values):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': %r, }" % (shape,)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + array.array("f", values).tobytes())


def read_npy(path):
    data = path.read_bytes()
    return array.array("f", data[10 + struct.unpack("<H", data[8:10])[0] :])


def png(width, height, grey):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(grey[y * width : (y + 1) * width]) for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    program, weights, out = sys.argv[1:4]
    source = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    count = ROWS * ROWS
    with tempfile.TemporaryDirectory() as folder:
        z, made = pathlib.Path(folder) / "z.npy", pathlib.Path(folder) / "made.npy"
        write_npy(z, (count, 128), [source.gauss(0, 1) for _ in range(count * 128)])
        subprocess.run([pathlib.Path(program).resolve(), "predict", "z=%s" % z, "--weights", weights, "-o", made, "-q"], check=True)
        images = read_npy(made)
    step = SIDE + EDGE
    width = ROWS * step + EDGE
    grey = bytearray([255]) * (width * width)
    for i in range(count):
        top, left = EDGE + i // ROWS * step, EDGE + i % ROWS * step
        for y in range(SIDE):
            for x in range(SIDE):
                value = images[(i * SIDE + y) * SIDE + x]
                grey[(top + y) * width + left + x] = 255 - round(255 * min(max(value, 0.0), 1.0))
    pathlib.Path(out).write_bytes(png(width, width, grey))


if __name__ == "__main__":
    main()
