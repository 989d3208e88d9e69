#!/bin/bash
# The C interface of a network that trains: header and library by dlc, a host in C that calls all of
# it, and the header through a C++ compiler.    c_api.sh DLC OUT [FLAG ..]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 out=$2
shift 2
mkdir -p "$out"
cd "$out"
cp "$here/small.dl" "$here/host.c" .
"$dlc" build small.dl --emit lib,header -q -o small
"${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -D_POSIX_C_SOURCE=200809L "$@" host.c \
  libsmall.a -lm -lpthread -o host
./host
printf '#include "small.h"\nint main() { return small_count() == 0; }\n' >host.cc
"${CXX_HOST:-c++}" -Wall -Wextra -Wpedantic -Werror "$@" host.cc libsmall.a -lm -lpthread -o hostcc
./hostcc
# Built with its weights a network is a model alone.
"$dlc" build small.dl --weights host.safetensors --emit header -o constant.h
! grep -qE '_(fit|init|save)\(' constant.h
grep -q 'small(small_context' constant.h
echo "c_api: ok"
