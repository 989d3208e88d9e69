#!/usr/bin/python3
"""Record the learning curves of curves.py as PyTorch gives them, in float32 and in float64.

    apt-get install python3-torch
    /usr/bin/python3 tests/reference/make_curves.py [NET...]        writes curves/NET.txt

For each optimizer and seed: the losses in double, and by how much those in single precision, from the
same parameters and data, differ from them. The last of a row is the loss of inference after the
steps. One thread, ten minutes for all.
"""
import platform
import sys
import time

import numpy
import torch
from torch.nn import functional as F

import cases
import curves
import formula
import language_models  # their models
import layers
import mobile_models
import models
import programs  # their models

FOLDER = cases.TABLE.parent / "reference" / "curves"
VERSIONS = "torch %s, numpy %s, python %s" % (torch.__version__, numpy.__version__, platform.python_version())
MAKE = {
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, weight_decay=1e-4),
    "nesterov": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
    "adagrad": lambda p, lr: torch.optim.Adagrad(p, lr=lr),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.1),
    "matrices": lambda p, lr: torch.optim.AdamW([{"params": [t for t in p if t.dim() > 1]}, {"params": [t for t in p if t.dim() < 2], "weight_decay": 0}], lr=lr, eps=1e-6),
    "adadelta": lambda p, lr: torch.optim.Adadelta(p, lr=lr, rho=0.95, eps=1e-6),
}


def data(net, seed):
    """Images and labels of all steps: [STEPS + 1, batch, ...]."""
    rows, size = (curves.STEPS + 1) * net.batch, int(numpy.prod(net.shape))
    high = formula.bits("seed %d label" % seed, rows) >> numpy.uint64(32)
    label = ((high * numpy.uint64(10)) >> numpy.uint64(32)).astype(numpy.int64)
    pattern = formula.symmetric("seed %d pattern" % seed, 10 * size).reshape(10, size)
    noise = formula.symmetric("seed %d noise" % seed, rows * size).reshape(rows, size)
    image = ((pattern[label] + 3 * noise) / 4).astype(numpy.float32)
    parts = (curves.STEPS + 1, net.batch)
    return torch.from_numpy(image).view(*parts, *net.shape), torch.from_numpy(label).view(*parts)


def run(net, optimizer, seed, image, label, element):
    module = models.make(net.page, net.defines).train()
    learner = models.LEARNERS.get(net.name, lambda module, image, label: module(image))
    with torch.no_grad():
        for name, t in module.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                offset, scale = formula.offset_and_scale(name, tuple(t.shape))
                x = formula.symmetric("seed %d %s" % (seed, name), t.numel())
                value = (offset + net.offset(name) + float(numpy.float32(scale)) * x).astype(numpy.float32)
                t.copy_(torch.from_numpy(value).view(t.shape))
    module.to(element)
    image = image.to(element)
    own = models.OWN[net.name](module, net.rates["own"]) if optimizer == "own" else None
    step = None if own else MAKE[optimizer](list(module.parameters()), net.rates[optimizer])
    losses = []

    def loss_of(i):
        out = learner(module, image[i], label[i])
        return out if net.is_loss else F.cross_entropy(out, label[i])
    for i in range(curves.STEPS):
        if own:
            losses.append(own(image[i], label[i]))
            continue
        loss = loss_of(i)
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    with torch.no_grad():
        module.eval()
        losses.append(loss_of(-1).item())
    return numpy.array(losses, numpy.float64)


def lines(values, form):
    words = [form % v for v in values]
    return "".join(" ".join(words[i : i + 10]) + "\n" for i in range(0, len(words), 10))


def record(net):
    start = time.time()
    path = FOLDER / (net.name + ".txt")
    with open(path.with_suffix(".new"), "w") as f:
        f.write("# %s: made by tests/reference/make_curves.py with %s\n" % (net.name, VERSIONS))
        for optimizer in net.rates:
            most = []
            for seed in range(1, curves.SEEDS + 1):
                image, label = data(net, seed)
                double = run(net, optimizer, seed, image, label, torch.float64)
                single = run(net, optimizer, seed, image, label, torch.float32)
                most.append(abs(single - double).max())
                f.write("%s %d\n" % (optimizer, seed) + lines(double, "%.9g") + lines(single - double, "%.2e"))
            print("%-8s %-9s loss %.3f .. %.3f, then %.3f; float32 differs by %s, median %.1e; %.0f s" % (
                net.name, optimizer, double[0], double[-2], double[-1], " ".join("%.1e" % m for m in sorted(most)),
                sorted(most)[len(most) // 2], time.time() - start), flush=True)
    path.with_suffix(".new").rename(path)


if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for net in curves.NETS.values():
        if not sys.argv[1:] or net.name in sys.argv[1:]:
            record(net)
