#!/bin/bash
# A small GPT-2 learns to write from the King James Bible: subwords of its own, the network as one
# executable, training, a text. No framework anywhere.
#
#   examples/gpt2/demo.sh [--quick] [FOLDER]     FOLDER: for what it makes, default build/gpt2
#
# --quick: a smaller net and a few steps, to see that all of it works. DLC says where the compiler is.
set -euo pipefail
. "$(dirname "$0")/../step.sh"
words=2000 size=(-D size=tiny) length=128 batch=8 steps=300 fast=5 slow=1 most=40
if [ "${1:-}" = --quick ]; then
  words=400 size=(-D D=64 -D depth=2) length=32 batch=8 steps=50 fast=2 slow=1 most=110
  shift
fi
out=${1:-build/gpt2}
mkdir -p "$out"

step examples/transformer/verses.py "$out/verses"
step "$dlc" subwords learn "$out/verses/en.learn.txt" --size $words -o "$out/subwords"
step "$dlc" build examples/gpt2/gpt2.dl "${size[@]}" -D vocab=$words -D longest=$length -D drop=0.0 -o "$out/learner"

# Large steps, then small ones, with what Adam knows by then. Chapters that are kept apart say how well the text is
# foreseen.
rm -f "$out/learnt.log"
step "$out/learner" train token="$out/verses/en.learn.txt" --validate token="$out/verses/en.held.txt" \
  --vocabulary "$out/subwords" --dim T=$length --batch $batch --seed 1 --save "$out/learnt.safetensors" \
  --log "$out/learnt.log" lr=0.001 --steps $steps --epochs $fast
step "$out/learner" train --resume "$out/learnt.checkpoint.safetensors" lr=0.0002 --epochs $((fast + slow))

# What was learnt, compiled in, with its vocabulary.
step "$dlc" build examples/gpt2/gpt2.dl "${size[@]}" -D vocab=$words -D longest=$length --entry next,reorder \
  --weights "$out/learnt.safetensors" -o "$out/writer"
step "$out/writer" generate "In the beginning" --tokens 100 --temperature 0.8 --seed 1

# Held to what README.md says.
perplexity=$(sed -nE 's/.*"validation".*"perplexity":([0-9.]+).*/\1/p' "$out/learnt.log" | tail -1)
echo "perplexity $perplexity of a subword in chapters it has not seen, among $words" >&2
awk -v p="$perplexity" -v most=$most 'BEGIN { exit !(p > 1 && p <= most) }' || {
  echo "demo: the perplexity is '$perplexity', not below $most" >&2
  exit 1
}
