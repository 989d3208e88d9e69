#!/bin/bash
# Memory between calls and run-time lengths: piece by piece equals the whole; a length that is given
# at the call equals the same fixed one, bit for bit. So with parameters given at run time, and with
# constant ones of each type.                                      decode.sh DLC OUT [FLAG ..]
set -euo pipefail
. "$(dirname "$0")/../tools/host.sh"
host_begin decode.dl decode.c lengths.c
both() { # MACRO OPTION..: the host's, dlc's
  local macro=$1
  shift
  "$dlc" build decode.dl "$@" --emit lib,header -q -o decode
  host decode decode "$macro"
  ./decode weights.safetensors
  host lengths decode -DDYNAMIC "$macro"
  ./lengths 7 24 >dynamic.txt
  for length in 7 24; do
    "$dlc" build decode.dl "$@" --dim N=2 --dim T=$length --emit lib,header -q -o decode
    host lengths decode -DLENGTH=$length "$macro"
    ./lengths
  done >fixed.txt
  cmp dynamic.txt fixed.txt
  echo "lengths: ok"
}
both -DGIVEN
for type in f32 bf16 int8; do
  both -DCONSTANT --weights weights.safetensors --weights-type $type
done
