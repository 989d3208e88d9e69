#!/bin/bash
# LeNet's program without weights: at most 150 KiB for each CPU level, and nothing needed but libc and libm.
# Built from its own folder: a program holds the path that it was made from at each place it tells of.
# usage: program_size.sh DLC EXAMPLES
set -euo pipefail
limit=$((150 * 1024))
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dlc=$(realpath "$1")
cd "$2/lenet"
for cpu in x86-64-v2 x86-64-v3 x86-64-v4; do
  "$dlc" build lenet.dl --entry lenet --cpu $cpu -o "$folder/lenet" -q
  size=$(stat -c %s "$folder/lenet")
  if [ "$size" -gt $limit ]; then
    echo "program_size: $cpu: $size bytes, over $limit"
    size -A "$folder/lenet"
    exit 1
  fi
  echo "program_size: $cpu: $size bytes of $limit"
done
needed=$(readelf -d "$folder/lenet" | grep NEEDED | grep -v -E '\[lib(c|m)\.so' || true)
if [ -n "$needed" ]; then
  echo "program_size: needs more than libc and libm: $needed"
  exit 1
fi
