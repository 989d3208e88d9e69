#!/usr/bin/env python3
"""Train the network of optimizers.dl with each optimizer and draw all learning curves in one picture.

    examples/optimizers/study.py [--dlc build/release/dlc] [--epochs 2] [--threads 1] [--only NAME ...]

Needs Debian's dataset-fashion-mnist. Programs and logs go to build/study, the picture to curves.svg
beside this file; what each reached is printed.
"""
import argparse
import json
import math
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
METHODS = ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "nadam", "adamw", "amsgrad", "radam",
           "lamb"]
COLOURS = ["#555555", "#8c564b", "#c49c94", "#1f77b4", "#17becf", "#2ca02c", "#d62728", "#ff9896", "#e377c2", "#9467bd", "#bcbd22",
           "#ff7f0e", "#000000"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 820, 460, 50, 130, 20, 40


def learn(method, given):
    """[(step, loss)] and the validation of each epoch."""
    folder = ROOT / "build" / "study"
    folder.mkdir(parents=True, exist_ok=True)
    program, log = folder / method, folder / (method + ".jsonl")
    subprocess.run([given.dlc, "build", HERE / "optimizers.dl", "-D", "method=" + method, "-o", program, "-q"], check=True)
    log.unlink(missing_ok=True)
    subprocess.run([program, "train", "image=%s" % (DATA / "train-images-idx3-ubyte.gz"),
                    "label=%s" % (DATA / "train-labels-idx1-ubyte.gz"), "--norm", "image=0.286,0.353", "--epochs", str(given.epochs),
                    "--batch", "64", "--validate", "5000", "--seed", "1", "--threads", str(given.threads), "--log", log,
                    "--log-every", "1", "-q"], check=True)
    events = [json.loads(line) for line in open(log)]
    return ([(e["step"], e["out"]) for e in events if e["event"] == "step"],
            [e["validation"] for e in events if e["event"] == "epoch"])


def smooth(curve, keep=0.98, every=20):
    """A running mean that is fair from its first value on."""
    total, weight, points = 0.0, 0.0, []
    for step, loss in curve:
        total, weight = keep * total + (1 - keep) * loss, keep * weight + (1 - keep)
        if step % every == 0:
            points.append((step, total / weight))
    return points


def draw(curves):
    """Steps across, the logarithm of the loss upwards."""
    last = max(points[-1][0] for points in curves.values())
    low, high = 0.2, 2.4

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(loss):
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(high / min(max(loss, low), high)) / math.log(high / low)
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (WIDTH, HEIGHT),
           '<rect width="%d" height="%d" fill="white"/>' % (WIDTH, HEIGHT)]
    for loss in (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2):
        svg.append('<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>' % (
            LEFT, y(loss), WIDTH - RIGHT, LEFT - 6, y(loss) + 4, loss))
    for k in range(5):
        svg.append('<text x="%.1f" y="%d" text-anchor="middle">%d</text>' % (x(last * k / 4), HEIGHT - BOTTOM + 18, last * k // 4))
    svg.append('<text x="%d" y="%d" text-anchor="middle">steps of 64 images; loss, a running mean</text>' % (
        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6))
    label = TOP - 8.0
    for name in sorted(curves, key=lambda n: -curves[n][-1][1]):
        colour, points = COLOURS[METHODS.index(name)], curves[name]
        label = max(label + 13, y(points[-1][1]) + 4)
        svg.append('<path d="M%s" fill="none" stroke="%s" stroke-width="1.4"/>' % (
            "L".join("%.1f %.1f" % (x(s), y(v)) for s, v in points), colour))
        svg.append('<text x="%d" y="%.1f" fill="%s">%s %.3f</text>' % (WIDTH - RIGHT + 8, label, colour, name, points[-1][1]))
    return "\n".join(svg) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dlc", type=pathlib.Path, default=ROOT / "build" / "release" / "dlc")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=METHODS)
    parser.add_argument("-o", type=pathlib.Path, default=HERE / "curves.svg")
    given = parser.parse_args()
    curves = {}
    print("%-9s %10s %10s %9s" % ("optimizer", "loss", "validation", "accuracy"))
    for method in given.only:
        curve, validation = learn(method, given)
        curves[method] = smooth(curve)
        print("%-9s %10.4f %10.4f %7.2f %%" % (method, curves[method][-1][1], validation[-1]["loss"], 100 * validation[-1]["accuracy"]),
              flush=True)
    given.o.write_text(draw(curves))


if __name__ == "__main__":
    main()
