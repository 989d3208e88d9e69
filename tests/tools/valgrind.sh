#!/bin/bash
# Unit tests and a program that dlc makes, under valgrind: no invalid access, no use of what was
# never written. Debian 12's valgrind knows no AVX-512, so the program is made for x86-64-v3; tests
# that make machine code of the host's own are left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/release}
watch=(valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite)
for name in dim text move graph ir_text interpret_shape offsets syntax runtime_readers runtime_safetensors; do
  echo "valgrind: unit/$name"
  "${watch[@]}" "$build/tests/unit_$name" >/dev/null
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "valgrind: dlc build"
"${watch[@]}" "$build/dlc" build examples/lenet/lenet.dl --entry lenet --cpu x86-64-v3 -o "$work/lenet"
strip "$work/lenet" # valgrind cannot read all of DWARF 5
dd if=/dev/zero of="$work/image.raw" bs=3136 count=3 status=none
for threads in 1 2; do
  echo "valgrind: the program, $threads threads"
  "${watch[@]}" "$work/lenet" predict image="$work/image.raw" --weights examples/lenet/lenet.safetensors \
    --threads $threads -o "$work/out.npy" -q
done
echo "valgrind: ok"
