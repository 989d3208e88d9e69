#!/bin/bash
# The rounds of the lottery ticket: train, prune a fifth of what is left, rewind, train again.
# usage: rounds.sh PROGRAM FOLDER ROUNDS EPOCHS
# Data: Fashion-MNIST, or what lies under its names in $DATA. With KEEP all files of a round are kept.
set -euo pipefail
program=$1 folder=$2 rounds=$3 epochs=$4
data=${DATA:-/usr/share/datasets/fashion-mnist}
mkdir -p "$folder"
weights=$folder/weights.safetensors

keep() { # NAME: what is there now
  if [ -n "${KEEP:-}" ]; then cp "$weights" "$folder/$1.safetensors"; fi
}
step() { # OPTIONS..: to what comes next, whose report is printed
  "$program" train "$@" --seed 1 --save "$folder/next.safetensors" -q --json
  mv "$folder/next.safetensors" "$weights"
}
learn() {
  step image="$data/train-images-idx3-ubyte.gz" label="$data/train-labels-idx1-ubyte.gz" --batch 60 --epochs "$epochs" \
    "$@" >/dev/null
}
once() { # STEP INPUTS..: one call of another step
  step --entry "$@" --steps 1 --weights "$weights"
}
accuracy() {
  "$program" predict image="$data/t10k-images-idx3-ubyte.gz" --expect "$data/t10k-labels-idx1-ubyte.gz" \
    --weights "$weights" --json -q | sed 's/.*"accuracy":\([0-9.]*\).*/\1/'
}

step --entry rewind --steps 1 >/dev/null # the first values, as no weights are given
keep 0.first
learn --weights "$weights"
echo "round 0: 266200 weights, $(accuracy) right"
for ((round = 0; round < rounds; round++)); do
  keep $round.learnt
  left=$(once prune rate=0.2 | sed 's/.*"loss":\([0-9]*\).*/\1/')
  keep $round.pruned
  once rewind >/dev/null
  keep $round.rewound
  learn --weights "$weights"
  keep $round.again
  echo "round $((round + 1)): $left weights, $(accuracy) right"
done
