#!/bin/bash
# The initialisers as compiled code: distributions, orthogonality, seeds, threads.
#                                                             first_values.sh DLC OUT [FLAG ..]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 out=$2
shift 2
mkdir -p "$out"
cd "$out"
cp "$here/first_values.dl" "$here/first_values.c" .
"$dlc" build first_values.dl --emit lib,header -q -o first_values
"${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror "$@" first_values.c libfirst_values.a \
  -lm -lpthread -o first_values
./first_values
