#!/bin/bash
# The main job on real data: one page of .dl becomes one executable that learns from the 60,000
# training pictures of Fashion-MNIST, from first values of its own, and says what the 10,000 test
# pictures show. No framework anywhere.
set -euo pipefail
. "$(dirname "$0")/../step.sh"
data=/usr/share/datasets/fashion-mnist
out=build/demo
mkdir -p "$out"

step "$dlc" check examples/lenet/lenet.dl
step "$dlc" build examples/lenet/lenet.dl -v -o "$out/lenet"
step "$out/lenet" info

# Small batches first, for they learn fast; then larger ones, which wander less.
learn() {
  step "$out/lenet" train image=$data/train-images-idx3-ubyte.gz \
    label=$data/train-labels-idx1-ubyte.gz --norm image=0.286,0.353 \
    --classes examples/lenet/classes.txt --validate 5000 --seed 1 "$@"
}
learn --epochs 7 --batch 64 --save "$out/fast.safetensors" --plot "$out/fast.svg"
learn --epochs 4 --batch 256 --weights "$out/fast.safetensors" --save "$out/lenet.safetensors" \
  --plot "$out/lenet.svg" --log "$out/lenet.log"
step "$out/lenet" predict image=$data/t10k-images-idx3-ubyte.gz \
  --expect $data/t10k-labels-idx1-ubyte.gz --weights "$out/lenet.safetensors" --show 3 2>&1 |
  tee "$out/lenet.txt"

# What was learnt, compiled in: constants, laid out for their kernels.
step "$dlc" build examples/lenet/lenet.dl --weights "$out/lenet.safetensors" -v \
  -o "$out/lenet-inside"
step "$out/lenet-inside" bench --batch 1 --threads 1

# The promise of README.md, held to: at least 89 %.
accuracy=$(sed -nE 's/^accuracy ([0-9.]+) %.*/\1/p' "$out/lenet.txt")
awk -v a="$accuracy" 'BEGIN { exit !(a >= 89) }' || {
  echo "demo: the accuracy is '$accuracy' %, below 89 %" >&2
  exit 1
}
