#!/bin/bash
# The initialisers as compiled code: distributions, orthogonality, seeds, threads.
#                                                             first_values.sh DLC OUT [FLAG ..]
set -euo pipefail
. "$(dirname "$0")/../tools/host.sh"
host_begin first_values.dl first_values.c
"$dlc" build first_values.dl --emit lib,header -q -o first_values
host first_values first_values
./first_values
