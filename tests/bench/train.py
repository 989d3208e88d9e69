#!/usr/bin/env python3
"""Time one training step of compiled networks and of PyTorch side by side.

    tests/bench/train.py [--threads 1,2] [--rounds 3] [--seconds 2] [--json FILE] [NET ...]

A step is forward, backward and Adam, from equal weights on an equal batch; the losses of the first
steps must be the same to 1e-4 of the first one's size: Adam's first step brings ResNet-18's down a
hundredfold, and PyTorch's own two forms differ by 6e-4 of what is left. Of the row with dropout, whose
random numbers are each program's own, the network is held to the same without dropout by the row
before it. dlc, PyTorch as it is (eager) and through torch.compile take turns, so that what else the
machine does meets all of them. The table has the medians of the rounds' medians in milliseconds, dlc's
time over the better of the two (below 1: dlc is faster), and the memory that each holds at its largest
beyond a process that has only started. PyTorch comes from PyPI into build/bench/venv-torch (several
GB), unless --python names one that has it.
"""
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

import common

HERE = common.ROOT / "tests" / "bench"
MIB = 2.0**20
CLOSE = 1e-4  # losses, by the first one's size


class Net:
    """`what`: the step's loss, in .dl; `shape`: of what it is given, numbers or `words` of so many
    `labels`; `limit`: dlc's time over the better of PyTorch's, at most; `random`: losses are no
    two programs' same."""

    def __init__(self, example, what, shape, labels=10, words=False, limit=1 / 1.5, random=False, **defines):
        self.example, self.what, self.shape, self.labels, self.words = example, what, shape, labels, words
        self.limit, self.random, self.defines = limit, random, defines

    def page(self):
        source = (common.ROOT / "examples" / self.example / (self.example + ".dl")).read_text()
        sizes = ["N", "T"] if self.words else ["N", *(str(d) for d in self.shape[1:])]
        dims = [", ".join(sizes[:len(shape)]) for shape in (self.shape, self.wanted())]
        return (source + "\ntrain by_adam(given: %s[%s], wanted: i64[%s]) -> f32 {\n  loss = cross_entropy(%s, wanted)\n"
                "  minimize loss with adam(lr=1e-3)\n  return loss\n}\n" % ("i64" if self.words else "f32", *dims, self.what))

    def wanted(self):
        return self.shape if self.words else self.shape[:1]

    def program(self, name, build):
        """Fixed dims, as PyTorch sees them too."""
        folder = common.WORK / ("train-" + name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "page.dl").write_text(self.page())
        fixed = ["--dim", "N=%d" % self.shape[0]] + (["--dim", "T=%d" % self.shape[1]] if self.words else [])
        common.runner.call([build / "dlc", "build", folder / "page.dl", "--entry", "by_adam", "--emit", "lib,header", "-o", folder / "page"]
                           + fixed + [w for key, value in self.defines.items() for w in ("-D", "%s=%s" % (key, value))])
        common.runner.call(os.environ.get("CC", "cc").split() + [
            "-std=gnu11", "-O2", "-I%s" % folder, "-I%s" % common.ROOT, "-DGIVEN=%d" % math.prod(self.shape),
            "-DWANTED=%d" % math.prod(self.wanted()), "-DLABELS=%d" % self.labels, "-DWORDS=%d" % self.words,
            HERE / "step.c", folder / "libpage.a", "-o", folder / "step", "-lm", "-lpthread"])
        return folder / "step"


def gpt(drop, **more):
    return Net("gpt2", "unembed(trunk(given))", (8, 128), 256, words=True, size="tiny", vocab=256, longest=128, drop=drop, **more)


NETS = {
    "lenet": Net("lenet", "lenet(given)", (64, 1, 28, 28)),
    "mlp": Net("mlp", "mlp(given)", (128, 784)),
    "resnet18": Net("resnet", "resnet(given)", (32, 3, 32, 32), depth=18, stem=3, size=32, classes=10),
    "lstm": Net("char_rnn", "letters(given)", (16, 64), 128, words=True, depth=1),
    "gpt": gpt(0.0),
    "gpt-dropout": gpt(0.1, random=True),
}


def peer_python():
    venv = common.WORK / "venv-torch"
    python = venv / "bin" / "python"
    if not python.exists():
        print("installing torch into %s" % venv.relative_to(common.ROOT), file=sys.stderr)
        common.WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)
    return python


def peer(python, name, threads, mode, seconds):
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(threads)}
    return json.loads(common.measure([python, HERE / "peer_train.py", name, threads, mode, seconds], env=environment)[3])


def main():
    parser = common.arguments(__doc__.split("\n")[0], list(NETS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--python", type=pathlib.Path, help="a Python that has torch")
    parser.add_argument("--alone", action="store_true", help="time dlc only")
    given = parser.parse_args()
    python = None if given.alone else given.python or peer_python()
    sides = ["dlc"] + ([] if given.alone else ["eager", "compile"])
    rows, figures, beyond = [["network", "threads"] + [s + " ms" for s in sides] + ["ratio", "limit"] + [s + " MiB" for s in sides]], [], []
    for name in given.names:
        net = NETS[name]
        program = net.program(name, given.build.resolve())
        for threads in (int(t) for t in given.threads.split(",")):
            found = {side: [] for side in sides}
            for _ in range(given.rounds):
                for side in sides:
                    found[side].append(json.loads(common.measure([program, threads, given.seconds])[3]) if side == "dlc"
                                       else peer(python, name, threads, side, given.seconds))
            losses = {side: found[side][0]["losses"] for side in sides}
            if not net.random and any(abs(a - b) > CLOSE * abs(losses[side][0]) for side in sides for a, b in zip(losses["dlc"], losses[side])):
                raise common.runner.Failed("%s has other losses than PyTorch: %s" % (name, losses))
            ms = {side: statistics.median(f["ms"] for f in found[side]) for side in sides}
            memory = {side: statistics.median(f["memory"] for f in found[side]) for side in sides}
            ratio = ms["dlc"] / min((ms[s] for s in sides[1:]), default=float("nan"))
            if ratio > net.limit:
                beyond.append("%s with %d threads takes %.2f of PyTorch's time, limit %.2f" % (name, threads, ratio, net.limit))
            if any(memory["dlc"] > memory[s] for s in sides[1:]):
                beyond.append("%s with %d threads holds more memory than PyTorch" % (name, threads))
            rows.append([name, str(threads)] + ["%.3f" % ms[s] for s in sides] + ["%.2f" % ratio, "%.2f" % net.limit]
                        + ["%.1f" % (memory[s] / MIB) for s in sides])
            figures.append({"name": name, "threads": threads, "batch": net.shape[0], "ms": ms, "memory": memory, "ratio": ratio,
                            "losses": losses, "torch": found[sides[-1]][0].get("version")})
            print("%s, %d: " % (name, threads) + ", ".join("%s %.3f ms" % (s, ms[s]) for s in sides), file=sys.stderr)
    common.table(rows)
    common.save(given.json, figures)
    if beyond:
        sys.exit("beyond the limit: " + "; ".join(beyond))


if __name__ == "__main__":
    main()
