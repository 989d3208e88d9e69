#!/bin/bash
# The Transformer learns to translate the Bible's verses from Spanish to English, translates verses that it has
# not seen with beam search, and is judged by BLEU.
#
#   examples/transformer/demo.sh [--quick] [FOLDER]     FOLDER: for what it makes, default build/transformer
#
# --quick: a smaller net and a few steps, to see that all of it works. DLC says where the compiler is.
set -euo pipefail
. "$(dirname "$0")/../step.sh"
pieces=2000 size=(-D size=small) epochs=(--epochs 6) verses=1000 least=15 most=4
if [ "${1:-}" = --quick ]; then
  pieces=600 size=(-D size=small -D D=48 -D depth=1 -D warmup=40) epochs=(--epochs 1 --steps 60) verses=5 least=0 most=6
  shift
fi
out=${1:-build/transformer}
mkdir -p "$out"

step examples/transformer/verses.py "$out/verses"
text=$out/verses
step "$dlc" subwords learn "$text/train.en" "$text/train.es" --size $pieces --special '<pad>' --special '<s>' --special '</s>' \
  -o "$out/subwords"
for language in es en; do
  step "$dlc" subwords encode "$text/train.$language" --vocabulary "$out/subwords" -o "$text/train.$language.tokens"
done
step examples/transformer/pairs.py "$text/train" "$out/subwords" 40
step "$dlc" build examples/transformer/transformer.dl "${size[@]}" -D pieces=$pieces -D padding=$((pieces - 3)) -o "$out/learner"
rm -f "$out/learnt.log"
step "$out/learner" train source="$text/train.source.npy" before="$text/train.before.npy" target="$text/train.target.npy" \
  --batch 32 "${epochs[@]}" --validate 320 --seed 1 --save "$out/learnt.safetensors" --log "$out/learnt.log"

head -$verses "$text/test.es" >"$out/test.es"
head -$verses "$text/test.en" >"$out/test.en"
for beams in 1 4; do
  step "$out/learner" translate source="$out/test.es" --vocabulary "$out/subwords" --weights "$out/learnt.safetensors" \
    --beams $beams -q -o "$out/said.$beams.en"
  step examples/transformer/bleu.py "$out/said.$beams.en" "$out/test.en" | tee "$out/bleu.$beams"
done
for line in 1 2 3 4; do
  for file in test.es said.4.en test.en; do sed -n ${line}p "$out/$file"; done
  echo
done

# Held to what README.md says.
loss=$(sed -nE 's/.*"validation":\{"loss":([0-9.]+).*/\1/p' "$out/learnt.log" | tail -1)
bleu=$(sed -nE 's/^BLEU ([0-9.]+):.*/\1/p' "$out/bleu.4")
awk -v b="$bleu" -v least=$least -v loss="$loss" -v most=$most \
  'BEGIN { exit !(b != "" && b >= least && loss > 0 && loss <= most) }' || {
  echo "demo: BLEU is '$bleu', to be $least; the loss of the validation '$loss', at most $most" >&2
  exit 1
}
