"""Time a model in ONNX Runtime: MODEL.onnx THREADS SECONDS. One line of JSON, as `bench --json` gives.

Run by infer.py with the Python that has onnxruntime.
"""
import json
import sys
import time

import numpy
import onnxruntime


def main():
    path, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(1)
    feed = {i.name: random.uniform(-1, 1, i.shape).astype(numpy.float32) for i in session.get_inputs()}
    for _ in range(3):
        session.run(None, feed)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    times.sort()
    print(json.dumps({"ms": times[len(times) // 2] * 1e3, "least_ms": times[0] * 1e3, "calls": len(times),
                      "version": onnxruntime.__version__}))


if __name__ == "__main__":
    main()
