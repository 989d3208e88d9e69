#!/bin/bash
# All tests: unit and lit tests, the include rule; the same under sanitizers, but for the long ones;
# fuzzers for a short while. --all: also what is slow or long, and longer fuzzing.
set -euo pipefail
cd "$(dirname "$0")/../.."
all=0
[ "${1:-}" = --all ] && all=1

tests/tools/include_rule.sh
tests/tools/docs.sh
label=(-LE slow)
[ $all = 1 ] && label=()
ctest --test-dir build/release -j "$(nproc)" --output-on-failure "${label[@]}"
if [ $all = 1 ]; then tests/tools/valgrind.sh; fi
# Every example: reduced, in all ways of compiling; at full size once (--all: the slowest too).
tests/reference/run.py --all-ways small
full=(full)
[ $all = 1 ] && full+=(slow)
tests/reference/run.py "${full[@]}"
[ $all = 0 ] || tests/reference/run_curves.py --threads 1,2
[ -f build/asan/build.ninja ] || cmake --preset asan >/dev/null
cmake --build --preset asan -j "$(nproc)" >build/asan.log 2>&1 || { tail -40 build/asan.log; exit 1; }
ctest --test-dir build/asan -j "$(nproc)" --output-on-failure -LE "$([ $all = 1 ] && echo slow || echo 'slow|long')"
if compgen -G 'tests/fuzz/*.c' >/dev/null; then
  [ -f build/fuzz/build.ninja ] || cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz -j "$(nproc)" >build/fuzz.log 2>&1 || { tail -40 build/fuzz.log; exit 1; }
  seconds=4
  [ $all = 1 ] && seconds=300
  tests/tools/fuzz.sh $seconds
fi
echo "all tests passed"
