#!/usr/bin/python3
"""Write a case of tests/examples.txt as an ONNX file, weights by formula. Needs Debian's python3-torch.

    /usr/bin/python3 tests/bench/peer_export.py CASE BATCH OUT.onnx
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import torch  # noqa: E402

import cases  # noqa: E402
import make  # noqa: E402
import models  # noqa: E402


def main():
    name, batch, path = sys.argv[1:]
    case = next(c for c in cases.read() if c.name == name)
    case.dims["N"] = int(batch)
    module = models.make(case.example, case.defines)
    with torch.no_grad():
        make.fill(module, case)
        values = {n: t.float() for n, t in make.tensors(case).items()}
        torch.onnx.export(module, tuple(values.values()), path, opset_version=15, input_names=list(values),
                          output_names=["out"], do_constant_folding=True)


if __name__ == "__main__":
    main()
