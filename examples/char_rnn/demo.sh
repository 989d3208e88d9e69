#!/bin/bash
# Recurrent nets, LSTM and GRU, learn to write letter by letter from the King James Bible.
#
#   examples/char_rnn/demo.sh [--quick] [FOLDER]     FOLDER: for what it makes, default build/char_rnn
#
# --quick: smaller nets and a few steps, to see that all of it works. DLC says where the compiler is.
set -euo pipefail
. "$(dirname "$0")/../step.sh"
hidden=128 length=64 batch=32 epochs=(--epochs 1 --steps 1200) most=4.5
if [ "${1:-}" = --quick ]; then
  hidden=48 length=32 batch=32 epochs=(--epochs 1 --steps 100) most=25
  shift
fi
out=${1:-build/char_rnn}
mkdir -p "$out"

step examples/transformer/verses.py "$out/verses"
step "$dlc" subwords learn "$out/verses/en.learn.txt" --by characters -o "$out/characters"
letters=$(sed -nE '1s/^#characters ([0-9]+) .*/\1/p' "$out/characters")
for cell in lstm gru; do
  rm -f "$out/$cell.log"
  step "$dlc" build examples/char_rnn/char_rnn.dl -D cell=$cell -D hidden=$hidden -D vocab="$letters" -o "$out/$cell"
  step "$out/$cell" train token="$out/verses/en.learn.txt" --validate token="$out/verses/en.held.txt" \
    --vocabulary "$out/characters" lr=0.003 --dim T=$length --batch $batch "${epochs[@]}" --seed 1 \
    --save "$out/$cell.safetensors" --log "$out/$cell.log"
  step "$out/$cell" generate "In the beginning" --weights "$out/$cell.safetensors" --tokens 300 --temperature 0.7 --seed 1

  # Held to what README.md says.
  perplexity=$(sed -nE 's/.*"validation".*"perplexity":([0-9.]+).*/\1/p' "$out/$cell.log" | tail -1)
  echo "$cell: perplexity $perplexity of a letter in chapters it has not seen, among $letters" >&2
  awk -v p="$perplexity" -v most=$most 'BEGIN { exit !(p > 1 && p <= most) }' || {
    echo "demo: the perplexity is '$perplexity', not below $most" >&2
    exit 1
  }
done
