#!/bin/bash
# Masks, and gradients that are cut.                                masks.sh DLC OUT [FLAG ..]
set -euo pipefail
. "$(dirname "$0")/../tools/host.sh"
host_begin masks.dl masks.c
"$dlc" build masks.dl --emit lib,header -q -o masks
host masks masks
./masks
