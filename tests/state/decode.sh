#!/bin/bash
# Memory between calls and run-time lengths: piece by piece equals the whole; a length that is given
# at the call equals the same fixed one, bit for bit.              decode.sh DLC OUT [FLAG ..]
set -euo pipefail
. "$(dirname "$0")/../tools/host.sh"
host_begin decode.dl decode.c lengths.c
"$dlc" build decode.dl --emit lib,header -q -o decode
host decode decode
./decode
host lengths decode -DDYNAMIC
./lengths 7 24 >dynamic.txt
for length in 7 24; do
  "$dlc" build decode.dl --dim N=2 --dim T=$length --emit lib,header -q -o decode
  host lengths decode -DLENGTH=$length
  ./lengths
done >fixed.txt
cmp dynamic.txt fixed.txt
echo "lengths: ok"
