#!/bin/bash
# Masks, and gradients that are cut.                                masks.sh DLC OUT [FLAG ..]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 out=$2
shift 2
mkdir -p "$out"
cd "$out"
cp "$here/masks.dl" "$here/masks.c" .
"$dlc" build masks.dl --emit lib,header -q -o masks
"${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror "$@" masks.c libmasks.a -lm -lpthread -o masks
./masks
