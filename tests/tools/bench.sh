#!/bin/bash
# Measures against the project's figures.
#   bench.sh [build|infer|train|products|kernels|movers] [arguments of that script]
# build: times, memory and sizes of `dlc build`; infer: binaries beside ONNX Runtime, OpenVINO, IREE, TVM
# and PyTorch, alternating in one run (installs them under build/bench); train: training steps beside PyTorch, likewise;
# products: products and matrix-vector products beside OpenBLAS; kernels: these, and each kernel's share of the
# machine's limits; movers: what only moves memory beside copies of as many bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
what=${1:-all}
[ $# -gt 0 ] && shift
case $what in
  all)
    python3 tests/bench/build.py
    python3 tests/bench/infer.py --json build/bench/infer.json --plot build/bench/infer.svg
    python3 tests/bench/train.py
    ;;
  build) exec python3 tests/bench/build.py "$@" ;;
  infer) exec python3 tests/bench/infer.py "$@" ;;
  train) exec python3 tests/bench/train.py "$@" ;;
  products) exec python3 tests/bench/products.py "$@" ;;
  kernels)
    [ $# -gt 0 ] || python3 tests/bench/products.py --json build/bench/products.json
    exec build/release/tests/kernels "$@"
    ;;
  movers) exec build/release/tests/kernels --movers "$@" ;;
  *)
    echo "bench: no '$what'; build, infer, train, products, kernels, movers or all" >&2
    exit 2
    ;;
esac
