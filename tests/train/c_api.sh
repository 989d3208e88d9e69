#!/bin/bash
# The C interface of a network that trains: header and library by dlc, a host in C that calls all of
# it, and the header through a C++ compiler.    c_api.sh DLC OUT [FLAG ..]
set -euo pipefail
. "$(dirname "$0")/../tools/host.sh"
# (A failing `!` does not end a script.)
lacks() {
  if grep "$@"; then
    echo "c_api: found what should not be there: $*" >&2
    exit 1
  fi
}
host_begin small.dl host.c
"$dlc" build small.dl --emit lib,header -q -o small
host host small -D_POSIX_C_SOURCE=200809L
./host
printf '#include "small.h"\nint main() { return small_count() == 0; }\n' >host.cc
"${CXX_HOST:-c++}" -Wall -Wextra -Wpedantic -Werror "${flags[@]}" host.cc libsmall.a -lm -lpthread -o hostcc
./hostcc
# Built with its weights a network is a model alone.
"$dlc" build small.dl --weights host.safetensors --emit header -o constant.h
lacks -qE '_(fit|init|save)\(' constant.h
grep -q 'small(small_context' constant.h

# What a model writes goes back to its first value, and only that.
cp "$here/memory.dl" .
cat >memory.c <<'C'
#include "memory.h"
#include <string.h>
int main(void) {
  memory_context *net;
  float x[3] = {1, 2, 3}, first[3], then[3], again[3];
  if (memory_open(&net, NULL, 1)) return 1;
#ifndef CONSTANT
  if (memory_init(net, 1)) return 2;
#endif
  if (memory(net, 1, x, first) || memory(net, 1, x, then) || memory_reset(net)) return 3;
  if (memory(net, 1, x, again)) return 4;
  if (memcmp(first, again, sizeof first) || !memcmp(first, then, sizeof first)) return 5;
#ifndef CONSTANT
  if (memory_save(net, "memory.safetensors")) return 6;
#endif
  memory_close(net);
  return 0;
}
C
"$dlc" build memory.dl --emit lib,header -q -o memory
"${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Werror "$@" memory.c libmemory.a -lm -lpthread -o memory
./memory
lacks -q total memory.safetensors
"$dlc" build memory.dl --weights memory.safetensors --emit lib,header -q -o memory
"${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Werror -DCONSTANT "$@" memory.c libmemory.a -lm -lpthread -o memory
./memory
lacks -q memory_save memory.h
# A model named alone keeps what it writes, without what learns.
"$dlc" build memory.dl --entry memory --emit lib,header -q -o memory
sed -i 's/memory_init(net, 1)/memory_load(net, "memory.safetensors")/' memory.c
"${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Werror "$@" memory.c libmemory.a -lm -lpthread -o memory
./memory
lacks -q memory_init memory.h
echo "c_api: ok"
