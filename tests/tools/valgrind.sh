#!/bin/bash
# valgrind.sh [--all] [BUILD]: programs that dlc makes infer and learn under valgrind: no invalid
# access, no use of what was never written. --all: all reduced examples, the compiler, and unit tests
# but for those that make machine code of the host's own.
set -euo pipefail
cd "$(dirname "$0")/../.."
all=0
[ "${1:-}" = --all ] && all=1 && shift
build=$(cd "${1:-build/release}" && pwd)
watch=(valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A network that learns: parameters, states, an optimizer's, dropout; two threads, then one.
"$build/dlc" build tests/train/small.dl --cpu x86-64-v3 -q -o "$work/small"
strip "$work/small" # valgrind cannot read all of DWARF 5
python3 - "$work" <<'PYTHON'
import struct, sys
with open(sys.argv[1] + '/images.idx', 'wb') as file:
    file.write(struct.pack('>HBBIII', 0, 8, 3, 30, 6, 6) + bytes(i * 37 % 251 for i in range(30 * 36)))
with open(sys.argv[1] + '/labels.idx', 'wb') as file:
    file.write(struct.pack('>HBBI', 0, 8, 1, 30) + bytes(i % 3 for i in range(30)))
PYTHON
data="image=$work/images.idx label=$work/labels.idx"
for threads in 2 1; do
  "${watch[@]}" "$work/small" train $data --lr 0.01 --batch 8 --epochs 2 --validate 6 --threads $threads \
    --save "$work/learnt.safetensors" -q
done
"${watch[@]}" "$work/small" predict image="$work/images.idx" --expect "$work/labels.idx" \
  --weights "$work/learnt.safetensors" -q >/dev/null
echo "valgrind: learning, ok"

# Each case compares its results too.
cases=(lenet-batch resnet18-small bert-small transformer-small char_lstm-small recurrence ctc)
[ $all = 1 ] && cases=(small)
tests/reference/run.py --build "$build" -j "$(nproc)" --valgrind "${cases[@]}"
[ $all = 1 ] || exit 0

for name in dim text move graph ir_text interpret_shape offsets syntax runtime_readers runtime_safetensors; do
  echo "valgrind: unit/$name"
  "${watch[@]}" "$build/tests/unit_$name" >/dev/null
done
echo "valgrind: dlc build"
"${watch[@]}" "$build/dlc" build examples/lenet/lenet.dl --entry lenet --cpu x86-64-v3 -o "$work/lenet"
echo "valgrind: ok"
