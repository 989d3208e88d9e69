#!/usr/bin/env python3
"""Time one training step of compiled networks and of PyTorch side by side.

    tests/bench/train.py [--threads 1,2] [--rounds 3] [--seconds 2] [--json FILE] [lenet|mlp|resnet18 ...]

A step is forward, backward and Adam. dlc, PyTorch as it is (eager) and through torch.compile take
turns, so that what else the machine does meets all of them. The table has the medians of the rounds'
medians in milliseconds, dlc's time over the better of the two (below 1: dlc is faster), and the
memory that each holds at its largest beyond a process that has only started. PyTorch comes from PyPI
into build/bench/venv-torch (several GB), unless --python names one that has it.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys

import common
import curves

HERE = common.ROOT / "tests" / "bench"
MIB = 2.0**20


class Net:
    """`limit`: dlc's time over the better of PyTorch's, at most."""

    def __init__(self, example, batch, shape, limit, **defines):
        self.example, self.batch, self.shape, self.limit, self.defines = example, batch, shape, limit, defines

    def page(self):
        source = (common.ROOT / "examples" / self.example / (self.example + ".dl")).read_text()
        return source + "\n" + curves.Net(self.example, self.batch, self.shape, {}, {"adam": 1e-3}).step("adam")

    def program(self, name, build):
        """Fixed dims, as PyTorch sees them too."""
        folder = common.WORK / ("train-" + name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "page.dl").write_text(self.page())
        words = [build / "dlc", "build", folder / "page.dl", "--entry", "by_adam", "--emit", "lib,header", "-o", folder / "page",
                 "--dim", "N=%d" % self.batch]
        common.runner.call(words + [w for key, value in self.defines.items() for w in ("-D", "%s=%s" % (key, value))])
        size = 1
        for d in self.shape:
            size *= d
        common.runner.call(os.environ.get("CC", "cc").split() + [
            "-std=gnu11", "-O2", "-I%s" % folder, "-I%s" % common.ROOT, "-DBATCH=%d" % self.batch, "-DSIZE=%d" % size,
            HERE / "step.c", folder / "libpage.a", "-o", folder / "step", "-lm", "-lpthread"])
        return folder / "step"


NETS = {
    "lenet": Net("lenet", 64, (1, 28, 28), 0.5),
    "mlp": Net("mlp", 128, (784,), 1.0),
    "resnet18": Net("resnet", 32, (3, 32, 32), 1.0, depth=18, stem=3, size=32, classes=10),
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
            ms = {side: statistics.median(f["ms"] for f in found[side]) for side in sides}
            memory = {side: statistics.median(f["memory"] for f in found[side]) for side in sides}
            ratio = ms["dlc"] / min((ms[s] for s in sides[1:]), default=float("nan"))
            if ratio > net.limit:
                beyond.append("%s with %d threads takes %.2f of PyTorch's time, limit %.2f" % (name, threads, ratio, net.limit))
            if any(memory["dlc"] > memory[s] for s in sides[1:]):
                beyond.append("%s with %d threads holds more memory than PyTorch" % (name, threads))
            rows.append([name, str(threads)] + ["%.3f" % ms[s] for s in sides] + ["%.2f" % ratio, "%.2f" % net.limit]
                        + ["%.1f" % (memory[s] / MIB) for s in sides])
            figures.append({"name": name, "threads": threads, "batch": net.batch, "ms": ms, "memory": memory, "ratio": ratio,
                            "torch": found[sides[-1]][0].get("version")})
            print("%s, %d: " % (name, threads) + ", ".join("%s %.3f ms" % (s, ms[s]) for s in sides), file=sys.stderr)
    common.table(rows)
    common.save(given.json, figures)
    if beyond:
        sys.exit("beyond the limit: " + "; ".join(beyond))


if __name__ == "__main__":
    main()
