#!/usr/bin/env python3
"""Time compiled networks beside other programs that run them.

    tests/bench/infer.py [--threads 1,2] [--batch 1,8] [--peers NAME,..] [--rounds 3] [--seconds 1]
                         [--weights-types bf16,int8] [--json FILE] [--plot FILE.svg] [CASE ...]

In each round dlc and the peers take turns, so that what else the machine does meets all of them; the
table has the median of the rounds' medians in milliseconds, and dlc's time over each peer's (below 1:
dlc is faster). Weights and inputs are the same, and a peer is timed only if its output is dlc's. `roof`
is the share of the machine's limit that dlc reaches: the time that direct arithmetic would take at the
measured peak of multiply-adds, or that reading the weights once takes from the memory that holds them
if that is longer, over dlc's time (algorithms that do with less arithmetic may be above 1). A step that
decodes reads a cache too: its bytes are those that dlc's kernels name. With --weights-types dlc's time with weights
that are stored so (docs/precision.md) is a row beside the peers' with f32, in the same rounds.

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

NAMES = ["lenet", "mlp", "alexnet", "vgg16", "resnet18", "resnet50", "googlenet", "inception_v3", "mobilenet_v2",
         "densenet121",
         "lstm512", "bert128", "gpt2_prefill128", "gpt2_decode128", "gpt2_decode1000"]
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
    """A case at a batch: dlc's programs, one for each type of weights, the inputs, the output that all must give."""

    def __init__(self, name, batch, build, types):
        self.name, self.batch = name, batch
        self.example = common.example(name, build, batch)
        self.case, self.folder = self.example.case, self.example.folder
        self.programs = {kind: self.example.program(None, True, kind) for kind in types}
        self.position = self.case.given.get("pos", 0)
        self.wanted = self.decoded() if self.position else self.predicted()
        self.weights = 4 * self.case.parameters
        self.cannot = {}

    def predicted(self):
        path = self.folder / ("wanted" + self.example.result.suffix)
        common.measure([self.programs["f32"], "predict"] + self.example.inputs + ["-o", path, "-q"])
        return path

    def decoded(self):
        """What a token after others gives: the cache is what a call before it has left."""
        path, library = self.folder / "wanted.npy", self.folder / "page"
        common.runner.call([self.example.build / "dlc", "build", self.example.source, "--entry", self.case.entry, "--emit", "lib,header",
                            "--name", "page", "--weights", self.example.weights, "-o", library, "--dim", "N=1"])
        common.runner.call(os.environ.get("CC", "cc").split() + [
            "-std=gnu11", "-O2", "-I%s" % self.folder, "-I%s" % common.ROOT, "-DCLASSES=%d" % self.case.given["token"][1],
            common.ROOT / "tests" / "bench" / "decode.c", self.folder / "libpage.a", "-o", self.folder / "decode", "-lm", "-lpthread"])
        common.measure([self.folder / "decode", self.position, path])
        return path

    def run(self, command, kind, threads):
        indices = [word for word in self.example.inputs if "=" not in word or word.startswith("pos=")]
        return json.loads(common.measure([self.programs[kind], command, "--threads", threads, "--json"] + indices)[3])

    def dlc(self, kind, threads):
        """(milliseconds, floating-point operations) of a call."""
        found = self.run("bench", kind, threads)
        return found["seconds"]["median"] * 1e3, found["flop"]

    def limits(self, kind, flop, threads):
        """The bytes that a call has to read, and the least time for them and its arithmetic."""
        found = self.run("profile", kind, threads)
        size, roof = self.weights, found["roof"]
        if self.position or kind != "f32":
            size = sum(operation["bytes"] for operation in found["operations"])
        cached = size < int(subprocess.check_output(["getconf", "LEVEL3_CACHE_SIZE"])) / 2
        return size, max(flop / roof["flops"], size / roof["caches" if cached else "memory"])

    def model(self, peer):
        if self.position or peer.venv != "venv-torch":
            self.export()
        return "%s:%d" % (self.name, self.batch) if peer.venv == "venv-torch" else self.folder / "model.onnx"

    def export(self):
        path = self.folder / "model.onnx"
        if not path.exists():
            export = common.ROOT / "tests" / "bench" / "peer_export.py"
            subprocess.run(["/usr/bin/python3", "-W", "ignore", str(export), self.name, str(self.batch), str(path)],
                           check=True, stdout=subprocess.DEVNULL)

    def feed(self):
        caches = sorted(self.folder.glob("[kv][0-9]*.npy"), key=lambda path: (int(path.stem[1:]), path.stem)) if self.position else []
        return [word for word in self.example.inputs if ".npy" in word] + ["%s=%s" % (path.stem, path) for path in caches]

    def peer(self, key, threads, seconds):
        """Milliseconds, or None if it can't."""
        if key in self.cannot:
            return None
        peer = peers.PEERS[key]
        words = [python_of(peer), "-W", "ignore", peers.__file__, key, self.model(peer), threads, seconds, self.wanted] + self.feed()
        try:
            environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TVM_NUM_THREADS=str(threads))
            return json.loads(common.measure(words, env=environment)[3].splitlines()[-1])["ms"]
        except common.runner.Failed as e:
            self.cannot[key] = str(e).strip().splitlines()[-1]
            print("%s: %s is left out: %s" % (self.name, peer.title, self.cannot[key]), file=sys.stderr)
            return None


def measure(network, threads, chosen, rounds, seconds):
    """The rows' figures, of each type of weights."""
    types = list(network.programs)
    times, flop = {key: [] for key in types + chosen}, {}
    for _ in range(rounds):
        for kind in types:
            ms, flop[kind] = network.dlc(kind, threads)
            times[kind].append(ms)
        for key in chosen:
            ms = network.peer(key, threads, seconds)
            if ms is not None:
                times[key].append(ms)
    middle = {key: statistics.median(values) for key, values in times.items() if values}
    return [figure_of(network, threads, kind, {"dlc": middle[kind], **{key: middle[key] for key in chosen if key in middle}},
                      flop[kind]) for kind in types]


def figure_of(network, threads, kind, found, flop):
    s = found["dlc"] / 1e3
    size, least = network.limits(kind, flop, threads)
    name = network.name if kind == "f32" else network.name + " " + kind
    return {"name": name, "batch": network.batch, "threads": threads, "weights": kind, "ms": found,
            "ratio": {key: found["dlc"] / ms for key, ms in found.items() if key != "dlc"},
            "gflops": flop / s / 1e9, "gbytes": size / s / 1e9, "roof": least / s, "cannot": network.cannot}


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


def plan(names, batches):
    """(case, batch) of the rows; those that are timed alone have their own batch."""
    own = {case.name: case.dims["N"] for case in common.cases.read() if case.kind == "timed"}
    return [(name, batch) for name in names for batch in ([own[name]] if name in own else batches)]


def main():
    parser = common.arguments(__doc__.split("\n")[0], NAMES)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="of %s" % ", ".join(peers.PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--weights-types", default="", help="of bf16, int8: rows for dlc with weights stored so")
    parser.add_argument("--plot", type=pathlib.Path, help="bars of all times, as SVG")
    given = parser.parse_args()
    chosen = [key for key in given.peers.split(",") if key]
    for key in chosen:
        if key not in peers.PEERS:
            parser.error("no peer '%s'; there are %s" % (key, ", ".join(peers.PEERS)))
    heads = [word for key in chosen for word in (peers.PEERS[key].title + " ms", "ratio")]
    rows, figures, slow = [["network", "batch", "threads", "dlc ms"] + heads + ["GFLOP/s", "GB/s", "roof"]], [], []
    types = ["f32"] + [kind for kind in given.weights_types.split(",") if kind]
    for name, batch in plan(given.names, [int(b) for b in given.batch.split(",")]):
        network = Network(name, batch, given.build.resolve(), types)
        for threads in (int(t) for t in given.threads.split(",")):
            for figure in measure(network, threads, chosen, given.rounds, given.seconds):
                figures.append(figure)
                rows.append(row_of(figure, chosen))
                print("  ".join(rows[-1]), file=sys.stderr)
                ratio = figure["ratio"].get("onnxruntime", 0)
                if batch == 1 and threads == 1 and ratio > LIMITS.get(figure["name"], math.inf):
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
