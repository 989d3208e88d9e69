#!/bin/bash
# Memory between calls and run-time lengths: piece by piece equals the whole; a length that is given
# at the call equals the same fixed one, bit for bit.              decode.sh DLC OUT [FLAG ..]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 out=$2
shift 2
mkdir -p "$out"
cd "$out"
cp "$here/decode.dl" "$here/decode.c" "$here/lengths.c" .
host() { # NAME LIBRARY
  "${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror "$flags" "${@:3}" "$1.c" "lib$2.a" -lm -lpthread -o "$1-$2"
}
flags=-DDYNAMIC
"$dlc" build decode.dl --emit lib,header -q -o decode
host decode decode "$@"
./decode-decode
host lengths decode "$@"
./lengths-decode 7 24 >dynamic.txt
for length in 7 24; do
  flags=-DLENGTH=$length
  "$dlc" build decode.dl --dim N=2 --dim T=$length --emit lib,header -q -o decode
  host lengths decode "$@"
  ./lengths-decode
done >fixed.txt
cmp dynamic.txt fixed.txt
echo "lengths: ok"
