#!/usr/bin/env python3
"""Time one training step of compiled networks and of PyTorch side by side.

    tests/bench/train.py [--threads 1,2] [--rounds 3] [--seconds 2] [--json FILE] [lenet|mlp|resnet18 ...]

A step is forward, backward and Adam. dlc, PyTorch as it is (eager) and through torch.compile take
turns, so that what else the machine does meets all of them; the table has the median of the rounds'
medians in milliseconds, dlc's time over the better of the two (below 1: dlc is faster) with its
limit, and the memory each holds at its most beyond a process that has only started. PyTorch comes from
PyPI into build/bench/venv-torch (several GB), or say --python with one that has it.
"""
import json
import pathlib
import statistics
import subprocess
import sys

import common

HERE = common.ROOT / "tests" / "bench"
# net: its page, options, rows a step; LeNet is to be twice as fast, the others faster
NETS = {
    "lenet": ("lenet", [], 64, 0.5),
    "mlp": ("mlp", ["-D", "method=adam"], 128, 1.0),
    "resnet18": ("resnet", ["-D", "depth=18", "-D", "stem=3", "-D", "size=32", "-D", "classes=10", "-D", "method=adam"], 32, 1.0),
}
MIB = 2.0**20


def peer_python():
    venv = common.WORK / "venv-torch"
    python = venv / "bin" / "python"
    if not python.exists():
        print("installing torch into %s" % venv.relative_to(common.ROOT), file=sys.stderr)
        common.WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)
    return python
