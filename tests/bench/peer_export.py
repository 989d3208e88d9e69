#!/usr/bin/python3
"""Write a case of tests/examples.txt as an ONNX file, weights by formula. Needs Debian's python3-torch.

    /usr/bin/python3 tests/bench/peer_export.py CASE BATCH OUT.onnx

What a decode step finds in the caches is made too, as files beside OUT.onnx: k0.npy, v0.npy, k1.npy ..
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import numpy  # noqa: E402
import torch  # noqa: E402

import cases  # noqa: E402
import formula  # noqa: E402
import make  # noqa: E402
import models  # noqa: E402
import peer_language  # noqa: E402


def export(module, values, names, path):
    torch.onnx.export(module, tuple(values.values()), path, opset_version=15, input_names=list(values),
                      output_names=names, do_constant_folding=True)


def export_next(net, case, path):
    """The entry `next` of a network with a cache."""
    first, caches = case.given["pos"], {}
    token = torch.from_numpy(formula.input_value("token", "i64", (1, case.dims["T"]), case.given["token"]))
    if first:
        before = formula.input_value("token", "i64", (1, first), case.given["token"])
        caches = peer_language.make_caches(net, torch.from_numpy(before))
    for name, value in caches.items():
        numpy.save(pathlib.Path(path).parent / (name + ".npy"), value.contiguous().numpy())
    module = (peer_language.Token if first else peer_language.Text)(net, first, True)
    names = ["logits"] + ["new_" + name for name in peer_language.cache_names(net)]
    export(module, {"token": token, **caches}, names, path)


def main():
    name, batch, path = sys.argv[1:]
    case = next(c for c in cases.read() if c.name == name)
    case.dims["N"] = int(batch)
    module = models.make(case.example, case.defines)
    with torch.no_grad():
        make.fill(module, case)
        if "pos" in case.given:
            return export_next(module, case, path)
        values = {n: t.float() if t.is_floating_point() else t for n, t in make.tensors(case).items()}
        export(module, values, ["out"], path)


if __name__ == "__main__":
    main()
