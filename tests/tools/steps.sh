#!/bin/sh
# steps.sh DLC COMPARE FILE.dl: the entries of a model that trains, after `gradient`, as machine code
# and through the interpreter.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" dump "$3" --after=gradient -o "$folder/step.ir"
"$2" --steps --faults "$folder/step.ir"
