#!/usr/bin/python3
"""Record what PyTorch gives for the cases of tests/examples.txt.

    apt-get install python3-torch python3-torchvision
    /usr/bin/python3 tests/reference/make.py [CASE...]        writes values/CASE.txt

The weights are those of formula.py, computed with in double, so that the file holds the true values
up to 1e-12 and a test sees its own error alone. Each output: name, type, shape, its largest absolute
value, its 2-norm, and about 64 elements, `every`-th ones of the flat tensor. Full forms that
torchvision has are compared with it, names of the parameters included.
"""
import platform
import sys
import time

import numpy
import torch

import cases
import formula
import language_models  # their models
import layers
import mobile_models
import models
import programs

FOLDER = cases.TABLE.parent / "reference" / "values"
TYPES = {torch.float64: "f32", torch.int64: "i64", torch.bool: "bool"}


def inputs(case):
    """The entry's inputs: name -> (element type, shape); scalars are in the table. Of several calls one below the other."""
    if (case.example, case.entry) in programs.INPUTS:
        return programs.inputs(case)
    n, define = case.dims.get("N", 1) * case.calls, case.defines.get

    def image(side, planes=3):
        return {"image": ("f32", (n, planes, side, side))}
    text = (n, case.dims.get("T", 1))
    board, latent = define("board", 19), (n, define("dlatent", 512))
    return {
        "mlp": lambda: {"image": ("f32", (n, 784))}, "highway": lambda: {"image": ("f32", (n, 784))},
        "lecun1989": lambda: image(16, 1), "lenet": lambda: image(28, 1), "lenet5_1998": lambda: image(32, 1),
        "resnet20": lambda: image(define("size", 28), define("planes", 1)),
        "alexnet_2012": lambda: image(define("size", 227)),
        "inception_v3": lambda: image(define("size", 299)), "inception_v4": lambda: image(define("size", 299)),
        "inception_resnet_v2": lambda: image(define("size", 299)),
        "amoebanet_cell": lambda: image(define("size", 32)), "nasnet_cell": lambda: image(define("size", 32)), "judge": lambda: image(64),
        "move": lambda: {"planes": ("f32", (n, 48, board, board))}, "outcome": lambda: {"planes": ("f32", (n, 49, board, board))},
        "evaluate": lambda: {"planes": ("f32", (n, 17, board, board))},
        "act": lambda: {"frames": ("u8", (n, 4, define("size", 84), define("size", 84)))},
        "generate": lambda: {"z": ("f32", (n, define("noise", 100)))},
        "sample": lambda: {"z1": ("f32", latent), "z2": ("f32", latent)},
        "bert_base": lambda: {"token": ("i64", text), "segment": ("i64", text), "mask": ("bool", text)},
        "gpt": lambda: {"token": ("i64", text)}, "gpt2": lambda: {"token": ("i64", text)}, "next": lambda: {"token": ("i64", text)}, "char_rnn": lambda: {"token": ("i64", text)},
        "transformer": lambda: {"source": ("i64", (n, case.dims["S"])), "before": ("i64", text)},
        "predict": lambda: {"y0": ("f32", (n, 2))}, "solve": lambda: {"y0": ("f32", (n, 2))},
        "recurrence": lambda: {"x": ("f32", (*text, 6)), "length": ("i64", (n,)), "h": ("f32", (4, n, 7)), "c": ("f32", (4, n, 7))},
        "attentions": lambda: {"x": ("f32", (*text, 12)), "memory": ("f32", (n, case.dims["S"], 12)),
                               "other": ("f32", (n, case.dims["S"], 9)), "length": ("i64", (n,)), "keep": ("bool", (n, case.dims["S"]))},
        "vocabulary": lambda: {"x": ("f32", (case.dims["M"], 16)), "label": ("i64", (case.dims["M"],)),
                               "sample": ("i64", (case.dims["K"],)), "noise": ("i64", (case.dims["M"], case.dims["K"]))},
        "alignments": lambda: {"x": ("f32", (case.dims["M"], case.dims["F"], 6)), "label": ("i64", (case.dims["M"], case.dims["L"])),
                               "frames": ("i64", (case.dims["M"],)), "length": ("i64", (case.dims["M"],))},
    }.get(case.entry, lambda: image(define("size", 224)))()


def tensors(case):
    values = {}
    for name, (element, shape) in inputs(case).items():
        value = torch.from_numpy(formula.input_value(name, element, shape, case.given.get(name)))
        values[name] = value.double() if element in ("f32", "u8") else value
    values.update((name, value) for name, value in case.given.items() if not isinstance(value, tuple))
    return values


def state_of(module):
    """Name -> tensor of all parameters and states that a .dl file has too."""
    return {name: t for name, t in module.state_dict().items() if not name.endswith("num_batches_tracked")}


def fill(module, case):
    """What is carried from call to call begins with 0."""
    carried = {name for name, _ in module.named_buffers()} if case.calls > 1 else ()
    for name, t in state_of(module).items():
        if name in carried:
            continue
        t.copy_(torch.from_numpy(formula.parameter(name, tuple(t.shape), formula.parse_scales(case.scales))))


def reached(module, case):
    owners = getattr(module, "owners", {}).get(case.entry, [""])
    return sum(p.numel() for name, p in module.named_parameters() if name.startswith(tuple(owners)))


def run(module, case, values):
    entry = getattr(module, "entries", {}).get(case.entry, module)
    calls = []
    for i in range(case.calls):
        part = {k: v.chunk(case.calls)[i] if torch.is_tensor(v) else v for k, v in values.items()}
        out = entry(**part)
        calls.append(out if isinstance(out, dict) else {"out": out})
    return {name: torch.cat([out[name] for out in calls]) for name in calls[0]} if case.calls > 1 else calls[0]


def versions():
    names = [torch, numpy] + ([sys.modules["torchvision"]] if "torchvision" in sys.modules else [])
    return ", ".join("%s %s" % (m.__name__, m.__version__) for m in names) + ", python " + platform.python_version()


def compare_with_torchvision(module, case, values, outs):
    known = case.example in ("densenet", "resnet", "shufflenet_v2", "vgg") or case.name in ("alexnet", "googlenet", "inception_v3", "mobilenet_v2")
    if case.kind == "small" or not known:
        return ""
    import torchvision  # here, so that others do without it
    make = {"alexnet": torchvision.models.alexnet, "googlenet": torchvision.models.googlenet,
            "inception_v3": torchvision.models.inception_v3, "mobilenet_v2": torchvision.models.mobilenet_v2}.get(case.name)
    if case.example in ("densenet", "resnet", "shufflenet_v2", "vgg"):
        make = getattr(torchvision.models, case.name, None)
    if not make:
        return ""
    extra = {"aux_logits": False, "init_weights": False} if case.name in ("googlenet", "inception_v3") else {}
    other = make(**extra).eval().double()
    other.load_state_dict({**{k: t for k, t in other.state_dict().items() if k.endswith("num_batches_tracked")}, **state_of(module)})
    out = other(values["image"])
    error = (out - outs["out"]).abs().max().item() / out.abs().max().item()
    assert error < 1e-9, error
    return ", equal to torchvision's"


def record(case):
    start = time.time()
    torch.set_num_threads(1)
    with torch.no_grad():
        module = models.make(case.example, case.defines)
        fill(module, case)
        count = reached(module, case)
        assert case.parameters in (None, count), (case.name, count)
        module.double()
        values = tensors(case)
        outs = run(module, case, values)
        same = compare_with_torchvision(module, case, values, outs)
    with open(FOLDER / (case.name + ".txt"), "w") as f:
        f.write("# %s: made by tests/reference/make.py with %s\nparameters %d\n" % (case.name, versions(), count))
        for name, out in outs.items():
            flat = out.detach().flatten()
            flat = flat.double() if out.dtype == torch.bool else flat
            every = max(len(flat) // 64, 1)
            every -= every > 1 and every % 2 == 0
            few = flat[::every]
            f.write("output %s %s [%s] max %.9g norm %.9g every %d count %d\n" % (
                name, TYPES[out.dtype], ",".join(map(str, out.shape)), flat.abs().max(), flat.double().norm(), every, len(few)))
            for i in range(0, len(few), 8):
                f.write(" ".join("%.9g" % v for v in few[i : i + 8].tolist()) + "\n")
            print("%-26s %9d  %-7s %-18s max %.3g spread %.3g%s  %.1f s" % (
                case.name, count, name, list(out.shape), flat.abs().max(), flat.double().std(), same, time.time() - start), flush=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case in cases.read():
        if not sys.argv[1:] or case.name in sys.argv[1:]:
            record(case)
