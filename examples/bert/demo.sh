#!/bin/bash
# A small BERT learns masked words from the King James Bible, and fills in those of chapters it has not seen.
#
#   examples/bert/demo.sh [--quick] [FOLDER]     FOLDER: for what it makes, default build/bert
#
# --quick: a smaller net and a few steps, to see that all of it works. DLC says where the compiler is.
set -euo pipefail
. "$(dirname "$0")/../step.sh"
words=2000 size=(-D D=128 -D depth=2) length=64 epochs=(--epochs 1 --steps 2400) least=20
if [ "${1:-}" = --quick ]; then
  words=400 size=(-D D=64 -D depth=1) length=32 epochs=(--epochs 1 --steps 60) least=2.5
  shift
fi
out=${1:-build/bert}
mkdir -p "$out"

step examples/transformer/verses.py "$out/verses"
text=$out/verses mask=$((words - 1))
step "$dlc" subwords learn "$text/en.learn.txt" --size $words --special '[MASK]' -o "$out/subwords"
define=("${size[@]}" -D vocab=$words -D mask_word=$mask -D longest=$length)
step "$dlc" build examples/bert/bert.dl --entry fill_in,fill "${define[@]}" -D drop=0.0 -o "$out/learner"
rm -f "$out/learnt.log"
step "$out/learner" train token="$text/en.learn.txt" --validate token="$text/en.held.txt" --vocabulary "$out/subwords" \
  lr=0.001 --dim T=$length --batch 32 "${epochs[@]}" --seed 1 --save "$out/learnt.safetensors" --log "$out/learnt.log"
step "$dlc" build examples/bert/bert.dl --entry fill "${define[@]}" --weights "$out/learnt.safetensors" -o "$out/filler"

for part in learn held; do
  step "$dlc" subwords encode "$text/en.$part.txt" --vocabulary "$out/subwords" -o "$out/$part.tokens"
done
step examples/bert/masks.py hide "$out/held.tokens" $mask $length -o "$out/hidden.npy"
step "$out/filler" predict token="$out/hidden.npy" -o "$out/filled.npy"
step examples/bert/masks.py judge "$out/held.tokens" "$out/hidden.npy" "$out/filled.npy" "$out/learn.tokens" | tee "$out/found"
for line in "And the LORD said[MASK] Moses" "In the[MASK] God created the heaven and the[MASK]." \
  "The[MASK] of the LORD came unto me, saying"; do
  step "$out/filler" complete "$line"
done

# Held to what README.md says.
found=$(sed -nE 's/.*: ([0-9.]+) % found.*/\1/p' "$out/found")
awk -v f="$found" -v least=$least 'BEGIN { exit !(f != "" && f >= least) }' || {
  echo "demo: '$found' % were found, not $least" >&2
  exit 1
}
