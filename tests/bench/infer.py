#!/usr/bin/env python3
"""Time compiled networks and ONNX Runtime side by side, one image a call.

    tests/bench/infer.py [--threads 1,2] [--rounds 3] [--seconds 1] [--json FILE] [CASE ...]

The two take turns, so that what else the machine does meets both; the table has the median of the
rounds' medians in milliseconds, and their ratio (below 1: dlc is faster). ONNX Runtime comes from
PyPI into build/bench/venv, its models from Debian's python3-torch, with the same weights.
"""
import json
import statistics
import subprocess
import sys

import common

NAMES = ["lenet", "alexnet", "vgg16", "resnet18", "resnet50", "googlenet", "mobilenet_v2"]
# 'At batch 1 on one thread within 1.6 times of ONNX Runtime's time.'
LIMITS = {"resnet50": 1.6, "vgg16": 1.6, "alexnet": 1.6}


def peer_python():
    venv = common.WORK / "venv"
    python = venv / "bin" / "python"
    if not python.exists():
        print("installing onnxruntime into %s" % venv.relative_to(common.ROOT), file=sys.stderr)
        common.WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "onnxruntime", "numpy"], check=True)
    return python


def onnx_of(name):
    path = common.WORK / (name + ".onnx")
    if not path.exists():
        subprocess.run(["/usr/bin/python3", "-W", "ignore", str(common.ROOT / "tests" / "bench" / "peer_export.py"), name, str(path)],
                       check=True, stdout=subprocess.DEVNULL)
    return path


def peer_time(python, name, threads, seconds):
    words = [python, common.ROOT / "tests" / "bench" / "peer_run.py", onnx_of(name), threads, seconds]
    return json.loads(common.measure(words)[3])["ms"]


def dlc_time(program, threads):
    return json.loads(common.measure([program, "bench", "--threads", threads, "--json"])[3])["seconds"]["median"] * 1e3


def main():
    parser = common.arguments(__doc__.split("\n")[0], NAMES)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    python = peer_python()
    rows, figures, slow = [["network", "threads", "dlc ms", "ONNX Runtime ms", "ratio", "limit"]], [], []
    for name in given.names:
        program = common.example(name, given.build.resolve()).program(None, True)
        for threads in (int(t) for t in given.threads.split(",")):
            ours, theirs = [], []
            for _ in range(given.rounds):
                ours.append(dlc_time(program, threads))
                theirs.append(peer_time(python, name, threads, given.seconds))
            a, b = statistics.median(ours), statistics.median(theirs)
            limit = LIMITS.get(name) if threads == 1 else None
            if limit and a / b > limit:
                slow.append(name)
            rows.append([name, str(threads), "%.3f" % a, "%.3f" % b, "%.2f" % (a / b), "%.1f" % limit if limit else ""])
            figures.append({"name": name, "threads": threads, "dlc_ms": a, "onnxruntime_ms": b, "ratio": a / b})
            print("%s, %d: %.3f ms against %.3f" % (name, threads, a, b), file=sys.stderr)
    common.table(rows)
    common.save(given.json, figures)
    if slow:
        sys.exit("beyond the limit: " + ", ".join(slow))


if __name__ == "__main__":
    main()
