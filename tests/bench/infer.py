#!/usr/bin/env python3
"""Time compiled networks beside other programs that run them.

    tests/bench/infer.py [--threads 1,2] [--batch 1,8] [--peers NAME,..] [--rounds 3] [--seconds 1]
                         [--json FILE] [--plot FILE.svg] [CASE ...]

In each round dlc and the peers take turns, so that what else the machine does meets all of them; the
table has the median of the rounds' medians in milliseconds, and dlc's time over each peer's (below 1:
dlc is faster). Weights and inputs are the same, and a peer is timed only if its output is dlc's. `roof`
is the share of the machine's limit that dlc reaches: the time that direct arithmetic would take at the
measured peak of multiply-adds, or that reading the weights once takes from the memory that holds them
if that is longer, over dlc's time (algorithms that do with less arithmetic may be above 1).

The peers come from PyPI into build/bench/venv and build/bench/venv-torch, their models are made with
Debian's python3-torch. A peer that can't run a network is left out of that row, and why is said.
"""
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

import common
import peers
import plot

NAMES = ["lenet", "mlp", "alexnet", "vgg16", "resnet18", "resnet50", "googlenet", "inception_v3", "mobilenet_v2"]
# dlc's time over ONNX Runtime's at batch 1 on one thread, at most
LIMITS = {"resnet50": 1.6, "vgg16": 1.6, "alexnet": 1.6}


def python_of(peer):
    """The interpreter of the peer's environment, which is made if it is not there."""
    folder = common.WORK / peer.venv
    python = folder / "bin" / "python"
    if not python.exists():
        common.WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(folder)], check=True)
    marks = [folder / (package + ".installed") for package in peer.packages]
    missing = [package for package, mark in zip(peer.packages, marks) if not mark.exists()]
    if missing:
        print("installing %s into %s" % (" ".join(missing), folder.relative_to(common.ROOT)), file=sys.stderr)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet"] + missing, check=True)
        for mark in marks:
            mark.touch()
    return python


class Network:
    """A case at a batch: dlc's program, the inputs, the output that all must give."""

    def __init__(self, name, batch, build):
        self.name, self.batch = name, batch
        self.example = common.example(name, build, batch)
        self.program = self.example.program(None, True)
        self.wanted = self.example.folder / "wanted.npy"
        common.measure([self.program, "predict"] + self.example.inputs + ["-o", self.wanted, "-q"])
        self.weights = self.example.weights.stat().st_size
        self.cannot = {}

    def dlc(self, threads):
        """(milliseconds, floating-point operations) of a call."""
        found = json.loads(common.measure([self.program, "bench", "--threads", threads, "--json"])[3])
        return found["seconds"]["median"] * 1e3, found["flop"]

    def least_seconds(self, flop, threads):
        roof = json.loads(common.measure([self.program, "profile", "--threads", threads, "--json"])[3])["roof"]
        cached = self.weights < int(subprocess.check_output(["getconf", "LEVEL3_CACHE_SIZE"])) / 2
        return max(flop / roof["flops"], self.weights / roof["caches" if cached else "memory"])

    def model(self, peer):
        if peer.venv == "venv-torch":
            return "%s:%d" % (self.name, self.batch)
        path = self.example.folder / "model.onnx"
        if not path.exists():
            export = common.ROOT / "tests" / "bench" / "peer_export.py"
            subprocess.run(["/usr/bin/python3", "-W", "ignore", str(export), self.name, str(self.batch), str(path)],
                           check=True, stdout=subprocess.DEVNULL)
        return path

    def peer(self, key, threads, seconds):
        """Milliseconds, or None if it can't."""
        if key in self.cannot:
            return None
        peer = peers.PEERS[key]
        words = [python_of(peer), "-W", "ignore", peers.__file__, key, self.model(peer), threads, seconds, self.wanted]
        try:
            environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TVM_NUM_THREADS=str(threads))
            return json.loads(common.measure(words + self.example.inputs, env=environment)[3].splitlines()[-1])["ms"]
        except common.runner.Failed as e:
            self.cannot[key] = str(e).strip().splitlines()[-1]
            print("%s: %s is left out: %s" % (self.name, peer.title, self.cannot[key]), file=sys.stderr)
            return None


def measure(network, threads, chosen, rounds, seconds):
    """One row's figures."""
    times, flop = {key: [] for key in ["dlc"] + chosen}, 0
    for _ in range(rounds):
        ms, flop = network.dlc(threads)
        times["dlc"].append(ms)
        for key in chosen:
            ms = network.peer(key, threads, seconds)
            if ms is not None:
                times[key].append(ms)
    found = {key: statistics.median(values) for key, values in times.items() if values}
    s = found["dlc"] / 1e3
    return {"name": network.name, "batch": network.batch, "threads": threads, "ms": found,
            "ratio": {key: found["dlc"] / ms for key, ms in found.items() if key != "dlc"},
            "gflops": flop / s / 1e9, "gbytes": network.weights / s / 1e9,
            "roof": network.least_seconds(flop, threads) / s, "cannot": network.cannot}


def row_of(figure, chosen):
    row = [figure["name"], str(figure["batch"]), str(figure["threads"]), "%.3f" % figure["ms"]["dlc"]]
    for key in chosen:
        row += ["%.3f" % figure["ms"][key], "%.2f" % figure["ratio"][key]] if key in figure["ms"] else ["-", "-"]
    return row + ["%.0f" % figure["gflops"], "%.1f" % figure["gbytes"], "%.2f" % figure["roof"]]


def means(figures, chosen):
    """How many times dlc's speed is each peer's, the geometric mean over the rows that it has."""
    for key in chosen:
        ratios = [f["ratio"][key] for f in figures if key in f["ratio"]]
        if ratios:
            speed = math.exp(-statistics.mean(map(math.log, ratios)))
            print("%s: dlc is %.2f times as fast (geometric mean of %d), %d times slower"
                  % (peers.PEERS[key].title, speed, len(ratios), sum(r > 1 for r in ratios)))


def main():
    parser = common.arguments(__doc__.split("\n")[0], NAMES)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="of %s" % ", ".join(peers.PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--plot", type=pathlib.Path, help="bars of all times, as SVG")
    given = parser.parse_args()
    chosen = [key for key in given.peers.split(",") if key]
    for key in chosen:
        if key not in peers.PEERS:
            parser.error("no peer '%s'; there are %s" % (key, ", ".join(peers.PEERS)))
    heads = [word for key in chosen for word in (peers.PEERS[key].title + " ms", "ratio")]
    rows, figures, slow = [["network", "batch", "threads", "dlc ms"] + heads + ["GFLOP/s", "GB/s", "roof"]], [], []
    for name in given.names:
        for batch in (int(b) for b in given.batch.split(",")):
            network = Network(name, batch, given.build.resolve())
            for threads in (int(t) for t in given.threads.split(",")):
                figure = measure(network, threads, chosen, given.rounds, given.seconds)
                figures.append(figure)
                rows.append(row_of(figure, chosen))
                print("  ".join(rows[-1]), file=sys.stderr)
                ratio = figure["ratio"].get("onnxruntime", 0)
                if batch == 1 and threads == 1 and ratio > LIMITS.get(name, math.inf):
                    slow.append(name)
                common.save(given.json, figures)
    common.table(rows)
    means(figures, chosen)
    if given.plot:
        titles = {"dlc": "dlc", **{key: peers.PEERS[key].title for key in chosen}}
        groups = ["%s, batch %d, %d thread%s" % (f["name"], f["batch"], f["threads"], "s" if f["threads"] > 1 else "")
                  for f in figures]
        plot.bars(given.plot, "time over dlc's (log scale; longer is slower)", groups, titles,
                  [{key: ms / f["ms"]["dlc"] for key, ms in f["ms"].items()} for f in figures])
    if slow:
        sys.exit("beyond the limit: " + ", ".join(slow))


if __name__ == "__main__":
    main()
