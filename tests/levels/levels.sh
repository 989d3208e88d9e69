#!/bin/bash
# A network for several CPU levels, as each kind of output: every level that this machine has is run,
# and gives what the interpreter gives.    levels.sh DLC REFERENCE OUT [FLAG ..]
# UNDER: words in front of each program that is run, tests/emulator's CPU, which has all levels.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 reference=$2 out=$3
shift 3
under=(${UNDER:-})
all=x86-64-v2,x86-64-v3,x86-64-v4
fail() {
  echo "levels: $*" >&2
  exit 1
}
rm -rf "$out"
mkdir -p "$out"
cd "$out"
cp "$here/small.dl" "$here/host.c" .
"$dlc" check small.dl --json | python3 -c '
import json, sys
for p in json.load(sys.stdin)["parameters"]:
    print(p["name"], p["type"], ",".join(map(str, p["shape"])))' >parameters
"$reference" weights weights.safetensors <parameters
build() {
  "$dlc" build small.dl --weights weights.safetensors -q "$@"
}
build --cpu $all --emit exe,lib,shared,obj,header -o small
flags=$(sed -n 's/^flags\t*: //p' /proc/cpuinfo | head -1)
has() {
  for flag; do [[ " $flags " == *" $flag "* ]] || return 1; done
}
levels=x86-64-v2
if has avx2 fma bmi2 f16c; then levels="$levels x86-64-v3"; fi
if [ ${#under[@]} -gt 0 ] || has avx512f avx512bw avx512cd avx512dq avx512vl; then levels="$levels x86-64-v4"; fi
best=${levels##* }

# Which level runs is said, and can be lowered.
"${under[@]}" ./small --help | grep -q "for x86-64-v4, x86-64-v3, x86-64-v2; $best runs" || fail "--help"
"${under[@]}" ./small info | grep -q "^runs     the code for $best$" || fail "info"
DLC_CPU=x86-64-v2 "${under[@]}" ./small info | grep -q "^runs     the code for x86-64-v2$" || fail "DLC_CPU"
for level in $levels; do
  "${under[@]}" ./small profile --entry again --cpu "$level" | grep -q "threads*   $level$" || fail "profile"
done

# Weights are there once, for all levels: one more level adds none.
build --cpu x86-64-v2,x86-64-v4 -o two
[ "$(./small info | grep ^weights)" = "$(./two info | grep ^weights)" ] || fail "weights"

# Each kind of library gives what the interpreter gives, at each level.
link() {
  "${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Werror "${flags_of_test[@]}" host.c "$@" -lm -lpthread
}
flags_of_test=("$@")
link libsmall.a -o host_lib
link small.o -o host_obj
link -L. -lsmall -Wl,-rpath,"$PWD" -o host_shared
interpreted() { # the network at -O0 by one CPU, which other tests hold to the interpreter
  build -O0 --cpu x86-64-v2 --emit lib,header -o small
  link libsmall.a -o host_wanted
  ./host_wanted
}
interpreted >wanted
for host in host_lib host_obj host_shared; do
  for level in $levels; do
    DLC_CPU=$level "${under[@]}" ./$host >got || fail "$host at $level"
    paste wanted got | awk -v what="$host at $level" '
      { d = $1 - $2; if (d < 0) d = -d; if (d > 1e-6) { print what ": " $1 " and " $2; bad = 1 } }
      END { exit bad || NR != 55 }' || fail "$host at $level differs"
  done
done

# The same code as in a build of the level's own, if the graph is: results depend on nothing else.
DLC_CPU=x86-64-v2 ./host_lib >first
DLC_CPU=x86-64-v2 ./host_shared >second
cmp first second || fail "a library and a shared one differ"

# Where nothing fits, that is said.
if [ "$best" != x86-64-v4 ]; then
  build --cpu x86-64-v4 -o high
  if ./high predict x=none.npy 2>error; then fail "a level that is not there ran"; fi
  grep -q "this machine's CPU lacks what code for x86-64-v4 needs" error || fail "the error"
fi
build --cpu x86-64-v3,x86-64-v4 --emit shared,header -o small
link -L. -lsmall -Wl,-rpath,"$PWD" -o host_shared
if DLC_CPU=x86-64-v2 ./host_shared 2>error; then fail "more than DLC_CPU ran"; fi
grep -q "this machine's CPU lacks what the model was built for" error || fail "the library's error"
