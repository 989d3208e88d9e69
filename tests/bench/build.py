#!/usr/bin/env python3
"""Measure `dlc build`: time on one core, peak memory, size of the program, time to its first result.

    tests/bench/build.py [--json FILE] [CASE ...]

The limits are the project's: LeNet in 0.3 s, ResNet-50 in 3 s, VGG-16 in 6 s (or in 5 s with its
weights beside), all with linking; memory below the weights' size plus 300 MiB; LeNet without weights
below 150 KiB and needing libc and libm alone; its first result within 5 ms.
"""
import os
import subprocess
import sys

import common

NAMES = ["lenet", "resnet50", "vgg16"]
SECONDS = {"lenet": 0.3, "resnet50": 3.0, "vgg16": 6.0}
BESIDE_SECONDS = {"vgg16": 5.0}
MEMORY = 300 << 20
PROGRAM = {"lenet": 150 << 10}
FIRST_MS = {"lenet": 5.0}
CORE = {0} & os.sched_getaffinity(0) or set(list(os.sched_getaffinity(0))[:1])


def one_core():
    os.sched_setaffinity(0, CORE)


def needed(program):
    out = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True, check=True).stdout
    return [line.split("[")[1].rstrip("]") for line in out.splitlines() if "(NEEDED)" in line]


def build(example, rounds, words):
    """The best of some rounds: seconds, processors' seconds, peak memory, the program."""
    program = example.folder / "measured"
    command = [example.build / "dlc", "build", example.source, "--entry", example.case.entry, "-o", program]
    command += common.runner.options(example.case, bool(words)) + words  # without weights: all as the page says
    found = [common.measure(command, preexec_fn=one_core)[:3] for _ in range(rounds)]
    return min(f[0] for f in found), min(f[1] for f in found), max(f[2] for f in found), program


def first_result(program, inputs, rounds=31):
    """Milliseconds of a whole process that starts, reads an image and prints what it says: the least,
    since what else the machine does comes on top."""
    words = [program, "predict"] + inputs + ["-o", "-", "-q"]
    return min(common.measure(words)[0] for _ in range(rounds)) * 1e3


def main():
    parser = common.arguments(__doc__.split("\n")[0], NAMES)
    given = parser.parse_args()
    rows, figures, over = [["network", "form", "seconds", "cpu s", "peak MiB", "program KiB", "first result ms"]], [], []

    def check(what, value, limit):
        if limit and value > limit:
            over.append("%s: %.4g, limit %.4g" % (what, value, limit))

    for name in given.names:
        example = common.example(name, given.build.resolve())
        size = example.weights.stat().st_size
        inside = ["--weights", example.weights]
        for form, words, limit in (("weights inside", inside, SECONDS.get(name)),
                                   ("weights beside", inside + ["--weights-beside"], BESIDE_SECONDS.get(name)),
                                   ("no weights", [], None)):
            seconds, busy, memory, program = build(example, 3, words)
            kib = program.stat().st_size
            row = {"name": name, "form": form, "seconds": seconds, "cpu_seconds": busy, "peak_bytes": memory, "program_bytes": kib}
            check("%s, %s, seconds" % (name, form), seconds, limit)
            check("%s, %s, peak bytes" % (name, form), memory, (size if words else 0) + MEMORY)
            first = ""
            if form == "no weights":
                check("%s, bytes without weights" % name, kib, PROGRAM.get(name))
                extra = [lib for lib in needed(program) if not lib.startswith(("libc.", "libm."))]
                if name in PROGRAM and extra:
                    over.append("%s needs %s" % (name, ", ".join(extra)))
                row["needs"] = needed(program)
            else:
                row["first_ms"] = first_result(program, example.inputs)
                first = "%.1f" % row["first_ms"]
                if form == "weights inside":
                    check("%s, first result in ms" % name, row["first_ms"], FIRST_MS.get(name))
            rows.append([name, form, "%.2f" % seconds, "%.2f" % busy, "%.0f" % (memory / 2**20), "%.0f" % (kib / 1024), first])
            figures.append(row)
            print("%s, %s: %.2f s" % (name, form, seconds), file=sys.stderr)
    common.table(rows)
    common.save(given.json, figures)
    if over:
        sys.exit("beyond the limits:\n  " + "\n  ".join(over))


if __name__ == "__main__":
    main()
