#!/bin/bash
# A compiler that links with gold, in a third of ld's time where sanitizers are linked: it does not know two of the
# options that dlc gives.
# usage: gold.sh CC [ARGUMENT..]
arguments=()
for argument in "$@"; do
  case $argument in
  -Wl,-z,noseparate-code | -Wl,-z,pack-relative-relocs) ;;
  *) arguments+=("$argument") ;;
  esac
done
exec "${arguments[@]}" -fuse-ld=gold
