#!/usr/bin/env python3
"""Time products with weights beside OpenBLAS.

    tests/bench/products.py [--threads 1,2] [--seconds 1] [--blas FILE] [--json FILE] [MxKxN[/cold|/nk|/kn] ...]

A product is relu(x W^T + b) of x [M, K] and W [N, K], compiled by `dlc build --emit shared` with its weights,
as in a network; OpenBLAS does x W^T alone, by sgemm, or by sgemv for one row. Both take turns with a loop
that only reads W, and results are compared. `cold` fills the caches with something else before each call.
Of `nk` and `kn` W is brought in each call, [N, K] or [K, N], and the product is x W^T or x W alone.
The table has each side's least time, dlc's over OpenBLAS's (below 1: dlc is faster), and `roof`: the share
of the machine's limit that dlc reaches, which is the time of the multiply-adds at the measured peak, or that
of the reading alone, whichever is longer.
"""
import array
import os
import pathlib
import random
import struct
import subprocess
import sys

import common

NAMES = ["256x256x256", "512x512x512", "1024x1024x1024", "2048x2048x2048", "128x768x3072", "128x3072x768", "3136x64x256",
         "4x1024x1024", "1x784x512", "1x2048x1000", "1x768x3072", "1x768x3072/cold", "1x3072x768", "1x3072x768/cold",
         "1x4096x4096", "1x9216x4096", "1x768x50257", "1x25088x4096",
         *("%dx%dx%d/%s" % (size, size, size, form) for size in (256, 512, 1024, 2048) for form in ("nk", "kn"))]
LIBRARIES = ["/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0"]
PAGE = "fc = Linear(%d)\nmodel product(x: f32[%d, %d]) -> f32[%d, %d] { return x |> fc |> relu }\n"
GIVEN = {"nk": "model product(x: f32[%d, %d], w: f32[%d, %d]) -> f32[%d, %d] { return x @ transpose(w) }\n",
         "kn": "model product(x: f32[%d, %d], w: f32[%d, %d]) -> f32[%d, %d] { return x @ w }\n"}
PERIOD = 1048573  # numbers that are different; a prime, so that rows are


def write_weights(path, tensors):
    """Small numbers of either sign, the same each time."""
    source = random.Random(1)
    numbers = array.array("f", (source.uniform(-0.5, 0.5) for _ in range(PERIOD)))
    heads, at = [], 0
    for name, shape in tensors:
        size = 4
        for d in shape:
            size *= d
        heads.append('"%s": {"dtype": "F32", "shape": %s, "data_offsets": [%d, %d]}' % (name, list(shape), at, at + size))
        at += size
    head = ("{%s}" % ", ".join(heads)).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        data = numbers.tobytes()
        for _ in range(at // len(data)):
            file.write(data)
        file.write(data[:at % len(data)])


class Product:
    def __init__(self, name, build):
        shape, _, state = name.partition("/")
        self.name, self.cold, self.build = name, state == "cold", build
        self.given = state if state in GIVEN else None
        self.m, self.k, self.n = (int(d) for d in shape.split("x"))
        self.folder = common.WORK / ("product-" + shape + ("-" + self.given if self.given else ""))
        self.library, self.weights = self.folder / "libpage.so", self.folder / "page.safetensors"

    def compile(self, options):
        self.folder.mkdir(parents=True, exist_ok=True)
        page = self.folder / "page.dl"
        if self.given:
            rows = (self.k, self.n) if self.given == "kn" else (self.n, self.k)
            page.write_text(GIVEN[self.given] % (self.m, self.k, *rows, self.m, self.n))
        else:
            page.write_text(PAGE % (self.n, self.m, self.k, self.m, self.n))
        if not self.weights.exists():
            write_weights(self.weights, [("fc.weight", (self.n, self.k)), ("fc.bias", (self.n,))])
        weights = [] if self.given else ["--weights", self.weights]
        common.runner.call([self.build / "dlc", "build", page, *weights, "--emit", "shared", "-o", self.library] + options)

    def measure(self, threads, seconds, blas):
        words = [self.build / "tests" / "product", self.library, self.weights, self.m, self.k, self.n,
                 "--threads", threads, "--seconds", seconds] + (["--blas", blas] if blas else []) + (["--cold"] if self.cold else [])
        words += ["--given", self.given] if self.given else []
        environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
        found = common.json.loads(common.measure(words, env=environment)[3])
        least = found["dlc"]["least"]
        flop = 2.0 * self.m * self.k * self.n
        limit = max(flop / found["flops"] * 1e6, found["read"]["least"])
        return {"name": self.name, "threads": threads, "gflops": flop / least * 1e-3, "gbytes": 4e-3 * self.k * self.n / least,
                "ratio": least / found["blas"]["least"] if blas else None, "roof": limit / least,
                "bound": "read" if limit == found["read"]["least"] else "multiply-adds", **found}


def row_of(f):
    blas = ["%.1f" % f["blas"]["least"], "%.2f" % f["ratio"]] if f["ratio"] else ["-", "-"]
    return [f["name"], str(f["threads"]), "%.1f" % f["dlc"]["least"]] + blas + [
        "%.1f" % f["gflops"], "%.1f" % f["gbytes"], "%.1f%%" % (100 * f["roof"]), f["bound"]]


def main():
    parser = common.arguments(__doc__.split("\n")[0], NAMES)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a row, about")
    parser.add_argument("--blas", help="a library; default: Debian's OpenBLAS with threads")
    parser.add_argument("--dlc", default="", help="more options of dlc build")
    given = parser.parse_args()
    blas = given.blas or next((path for path in LIBRARIES if os.path.exists(path)), None)
    if not blas:
        print("without OpenBLAS, which libopenblas0-pthread brings", file=sys.stderr)
    rows = [["product", "threads", "dlc us", "OpenBLAS us", "ratio", "GFLOP/s", "GB/s", "roof", "of"]]
    figures = []
    for name in given.names:
        product = Product(name, given.build.resolve())
        product.compile(given.dlc.split())
        for threads in (int(t) for t in given.threads.split(",")):
            figures.append(product.measure(threads, given.seconds, blas))
            rows.append(row_of(figures[-1]))
            print("  ".join(rows[-1]), file=sys.stderr)
            common.save(given.json, figures)
    common.table(rows)
    if blas:
        slower = [f for f in figures if f["ratio"] > 1]
        print("beside OpenBLAS's %s kernels: slower in %d of %d rows" % (figures[0]["core"], len(slower), len(figures)))


if __name__ == "__main__":
    main()
