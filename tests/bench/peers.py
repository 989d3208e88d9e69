"""Other programs that run networks, each under the name of its column.

Called as `peers.py PEER MODEL THREADS SECONDS WANTED.npy INPUT=FILE.npy ...` by infer.py, with the
Python of the peer's environment: loads the model, checks its output against dlc's, times it, and
prints one line of JSON. MODEL is an .onnx file, beside which a peer keeps what it compiles, or for
PyTorch CASE:BATCH.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

PEERS = {}


class Peer:
    """`packages`: what of PyPI it needs in the environment `venv`; `load(model, threads, feed)` gives
    a function without arguments that runs it once and returns its first output."""

    def __init__(self, load, title, venv, packages):
        self.load, self.title, self.venv, self.packages = load, title, venv, packages


def peer(title, venv, *packages):
    def add(load):
        PEERS[load.__name__] = Peer(load, title, venv, packages)
        return load
    return add


@peer("ONNX Runtime", "venv", "onnxruntime", "numpy")
def onnxruntime(model, threads, feed):
    import onnxruntime as runtime
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)[0]


@peer("OpenVINO", "venv", "openvino", "numpy")
def openvino(model, threads, feed):
    import openvino as runtime
    core = runtime.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True)[0]


@peer("IREE", "venv", "iree-base-compiler", "iree-base-runtime", "onnx", "numpy")
def iree(model, threads, feed):
    import iree.runtime as runtime
    whole = model + ".vmfb"
    if not os.path.exists(whole):
        tools = pathlib.Path(sys.executable).parent
        subprocess.run([tools / "iree-import-onnx", model, "--opset-version", "17", "-o", model + ".mlir"], check=True)
        subprocess.run([tools / "iree-compile", model + ".mlir", "--iree-hal-target-device=local",
                        "--iree-hal-local-target-device-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host",
                        "--iree-opt-level=O3", "-o", whole], check=True)
    runtime.flags.parse_flags("--task_topology_group_count=%d" % threads)
    device = runtime.get_device("local-sync" if threads == 1 else "local-task")
    config = runtime.Config(device=device)
    context = runtime.SystemContext(config=config)
    module = runtime.VmModule.mmap(config.vm_instance, whole)
    context.add_vm_module(module)
    entry = next(f for f in module.function_names if not f.startswith("__") and not f.endswith("$async"))
    call = context.modules[module.name][entry]
    values = [runtime.asdevicearray(device, value) for value in feed.values()]

    def once():
        result = call(*values)
        return (result[0] if isinstance(result, (tuple, list)) else result).to_host()
    return once


@peer("TVM", "venv", "apache-tvm", "onnx", "numpy")
def tvm(model, threads, feed):
    import onnx
    import tvm as compiler
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx
    os.environ["TVM_NUM_THREADS"] = str(threads)
    whole = model + ".so"
    if not os.path.exists(whole):
        cpu = subprocess.run(["clang", "-march=native", "-###", "-c", "-xc", "/dev/null"], capture_output=True, text=True).stderr
        cpu = cpu.split('"-target-cpu" "')[1].split('"')[0]
        module = from_onnx(onnx.load(model), keep_params_in_input=False)
        target = compiler.target.Target({"kind": "llvm", "mcpu": cpu})
        with target:
            relax.build(module, target).export_library(whole)
    machine = relax.VirtualMachine(compiler.runtime.load_module(whole), compiler.cpu())
    values = [compiler.runtime.tensor(value) for value in feed.values()]

    def once():
        result = machine["main"](*values)
        return (result if hasattr(result, "numpy") else result[0]).numpy()
    return once


def torch_module(model, feed):
    root = pathlib.Path(__file__).resolve().parent.parent / "reference"
    sys.path.insert(0, str(root))
    import torch

    import cases
    import make
    import models
    name, batch = model.split(":")
    case = next(c for c in cases.read() if c.name == name)
    case.dims["N"] = int(batch)
    module = models.make(case.example, case.defines)
    values = [torch.from_numpy(value) for value in feed.values()]
    with torch.no_grad():
        make.fill(module, case)
        if "pos" in case.given:
            import peer_language
            module = peer_language.place(module, case.given["pos"], values[1:])
            values = values[:1]
    return torch, module, values


def first_of(out):
    return next(iter(out.values())) if isinstance(out, dict) else out


@peer("PyTorch", "venv-torch", "torch", "numpy")
def torch(model, threads, feed):
    library, module, values = torch_module(model, feed)
    library.set_num_threads(threads)

    def once():
        with library.inference_mode():
            return first_of(module(*values)).numpy()
    return once


@peer("PyTorch compiled", "venv-torch", "torch", "numpy")
def torch_compiled(model, threads, feed):
    library, module, values = torch_module(model, feed)
    library.set_num_threads(threads)
    compiled = library.compile(module)

    def once():
        with library.inference_mode():
            return first_of(compiled(*values)).numpy()
    return once


def main():
    name, model, threads, seconds, wanted = sys.argv[1:6]
    import numpy
    feed = {key: numpy.load(path) for key, path in (word.split("=", 1) for word in sys.argv[6:])}
    once = PEERS[name].load(model, int(threads), feed)
    wanted, found = numpy.load(wanted), numpy.asarray(once())
    if hasattr(wanted, "files"):
        wanted = wanted[wanted.files[0]]
    error = float(numpy.abs(found.reshape(wanted.shape) - wanted).max() / numpy.abs(wanted).max())
    if not error < 1e-3:
        sys.exit("%s: its output differs from dlc's by %.1e of the scale" % (name, error))
    for _ in range(2):
        once()
    times, end = [], time.perf_counter() + float(seconds)
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    times.sort()
    print(json.dumps({"ms": times[len(times) // 2] * 1e3, "least_ms": times[0] * 1e3, "calls": len(times), "error": error}))


if __name__ == "__main__":
    main()
