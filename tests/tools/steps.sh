#!/bin/sh
# steps.sh DLC COMPARE FILE.dl [OPTION ..]: the entries of a model that trains, after `gradient`, as
# machine code and through the interpreter; OPTIONs are compare's.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dlc=$1 compare=$2 page=$3
shift 3
"$dlc" dump "$page" --after=gradient -o "$folder/step.ir"
"$compare" --steps --faults "$@" "$folder/step.ir"
