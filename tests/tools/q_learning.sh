#!/bin/bash
# The table of examples/q_learning, embedded by its game, learns the shortest way and equals the same in C.
# usage: q_learning.sh DLC EXAMPLES
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" build "$2/q_learning/q_learning.dl" --emit lib,header -o "$folder/q_learning" -q
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$folder" "$2/q_learning/cliff.c" \
  "$folder/libq_learning.a" -lm -lpthread -o "$folder/cliff"
"$folder/cliff" >"$folder/said" || { cat "$folder/said"; exit 1; }
grep -q '^there in 13 moves$' "$folder/said" || { cat "$folder/said"; exit 1; }
