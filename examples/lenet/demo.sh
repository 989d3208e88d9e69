#!/bin/bash
# The main job on real data: one page of .dl becomes one executable that reads the 10,000 test
# pictures of Fashion-MNIST as they are packaged and says what they show.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=/usr/share/datasets/fashion-mnist
out=build/demo
mkdir -p "$out"

step() {
  printf '\n$ %s\n' "$*" >&2
  "$@"
}

step build/release/dlc check examples/lenet/lenet.dl
step build/release/dlc build examples/lenet/lenet.dl --weights examples/lenet/lenet.safetensors \
  -v -o "$out/lenet"
step "$out/lenet" info
step "$out/lenet" predict image=$data/t10k-images-idx3-ubyte.gz \
  --expect $data/t10k-labels-idx1-ubyte.gz --show 3 2>&1 | tee "$out/lenet.txt"
step "$out/lenet" bench --batch 1 --threads 1

# The promise of README.md, held to: at least 89 %.
accuracy=$(sed -nE 's/^accuracy ([0-9.]+) %.*/\1/p' "$out/lenet.txt")
awk -v a="$accuracy" 'BEGIN { exit !(a >= 89) }' || {
  echo "demo: the accuracy is '$accuracy' %, below 89 %" >&2
  exit 1
}
